//! Many seeds on every processor: what is done is noted, what is broken is told, and made smaller.
//!
//! In: which seeds, and how long. Out: lines for a person, a file of the seeds that are done with their hashes. Serves
//! `remora simulate` and `remora-simulate`. The only place of this crate with threads and the time of the day: a run
//! itself knows neither.

mod record;
mod shrink;

use crate::simulate::{
    Counts, FaultKinds, MINUTES_MAX, Rule, Simulated, Simulation, SimulationError,
};
use clap::{Args, value_parser};
use record::Record;
use remora_domain::{DurationNs, Timestamp};
use remora_service_kit::Clock;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// How often the number of seeds done is told.
const TOLD_EVERY: DurationNs = DurationNs::from_s(10);
/// Minutes of an hour.
const HOUR: u32 = 60;

/// Says which seeds to run.
#[derive(Args, Clone, Debug)]
pub struct SeedArguments {
    /// The seed that decides everything.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Run these seeds instead of one, as FROM..TO, both included.
    #[arg(long, value_name = "FROM..TO", value_parser = seed_range, conflicts_with = "seed")]
    pub seeds: Option<(u64, u64)>,
    /// How much virtual time each run takes, at least 2.
    #[arg(long, value_name = "MINUTES", default_value_t = 10, value_parser = value_parser!(u32).range(2..=i64::from(MINUTES_MAX)))]
    pub minutes: u32,
    /// The same in hours.
    #[arg(long, value_name = "HOURS", conflicts_with = "minutes", value_parser = value_parser!(u32).range(1..=i64::from(MINUTES_MAX / HOUR)))]
    pub hours: Option<u32>,
    /// How many pairs are traded, 1 to 10.
    #[arg(long, value_name = "PAIRS", default_value_t = 3)]
    pub pairs: usize,
    /// What may go wrong: `all`, `none`, or names of a summary such as `crash,halt`.
    #[arg(long, value_name = "KINDS", default_value_t = FaultKinds::ALL)]
    pub faults: FaultKinds,
    /// Note each seed that is done in this file, and leave those out that are in it already.
    #[arg(long, value_name = "FILE")]
    pub resume: Option<PathBuf>,
}

/// Says why a series ended early.
#[derive(Debug, thiserror::Error)]
pub enum SeedsError {
    /// A seed does not keep every promise.
    #[error("seed {seed} breaks a promise; to repeat it: {repeat}")]
    Broken {
        /// Which.
        seed: u64,
        /// The command that shows it, as small as it was made.
        repeat: String,
    },
    /// There is no run of this kind.
    #[error(transparent)]
    Simulation(#[from] SimulationError),
    /// The file of seeds done cannot be read.
    #[error("read the seeds done from {}: {cause}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A seed cannot be noted.
    #[error("note a seed in {}: {cause}", path.display())]
    Note {
        /// In which file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
}

/// Reads `FROM..TO`.
fn seed_range(text: &str) -> Result<(u64, u64), String> {
    let want = || format!("want FROM..TO with FROM not above TO, such as 1..100; got {text}");
    let (from, to) = text.split_once("..").ok_or_else(want)?;
    let parse = |part: &str| part.parse::<u64>().map_err(|_| want());
    let (from, to) = (parse(from)?, parse(to)?);
    if from > to { Err(want()) } else { Ok((from, to)) }
}

/// Runs every seed that is not done yet, and ends at the first, by number, that breaks a promise.
///
/// # Errors
/// Says which seed broke a promise and how to repeat it, or why there is no answer.
pub fn run(arguments: &SeedArguments, say: impl FnMut(&str)) -> Result<(), SeedsError> {
    let SeedArguments { pairs, faults, .. } = *arguments;
    let minutes = arguments.hours.map_or(arguments.minutes, |hours| hours.saturating_mul(HOUR));
    let (from, to) = arguments.seeds.unwrap_or((arguments.seed, arguments.seed));
    let of = |seed| Simulation { seed, minutes, pairs, faults };
    let record = Record::open(arguments.resume.as_deref(), of(from))?;
    let left: Vec<Simulation> =
        (from..=to).filter(|seed| !record.done.contains(seed)).map(of).collect();
    let clock = Clock::new();
    let (started, told) = (clock.now(), clock.now());
    let before = record.done.len();
    let (left_count, counts) = (left.len(), Counts::default());
    let mut series =
        Series { record, say, clock, started, told, done: 0, left: left_count, counts };
    if before > 0 {
        (series.say)(&format!("{before} seeds were done before, {} left", series.left));
    }
    series.run(left, from == to)
}

/// Is the seeds of one call.
struct Series<S> {
    record: Record,
    say: S,
    clock: Clock,
    started: Timestamp,
    told: Timestamp,
    done: u64,
    left: usize,
    /// What there was in all runs of this call.
    counts: Counts,
}

type Finished = (usize, Result<Simulated, SimulationError>);

impl<S: FnMut(&str)> Series<S> {
    fn run(&mut self, all: Vec<Simulation>, is_single: bool) -> Result<(), SeedsError> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let queue = Mutex::new(all.iter().copied().enumerate());
        let is_over = AtomicBool::new(false);
        let (send, receive) = sync_channel(processors);
        thread::scope(|scope| {
            for _ in 0..processors {
                let (queue, is_over, send) = (&queue, &is_over, send.clone());
                scope.spawn(move || work(queue, is_over, &send));
            }
            drop(send);
            let outcome = self.take(&all, &receive, is_single);
            is_over.store(true, Ordering::Relaxed);
            drop(receive);
            outcome
        })
    }

    /// Takes results as they come, in the order of seeds.
    fn take(
        &mut self,
        all: &[Simulation],
        receive: &Receiver<Finished>,
        is_single: bool,
    ) -> Result<(), SeedsError> {
        let mut early = BTreeMap::new();
        for (at, simulation) in all.iter().enumerate() {
            let run = loop {
                if let Some(run) = early.remove(&at) {
                    break run;
                }
                // Nobody is left to send only after every result was sent.
                let Ok((of, run)) = receive.recv() else { return Ok(()) };
                early.insert(of, run);
            };
            self.finished(*simulation, &run?, is_single)?;
        }
        Ok(())
    }

    fn finished(
        &mut self,
        simulation: Simulation,
        run: &Simulated,
        is_single: bool,
    ) -> Result<(), SeedsError> {
        let seed = simulation.seed;
        if let Some(breach) = run.breaches.first() {
            return Err(self.broken(simulation, run, breach.rule));
        }
        if is_single {
            (self.say)(&format!("seed {seed}: every promise kept; hash {}", run.hash));
        }
        self.counts.add(&run.counts);
        self.done = self.done.saturating_add(1);
        self.left = self.left.saturating_sub(1);
        self.record.add(seed, &run.hash)?;
        let now = self.clock.now();
        if self.left == 0 || now.since(self.told) >= TOLD_EVERY {
            self.told = now;
            let line = self.progress(simulation, now);
            (self.say)(&line);
        }
        if self.left == 0 {
            (self.say)(&self.counts.to_string());
        }
        Ok(())
    }

    /// Tells what led to a broken promise, of the smallest run found that breaks the same one.
    fn broken(&mut self, simulation: Simulation, run: &Simulated, rule: Rule) -> SeedsError {
        let seed = simulation.seed;
        (self.say)(&format!("seed {seed} breaks {rule:?}; making the run smaller"));
        let smaller = shrink::shrink(simulation, rule);
        let (simulation, run) =
            smaller.as_ref().map_or((simulation, run), |(simulation, run)| (*simulation, run));
        (self.say)("what led to it:");
        run.events.iter().for_each(|event| (self.say)(event));
        run.breaches.iter().for_each(|breach| (self.say)(&breach.to_string()));
        SeedsError::Broken { seed, repeat: simulation.command() }
    }

    fn progress(&self, simulation: Simulation, now: Timestamp) -> String {
        let ms = u64::try_from(now.since(self.started).as_ms()).unwrap_or(1).max(1);
        let simulated = self.done.saturating_mul(u64::from(simulation.minutes)).saturating_mul(60);
        format!(
            "{} seeds done, {} left; {simulated} s simulated in {} s: {} times real time",
            self.done,
            self.left,
            ms / 1_000,
            simulated.saturating_mul(1_000) / ms
        )
    }
}

/// Makes runs until none is left or the series is over.
fn work(
    queue: &Mutex<impl Iterator<Item = (usize, Simulation)>>,
    is_over: &AtomicBool,
    send: &SyncSender<Finished>,
) {
    while !is_over.load(Ordering::Relaxed) {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some((at, simulation)) = next else { return };
        if send.send((at, simulation.run())).is_err() {
            return; // nobody wants it any more
        }
    }
}
