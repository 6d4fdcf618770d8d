//! Control and signs of life.

use crate::WireError;
use crate::amounts::{enum_map, id, key_from, key_to, need, text};
use crate::generated::operations;
use operations::control_scope::Scope;
use remora_domain::{
    ControlAction, ControlCommand, ControlScope, ControlState, DurationNs, Heartbeat, ServiceState,
};

enum_map!(action_to, action_from, ControlAction, operations::ControlAction, {
    Halt = Halt, Resume = Resume,
});
enum_map!(state_to, state_from, ServiceState, operations::ServiceState, {
    Starting = Starting, Active = Active, Halted = Halted,
});

fn scope_to(scope: &ControlScope) -> operations::ControlScope {
    let scope = match scope {
        ControlScope::Global => Some(Scope::Global(operations::GlobalScope {})),
        ControlScope::Venue(venue) => Some(Scope::Venue(venue.to_string())),
        ControlScope::Instrument(key) => key_to(key).map(Scope::Instrument),
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
    })
}

pub(crate) fn command_to(m: &ControlCommand) -> operations::ControlCommand {
    operations::ControlCommand {
        action: action_to(m.action),
        scope: Some(scope_to(&m.scope)),
        actor: m.actor.clone(),
        reason: m.reason.clone(),
    }
}

pub(crate) fn command_from(m: operations::ControlCommand) -> Result<ControlCommand, WireError> {
    let field = "control_command.scope";
    Ok(ControlCommand {
        action: action_from("control_command.action", m.action)?,
        scope: scope_from(field, need(field, m.scope)?)?,
        actor: text("control_command.actor", m.actor)?,
        reason: text("control_command.reason", m.reason)?,
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
    }
}

pub(crate) fn control_state_from(m: operations::ControlState) -> Result<ControlState, WireError> {
    let venue = m.venue.as_deref().map(|venue| id("control_state.venue", venue)).transpose()?;
    let scope = |scope| scope_from("control_state.halted", scope);
    Ok(ControlState {
        service: text("control_state.service", m.service)?,
        account: id("control_state.account", &m.account)?,
        venue,
        state: state_from("control_state.state", m.state)?,
        epoch: m.epoch,
        halted: m.halted.into_iter().map(scope).collect::<Result<_, _>>()?,
        reason: text("control_state.reason", m.reason)?,
        orders_open: m.orders_open,
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
