//! The whole system on a made-up exchange in virtual time, while everything goes wrong that can, by seed.
//!
//! In: a seed and a length. Out: whether every promise was kept, what happened, and a hash that two runs are compared by.
//! All six cores run, each in a process of its own with its own clock, joined by a bus that keeps what NATS promises and
//! no more; the exchange is the paper venue behind a crowd by the same seed, and outlives every process. What must hold is
//! computed apart from the cores: from the messages, and from what really happened at the exchange.
//!
//! What goes wrong: core messages lost and late; log entries late and read again; logs out of step with each other; any
//! process cut off from the bus, all of them (the bus away), stopped for a while (a slow consumer), killed at any event
//! and started again from the log, with and without losing what was not yet durable; a second gate that starts beside the
//! one that lives, which hears of it late and goes on until it does, or, in the half of the runs in which two gates share a
//! lease, the loss of the one that leads; clocks set and drifting; orders, cancels and answers
//! lost (outcome unknown); executions told late, after the end of their order, and twice; partial fills; refusals,
//! throttling, cancel-only, maintenance; wrong balances, orders of others; broken connections, sequence gaps, a silent
//! feed; halts of everything, the venue and a pair, reducing only, resumes, changes of limits; forged approvals; the
//! history store away. [`FaultKind`] names them, [`Counts`] says how often each happened.
//! Not here: a log that loses what it had acknowledged; two venues; the loss of Redis, which no core reads or waits for.
//! Must never happen here: a clock, a thread, an exception for one seed.
//! Test alone: `cargo test -p remora-sim --test simulate`.

mod actor;
mod bus;
mod checks;
mod clock;
mod event;
mod exchange;
mod faults;
mod feed;
mod gate_view;
mod halt_view;
mod history;
mod kinds;
mod lease;
mod lies;
mod market;
mod process;
mod road;
mod seat;
mod snapshots;
mod taking;
mod trace;
mod upset;
mod verdict;
mod world;

pub use checks::{Breach, Rule};
pub use kinds::{Counts, FaultKind, FaultKinds};

use crate::Plan;
use remora_service_kit::config::{Config, ConfigError};
use world::{START, World};

/// The limits and settings of every run.
const PROFILE: &str = include_str!("simulate/profile.toml");
/// The shortest run: a start, some faults, and quiet.
pub const MINUTES_MIN: u32 = 2;
/// The longest run: a day.
pub const MINUTES_MAX: u32 = 1_440;
/// Events that are told of a broken promise.
const EVENTS_TOLD: usize = 60;

/// Says which run to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Simulation {
    /// Decides everything.
    pub seed: u64,
    /// How much virtual time passes, `MINUTES_MIN` to `MINUTES_MAX`.
    pub minutes: u32,
    /// How many pairs there are, 1 to [`Simulation::PAIRS_MAX`].
    pub pairs: usize,
    /// What may go wrong.
    pub faults: FaultKinds,
}

/// Is a finished run.
#[derive(Clone, Debug)]
pub struct Simulated {
    /// SHA-256 over everything that happened, in order.
    pub hash: String,
    /// The first broken promises; a sound run has none.
    pub breaches: Vec<Breach>,
    /// The last events about the first broken promise; empty for a sound run.
    pub events: Vec<String>,
    /// What there was.
    pub counts: Counts,
}

/// Says why there is no run.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// The length or the number of pairs is out of range.
    #[error("want {MINUTES_MIN} to {MINUTES_MAX} minutes and 1 to {} pairs", Simulation::PAIRS_MAX)]
    Range,
    /// The profile that is built in is not sound.
    #[error("read the profile of the simulation")]
    Profile(#[from] ConfigError),
    /// The world cannot be made.
    #[error("make the world: {0}")]
    World(String),
}

impl Simulation {
    /// Pairs that there can be.
    pub const PAIRS_MAX: usize = market::PAIRS_MAX;

    /// Makes the run.
    ///
    /// # Errors
    /// Says why there is none; a broken promise is a result.
    pub fn run(self) -> Result<Simulated, SimulationError> {
        let is_sound = (MINUTES_MIN..=MINUTES_MAX).contains(&self.minutes)
            && (1..=Self::PAIRS_MAX).contains(&self.pairs);
        if !is_sound {
            return Err(SimulationError::Range);
        }
        let mut config = Config::parse("simulate", PROFILE, [])?;
        let plan = Plan::read(&mut config);
        let (plan, _) = config.finish(plan)?;
        let mut world =
            World::new(plan, self).map_err(|error| SimulationError::World(error.to_string()))?;
        world.run();
        let events = world
            .first_breach()
            .map(|breach| world.trace.last(START, breach.order.as_ref(), EVENTS_TOLD));
        let (requests, approvals, sent) = world.checks.counts();
        let mut faults = world.faults;
        faults.extend(std::mem::take(&mut world.exchange.refusals));
        Ok(Simulated {
            hash: world.trace.digest(),
            events: events.unwrap_or_default(),
            counts: Counts {
                faults,
                messages: world.messages,
                requests,
                approvals,
                sent,
                executions: world.exchange.executions.len(),
                snapshots: world.snapshots.taken_over,
            },
            breaches: world.checks.breaches,
        })
    }

    /// Gives the command that repeats the run.
    #[must_use]
    pub fn command(self) -> String {
        let Self { seed, minutes, pairs, faults } = self;
        let run = format!("remora simulate --seed {seed} --minutes {minutes} --pairs {pairs}");
        if faults == FaultKinds::ALL { run } else { format!("{run} --faults {faults}") }
    }
}
