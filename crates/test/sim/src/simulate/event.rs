//! What can be on its way in the world: messages, reports, frames, starts, faults.

use super::actor::LocalIn;
use super::faults::Fault;
use super::lease::Call;
use super::process::LaneName;
use super::seat::Seat;
use remora_bus::Stream;
use remora_domain::{Envelope, SessionId, VenueReport};
use remora_machine::LeaseInput;
use remora_venue_api::VenueCommand;
use std::sync::Arc;

/// Is something on its way.
pub(super) enum Event {
    /// A core message reaches a process.
    Message { to: Seat, run: SessionId, message: Arc<Envelope> },
    /// The first message of a lane reaches its stream.
    Store { by: Seat, run: SessionId, lane: LaneName },
    /// Its process hears that it is stored.
    Stored { by: Seat, run: SessionId, lane: LaneName },
    /// A process reads what is new in a log.
    Read { by: Seat, run: SessionId, stream: Stream },
    /// Something of its own reaches a process.
    Local { to: Seat, run: SessionId, input: LocalIn },
    /// A process starts and reads history.
    Start(Seat),
    /// It has read it.
    CaughtUp(Seat, SessionId),
    /// A stopped process goes on.
    Awake(Seat, SessionId),
    /// An operator's command, or a forged message, reaches its stream.
    Tell(Arc<Envelope>),
    /// A command reaches the exchange, sent on this connection.
    Command { conn: u64, command: VenueCommand },
    /// A report reaches our session on this connection.
    Report { conn: u64, report: VenueReport },
    /// Our session tries to connect.
    Connect(SessionId),
    /// Our session notices that its connection is gone.
    Lost(SessionId),
    /// A frame of the feed reaches the ingestor.
    Frame { conn: u64, text: String },
    /// The ingestor's try to connect ends.
    FeedUp(SessionId),
    /// The ingestor notices that its connection is gone.
    FeedLost(SessionId),
    /// What the ingestor sends reaches the exchange.
    FeedSaid { conn: u64, text: String },
    /// A second is over.
    Second,
    /// Something goes wrong.
    Fault(Fault),
    /// A keeper of a lease hears something, or its time has come.
    Keep { seat: Seat, run: SessionId, input: Option<LeaseInput> },
    /// A call reaches the register of the lease.
    RegisterAsked { seat: Seat, run: SessionId, number: u64, call: Call },
    /// Its answer reaches the keeper, or has not come in time.
    RegisterSaid { seat: Seat, run: SessionId, number: u64, input: LeaseInput },
    /// A gate that was replaced ends for good.
    Retire(Seat, SessionId),
    /// The last fault is over: everything is healed.
    Quiet,
    /// The crowd stands still.
    Still,
}
