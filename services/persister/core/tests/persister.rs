//! What the persister promises: every message stored once, acknowledged after, nothing lost, memory bounded.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use remora_domain::{
    Body, CancelReason, ControlScope, Envelope, Header, MessageId, ProducerId, Sequencer,
    SessionId, Timestamp,
};
use remora_machine::{Machine, ServiceInput, ServiceOutput, SplitMix64};
use remora_persister_core::{
    Batch, PersisterCore, PersisterInput, PersisterOutput, PersisterSettings, StoreFailure,
};
use remora_testkit::{self as kit, at_ms as at};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn settings() -> PersisterSettings {
    PersisterSettings {
        batch_messages_max: 3,
        batch_age_ms_max: 200,
        pending_messages_max: 8,
        dedup_messages: 100,
        retry_first_ms: 100,
        retry_ms_max: 1_000,
        hot_interval_ms: 250,
        heartbeat_ms: 60_000,
    }
}

fn core_of(settings: &PersisterSettings) -> PersisterCore {
    let sequencer = Sequencer::new(ProducerId::new("persister").unwrap(), SessionId::new(1));
    PersisterCore::new(settings.validate().unwrap(), sequencer)
}

fn envelope(producer: &str, sequence: u64, body: Body) -> Arc<Envelope> {
    let header = Header {
        producer: ProducerId::new(producer).unwrap(),
        session: SessionId::new(7),
        sequence,
        cause: None,
        venue_time: None,
        receive_time: None,
        publish_time: Timestamp::from_ns(i64::try_from(sequence).unwrap()),
    };
    Arc::new(Envelope { header, body })
}

fn cancel(sequence: u64) -> Arc<Envelope> {
    let request = kit::request(&format!("c-{sequence}"));
    let body = kit::cancel(&request, CancelReason::Requote);
    envelope("decision", sequence, Body::OrderCancel(body))
}

fn book(instrument: &str, sequence: u64) -> Arc<Envelope> {
    envelope("ingestor", sequence, Body::Book(kit::book(instrument, "1", "2")))
}

/// Drives a core and keeps only what the persister alone asks for.
struct Driver {
    core: PersisterCore,
}

impl Driver {
    fn started(settings: &PersisterSettings) -> Self {
        let mut driver = Self { core: core_of(settings) };
        driver.give(0, ServiceInput::CaughtUp);
        driver
    }

    fn give(&mut self, ms: i64, input: ServiceInput<PersisterInput>) -> Vec<PersisterOutput> {
        let mut out = Vec::new();
        self.core.handle(at(ms), input, &mut out);
        locals(out)
    }

    fn message(&mut self, ms: i64, message: &Arc<Envelope>) -> Vec<PersisterOutput> {
        self.give(ms, ServiceInput::Message(Arc::clone(message)))
    }

    fn local(&mut self, ms: i64, input: PersisterInput) -> Vec<PersisterOutput> {
        self.give(ms, ServiceInput::Local(input))
    }

    fn tick(&mut self, ms: i64) -> Vec<PersisterOutput> {
        let mut out = Vec::new();
        self.core.tick(at(ms), &mut out);
        locals(out)
    }
}

fn locals(out: Vec<ServiceOutput<PersisterOutput>>) -> Vec<PersisterOutput> {
    let local = |output| match output {
        ServiceOutput::Local(local) => Some(local),
        ServiceOutput::Publish(_) => None,
        ServiceOutput::Fault(text) => panic!("fault: {text}"),
    };
    out.into_iter().filter_map(local).collect()
}

fn write(number: u64, messages: &[&Arc<Envelope>]) -> PersisterOutput {
    let messages = messages.iter().map(|message| Arc::clone(message)).collect();
    PersisterOutput::Write(Batch { number, messages })
}

fn failed(number: u64, failure: StoreFailure) -> PersisterInput {
    PersisterInput::StoreFailed { number, failure }
}

#[test]
fn a_full_batch_is_written_at_once_and_a_partial_one_when_it_is_old() {
    let mut driver = Driver::started(&settings());
    let m: Vec<_> = (0..4).map(cancel).collect();
    assert_eq!(driver.message(1, &m[0]), []);
    assert_eq!(driver.message(2, &m[1]), []);
    assert_eq!(driver.message(3, &m[2]), [write(1, &[&m[0], &m[1], &m[2]])]);
    assert_eq!(driver.message(4, &m[3]), [], "one write is under way at a time");
    assert_eq!(
        driver.local(5, PersisterInput::Stored { number: 1 }),
        [PersisterOutput::Acknowledge { number: 1 }]
    );
    assert_eq!(driver.core.next_deadline(), Some(at(204)));
    assert_eq!(driver.tick(204), [write(2, &[&m[3]])]);
}

#[test]
fn history_is_held_until_the_log_is_read_and_nothing_is_asked_before() {
    let mut driver = Driver { core: core_of(&settings()) };
    let m: Vec<_> = (0..10).map(cancel).collect();
    for message in &m {
        assert_eq!(driver.message(1, message), [], "history comes once, so none is declined");
    }
    assert_eq!(driver.message(1, &book("BTC-USD", 1)), []);
    assert_eq!(driver.core.next_deadline(), None);
    assert_eq!(driver.tick(5_000), []);
    assert_eq!(
        driver.give(5_001, ServiceInput::CaughtUp),
        [write(1, &[&m[0], &m[1], &m[2]]), PersisterOutput::Pause]
    );
}

#[test]
fn a_repeat_is_never_written_twice() {
    let mut driver = Driver::started(&PersisterSettings { batch_messages_max: 1, ..settings() });
    let m = cancel(1);
    assert_eq!(driver.message(1, &m), [write(1, &[&m])]);
    assert_eq!(driver.message(2, &m), [], "its delivery waits for the same batch");
    driver.local(3, PersisterInput::Stored { number: 1 });
    assert_eq!(driver.message(4, &m), []);
    let ids = vec![m.header.message_id()];
    assert_eq!(driver.tick(204), [PersisterOutput::AlreadyStored { ids }]);
    assert_eq!(driver.core.counts().duplicates, 2);
}

#[test]
fn a_failed_write_is_tried_again_with_growing_capped_pauses_and_the_same_number() {
    let mut driver = Driver::started(&PersisterSettings { batch_messages_max: 1, ..settings() });
    let m = cancel(1);
    driver.message(0, &m);
    let mut now = 0;
    for pause in [100, 200, 400, 800, 1_000, 1_000] {
        assert_eq!(driver.local(now, failed(1, StoreFailure::Unavailable)), []);
        assert_eq!(driver.local(now, failed(1, StoreFailure::Unavailable)), [], "said twice");
        now += pause;
        assert_eq!(driver.core.next_deadline(), Some(at(now)));
        assert_eq!(driver.tick(now - 1), []);
        assert_eq!(driver.tick(now), [write(1, &[&m])]);
    }
    assert_eq!(driver.core.counts().failures_in_a_row, 6);
    let stored = PersisterInput::Stored { number: 1 };
    assert_eq!(driver.local(now, stored), [PersisterOutput::Acknowledge { number: 1 }]);
    assert_eq!(driver.local(now, stored), [], "an old outcome changes nothing");
    assert_eq!(driver.core.counts().failures_in_a_row, 0);
}

#[test]
fn a_message_the_store_can_never_take_is_set_aside_alone() {
    let mut driver = Driver::started(&settings());
    let m: Vec<_> = (0..3).map(cancel).collect();
    for message in &m {
        driver.message(1, message);
    }
    assert_eq!(driver.local(2, failed(1, StoreFailure::Refused)), [write(2, &[&m[0]])]);
    assert_eq!(
        driver.local(3, PersisterInput::Stored { number: 2 }),
        [PersisterOutput::Acknowledge { number: 2 }, write(3, &[&m[1]])]
    );
    assert_eq!(
        driver.local(4, failed(3, StoreFailure::Refused)),
        [
            PersisterOutput::DeadLetter(Arc::clone(&m[1])),
            PersisterOutput::Acknowledge { number: 3 },
            write(4, &[&m[2]])
        ]
    );
    assert_eq!(driver.core.counts().dead_letters, 1);
}

#[test]
fn a_full_persister_pauses_declines_and_resumes_without_losing_anything() {
    let mut driver = Driver::started(&settings());
    let m: Vec<_> = (0..9).map(cancel).collect();
    let mut said = Vec::new();
    for message in &m {
        said.extend(driver.message(1, message));
    }
    let id = m[8].header.message_id();
    assert_eq!(
        said,
        [
            write(1, &[&m[0], &m[1], &m[2]]),
            PersisterOutput::Pause,
            PersisterOutput::Declined { id }
        ]
    );
    assert_eq!(driver.core.counts().pending, 8);
    driver.local(2, PersisterInput::Stored { number: 1 });
    let said = driver.local(3, PersisterInput::Stored { number: 2 });
    assert_eq!(said[1], PersisterOutput::Resume);
    driver.message(4, &m[8]);
    assert_eq!(driver.core.counts().accepted, 9, "what was declined is taken when it comes again");
}

#[test]
fn a_flush_writes_what_is_held_without_waiting() {
    let mut driver = Driver::started(&settings());
    let m = cancel(1);
    driver.message(1, &m);
    assert_eq!(driver.local(2, PersisterInput::Flush), [write(1, &[&m])]);
}

#[test]
fn a_flush_tries_a_batch_that_failed_again_at_once() {
    let mut driver = Driver::started(&settings());
    let m = cancel(1);
    driver.message(1, &m);
    driver.local(2, PersisterInput::Flush);
    let failed = PersisterInput::StoreFailed { number: 1, failure: StoreFailure::Unavailable };
    assert_eq!(driver.local(3, failed), []);
    assert_eq!(driver.local(4, PersisterInput::Flush), [write(1, &[&m])]);
}

#[test]
fn hot_views_are_coalesced_and_an_older_message_never_replaces_a_newer() {
    let mut driver = Driver::started(&settings());
    for (ms, message) in [
        (1, book("BTC-USD", 5)),
        (2, book("ETH-USD", 6)),
        (3, book("BTC-USD", 8)),
        (4, book("BTC-USD", 7)),
    ] {
        assert_eq!(driver.message(ms, &message), []);
    }
    assert_eq!(driver.core.next_deadline(), Some(at(251)));
    assert_eq!(
        driver.tick(251),
        [PersisterOutput::Hot(book("BTC-USD", 8)), PersisterOutput::Hot(book("ETH-USD", 6))]
    );
    driver.message(300, &book("BTC-USD", 7));
    assert_eq!(driver.tick(600), [], "nothing newer came");
    assert_eq!(driver.core.counts().accepted, 0, "books are views, not history");
}

#[test]
fn a_control_command_is_history_but_no_view() {
    let mut driver = Driver::started(&settings());
    let command = kit::halt(ControlScope::Global);
    driver.message(1, &envelope("console", 1, Body::ControlCommand(command)));
    assert_eq!(driver.core.counts().accepted, 1);
    assert_eq!(driver.core.next_deadline(), Some(at(201)));
}

#[test]
fn a_heartbeat_tells_how_old_the_newest_message_is() {
    let mut core = core_of(&PersisterSettings { heartbeat_ms: 1_000, ..settings() });
    let mut out = Vec::new();
    core.handle(at(0), ServiceInput::CaughtUp, &mut out);
    core.handle(at(1), ServiceInput::Message(book("BTC-USD", 1_000_000)), &mut out);
    out.clear();
    core.tick(at(1_000), &mut out);
    let beats: Vec<_> = out
        .iter()
        .filter_map(|output| match output {
            ServiceOutput::Publish(message) => Some(message.body.clone()),
            ServiceOutput::Local(_) | ServiceOutput::Fault(_) => None,
        })
        .collect();
    let [Body::Heartbeat(beat)] = &beats[..] else { panic!("{beats:?}") };
    assert_eq!(beat.data_age.unwrap().as_ms(), 999);
}

#[test]
fn the_contract_of_cores_is_kept() {
    let mut log = vec![
        (at(1), ServiceInput::Message(cancel(1))),
        (at(2), ServiceInput::Message(book("BTC-USD", 1))),
        (at(3), ServiceInput::CaughtUp),
    ];
    for n in 2..8 {
        let now = i64::try_from(n).unwrap() * 10;
        log.push((at(now), ServiceInput::Message(cancel(n))));
        log.push((at(now + 1), ServiceInput::Message(book("BTC-USD", n))));
    }
    for (ms, outcome) in [
        (81, PersisterInput::Stored { number: 1 }),
        (82, failed(2, StoreFailure::Unavailable)),
        (300, PersisterInput::Stored { number: 2 }),
        (600, failed(3, StoreFailure::Refused)),
        (601, PersisterInput::Flush),
    ] {
        log.push((at(ms), ServiceInput::Local(outcome)));
    }
    kit::contract::check(|| core_of(&settings()), &log);
}

/// A store and a consumer with at-least-once delivery, as the persister's shell sees them.
#[derive(Default)]
struct World {
    undelivered: BTreeMap<MessageId, Arc<Envelope>>,
    written: BTreeMap<u64, Batch>,
    rows: BTreeMap<MessageId, u32>,
    dead: BTreeSet<MessageId>,
}

impl World {
    /// Answers every output until there is nothing to answer; `luck` decides which writes fail.
    fn settle(&mut self, driver: &mut Driver, now: i64, mut said: Vec<PersisterOutput>, luck: u64) {
        let mut dice = SplitMix64::new(luck);
        while !said.is_empty() {
            let mut next = Vec::new();
            for output in said {
                next.extend(self.answer(driver, now, output, &mut dice));
            }
            said = next;
        }
    }

    fn answer(
        &mut self,
        driver: &mut Driver,
        now: i64,
        output: PersisterOutput,
        dice: &mut SplitMix64,
    ) -> Vec<PersisterOutput> {
        match output {
            PersisterOutput::Write(batch) => {
                let number = batch.number;
                let is_poisoned =
                    batch.messages.iter().any(|m| m.header.sequence.is_multiple_of(17));
                self.written.insert(number, batch.clone());
                if dice.next_below(3) == 0 {
                    return driver.local(now, failed(number, StoreFailure::Unavailable));
                }
                if is_poisoned {
                    return driver.local(now, failed(number, StoreFailure::Refused));
                }
                for message in batch.messages.iter() {
                    *self.rows.entry(message.header.message_id()).or_default() += 1;
                }
                driver.local(now, PersisterInput::Stored { number })
            }
            PersisterOutput::Acknowledge { number } => {
                for message in self.written[&number].messages.iter() {
                    let id = message.header.message_id();
                    assert!(self.rows.contains_key(&id) || self.dead.contains(&id), "{id}");
                    self.undelivered.remove(&id);
                }
                vec![]
            }
            PersisterOutput::AlreadyStored { ids } => {
                for id in ids {
                    assert!(self.rows.contains_key(&id) || self.dead.contains(&id));
                    self.undelivered.remove(&id);
                }
                vec![]
            }
            PersisterOutput::DeadLetter(message) => {
                self.dead.insert(message.header.message_id());
                vec![]
            }
            PersisterOutput::Declined { .. }
            | PersisterOutput::Pause
            | PersisterOutput::Resume
            | PersisterOutput::Hot(_) => vec![],
        }
    }
}

proptest! {
    #[test]
    fn whatever_fails_every_message_is_stored_once_or_set_aside(
        steps in prop::collection::vec((0u64..60, 0i64..300, any::<u64>()), 1..200),
    ) {
        let mut driver = Driver::started(&settings());
        let mut world = World::default();
        let mut now = 0;
        for (sequence, wait, luck) in steps {
            now += wait;
            let message = cancel(sequence);
            let id = message.header.message_id();
            if !world.rows.contains_key(&id) && !world.dead.contains(&id) {
                world.undelivered.insert(id, Arc::clone(&message));
            }
            let said = driver.message(now, &message);
            world.settle(&mut driver, now, said, luck);
            prop_assert!(driver.core.counts().pending <= 8);
            if driver.core.next_deadline().is_some_and(|due| due <= at(now)) {
                let said = driver.tick(now);
                world.settle(&mut driver, now, said, luck ^ 1);
                prop_assert!(driver.core.next_deadline().is_none_or(|due| due > at(now)));
            }
        }
        // The bus delivers again what was not acknowledged, until everything is.
        for round in 0..200u64 {
            if world.undelivered.is_empty() {
                break;
            }
            for message in world.undelivered.clone().into_values() {
                let said = driver.message(now, &message);
                world.settle(&mut driver, now, said, round);
            }
            now += 1_000;
            let said = driver.tick(now);
            world.settle(&mut driver, now, said, round ^ 77);
        }
        prop_assert!(world.undelivered.is_empty());
        prop_assert!(world.rows.values().all(|rows| *rows == 1));
    }
}
