//! What carries a venue's frames: recordings (read, written, played as sessions) and live WebSockets.
//!
//! In: JSON-lines recordings, plain or gzip; commands to connect, send and close.
//! Out: `FeedInput`s for a venue session, each stamped with the instant its frame arrived.
//!
//! Invariants: frame text is given on byte for byte; memory is bounded by one line (recordings) or by the
//! named queue bounds (sockets); played time never goes back; a recorded frame enters a session at the
//! same place, in the same form, as one from a socket.
//!
//! What must never happen here: a decision about the market; a frame dropped while its connection is
//! reported as healthy; a clock read by anything but a socket.
//!
//! Test alone: `cargo test -p remora-venue-link`. Servers of the tests listen on loopback.
#![deny(missing_docs)]

mod player;
mod recording;
mod socket;

pub use player::{Origin, Pace, ParsePaceError, Played, Player, SESSION_GAP, SessionPlan};
pub use recording::{
    Direction, LINE_BYTES_MAX, RecordedFrame, RecordingError, RecordingReader, RecordingSummary,
    RecordingWriter, summarise,
};
pub use socket::{ReceiveClock, SocketSettings, VenueSockets};
