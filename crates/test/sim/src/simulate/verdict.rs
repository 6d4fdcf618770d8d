//! The end of a run: everything has been healed and the crowd stands still; now our books are the exchange's.

use super::checks::Rule;
use super::world::{STILL, World};
use remora_domain::{ClOrdId, DurationNs, InstrumentKey, OrdStatus, Position, Service};
use std::collections::BTreeMap;

/// How long before the crowd stood still the exchange must have taken an order of ours.
const QUOTED_WITHIN: DurationNs = DurationNs::from_s(20);

impl World {
    /// Compares what we hold with what is, after quiet.
    pub(super) fn judge_the_end(&mut self) {
        self.judge_executions();
        self.judge_positions();
        self.judge_open_orders();
        self.judge_history();
        let still_at = self.now.saturating_sub(STILL);
        let quoted_since = still_at.saturating_sub(QUOTED_WITHIN);
        if self.checks.accepted_at < quoted_since {
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
        let gate = self.process(Service::RiskGate).and_then(|process| process.actor.as_ref());
        let Some(gate) = gate.and_then(|actor| actor.gate()) else {
            return self.checks.breach(self.now, Rule::QuotesAgain, None, "there is no gate");
        };
        let counted: BTreeMap<InstrumentKey, Position> = gate
            .exposure()
            .pairs
            .into_iter()
            .map(|pair| (pair.instrument, pair.position))
            .collect();
        for (key, is) in true_positions {
            let counted = counted.get(&key).copied().unwrap_or_default();
            let heard = self.checks.gate.position(&key);
            if counted != is || heard != is {
                let detail = format!("{key}: {is} at the exchange, {counted} in the gate");
                self.checks.breach(self.now, Rule::BooksAgree, None, detail);
            }
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

    /// Looks whether everything that was stored some seconds ago has become history.
    fn judge_history(&mut self) {
        let settled = self.now.saturating_sub(DurationNs::from_s(10));
        let reads = Service::Persister.reads();
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
