//! From a command line to a running service: what the `main` of every service shares.
//!
//! The order is fixed: read and check everything, print what is in force, only then open addresses, then join the bus.
//! Health and control answer while the bus is still away.

use crate::config::{Config, ConfigError, Effective, ProcessSettings};
use crate::drive::{ControlPort, DriveError, Effects, Identity, LocalEvent, LogSubscription, Plan, Runner};
use crate::flight::{FlightRecorder, FlightSettings};
use crate::{Clock, Health, HttpError, HttpServer, Publisher, Shutdown, Telemetry, TelemetryError};
use remora_bus::{Bus, Credentials, NatsSettings, PasswordSource, Stream, connect_nats};
use remora_domain::{IdError, Kind, ProducerId, Sequencer, Service, SessionId};
use remora_machine::ServiceCore;
use remora_rpc::{ControlServer, RpcError};
use remora_wire::flight::FlightHeader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Pause between two tries to reach the bus at the start.
const CONNECT_PAUSE: Duration = Duration::from_millis(500);
/// The name of the bus in health.
const BUS: &str = "bus";

/// Says why a service did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The configuration file cannot be read again for the flight recording.
    #[error("read configuration {path:?}")]
    Settings {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// A name is too long.
    #[error("name this process")]
    Name(#[from] IdError),
    /// Logs, traces or metrics cannot be set up.
    #[error("start telemetry")]
    Telemetry(#[from] TelemetryError),
    /// HTTP cannot be served.
    #[error("serve health over HTTP")]
    Http(#[from] HttpError),
    /// gRPC cannot be served.
    #[error("serve control over gRPC")]
    Rpc(#[from] RpcError),
    /// Signals or randomness cannot be had.
    #[error("prepare the process")]
    System(#[source] std::io::Error),
    /// The flight recording cannot be written.
    #[error("start the flight recording")]
    Flight(#[source] std::io::Error),
    /// The loop ended.
    #[error(transparent)]
    Drive(#[from] DriveError),
}

/// Is a configuration being read, for one service.
#[derive(Debug)]
pub struct Launch {
    /// Sections are read and checked through this.
    pub config: Config,
    service: Service,
    instance: Option<String>,
    path: PathBuf,
    process: Option<ProcessSettings>,
}

impl Launch {
    /// Opens the configuration. `instance` tells several processes of a service apart, such as `kraken-spot-0`.
    ///
    /// # Errors
    /// Refuses a file that cannot be read or is not TOML.
    pub fn open(service: Service, instance: Option<String>, path: &Path) -> Result<Self, LaunchError> {
        let mut config = Config::open(path)?;
        let process = config.process();
        Ok(Self { config, service, instance, path: path.to_owned(), process })
    }

    /// Names the instance once it is known from the configuration.
    #[must_use]
    pub fn instance(self, instance: String) -> Self {
        Self { instance: Some(instance), ..self }
    }

    /// Ends the reading: gives what the service read, and the process about to start.
    ///
    /// # Errors
    /// Gives every problem of the configuration at once.
    pub fn finish<T>(self, values: Option<T>) -> Result<(T, Prepared), LaunchError> {
        let both = values.zip(self.process);
        let ((values, process), effective) = self.config.finish(both)?;
        let name = match &self.instance {
            Some(instance) => format!("{}-{instance}", self.service.name()),
            None => self.service.name().to_owned(),
        };
        let cause = |cause| LaunchError::Settings { path: self.path.clone(), cause };
        let settings = std::fs::read_to_string(&self.path).map_err(cause)?;
        let producer = ProducerId::new(&name)?;
        let service = self.service;
        Ok((values, Prepared { service, producer, process, effective, settings }))
    }
}

/// Is a process whose configuration is good, and which has not touched the world yet.
#[derive(Debug)]
pub struct Prepared {
    service: Service,
    producer: ProducerId,
    process: ProcessSettings,
    /// Everything in force, with sources.
    pub effective: Effective,
    settings: String,
}

impl Prepared {
    /// Adds a line about this run to what the flight recording says of its settings, as a TOML comment.
    pub fn note(&mut self, note: &str) {
        self.settings.push_str(&format!("\n# {note}\n"));
    }

    /// Opens health and control, then joins the bus; waits for it as long as it takes, unless asked to stop.
    /// `None` when the process was asked to stop meanwhile.
    ///
    /// # Errors
    /// Tells what cannot be opened.
    pub async fn start(self) -> Result<Option<Process>, LaunchError> {
        let version = env!("CARGO_PKG_VERSION");
        let service = self.service.name();
        let telemetry =
            Telemetry::start(&self.process.telemetry, service, self.producer.as_str(), version)?;
        let shutdown = Shutdown::on_signals().map_err(LaunchError::System)?;
        let clock = Clock::new();
        let health = Health::new(service, self.producer.as_str(), version, clock.clone());
        let (port, commands) = match self.service {
            Service::RiskGate | Service::OrderRouter => {
                let (port, commands) = ControlPort::new(service, health.clone());
                (port, Some(commands))
            }
            Service::Ingestor | Service::PairDiscovery | Service::Decision | Service::Persister => {
                (ControlPort::status_only(service, health.clone()), None)
            }
        };
        let tokens = self.process.tokens.clone();
        let metrics = Some(telemetry.metrics());
        let address = self.process.http_listen;
        let http = HttpServer::start(address, health.clone(), metrics, tokens.clone()).await?;
        let rpc = ControlServer::start(self.process.grpc.clone(), tokens, Arc::new(port)).await?;
        let ready = tokio::spawn(follow(health.watch_ready(), rpc.readiness()));
        tracing::info!(service, http = %http.address(), grpc = %rpc.address(), "listening");
        health.set_dependency(BUS, true, false, "connecting");
        let bus = self.join(&shutdown, &health).await;
        let Some(bus) = bus else { return Ok(None) };
        let seed = random().map_err(LaunchError::System)?;
        let session = SessionId::new(random().map_err(LaunchError::System)?);
        let identity = Identity::new(service, self.producer.clone(), session, seed, version)?;
        let header = FlightHeader {
            service: service.to_owned(),
            producer: self.producer,
            session,
            seed,
            version: version.to_owned(),
            settings: self.settings,
        };
        let publisher = Publisher::start(Arc::clone(&bus));
        let context = (clock, health, shutdown);
        let servers = Servers { telemetry, http, rpc, ready: ready.abort_handle() };
        let service = self.service;
        let settings = self.process;
        Ok(Some(Process { service, settings, identity, header, bus, publisher, context, commands, servers }))
    }

    async fn join(&self, shutdown: &Shutdown, health: &Health) -> Option<Arc<dyn Bus>> {
        loop {
            let attempt = connect_nats(self.nats());
            let problem = tokio::select! {
                biased;
                () = shutdown.requested() => return None,
                joined = attempt => match joined {
                    Ok(bus) => return Some(Arc::new(bus)),
                    Err(error) => crate::publish::chain(&error),
                },
            };
            health.set_dependency(BUS, true, false, &problem);
            tracing::warn!(error = problem, "bus not reached yet");
            tokio::select! {
                () = shutdown.requested() => return None,
                () = tokio::time::sleep(CONNECT_PAUSE) => {}
            }
        }
    }

    fn nats(&self) -> NatsSettings {
        let bus = &self.process.bus;
        let user = bus.user.clone().unwrap_or_else(|| self.bus_user());
        let credentials = match &bus.password {
            None => Credentials::None,
            Some(password) => Credentials::Password {
                user,
                password: PasswordSource::Given(password.expose().clone()),
            },
        };
        let mut settings = NatsSettings::new(&bus.url, self.producer.as_str(), credentials);
        settings.root_certificates = bus.ca_file.clone();
        settings
    }

    /// Gives the user of this service: its name, with the venue for services of one venue. A shard shares its user.
    fn bus_user(&self) -> String {
        let name = self.producer.as_str();
        let shard = name.rsplit_once('-').filter(|(_, last)| last.bytes().all(|b| b.is_ascii_digit()));
        shard.map_or(name, |(before, _)| before).to_owned()
    }
}

/// Gives eight bytes of the system's randomness.
fn random() -> std::io::Result<u64> {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(u64::from_le_bytes(bytes))
}

/// Tells gRPC health what readiness says.
async fn follow(mut ready: tokio::sync::watch::Receiver<bool>, rpc: remora_rpc::Readiness) {
    loop {
        let is_ready = *ready.borrow_and_update();
        rpc.set(is_ready).await;
        if ready.changed().await.is_err() {
            return;
        }
    }
}

struct Servers {
    telemetry: Telemetry,
    http: HttpServer,
    rpc: ControlServer,
    ready: tokio::task::AbortHandle,
}

/// Is a process that listens and has joined the bus.
pub struct Process {
    service: Service,
    /// What every process is configured with.
    pub settings: ProcessSettings,
    identity: Identity,
    header: FlightHeader,
    /// The bus.
    pub bus: Arc<dyn Bus>,
    /// Where outputs go, in order.
    pub publisher: Publisher,
    context: (Clock, Health, Shutdown),
    commands: Option<mpsc::Receiver<remora_domain::ControlCommand>>,
    servers: Servers,
}

impl Process {
    /// Gives the numbering of the core's messages.
    #[must_use]
    pub fn sequencer(&self) -> Sequencer {
        Sequencer::new(self.identity.producer().clone(), self.identity.session())
    }

    /// Gives the seed of the core's random numbers.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.identity.seed()
    }

    /// Gives the run.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.identity.session()
    }

    /// Gives the clock.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.context.0
    }

    /// Gives the health.
    #[must_use]
    pub const fn health(&self) -> &Health {
        &self.context.1
    }

    /// Gives the handle that stops the process.
    #[must_use]
    pub const fn shutdown(&self) -> &Shutdown {
        &self.context.2
    }

    /// Runs the core until the process is asked to stop, then stores what is left and closes everything.
    ///
    /// # Errors
    /// Tells why the service cannot go on.
    pub async fn drive<C: ServiceCore>(
        self,
        core: C,
        effects: Box<dyn Effects<C>>,
        plan: Plan,
        locals: Option<mpsc::Receiver<LocalEvent<C::LocalInput>>>,
    ) -> Result<(), LaunchError> {
        let telemetry = &self.settings.telemetry;
        let recorder = match &telemetry.flight_folder {
            None => None,
            Some(folder) => {
                let settings = FlightSettings {
                    folder: folder.clone(),
                    file_bytes_max: u64::from(telemetry.flight_file_mib_max) << 20,
                    flush_interval: Duration::from_millis(telemetry.flight_flush_ms_max.into()),
                };
                let started = FlightRecorder::start(settings, &self.header);
                Some(started.map_err(LaunchError::Flight)?)
            }
        };
        tracing::info!(service = self.service.name(), session = %self.identity.session(), "joined the bus");
        let mut runner =
            Runner::new(self.identity, core, effects, self.bus, self.publisher, self.context).plan(plan);
        if let Some(recorder) = recorder {
            runner = runner.recorder(recorder);
        }
        if let Some(locals) = locals {
            runner = runner.locals(locals);
        }
        if let Some(commands) = self.commands {
            runner = runner.commands(commands);
        }
        let outcome = runner.run().await;
        self.servers.ready.abort();
        let closed = self.servers.rpc.stop().await;
        self.servers.http.stop().await;
        self.servers.telemetry.stop().await;
        outcome?;
        closed?;
        Ok(())
    }
}

/// Gives what the core of a service reads: market data as it comes, logs of orders and commands from their start, and the
/// last values of everything else.
#[must_use]
pub fn plan_of(service: Service) -> Plan {
    // The router's market data is for the venue beside it, which reads for itself.
    let is_for_core = |kind: &&Kind| service != Service::OrderRouter || !kind.as_str().starts_with("md.");
    let mut plan = Plan::default();
    for kind in service.reads().iter().filter(is_for_core) {
        let filters = vec![kind.pattern()];
        match Stream::of_subject(&kind.pattern()) {
            None => plan.patterns.push(kind.pattern()),
            Some(stream @ Stream::Orders) => {
                match plan.logs.iter_mut().find(|log| log.stream == stream) {
                    // One reader, so that requests, answers and events keep their one order.
                    Some(log) => log.filters.extend(filters),
                    None => plan.logs.push(LogSubscription::all(stream).only(filters)),
                }
            }
            Some(stream) if *kind == Kind::ControlCommand => {
                plan.logs.push(LogSubscription::all(stream).only(filters));
            }
            Some(stream) => plan.logs.push(LogSubscription::latest(stream).only(filters)),
        }
    }
    plan
}
