//! A small pcapng writer for slices of captures: section header, interfaces,
//! packets with comments. Little-endian, nanoseconds. No reading, no buffering:
//! hand in a buffered writer.

use std::io::{self, Write};

use ctcpmon_core::frame::{Frame, LinkType};

/// Writes one pcapng section.
#[derive(Debug)]
pub struct PcapngWriter<W> {
    out: W,
    interfaces: u32,
    block: Vec<u8>,
}

impl<W: Write> PcapngWriter<W> {
    /// Writes the section header (pcapng draft section 4.1), length unspecified. `about` are
    /// comments on all of it, `application` is what wrote it; each is cut at 65,535 bytes.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn new(out: W, about: &[&str], application: Option<&str>) -> io::Result<Self> {
        let mut writer = Self {
            out,
            interfaces: 0,
            block: Vec::new(),
        };
        writer
            .block
            .extend_from_slice(&0x1a2b_3c4d_u32.to_le_bytes());
        writer.block.extend_from_slice(&[1, 0, 0, 0]);
        writer.block.extend_from_slice(&(-1_i64).to_le_bytes());
        for comment in about {
            writer.option(1, comment);
        }
        if let Some(application) = application {
            writer.option(4, application);
        }
        writer.end_options(!about.is_empty() || application.is_some());
        writer.flush_block(0x0a0d_0d0a)?;
        Ok(writer)
    }

    /// Describes an interface (section 4.2) and returns its id. `snap` is in
    /// bytes, 0 for no limit.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn interface(&mut self, link: LinkType, snap: u32, name: Option<&str>) -> io::Result<u32> {
        self.block.extend_from_slice(&link.0.to_le_bytes());
        self.block.extend_from_slice(&[0, 0]);
        self.block.extend_from_slice(&snap.to_le_bytes());
        if let Some(name) = name {
            self.option(2, name);
        }
        // if_tsresol: nanoseconds.
        self.block.extend_from_slice(&[9, 0, 1, 0, 9, 0, 0, 0]);
        self.end_options(true);
        self.flush_block(1)?;
        let id = self.interfaces;
        self.interfaces = self.interfaces.saturating_add(1);
        Ok(id)
    }

    /// Writes a frame (section 4.3). Times before 1970 are written as 1970; each
    /// comment is cut at 65,535 bytes.
    ///
    /// # Errors
    /// Those of the writer; `InvalidInput` for an interface never described or a
    /// frame above 4 GiB.
    pub fn packet(
        &mut self,
        interface: u32,
        frame: &Frame<'_>,
        comments: &[&str],
    ) -> io::Result<()> {
        let captured = u32::try_from(frame.bytes.len())
            .ok()
            .filter(|_| interface < self.interfaces)
            .ok_or(io::ErrorKind::InvalidInput)?;
        let ticks = u64::try_from(frame.ts.0).unwrap_or(0);
        for field in [
            interface,
            (ticks >> 32) as u32,
            ticks as u32,
            captured,
            frame.original_len.max(captured),
        ] {
            self.block.extend_from_slice(&field.to_le_bytes());
        }
        self.block.extend_from_slice(frame.bytes);
        self.pad();
        for comment in comments {
            self.option(1, comment);
        }
        self.end_options(!comments.is_empty());
        self.flush_block(6)
    }

    /// Hands the writer back, flushed.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }

    fn option(&mut self, code: u16, text: &str) {
        let most = text.len().min(usize::from(u16::MAX));
        let end = (0..=most)
            .rev()
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(0);
        let value = text.get(..end).unwrap_or_default();
        self.block.extend_from_slice(&code.to_le_bytes());
        self.block
            .extend_from_slice(&(value.len() as u16).to_le_bytes());
        self.block.extend_from_slice(value.as_bytes());
        self.pad();
    }

    /// Ends the option list, where there is one.
    fn end_options(&mut self, is_there: bool) {
        if is_there {
            self.block.extend_from_slice(&[0; 4]);
        }
    }

    fn pad(&mut self) {
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }

    /// Writes the collected body as a block of type `kind`.
    fn flush_block(&mut self, kind: u32) -> io::Result<()> {
        let length =
            u32::try_from(self.block.len() + 12).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(&self.block)?;
        self.out.write_all(&length.to_le_bytes())?;
        self.block.clear();
        Ok(())
    }
}
