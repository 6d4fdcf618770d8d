//! The end of a run: everything has been healed and the crowd stands still; now our books are the exchange's.

use super::checks::Rule;
use super::seat::Seat;
use super::world::{STILL, World};
use remora_bus::Stream;
use remora_domain::{
    Amount, Asset, Balances, Body, ClOrdId, DurationNs, InstrumentKey, OrdStatus, Position,
};
use std::collections::BTreeMap;

/// How long before the crowd stood still the exchange must have taken an order of ours. Longer than the strategy's longest
/// pause after refusals: a side that was refused again and again while things went wrong waits that long after the last
/// refusal, and that may come when nothing goes wrong any more (orders of unknown fate still count as live).
const QUOTED_WITHIN: DurationNs = DurationNs::from_s(20);

impl World {
    /// Compares what we hold with what is, after quiet.
    pub(super) fn judge_the_end(&mut self) {
        self.judge_leaders();
        self.judge_executions();
        self.judge_positions();
        self.judge_open_orders();
        self.judge_balances();
        self.judge_breaks();
        self.judge_history();
        let still_at = self.now.saturating_sub(STILL);
        let quoted_since = still_at.saturating_sub(QUOTED_WITHIN);
        // A good quote stays where it is.
        if self.checks.accepted_at < quoted_since && !self.is_quoting {
            let detail = format!("the last order was taken at {}", self.checks.accepted_at);
            self.checks.breach(self.now, Rule::QuotesAgain, None, detail);
        }
        let late: Vec<ClOrdId> = self.checks.unanswered().take(1).cloned().collect();
        for id in late {
            self.checks.breach(self.now, Rule::OneAnswer, Some(&id), "nobody has answered");
        }
    }

    fn judge_executions(&mut self) {
        let mut wrong = Vec::new();
        for one in &self.exchange.executions {
            let id = &one.fill.exec_id;
            let booked = self.checks.booked.get(id);
            let is_same = booked.is_some_and(|event| {
                event.cl_ord_id == one.cl_ord_id && event.fill.as_ref() == Some(&one.fill)
            });
            if !is_same {
                wrong.push((one.cl_ord_id.clone(), format!("{id} of the exchange is not booked")));
            }
        }
        let (ours, theirs) = (self.checks.booked.len(), self.exchange.executions.len());
        if wrong.is_empty()
            && ours != theirs
            && let Some(event) = self.checks.booked.values().next()
        {
            wrong.push((
                event.cl_ord_id.clone(),
                format!("{ours} booked, {theirs} at the exchange"),
            ));
        }
        for (id, detail) in wrong.into_iter().take(3) {
            self.checks.breach(self.now, Rule::BooksAgree, Some(&id), detail);
        }
    }

    /// Compares the positions by the exchange's executions with what the gate counts with.
    fn judge_positions(&mut self) {
        let mut true_positions: BTreeMap<InstrumentKey, Position> = BTreeMap::new();
        for one in &self.exchange.executions {
            if let Some(asked) = self.exchange.asked.get(&one.cl_ord_id) {
                let position = true_positions.entry(asked.instrument.clone()).or_default();
                let by = Position::of(asked.side, one.fill.last_qty);
                *position = position.checked_add(by).unwrap_or(*position);
            }
        }
        let gates = Seat::GATES.iter().filter_map(|seat| self.process(*seat));
        let newest = gates.filter(|one| one.actor.is_some()).max_by_key(|process| process.run);
        let seat = newest.map(|process| process.service);
        let gate = newest.and_then(|process| process.actor.as_ref()?.gate());
        let Some((gate, view)) = gate.zip(seat.and_then(|seat| self.checks.gates.get(&seat)))
        else {
            return self.checks.breach(self.now, Rule::QuotesAgain, None, "there is no gate");
        };
        let counted: BTreeMap<InstrumentKey, Position> = gate
            .exposure()
            .pairs
            .into_iter()
            .map(|pair| (pair.instrument, pair.position))
            .collect();
        let differs = |(key, is): (InstrumentKey, Position)| {
            let counted = counted.get(&key).copied().unwrap_or_default();
            let is_same = counted == is && view.position(&key) == is;
            let told = || format!("{key}: {is} at the exchange, {counted} in the gate");
            (!is_same).then(told)
        };
        let wrong: Vec<String> = true_positions.into_iter().filter_map(differs).collect();
        for detail in wrong {
            self.checks.breach(self.now, Rule::BooksAgree, None, detail);
        }
    }

    fn judge_open_orders(&mut self) {
        for id in self.exchange.open.clone() {
            let status = self.checks.statuses.get(&id).copied();
            if status.is_none_or(OrdStatus::is_terminal) {
                let detail = format!("{id} is open at the exchange, for us it is {status:?}");
                self.checks.breach(self.now, Rule::NothingIsForgotten, Some(&id), detail);
            }
        }
        let is_lost = |(id, status): &(&ClOrdId, &OrdStatus)| {
            !status.is_terminal() && !self.exchange.open.contains(*id)
        };
        // What was sent in the last seconds may be under way.
        let recent = self.checks.accepted_at.saturating_add(DurationNs::from_s(5)) > self.now;
        let lost = self.checks.statuses.iter().find(is_lost).map(|(id, _)| id.clone());
        if let Some(id) = lost.filter(|_| !recent) {
            let detail = format!("{id} is open for us, and not at the exchange");
            self.checks.breach(self.now, Rule::NothingIsForgotten, Some(&id), detail);
        }
    }

    /// Compares what was last told of the account with what the exchange holds for us.
    fn judge_balances(&mut self) {
        let Some(held) = self.exchange.holdings(self.now) else {
            let detail = "the exchange does not tell what it holds";
            return self.checks.breach(self.now, Rule::BooksAgree, None, detail);
        };
        let log = self.streams.get(&Stream::Accounts).map_or(&[][..], Vec::as_slice);
        let told = log.iter().rev().find_map(|(_, message)| {
            if let Body::Balances(told) = &message.body { Some(totals(told)) } else { None }
        });
        let held = totals(&held);
        if told.as_ref() != Some(&held) {
            let detail = format!("{held:?} at the exchange, {told:?} was told last");
            self.checks.breach(self.now, Rule::BooksAgree, None, detail);
        }
    }

    /// Looks whether the differences that were found have ended.
    fn judge_breaks(&mut self) {
        let open: Vec<String> =
            self.checks.breaks_open.iter().map(|(id, cause)| format!("{id}: {cause}")).collect();
        for detail in open {
            self.checks.breach(self.now, Rule::BreaksEnd, None, format!("still open: {detail}"));
        }
    }

    /// Looks whether everything that was stored some seconds ago has become history.
    fn judge_history(&mut self) {
        let settled = self.now.saturating_sub(DurationNs::from_s(10));
        let reads = Seat::Persister.reads();
        let mut missing = None;
        for (subject, message) in self.streams.values().flatten() {
            let is_due = reads.contains(&subject.kind) && message.header.publish_time < settled;
            if is_due && !self.history.contains(message) {
                missing = Some(message.header.message_id());
                break;
            }
        }
        if let Some(id) = missing {
            let detail = format!("{id} is in its log and not in history");
            self.checks.breach(self.now, Rule::HistoryIsWhole, None, detail);
        }
    }
}

/// Gives what is held of each asset.
fn totals(balances: &Balances) -> BTreeMap<Asset, Amount> {
    balances.entries.iter().map(|one| (one.asset.clone(), one.total)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::PROFILE;

    #[test]
    fn every_side_is_asked_for_again_before_quoting_is_judged() {
        let setting = |line: &str| line.strip_prefix("refusal_pause_ms_max = ")?.parse().ok();
        let longest: i64 = PROFILE.lines().find_map(setting).unwrap();
        assert!(DurationNs::from_ms(longest) < QUOTED_WITHIN);
    }
}
