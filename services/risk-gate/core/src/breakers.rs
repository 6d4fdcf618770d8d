//! Breakers: what the gate halts by itself, as recorded commands that only a person lifts.
//!
//! A loss of the day (G27) and a drawdown (G28) halt everything, repeated executions (G25) their pair. The halt is a command
//! like an operator's: routers take the orders back and ask the venue until none is open, and a restart finds it in the
//! log. A person's resume starts the count anew: losses are measured from equity as it stands then.

use crate::control::{BREAKER, Changed};
use crate::core::{Out, RiskGateCore};
use crate::denial::{Denial, money};
use crate::facts::Facts;
use crate::loss::made;
use remora_domain::{
    Body, ControlAction, ControlCommand, ControlScope, DurationNs, Fee, Fill, Instrument, Notional,
    OrderRequest, Qty, Side, Timestamp, VenueId,
};
use remora_ledger::Holding;
use remora_machine::ServiceOutput;

/// How often the marks of equity are told again when only the peak moved.
const EQUITY_TOLD_EVERY: DurationNs = DurationNs::from_s(60);

impl RiskGateCore {
    /// Halts what must be halted by what is known now.
    pub(crate) fn guard(&mut self, now: Timestamp, out: &mut Out) {
        if !self.acts(now) {
            return;
        }
        if let Some(why) = self.loss_beyond() {
            self.trip(now, ControlScope::Global, why, out);
        }
        for key in self.facts.tripped.clone() {
            let config = &self.facts.config;
            let (count, window) =
                (config.executions_per_window_max, config.execution_window.as_ms());
            let why = format!("G25 more than {count} executions in {window} ms");
            self.trip(now, ControlScope::Instrument(key), why, out);
        }
    }

    /// Says which loss is beyond its limit. A loss that is not known halts nothing; no order passes meanwhile.
    fn loss_beyond(&self) -> Option<String> {
        let (equity, config) = (&self.facts.equity, &self.facts.config);
        let unit = &config.reporting.currency;
        let beyond = |what: &str, value: Notional, limit: Notional| {
            let (value_text, limit_text) = (money(value, unit), money(limit, unit));
            (value > limit).then(|| format!("{what} of {value_text} above {limit_text}"))
        };
        let day = equity.day_loss().ok()?;
        let fall = equity.drawdown().ok()?;
        beyond("G27 loss of the day", day, config.loss_day_max)
            .or_else(|| beyond("G28 drawdown", fall, config.drawdown_max))
    }

    fn trip(&mut self, now: Timestamp, scope: ControlScope, reason: String, out: &mut Out) {
        if self.facts.halts.is_halted(&scope) {
            return;
        }
        let actor = BREAKER.to_owned();
        let action = ControlAction::Halt;
        let command = ControlCommand { action, scope, actor, reason, limits: None, account: None };
        if self.facts.halts.apply(&command) == Changed::Nothing {
            return;
        }
        let envelope = self.sequencer.wrap(now, Body::ControlCommand(command));
        out.push(ServiceOutput::publish(envelope));
        self.tell_state(now, out);
    }
}

impl Facts {
    /// Counts an order that was approved at `at`.
    pub(crate) fn note_sent(&mut self, at: Timestamp, order: &OrderRequest) {
        self.rate.note(at);
        self.today.note_order(at);
        self.spend(&order.instrument.venue, at);
        let window = self.config.duplicate_window;
        self.traded_pair(&order.instrument).repeats.note(at, window, order);
    }

    /// Counts a message to a venue.
    pub(crate) fn spend(&mut self, venue: &VenueId, at: Timestamp) {
        let (messages, window) =
            (self.config.venue_budget_messages, self.config.venue_budget_window);
        self.venue(venue).budget.note(at, messages, window);
    }

    /// Counts an execution told at `at` that the ledger has just booked onto `before`.
    pub(crate) fn note_fill(
        &mut self,
        at: Timestamp,
        instrument: &Instrument,
        before: Option<&Holding>,
        side: Side,
        fill: &Fill,
    ) {
        let key = &instrument.key;
        self.today.note_fill(at, self.fee_of(instrument, fill));
        let after = self.ledger.holding(&self.config.account, key);
        let made = before.zip(after).and_then(|(before, after)| made(before, after, side).ok()?);
        let (count_max, window) =
            (self.config.executions_per_window_max, self.config.execution_window);
        let pair = self.traded_pair(key);
        pair.fill_mark = Some(crate::facts::Mark { price: fill.last_px, known_at: at });
        pair.executions.note(at, count_max, window);
        if let Some(made) = made {
            pair.streak.note(at, made);
        }
        if pair.executions.tripped_at.is_some() {
            self.tripped.insert(key.clone());
        }
    }

    /// Gives the fee of an execution in the reporting currency; one in base counts at the price of the execution.
    fn fee_of(&self, instrument: &Instrument, fill: &Fill) -> Result<Notional, Denial> {
        let Fee { asset, amount } = &fill.fee;
        if *asset != instrument.base {
            return self.convert(asset, amount.as_notional());
        }
        let size = Qty::from_decimal(amount.to_decimal().abs())?;
        let value = fill.last_px.checked_notional(size, instrument.multiplier)?;
        let is_rebate = amount.as_notional() < Notional::ZERO;
        self.convert(&instrument.quote, if is_rebate { value.negated() } else { value })
    }

    /// Starts what a person resumed anew.
    pub(crate) fn resume(&mut self, at: Timestamp, scope: &ControlScope, is_for_loss: bool) {
        if let ControlScope::Instrument(key) = scope {
            self.pair(key).executions.resume(at);
            self.tripped.remove(key);
        }
        if is_for_loss {
            self.equity.rebase(at);
        }
    }

    /// Takes note of the marks of equity to tell; gives whether they are to be told now: when a day began or a person
    /// started them anew, otherwise at most once a minute.
    pub(crate) fn tell_equity(&mut self, now: Timestamp) -> bool {
        let (marks, told) = (self.equity.marks, self.equity.told);
        if marks == told {
            return false;
        }
        let is_other_start =
            marks.map(|m| (m.day, m.day_open)) != told.map(|m| (m.day, m.day_open));
        let is_due = self.equity.told_at.is_none_or(|at| now.since(at) >= EQUITY_TOLD_EVERY);
        if is_other_start || is_due {
            (self.equity.told, self.equity.told_at) = (marks, Some(now));
        }
        is_other_start || is_due
    }
}
