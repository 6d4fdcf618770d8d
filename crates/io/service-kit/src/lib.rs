//! Clock, configuration, telemetry, health, shutdown, flight recordings, leases and the drive loop. No domain decisions.
//!
//! In: a profile file and the environment; bus messages, operators' commands, local inputs. Out: what the core
//! publishes, performed effects, log lines, spans, metrics, `/livez` `/readyz` `/metrics` `/status`, recordings.
//! Invariants: history before news; every input recorded before its outputs leave; nothing on the loop waits;
//! durable messages leave in order; all configuration problems at once; secrets never shown.
//! Must never happen: an order message dropped silently, a command that needs the bus, a recording that delays an order.
//! Test alone: `cargo nextest run -p remora-service-kit` (loopback only). The `main.rs` of a service:
//! ```ignore
//! fn main() -> ExitCode {
//!     run_main("remora-risk-gate", env!("CARGO_PKG_VERSION"), "Approves or refuses orders", run)
//! }
//!
//! async fn run(args: ServiceArgs) -> anyhow::Result<()> {
//!     let mut config = Config::open(&args.config)?;
//!     let (process, profile) = (config.process(), config.profile());
//!     let gate = config.section::<RiskGateSettings>("risk_gate").zip(profile).and_then(|(raw, profile)| {
//!         config.check("risk_gate", raw.validate(&profile.account, &profile.reporting))
//!     });
//!     let ((process, gate), effective) = config.finish(process.zip(gate))?;
//!     if args.is_only_check(&effective)? {
//!         return Ok(());
//!     }
//!     let (name, version) = (Service::RiskGate.name(), env!("CARGO_PKG_VERSION"));
//!     let (is_controllable, needs_market_data) = (true, true);
//!     let route = None;
//!     let about = About { service: name, user: name, producer: name, version, is_controllable, route, needs_market_data };
//!     let host = Host::start(process, &effective, about).await?;
//!     let Some(bus) = host.connect().await? else { host.stop().await; return Ok(()) };
//!     let id = host.identity();
//!     let plan = Plan::of(Service::RiskGate, &gate.account, None);
//!     let core = RiskGateCore::new(gate, id.producer().clone(), id.session(), id.seed());
//!     let publisher = Publisher::start(Arc::clone(&bus));
//!     Ok(host.drive(bus, publisher, core, Box::new(NoEffects), plan, Inputs::none()).await?)
//! }
//! ```
#![deny(missing_docs)]

mod clock;
pub mod config;
pub mod drive;
pub mod flight;
mod health;
mod host;
mod http;
mod lease;
mod main_fn;
mod publish;
mod secret;
mod shutdown;
mod telemetry;
mod trace;
mod twin;

pub use clock::Clock;
pub use health::Health;
pub use host::{About, Host, HostError, Inputs};
pub use http::{HttpError, HttpServer, StatusGuard};
pub use lease::{Ask, LeaseHold, LeaseKeeper, TERMS_WAITING_MAX, Terms};
pub use main_fn::{ServiceArgs, run_main};
pub use publish::{PublishError, Publisher};
pub use remora_rpc::{Question, Route};
pub use secret::Secret;
pub use shutdown::Shutdown;
pub use telemetry::{Telemetry, TelemetryError};
pub use trace::TraceContext;
pub use twin::TwinError;
