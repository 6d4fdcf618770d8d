//! The common frame format: one JSON object a line, `{"t":..,"venue":..,"ch":..,"dir":..,"frame":..}`, plain
//! or gzip. The format is described in `demo/README.md`; `t` is nanoseconds and never decreases in a file.

mod error;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub use error::RecordingError;
pub use read::{LINE_BYTES_MAX, RecordingReader, RecordingSummary, summarise};
pub use write::RecordingWriter;

use remora_domain::Timestamp;
use remora_venue_api::ConnId;

/// Says which way a frame went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Received from the venue.
    In,
    /// Sent by the recorder, such as a subscription.
    Out,
}

impl Direction {
    /// Gives the word of the format.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// Is one recorded frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedFrame {
    /// When it was received or sent, by the recorder's clock.
    pub t: Timestamp,
    /// The recorder's name of the venue, such as `kraken`.
    pub venue: String,
    /// The recorder's name of the connection, such as `ws-book`.
    pub channel: String,
    /// The connection as a number: channels count from 0 in the order in which the file first names them.
    pub conn: ConnId,
    /// Which way it went.
    pub direction: Direction,
    /// Its text, byte for byte.
    pub text: String,
    /// Its line in the file, from 1.
    pub line: u64,
}
