//! Drives a machine the way a shell does: due ticks first, then the input; time never runs back.

use remora_domain::{Envelope, Timestamp};
use remora_machine::{Machine, ServiceInput, ServiceOutput};
use std::fmt::Debug;
use std::sync::Arc;

/// Holds a machine and its time.
#[derive(Debug)]
pub struct Driver<M> {
    /// The machine under test.
    pub machine: M,
    now: Timestamp,
}

impl<M: Machine> Driver<M>
where
    M::Output: Debug,
{
    /// Starts at the epoch.
    pub const fn new(machine: M) -> Self {
        Self { machine, now: Timestamp::EPOCH }
    }

    /// Gives the time reached.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Runs every tick due up to `now` and gives what they asked for. Fails when a tick leaves its deadline due.
    pub fn advance(&mut self, now: Timestamp) -> Vec<M::Output> {
        assert!(now >= self.now, "time runs back from {} to {now}", self.now);
        let mut out = Vec::new();
        while let Some(due) = self.machine.next_deadline().filter(|due| *due <= now) {
            self.now = self.now.max(due);
            self.machine.tick(self.now, &mut out);
            if let Some(next) = self.machine.next_deadline() {
                assert!(next > self.now, "tick at {} left the deadline at {next}", self.now);
            }
        }
        self.now = now;
        out
    }

    /// Runs every tick due up to `now`, then the input, and gives what both asked for.
    pub fn feed(&mut self, now: Timestamp, input: M::Input) -> Vec<M::Output> {
        let mut out = self.advance(now);
        self.machine.handle(now, input, &mut out);
        out
    }
}

impl<M: Machine<Input = ServiceInput<L>, Output = ServiceOutput<O>>, L, O: Debug> Driver<M> {
    /// Feeds one message at `now`.
    pub fn message(&mut self, now: Timestamp, envelope: Arc<Envelope>) -> Vec<M::Output> {
        self.feed(now, ServiceInput::Message(envelope))
    }

    /// Ends recovery at `now`.
    pub fn caught_up(&mut self, now: Timestamp) -> Vec<M::Output> {
        self.feed(now, ServiceInput::CaughtUp)
    }
}

/// Feeds a whole log of (instant, input) and gives everything the machine asked for, input by input.
pub fn drain<M: Machine>(
    machine: M,
    inputs: impl IntoIterator<Item = (Timestamp, M::Input)>,
) -> Vec<Vec<M::Output>>
where
    M::Output: Debug,
{
    let mut driver = Driver::new(machine);
    inputs.into_iter().map(|(now, input)| driver.feed(now, input)).collect()
}

/// Gives the published messages; fails on a fault.
pub fn published<O: Debug>(outputs: Vec<ServiceOutput<O>>) -> Vec<Arc<Envelope>> {
    let each = |output| match output {
        ServiceOutput::Publish(envelope) => Some(envelope),
        ServiceOutput::Local(_) => None,
        ServiceOutput::Fault(what) => panic!("fault: {what}"),
    };
    outputs.into_iter().filter_map(each).collect()
}
