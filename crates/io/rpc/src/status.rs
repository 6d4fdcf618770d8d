//! What a service tells about itself, and the conversions between the wire and the domain.

use crate::error::FieldError;
use crate::proto;
use remora_domain::{
    ControlScope, DurationNs, InstrumentId, InstrumentKey, ServiceState, StrategyId, Timestamp,
    VenueId,
};

/// The longest reason accepted, in characters.
const REASON_LENGTH_MAX: usize = 200;
/// The longest actor accepted, in characters.
const ACTOR_LENGTH_MAX: usize = 64;

/// Is something outside the process that the service needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DependencyStatus {
    /// Its name, such as `bus`.
    pub name: String,
    /// Whether it can be used.
    pub is_up: bool,
    /// What is known about it.
    pub detail: String,
    /// Since when it has been up or down.
    pub since: Option<Timestamp>,
}

/// Is the condition of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceStatus {
    /// Service name, such as `risk-gate`.
    pub service: String,
    /// Which instance of it.
    pub instance: String,
    /// Program version.
    pub version: String,
    /// Its condition.
    pub state: ServiceState,
    /// Age of the newest input, when there was one.
    pub data_age: Option<DurationNs>,
    /// What it needs.
    pub dependencies: Vec<DependencyStatus>,
    /// Facts only this service has, as the text of a JSON object.
    pub details_json: String,
}

/// Says how safely a command is kept. It works in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// A stream of the bus has it.
    InStream,
    /// Not yet recorded: a file has it until the bus returns, also over a restart.
    OnDisk,
    /// Not yet recorded: only the running service knows it until the bus returns.
    InMemory,
}

impl From<Recorded> for proto::Recording {
    fn from(recorded: Recorded) -> Self {
        match recorded {
            Recorded::InStream => Self::Stream,
            Recorded::OnDisk => Self::File,
            Recorded::InMemory => Self::Memory,
        }
    }
}

impl From<proto::Recording> for Option<Recorded> {
    fn from(recording: proto::Recording) -> Self {
        match recording {
            proto::Recording::Stream => Some(Recorded::InStream),
            proto::Recording::File => Some(Recorded::OnDisk),
            proto::Recording::Memory => Some(Recorded::InMemory),
            proto::Recording::Unspecified => None,
        }
    }
}

impl From<ServiceStatus> for proto::StatusResponse {
    fn from(status: ServiceStatus) -> Self {
        let state = match status.state {
            ServiceState::Starting => proto::State::Starting,
            ServiceState::Active => proto::State::Active,
            ServiceState::Halted => proto::State::Halted,
        };
        Self {
            service: status.service,
            instance: status.instance,
            version: status.version,
            state: state.into(),
            data_age_ns: status.data_age.map(DurationNs::as_ns),
            dependencies: status.dependencies.into_iter().map(Into::into).collect(),
            details_json: status.details_json,
        }
    }
}

impl From<DependencyStatus> for proto::Dependency {
    fn from(from: DependencyStatus) -> Self {
        let since_ns = from.since.map(Timestamp::as_ns);
        Self { name: from.name, is_up: from.is_up, detail: from.detail, since_ns }
    }
}

impl TryFrom<proto::StatusResponse> for ServiceStatus {
    type Error = FieldError;

    fn try_from(from: proto::StatusResponse) -> Result<Self, FieldError> {
        let state = match from.state() {
            proto::State::Starting => ServiceState::Starting,
            proto::State::Active => ServiceState::Active,
            proto::State::Halted => ServiceState::Halted,
            proto::State::Unspecified => {
                let value = from.state.to_string();
                return Err(FieldError { field: "state", value, allowed: "1 to 3" });
            }
        };
        Ok(Self {
            service: from.service,
            instance: from.instance,
            version: from.version,
            state,
            data_age: from.data_age_ns.map(DurationNs::from_ns),
            dependencies: from.dependencies.into_iter().map(Into::into).collect(),
            details_json: from.details_json,
        })
    }
}

impl From<proto::Dependency> for DependencyStatus {
    fn from(from: proto::Dependency) -> Self {
        let since = from.since_ns.map(Timestamp::from_ns);
        Self { name: from.name, is_up: from.is_up, detail: from.detail, since }
    }
}

/// Writes a scope.
pub(crate) fn scope_to_wire(scope: &ControlScope) -> proto::Scope {
    let of = match scope {
        ControlScope::Global => proto::scope::Of::Global(proto::Global {}),
        ControlScope::Venue(venue) => {
            proto::scope::Of::Venue(proto::Venue { venue: venue.as_str().to_owned() })
        }
        ControlScope::Instrument(key) => proto::scope::Of::Instrument(proto::Instrument {
            venue: key.venue.as_str().to_owned(),
            instrument: key.instrument.as_str().to_owned(),
        }),
        ControlScope::Strategy(strategy) => {
            proto::scope::Of::Strategy(proto::Strategy { strategy: strategy.as_str().to_owned() })
        }
    };
    proto::Scope { of: Some(of) }
}

/// Gives the scope of commands that are about everything.
pub(crate) const fn everything() -> Option<proto::Scope> {
    Some(proto::Scope { of: Some(proto::scope::Of::Global(proto::Global {})) })
}

/// Reads a scope; a missing one is refused, never taken for "everything".
pub(crate) fn scope_from_wire(scope: Option<proto::Scope>) -> Result<ControlScope, FieldError> {
    let missing = || FieldError {
        field: "scope",
        value: String::new(),
        allowed: "global, venue, instrument or strategy",
    };
    match scope.and_then(|scope| scope.of).ok_or_else(missing)? {
        proto::scope::Of::Global(proto::Global {}) => Ok(ControlScope::Global),
        proto::scope::Of::Venue(of) => Ok(ControlScope::Venue(venue(&of.venue)?)),
        proto::scope::Of::Instrument(of) => {
            let instrument = InstrumentId::new(&of.instrument).map_err(|_| FieldError {
                field: "scope.instrument",
                value: shortened(&of.instrument),
                allowed: "1 to 48 characters from A-Z a-z 0-9 - _",
            })?;
            Ok(ControlScope::Instrument(InstrumentKey::new(venue(&of.venue)?, instrument)))
        }
        proto::scope::Of::Strategy(of) => {
            let strategy = StrategyId::new(&of.strategy).map_err(|_| FieldError {
                field: "scope.strategy",
                value: shortened(&of.strategy),
                allowed: "1 to 32 characters from a-z 0-9 -",
            })?;
            Ok(ControlScope::Strategy(strategy))
        }
    }
}

/// Checks why: it is recorded, so it must be there and be short.
pub(crate) fn reason_from_wire(text: &str) -> Result<String, FieldError> {
    let allowed = "1 to 200 printable characters";
    bounded("reason", text, REASON_LENGTH_MAX, allowed)
}

/// Checks who: it is recorded, so it must be there and be short.
pub(crate) fn actor_from_wire(text: &str) -> Result<String, FieldError> {
    bounded("actor", text, ACTOR_LENGTH_MAX, "1 to 64 printable characters")
}

fn venue(text: &str) -> Result<VenueId, FieldError> {
    let allowed = "1 to 32 characters from a-z 0-9 -";
    VenueId::new(text).map_err(|_| FieldError {
        field: "scope.venue",
        value: shortened(text),
        allowed,
    })
}

fn bounded(
    field: &'static str,
    text: &str,
    max: usize,
    allowed: &'static str,
) -> Result<String, FieldError> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > max || text.chars().any(char::is_control) {
        return Err(FieldError { field, value: shortened(text), allowed });
    }
    Ok(text.to_owned())
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_comes_back_as_it_went() {
        let venue = VenueId::new("kraken-spot").unwrap();
        let instrument = InstrumentId::new("BTC-USD").unwrap();
        for scope in [
            ControlScope::Global,
            ControlScope::Venue(venue.clone()),
            ControlScope::Instrument(InstrumentKey::new(venue, instrument)),
            ControlScope::Strategy(StrategyId::new("glft").unwrap()),
        ] {
            assert_eq!(scope_from_wire(Some(scope_to_wire(&scope))), Ok(scope));
        }
    }

    #[test]
    fn a_missing_scope_is_not_everything() {
        assert_eq!(scope_from_wire(None).unwrap_err().field, "scope");
        assert_eq!(scope_from_wire(Some(proto::Scope { of: None })).unwrap_err().field, "scope");
    }

    #[test]
    fn who_and_why_must_be_told() {
        assert!(reason_from_wire("  ").is_err());
        assert!(reason_from_wire(&"x".repeat(201)).is_err());
        assert!(actor_from_wire("a\nb").is_err());
        assert_eq!(actor_from_wire(" ann "), Ok("ann".to_owned()));
    }

    #[test]
    fn an_unknown_state_is_refused() {
        let response = proto::StatusResponse { state: 9, ..Default::default() };
        assert_eq!(ServiceStatus::try_from(response).unwrap_err().value, "9");
    }
}
