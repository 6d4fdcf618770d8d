//! What goes wrong, and when: a schedule by seed.

use super::kinds::{FaultKind, FaultKinds};
use super::lease::Loss;
use super::seat::Seat;
use remora_domain::{ControlScope, DurationNs, Timestamp};
use remora_machine::SplitMix64;

/// Is one thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A process dies and is started again; `keeps` says whether what it had said still becomes durable.
    Crash { service: Seat, keeps: bool, down: DurationNs },
    /// The gate is replaced at once while the router reads late, so that old approvals come after the new epoch.
    Handover { lasts: DurationNs },
    /// A second gate starts beside the one that lives, which hears of it late and goes on until it does.
    SecondGate { blind: DurationNs },
    /// The gate that leads is lost, where a lease says which one does.
    LeaderLoss { how: Loss, lasts: DurationNs },
    /// A process is cut off from the bus.
    Cut { service: Seat, lasts: DurationNs },
    /// The bus is away for everybody.
    BusAway { lasts: DurationNs },
    /// A process stands still (stopped, or too slow): it reads nothing and serves no deadline.
    Pause { service: Seat, lasts: DurationNs },
    /// The clock of a machine is set.
    ClockStep { service: Seat, by: DurationNs },
    /// The clock of a machine runs at another speed.
    ClockDrift { service: Seat, ppm: i64 },
    /// The private connection breaks, and no new one opens for a while.
    PrivateDown { lasts: DurationNs },
    /// The feed's connection breaks.
    FeedDown { lasts: DurationNs },
    /// The feed loses frames.
    FeedGaps { lasts: DurationNs },
    /// The feed falls silent without breaking.
    FeedSilent { lasts: DurationNs },
    /// Orders and cancels get lost on their way to the venue.
    RequestsLost { lasts: DurationNs },
    /// Answers of the venue get lost: the outcome is unknown.
    AnswersLost { lasts: DurationNs },
    /// News of fills comes late, after that of cancels.
    FillsLate { lasts: DurationNs },
    /// The store behind the persister is away.
    StoreAway { lasts: DurationNs },
    /// The venue refuses new orders.
    Rejects { lasts: DurationNs },
    /// The venue says that we are too fast.
    Throttles { lasts: DurationNs },
    /// The venue is in maintenance: nothing connects.
    Maintenance { lasts: DurationNs },
    /// The venue takes cancels only.
    CancelOnly { lasts: DurationNs },
    /// The venue is open again.
    Open,
    /// An operator resumes what was halted.
    Resume(ControlScope),
    /// An operator halts everything, and resumes later. One service may hear of it long before all others.
    Halt { lasts: DurationNs, late: DurationNs, first: Seat },
    /// An operator halts the venue, and resumes later; who hears of it when as for everything.
    HaltVenue { lasts: DurationNs, late: DurationNs, first: Seat },
    /// An operator lets everything only reduce, and resumes later.
    Reduce { lasts: DurationNs },
    /// The venue tells balances that are not ours.
    WrongBalances { lasts: DurationNs },
    /// Somebody else has orders on our account.
    ForeignOrders { lasts: DurationNs },
    /// An operator halts one pair, and resumes later.
    HaltPair { pair: usize, lasts: DurationNs },
    /// An operator changes the limits of pairs and of everything, in USD.
    Limits { pair: u64, total: u64 },
    /// Somebody who has got at the bus publishes the next approval with another price before the true one.
    Forgery,
    /// An operator takes back the whole account, in which somebody else has an order, and resumes later.
    CancelAccount { lasts: DurationNs },
    /// Somebody else places an order in our account.
    Stranger,
}

impl Fault {
    /// Gives the kind; none for the end of another fault.
    pub(super) const fn kind(&self) -> Option<FaultKind> {
        Some(match self {
            Self::Crash { .. } => FaultKind::Crash,
            Self::Handover { .. } => FaultKind::Handover,
            Self::SecondGate { .. } => FaultKind::SecondGate,
            Self::LeaderLoss { .. } => FaultKind::LeaderLoss,
            Self::HaltVenue { .. } => FaultKind::HaltVenue,
            Self::Reduce { .. } => FaultKind::Reduce,
            Self::WrongBalances { .. } => FaultKind::WrongBalances,
            Self::ForeignOrders { .. } => FaultKind::ForeignOrders,
            Self::Cut { .. } => FaultKind::Cut,
            Self::BusAway { .. } => FaultKind::BusAway,
            Self::Pause { .. } => FaultKind::Pause,
            Self::ClockStep { .. } => FaultKind::ClockStep,
            Self::ClockDrift { .. } => FaultKind::ClockDrift,
            Self::PrivateDown { .. } => FaultKind::PrivateDown,
            Self::FeedDown { .. } => FaultKind::FeedDown,
            Self::FeedGaps { .. } => FaultKind::FeedGaps,
            Self::FeedSilent { .. } => FaultKind::FeedSilent,
            Self::RequestsLost { .. } => FaultKind::RequestsLost,
            Self::AnswersLost { .. } => FaultKind::AnswersLost,
            Self::FillsLate { .. } => FaultKind::FillsLate,
            Self::StoreAway { .. } => FaultKind::StoreAway,
            Self::Rejects { .. } => FaultKind::Rejects,
            Self::Throttles { .. } => FaultKind::Throttles,
            Self::Maintenance { .. } => FaultKind::Maintenance,
            Self::CancelOnly { .. } => FaultKind::CancelOnly,
            Self::Halt { .. } => FaultKind::Halt,
            Self::HaltPair { .. } => FaultKind::HaltPair,
            Self::Limits { .. } => FaultKind::Limits,
            Self::Forgery => FaultKind::Forgery,
            Self::CancelAccount { .. } => FaultKind::CancelAccount,
            Self::Open | Self::Resume(_) | Self::Stranger => return None,
        })
    }
}

/// Says how bad the roads are, all the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Weather {
    /// Core messages lost, in millionths.
    pub(super) lost_ppm: u64,
    /// Log entries delivered again, in millionths of readings.
    pub(super) again_ppm: u64,
    /// Messages that take long, in millionths.
    pub(super) slow_ppm: u64,
    /// How long those take at most.
    pub(super) slow_max: DurationNs,
}

impl Weather {
    /// Draws the weather of a run; what may not go wrong does not.
    pub(super) fn of(random: &mut SplitMix64, kinds: FaultKinds) -> Self {
        let mut one_of = |all: [u64; 4]| {
            let at = usize::try_from(random.next_below(4)).unwrap_or(0);
            all.get(at).copied().unwrap_or(0)
        };
        let drawn = Self {
            lost_ppm: one_of([0, 1_000, 10_000, 50_000]),
            again_ppm: one_of([0, 1_000, 10_000, 50_000]),
            slow_ppm: one_of([0, 1_000, 10_000, 50_000]),
            slow_max: DurationNs::from_ms(
                i64::try_from(one_of([20, 100, 400, 1_500])).unwrap_or(0),
            ),
        };
        let if_may = |kind, ppm| if kinds.has(kind) { ppm } else { 0 };
        Self {
            lost_ppm: if_may(FaultKind::MessageLost, drawn.lost_ppm),
            again_ppm: if_may(FaultKind::ReadAgain, drawn.again_ppm),
            slow_ppm: if_may(FaultKind::MessageLate, drawn.slow_ppm),
            ..drawn
        }
    }

    pub(super) const fn calm() -> Self {
        Self { lost_ppm: 0, again_ppm: 0, slow_ppm: 0, slow_max: DurationNs::ZERO }
    }
}

/// Makes the schedule of a run: faults from `from` to `until`, some seconds apart.
pub(super) fn schedule(
    random: &mut SplitMix64,
    from: Timestamp,
    until: Timestamp,
    pairs: usize,
) -> Vec<(Timestamp, Fault)> {
    let mut faults = Vec::new();
    let mut at = from;
    loop {
        at = at.saturating_add(between(random, 200, 9_000));
        if at >= until {
            return faults;
        }
        faults.push((at, draw(random, pairs)));
    }
}

fn draw(random: &mut SplitMix64, pairs: usize) -> Fault {
    let service = any_service(random);
    let lasts = between(random, 50, 12_000);
    match random.next_below(33) {
        0..=4 => {
            let keeps = random.next_below(2) == 0;
            Fault::Crash { service, keeps, down: between(random, 50, 8_000) }
        }
        5 | 6 => Fault::Cut { service, lasts },
        7 => Fault::BusAway { lasts: between(random, 50, 8_000) },
        8 | 9 => Fault::Pause { service, lasts },
        10 => {
            let by = between(random, 0, 4_000).saturating_add(DurationNs::from_ms(-2_000));
            Fault::ClockStep { service, by }
        }
        11 => {
            let ppm = i64::try_from(random.next_below(1_000)).unwrap_or(0);
            Fault::ClockDrift { service, ppm: ppm.saturating_sub(500) }
        }
        12 | 13 => Fault::PrivateDown { lasts },
        14 => Fault::FeedDown { lasts },
        15 => Fault::FeedGaps { lasts },
        16 => Fault::FeedSilent { lasts },
        17 => Fault::RequestsLost { lasts },
        18 => Fault::AnswersLost { lasts },
        19 => Fault::FillsLate { lasts },
        20 => Fault::Rejects { lasts: between(random, 50, 4_000) },
        // Long enough that an order or a cancel falls into most of them.
        21 => Fault::Throttles { lasts: between(random, 4_000, 12_000) },
        22 => match random.next_below(2) {
            0 => Fault::Maintenance { lasts },
            _ => Fault::CancelOnly { lasts },
        },
        23 => match random.next_below(2) {
            0 => {
                let late = between(random, 0, 2_000);
                let first = first_to_hear(random);
                Fault::Halt { lasts: between(random, 50, 90_000), late, first }
            }
            _ => {
                let pairs = u64::try_from(pairs).unwrap_or(1).max(1);
                let pair = usize::try_from(random.next_below(pairs)).unwrap_or(0);
                Fault::HaltPair { pair, lasts }
            }
        },
        24 => {
            let pair = random.next_below(4).saturating_mul(100).saturating_add(600);
            let total = random.next_below(7).saturating_mul(200).saturating_add(900);
            Fault::Limits { pair, total }
        }
        25 => Fault::StoreAway { lasts },
        27 => Fault::SecondGate { blind: between(random, 0, 6_000) },
        28 => {
            let late = between(random, 0, 2_000);
            let first = first_to_hear(random);
            Fault::HaltVenue { lasts: between(random, 50, 40_000), late, first }
        }
        29 => Fault::Reduce { lasts },
        30 => Fault::WrongBalances { lasts },
        31 => Fault::ForeignOrders { lasts },
        26 => Fault::Handover { lasts: between(random, 500, 900) },
        _ => Fault::Forgery,
    }
}

fn any_service(random: &mut SplitMix64) -> Seat {
    // Those on the way of an order more often than the others.
    let all = [
        Seat::Ingestor,
        Seat::PairDiscovery,
        Seat::Decision,
        Seat::Decision,
        Seat::RiskGate,
        Seat::RiskGate,
        Seat::RiskGate,
        Seat::OrderRouter,
        Seat::OrderRouter,
        Seat::OrderRouter,
        Seat::Persister,
    ];
    let at = usize::try_from(random.next_below(11)).unwrap_or(0);
    all.get(at).copied().unwrap_or(Seat::OrderRouter)
}

/// Draws a time between two, in milliseconds; short ones are as likely as long ones.
pub(super) fn between(random: &mut SplitMix64, least: i64, most: i64) -> DurationNs {
    let span = u64::try_from(most.saturating_sub(least)).unwrap_or(0).saturating_mul(1_000);
    let drawn = random.next_below(span.saturating_add(1));
    let drawn = if random.next_below(2) == 0 { drawn / 8 } else { drawn };
    let us = i64::try_from(drawn).unwrap_or(0).saturating_add(least.saturating_mul(1_000));
    DurationNs::from_us(us)
}

/// Draws who hears of a halt first: whoever may stop an order must do so alone.
fn first_to_hear(random: &mut SplitMix64) -> Seat {
    match random.next_below(2) {
        0 => Seat::OrderRouter,
        _ => Seat::RiskGate,
    }
}
