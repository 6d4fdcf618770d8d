//! G36 to G39 and G41: in which condition everything is.

use crate::ask::Ask;
use crate::denial::{Denial, Reading};
use remora_domain::{RefusalReason as Why, SystemStatus};

/// G36, halts.
pub(super) fn state<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    if ask.facts.is_stopping {
        return Err(Denial::new(Why::Halted, "", "the gate is stopping"));
    }
    let order = ask.order()?;
    ask.facts.halts.check(&order.instrument, &order.strategy)?;
    Ok(Reading::is("ACTIVE or REDUCE", "not halted"))
}

/// G36, restrictions to reducing. While flat there is nothing to reduce, and an order that could turn the position is
/// not reducing.
pub(super) fn reduce_only<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let order = ask.order()?;
    let Some(why) = ask.facts.halts.restricts(&order.instrument, &order.strategy) else {
        return Ok(Reading::is("ACTIVE", "ACTIVE, or an order that only reduces"));
    };
    if ask.is_reducing()? {
        return Ok(Reading::is("REDUCE", "ACTIVE, or an order that only reduces"));
    }
    Err(Denial::new(Why::ReduceOnly, "orders that only reduce", why))
}

/// G36, router.
pub(super) fn router<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let (key, facts) = (ask.key()?, ask.facts);
    let no_word = || {
        let value = format!("no word from the router of {}", key.venue);
        Denial::new(Why::RouterNotReady, format!("epoch {}", facts.epoch), value)
    };
    let venue = facts.venues.get(&key.venue).ok_or_else(no_word)?;
    venue.router.check(ask.now, facts.epoch, key, &facts.liveness)?;
    Ok(Reading::is("ready", "a router that lives and knows our epoch"))
}

/// G37.
pub(super) fn venue_status<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let name = &ask.key()?.venue;
    let not_open = |value: String| Err(Denial::new(Why::VenueNotOpen, "open", value));
    let Some(venue) = ask.facts.venues.get(name) else {
        return not_open(format!("nothing is known of {name}"));
    };
    let is_post_only = !ask.has_order() || ask.order()?.is_post_only;
    match venue.status.as_ref().map(|(_, status)| *status) {
        Some(SystemStatus::Online) => Ok(Reading::is("Online", "open")),
        Some(SystemStatus::PostOnly) if is_post_only => Ok(Reading::is("PostOnly", "open")),
        Some(
            status @ (SystemStatus::PostOnly
            | SystemStatus::CancelOnly
            | SystemStatus::Maintenance
            | SystemStatus::Disconnected),
        ) => not_open(format!("{name} is {status:?}")),
        None => not_open(format!("the status of {name} is not known")),
    }
}

/// G38: executions that we could not book, and breaks that the router found.
pub(super) fn reconciliation<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let key = ask.key()?;
    if ask.facts.pairs.get(key).is_some_and(|pair| !pair.unbooked.is_empty()) {
        let what = format!("executions of {key} that could not be booked");
        return Err(Denial::new(Why::ReconciliationBreak, "no open break", what));
    }
    let router = ask.facts.venues.get(&key.venue).map(|venue| &venue.router);
    let definition = ask.facts.pairs.get(key).and_then(|pair| pair.instrument.as_ref());
    let definition = definition.map(|(_, instrument)| instrument);
    if let Some(found) = router.and_then(|router| router.break_of(key, definition)) {
        let age = ask.now.since(found.since).as_ms();
        let what = format!("{}, open for {age} ms", found.what);
        return Err(Denial::new(Why::ReconciliationBreak, "no open break", what));
    }
    Ok(Reading::is("none open", "no open break"))
}

/// G39.
pub(super) fn dead_man<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let name = &ask.key()?.venue;
    if !ask.facts.config.dead_man_venues.contains(name) {
        return Ok(Reading::is("not demanded", "armed where demanded"));
    }
    let router = ask.facts.venues.get(name).map(|venue| &venue.router);
    match router.and_then(|router| router.is_guarded()) {
        Some(true) => Ok(Reading::is("armed", "armed where demanded")),
        Some(false) => Err(Denial::new(Why::DeadManNotArmed, "armed", "not armed")),
        None => Err(Denial::new(
            Why::DeadManNotArmed,
            "armed",
            format!("the router of {name} does not tell"),
        )),
    }
}

/// G41.
pub(super) fn limits_in_force<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let faults = [&ask.facts.limits_fault, &ask.facts.limits_unsigned];
    if let Some(fault) = faults.into_iter().flatten().next() {
        return Err(Denial::new(Why::LimitsNotCurrent, "the newest limits", fault.as_str()));
    }
    let config = &ask.facts.config;
    if ask.now > config.valid_until {
        let late = ask.now.since(config.valid_until).as_ns();
        let limit = format!("valid until {} ns", config.valid_until);
        return Err(Denial::new(Why::LimitsNotCurrent, limit, format!("{late} ns late")));
    }
    let want = match &config.limits_key {
        Some(_) => "the newest recorded, not run out, signed",
        None => "the newest recorded, not run out",
    };
    let value = format!("version {}, {}", config.version, config.signed_words());
    let value = match &ask.facts.limits_refused {
        None => value,
        Some(refused) => format!(
            "{value}; {refused}: refused, and the next start approves nothing until a signed \
             profile of that version stands for it"
        ),
    };
    Ok(Reading::is(value, want))
}
