//! `remora journal`: recordings of gate, routers and all others as a journal that shows what was done to it.

use crate::output;
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use remora_decision_core::DecisionCore;
use remora_domain::Service;
use remora_ingestor_core::IngestorCore;
use remora_machine::ServiceCore;
use remora_order_router_core::OrderRouterCore;
use remora_pair_discovery_core::PairDiscoveryCore;
use remora_persister_core::PersisterCore;
use remora_risk_gate_core::RiskGateCore;
use remora_service_kit::flight::{
    Before, Ending, FlightReader, NotedHead, ReplayError, Run, describe, verify,
};
use remora_wire::flight::FlightEntry;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[derive(Subcommand)]
pub(crate) enum JournalCommand {
    /// Follow the chain of every run and from run to run; point at the first record that was altered.
    Verify(VerifyArguments),
    /// Print a run entry by entry: when, what happened, and what came out as far as it was kept.
    Show(ShowArguments),
}

#[derive(Args)]
pub(crate) struct VerifyArguments {
    /// Folders of flight recordings, or first parts of some.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// A head noted before, as a service's /status and this command show it; it must be in its run.
    #[arg(long = "head", value_name = "SESSION:ENTRY:LINK")]
    heads: Vec<NotedHead>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct ShowArguments {
    /// First parts of runs.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print only what has this text in it, such as the id of an order.
    #[arg(long, value_name = "TEXT")]
    find: Option<String>,
}

/// Does what was asked for; fails when anything does not hold.
pub(crate) fn run(command: &JournalCommand) -> Result<()> {
    match command {
        JournalCommand::Verify(arguments) => verify_runs(arguments),
        JournalCommand::Show(arguments) => {
            let find = arguments.find.as_deref().unwrap_or_default();
            arguments.files.iter().try_for_each(|file| {
                show(file, find).with_context(|| format!("show {}", file.display()))
            })
        }
    }
}

/// Prints each line of a run that has the text in it, after its number and its instant.
fn show(file: &Path, find: &str) -> Result<()> {
    let mut reader = FlightReader::open(file)?;
    let words = words_of(crate::replay::service(reader.header())?);
    while let Some(entry) = reader.next_entry()? {
        for line in words(&entry)?.iter().filter(|line| line.contains(find)) {
            output::line(&format!("{} {} {line}", entry.sequence, entry.now));
        }
    }
    Ok(())
}

type Words = fn(&FlightEntry) -> Result<Vec<String>, ReplayError>;

fn words_of(service: Service) -> Words {
    const fn of<C: ServiceCore>() -> Words {
        describe::<C::LocalInput, C::LocalOutput>
    }
    match service {
        Service::Ingestor => of::<IngestorCore>(),
        Service::PairDiscovery => of::<PairDiscoveryCore>(),
        Service::Decision => of::<DecisionCore>(),
        Service::RiskGate => of::<RiskGateCore>(),
        Service::OrderRouter => of::<OrderRouterCore>(),
        Service::Persister => of::<PersisterCore>(),
    }
}

fn verify_runs(arguments: &VerifyArguments) -> Result<()> {
    let runs = verify(&arguments.paths, &arguments.heads)?;
    if arguments.json {
        let runs: Vec<Value> = runs.iter().map(to_json).collect();
        output::line(&serde_json::to_string_pretty(&runs)?);
    } else {
        runs.iter().for_each(|run| output::line(&words_of_run(run)));
    }
    let bad = runs.iter().filter(|run| !run.trouble.is_empty()).count();
    if bad > 0 {
        bail!("{bad} of {} run(s) are not as they were written, or cannot be verified", runs.len());
    }
    Ok(())
}

fn words_of_run(run: &Run) -> String {
    let Run { producer, session, entries, .. } = run;
    let time = match run.time {
        Some((first, last)) => format!(", {first} to {last}"),
        None => String::new(),
    };
    let mut lines = vec![format!("{producer} run {session}: {entries} entries{time}")];
    if run.trouble.is_empty() {
        let (before, ending) = (words_of_before(run.before), words_of_ending(run.ending));
        lines.push(format!("  good: each follows from the one before it; {before}; {ending}"));
    }
    lines.extend(run.trouble.iter().map(|trouble| format!("  NOT GOOD: {trouble}")));
    lines.extend(run.head.map(|head| format!("  head {}", NotedHead(head))));
    lines.join("\n")
}

fn words_of_before(before: Before) -> String {
    match before {
        Before::Unnamed => "names no run before it".to_owned(),
        Before::Here(session) => format!("follows run {session}"),
        Before::NotHere(session) => format!("follows run {session}, which is not here"),
    }
}

fn words_of_ending(ending: Option<Ending>) -> String {
    match ending {
        Some(Ending::Closed) => "closed".to_owned(),
        Some(Ending::Killed { is_torn, .. }) => {
            let torn = if is_torn { ", in the middle of writing" } else { "" };
            format!("killed{torn}: what came after is unknown")
        }
        None => "not read to its end".to_owned(),
    }
}

fn to_json(run: &Run) -> Value {
    json!({
        "service": run.service,
        "producer": run.producer.to_string(),
        "run": run.session.to_string(),
        "path": run.path,
        "entries": run.entries,
        "first_ns": run.time.map(|(first, _)| first.as_ns()),
        "last_ns": run.time.map(|(_, last)| last.as_ns()),
        "head": run.head.map(|head| NotedHead(head).to_string()),
        "follows": match run.before {
            Before::Unnamed => None,
            Before::Here(session) | Before::NotHere(session) => Some(session.to_string()),
        },
        "ending": words_of_ending(run.ending),
        "trouble": run.trouble.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}
