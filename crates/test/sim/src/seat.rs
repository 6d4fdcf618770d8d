//! One core in its seat: what it listens to and what it has put out.

use remora_domain::{Envelope, Service, Subject, Timestamp};
use remora_machine::{ServiceCore, ServiceInput, ServiceOutput};
use std::sync::Arc;

/// Holds a core while it takes part in a world.
pub(crate) struct Seat<C: ServiceCore> {
    pub(crate) service: Service,
    pub(crate) core: C,
    pub(crate) out: Vec<ServiceOutput<C::LocalOutput>>,
}

impl<C: ServiceCore> Seat<C> {
    pub(crate) const fn new(service: Service, core: C) -> Self {
        Self { service, core, out: Vec::new() }
    }

    /// Gives the core a message if its service reads that kind.
    pub(crate) fn message(&mut self, now: Timestamp, subject: &Subject, message: &Arc<Envelope>) {
        if self.service.reads().contains(&subject.kind) {
            self.core.handle(now, ServiceInput::Message(Arc::clone(message)), &mut self.out);
        }
    }

    pub(crate) fn caught_up(&mut self, now: Timestamp) {
        self.core.handle(now, ServiceInput::CaughtUp, &mut self.out);
    }

    pub(crate) fn stopping(&mut self, now: Timestamp) {
        self.core.handle(now, ServiceInput::Stopping, &mut self.out);
    }

    pub(crate) fn local(&mut self, now: Timestamp, input: C::LocalInput) {
        self.core.handle(now, ServiceInput::Local(input), &mut self.out);
    }

    pub(crate) fn tick(&mut self, now: Timestamp) {
        self.core.tick(now, &mut self.out);
    }

    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.core.next_deadline()
    }
}
