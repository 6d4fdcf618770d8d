//! `remora-simulate`: the same as `remora simulate`, without everything else that program needs to be built.
//!
//! For `cargo xtask simulate` and `cargo xtask planted-bugs`. Ends with 0 when every promise was kept, with
//! [`BROKEN`] when one was broken, and with another code when there was no answer.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it talks to a person")]

use clap::Parser;
use remora_sim::seeds::{self, SeedArguments, SeedsError};
use std::process::ExitCode;

/// How the program ends when a promise is broken.
const BROKEN: u8 = 3;

/// Runs the whole system in virtual time on a made-up exchange while everything goes wrong that can, by seed.
#[derive(Parser)]
#[command(name = "remora-simulate", version)]
struct Arguments {
    #[command(flatten)]
    seeds: SeedArguments,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse().seeds;
    let Err(error) = seeds::run(&arguments, |line| println!("{line}")) else {
        return ExitCode::SUCCESS;
    };
    eprintln!("error: {error}");
    match error {
        SeedsError::Broken { .. } => ExitCode::from(BROKEN),
        SeedsError::Simulation(_) | SeedsError::Read { .. } | SeedsError::Note { .. } => {
            ExitCode::FAILURE
        }
    }
}
