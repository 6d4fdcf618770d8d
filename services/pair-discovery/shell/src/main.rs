//! The pair-discovery process: its core joined to the bus.
//!
//! In: the profile; market data, definitions, bars, fees and earlier universes from the bus. Out: universes.
//! Wiring only. Test: `remora-deployment` runs it with all others.

use anyhow::Result;
use remora_domain::{Sequencer, Service};
use remora_pair_discovery_core::{PairDiscoveryCore, PairDiscoverySettings};
use remora_service_kit::config::Config;
use remora_service_kit::drive::{NoEffects, Plan};
use remora_service_kit::{About, Host, Inputs, Publisher, ServiceArgs, run_main};
use std::process::ExitCode;
use std::sync::Arc;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn main() -> ExitCode {
    run_main("remora-pair-discovery", VERSION, "Ranks pairs and says why each is in or out", run)
}

async fn run(args: ServiceArgs) -> Result<()> {
    let mut config = Config::open(&args.config)?;
    let (process, facts) = (config.process(), config.profile());
    let settings = config.section::<PairDiscoverySettings>("pair_discovery");
    let core = settings.zip(facts).and_then(|(s, facts)| {
        let core = config.check("pair_discovery", s.validate(&facts.account, &facts.reporting));
        core.zip(Some(facts.account))
    });
    let ((process, (core, account)), effective) = config.finish(process.zip(core))?;
    if args.is_only_check(&effective)? {
        return Ok(());
    }
    let name = Service::PairDiscovery.name();
    let about = About {
        service: name,
        user: name,
        producer: name,
        version: VERSION,
        is_controllable: false,
        route: None,
        needs_market_data: true,
    };
    let host = Host::start(process, &effective, about).await?;
    let Some(bus) = host.connect().await? else {
        host.stop().await;
        return Ok(());
    };
    let id = host.identity();
    let core = PairDiscoveryCore::new(core, Sequencer::new(id.producer().clone(), id.session()));
    let plan = Plan::of(Service::PairDiscovery, &account, None);
    let publisher = Publisher::start(Arc::clone(&bus));
    Ok(host.drive(bus, publisher, core, Box::new(NoEffects), plan, Inputs::none()).await?)
}
