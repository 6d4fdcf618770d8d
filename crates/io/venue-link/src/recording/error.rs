//! What can be wrong with a recording: which file, which line, which field, what is allowed.

use remora_domain::Timestamp;
use std::io;
use std::path::PathBuf;

/// Says why a recording could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file could not be opened or created.
    #[error("open recording {}", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The file system failed while reading.
    #[error("read recording {}, line {line}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The line that was being read, from 1.
        line: u64,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The file system failed while writing.
    #[error("write recording {}, line {line}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// The line that was being written, from 1.
        line: u64,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The compressed stream contradicts itself.
    #[error("unpack recording {}, line {line}: corrupt gzip stream", path.display())]
    CorruptGzip {
        /// Which file.
        path: PathBuf,
        /// The line that was being read, from 1.
        line: u64,
        /// What the decoder said.
        #[source]
        cause: io::Error,
    },
    /// The file stops in the middle of its gzip stream or of a line; earlier lines are sound.
    #[error(
        "read recording {}, line {line}: the file is truncated; the {} lines before it are whole",
        path.display(),
        line.saturating_sub(1)
    )]
    Truncated {
        /// Which file.
        path: PathBuf,
        /// The line that is cut, from 1.
        line: u64,
    },
    /// There is nothing in the file.
    #[error("read recording {}: it holds no frame; want at least one line", path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// A line is longer than a frame may be.
    #[error("read recording {}, line {line}: longer than {bytes_max} bytes", path.display())]
    LineTooLong {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// The limit.
        bytes_max: usize,
    },
    /// A line is not text.
    #[error("read recording {}, line {line}: byte {offset} is not UTF-8", path.display())]
    NotText {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// Offset of the first bad byte in the line, from 0.
        offset: usize,
    },
    /// A line is not a JSON object of the format.
    #[error(
        "parse recording {}, line {line}: want one JSON object with t, venue, ch, dir, frame",
        path.display()
    )]
    NotJson {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What the parser said.
        #[source]
        cause: serde_json::Error,
    },
    /// A field is absent or holds what it may not.
    #[error("parse recording {}, line {line}: {field} is {value}, want {allowed}", path.display())]
    Field {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// Which field.
        field: &'static str,
        /// What it holds, cut to 80 characters; `absent` when it is not there.
        value: String,
        /// What it may hold.
        allowed: &'static str,
    },
    /// Time goes back.
    #[error(
        "parse recording {}, line {line}: t is {t}, want at least {previous}, the t of the frame before",
        path.display()
    )]
    TimeDecreasing {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// The offending time.
        t: Timestamp,
        /// The time of the frame before it.
        previous: Timestamp,
    },
    /// A file names more connections than a session can have.
    #[error(
        "parse recording {}, line {line}: ch is {channel:?}, the {count}th connection of the file; \
         want at most {count_max}",
        path.display()
    )]
    TooManyConnections {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// The connection that is one too many.
        channel: String,
        /// The how-manieth it is.
        count: usize,
        /// How many there may be.
        count_max: u16,
    },
    /// Moving a session behind the one before it would leave the range of time.
    #[error("play recording {}: its session cannot be moved to {to}", path.display())]
    TimeRange {
        /// Which file.
        path: PathBuf,
        /// Where it would have to begin.
        to: Timestamp,
    },
}

/// Cuts text for an error message.
pub(super) fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}
