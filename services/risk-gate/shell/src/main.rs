//! The risk-gate process: its core joined to the bus.
//!
//! In: the profile, the signing key from a file that only this process can read; requests, order events, market data,
//! balances and commands; with `--lease`, who of several gates leads; whose signature the limits must carry. Out: approvals, refusals, its state. Wiring only.
//! Test: `remora-deployment` runs it.

mod check;
mod controls;

use anyhow::{Context as _, Result};
use remora_approval::{Signer, VerifyingKey};
use remora_bus::lease_subject;
use remora_domain::{DurationNs, Sequencer, Service, SettingProblem, Timestamp};
use remora_machine::{LeaseTimes, TermInput, TermOutput};
use remora_risk_gate_core::{LimitsKey, RiskGateCore, RiskGateSettings};
use remora_service_kit::config::{Config, read_secret};
use remora_service_kit::drive::{Effects, Plan};
use remora_service_kit::{
    About, Clock, Host, Inputs, LeaseKeeper, Publisher, Question, ServiceArgs, Shutdown,
    TERMS_WAITING_MAX, Terms, TraceContext, run_main,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::mpsc;

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(clap::Parser)]
struct Arguments {
    #[command(flatten)]
    service: ServiceArgs,
    /// The file with the signing key: 64 hexadecimal digits, made by `remora ctl init`.
    #[arg(long, env = "REMORA_GATE_KEY_FILE", value_name = "FILE")]
    key_file: PathBuf,
    /// The file with the public key of the person who owns the limits, made by `remora risk keygen`: limits, and changes
    /// of them, are then taken with its signature only. Without it they need none.
    #[arg(long, env = "REMORA_GATE_LIMITS_KEY_FILE", value_name = "FILE")]
    limits_key_file: Option<PathBuf>,
    /// Several gates of this account run: the one that holds the lease on the bus acts, the others stand by. Without it
    /// this is the only one.
    #[arg(long, env = "REMORA_GATE_LEASE")]
    lease: bool,
}

fn main() -> ExitCode {
    run_main("remora-risk-gate", VERSION, "Approves or refuses orders", run)
}

async fn run(args: Arguments) -> Result<()> {
    let mut config = Config::open(&args.service.config)?;
    let (process, facts) = (config.process(), config.profile());
    let settings = config.section::<RiskGateSettings>("risk_gate");
    let limits_key = config.check("risk_gate", limits_key(args.limits_key_file.as_deref()));
    let core = settings.zip(facts).zip(limits_key).and_then(|((s, facts), key)| {
        let checked = s.validate(&facts.account, &facts.reporting);
        config.check("risk_gate", checked.and_then(|limits| limits.wanting(key)))
    });
    let secret = read_secret("key_file", &args.key_file).map_err(|problem| vec![problem]);
    let secret = config.check("risk_gate", secret);
    let ((process, (core, secret)), effective) = config.finish(process.zip(core.zip(secret)))?;
    if args.service.is_only_check(&effective)? {
        return Ok(());
    }
    let signer = Signer::from_hex(secret.expose()).context("read the signing key")?;
    let name = Service::RiskGate.name();
    let about = About {
        service: name,
        user: name,
        producer: name,
        version: VERSION,
        is_controllable: true,
        route: None,
        needs_market_data: true,
    };
    let mut host = Host::start(process, &effective, about).await?;
    if let Some(key) = core.limits_key {
        host.note(&LimitsKey(key).to_string());
    }
    let bus = if args.lease { host.connect_beside().await? } else { host.connect().await? };
    let Some(bus) = bus else {
        host.stop().await;
        return Ok(());
    };
    let id = host.identity();
    let plan = Plan::of(Service::RiskGate, &core.account, None);
    let (inputs, locals) = mpsc::channel(TERMS_WAITING_MAX);
    let (terms, hold) = if args.lease {
        let keeper = LeaseKeeper {
            subject: lease_subject(name, &core.account),
            session: id.session(),
            times: LeaseTimes::PROCESS,
            bus: Arc::clone(&bus),
            clock: host.clock().clone(),
            health: host.health().clone(),
            shutdown: host.shutdown().clone(),
        };
        let (terms, hold) = keeper.start(inputs);
        (terms, Some(hold))
    } else {
        (Terms::Endless(inputs), None)
    };
    let core = RiskGateCore::new(core, signer, Sequencer::new(id.producer().clone(), id.session()));
    let ends = hold.is_some().then(|| host.shutdown().clone());
    let facts = Facts { clock: host.clock().clone(), controls: None, terms, ends };
    let publisher = Publisher::start(Arc::clone(&bus));
    let driven =
        host.drive(bus, publisher, core, Box::new(facts), plan, Inputs::locals(locals)).await;
    // Only now is nothing left to say: whoever leads next reads all of it.
    if let Some(hold) = hold {
        hold.release().await;
    }
    Ok(driven?)
}

/// Reads whose signature the limits must carry, where one is wanted.
fn limits_key(path: Option<&Path>) -> Result<Option<VerifyingKey>, Vec<SettingProblem>> {
    let Some(path) = path else { return Ok(None) };
    let text = read_secret("limits_key_file", path).map_err(|problem| vec![problem])?;
    VerifyingKey::from_hex(text.expose()).map(Some).map_err(|error| {
        vec![SettingProblem {
            key: "limits_key_file".to_owned(),
            value: path.display().to_string(),
            allowed: format!("the public key that remora risk keygen made ({error})"),
        }]
    })
}

/// Asks for terms; tells the gate's condition.
struct Facts {
    clock: Clock,
    terms: Terms,
    /// Ends the process of a gate that another one has replaced: whoever started it starts it as a standby.
    ends: Option<Shutdown>,
    /// What the controls said, and when: reading all of them takes longer than one decision, so it is done seldom.
    controls: Option<(Timestamp, Value)>,
}

/// How old what the controls say may be in status and metrics.
const CONTROLS_READ_EVERY: DurationNs = DurationNs::from_s(2);

impl Facts {
    fn controls(&mut self, core: &RiskGateCore) -> Value {
        let now = self.clock.now();
        if let Some((at, told)) = &self.controls
            && now.since(*at) < CONTROLS_READ_EVERY
        {
            return told.clone();
        }
        let lines = core.explain(now);
        controls::gauge(&lines);
        let told = controls::to_json(&lines);
        self.controls = Some((now, told.clone()));
        told
    }
}

impl Effects<RiskGateCore> for Facts {
    fn perform(
        &mut self,
        _: Timestamp,
        output: TermOutput,
        _: &TraceContext,
    ) -> Result<(), &'static str> {
        self.terms.perform(output)
    }

    fn waits_for_logs(&self, now: Timestamp, core: &RiskGateCore, input: &TermInput) -> bool {
        // Without a lease there is nobody who could have spoken meanwhile.
        let begins = matches!(input, TermInput::Leads { until, .. } if now < *until);
        self.ends.is_some() && begins && !core.leads(now)
    }

    fn applied(&mut self, core: &RiskGateCore, _: bool) {
        if core.is_superseded()
            && let Some(shutdown) = self.ends.take()
        {
            shutdown.request();
        }
    }

    fn answer(
        &mut self,
        now: Timestamp,
        core: &RiskGateCore,
        question: &Question,
    ) -> Result<Value, String> {
        check::answer(now, core, question)
    }

    fn details(&mut self, core: &RiskGateCore) -> Value {
        let (status, exposure) = (core.status(), core.exposure());
        let refusals: BTreeMap<String, u64> =
            status.refusals.iter().map(|(reason, count)| (format!("{reason:?}"), *count)).collect();
        let epochs: BTreeMap<String, u64> =
            status.router_epochs.iter().map(|(venue, epoch)| (venue.to_string(), *epoch)).collect();
        let text =
            |amount: Option<remora_domain::Notional>| amount.map(|amount| amount.to_string());
        let pairs = exposure.pairs.iter().map(|pair| {
            json!({
                "instrument": pair.instrument.to_string(),
                "position": pair.position.to_string(),
                "orders": pair.orders,
                "worst": text(pair.worst),
                "limit": pair.limit.to_string(),
            })
        });
        json!({
            "epoch": status.epoch,
            "leads": status.leads_until.is_some_and(|until| self.clock.now() < until),
            "is_superseded": status.is_superseded,
            "halted": status.halted.iter().map(|scope| format!("{scope:?}")).collect::<Vec<_>>(),
            "router_epochs": epochs,
            "approvals": status.approvals,
            "refusals": refusals,
            "exposure_total": text(exposure.total),
            "exposure_limit": exposure.limit.to_string(),
            "pairs": pairs.collect::<Vec<_>>(),
            "controls": self.controls(core),
            "limits_version": status.limits_version,
            "limits_waiting": status.limits_waiting,
            "limits_last": status.limits_last.as_ref().map(check::limits_to_json),
        })
    }
}
