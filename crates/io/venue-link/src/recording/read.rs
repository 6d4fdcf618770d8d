//! Reads recordings: streaming, one line in memory, precise about what is wrong.

use super::error::excerpt;
use super::{Direction, RecordedFrame, RecordingError};
use flate2::bufread::MultiGzDecoder;
use remora_domain::Timestamp;
use remora_venue_api::ConnId;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// The longest line that is read, in bytes: sixteen times the largest instrument frame that was seen.
pub const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The most connections a file may name.
const CONNECTIONS_MAX: u16 = 1024;

/// The first two bytes of every gzip stream (RFC 1952, section 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The keys of one line, each as its untouched text. Unknown keys are passed over, so that the format can grow.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    t: Option<&'a RawValue>,
    #[serde(borrow)]
    venue: Option<&'a RawValue>,
    #[serde(borrow)]
    ch: Option<&'a RawValue>,
    #[serde(borrow)]
    dir: Option<&'a RawValue>,
    #[serde(borrow)]
    frame: Option<&'a RawValue>,
}

/// Gives the frames of one recording in order; stops for good at the first error.
pub struct RecordingReader {
    path: PathBuf,
    source: Box<dyn BufRead + Send>,
    is_gzip: bool,
    line: u64,
    buffer: Vec<u8>,
    previous: Option<Timestamp>,
    connections: BTreeMap<String, ConnId>,
    is_over: bool,
}

impl RecordingReader {
    /// Opens a recording; whether it is gzip is told from its first bytes, not from its name.
    ///
    /// # Errors
    /// Refuses a file that cannot be opened or read.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let open = |cause| RecordingError::Open { path: path.to_owned(), cause };
        let mut file = BufReader::with_capacity(64 * 1024, File::open(path).map_err(open)?);
        let is_gzip = file.fill_buf().map_err(open)?.starts_with(&GZIP_MAGIC);
        let source: Box<dyn BufRead + Send> = if is_gzip {
            Box::new(BufReader::with_capacity(64 * 1024, MultiGzDecoder::new(file)))
        } else {
            Box::new(file)
        };
        Ok(Self {
            path: path.to_owned(),
            source,
            is_gzip,
            line: 0,
            buffer: Vec::new(),
            previous: None,
            connections: BTreeMap::new(),
            is_over: false,
        })
    }

    /// Gives the connections named so far, with their numbers.
    #[must_use]
    pub const fn connections(&self) -> &BTreeMap<String, ConnId> {
        &self.connections
    }

    /// Reads the next frame; `None` at the end.
    fn read_frame(&mut self) -> Result<Option<RecordedFrame>, RecordingError> {
        loop {
            if !self.read_line()? {
                return Ok(None);
            }
            if !self.buffer.iter().all(u8::is_ascii_whitespace) {
                return self.parse().map(Some);
            }
        }
    }

    /// Brings the next line into the buffer, without its line break; false at the end.
    fn read_line(&mut self) -> Result<bool, RecordingError> {
        self.line = self.line.saturating_add(1);
        self.buffer.clear();
        // One byte more than allowed tells a line that is too long from one that just fits.
        let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(2);
        let read = (&mut self.source).take(limit).read_until(b'\n', &mut self.buffer);
        let count = read.map_err(|cause| self.io_error(cause))?;
        if count == 0 {
            return Ok(false);
        }
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
        } else if self.buffer.len() <= LINE_BYTES_MAX && !self.is_whole() {
            return Err(RecordingError::Truncated { path: self.path.clone(), line: self.line });
        }
        if self.buffer.len() > LINE_BYTES_MAX {
            let (path, line) = (self.path.clone(), self.line);
            return Err(RecordingError::LineTooLong { path, line, bytes_max: LINE_BYTES_MAX });
        }
        Ok(true)
    }

    /// Tells whether a last line without a line break is nevertheless a whole JSON value.
    fn is_whole(&self) -> bool {
        serde_json::from_slice::<serde::de::IgnoredAny>(&self.buffer).is_ok()
    }

    fn io_error(&self, cause: io::Error) -> RecordingError {
        let (path, line) = (self.path.clone(), self.line);
        match (self.is_gzip, cause.kind()) {
            (true, io::ErrorKind::UnexpectedEof) => RecordingError::Truncated { path, line },
            (true, io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => {
                RecordingError::CorruptGzip { path, line, cause }
            }
            (true | false, _) => RecordingError::Read { path, line, cause },
        }
    }

    fn parse(&mut self) -> Result<RecordedFrame, RecordingError> {
        let (path, line) = (&self.path, self.line);
        let text = std::str::from_utf8(&self.buffer).map_err(|cause| RecordingError::NotText {
            path: path.clone(),
            line,
            offset: cause.valid_up_to(),
        })?;
        let fields: Line<'_> = serde_json::from_str(text)
            .map_err(|cause| RecordingError::NotJson { path: path.clone(), line, cause })?;
        let refuse = |field, raw: Option<&RawValue>, allowed| RecordingError::Field {
            path: path.clone(),
            line,
            field,
            value: raw.map_or_else(|| "absent".to_owned(), |raw| excerpt(raw.get())),
            allowed,
        };
        let string = |field, raw: Option<&RawValue>| {
            raw.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok())
                .filter(|text| !text.is_empty() && text.len() <= 256)
                .ok_or_else(|| refuse(field, raw, "text of 1 to 256 bytes"))
        };
        let t = fields.t.and_then(|raw| raw.get().parse::<i64>().ok()).filter(|t| *t > 0);
        let t = t.ok_or_else(|| refuse("t", fields.t, "whole nanoseconds since 1970, above 0"))?;
        let venue = string("venue", fields.venue)?;
        let channel = string("ch", fields.ch)?;
        let direction = match fields.dir.map(RawValue::get) {
            Some("\"in\"") => Direction::In,
            Some("\"out\"") => Direction::Out,
            Some(_) | None => return Err(refuse("dir", fields.dir, "\"in\" or \"out\"")),
        };
        let frame = fields.frame.and_then(frame_text);
        let text = frame.ok_or_else(|| refuse("frame", fields.frame, "a JSON value"))?;
        let t = self.accept_time(Timestamp::from_ns(t))?;
        let conn = self.connection(&channel)?;
        Ok(RecordedFrame { t, venue, channel, conn, direction, text, line })
    }

    fn accept_time(&mut self, t: Timestamp) -> Result<Timestamp, RecordingError> {
        match self.previous.filter(|previous| t < *previous) {
            Some(previous) => {
                let (path, line) = (self.path.clone(), self.line);
                Err(RecordingError::TimeDecreasing { path, line, t, previous })
            }
            None => {
                self.previous = Some(t);
                Ok(t)
            }
        }
    }

    fn connection(&mut self, channel: &str) -> Result<ConnId, RecordingError> {
        if let Some(conn) = self.connections.get(channel) {
            return Ok(*conn);
        }
        let count = self.connections.len();
        let number = u16::try_from(count).ok().filter(|number| *number < CONNECTIONS_MAX);
        let number = number.ok_or_else(|| RecordingError::TooManyConnections {
            path: self.path.clone(),
            line: self.line,
            channel: excerpt(channel),
            count: count.saturating_add(1),
            count_max: CONNECTIONS_MAX,
        })?;
        self.connections.insert(channel.to_owned(), ConnId::new(number));
        Ok(ConnId::new(number))
    }
}

impl Iterator for RecordingReader {
    type Item = Result<RecordedFrame, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let item = self.read_frame().transpose();
        self.is_over = !matches!(item, Some(Ok(_)));
        item
    }
}

/// Gives the frame itself: a JSON string stands for its content, anything else for its own text.
fn frame_text(raw: &RawValue) -> Option<String> {
    if raw.get().starts_with('"') {
        serde_json::from_str(raw.get()).ok()
    } else {
        Some(raw.get().to_owned())
    }
}

/// Tells what a sound recording holds, as far as it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingSummary {
    /// Which file.
    pub path: PathBuf,
    /// Time of the first frame.
    pub first: Timestamp,
    /// Time of the last frame.
    pub last: Timestamp,
    /// Frames received.
    pub frames_in: u64,
    /// Frames sent by the recorder.
    pub frames_out: u64,
    /// The line in which the file was cut; everything before it is whole. `None` where the file has its end.
    pub cut_at_line: Option<u64>,
    /// The recorder's names of the venues.
    pub venues: BTreeSet<String>,
    /// The recorder's names of the connections, with their numbers.
    pub connections: BTreeMap<String, ConnId>,
}

impl RecordingSummary {
    /// Tells whether the file holds nothing but instrument definitions, which serve other recordings: every
    /// connection in it is named `ws-instrument...` or `rest-instrument...`.
    #[must_use]
    pub fn is_definitions_only(&self) -> bool {
        let is_definition = |name: &String| {
            name.starts_with("ws-instrument") || name.starts_with("rest-instrument")
        };
        self.connections.keys().all(is_definition)
    }
}

/// Reads a recording from end to end and tells what it holds.
///
/// # Errors
/// Gives the first thing that is wrong with it. A file that is cut behind its first frame is not wrong, only shorter.
pub fn summarise(path: &Path) -> Result<RecordingSummary, RecordingError> {
    let mut reader = RecordingReader::open(path)?;
    let mut span: Option<(Timestamp, Timestamp)> = None;
    let (mut frames_in, mut frames_out) = (0_u64, 0_u64);
    let mut venues = BTreeSet::new();
    let mut cut_at_line = None;
    for frame in &mut reader {
        let frame = match frame {
            // A recorder that was killed leaves such a file: what is before the cut is as good as ever.
            Err(RecordingError::Truncated { line, .. }) if span.is_some() => {
                cut_at_line = Some(line);
                break;
            }
            frame => frame?,
        };
        span = Some((span.map_or(frame.t, |(first, _)| first), frame.t));
        match frame.direction {
            Direction::In => frames_in = frames_in.saturating_add(1),
            Direction::Out => frames_out = frames_out.saturating_add(1),
        }
        if !venues.contains(&frame.venue) {
            venues.insert(frame.venue);
        }
    }
    let path = path.to_owned();
    let (first, last) = span.ok_or_else(|| RecordingError::Empty { path: path.clone() })?;
    let connections = reader.connections;
    Ok(RecordingSummary {
        path,
        first,
        last,
        frames_in,
        frames_out,
        cut_at_line,
        venues,
        connections,
    })
}
