//! `remora simulate`: the whole system in virtual time under faults, seed by seed.

use crate::cli::SimulateArguments;
use crate::output;
use anyhow::{Context as _, Result, bail};
use remora_domain::{DurationNs, Timestamp};
use remora_service_kit::Clock;
use remora_sim::simulate::{MINUTES_MAX, Simulated, Simulation};
use std::collections::{BTreeSet, VecDeque};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tokio::task::JoinHandle;

/// How often the number of seeds done is told.
const TOLD_EVERY: DurationNs = DurationNs::from_s(10);

/// Runs every seed that is not done yet; ends at the first that breaks a promise.
pub(crate) async fn run(arguments: SimulateArguments) -> Result<()> {
    let minutes = arguments.hours.map_or(arguments.minutes, |hours| hours.saturating_mul(60));
    if minutes > MINUTES_MAX {
        bail!("{minutes} minutes: a run takes at most {MINUTES_MAX}");
    }
    let (from, to) = arguments.seeds.unwrap_or((arguments.seed, arguments.seed));
    let record = Record::open(arguments.resume.as_deref(), minutes, arguments.pairs)?;
    let pairs = arguments.pairs;
    let left = (from..=to).filter(|seed| !record.done.contains(seed));
    let left: VecDeque<Simulation> = left.map(|seed| Simulation { seed, minutes, pairs }).collect();
    if !record.done.is_empty() {
        output::line(&format!("{} seeds were done before, {} left", record.done.len(), left.len()));
    }
    let clock = Clock::new();
    let started = clock.now();
    Series { record, left, done: 0, clock, started, is_single: from == to }.run().await
}

/// Is the seeds of one call.
struct Series {
    record: Record,
    left: VecDeque<Simulation>,
    done: u64,
    clock: Clock,
    started: Timestamp,
    is_single: bool,
}

type Running = (Simulation, JoinHandle<Result<Simulated>>);

impl Series {
    async fn run(mut self) -> Result<()> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let mut running: VecDeque<Running> = VecDeque::new();
        let mut told = self.started;
        loop {
            while running.len() < processors
                && let Some(simulation) = self.left.pop_front()
            {
                let run = tokio::task::spawn_blocking(move || Ok(simulation.run()?));
                running.push_back((simulation, run));
            }
            let Some((simulation, run)) = running.pop_front() else { break };
            let run = run.await.context("simulate")??;
            self.finished(simulation, &run)?;
            if self.clock.now().since(told) >= TOLD_EVERY {
                told = self.clock.now();
                output::line(&self.progress(simulation));
            }
            if self.left.is_empty() && running.is_empty() {
                output::line(&self.progress(simulation));
            }
        }
        Ok(())
    }

    fn finished(&mut self, simulation: Simulation, run: &Simulated) -> Result<()> {
        let seed = simulation.seed;
        if !run.breaches.is_empty() {
            output::line(&format!("seed {seed}: a promise is broken; what led to it:"));
            run.events.iter().for_each(|event| output::line(event));
            run.breaches.iter().for_each(|breach| output::line(&breach.to_string()));
            bail!("seed {seed} breaks a promise; to repeat it: {}", simulation.command());
        }
        if self.is_single {
            let counts = run.counts;
            output::line(&format!(
                "seed {seed}: every promise kept; {} faults, {} messages, {} requests, {} approvals, {} orders sent, \
                 {} executions; hash {}",
                counts.faults,
                counts.messages,
                counts.requests,
                counts.approvals,
                counts.sent,
                counts.executions,
                run.hash
            ));
        }
        self.done = self.done.saturating_add(1);
        self.record.add(seed, &run.hash)
    }

    fn progress(&self, simulation: Simulation) -> String {
        let seconds = self.clock.now().since(self.started).as_ms() / 1_000;
        let seconds = u64::try_from(seconds).unwrap_or(1).max(1);
        let simulated = self.done.saturating_mul(u64::from(simulation.minutes)).saturating_mul(60);
        let left = self.left.len();
        format!(
            "{} seeds done, {left} not begun; {simulated} s simulated in {seconds} s: {} times real time",
            self.done,
            simulated / seconds
        )
    }
}

/// Is the file that says which seeds are done: a line for each, with what was run and its hash.
struct Record {
    path: Option<PathBuf>,
    what: String,
    done: BTreeSet<u64>,
}

impl Record {
    fn open(path: Option<&Path>, minutes: u32, pairs: usize) -> Result<Self> {
        let what = format!("{minutes} {pairs}");
        let text = match path {
            Some(path) if path.exists() => std::fs::read_to_string(path)
                .with_context(|| format!("read the seeds done from {}", path.display()))?,
            Some(_) | None => String::new(),
        };
        let done = text.lines().filter_map(|line| {
            let (seed, rest) = line.split_once(' ')?;
            let (run, _) = rest.rsplit_once(' ')?;
            (run == what).then(|| seed.parse().ok()).flatten()
        });
        Ok(Self { path: path.map(Path::to_owned), what: what.clone(), done: done.collect() })
    }

    fn add(&self, seed: u64, hash: &str) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let open = OpenOptions::new().create(true).append(true).open(path);
        let mut file = open.with_context(|| format!("open {}", path.display()))?;
        writeln!(file, "{seed} {} {hash}", self.what)
            .with_context(|| format!("note a seed in {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_done_under_the_same_terms_are_not_run_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seeds");
        let record = Record::open(Some(&path), 10, 3).unwrap();
        record.add(4, "aa").unwrap();
        record.add(5, "bb").unwrap();
        let done = |minutes, pairs| Record::open(Some(&path), minutes, pairs).unwrap().done;
        assert_eq!(done(10, 3), BTreeSet::from([4, 5]));
        assert_eq!(done(10, 4), BTreeSet::new());
        assert_eq!(done(2, 3), BTreeSet::new());
    }
}
