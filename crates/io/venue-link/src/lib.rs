//! What carries a venue's frames: recordings (read, written, played as sessions), live WebSockets, and the wire of an
//! order-entry session: private WebSockets, HTTP calls, nonces.
//!
//! In: JSON-lines recordings, plain or gzip; commands to connect, send and close; calls; nonces to reserve.
//! Out: `FeedInput`s for a market-data session, each stamped with the instant its frame arrived; `VenueInput`s for an
//! order-entry session.
//!
//! Invariants: frame text is given on byte for byte; memory is bounded by one line (recordings) or by the
//! named bounds of queues, frames and answers; played time never goes back; a recorded frame enters a session at the
//! same place, in the same form, as one from a socket; a call ends once and says whether it may have reached the
//! venue; a nonce is not used before it is stored that it may be.
//!
//! What must never happen here: a decision about the market or an order; a frame dropped while its connection is
//! reported as healthy; a clock read by anything but a socket or a deadline; a private frame, header or body in a log
//! line, an error or a recording.
//!
//! Test alone: `cargo test -p remora-venue-link`. Servers of the tests listen on loopback.
#![deny(missing_docs)]

mod calls;
mod driver;
mod live;
mod nonce;
mod player;
mod recording;
mod socket;
mod wire;

pub use calls::{CallSettings, CallsError, VenueCalls};
pub use driver::{DriverError, OrderEntryDriver};
pub use live::{
    DeadManSetting, LiveAccount, LiveError, LivePlan, LiveSettings, LiveVenue, MakeOrders,
};
pub use nonce::{NonceError, NonceStore};
pub use player::{Origin, Pace, ParsePaceError, Played, Player, SESSION_GAP, SessionPlan};
pub use recording::{
    Direction, LINE_BYTES_MAX, RecordedFrame, RecordingError, RecordingReader, RecordingSummary,
    RecordingWriter, summarise,
};
pub use socket::{ReceiveClock, SocketSettings, VenueSockets};
pub use wire::{OrderWire, Said, WireError};

/// Tells an error with everything behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Several layers of the library repeat the cause in their own text.
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
