//! Control and signs of life.

use crate::WireError;
use crate::amounts::{
    amount, dec, enum_map, id, key_from, key_to, message_id_from, message_id_to, need, text,
};
use crate::generated::operations;
use operations::control_scope::Scope;
use remora_domain::{
    Amount, Asset, ControlAction, ControlCommand, ControlScope, ControlState, DurationNs,
    EquityMarks, Heartbeat, LimitsChange, NamedAccount, ReconciliationBreak, ServiceState,
    Timestamp,
};

enum_map!(action_to, action_from, ControlAction, operations::ControlAction, {
    Halt = Halt, Resume = Resume, Reduce = Reduce,
    ChangeLimits = ChangeLimits, ConfirmLimits = ConfirmLimits, CancelAccount = CancelAccount,
});
enum_map!(state_to, state_from, ServiceState, operations::ServiceState, {
    Starting = Starting, Active = Active, Halted = Halted,
});

fn scope_to(scope: &ControlScope) -> operations::ControlScope {
    let scope = match scope {
        ControlScope::Global => Some(Scope::Global(operations::GlobalScope {})),
        ControlScope::Venue(venue) => Some(Scope::Venue(venue.to_string())),
        ControlScope::Instrument(key) => key_to(key).map(Scope::Instrument),
        ControlScope::Strategy(strategy) => Some(Scope::Strategy(strategy.to_string())),
    };
    operations::ControlScope { scope }
}

fn scope_from(
    field: &'static str,
    scope: operations::ControlScope,
) -> Result<ControlScope, WireError> {
    Ok(match need(field, scope.scope)? {
        Scope::Global(operations::GlobalScope {}) => ControlScope::Global,
        Scope::Venue(venue) => ControlScope::Venue(id(field, &venue)?),
        Scope::Instrument(key) => ControlScope::Instrument(key_from(field, Some(key))?),
        Scope::Strategy(strategy) => ControlScope::Strategy(id(field, &strategy)?),
    })
}

pub(crate) fn command_to(m: &ControlCommand) -> operations::ControlCommand {
    operations::ControlCommand {
        action: action_to(m.action),
        scope: Some(scope_to(&m.scope)),
        actor: m.actor.clone(),
        reason: m.reason.clone(),
        limits: m.limits.as_ref().map(limits_to),
        account: m.account.as_ref().map(|account| account.id.to_string()),
        account_venue: m.account.as_ref().and_then(|it| it.venue.as_ref()).map(ToString::to_string),
    }
}

fn limits_to(m: &LimitsChange) -> operations::LimitsChange {
    let limit = |(key, value): (&String, &String)| operations::Limit {
        key: key.clone(),
        value: value.clone(),
    };
    operations::LimitsChange { version: m.version, limits: m.limits.iter().map(limit).collect() }
}

fn limits_from(m: operations::LimitsChange) -> Result<LimitsChange, WireError> {
    let limit = |limit: operations::Limit| {
        let key = text("control_command.limits.key", limit.key)?;
        Ok((key, text("control_command.limits.value", limit.value)?))
    };
    Ok(LimitsChange {
        version: m.version,
        limits: m.limits.into_iter().map(limit).collect::<Result<_, WireError>>()?,
    })
}

pub(crate) fn command_from(m: operations::ControlCommand) -> Result<ControlCommand, WireError> {
    let field = "control_command.scope";
    let venue = m.account_venue.as_deref();
    let venue = venue.map(|venue| id("control_command.account_venue", venue)).transpose()?;
    let named = |name| {
        id("control_command.account", name).map(|id| NamedAccount { id, venue: venue.clone() })
    };
    Ok(ControlCommand {
        action: action_from("control_command.action", m.action)?,
        scope: scope_from(field, need(field, m.scope)?)?,
        actor: text("control_command.actor", m.actor)?,
        reason: text("control_command.reason", m.reason)?,
        limits: m.limits.map(limits_from).transpose()?,
        account: m.account.as_deref().map(named).transpose()?,
    })
}

pub(crate) fn control_state_to(m: &ControlState) -> operations::ControlState {
    operations::ControlState {
        service: m.service.clone(),
        account: m.account.to_string(),
        venue: m.venue.as_ref().map(ToString::to_string),
        state: state_to(m.state),
        epoch: m.epoch,
        halted: m.halted.iter().map(scope_to).collect(),
        reason: m.reason.clone(),
        orders_open: m.orders_open,
        restricted: m.restricted.iter().map(scope_to).collect(),
        is_guarded: m.is_guarded,
        breaks: m.breaks.iter().map(break_to).collect(),
        equity: m.equity.as_ref().map(equity_to),
        beyond_fills: m.beyond_fills.iter().map(beyond_to).collect(),
        account_cancelled: m.account_cancelled.as_ref().map(message_id_to),
    }
}

fn beyond_to((asset, amount): (&Asset, &Amount)) -> operations::AssetAmount {
    operations::AssetAmount { asset: asset.to_string(), amount: dec(*amount) }
}

fn beyond_from(m: operations::AssetAmount) -> Result<(Asset, Amount), WireError> {
    let asset = id("control_state.beyond_fills.asset", &m.asset)?;
    Ok((asset, amount("control_state.beyond_fills.amount", m.amount)?))
}

fn break_to(m: &ReconciliationBreak) -> operations::ReconciliationBreak {
    operations::ReconciliationBreak {
        instrument: m.instrument.as_ref().and_then(key_to),
        since_ns: m.since.as_ns(),
        what: m.what.clone(),
        asset: m.asset.as_ref().map(ToString::to_string),
    }
}

fn break_from(m: operations::ReconciliationBreak) -> Result<ReconciliationBreak, WireError> {
    let key = |key| key_from("control_state.breaks.instrument", Some(key));
    let asset = |name| id("control_state.breaks.asset", name);
    Ok(ReconciliationBreak {
        instrument: m.instrument.map(key).transpose()?,
        since: Timestamp::from_ns(m.since_ns),
        what: text("control_state.breaks.what", m.what)?,
        asset: m.asset.as_deref().map(asset).transpose()?,
    })
}

fn equity_to(m: &EquityMarks) -> operations::EquityMarks {
    operations::EquityMarks { day: m.day, day_open: dec(m.day_open), peak: dec(m.peak) }
}

fn equity_from(m: operations::EquityMarks) -> Result<EquityMarks, WireError> {
    Ok(EquityMarks {
        day: m.day,
        day_open: amount("control_state.equity.day_open", m.day_open)?,
        peak: amount("control_state.equity.peak", m.peak)?,
    })
}

pub(crate) fn control_state_from(m: operations::ControlState) -> Result<ControlState, WireError> {
    let venue = m.venue.as_deref().map(|venue| id("control_state.venue", venue)).transpose()?;
    let scope = |scope| scope_from("control_state.halted", scope);
    let command_id = |id| message_id_from("control_state.account_cancelled", id);
    Ok(ControlState {
        service: text("control_state.service", m.service)?,
        account: id("control_state.account", &m.account)?,
        venue,
        state: state_from("control_state.state", m.state)?,
        epoch: m.epoch,
        halted: m.halted.into_iter().map(scope).collect::<Result<_, _>>()?,
        reason: text("control_state.reason", m.reason)?,
        orders_open: m.orders_open,
        restricted: m.restricted.into_iter().map(scope).collect::<Result<_, _>>()?,
        is_guarded: m.is_guarded,
        breaks: m.breaks.into_iter().map(break_from).collect::<Result<_, _>>()?,
        equity: m.equity.map(equity_from).transpose()?,
        beyond_fills: m.beyond_fills.into_iter().map(beyond_from).collect::<Result<_, _>>()?,
        account_cancelled: m.account_cancelled.as_ref().map(command_id).transpose()?,
    })
}

pub(crate) fn heartbeat_to(m: &Heartbeat) -> operations::Heartbeat {
    operations::Heartbeat {
        service: m.service.clone(),
        version: m.version.clone(),
        state: state_to(m.state),
        data_age_ns: m.data_age.map(DurationNs::as_ns),
    }
}

pub(crate) fn heartbeat_from(m: operations::Heartbeat) -> Result<Heartbeat, WireError> {
    Ok(Heartbeat {
        service: text("heartbeat.service", m.service)?,
        version: text("heartbeat.version", m.version)?,
        state: state_from("heartbeat.state", m.state)?,
        data_age: m.data_age_ns.map(DurationNs::from_ns),
    })
}
