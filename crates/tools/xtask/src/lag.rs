//! `cargo xtask lag`: is any service behind? The whole system over NATS on a simulated exchange with many pairs, looked at from outside.
//!
//! Each message carries when it was published; a service records how old it was when its turn came. As messages of one kind keep their
//! order, the oldest that was handled within an interval is the oldest that waited in it. A service that falls behind shows ages that
//! grow from interval to interval, or market data that it dropped.

mod metrics;

use crate::{say, steps};
use anyhow::{Context as _, Result, bail};
use metrics::Sample;
use remora_deployment::{Deployment, Options};
use remora_test_servers::SimulatedExchange;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Pairs that a simulated exchange has before any is added.
const PAIRS_USUAL: u32 = 13;
/// Clock ticks of a second in `/proc/PID/stat` on Linux.
const TICKS_PER_S: f64 = 100.0;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many pairs the exchange has; all are followed.
    #[arg(long, value_name = "COUNT", default_value_t = 300)]
    #[arg(value_parser = clap::value_parser!(u32).range(13..=10_000))]
    pairs: u32,
    /// How long to measure, after everything has started.
    #[arg(long, value_name = "MINUTES", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_440))]
    minutes: u32,
    /// Length of the intervals that are told.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u32).range(5..=600))]
    every: u32,
    /// Seed of the exchange.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Builds and runs optimised programs.
    #[arg(long)]
    release: bool,
}

/// Builds, starts, measures, prints a table for each interval and one for all of it.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<()> {
    remora_test_servers::ensure_tools().context("get the servers")?;
    let programs = steps::build_programs(root, arguments.release)?;
    let folder = tempfile::tempdir()?;
    let profile = folder.path().join("lag.toml");
    fs::write(&profile, every_pair(root)?)?;
    let (seed, pairs) =
        (arguments.seed.to_string(), arguments.pairs.saturating_sub(PAIRS_USUAL).to_string());
    let flags = ["--seed", &seed, "--pairs", &pairs];
    let exchange = SimulatedExchange::start(&programs.join("remora"), &flags, Stdio::null())?;
    let mut deployment = Deployment::start(Options {
        profile,
        feed_url: Some(exchange.address("(public)")?),
        programs,
        ..Options::demo()?
    })?;
    say(&format!("{} pairs, a table each {} s", arguments.pairs, arguments.every));
    let measured = measure(&mut deployment, arguments);
    deployment.stop()?;
    if !exchange.stop()? {
        bail!("the exchange did not end well");
    }
    measured
}

/// Gives the shipped profile of a public feed, for every pair of it.
fn every_pair(root: &Path) -> Result<String> {
    let path = root.join("profiles/paper.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("symbols = ")).collect();
    Ok(lines.join("\n"))
}

fn measure(deployment: &mut Deployment, arguments: &Arguments) -> Result<()> {
    let every = Duration::from_secs(u64::from(arguments.every));
    let count = (arguments.minutes * 60).div_ceil(arguments.every);
    let names = deployment.names();
    let first = look(deployment, &names)?;
    let (begun, mut last) = (Instant::now(), first.clone());
    for number in 1..=count {
        std::thread::sleep((every * number).saturating_sub(begun.elapsed()));
        deployment.check_running()?;
        let now = look(deployment, &names)?;
        say(&format!("\n{} s", begun.elapsed().as_secs()));
        tell(&names, &last, &now);
        last = now;
    }
    say(&format!("\nall {} s; machine load {}", begun.elapsed().as_secs(), load()));
    tell(&names, &first, &last);
    Ok(())
}

/// Is one service at an instant.
#[derive(Clone)]
struct Look {
    at: Instant,
    sample: Sample,
    cpu_s: f64,
    resident_mib: f64,
}

fn look(deployment: &Deployment, names: &[String]) -> Result<BTreeMap<String, Look>> {
    let one = |name: &String| {
        let sample = Sample::read(&deployment.metrics(name)?);
        let pid = deployment.pid(name)?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let cpu_s = cpu_s(&stat).with_context(|| format!("processor time of {name}"))?;
        let resident_mib = resident_mib(&status).with_context(|| format!("memory of {name}"))?;
        Ok((name.clone(), Look { at: Instant::now(), sample, cpu_s, resident_mib }))
    };
    names.iter().map(one).collect()
}

fn tell(names: &[String], from: &BTreeMap<String, Look>, to: &BTreeMap<String, Look>) {
    say(
        " service                        in/s   out/s   median       99 %   oldest  dropped   CPU %   MiB",
    );
    for name in names {
        let (Some(from), Some(to)) = (from.get(name), to.get(name)) else { continue };
        let seconds = to.at.duration_since(from.at).as_secs_f64();
        let change = to.sample.since(&from.sample);
        let age = |share: f64| metrics::text(change.age_us(share));
        say(&format!(
            " {name:28} {:>7.0} {:>7.0} {:>8} {:>10} {:>8} {:>8.0} {:>7.1} {:>5.0}",
            change.handled / seconds,
            change.published / seconds,
            age(0.5),
            age(0.99),
            age(1.0),
            change.dropped,
            (to.cpu_s - from.cpu_s) / seconds * 100.0,
            to.resident_mib,
        ));
    }
}

/// Gives the processor time of a process, from `/proc/PID/stat`: its name, in brackets, may hold anything.
fn cpu_s(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS_PER_S)
}

/// Gives the resident memory of a process, from `/proc/PID/status`.
fn resident_mib(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1_024.0)
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_and_memory_are_read_from_what_the_kernel_says() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 9 0 0 0 250 50 0 0 20 0 5 0 100 1 2";
        assert_eq!(cpu_s(stat), Some(3.0));
        assert_eq!(resident_mib("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2.0));
        assert_eq!((cpu_s("7"), resident_mib("Name:\tx")), (None, None));
    }
}
