//! `remora replay`: feeds a flight recording to the same core again and compares every output.

use crate::cli::ReplayArguments;
use crate::output;
use anyhow::{Context, Result, bail};
use remora_approval::{Signer, Verifier, VerifyingKey};
use remora_decision_core::DecisionCore;
use remora_domain::{Sequencer, Service};
use remora_ingestor_core::{FeedKind, IngestorCore};
use remora_machine::ServiceCore;
use remora_order_router_core::OrderRouterCore;
use remora_pair_discovery_core::PairDiscoveryCore;
use remora_persister_core::PersisterCore;
use remora_risk_gate_core::{LimitsKey, RiskGateConfig, RiskGateCore};
use remora_service_kit::config::Config;
use remora_service_kit::flight::{Difference, Ending, FlightReader, ReplayReport, replay};
use remora_sim::Plan;
use remora_wire::flight::FlightHeader;
use std::path::Path;

/// Replays every file; fails when any output differs.
pub(crate) fn run(arguments: &ReplayArguments) -> Result<()> {
    let mut differences = 0_usize;
    for file in &arguments.files {
        let report =
            replay_file(file, arguments).with_context(|| format!("replay {}", file.display()))?;
        output::line(&format!("{}: {}", file.display(), describe(&report)));
        differences = differences.saturating_add(usize::from(report.first_difference.is_some()));
    }
    if differences > 0 {
        bail!("{differences} recording(s) were not reproduced");
    }
    Ok(())
}

/// Builds the core that the header names, as the process that recorded did, and feeds it.
fn replay_file(file: &Path, arguments: &ReplayArguments) -> Result<ReplayReport> {
    let mut reader = FlightReader::open(file)?;
    let header = reader.header().clone();
    let mut config = Config::parse("the recorded settings", &header.settings, [])?;
    let plan = Plan::read(&mut config);
    let (plan, _) = config.finish(plan)?;
    let sequencer = Sequencer::new(header.producer.clone(), header.session);
    match service(&header)? {
        Service::Ingestor => {
            let entry = crate::profiles::venue(&plan)?;
            let kind = FeedKind::of_settings(&header.settings);
            let FeedKind { is_recorded, is_synthetic } =
                kind.context("the recorded settings do not say what kind of feed it was")?;
            let feed = plan.ingestor.feed_settings(
                entry.public_url,
                is_recorded,
                is_synthetic,
                header.seed,
            );
            finish(&mut reader, IngestorCore::new(plan.ingestor, (entry.feed)(feed), sequencer))
        }
        Service::PairDiscovery => {
            finish(&mut reader, PairDiscoveryCore::new(plan.discovery, sequencer))
        }
        Service::Decision => finish(&mut reader, DecisionCore::new(plan.decision, sequencer)),
        Service::RiskGate => {
            let path = arguments.gate_key.as_deref();
            let path = path.context("a risk gate's recording needs --gate-key FILE")?;
            let text = std::fs::read_to_string(path).context("read the gate's key")?;
            let signer = Signer::from_hex(&text)?;
            // The gate had checked the signature of its profile; it checks those of changes as they come.
            let limits_key = LimitsKey::of_settings(&header.settings).map(|key| key.0);
            let gate = RiskGateConfig { limits_key, ..plan.gate };
            finish(&mut reader, RiskGateCore::new(gate, signer, sequencer))
        }
        Service::OrderRouter => {
            let path = arguments.gate_public_key.as_deref();
            let path = path.context("an order router's recording needs --gate-public-key FILE")?;
            let text = std::fs::read_to_string(path).context("read the gate's public key")?;
            let verifier = Verifier::new(VerifyingKey::from_hex(&text)?);
            finish(&mut reader, OrderRouterCore::new(plan.router, verifier, sequencer))
        }
        Service::Persister => finish(&mut reader, PersisterCore::new(plan.persister, sequencer)),
    }
}

fn finish<C: ServiceCore>(reader: &mut FlightReader, mut core: C) -> Result<ReplayReport> {
    Ok(replay(reader, &mut core)?)
}

pub(crate) fn service(header: &FlightHeader) -> Result<Service> {
    let found = Service::ALL.iter().copied().find(|service| service.name() == header.service);
    found.with_context(|| format!("{:?}: no such service", header.service))
}

fn describe(report: &ReplayReport) -> String {
    let entries = report.entries;
    if let Some(difference) = &report.first_difference {
        let Difference { sequence, now, input, outputs, .. } = difference;
        let found = match difference.first_output() {
            Some((recorded, now)) => format!("gave {recorded}\n  and gives {now}"),
            None => format!("gives {} (its recording holds only a digest)", outputs.join("; ")),
        };
        return format!("entry {sequence} at {now} differs: {input}\n  {found}");
    }
    match report.ending {
        Some(Ending::Closed) => format!("{entries} entries reproduced, recording closed"),
        Some(other) => format!("{entries} entries reproduced; the recording ends early: {other:?}"),
        None => format!("{entries} entries reproduced"),
    }
}
