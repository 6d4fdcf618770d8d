//! The persister process: its core joined to the bus, PostgreSQL and Redis.
//!
//! In: the profile; deliveries of every stream under one durable name; books. Out: rows, hot views, acknowledgements.
//! A delivery is acknowledged only after its row is stored, so a kill loses nothing: what was not acknowledged comes
//! again and is recognised. Wiring only. Test: `remora-deployment` runs it with all others.

mod deliveries;
mod effects;
mod letters;
mod settings;
mod stores;

use anyhow::{Context as _, Result};
use deliveries::{Held, Intake};
use effects::PersisterEffects;
use letters::Letters;
use remora_domain::{Kind, Sequencer, Service};
use remora_history_store::{HistorySettings, HistoryStore};
use remora_hot_store::{HotSettings, HotStore};
use remora_persister_core::{PersisterCore, PersisterSettings};
use remora_service_kit::config::Config;
use remora_service_kit::drive::Plan;
use remora_service_kit::{About, Host, Inputs, Publisher, ServiceArgs, run_main};
use settings::StorageSettings;
use std::process::ExitCode;
use std::sync::Arc;
use stores::Stores;
use tokio::sync::{mpsc, watch};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Deliveries that may wait for the loop; the streams keep the rest.
const DELIVERIES_WAITING_MAX: usize = 1_024;
/// Outcomes of writes that may wait: one write is under way at a time.
const OUTCOMES_WAITING_MAX: usize = 16;

fn main() -> ExitCode {
    run_main("remora-persister", VERSION, "Writes every durable message to history", run)
}

async fn run(args: ServiceArgs) -> Result<()> {
    let mut config = Config::open(&args.config)?;
    let (process, settings) = (config.process(), config.section::<PersisterSettings>("persister"));
    let core = settings.and_then(|settings| config.check("persister", settings.validate()));
    let storage = config.section::<StorageSettings>("storage");
    let storage = storage.and_then(|storage| config.check("storage", storage.validate()));
    let values = process.zip(core.zip(storage));
    let ((process, (core, storage)), effective) = config.finish(values)?;
    if args.is_only_check(&effective)? {
        return Ok(());
    }
    let history = HistoryStore::open(storage.postgres_url.expose(), &HistorySettings::default())
        .context("open history")?;
    let name = Service::Persister.name();
    let about = About {
        service: name,
        user: name,
        producer: name,
        version: VERSION,
        is_controllable: false,
        route: None,
        needs_market_data: false,
    };
    let host = Host::start(process, &effective, about).await?;
    // Needs the runtime that the host has made sure of, and connects by itself.
    let hot = storage.redis_url.map(|url| HotStore::open(&url, &HotSettings::default()));
    let hot = hot.transpose().context("open the hot store")?;
    let (inputs, locals) = mpsc::channel(OUTCOMES_WAITING_MAX);
    let stores = Stores::start(history, hot, inputs, host.health().clone());
    let Some(bus) = host.connect().await? else {
        host.stop().await;
        return Ok(());
    };
    let (id, shutdown) = (host.identity(), host.shutdown().clone());
    let core = PersisterCore::new(core, Sequencer::new(id.producer().clone(), id.session()));
    let (messages, deliveries) = mpsc::channel(DELIVERIES_WAITING_MAX);
    let (pause, paused) = watch::channel(false);
    let held = Held::default();
    let letters = Letters::new(Arc::clone(&bus));
    let intake = Intake {
        bus: Arc::clone(&bus),
        held: held.clone(),
        letters: letters.clone(),
        messages,
        paused,
        shutdown,
    };
    intake.start();
    let health = host.health().clone();
    let effects = Box::new(PersisterEffects::new(letters, held, stores, pause, health));
    // The place in the streams is kept by the bus; books are for hot views only.
    let plan = Plan { patterns: vec![Kind::MdBook.pattern()], ..Plan::default() };
    let publisher = Publisher::start(Arc::clone(&bus));
    let inputs = Inputs { locals: Some(locals), deliveries: Some(deliveries) };
    Ok(host.drive(bus, publisher, core, effects, plan, inputs).await?)
}
