//! `cargo xtask kills`: `kill -9` of every service in turn and of the gate that leads, under load, too long for every day.

use crate::steps;
use anyhow::Result;
use std::path::Path;

/// Says how often, and with what luck.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How often each service is killed.
    #[arg(long, default_value_t = 1)]
    times: u32,
    /// How often the gate that leads is killed.
    #[arg(long, default_value_t = 1)]
    leader: u32,
    /// Seed of the exchange and its keys.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs the test that is it; how far it has come is printed on the way.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<()> {
    let Arguments { times, leader, seed } = arguments;
    let told = [times.to_string(), leader.to_string(), seed.to_string()];
    let names = ["REMORA_KILL_TIMES", "REMORA_KILL_LEADER", "REMORA_FAULT_SEED"];
    let told: Vec<(&str, &str)> = names.into_iter().zip(told.iter().map(String::as_str)).collect();
    steps::long_test(root, ("kills", "kills_of_every_service_and_of_the_leader"), false, &told)
}
