//! Where and when a frame came.

use super::published::Times;
use crate::{ConnId, FeedOutput, ProblemKind};
use remora_domain::{InstrumentKey, Timestamp};

/// Is where and when a frame came.
#[derive(Clone, Copy, Debug)]
pub struct At {
    /// On which connection.
    pub conn: ConnId,
    /// When it was stamped at the socket.
    pub receive: Timestamp,
    /// When the session has it.
    pub now: Timestamp,
}

impl At {
    /// Gives the times of what it says, with the venue's own where it tells one.
    #[must_use]
    pub const fn times(self, venue: Option<Timestamp>) -> Times {
        Times { venue, receive: self.receive }
    }

    /// Reports a problem with it.
    #[must_use]
    pub fn problem(
        self,
        kind: ProblemKind,
        instrument: Option<InstrumentKey>,
        detail: String,
    ) -> FeedOutput {
        FeedOutput::problem(kind, instrument, self.conn, detail)
    }
}
