//! Configuration: defaults in code < file < environment; unknown keys refused with the nearest known one; all
//! problems at once; secrets hidden; the effective values printed with their sources.

mod effective;
mod extract;
mod lines;
mod process;
mod profile;
mod source;

pub use effective::{Effective, EffectiveRow};
pub use process::{
    BusSettings, ControlSettings, LogFormat, ProcessSettings, TelemetrySettings, read_secret,
};
pub use profile::ProfileFacts;
pub use source::{Config, ConfigError, ConfigProblem};

/// Lists every table a profile may hold. A service reads its own; the others belong to its neighbours.
pub const SECTIONS: [&str; 14] = [
    "bus",
    "control",
    "conversion",
    "decision",
    "ingestor",
    "live",
    "order_router",
    "pair_discovery",
    "paper",
    "persister",
    "risk_gate",
    "storage",
    "telemetry",
    "venue_sim",
];

/// Lists the tables that say how a process runs, not what its core decides.
const OPERATIONS: [&str; 4] = ["bus", "control", "storage", "telemetry"];

/// Lists the values at the top of a profile, before its tables.
pub const TOP_LEVEL: [&str; 4] = ["name", "description", "account", "reporting_currency"];
