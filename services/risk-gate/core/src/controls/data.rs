//! G31 to G35: what the decision rests on.

use crate::ask::Ask;
use crate::denial::{Denial, Reading, Unit, ms};
use remora_domain::{BookState, Notional, Price, RefusalReason as Why};
use rust_decimal::Decimal;

const MS: Unit<'static> = Unit::Word("ms");

/// G31.
pub(super) fn book_age<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let (age, age_max) = (ask.now.since(ask.book()?.known_at), ask.facts.config.book_age_max);
    if age > age_max {
        let limit = format!("{} ms", age_max.as_ms());
        return Err(Denial::new(Why::BookStale, limit, format!("{} ns", age.as_ns())));
    }
    Ok(Reading::AtMost { value: ms(age), limit: ms(age_max), unit: MS })
}

/// G32.
pub(super) fn book_state<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    ask.touch()?;
    Ok(Reading::is("live", "live, bid below ask"))
}

/// G33. Frames that are played as if they came now tell another day's time: their limits say so with a zero.
pub(super) fn clock_skew<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    if ask.facts.config.clock_skew_max.as_ns() == 0 {
        return Ok(Reading::is("not compared", "no comparison"));
    }
    let unknown = || {
        let value = "no message of the pair had a venue time";
        Denial::new(Why::ClockUnknown, "clocks that can be compared", value)
    };
    let skew = ask.pair()?.skew.ok_or_else(unknown)?.0;
    let (value, limit) = (ms(skew), ms(ask.facts.config.clock_skew_max));
    Reading::AtMost { value, limit, unit: MS }.judge(Why::ClockSkewAboveMax)
}

/// G34: the mids of the same pair at other venues, as far as their books are live and fresh.
pub(super) fn reference<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let (instrument, facts) = (ask.instrument()?, ask.facts);
    let (mid, config) = (ask.touch()?.mid, &facts.config);
    let assets = (instrument.base.clone(), instrument.quote.clone());
    let same = facts.by_assets.get(&assets).into_iter().flatten();
    let (mut venues, mut widest) = (1_usize, Decimal::ZERO);
    for key in same.filter(|key| **key != instrument.key) {
        let Some(other) = fresh_mid(ask, key)? else { continue };
        venues = venues.saturating_add(1);
        widest = widest.max(other.max(mid).checked_sub(other.min(mid))?.to_decimal());
    }
    if venues < config.reference_venues_min {
        let limit = format!("{} venues", config.reference_venues_min);
        return Err(Denial::new(Why::ReferenceUnknown, limit, format!("{venues} with this one")));
    }
    let bps_max = config.reference_disagreement_max;
    let limit = Notional::from_decimal(mid.to_decimal())?.checked_bps(bps_max)?.to_decimal();
    let unit = Unit::Asset(&instrument.quote);
    Reading::AtMost { value: widest, limit, unit }.judge(Why::ReferenceDisagrees)
}

fn fresh_mid(ask: &Ask<'_>, key: &remora_domain::InstrumentKey) -> Result<Option<Price>, Denial> {
    let book = ask.facts.pairs.get(key).and_then(|pair| pair.book.as_ref());
    let is_fresh = |at| ask.now.since(at) <= ask.facts.config.book_age_max;
    let Some(book) = book.filter(|b| b.state == BookState::Live && is_fresh(b.known_at)) else {
        return Ok(None);
    };
    Ok(book.touch.clone()?.map(|touch| touch.mid))
}

/// G35.
pub(super) fn signal_age<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    ask.order()?;
    let (value, limit) = (ms(ask.now.since(ask.signal_at)), ms(ask.facts.config.signal_age_max));
    Reading::AtMost { value, limit, unit: MS }.judge(Why::SignalStale)
}
