//! Plays recordings as `remora demo` does, with a checker watching.

use remora_domain::{Envelope, InstrumentId, InstrumentKey, VenueId};
use remora_persister_core::PersisterInput;
use remora_risk_gate_core::RiskGateConfig;
use remora_service_kit::config::Config;
use remora_sim::check::{Checker, Verdict};
use remora_sim::{PairResult, PairTally, Plan, Playback, RunFacts, Tally, VenuePlan, World};
use remora_venue_link::{Played, Player};
use remora_venue_registry::{find, is_synthetic};
use sha2::{Digest as _, Sha256};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Is one run to make.
#[derive(Clone)]
pub(crate) struct Run<'a> {
    /// Name of a shipped profile.
    pub(crate) profile: &'a str,
    /// Variables laid over the profile.
    pub(crate) overrides: &'a [(&'a str, &'a str)],
    pub(crate) seed: u64,
    pub(crate) paths: Vec<PathBuf>,
}

impl<'a> Run<'a> {
    pub(crate) fn of(profile: &'a str, paths: &[PathBuf]) -> Self {
        Self { profile, overrides: &[], seed: 1, paths: paths.to_vec() }
    }
}

/// Is a finished run.
pub(crate) struct Finished {
    pub(crate) facts: RunFacts,
    pub(crate) tally: Tally,
    pub(crate) verdict: Verdict,
    /// SHA-256 over every published message in order, as encoded for the bus.
    pub(crate) digest: String,
    pub(crate) gate: RiskGateConfig,
    pub(crate) paper_balances: String,
}

/// Plays a run to its end; `seen` is shown every message.
pub(crate) fn play_seen(run: &Run<'_>, seen: impl FnMut(&Envelope) + 'static) -> Finished {
    play_bent(run, |played| vec![played], seen)
}

/// Plays a run to its end, with each input replaced by what `bend` makes of it.
pub(crate) fn play_bent(
    run: &Run<'_>,
    bend: impl FnMut(Played) -> Vec<Played>,
    seen: impl FnMut(&Envelope) + 'static,
) -> Finished {
    let player = Player::open(&run.paths).unwrap();
    let plan = plan(run);
    let (gate, entry) = (plan.gate.clone(), find(&plan.ingestor.venue).unwrap());
    let VenuePlan::Paper(paper) = &plan.venue else { panic!("not on paper") };
    let paper_balances = format!("{:?}", paper.balances);
    let is_synthetic = player.venues().into_iter().any(is_synthetic);
    let feed = plan.ingestor.feed_settings(entry.public_url, true, is_synthetic, run.seed);
    let facts = RunFacts {
        profile: plan.facts.name.clone(),
        seed: run.seed,
        frames_total: Some(player.frames_total()),
        ..RunFacts::default()
    };
    let tally = Tally::new(plan.facts.reporting.clone());
    let cores = plan.assemble((entry.feed)(feed), run.seed).unwrap();
    let watch = Rc::new(RefCell::new((Checker::new(&gate), Sha256::new(), seen)));
    let watcher = Rc::clone(&watch);
    let world = World::new(cores, player.plans()[0].first);
    let mut playback = Playback::new(world, tally, facts).watched(move |message| {
        let (checker, digest, seen) = &mut *watcher.borrow_mut();
        let bytes = remora_wire::encode(message);
        digest.update(bytes.len().to_be_bytes());
        digest.update(&bytes);
        checker.observe(message);
        seen(message);
    });
    for played in player.map(Result::unwrap).flat_map(bend) {
        playback.play(played).unwrap();
        store(&mut playback);
    }
    playback.finish().unwrap();
    store(&mut playback);
    let (facts, tally) = playback.into_parts();
    let Ok(watch) = Rc::try_unwrap(watch) else { panic!("the watcher outlived its run") };
    let (checker, digest, _) = watch.into_inner();
    let digest = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Finished { facts, tally, verdict: checker.finish(), digest, gate, paper_balances }
}

/// Takes every batch, as a store that never fails.
pub(crate) fn store(playback: &mut Playback) {
    loop {
        let batches = playback.take_batches();
        if batches.is_empty() {
            return;
        }
        for batch in batches {
            playback.stored(PersisterInput::Stored { number: batch.number }).unwrap();
        }
    }
}

/// Plays a run to its end.
pub(crate) fn play(run: &Run<'_>) -> Finished {
    play_seen(run, |_| {})
}

pub(crate) fn plan(run: &Run<'_>) -> Plan {
    let path = root().join(format!("profiles/{}.toml", run.profile));
    let text = std::fs::read_to_string(path).unwrap();
    let overrides = run.overrides.iter().map(|(key, text)| (key.to_string(), text.to_string()));
    let mut config = Config::parse(run.profile, &text, overrides).unwrap();
    let plan = Plan::read(&mut config);
    config.finish(plan).unwrap_or_else(|error| panic!("{error}")).0
}

impl Finished {
    /// Wants what every run promises: all frames, no broken promise, one account of the money.
    pub(crate) fn check(&self) {
        assert_eq!(Some(self.facts.frames_played), self.facts.frames_total);
        self.check_promises();
    }

    /// Wants no broken promise, and one account of the money.
    pub(crate) fn check_promises(&self) {
        assert_eq!(self.facts.history_losses, 0);
        let texts: Vec<String> = self.verdict.findings.iter().map(ToString::to_string).collect();
        assert_eq!(self.verdict.findings_total, 0, "{}", texts.join("\n"));
        let totals = &self.verdict.totals;
        assert_eq!(totals.messages, self.tally.messages());
        assert_eq!(totals.requests, self.sum(|pair| pair.quotes));
        assert_eq!(totals.approvals, self.sum(|pair| pair.approvals));
        assert_eq!(totals.refusals, self.sum(|pair| pair.refusals.values().sum()));
        assert_eq!(totals.fills, self.sum(|pair| pair.fills));
        assert_eq!(totals.approvals + totals.refusals, totals.requests);
        // The ledger behind the summary, the log and the venue's balances tell the same.
        for (key, _) in self.tally.pairs() {
            let told = self.tally.result(key).unwrap().position;
            assert_eq!(told, totals.positions.get(key).copied().unwrap_or_default(), "{key}");
        }
        assert_eq!(self.paper_balances, format!("{:?}", totals.balances_start));
        for (asset, start) in &totals.balances_start {
            let moved = totals.balances_moved.get(asset).copied().unwrap_or_default();
            let end = totals.balances_end[asset];
            assert_eq!(start.checked_add(moved).unwrap(), end, "{asset}");
        }
    }

    /// Wants two runs that are the same to the last byte.
    pub(crate) fn check_same(&self, other: &Self) {
        assert_eq!(self.digest, other.digest);
        assert_eq!(format!("{:?}", self.facts), format!("{:?}", other.facts));
        assert_eq!(self.verdict.totals, other.verdict.totals);
        let results = |run: &Self| -> Vec<(InstrumentKey, PairResult)> {
            let pairs = run.tally.pairs();
            pairs.map(|(key, _)| (key.clone(), run.tally.result(key).unwrap())).collect()
        };
        assert_eq!(results(self), results(other));
    }

    /// Gives frames, checksums passed and failed, trades, malformed.
    pub(crate) fn feed(&self, name: &str) -> [u64; 5] {
        let counters = self.facts.counters.get(&key(name)).copied().unwrap_or_default();
        let (passed, failed) = (counters.checksums_passed, counters.checksums_failed);
        [counters.frames, passed, failed, counters.trades, counters.malformed]
    }

    /// Gives the pairs that were quoted and approved.
    pub(crate) fn quoted(&self) -> Vec<String> {
        let pairs = self.tally.pairs();
        let quoted = pairs.filter(|(_, pair)| pair.quotes > 0 && pair.approvals > 0);
        quoted.map(|(key, _)| key.instrument.to_string()).collect()
    }

    fn sum(&self, value: impl Fn(&PairTally) -> u64) -> u64 {
        self.tally.pairs().map(|(_, pair)| value(pair)).sum()
    }
}

pub(crate) fn key(name: &str) -> InstrumentKey {
    let (venue, name) = (VenueId::new("kraken-spot"), InstrumentId::new(name));
    InstrumentKey::new(venue.unwrap(), name.unwrap())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// Gives the recording that ships.
pub(crate) fn shipped() -> PathBuf {
    root().join("demo/synthetic_kraken_spot.jsonl.gz")
}

/// Gives the shared folder; says so where there is none.
pub(crate) fn shared() -> Option<PathBuf> {
    let named = std::env::var("REMORA_SHARED").map(PathBuf::from);
    let folder = named.unwrap_or_else(|_| root().join("../shared"));
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no recordings at {}; set REMORA_SHARED", folder.display());
    None
}
