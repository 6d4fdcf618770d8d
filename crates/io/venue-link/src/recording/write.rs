//! Writes recordings that read back byte for byte.

use super::{Direction, RecordingError};
use flate2::Compression;
use flate2::write::GzEncoder;
use remora_domain::Timestamp;
use serde_json::value::RawValue;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

enum Sink {
    Plain(BufWriter<File>),
    Gzip(Box<GzEncoder<BufWriter<File>>>),
}

impl Sink {
    fn as_write(&mut self) -> &mut dyn Write {
        match self {
            Self::Plain(file) => file,
            Self::Gzip(encoder) => encoder.as_mut(),
        }
    }
}

/// Writes frames to one file; gzip when its name ends in `.gz`.
///
/// After `flush`, everything written so far can be read back even if the process dies; a file that was never
/// finished reads as truncated behind its last flush.
pub struct RecordingWriter {
    path: PathBuf,
    sink: Sink,
    buffer: Vec<u8>,
    lines: u64,
    previous: Timestamp,
}

impl RecordingWriter {
    /// Creates the file; an existing one is refused, never overwritten.
    ///
    /// # Errors
    /// Refuses a path that exists or cannot be created.
    pub fn create(path: &Path) -> Result<Self, RecordingError> {
        let file = File::options().write(true).create_new(true).open(path);
        let file = file.map_err(|cause| RecordingError::Open { path: path.to_owned(), cause })?;
        let file = BufWriter::new(file);
        let sink = if path.extension().is_some_and(|extension| extension == "gz") {
            Sink::Gzip(Box::new(GzEncoder::new(file, Compression::default())))
        } else {
            Sink::Plain(file)
        };
        let path = path.to_owned();
        Ok(Self { path, sink, buffer: Vec::new(), lines: 0, previous: Timestamp::EPOCH })
    }

    /// Appends one frame.
    ///
    /// Frames of several connections may reach the writer a few microseconds out of order; as `t` never
    /// decreases in a file, such a frame takes the time of the line before it.
    ///
    /// # Errors
    /// Fails when the file system does.
    pub fn write(
        &mut self,
        t: Timestamp,
        venue: &str,
        channel: &str,
        direction: Direction,
        text: &str,
    ) -> Result<(), RecordingError> {
        self.previous = self.previous.max(t);
        self.lines = self.lines.saturating_add(1);
        self.buffer.clear();
        let line = encode(&mut self.buffer, self.previous, venue, channel, direction, text);
        let written = line.and_then(|()| self.sink.as_write().write_all(&self.buffer));
        written.map_err(|cause| self.error(cause))
    }

    /// Makes everything written so far readable.
    ///
    /// # Errors
    /// Fails when the file system does.
    pub fn flush(&mut self) -> Result<(), RecordingError> {
        self.sink.as_write().flush().map_err(|cause| self.error(cause))
    }

    /// Ends the file and gives the number of its lines.
    ///
    /// # Errors
    /// Fails when the file system does.
    pub fn finish(self) -> Result<u64, RecordingError> {
        let Self { path, sink, lines, .. } = self;
        let ended = match sink {
            Sink::Plain(mut file) => file.flush(),
            Sink::Gzip(encoder) => encoder.finish().and_then(|mut file| file.flush()),
        };
        ended.map_err(|cause| RecordingError::Write { path, line: lines, cause })?;
        Ok(lines)
    }

    fn error(&self, cause: io::Error) -> RecordingError {
        RecordingError::Write { path: self.path.clone(), line: self.lines, cause }
    }
}

/// Appends one line.
fn encode(
    line: &mut Vec<u8>,
    t: Timestamp,
    venue: &str,
    channel: &str,
    direction: Direction,
    text: &str,
) -> io::Result<()> {
    write!(line, "{{\"t\":{},\"venue\":", t.as_ns())?;
    serde_json::to_writer(&mut *line, venue)?;
    line.extend_from_slice(b",\"ch\":");
    serde_json::to_writer(&mut *line, channel)?;
    write!(line, ",\"dir\":\"{}\",\"frame\":", direction.as_str())?;
    if is_spliced(text) {
        line.extend_from_slice(text.as_bytes());
    } else {
        serde_json::to_writer(&mut *line, text)?;
    }
    line.extend_from_slice(b"}\n");
    Ok(())
}

/// Tells whether text may stand in a line as it is: one JSON value that is no string, on one line, without
/// blanks around it that a reader would lose.
fn is_spliced(text: &str) -> bool {
    !text.starts_with('"')
        && !text.bytes().any(|b| b.is_ascii_control())
        && serde_json::from_str::<&RawValue>(text).is_ok_and(|raw| raw.get() == text)
}
