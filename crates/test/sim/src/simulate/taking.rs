//! An operator takes back the whole account: an order of somebody else, the command, and what must become of both.
//!
//! In: what the router is given and asks the exchange for, and what disturbs its road. Out: what is broken. The order of
//! somebody else stands at the exchange until every order of the account is taken back there. Random numbers of its own,
//! so that runs without it are as they were.

use super::faults::{Fault, between};
use remora_domain::{
    Body, ControlAction, ControlScope, DurationNs, Envelope, MessageId, OpenOrder, Timestamp,
};
use remora_machine::SplitMix64;
use std::collections::BTreeSet;

/// How long the order of somebody else may still stand on a road that nothing disturbs: a few questions and answers.
const TAKEN_WITHIN: DurationNs = DurationNs::from_s(20);
/// A command that was read at this age, by the clock of its reader, counts for sure.
const FRESH_FROM: DurationNs = DurationNs::from_s(-4);
const FRESH_TO: DurationNs = DurationNs::from_s(50);
/// Where the road was disturbed for so long, the router may have given up.
const PATIENCE: DurationNs = DurationNs::from_s(45);
/// After this nobody asks for it any more: a minute until it is read, a minute without a list, what clocks differ.
const ASKED_FOR_MAX: DurationNs = DurationNs::from_s(130);
/// One run in so many has such commands.
const ONE_RUN_IN: u64 = 3;

/// Is what is known of the command and of the order.
#[derive(Default)]
pub(super) struct Taking {
    /// What somebody else has at the exchange, and since when.
    stranger: Option<(Timestamp, OpenOrder)>,
    /// What the present run of the router has read.
    read: BTreeSet<MessageId>,
    /// The command that it carries out, as far as it was not resumed.
    wanted: Option<Wanted>,
    /// Commands of which the log says that they are over.
    over: BTreeSet<MessageId>,
}

struct Wanted {
    command: MessageId,
    told_at: Timestamp,
    read_at: Timestamp,
    /// Since when nothing disturbs the road.
    calm_since: Timestamp,
    is_promised: bool,
}

/// Makes the schedule of such commands; none in most runs.
pub(super) fn schedule(seed: u64, from: Timestamp, until: Timestamp) -> Vec<(Timestamp, Fault)> {
    let mut random = SplitMix64::new(seed.rotate_left(32) ^ 0x7461_6b65_6261_636b);
    let mut faults = Vec::new();
    if random.next_below(ONE_RUN_IN) != 0 {
        return faults;
    }
    let mut at = from;
    loop {
        at = at.saturating_add(between(&mut random, 20_000, 90_000));
        if at >= until {
            return faults;
        }
        faults.push((at, Fault::CancelAccount { lasts: between(&mut random, 2_000, 60_000) }));
    }
}

impl Taking {
    /// Somebody else places an order, unless his last one still stands.
    pub(super) fn place(&mut self, now: Timestamp, order: OpenOrder) {
        self.stranger.get_or_insert((now, order));
    }

    /// The exchange takes back every order of the account.
    pub(super) fn taken(&mut self) {
        self.stranger = None;
    }

    /// Gives what somebody else has at the exchange.
    pub(super) fn stranger(&self) -> Option<&OpenOrder> {
        self.stranger.as_ref().map(|(_, order)| order)
    }

    /// Begins with a new run of the router, which has read nothing.
    pub(super) fn router_restarts(&mut self) {
        self.read.clear();
        self.wanted = None;
    }

    /// Takes what the router is given, whose clock shows `own`.
    pub(super) fn reads(&mut self, now: Timestamp, own: Timestamp, message: &Envelope) {
        let Body::ControlCommand(command) = &message.body else { return };
        let id = message.header.message_id();
        // An old command that is read again says nothing new.
        if command.scope != ControlScope::Global || !self.read.insert(id.clone()) {
            return;
        }
        match command.action {
            ControlAction::CancelAccount => {
                let told_at = message.header.publish_time;
                let is_fresh = (FRESH_FROM..=FRESH_TO).contains(&own.since(told_at));
                let is_promised = is_fresh && !self.over.contains(&id);
                let (read_at, calm_since) = (now, now);
                self.wanted =
                    Some(Wanted { command: id, told_at, read_at, calm_since, is_promised });
            }
            ControlAction::Resume | ControlAction::Reduce => self.wanted = None,
            ControlAction::Halt | ControlAction::ChangeLimits | ControlAction::ConfirmLimits => {}
        }
    }

    /// Takes what a stream has stored.
    pub(super) fn stored(&mut self, message: &Envelope) {
        if let Body::ControlState(state) = &message.body {
            self.over.extend(state.account_cancelled.clone());
        }
    }

    /// Looks at a taking back of everything that leaves the router; gives what is wrong with it.
    pub(super) fn asked(&self, now: Timestamp) -> Option<String> {
        let Some(wanted) = &self.wanted else {
            return Some(
                "every order of the account is taken back, and nobody wants it".to_owned(),
            );
        };
        if self.over.contains(&wanted.command) {
            return Some("the account is taken back again by a command that was over".to_owned());
        }
        let age = now.since(wanted.told_at);
        (age > ASKED_FOR_MAX)
            .then(|| format!("the account is taken back {} ms after the command", age.as_ms()))
    }

    /// Looks at what stands; gives what is wrong with it. `is_disturbed` tells whether anything is in the way of the router.
    pub(super) fn judge(&mut self, now: Timestamp, is_disturbed: bool) -> Option<String> {
        let wanted = self.wanted.as_mut()?;
        if is_disturbed {
            wanted.calm_since = now;
            wanted.is_promised &= now.since(wanted.read_at) < PATIENCE;
        }
        let (placed_at, _) = self.stranger.as_ref()?;
        let is_due = *placed_at < wanted.told_at && wanted.is_promised;
        let waited = now.since(wanted.calm_since);
        if !is_due || waited <= TAKEN_WITHIN {
            return None;
        }
        wanted.is_promised = false; // said once
        Some(format!("an order of somebody else still stands after {} ms", waited.as_ms()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_domain::{ClOrdId, ControlState, Price, Qty, Service, ServiceState, Side};
    use remora_testkit::{Producer, at_ms, cancel_account, control_state, key, resume};

    fn order() -> OpenOrder {
        OpenOrder {
            cl_ord_id: None::<ClOrdId>,
            order_id: "x-1".parse().unwrap(),
            instrument: key("BTC-USD"),
            side: Side::Buy,
            price: Price::parse("1").unwrap(),
            order_qty: Qty::parse("1").unwrap(),
            cum_qty: Qty::ZERO,
        }
    }

    #[test]
    fn an_order_of_somebody_else_must_go_after_the_command_and_only_then() {
        let mut operator = Producer::new("console", 1);
        let mut taking = Taking::default();
        taking.place(at_ms(500), order());
        assert!(taking.asked(at_ms(600)).is_some(), "nobody has asked for it");
        let command = operator.wrap(at_ms(1_000), Body::ControlCommand(cancel_account()));
        taking.reads(at_ms(1_010), at_ms(1_010), &command);
        assert_eq!(taking.asked(at_ms(1_020)), None);
        assert_eq!(taking.judge(at_ms(5_000), true), None);
        assert_eq!(taking.judge(at_ms(25_000), false), None, "counted from when it was calm");
        assert!(taking.judge(at_ms(25_001), false).is_some());
        taking.taken();
        let over = ControlState {
            account_cancelled: Some(command.header.message_id()),
            ..control_state(Service::OrderRouter, ServiceState::Halted, 1)
        };
        taking.stored(&operator.wrap(at_ms(26_000), Body::ControlState(over)));
        taking.router_restarts();
        taking.reads(at_ms(27_000), at_ms(27_000), &command);
        assert!(taking.asked(at_ms(27_010)).is_some(), "it was over");
        let later = operator.wrap(at_ms(28_000), Body::ControlCommand(cancel_account()));
        taking.reads(at_ms(28_010), at_ms(28_010), &later);
        assert_eq!(taking.asked(at_ms(28_020)), None);
        let resumed = Body::ControlCommand(resume(ControlScope::Global));
        taking.reads(at_ms(29_010), at_ms(29_010), &operator.wrap(at_ms(29_000), resumed));
        assert!(taking.asked(at_ms(29_020)).is_some());
    }
}
