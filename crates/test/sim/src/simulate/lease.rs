//! Two gates and one register: in some runs a lease says which gate acts, as in processes with `--lease`.
//!
//! The register is on the bus: asked late, unreachable for who is cut off, its answers lost. Each run counts its terms by a
//! steady clock of its own, which runs fast or slow but is never set. What is checked: no two runs act under one epoch
//! ([`Rule::OneActsPerEpoch`](super::checks::Rule)), and when nothing goes wrong any more exactly one leads.

use super::actor::{Input, LocalIn};
use super::checks::Rule;
use super::faults::Fault;
use super::kinds::{FaultKind, FaultKinds};
use super::seat::Seat;
use super::world::{Event, World};
use remora_domain::{DurationNs, SessionId, Timestamp};
use remora_machine::{
    Lease, LeaseInput, LeaseOutput, LeaseRecord, LeaseTimes, Machine as _, SplitMix64, TermInput,
};
use std::collections::BTreeMap;

/// How long a keeper waits for the register.
const CALL_WITHIN: DurationNs = DurationNs::from_s(1);
/// How fast or slow a steady clock may run: two differ by less than the margin of a term allows.
const DRIFT_PPM_MAX: i64 = 50_000;
const PPM: i128 = 1_000_000;

/// Is one way of losing the gate that leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// It is killed.
    Dies,
    /// It stands still, and goes on.
    StandsStill,
    /// It is cut off from the bus.
    IsCutOff,
}

/// Is a call on its way to the register.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    Read,
    Write { record: LeaseRecord, expected: u64 },
}

struct Keeper {
    run: SessionId,
    lease: Lease,
    began: Timestamp,
    drift_ppm: i64,
    epoch: u64,
    /// When it is to be given the time next; other events for that are out of date.
    wake: Option<Timestamp>,
    /// Calls are numbered: an answer that comes when its call was given up is nobody's.
    call: u64,
}

/// Is the register, and who keeps the lease.
#[derive(Default)]
pub(super) struct Leases {
    /// Whether there is a lease in this run.
    pub(super) is_on: bool,
    revision: u64,
    record: Option<LeaseRecord>,
    keepers: BTreeMap<Seat, Keeper>,
}

impl Leases {
    /// Draws whether a run has a lease, apart from everything else that is drawn.
    pub(super) fn of(seed: u64) -> Self {
        let is_on = SplitMix64::new(!seed).next_below(2) == 0;
        Self { is_on, ..Self::default() }
    }

    /// Turns what goes wrong for the only gate into what goes wrong where there are two.
    pub(super) fn turn(&self, seed: u64, kinds: FaultKinds, faults: &mut Vec<(Timestamp, Fault)>) {
        if !self.is_on {
            return;
        }
        let mut random = SplitMix64::new(seed.wrapping_add(1));
        for (_, fault) in faults.iter_mut() {
            if let Fault::SecondGate { blind } = fault {
                let how = match random.next_below(3) {
                    0 => Loss::Dies,
                    1 => Loss::StandsStill,
                    _ => Loss::IsCutOff,
                };
                let lasts = blind.saturating_add(DurationNs::from_ms(500));
                *fault = Fault::LeaderLoss { how, lasts };
            } else if let Fault::Crash { service, .. }
            | Fault::Cut { service, .. }
            | Fault::Pause { service, .. }
            | Fault::ClockStep { service, .. }
            | Fault::ClockDrift { service, .. } = fault
                && *service == Seat::RiskGate
                && random.next_below(2) == 0
            {
                *service = Seat::OtherGate;
            }
        }
        faults.retain(|(_, fault)| fault.kind().is_none_or(|kind| kinds.has(kind)));
    }
}

impl Keeper {
    /// Reads its steady clock.
    fn at(&self, now: Timestamp) -> Timestamp {
        let passed = i128::from(now.since(self.began).as_ns());
        let shown = passed + passed * i128::from(self.drift_ppm) / PPM;
        Timestamp::EPOCH
            .saturating_add(DurationNs::from_ns(i64::try_from(shown).unwrap_or(i64::MAX)))
    }

    /// Gives the true instant at which its clock shows this.
    fn when(&self, shown: Timestamp) -> Timestamp {
        let to_go = i128::from(shown.since(Timestamp::EPOCH).as_ns());
        let passed = to_go * PPM / (PPM + i128::from(self.drift_ppm));
        let passed = i64::try_from(passed).unwrap_or(i64::MAX).saturating_add(2);
        self.began.saturating_add(DurationNs::from_ns(passed))
    }
}

impl World {
    /// Takes what a gate asks of its lease.
    pub(super) fn claim(&mut self, seat: Seat, epoch: u64) {
        if !self.leases.is_on {
            // Gates without a lease: each has a term without end, and only the epochs keep them apart.
            let leads = TermInput::Leads { epoch, until: Timestamp::MAX };
            return self.give(seat, Input::Local(LocalIn::Term(leads)));
        }
        let Some(run) = self.process(seat).map(|process| process.run) else { return };
        if self.leases.keepers.get(&seat).is_none_or(|keeper| keeper.run != run) {
            let lease = Lease::new(run, LeaseTimes::PROCESS);
            let drift_ppm = self.delay(0, 2 * DRIFT_PPM_MAX).as_ns() / 1_000 - DRIFT_PPM_MAX;
            let (began, wake) = (self.now, Some(self.now));
            let keeper = Keeper { run, lease, began, drift_ppm, epoch: 0, wake, call: 0 };
            self.leases.keepers.insert(seat, keeper);
            return self.keep(seat, run, None);
        }
        self.keep(seat, run, Some(LeaseInput::Claim { epoch }));
    }

    /// Gives a keeper something, or the time, and carries out what it wants.
    pub(super) fn keep(&mut self, seat: Seat, run: SessionId, input: Option<LeaseInput>) {
        if !self.is_run(seat, run) {
            return;
        }
        let now = self.now;
        let paused_until = self.process(seat).map_or(now, |process| process.paused_until);
        let Some(keeper) = self.leases.keepers.get_mut(&seat).filter(|it| it.run == run) else {
            return;
        };
        let is_time = input.is_none();
        if is_time && keeper.wake.take_if(|at| *at == now).is_none() {
            return;
        }
        if paused_until > now {
            if is_time {
                keeper.wake = Some(paused_until);
            }
            return self.post_at(paused_until, Event::Keep { seat, run, input });
        }
        let own = keeper.at(now);
        let mut out = Vec::new();
        match input {
            Some(input) => keeper.lease.handle(own, input, &mut out),
            None => keeper.lease.tick(own, &mut out),
        }
        let next = keeper.lease.next_deadline().map(|at| keeper.when(at).max(now));
        if let Some(at) = next.filter(|at| keeper.wake.is_none_or(|wake| *at < wake)) {
            keeper.wake = Some(at);
            self.post_at(at, Event::Keep { seat, run, input: None });
        }
        for output in out {
            self.carry_out_of_lease(seat, run, output);
        }
    }

    fn carry_out_of_lease(&mut self, seat: Seat, run: SessionId, output: LeaseOutput) {
        match output {
            LeaseOutput::Read => self.call_register(seat, run, Call::Read),
            LeaseOutput::Write { record, expected } => {
                self.call_register(seat, run, Call::Write { record, expected });
            }
            LeaseOutput::Leads { epoch, until } => {
                let now = self.now;
                let Some(keeper) = self.leases.keepers.get_mut(&seat) else { return };
                keeper.epoch = epoch;
                let left = until.since(keeper.at(now));
                self.tell_term(seat, epoch, left);
            }
            LeaseOutput::Lapsed => {
                let epoch = self.leases.keepers.get(&seat).map_or(0, |keeper| keeper.epoch);
                self.tell_term(seat, epoch, DurationNs::ZERO);
            }
            LeaseOutput::Deposed => {
                self.give(seat, Input::Local(LocalIn::Term(TermInput::Deposed)));
            }
            LeaseOutput::Released => {}
        }
    }

    /// Tells a gate until when it may act, in its own time.
    fn tell_term(&mut self, seat: Seat, epoch: u64, left: DurationNs) {
        let now = self.now;
        let Some(process) = self.processes.get_mut(&seat) else { return };
        let own = process.clock.read(now);
        let until = own.saturating_add(left);
        let gate = process.actor.as_ref().and_then(|actor| actor.gate());
        if gate.is_some_and(|gate| !gate.leads(own)) {
            self.read_up(seat);
        }
        self.give(seat, Input::Local(LocalIn::Term(TermInput::Leads { epoch, until })));
    }

    /// Sends a call on its way; whatever becomes of it, the keeper hears of it in time.
    fn call_register(&mut self, seat: Seat, run: SessionId, call: Call) {
        let Some(keeper) = self.leases.keepers.get_mut(&seat) else { return };
        keeper.call = keeper.call.saturating_add(1);
        let number = keeper.call;
        let answer = Event::RegisterSaid { seat, run, number, input: LeaseInput::Failed };
        self.post(CALL_WITHIN, answer);
        if self.process(seat).is_some_and(|process| !process.is_cut(self.now)) {
            let delay = self.hop();
            self.post(delay, Event::RegisterAsked { seat, run, number, call });
        }
    }

    /// A call reaches the register, whoever still waits for its answer.
    pub(super) fn register_asked(&mut self, seat: Seat, run: SessionId, number: u64, call: Call) {
        let leases = &mut self.leases;
        let input = match call {
            Call::Read => LeaseInput::Read { revision: leases.revision, record: leases.record },
            Call::Write { expected, .. } if expected != leases.revision => LeaseInput::Taken,
            Call::Write { record, .. } => {
                leases.revision = leases.revision.saturating_add(1);
                leases.record = Some(record);
                LeaseInput::Written { revision: leases.revision }
            }
        };
        let is_lost = self.is_drawn(self.weather.lost_ppm)
            || self.process(seat).is_none_or(|process| process.is_cut(self.now));
        if !is_lost {
            let delay = self.hop();
            self.post(delay, Event::RegisterSaid { seat, run, number, input });
        }
    }

    /// The register's answer reaches a keeper, or the time it waits for it is over.
    pub(super) fn register_said(
        &mut self,
        seat: Seat,
        run: SessionId,
        number: u64,
        input: LeaseInput,
    ) {
        let keeper = self.leases.keepers.get_mut(&seat);
        let Some(keeper) = keeper.filter(|it| it.run == run && it.call == number) else { return };
        // Whatever else comes is too late.
        keeper.call = keeper.call.saturating_add(1);
        self.keep(seat, run, Some(input));
    }

    /// Ends the process of a gate that another one has replaced; it is started again, as a standby.
    pub(super) fn end_replaced(&mut self, seat: Seat) {
        let gate = self.process(seat).and_then(|process| process.actor.as_ref()?.gate());
        if self.leases.is_on && gate.is_some_and(remora_risk_gate_core::RiskGateCore::is_superseded)
        {
            let down = self.delay(50_000, 2_000_000);
            self.note(format!("! {} was replaced and ends", seat.name()));
            self.crash(seat, true, down);
        }
    }

    /// Gives the gates that lead, each by its own clock.
    fn leaders(&mut self) -> Vec<Seat> {
        let now = self.now;
        let leads = |seat: &Seat| {
            let process = self.processes.get_mut(seat)?;
            let own = process.clock.read(now);
            let until = process.actor.as_ref()?.gate()?.status().leads_until?;
            (own < until).then_some(*seat)
        };
        Seat::GATES.iter().filter_map(leads).collect()
    }

    /// Takes the gate that leads away, if one does.
    pub(super) fn lose_leader(&mut self, how: Loss, lasts: DurationNs) {
        let Some(seat) = self.leaders().first().copied() else { return };
        self.count(FaultKind::LeaderLoss);
        match how {
            Loss::Dies => self.crash(seat, false, lasts),
            Loss::StandsStill => self.pause(seat, self.now.saturating_add(lasts)),
            Loss::IsCutOff => self.cut(seat, self.now.saturating_add(lasts)),
        }
    }

    /// Wants exactly one gate to lead at the end.
    pub(super) fn judge_leaders(&mut self) {
        let leaders = self.leaders();
        if self.leases.is_on && leaders.len() != 1 {
            let detail = format!("{} gates lead at the end", leaders.len());
            self.checks.breach(self.now, Rule::OneLeads, None, detail);
        }
    }
}
