//! Everything around a core that is the same in every process: telemetry, HTTP, gRPC, signals, the bus, the recording.

use crate::config::{BusSettings, Effective, ProcessSettings, TelemetrySettings};
use crate::drive::{
    ControlPort, DriveError, Effects, Given, HaltLatch, Identity, LocalEvent, Plan, Runner,
    SnapshotFile, patiently,
};
use crate::flight::{FlightRecorder, FlightSettings};
use crate::http::{HttpError, HttpServer, StatusGuard};
use crate::publish::Publisher;
use crate::telemetry::{Telemetry, TelemetryError};
use crate::twin::{self, TwinError};
use crate::{Clock, Health, Shutdown};
use remora_bus::{
    Bus, BusError, Credentials, InMessage, NatsSettings, PasswordSource, connect_nats,
};
use remora_domain::{IdError, ProducerId, SessionId};
use remora_machine::ServiceCore;
use remora_rpc::{ControlServer, Readiness, Route, RpcError};
use remora_wire::flight::FlightHeader;
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

const MIB: u64 = 1024 * 1024;

/// Says why a process could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The name of the instance is not a producer's.
    #[error("name the producer of this process")]
    Producer(#[from] IdError),
    /// Signals are not delivered.
    #[error("listen for signals")]
    Signals(#[source] std::io::Error),
    /// Logs, spans or metrics could not start.
    #[error("start telemetry")]
    Telemetry(#[from] TelemetryError),
    /// HTTP could not start.
    #[error("start HTTP")]
    Http(#[from] HttpError),
    /// gRPC could not start.
    #[error("start gRPC control")]
    Rpc(#[from] RpcError),
    /// The bus refuses this process.
    #[error("connect to the bus")]
    Bus(#[source] BusError),
    /// Another process has this one's name.
    #[error("make sure to be the only one of this name")]
    Twin(#[from] TwinError),
    /// The service ended without being asked to.
    #[error("drive the core")]
    Drive(#[from] DriveError),
}

/// Says what a process is.
#[derive(Clone, Debug)]
pub struct About<'a> {
    /// Service name, such as `risk-gate`.
    pub service: &'a str,
    /// The user on the bus when there is a password and no other user, such as `order-router-kraken-spot`.
    pub user: &'a str,
    /// Which instance of it, unique in the deployment, such as `order-router-kraken-spot`: its messages are published
    /// under this name.
    pub producer: &'a str,
    /// Program version.
    pub version: &'a str,
    /// Whether operators may halt and resume it directly.
    pub is_controllable: bool,
    /// What it routes, where it is an order router.
    pub route: Option<Route>,
    /// Whether it is of no use without fresh market data.
    pub needs_market_data: bool,
}

/// Is what a core hears beside its plan.
#[derive(Debug)]
pub struct Inputs<L> {
    /// Inputs that only this service has.
    pub locals: Option<mpsc::Receiver<LocalEvent<L>>>,
    /// Messages that the shell fetches and acknowledges itself.
    pub deliveries: Option<mpsc::Receiver<InMessage>>,
}

impl<L> Inputs<L> {
    /// Is nothing beside the plan.
    #[must_use]
    pub const fn none() -> Self {
        Self { locals: None, deliveries: None }
    }

    /// Is local inputs alone.
    #[must_use]
    pub const fn locals(locals: mpsc::Receiver<LocalEvent<L>>) -> Self {
        Self { locals: Some(locals), deliveries: None }
    }
}

/// Is a started process around a core that is yet to be built.
#[derive(Debug)]
pub struct Host {
    identity: Identity,
    clock: Clock,
    health: Health,
    shutdown: Shutdown,
    bus: BusSettings,
    telemetry_settings: TelemetrySettings,
    settings_text: String,
    commands: Option<mpsc::Receiver<Given>>,
    halt_folder: Option<PathBuf>,
    stop_within: Duration,
    telemetry: Telemetry,
    http: HttpServer,
    grpc: ControlServer,
}

impl Host {
    /// Starts telemetry, HTTP, gRPC and signals, and logs the configuration in force. The bus comes later: a service
    /// can be seen and stopped without it.
    ///
    /// # Errors
    /// Tells what could not start.
    pub async fn start(
        settings: ProcessSettings,
        effective: &Effective,
        about: About<'_>,
    ) -> Result<Self, HostError> {
        let About { service, user, producer, version, is_controllable, route, needs_market_data } =
            about;
        let clock = Clock::new();
        // Nanoseconds of the start are unique among the runs of one producer, and fixed in its recording.
        let run = u64::try_from(clock.now().as_ns()).unwrap_or_default();
        let (producer, session) = (ProducerId::new(producer)?, SessionId::new(run));
        let identity = Identity::new(service, producer, session, run, version)?;
        let instance = identity.producer().as_str();
        let telemetry = Telemetry::start(&settings.telemetry, service, instance, version)?;
        telemetry.spawn_upkeep();
        let shutdown = Shutdown::on_signals().map_err(HostError::Signals)?;
        let health = Health::new(service, instance, version, clock.clone());
        tracing::info!(service, instance, version, session = %session, "start");
        for row in &effective.rows {
            tracing::info!(key = row.key, value = row.value, source = row.source, "setting");
        }
        let ProcessSettings {
            mut bus,
            telemetry: telemetry_settings,
            http_listen,
            grpc,
            tokens,
            halt_folder,
            data_age_max,
            stop_within,
        } = settings;
        if needs_market_data {
            health.require_data_younger_than(data_age_max);
        }
        let is_plaintext_allowed = grpc.is_plaintext_allowed;
        bus.user.get_or_insert_with(|| user.to_owned());
        if tokens.is_empty() {
            tracing::warn!("no token file: every control call is refused");
        }
        let metrics = Some(telemetry.metrics());
        let status = StatusGuard { tokens: tokens.clone(), is_plaintext_allowed };
        let http = HttpServer::start(http_listen, health.clone(), metrics, status).await?;
        if let Some(route) = &route {
            // Who takes orders back asks for this before anything else, also while the bus is away and no core runs.
            health.set_details(json!({ "venue": route.venue.as_str() }));
        }
        let (port, commands) = if is_controllable {
            let (port, commands) = ControlPort::new(service, health.clone(), route);
            (port, Some(commands))
        } else {
            (ControlPort::status_only(service, health.clone()), None)
        };
        let grpc = ControlServer::start(grpc, tokens, Arc::new(port)).await?;
        tokio::spawn(tell_readiness(grpc.readiness(), health.watch_ready()));
        let (http_address, grpc_address) = (http.address(), grpc.address());
        tracing::info!(http = %http_address, grpc = %grpc_address, "listening");
        let settings_text = effective.to_toml();
        Ok(Self {
            identity,
            clock,
            health,
            shutdown,
            bus,
            telemetry_settings,
            settings_text,
            commands,
            halt_folder,
            stop_within,
            telemetry,
            http,
            grpc,
        })
    }

    /// Gives who runs; the core is given the same producer, session and seed.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Gives the clock of the process.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Gives the health of the process, for dependencies the service has beside the bus.
    #[must_use]
    pub const fn health(&self) -> &Health {
        &self.health
    }

    /// Gives the request to stop.
    #[must_use]
    pub const fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Gives where HTTP was bound.
    #[must_use]
    pub const fn http_address(&self) -> SocketAddr {
        self.http.address()
    }

    /// Gives where gRPC was bound.
    #[must_use]
    pub const fn grpc_address(&self) -> SocketAddr {
        self.grpc.address()
    }

    /// Adds a line about this run to the settings in the flight recording, as a comment.
    pub fn note(&mut self, note: &str) {
        self.settings_text.push_str("\n# ");
        self.settings_text.push_str(note);
        self.settings_text.push('\n');
    }

    /// Connects to NATS, trying again while it cannot be reached, and makes sure that no other process acts under the same
    /// name; `None` when the process was asked to stop meanwhile.
    ///
    /// # Errors
    /// Tells when the server is too old, or refuses this user or its password (neither changes by trying again), and which
    /// other process is alive.
    pub async fn connect(&self) -> Result<Option<Arc<dyn Bus>>, HostError> {
        let Some(bus) = self.connect_beside().await? else { return Ok(None) };
        self.health.set_dependency("bus", true, false, "listening for another one of this name");
        let is_alone = twin::is_alone(&*bus, &self.identity, &self.shutdown).await?;
        Ok(is_alone.then_some(bus))
    }

    /// Connects to NATS where a lease, and not the name, says which of several processes acts; `None` when the process was
    /// asked to stop meanwhile.
    ///
    /// # Errors
    /// Tells when the server is too old, or refuses this user or its password.
    pub async fn connect_beside(&self) -> Result<Option<Arc<dyn Bus>>, HostError> {
        self.health.set_dependency("bus", true, false, "connecting");
        let settings = nats_settings(&self.bus, &self.identity);
        let connect = || connect_nats(settings.clone());
        let bus = patiently(&self.shutdown, connect).await.map_err(HostError::Bus)?;
        Ok(bus.map(|bus| -> Arc<dyn Bus> { Arc::new(bus) }))
    }

    /// Drives the core until the process is asked to stop, then stops everything. Effects that publish use the same
    /// `publisher`, so that their messages keep their place in the order.
    ///
    /// # Errors
    /// Tells why the service ended without being asked to.
    pub async fn drive<C: ServiceCore>(
        mut self,
        bus: Arc<dyn Bus>,
        publisher: Publisher,
        core: C,
        effects: Box<dyn Effects<C>>,
        plan: Plan,
        inputs: Inputs<C::LocalInput>,
    ) -> Result<(), HostError> {
        let recorder = self.recorder();
        let common = (self.clock.clone(), self.health.clone(), self.shutdown.clone());
        let identity = self.identity.clone();
        let mut runner = Runner::new(identity, core, effects, bus, publisher, common)
            .plan(plan)
            .stop_within(self.stop_within);
        if let Some(locals) = inputs.locals {
            runner = runner.locals(locals);
        }
        if let Some(deliveries) = inputs.deliveries {
            runner = runner.deliveries(deliveries);
        }
        if let Some(commands) = self.commands.take() {
            runner = runner.commands(commands);
            if let Some(latch) = self.latch() {
                runner = runner.latch(latch);
            }
        }
        if let Some(folder) = &self.halt_folder {
            runner = runner.snapshots(SnapshotFile::new(folder, self.identity.producer()));
        }
        if let Some(recorder) = recorder {
            runner = runner.recorder(recorder);
        }
        let outcome = runner.run().await.map(drop);
        self.stop().await;
        Ok(outcome?)
    }

    /// Stops HTTP, gRPC and telemetry.
    pub async fn stop(self) {
        tracing::info!(service = self.identity.service(), "stop");
        self.http.stop().await;
        if let Err(error) = self.grpc.stop().await {
            tracing::warn!(error = crate::publish::chain(&error), "gRPC had failed");
        }
        self.telemetry.stop().await;
    }

    /// Opens the folder of halts. A service that has none is not worse than one that is not there: it starts, and says so.
    fn latch(&self) -> Option<HaltLatch> {
        let name = "halt-folder";
        let Some(folder) = &self.halt_folder else {
            tracing::warn!(
                "no folder for halts: one given while NATS is away ends with the process"
            );
            return None;
        };
        match HaltLatch::open(folder, self.identity.shell()) {
            Ok(latch) => {
                self.health.set_dependency(name, false, true, "can be written");
                Some(latch)
            }
            Err(error) => {
                let problem = crate::publish::chain(&error);
                tracing::error!(error = problem, folder = %folder.display(), "open the folder of halts");
                self.health.set_dependency(name, false, false, &problem);
                None
            }
        }
    }

    /// Starts the recording. A service that cannot record trades all the same, and says so.
    fn recorder(&self) -> Option<FlightRecorder> {
        let telemetry = &self.telemetry_settings;
        let folder = telemetry.flight_folder.as_ref()?;
        let settings = FlightSettings {
            folder: folder.clone(),
            file_bytes_max: u64::from(telemetry.flight_file_mib_max).saturating_mul(MIB),
            total_bytes_max: u64::from(telemetry.flight_total_mib_max).saturating_mul(MIB),
            age_max: Duration::from_secs(
                u64::from(telemetry.flight_age_days_max).saturating_mul(24 * 60 * 60),
            ),
            flush_interval: Duration::from_millis(u64::from(telemetry.flight_flush_ms_max)),
            keeps_outputs: self.identity.decides_orders(),
        };
        let header = FlightHeader {
            service: self.identity.service().to_owned(),
            producer: self.identity.producer().clone(),
            session: self.identity.session(),
            seed: self.identity.seed(),
            version: self.identity.version().to_owned(),
            settings: self.settings_text.clone(),
            previous: None,
        };
        match FlightRecorder::start(settings, &header) {
            Ok(recorder) => Some(recorder),
            Err(error) => {
                let problem = crate::publish::chain(&error);
                tracing::error!(error = problem, "flight recording not started");
                self.health.set_dependency("flight-recording", false, false, &problem);
                None
            }
        }
    }
}

/// Makes gRPC health say what HTTP says.
async fn tell_readiness(readiness: Readiness, mut is_ready: watch::Receiver<bool>) {
    loop {
        let now = *is_ready.borrow_and_update();
        readiness.set(now).await;
        if is_ready.changed().await.is_err() {
            return;
        }
    }
}

fn nats_settings(bus: &BusSettings, identity: &Identity) -> NatsSettings {
    let credentials = match &bus.password {
        None => Credentials::None,
        Some(password) => Credentials::Password {
            user: bus.user.clone().unwrap_or_default(),
            password: PasswordSource::Given(password.expose().clone()),
        },
    };
    let mut settings = NatsSettings::new(&bus.url, identity.producer().as_str(), credentials);
    settings.root_certificates.clone_from(&bus.ca_file);
    settings
}
