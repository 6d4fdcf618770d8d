//! What the account has gained or lost, marked at the worst that is known, and streaks of losses.
//!
//! Equity is the sum over pairs of realised and unrealised P&L minus fees, since the first execution in the log. A mark
//! that is too old counts worse than it was told: a long holding at `mark × (1 − haircut)`, a short one at
//! `mark × (1 + haircut)`. The start of the day and the peak outlive a restart: the gate tells them with its state.

use crate::day::day_of;
use crate::denial::Denial;
use crate::facts::{Facts, Mark};
use remora_domain::{
    AmountError, EquityMarks, InstrumentKey, Notional, Price, RefusalReason, Side, Timestamp,
};
use remora_ledger::Holding;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// Holds equity by pair, its start of the day and its peak.
#[derive(Clone, Debug)]
pub(crate) struct Equity {
    pairs: BTreeMap<InstrumentKey, Result<Notional, Denial>>,
    /// Their sum, kept ready.
    sum: Result<Notional, Denial>,
    /// Start of the day and peak, once equity was known.
    pub(crate) marks: Option<EquityMarks>,
    /// What was told of them last.
    pub(crate) told: Option<EquityMarks>,
    pub(crate) told_at: Option<Timestamp>,
}

impl Default for Equity {
    fn default() -> Self {
        let sum = Ok(Notional::ZERO);
        Self { pairs: BTreeMap::new(), sum, marks: None, told: None, told_at: None }
    }
}

impl Equity {
    /// Gives the sum of all pairs; refuses while one cannot be valued.
    pub(crate) fn total(&self) -> Result<Notional, Denial> {
        self.sum.clone()
    }

    /// Adds up all pairs and follows the sum: a new day starts from it, a new peak is kept.
    pub(crate) fn follow(&mut self, now: Timestamp) {
        self.sum = self.pairs.values().try_fold(Notional::ZERO, |sum, pair| {
            Ok(sum.checked_add(*pair.as_ref().map_err(Clone::clone)?)?)
        });
        if self.pairs.is_empty() {
            return; // nothing was ever traded: there is nothing to measure
        }
        let Ok(equity) = self.total() else { return };
        let day = day_of(now);
        let before = self.marks.unwrap_or(EquityMarks { day, day_open: equity, peak: equity });
        let day_open = if before.day < day { equity } else { before.day_open };
        self.marks =
            Some(EquityMarks { day: before.day.max(day), day_open, peak: before.peak.max(equity) });
    }

    /// Starts anew from equity as it stands, at a person's word.
    pub(crate) fn rebase(&mut self, now: Timestamp) {
        if self.pairs.is_empty() {
            self.marks = None; // nothing is valued yet: the first value is where it starts
            return;
        }
        if let Ok(equity) = self.total() {
            self.marks = Some(EquityMarks { day: day_of(now), day_open: equity, peak: equity });
        }
    }

    /// Gives the loss since the start of the day, 0 for a gain.
    pub(crate) fn day_loss(&self) -> Result<Notional, Denial> {
        self.fall(|marks| marks.day_open)
    }

    /// Gives the fall from the peak.
    pub(crate) fn drawdown(&self) -> Result<Notional, Denial> {
        self.fall(|marks| marks.peak)
    }

    fn fall(&self, from: impl Fn(&EquityMarks) -> Notional) -> Result<Notional, Denial> {
        let equity = self.total()?;
        // Without marks nothing was ever booked while the gate worked: there is nothing to have fallen from.
        let from = self.marks.as_ref().map_or(equity, from);
        Ok(from.checked_sub(equity)?.max(Notional::ZERO))
    }
}

/// Counts closing executions of one pair that lost in a row.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Streak {
    pub(crate) losses: u32,
    pub(crate) last_at: Option<Timestamp>,
}

impl Streak {
    /// Notes what a closing execution told at `at` made, after its fee.
    pub(crate) fn note(&mut self, at: Timestamp, made: Notional) {
        if made < Notional::ZERO {
            self.losses = self.losses.saturating_add(1);
            self.last_at = Some(at);
        } else if !made.is_zero() {
            self.losses = 0;
        }
    }
}

impl Facts {
    /// Values the equity of one pair anew; to be called when its position or its mark changed.
    pub(crate) fn revalue_equity(&mut self, now: Timestamp, key: &InstrumentKey) {
        let Some(holding) = self.ledger.holding(&self.config.account, key) else { return };
        let value = self.equity_of(now, key, holding);
        self.equity.pairs.insert(key.clone(), value);
        self.equity.follow(now);
    }

    /// Values the equity of all pairs anew: marks grow old.
    pub(crate) fn revalue_all(&mut self, now: Timestamp) {
        let held = self.ledger.holdings(&self.config.account);
        let all: BTreeMap<_, _> =
            held.map(|(key, of)| (key.clone(), self.equity_of(now, key, of))).collect();
        self.equity.pairs = all;
        self.equity.follow(now);
    }

    fn equity_of(
        &self,
        now: Timestamp,
        key: &InstrumentKey,
        holding: &Holding,
    ) -> Result<Notional, Denial> {
        let pair = self.pairs.get(key);
        if pair.is_some_and(|pair| !pair.unbooked.is_empty()) {
            let what = format!("executions of {key} that could not be booked");
            return Err(Denial::unknown(RefusalReason::EquityUnknown, what));
        }
        let mark = pair.and_then(|pair| pair.mark.or(pair.fill_mark));
        let net = match holding.position().side() {
            None => holding.net(Price::ZERO)?,
            Some(side) => holding.net(self.worst_mark(now, key, side, mark)?)?,
        };
        let mut equity = self.convert(holding.quote(), net)?;
        for (asset, fee) in holding.fees_other() {
            equity = equity.checked_sub(self.convert(asset, fee.as_notional())?)?;
        }
        Ok(equity)
    }

    fn worst_mark(
        &self,
        now: Timestamp,
        key: &InstrumentKey,
        side: Side,
        mark: Option<Mark>,
    ) -> Result<Price, Denial> {
        let unknown = || {
            let what = format!("no price of {key}, which is held, is known");
            Denial::unknown(RefusalReason::EquityUnknown, what)
        };
        let mark = mark.ok_or_else(unknown)?;
        if now.since(mark.known_at) <= self.config.mark_age_max {
            return Ok(mark.price);
        }
        let price = Notional::from_decimal(mark.price.to_decimal())?;
        let cut = price.checked_bps(self.config.stale_mark_haircut)?;
        let worst = match side {
            Side::Buy => price.checked_sub(cut)?,
            Side::Sell => price.checked_add(cut)?,
        };
        Ok(Price::from_decimal(worst.to_decimal().max(Decimal::ZERO))?)
    }
}

/// Gives what an execution on `side` made after its fee, when it closed something; `None` when it only opened.
pub(crate) fn made(
    before: &Holding,
    after: &Holding,
    side: Side,
) -> Result<Option<Notional>, AmountError> {
    if before.position().side() != Some(side.opposite()) {
        return Ok(None);
    }
    let net = |of: &Holding| of.realised()?.checked_sub(of.fees_quote());
    Ok(Some(net(after)?.checked_sub(net(before)?)?))
}
