//! `cargo xtask`: every script of the project.
#![expect(clippy::print_stdout, reason = "the tool talks to a person on a terminal")]

mod compose_test;
mod demo_data;
#[cfg(test)]
mod deploy_check;
mod fault_run;
mod kills;
mod lag;
mod mutants;
mod planted;
mod simulate;
mod steps;
mod test;
mod tidy;
mod up;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};

/// Every script of the project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs everything CI runs: formatting, lints, layout, dependencies, tests, docs, containers. Installs what is
    /// absent; ends with a list of what could not be checked here.
    Test,
    /// Starts the whole system on this machine as separate processes, and plays a recording through it.
    Up(up::Arguments),
    /// Trades live on the simulated exchange while everything goes wrong that can (10,000 orders over 100 pairs), and
    /// compares the books. Some minutes; servers and programs as for `up`.
    FaultRun {
        /// Seed of the exchange, its keys and every chance.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Some hundred orders over two dozen pairs instead.
        #[arg(long)]
        small: bool,
    },
    /// Kills every service in turn and the gate that leads while they trade on the simulated exchange, and prints how long no
    /// quote reached it; then compares the books and replays every run. Some seconds a kill.
    Kills(kills::Arguments),
    /// Runs the whole system in virtual time while everything goes wrong that can: seeds 1 to N of ten minutes, optimised.
    Simulate(simulate::Arguments),
    /// Plants known bugs in a copy of the sources, one after the other, and fails when the simulation misses one.
    PlantedBugs(planted::Arguments),
    /// Changes one thing after the other in approval, ledger, order book, gate and router, and fails when no test notices.
    Mutants(mutants::Arguments),
    /// Runs the whole system on a simulated exchange with many pairs and prints how far each service is behind: age of the
    /// oldest message, messages in and out, processor and memory.
    Lag(lag::Arguments),
    /// Trades live on the simulated exchange and prints how long order requests wait for the gate's answer, beside a bare request
    /// and reply of NATS in the same run. Some minutes.
    Trips {
        /// Builds and runs optimised programs.
        #[arg(long)]
        release: bool,
    },
    /// Checks the layout rules: dependency directions, file length, headers.
    Tidy,
    /// Brings docker-compose.yml up for real on an engine of its own, replaces a service, takes it down.
    ComposeTest {
        /// Folder with programs that are built already; otherwise they are built (debug) now.
        #[arg(long, value_name = "FOLDER")]
        bin_dir: Option<PathBuf>,
    },
    /// Makes the synthetic recording that ships with Remora again, byte for byte.
    MakeDemoData,
}

fn main() -> Result<()> {
    let root = root()?;
    match Arguments::parse().command {
        Command::Test => test::run(&root),
        Command::Up(arguments) => up::run(&root, &arguments),
        Command::FaultRun { seed, small } => fault_run::run(&root, seed, small),
        Command::Kills(arguments) => kills::run(&root, &arguments),
        Command::Simulate(arguments) => simulate::run(&root, &arguments),
        Command::PlantedBugs(arguments) => planted::run(&root, &arguments),
        Command::Mutants(arguments) => mutants::run(&root, &arguments),
        Command::Trips { release } => {
            let test = "trips_of_requests_to_the_gate_are_told";
            steps::long_test(&root, ("trips", test), release, &[])
        }
        Command::Lag(arguments) => lag::run(&root, &arguments),
        Command::Tidy => tidy::run(&root),
        Command::ComposeTest { bin_dir } => compose_test::run(&root, bin_dir.as_deref()).map(drop),
        Command::MakeDemoData => demo_data::run(&root),
    }
}

/// Gives the folder of the workspace.
fn root() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    root.canonicalize().context("find the workspace folder")
}

/// Tells the person at the terminal something.
pub(crate) fn say(line: &str) {
    println!("{line}");
}
