//! The drive loop of one order-entry session: its inputs, its deadlines, its wire.
//!
//! In: commands, market data, definitions (`tell`); what the wire hears. Out: reports and problems, in the order in which
//! the session gave them. What the session asks of the wire is carried out in that order too, before anything else is
//! taken in.
//!
//! A venue that needs no wire (simulated beside the router) is driven without one; should it ask for one, that ends it.

use crate::{OrderWire, ReceiveClock, Said, WireError};
use remora_domain::Timestamp;
use remora_venue_api::{OrderEntry, VenueInput, VenueOutput};
use std::collections::VecDeque;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Says why a session ended.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// Its wire cannot go on.
    #[error("carry an order-entry session")]
    Wire(#[from] WireError),
    /// It wants a wire and was given none.
    #[error("this venue needs a wire and was given none")]
    NoWire,
}

/// Owns one order-entry session and, where it has one, its wire.
pub struct OrderEntryDriver {
    entry: Box<dyn OrderEntry>,
    wire: Option<OrderWire>,
    clock: ReceiveClock,
    out: Vec<VenueOutput>,
    /// What the session said and nobody took yet: the outputs of the inputs told since the last `recv`.
    said: VecDeque<Said>,
    is_wire_missing: bool,
}

impl std::fmt::Debug for OrderEntryDriver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OrderEntryDriver").field("has_wire", &self.wire.is_some()).finish()
    }
}

impl OrderEntryDriver {
    /// Takes a session that has not started.
    #[must_use]
    pub fn new(entry: Box<dyn OrderEntry>, wire: Option<OrderWire>, clock: ReceiveClock) -> Self {
        Self { entry, wire, clock, out: Vec::new(), said: VecDeque::new(), is_wire_missing: false }
    }

    /// Gives the session an input and carries out what it asks for.
    pub fn tell(&mut self, input: VenueInput) {
        self.entry.handle((self.clock)(), input, &mut self.out);
        self.perform();
    }

    /// Gives the next thing the session says to its owner. Take everything that is `ready` before telling it more: what it
    /// says waits here. Cancel-safe: a dropped call loses nothing.
    ///
    /// # Errors
    /// Tells why the session cannot go on.
    pub async fn recv(&mut self) -> Result<Said, DriverError> {
        loop {
            if let Some(said) = self.ready()? {
                return Ok(said);
            }
            let deadline = self.entry.next_deadline();
            let wire = async {
                match &mut self.wire {
                    Some(wire) => wire.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = sleep_until(&self.clock, deadline) => {
                    self.entry.tick((self.clock)(), &mut self.out);
                }
                input = wire => self.entry.handle((self.clock)(), input?, &mut self.out),
            }
            self.perform();
        }
    }

    /// Gives what the session has said already, without waiting.
    ///
    /// # Errors
    /// Tells that the session wants a wire and has none.
    pub fn ready(&mut self) -> Result<Option<Said>, DriverError> {
        match self.said.pop_front() {
            None if self.is_wire_missing => Err(DriverError::NoWire),
            said => Ok(said),
        }
    }

    fn perform(&mut self) {
        for output in self.out.drain(..) {
            let said = match (&mut self.wire, output) {
                (Some(wire), output) => wire.perform(output),
                (None, VenueOutput::Report(report)) => Some(Said::Report(report)),
                (None, VenueOutput::Problem(problem)) => Some(Said::Problem(problem)),
                (None, VenueOutput::Stopped) => Some(Said::Stopped),
                (
                    None,
                    VenueOutput::Connect { .. }
                    | VenueOutput::Send { .. }
                    | VenueOutput::Close { .. }
                    | VenueOutput::Call(_)
                    | VenueOutput::ReserveNonces { .. },
                ) => {
                    self.is_wire_missing = true;
                    None
                }
            };
            self.said.extend(said);
        }
    }
}

/// Waits until the clock shows `deadline`; forever for `None`. Cancel-safe.
async fn sleep_until(clock: &ReceiveClock, deadline: Option<Timestamp>) {
    let Some(deadline) = deadline else {
        return std::future::pending().await;
    };
    loop {
        // The clock may be slower than the timer.
        match u64::try_from(deadline.since((clock)()).as_ns()) {
            Ok(left) if left > 0 => tokio::time::sleep(Duration::from_nanos(left)).await,
            Ok(_) | Err(_) => return,
        }
    }
}
