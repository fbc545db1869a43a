//! The graph of a session from the packets of its slice.

use std::io::Cursor;

use ctcpmon_capture::{CaptureError, CaptureSet, FrameBatch, Options, Progress};
use ctcpmon_core::segment::Endpoint;
use ctcpmon_core::series::Series;

/// Reads a capture that is in memory.
///
/// # Errors
/// When it is none.
pub fn series_of(
    capture: Vec<u8>,
    client: Endpoint,
    headend: Endpoint,
) -> Result<Series, CaptureError> {
    let reader = Box::new(Cursor::new(capture));
    let mut source =
        CaptureSet::from_readers(vec![("packets".to_owned(), reader, 0)], &Options::default())?;
    let mut series = Series::new(client, headend);
    let mut batch = FrameBatch::default();
    while source.next_batch(&mut batch)? == Progress::More {
        for frame in batch.iter() {
            series.take(&frame);
        }
    }
    Ok(series)
}
