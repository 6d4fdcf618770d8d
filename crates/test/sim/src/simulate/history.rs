//! The store behind the persister: takes batches, sometimes is away, keeps every message once.

use super::actor::LocalIn;
use super::kinds::FaultKind;
use super::seat::Seat;
use super::world::{Event, World};
use remora_bus::Stream;
use remora_domain::{DurationNs, Envelope, MessageId, Subject, Timestamp};
use remora_persister_core::{PersisterInput, PersisterOutput, StoreFailure};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Is what is stored for good.
#[derive(Default)]
pub(super) struct History {
    stored: BTreeSet<MessageId>,
    pub(super) away_until: Timestamp,
}

impl History {
    pub(super) fn contains(&self, message: &Envelope) -> bool {
        self.stored.contains(&message.header.message_id())
    }

    /// Gives the first entry of each log that is to become history and is not yet.
    pub(super) fn places(
        &self,
        streams: &BTreeMap<Stream, Vec<(Subject, Arc<Envelope>)>>,
    ) -> BTreeMap<Stream, usize> {
        let reads = Seat::Persister.reads();
        let first = |log: &[(Subject, Arc<Envelope>)]| {
            let is_due = |(subject, message): &(Subject, Arc<Envelope>)| {
                reads.contains(&subject.kind) && !self.contains(message)
            };
            log.iter().position(is_due).unwrap_or(log.len())
        };
        streams.iter().map(|(stream, log)| (*stream, first(log))).collect()
    }
}

impl World {
    /// Carries out what the persister asks of its stores.
    pub(super) fn write_history(&mut self, effect: PersisterOutput) {
        match effect {
            PersisterOutput::Write(batch) => {
                let number = batch.number;
                let is_away = self.now < self.history.away_until;
                if is_away {
                    self.count(FaultKind::StoreAway);
                }
                let outcome = if is_away {
                    PersisterInput::StoreFailed { number, failure: StoreFailure::Unavailable }
                } else {
                    let ids = batch.messages.iter().map(|message| message.header.message_id());
                    self.history.stored.extend(ids);
                    PersisterInput::Stored { number }
                };
                let to = Seat::Persister;
                let Some(run) = self.process(to).map(|process| process.run) else { return };
                let delay = self.delay(1_000, 20_000);
                let input = LocalIn::Persister(outcome);
                self.post(delay, Event::Local { to, run, input });
            }
            // What was declined comes again, from the first that is not stored.
            PersisterOutput::Resume => {
                let places = self.history.places(&self.streams);
                let Some(process) = self.processes.get_mut(&Seat::Persister) else { return };
                let (by, run) = (process.service, process.run);
                process.read.extend(places.clone());
                for stream in places.into_keys() {
                    self.post(DurationNs::from_ms(1), Event::Read { by, run, stream });
                }
            }
            // Nobody looks at deliveries, letters or hot values here.
            PersisterOutput::Acknowledge { .. }
            | PersisterOutput::AlreadyStored { .. }
            | PersisterOutput::Declined { .. }
            | PersisterOutput::DeadLetter(_)
            | PersisterOutput::Pause
            | PersisterOutput::Hot(_) => {}
        }
    }
}
