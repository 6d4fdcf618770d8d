//! `remora`: every service in one process, and the command line. Wiring only; decisions live in the cores.

mod bench;
mod cli;
mod ctl;
mod dashboard;
mod data;
mod demo;
mod history;
mod journal;
mod listen;
mod live;
mod output;
mod paper;
mod profiles;
mod record;
mod replay;
mod report;
mod research;
mod show;
mod sim;
mod simulate;
mod summary;
mod trade;

use anyhow::Result;
use clap::Parser;
use cli::{Arguments, Command};

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        match arguments.command {
            Command::Demo(arguments) => demo::run(arguments).await,
            Command::Paper(arguments) => paper::run(arguments).await,
            Command::Live(arguments) => trade::run(arguments).await,
            Command::Sim(command) => sim::run(command).await,
            Command::Simulate(arguments) => simulate::run(arguments).await,
            Command::Bench(command) => bench::run(command).await,
            Command::Record(arguments) => record::run(arguments).await,
            Command::Replay(arguments) => replay::run(&arguments),
            Command::Journal(command) => journal::run(&command),
            Command::Data(command) => data::run(command).await,
            Command::Pairs(command) => research::pairs(*command).await,
            Command::Temporal(command) => research::temporal(command).await,
            Command::Edge(command) => research::edge(command).await,
            Command::Ctl(command) => ctl::run(command).await,
            Command::Risk(command) => ctl::run_risk(command).await,
        }
    })
}
