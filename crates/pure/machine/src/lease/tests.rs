//! One run at a register by hand, and several at one whose answers are late or lost.

use super::*;
use crate::{LocalCodec, SplitMix64};
use proptest::prelude::*;
use std::collections::BTreeMap;

const TIMES: LeaseTimes = LeaseTimes::PROCESS;

fn at(ms: i64) -> Timestamp {
    Timestamp::EPOCH.saturating_add(DurationNs::from_ms(ms))
}

fn record(holder: u64, epoch: u64) -> Option<LeaseRecord> {
    Some(LeaseRecord { holder: (holder > 0).then(|| SessionId::new(holder)), epoch })
}

fn write(holder: u64, epoch: u64, expected: u64) -> LeaseOutput {
    LeaseOutput::Write { record: record(holder, epoch).unwrap(), expected }
}

fn given(lease: &mut Lease, ms: i64, input: LeaseInput) -> Vec<LeaseOutput> {
    let mut out = Vec::new();
    lease.handle(at(ms), input, &mut out);
    out
}

fn ticked(lease: &mut Lease, ms: i64) -> Vec<LeaseOutput> {
    let mut out = Vec::new();
    lease.tick(at(ms), &mut out);
    out
}

fn read(lease: &mut Lease, ms: i64, revision: u64, found: Option<LeaseRecord>) -> Vec<LeaseOutput> {
    assert_eq!(ticked(lease, ms), [LeaseOutput::Read]);
    given(lease, ms, LeaseInput::Read { revision, record: found })
}

/// Run 1, which took the lease that run 9 gave back, at 0 ms, in epoch 5, as revision 8.
fn leader() -> Lease {
    let mut lease = Lease::new(SessionId::new(1), TIMES);
    assert_eq!(read(&mut lease, 0, 7, record(0, 4)), [write(1, 5, 7)]);
    assert_eq!(lease.role(), LeaseRole::Candidate);
    let leads = LeaseOutput::Leads { epoch: 5, until: at(2_500) };
    assert_eq!(given(&mut lease, 10, LeaseInput::Written { revision: 8 }), [leads]);
    assert_eq!(lease.role(), LeaseRole::Leader);
    lease
}

#[test]
fn a_standby_takes_over_only_when_one_revision_has_stood_for_a_whole_term() {
    let mut lease = Lease::new(SessionId::new(2), TIMES);
    assert_eq!(read(&mut lease, 1_000, 3, record(1, 6)), []);
    assert_eq!(read(&mut lease, 2_000, 4, record(1, 6)), []);
    assert_eq!(read(&mut lease, 4_999, 4, record(1, 6)), []);
    assert_eq!((lease.role(), lease.sees_leader()), (LeaseRole::Standby, true));
    assert_eq!(read(&mut lease, 5_399, 4, record(1, 6)), [write(2, 7, 4)]);
}

#[test]
fn an_empty_register_is_not_taken_before_a_term_has_passed() {
    let mut lease = Lease::new(SessionId::new(2), TIMES);
    assert_eq!(read(&mut lease, 0, 0, None), []);
    assert_eq!(read(&mut lease, 2_999, 0, None), []);
    assert!(!lease.sees_leader());
    assert_eq!(read(&mut lease, 3_399, 0, None), [write(2, 1, 0)]);
}

#[test]
fn a_standby_that_comes_second_waits_a_whole_term_again() {
    let mut lease = Lease::new(SessionId::new(2), TIMES);
    assert_eq!(read(&mut lease, 0, 3, record(0, 6)), [write(2, 7, 3)]);
    assert_eq!(given(&mut lease, 1, LeaseInput::Taken), [LeaseOutput::Read]);
    let found = LeaseInput::Read { revision: 4, record: record(1, 7) };
    assert_eq!(given(&mut lease, 2, found), []);
    assert_eq!(lease.role(), LeaseRole::Standby);
    assert_eq!(read(&mut lease, 3_001, 4, record(1, 7)), []);
    assert_eq!(read(&mut lease, 3_402, 4, record(1, 7)), [write(2, 8, 4)]);
}

#[test]
fn a_leader_renews_and_its_term_counts_from_before_it_asked() {
    let mut lease = leader();
    assert_eq!(lease.next_deadline(), Some(at(800)));
    assert_eq!(ticked(&mut lease, 900), [write(1, 5, 8)]);
    let leads = LeaseOutput::Leads { epoch: 5, until: at(3_400) };
    assert_eq!(given(&mut lease, 1_900, LeaseInput::Written { revision: 9 }), [leads]);
    assert_eq!(lease.next_deadline(), Some(at(1_700)));
}

#[test]
fn a_leader_that_cannot_renew_lapses_half_a_second_before_anybody_may_take_over() {
    let mut lease = leader();
    assert_eq!(ticked(&mut lease, 800), [write(1, 5, 8)]);
    assert_eq!(given(&mut lease, 1_800, LeaseInput::Failed), []);
    assert_eq!(ticked(&mut lease, 2_200), [LeaseOutput::Read]);
    assert_eq!(ticked(&mut lease, 2_499), []);
    assert_eq!(ticked(&mut lease, 2_500), [LeaseOutput::Lapsed]);
    assert_eq!(lease.role(), LeaseRole::Lapsed);
    assert_eq!(lease.next_deadline(), None);
}

#[test]
fn a_lapsed_leader_goes_on_in_its_epoch_when_nobody_took_over() {
    let mut lease = leader();
    assert_eq!(ticked(&mut lease, 4_000), [LeaseOutput::Lapsed, write(1, 5, 8)]);
    let leads = LeaseOutput::Leads { epoch: 5, until: at(6_500) };
    assert_eq!(given(&mut lease, 4_001, LeaseInput::Written { revision: 9 }), [leads]);
    assert_eq!(lease.role(), LeaseRole::Leader);
}

#[test]
fn a_leader_that_finds_another_one_is_deposed_for_good() {
    let mut lease = leader();
    assert_eq!(ticked(&mut lease, 9_000), [LeaseOutput::Lapsed, write(1, 5, 8)]);
    assert_eq!(given(&mut lease, 9_001, LeaseInput::Taken), [LeaseOutput::Read]);
    let found = LeaseInput::Read { revision: 9, record: record(2, 6) };
    assert_eq!(given(&mut lease, 9_002, found), [LeaseOutput::Deposed]);
    assert_eq!((lease.role(), lease.next_deadline()), (LeaseRole::Deposed, None));
    assert_eq!(ticked(&mut lease, 20_000), []);
}

#[test]
fn a_write_whose_answer_was_lost_is_found_and_renewed_before_it_counts() {
    let mut lease = leader();
    assert_eq!(ticked(&mut lease, 800), [write(1, 5, 8)]);
    assert_eq!(given(&mut lease, 1_800, LeaseInput::Failed), []);
    assert_eq!(read(&mut lease, 2_200, 9, record(1, 5)), [write(1, 5, 9)]);
    let mut candidate = Lease::new(SessionId::new(2), TIMES);
    assert_eq!(read(&mut candidate, 0, 3, record(0, 6)), [write(2, 7, 3)]);
    assert_eq!(given(&mut candidate, 1_000, LeaseInput::Failed), []);
    assert_eq!(read(&mut candidate, 1_400, 4, record(2, 7)), [write(2, 7, 4)]);
    assert_eq!(candidate.role(), LeaseRole::Lapsed);
    let leads = LeaseOutput::Leads { epoch: 7, until: at(3_900) };
    assert_eq!(given(&mut candidate, 1_401, LeaseInput::Written { revision: 5 }), [leads]);
}

#[test]
fn a_claim_is_written_before_it_is_told() {
    let mut lease = leader();
    assert_eq!(given(&mut lease, 20, LeaseInput::Claim { epoch: 3 }), []);
    assert_eq!(lease.next_deadline(), Some(at(800)));
    assert_eq!(given(&mut lease, 20, LeaseInput::Claim { epoch: 12 }), []);
    assert_eq!(ticked(&mut lease, 20), [write(1, 12, 8)]);
    let leads = LeaseOutput::Leads { epoch: 12, until: at(2_520) };
    assert_eq!(given(&mut lease, 30, LeaseInput::Written { revision: 9 }), [leads]);
}

#[test]
fn a_claim_during_a_renewal_is_written_right_after_it() {
    let mut lease = leader();
    assert_eq!(ticked(&mut lease, 800), [write(1, 5, 8)]);
    assert_eq!(given(&mut lease, 801, LeaseInput::Claim { epoch: 12 }), []);
    let leads = LeaseOutput::Leads { epoch: 5, until: at(3_300) };
    assert_eq!(given(&mut lease, 802, LeaseInput::Written { revision: 9 }), [leads]);
    assert_eq!(ticked(&mut lease, 802), [write(1, 12, 9)]);
}

#[test]
fn a_lease_that_is_given_back_is_taken_at_once_under_a_newer_epoch() {
    let mut lease = leader();
    assert_eq!(given(&mut lease, 50, LeaseInput::Release), [write(0, 5, 8)]);
    let released = given(&mut lease, 60, LeaseInput::Written { revision: 9 });
    assert_eq!(released, [LeaseOutput::Released]);
    let mut next = Lease::new(SessionId::new(2), TIMES);
    assert_eq!(read(&mut next, 61, 9, record(0, 5)), [write(2, 6, 9)]);
    let mut standby = Lease::new(SessionId::new(3), TIMES);
    assert_eq!(given(&mut standby, 0, LeaseInput::Release), [LeaseOutput::Released]);
}

#[test]
fn an_answer_nobody_asked_for_changes_nothing() {
    let mut lease = leader();
    let stray = LeaseInput::Read { revision: 99, record: record(2, 9) };
    for input in [LeaseInput::Written { revision: 99 }, LeaseInput::Taken, stray] {
        assert_eq!(given(&mut lease, 100, input), []);
        assert_eq!(lease.role(), LeaseRole::Leader);
    }
}

#[test]
fn records_are_read_as_they_are_written_and_nothing_else_is() {
    for wanted in [record(255, 7).unwrap(), record(0, u64::MAX).unwrap()] {
        assert_eq!(wanted.to_string().parse(), Ok(wanted));
    }
    assert_eq!(record(255, 7).unwrap().to_string(), "v1 epoch=7 holder=00000000000000ff");
    for text in ["", "v1 epoch=7", "v1 epoch=+7 holder=nobody", "v1 epoch=7 holder=ff", "v2"] {
        assert!(text.parse::<LeaseRecord>().is_err(), "{text}");
    }
}

#[test]
fn what_a_core_hears_and_asks_is_read_back_from_its_recording() {
    let leads = TermInput::Leads { epoch: 7, until: at(-3) };
    for input in [leads, TermInput::Deposed] {
        let mut bytes = Vec::new();
        input.encode(&mut bytes);
        assert_eq!(TermInput::decode(&bytes), Ok(input));
        bytes.push(0);
        assert!(TermInput::decode(&bytes).is_err());
    }
    let (claim, mut bytes) = (TermOutput::Claim { epoch: 9 }, Vec::new());
    claim.encode(&mut bytes);
    assert_eq!(TermOutput::decode(&bytes), Ok(claim));
    assert!(TermOutput::decode(&[CLAIM_ONLY]).is_err());
}

const CLAIM_ONLY: u8 = 3;

/// Several runs at one register, each with a clock of its own rate, over a road that delays and loses. Time is true time.
struct World {
    random: SplitMix64,
    now: i64,
    /// By number of the run: the lease, the rate of its clock in ppm, and until when it stands still.
    runs: BTreeMap<u64, (Lease, i64, i64)>,
    register: (u64, Option<LeaseRecord>),
    /// What is under way: when it arrives, in which order, for whom.
    road: BTreeMap<(i64, u64), (u64, Travelling)>,
    serial: u64,
    /// Until when, in true time, each run may act, and under which epoch.
    terms: BTreeMap<u64, (i64, u64)>,
    /// Who has acted under each epoch.
    epochs: BTreeMap<u64, u64>,
}

enum Travelling {
    Asked(LeaseOutput),
    Answered(LeaseInput),
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            random: SplitMix64::new(seed),
            now: 0,
            runs: BTreeMap::new(),
            register: (0, None),
            road: BTreeMap::new(),
            serial: 0,
            terms: BTreeMap::new(),
            epochs: BTreeMap::new(),
        }
    }

    fn below(&mut self, bound: u64) -> i64 {
        i64::try_from(self.random.next_below(bound)).unwrap()
    }

    fn start(&mut self, run: u64) {
        let rate = 1_000_000 + self.below(20_001) - 10_000;
        self.runs.insert(run, (Lease::new(SessionId::new(run), TIMES), rate, 0));
    }

    /// Gives what the clock of a run shows.
    fn own(now: i64, rate: i64) -> Timestamp {
        Timestamp::from_ns(now * rate)
    }

    fn send(&mut self, after: i64, run: u64, what: Travelling) {
        self.serial += 1;
        self.road.insert((self.now + after, self.serial), (run, what));
    }

    fn carry_out(&mut self, run: u64, out: Vec<LeaseOutput>) {
        let rate = self.runs[&run].1;
        for one in out {
            match one {
                LeaseOutput::Read | LeaseOutput::Write { .. } => {
                    // Lost on the way, lost on the way back, or late; who asked hears within a second that it failed.
                    let (there, is_lost) = (self.below(40), self.below(20) == 0);
                    if is_lost {
                        self.send(1_000, run, Travelling::Answered(LeaseInput::Failed));
                    } else {
                        self.send(there, run, Travelling::Asked(one));
                    }
                }
                LeaseOutput::Leads { epoch, until } => {
                    let until = until.as_ns() / rate;
                    self.terms.insert(run, (until, epoch));
                }
                LeaseOutput::Lapsed | LeaseOutput::Deposed | LeaseOutput::Released => {
                    self.terms.remove(&run);
                }
            }
        }
    }

    fn serve(&mut self, asked: LeaseOutput) -> LeaseInput {
        let (revision, record) = self.register;
        match asked {
            LeaseOutput::Write { record, expected } if expected == revision => {
                self.register = (revision + 1, Some(record));
                LeaseInput::Written { revision: revision + 1 }
            }
            LeaseOutput::Write { .. } => LeaseInput::Taken,
            LeaseOutput::Read
            | LeaseOutput::Leads { .. }
            | LeaseOutput::Lapsed
            | LeaseOutput::Deposed
            | LeaseOutput::Released => LeaseInput::Read { revision, record },
        }
    }

    /// Lets a millisecond pass.
    fn step(&mut self) {
        self.now += 1;
        while let Some(((due, _), _)) = self.road.first_key_value()
            && *due <= self.now
        {
            let (_, (run, what)) = self.road.pop_first().unwrap();
            let Some((_, _, still)) = self.runs.get(&run) else { continue };
            let still = *still;
            match what {
                Travelling::Asked(asked) => {
                    let answer = self.serve(asked);
                    let is_lost = self.below(20) == 0;
                    let (back, answer) = if is_lost {
                        (1_000, LeaseInput::Failed)
                    } else {
                        (self.below(40), answer)
                    };
                    self.send(back, run, Travelling::Answered(answer));
                }
                Travelling::Answered(answer) if still > self.now => {
                    self.send(still - self.now, run, Travelling::Answered(answer));
                }
                Travelling::Answered(answer) => {
                    let (lease, rate, _) = self.runs.get_mut(&run).unwrap();
                    let mut out = Vec::new();
                    lease.handle(Self::own(self.now, *rate), answer, &mut out);
                    self.carry_out(run, out);
                }
            }
        }
        let runs: Vec<u64> = self.runs.keys().copied().collect();
        for run in runs {
            let (lease, rate, still) = self.runs.get_mut(&run).unwrap();
            let own = Self::own(self.now, *rate);
            if *still <= self.now && lease.next_deadline().is_some_and(|due| due <= own) {
                let mut out = Vec::new();
                lease.tick(own, &mut out);
                assert!(lease.next_deadline().is_none_or(|due| due > own), "a stuck deadline");
                self.carry_out(run, out);
            }
        }
    }

    /// At most one run may act at any instant, and an epoch is of one run only.
    fn check(&mut self) {
        let now = self.now;
        let acting: Vec<(u64, u64)> = self
            .terms
            .iter()
            .filter(|(_, (until, _))| *until > now)
            .map(|(run, (_, epoch))| (*run, *epoch))
            .collect();
        assert!(acting.len() <= 1, "{acting:?} at {now} ms");
        for (run, epoch) in acting {
            assert_eq!(*self.epochs.entry(epoch).or_insert(run), run, "epoch {epoch}");
            let newest = *self.epochs.last_key_value().unwrap().0;
            assert_eq!(newest, epoch, "an older epoch acts again at {now} ms");
        }
    }
}

/// Lets a minute pass in which runs end, stand still and lose messages. Gives how many epochs anybody acted under.
fn live_a_minute(seed: u64) -> usize {
    let mut world = World::new(seed);
    world.start(1);
    world.start(2);
    let mut next = 3;
    for _ in 0..60_000 {
        world.step();
        world.check();
        if world.below(4_000) == 0 {
            // One ends where it stands, and what it had asked for may still arrive.
            let runs: Vec<u64> = world.runs.keys().copied().collect();
            let chosen = usize::try_from(world.below(2)).unwrap();
            let gone = runs[chosen.min(runs.len() - 1)];
            world.runs.remove(&gone);
            world.terms.remove(&gone);
            world.start(next);
            next += 1;
        }
        if world.below(5_000) == 0 {
            let (run, lasts) = (world.random.next_below(next), world.below(8_000));
            let until = world.now + lasts;
            if let Some((_, _, still)) = world.runs.get_mut(&run) {
                *still = until;
            }
        }
    }
    world.epochs.len()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn never_do_two_act_and_each_takeover_has_a_newer_epoch(seed: u64) {
        live_a_minute(seed);
    }
}

/// One minute may pass without a takeover; if many did, the property above would say nothing.
#[test]
fn the_lease_goes_over_several_times_in_most_minutes() {
    let minutes = 0..40;
    let moving = minutes.clone().filter(|seed| live_a_minute(*seed) >= 4).count();
    assert!(moving > 30, "{moving} of {}", minutes.count());
}
