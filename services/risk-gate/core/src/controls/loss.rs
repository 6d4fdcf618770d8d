//! G27 to G30: what was lost and paid.
//!
//! Graded: a smaller loss and the fees restrict to reducing; a streak pauses one pair for a time; a larger loss halts
//! everything until a person resumes it. The halt itself is a recorded command (`breakers.rs`); these refuse as well, so
//! that no order passes between the loss and the halt.

use crate::ask::Ask;
use crate::denial::{Denial, Reading, Unit};
use remora_domain::{Notional, RefusalReason as Why};
use rust_decimal::Decimal;

fn usd<'a>(ask: &'a Ask<'a>, value: Notional, limit: Notional) -> Reading<'a> {
    let unit = Unit::Asset(&ask.facts.config.reporting.currency);
    Reading::AtMost { value: value.to_decimal(), limit: limit.to_decimal(), unit }
}

/// Says which control cannot be told when equity is not known.
fn equity(value: Result<Notional, Denial>, reason: Why) -> Result<Notional, Denial> {
    value.map_err(|cause| Denial::new(reason, "a sum that is known", cause.value))
}

/// G27.
pub(super) fn day_loss<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let config = &ask.facts.config;
    let loss = equity(ask.facts.equity.day_loss(), Why::EquityUnknown)?;
    let whole = usd(ask, loss, config.loss_day_max).judge(Why::DayLossAboveMax)?;
    if ask.has_order() && loss > config.loss_day_reduce && !ask.is_reducing()? {
        return usd(ask, loss, config.loss_day_reduce).judge(Why::DayLossAboveMax);
    }
    Ok(whole)
}

/// G28.
pub(super) fn drawdown<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let fall = equity(ask.facts.equity.drawdown(), Why::EquityUnknown)?;
    usd(ask, fall, ask.facts.config.drawdown_max).judge(Why::DrawdownAboveMax)
}

/// G29. The pause ends by itself; reducing orders pass meanwhile.
pub(super) fn streak<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let (streak, config) = (ask.pair()?.streak, &ask.facts.config);
    let is_over = streak.last_at.is_none_or(|at| ask.now.since(at) >= config.loss_streak_pause);
    let losses = if is_over && streak.losses > config.loss_streak_max { 0 } else { streak.losses };
    let (value, limit) = (Decimal::from(losses), Decimal::from(config.loss_streak_max));
    let reading = Reading::AtMost { value, limit, unit: Unit::Word("losses in a row") };
    if value > limit && ask.has_order() && ask.is_reducing()? {
        return Ok(reading);
    }
    reading.judge(Why::LossStreak)
}

/// G30.
pub(super) fn fees<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let config = &ask.facts.config;
    let fees = equity(ask.facts.today.at(ask.now).fees, Why::FeesAboveMax)?;
    let reading = usd(ask, fees, config.fees_day_max);
    if fees > config.fees_day_max && ask.has_order() && ask.is_reducing()? {
        return Ok(reading);
    }
    reading.judge(Why::FeesAboveMax)
}
