//! The wire of one order-entry session: its private sockets, its calls, its nonces.
//!
//! In: what the session asks for, in order. Out: what happened to it, as the session's inputs.
//!
//! Whoever owns the session carries it: `OrderEntryDriver` in a process of its own, the scheduler of all cores in one
//! process. A report and a problem are not the wire's business and are given back at once.

use crate::{
    CallSettings, CallsError, NonceError, NonceStore, ReceiveClock, SocketSettings, VenueCalls,
    VenueSockets,
};
use remora_domain::VenueReport;
use remora_venue_api::{FeedInput, LinkCommand, Problem, VenueInput, VenueOutput};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How often a reservation is tried: a disk that is full may have room again.
const RESERVE_TRIES_MAX: u32 = 5;
/// The pause between two tries.
const RESERVE_PAUSE: Duration = Duration::from_millis(200);

/// Is what a session says to its owner, not to the venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The venue said something about orders or the account.
    Report(VenueReport),
    /// Something was wrong with what the venue sent.
    Problem(Problem),
    /// The session has ended, as it was asked to.
    Stopped,
}

/// Says why a wire cannot go on. Without nonces no signed call can be made, so the session must end.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Nonces could not be stored, tried several times.
    #[error("reserve nonces")]
    Nonces(#[from] NonceError),
    /// The task that stores nonces is gone.
    #[error("store nonces")]
    Task(#[source] tokio::task::JoinError),
}

/// Carries what one order-entry session says and hears.
pub struct OrderWire {
    sockets: VenueSockets,
    calls: VenueCalls,
    nonces: Nonces,
}

impl std::fmt::Debug for OrderWire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OrderWire").field("calls_open", &self.calls.open()).finish_non_exhaustive()
    }
}

impl OrderWire {
    /// Makes a wire without any connection. Must be used inside a tokio runtime.
    ///
    /// # Errors
    /// Tells what cannot be set up.
    pub fn new(
        sockets: SocketSettings,
        calls: CallSettings,
        nonces: NonceStore,
        clock: ReceiveClock,
    ) -> Result<Self, CallsError> {
        Ok(Self {
            sockets: VenueSockets::new(sockets, clock),
            calls: VenueCalls::new(calls)?,
            nonces: Nonces { store: Keeper::Idle(nonces), wanted: VecDeque::new() },
        })
    }

    /// Carries out what the session asks for, and returns at once. Gives back what is for its owner.
    pub fn perform(&mut self, output: VenueOutput) -> Option<Said> {
        match output {
            VenueOutput::Report(report) => return Some(Said::Report(report)),
            VenueOutput::Problem(problem) => return Some(Said::Problem(problem)),
            VenueOutput::Stopped => return Some(Said::Stopped),
            VenueOutput::Connect { conn, url } => {
                self.sockets.perform(LinkCommand::Connect { conn, url });
            }
            VenueOutput::Send { conn, text } => {
                let text = text.expose().to_owned();
                self.sockets.perform(LinkCommand::Send { conn, text });
            }
            VenueOutput::Close { conn } => self.sockets.perform(LinkCommand::Close { conn }),
            VenueOutput::Call(call) => self.calls.perform(call),
            VenueOutput::ReserveNonces { until } => self.nonces.reserve(until),
        }
        None
    }

    /// Gives the next thing that happened. Cancel-safe: a dropped call loses nothing.
    ///
    /// # Errors
    /// Tells that nonces cannot be stored; the wire is of no use after it.
    pub async fn recv(&mut self) -> Result<VenueInput, WireError> {
        loop {
            tokio::select! {
                biased; // few and bounded first: a flood of frames must not hold up the end of a call
                stored = self.nonces.recv() => {
                    return Ok(VenueInput::NoncesReserved { until: stored? });
                }
                (call, end) = self.calls.recv() => return Ok(VenueInput::CallEnded { call, end }),
                input = self.sockets.recv() => {
                    if let FeedInput::Disconnected { conn, detail } = &input {
                        tracing::info!(conn = conn.get(), detail, "private connection ended");
                    }
                    if let Some(input) = VenueInput::of_socket(input) {
                        return Ok(input);
                    }
                }
            }
        }
    }

    /// Gives how often a private connection was closed because its frames were not read in time.
    #[must_use]
    pub fn overflows(&self) -> u64 {
        self.sockets.overflows()
    }
}

/// Stores reservations one after the other, away from the tasks that carry frames.
#[derive(Debug)]
struct Nonces {
    store: Keeper,
    /// What was asked for and not answered, in order.
    wanted: VecDeque<u64>,
}

#[derive(Debug)]
enum Keeper {
    Idle(NonceStore),
    Busy(JoinHandle<(NonceStore, Result<(), NonceError>)>),
    Gone,
}

impl Nonces {
    fn reserve(&mut self, until: u64) {
        self.wanted.push_back(until);
        self.start();
    }

    fn start(&mut self) {
        let Some(until) = self.wanted.front().copied() else { return };
        self.store = match std::mem::replace(&mut self.store, Keeper::Gone) {
            Keeper::Idle(store) => {
                Keeper::Busy(tokio::task::spawn_blocking(move || patiently(store, until)))
            }
            other @ (Keeper::Busy(_) | Keeper::Gone) => other,
        };
    }

    async fn recv(&mut self) -> Result<u64, WireError> {
        let Keeper::Busy(task) = &mut self.store else {
            return std::future::pending().await;
        };
        let ended = task.await;
        // Nothing is awaited from here on, so that a dropped call loses nothing.
        self.store = Keeper::Gone;
        let (store, stored) = ended.map_err(WireError::Task)?;
        self.store = Keeper::Idle(store);
        stored?;
        let until = self.wanted.pop_front();
        self.start();
        match until {
            Some(until) => Ok(until),
            None => std::future::pending().await,
        }
    }
}

/// Stores one reservation; blocks.
fn patiently(mut store: NonceStore, until: u64) -> (NonceStore, Result<(), NonceError>) {
    let mut tries = 1;
    loop {
        match store.reserve(until) {
            Ok(()) => return (store, Ok(())),
            Err(error) if tries >= RESERVE_TRIES_MAX => return (store, Err(error)),
            Err(error) => {
                tracing::warn!(error = crate::chain(&error), "nonces not stored, trying again");
                std::thread::sleep(RESERVE_PAUSE);
                tries += 1;
            }
        }
    }
}
