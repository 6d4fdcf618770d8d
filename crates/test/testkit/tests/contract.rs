//! The contract suite passes a machine that keeps the contract and fails each that breaks one rule of it.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use remora_domain::{Body, DurationNs, MessageId, SessionId, SystemStatus, Timestamp};
use remora_domain::{ProducerId, Sequencer};
use remora_machine::{Machine, NoLocal, ServiceCore, ServiceInput, ServiceOutput};
use remora_testkit::{Producer, at_ms, contract, venue_status};
use std::cell::Cell;
use std::collections::BTreeSet;

/// Says which rule the machine breaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Breaks {
    Nothing,
    Determinism,
    Duplicates,
    Deadline,
    Silence,
}

/// Answers each venue status with its own, and repeats it every second.
struct Echo {
    breaks: Breaks,
    seen: BTreeSet<MessageId>,
    sequencer: Sequencer,
    is_live: bool,
    due: Option<Timestamp>,
    run: u64,
}

impl Echo {
    fn say(&mut self, now: Timestamp, out: &mut Vec<ServiceOutput<NoLocal>>) {
        let odd = self.breaks == Breaks::Determinism && self.run % 2 == 1;
        let status = if odd { SystemStatus::Maintenance } else { SystemStatus::Online };
        let body = Body::MarketStatus(venue_status(status));
        out.push(ServiceOutput::publish(self.sequencer.wrap(now, body)));
    }
}

impl Machine for Echo {
    type Input = ServiceInput<NoLocal>;
    type Output = ServiceOutput<NoLocal>;

    fn handle(&mut self, now: Timestamp, input: Self::Input, out: &mut Vec<Self::Output>) {
        match input {
            ServiceInput::CaughtUp => {
                self.is_live = true;
                self.due = Some(now.saturating_add(DurationNs::from_s(1)));
            }
            ServiceInput::Message(m) => {
                let is_new = self.seen.insert(m.header.message_id());
                let may_speak = self.is_live || self.breaks == Breaks::Silence;
                if may_speak && (is_new || self.breaks == Breaks::Duplicates) {
                    self.say(now, out);
                }
            }
            ServiceInput::Stopping => {}
            ServiceInput::Local(never) => match never {},
        }
    }

    fn tick(&mut self, now: Timestamp, out: &mut Vec<Self::Output>) {
        if self.breaks != Breaks::Deadline {
            self.due = Some(now.saturating_add(DurationNs::from_s(1)));
        }
        self.say(now, out);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.due
    }
}

impl ServiceCore for Echo {
    type LocalInput = NoLocal;
    type LocalOutput = NoLocal;
}

fn check(breaks: Breaks) {
    let runs = Cell::new(0);
    let make = || {
        runs.set(runs.get() + 1);
        let Ok(producer) = ProducerId::new("echo") else { panic!("a valid name") };
        Echo {
            breaks,
            seen: BTreeSet::new(),
            sequencer: Sequencer::new(producer, SessionId::new(1)),
            is_live: false,
            due: None,
            run: runs.get(),
        }
    };
    let mut feed = Producer::new("ingestor-sim-0", 1);
    let mut status = |ms| {
        (at_ms(ms), feed.input(at_ms(ms), Body::MarketStatus(venue_status(SystemStatus::Online))))
    };
    let inputs =
        [status(10), (at_ms(20), ServiceInput::CaughtUp), status(30), status(2_500), status(2_600)];
    contract::check(make, &inputs);
}

#[test]
fn a_machine_that_keeps_the_contract_passes() {
    check(Breaks::Nothing);
}

#[test]
#[should_panic(expected = "different outputs")]
fn a_machine_that_answers_differently_the_second_time_fails() {
    check(Breaks::Determinism);
}

#[test]
#[should_panic(expected = "the repeat of")]
fn a_machine_that_answers_a_repeat_fails() {
    check(Breaks::Duplicates);
}

#[test]
#[should_panic(expected = "left the deadline")]
fn a_machine_whose_tick_leaves_the_deadline_due_fails() {
    check(Breaks::Deadline);
}

#[test]
#[should_panic(expected = "before recovery ended")]
fn a_machine_that_speaks_before_recovery_ended_fails() {
    check(Breaks::Silence);
}
