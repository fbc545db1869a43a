//! Which capture format a stream holds, by its first bytes.

use crate::error::Fault;
use crate::pcap::{FILE_HEADER, Pcap};
use crate::pcapng::{Pcapng, SECTION_HEADER};
use crate::stream::{Chunk, Stream};

/// Parser of one format.
pub(crate) enum Parser {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

/// A stream whose format is known.
pub(crate) struct Recognised {
    pub(crate) parser: Parser,
    /// Bytes read and not parsed.
    pub(crate) rest: Vec<u8>,
    /// Where `rest` starts in the stream.
    pub(crate) offset: u64,
}

/// Reads the header. Fails with a reason in plain language.
pub(crate) fn recognise(stream: &mut Stream) -> Result<Recognised, Fault> {
    let mut head = [0; SECTION_HEADER];
    let (got, end) = fill(stream, &mut head, FILE_HEADER)?;
    let magic = head.first_chunk().copied().unwrap_or_default();
    let unusable = |reason: String| Fault::Unusable(reason);
    let known = got >= 4 && (Pcap::recognises(magic) || Pcapng::recognises(magic));
    if !known {
        return Err(unusable(unknown_content(stream, &head, got, &end)));
    }
    let name = if Pcap::recognises(magic) {
        "pcap"
    } else {
        "pcapng"
    };
    let cut = |got| format!("is cut off inside its {name} header, {got} bytes in");
    let (parser, offset, got) = if Pcap::recognises(magic) {
        let Some(header) = head
            .first_chunk::<FILE_HEADER>()
            .filter(|_| got >= FILE_HEADER)
        else {
            return Err(unusable(cut(got)));
        };
        (
            Parser::Pcap(Pcap::new(header).map_err(unusable)?),
            FILE_HEADER,
            got,
        )
    } else {
        let rest = head.get_mut(got..).unwrap_or_default();
        let missing = rest.len();
        let got = got + fill(stream, rest, missing)?.0;
        if got < SECTION_HEADER {
            return Err(unusable(cut(got)));
        }
        (
            Parser::Pcapng(Pcapng::new(&head).map_err(unusable)?),
            0,
            got,
        )
    };
    let rest = head.get(offset..got).unwrap_or_default().to_vec();
    Ok(Recognised {
        parser,
        rest,
        offset: offset as u64,
    })
}

/// Reads until `buf` holds `least` bytes. Returns the count and what ended it.
fn fill(stream: &mut Stream, buf: &mut [u8], least: usize) -> Result<(usize, Chunk), Fault> {
    let mut got = 0;
    while got < least {
        match stream.read(buf.get_mut(got..).unwrap_or_default())? {
            Chunk::Bytes(n) => got += n,
            over => return Ok((got, over)),
        }
    }
    Ok((got, Chunk::Bytes(got)))
}

/// Says in plain language what is wrong with content that is no capture.
fn unknown_content(stream: &Stream, head: &[u8], got: usize, end: &Chunk) -> String {
    let within = stream
        .packed()
        .map(|packed| format!("{packed} data that hold "));
    let subject = within.clone().unwrap_or_default();
    let is = if within.is_some() { "is " } else { "" };
    match end {
        Chunk::Cut => format!("{is}{subject}no capture: the compressed data end too early"),
        Chunk::Corrupt(reason) => format!("{is}{subject}no capture: they are damaged ({reason})"),
        _ if got == 0 && within.is_some() => format!("{is}{subject}nothing"),
        _ if got < 4 => format!("is no capture file: {subject}only {got} bytes"),
        _ => {
            let magic = head
                .first_chunk()
                .map_or(0, |magic| u32::from_be_bytes(*magic));
            format!(
                "{is}{subject}no capture: starts with {magic:08x}, which is neither pcap nor pcapng"
            )
        }
    }
}
