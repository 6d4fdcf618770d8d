//! The order-router process: its core joined to the bus, and the venue beside it.
//!
//! In: the profile, the gate's public key; approvals, cancels, commands; the venue's reports. Out: order events,
//! balances, its state; orders to the venue. With `order_router.mode = "paper"` that venue is simulated and fills against
//! the public market data on the bus; with `"live"` it is the real one, over its private socket and its calls.
//! Wiring only. Test: `remora-deployment` runs it with all others.

mod choice;
mod effects;
mod venue;

use anyhow::{Context as _, Result};
use choice::{Choice, LiveArguments};
use effects::{Intents, RouterEffects};
use remora_approval::{Verifier, VerifyingKey};
use remora_domain::{Kind, Sequencer, Service};
use remora_order_router_core::{OrderRouterCore, OrderRouterSettings};
use remora_service_kit::config::{Config, read_secret};
use remora_service_kit::drive::Plan;
use remora_service_kit::{About, Host, Inputs, Publisher, Route, ServiceArgs, run_main};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::mpsc;
use venue::VenueWorker;

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Commands, stored intentions and reports that may wait, each: some seconds of the busiest trading. More means that
/// something has stopped, and then so do we.
const WAITING_MAX: usize = 4_096;

#[derive(clap::Parser)]
struct Arguments {
    #[command(flatten)]
    service: ServiceArgs,
    /// The file with the gate's public key: 64 hexadecimal digits, made by `remora ctl init`.
    #[arg(long, env = "REMORA_GATE_PUBLIC_KEY_FILE", value_name = "FILE")]
    gate_public_key_file: PathBuf,
    #[command(flatten)]
    live: LiveArguments,
}

fn main() -> ExitCode {
    run_main("remora-order-router", VERSION, "Sends approved orders and tracks their state", run)
}

async fn run(args: Arguments) -> Result<()> {
    let mut config = Config::open(&args.service.config)?;
    let (process, facts) = (config.process(), config.profile());
    let settings = config.section::<OrderRouterSettings>("order_router");
    let mode = settings.as_ref().map(|settings| settings.mode);
    let core = settings.zip(facts.as_ref()).and_then(|(settings, facts)| {
        config.check("order_router", settings.validate(&facts.account))
    });
    let venue = mode.and_then(|mode| Choice::read(&mut config, mode, core.as_ref(), &args.live));
    let key = read_secret("gate_public_key_file", &args.gate_public_key_file);
    let key = config.check("order_router", key.map_err(|problem| vec![problem]));
    let values = process.zip(core.zip(venue).zip(key));
    let ((process, ((core, venue), key)), effective) = config.finish(values)?;
    if args.service.is_only_check(&effective)? {
        return Ok(());
    }
    let key = VerifyingKey::from_hex(key.expose()).context("read the gate's public key")?;
    let name = format!("{}-{}", Service::OrderRouter.name(), core.venue);
    let route = Route { account: core.account.clone(), venue: core.venue.clone() };
    let about = About {
        service: Service::OrderRouter.name(),
        user: &name,
        producer: &name,
        version: VERSION,
        is_controllable: true,
        route: Some(route),
        needs_market_data: false,
    };
    let host = Host::start(process, &effective, about).await?;
    let description = venue.describe();
    tracing::info!(venue = %core.venue, description, "venue");
    let Some(bus) = host.connect().await? else {
        host.stop().await;
        return Ok(());
    };
    let publisher = Publisher::start(Arc::clone(&bus));
    let id = host.identity();
    let is_simulated = venue.is_simulated();
    let driver = venue.open(id.session(), id.seed(), host.clock())?;
    let sequencer = Sequencer::new(id.producer().clone(), id.session());
    let (inputs, locals) = mpsc::channel(WAITING_MAX);
    let (commands, commanded) = mpsc::channel(WAITING_MAX);
    // Market data is for the venue beside the core, which reads for itself; logs and signs of life are for the core.
    let mut plan = Plan::of(Service::OrderRouter, &core.account, Some(&core.venue));
    let beats = Kind::SvcHeartbeat.pattern();
    let patterns = std::mem::take(&mut plan.patterns);
    let (for_core, for_venue) = patterns.into_iter().partition(|pattern| *pattern == beats);
    plan.patterns = for_core;
    let worker = VenueWorker {
        // The real venue has its own market data.
        patterns: is_simulated.then_some(for_venue),
        driver,
        description,
        account: core.account.clone(),
        venue_id: core.venue.clone(),
        session: id.session(),
        bus: Arc::clone(&bus),
        health: host.health().clone(),
        shutdown: host.shutdown().clone(),
    };
    let worker = tokio::spawn(worker.run(commanded, inputs.clone()));
    let intents = Intents::start(publisher.clone(), inputs, WAITING_MAX);
    let core = OrderRouterCore::new(core, Verifier::new(key), sequencer);
    let effects = Box::new(RouterEffects::new(commands, intents));
    let driven = host.drive(bus, publisher, core, effects, plan, Inputs::locals(locals)).await;
    // The session ends after the core, which no longer holds its commands' queue; it is bounded by itself.
    worker.await.context("end the order-entry session")?;
    Ok(driven?)
}
