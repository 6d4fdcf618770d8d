//! The `Machine` trait that every core and every venue session implements, what joins a core to its service,
//! which of several runs of a service leads, and deterministic randomness. In: nothing. Out: nothing. No I/O, no clock.
//! Test alone: `cargo test -p remora-machine`.
#![deny(missing_docs)]

mod lease;
mod liveness;
mod random;
mod service;

use remora_domain::Timestamp;

pub use lease::{
    Lease, LeaseInput, LeaseOutput, LeaseRecord, LeaseRecordError, LeaseRole, LeaseTimes,
    TermInput, TermOutput,
};
pub use liveness::{HEARTBEAT_INTERVAL, Liveness};
pub use random::SplitMix64;
pub use service::{
    LocalCodec, LocalCodecError, NoLocal, STOP_WAIT_MAX, ServiceCore, ServiceInput, ServiceOutput,
    SnapshotError,
};

/// Is a deterministic state machine: equal calls in equal order give equal outputs.
pub trait Machine {
    /// Everything that can happen to it (closed enum).
    type Input;
    /// Everything it can ask its driver to do (closed enum).
    type Output;

    /// Applies one input at `now`; appends effects in the order they must happen.
    fn handle(&mut self, now: Timestamp, input: Self::Input, out: &mut Vec<Self::Output>);

    /// Called once `next_deadline` has passed; must move that deadline beyond `now`.
    fn tick(&mut self, now: Timestamp, out: &mut Vec<Self::Output>);

    /// Earliest instant at which `tick` is wanted, if any.
    fn next_deadline(&self) -> Option<Timestamp>;
}
