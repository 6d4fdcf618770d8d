//! The machine: when each pair's makers, takers and index have their turn.

use crate::chance::Chance;
use crate::market::Market;
use crate::plan::{FlowPlan, to_units};
use crate::values::Values;
use remora_domain::{DurationNs, Lots, Side, Ticks, Timestamp};
use remora_machine::{Machine, SplitMix64};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// A turn that is later than this is left out: after a stopped process the crowd goes on, it does not catch up.
const LATE_MAX: DurationNs = DurationNs::from_s(1);

/// Is what can happen to the crowd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowInput {
    /// Everybody stops; books stay as they are.
    Pause,
    /// Everybody goes on.
    Resume,
}

/// Is something the crowd does on one pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowEvent {
    /// v2 symbol.
    pub symbol: Arc<str>,
    /// What.
    pub action: FlowAction,
}

/// Is something the crowd does. Prices and quantities in units of the pair's last decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowAction {
    /// A maker adds an order.
    Add {
        /// Side of the book.
        side: Side,
        /// Price, on the tick.
        price: Ticks,
        /// Quantity, on the lot.
        qty: Lots,
        /// The order's number on this pair, never used again.
        tag: u64,
    },
    /// A maker takes an order back; one that is gone already is none.
    Remove {
        /// The order's number.
        tag: u64,
    },
    /// A taker trades what it can and leaves nothing behind.
    Take {
        /// The taker's side.
        side: Side,
        /// Down or up to this price.
        limit: Ticks,
        /// At most this much.
        qty: Lots,
        /// Whether the public feed calls it a market order.
        is_market_order: bool,
    },
    /// The index moved.
    Index {
        /// Price.
        price: Ticks,
    },
}

/// Says whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Open,
    Make,
    Take,
    Index,
}

/// Is the crowd on all pairs of a venue. Equal plans, seeds, instants and inputs give equal events.
#[derive(Clone, Debug)]
pub struct Generator {
    values: Values,
    chance: Chance,
    markets: Vec<Market>,
    index_interval: DurationNs,
    /// Due time, pair, turn; earliest first.
    turns: BinaryHeap<Reverse<(Timestamp, usize, Turn)>>,
    is_paused: bool,
}

impl Generator {
    /// Begins at an instant; the first tick fills all books.
    #[must_use]
    pub fn new(plan: FlowPlan, seed: u64, now: Timestamp) -> Self {
        let mut seeds = SplitMix64::new(seed);
        let values = Values::new(&plan.assets, seeds.next_u64(), now);
        let chance = Chance::new(seeds.next_u64());
        let markets: Vec<Market> = plan.pairs.into_iter().map(Market::new).collect();
        let turns = (0..markets.len()).map(|pair| Reverse((now, pair, Turn::Open))).collect();
        let index_interval = plan.index_interval;
        Self { values, chance, markets, index_interval, turns, is_paused: false }
    }

    /// Lets the turns of the crowd begin anew from now.
    fn resume(&mut self, now: Timestamp) {
        self.is_paused = false;
        let due: Vec<_> = self.turns.drain().collect();
        for Reverse((_, pair, turn)) in due {
            match turn {
                Turn::Open => self.turns.push(Reverse((now, pair, turn))),
                Turn::Make | Turn::Take | Turn::Index => self.plan(now, pair, turn),
            }
        }
    }

    fn act(&mut self, now: Timestamp, pair: usize, turn: Turn, out: &mut Vec<FlowEvent>) {
        let Some(market) = self.markets.get_mut(pair) else { return };
        match turn {
            Turn::Open => market.open(now, &mut self.values, &mut self.chance, out),
            Turn::Make => market.make(now, &mut self.values, &mut self.chance, out),
            Turn::Take => market.take(now, &mut self.values, &mut self.chance, out),
            Turn::Index => market.index(now, &mut self.values, out),
        }
    }

    /// Plans the turn that follows one of this kind.
    fn plan(&mut self, now: Timestamp, pair: usize, turn: Turn) {
        let Some(market) = self.markets.get_mut(pair) else { return };
        let mut after = |turn: Turn, seconds: f64| {
            // A turn at its own instant would never let `tick` end.
            let wait = DurationNs::from_ns(to_units(seconds * 1e9).max(1));
            self.turns.push(Reverse((now.saturating_add(wait), pair, turn)));
        };
        match turn {
            Turn::Open => {
                after(Turn::Make, market.maker_wait(&mut self.chance));
                after(Turn::Take, market.taker_wait(&mut self.chance));
                // Spread over the interval, so that not all indexes move at once.
                let part = self.chance.unit_est();
                after(Turn::Index, part * self.index_interval.as_seconds_est());
            }
            Turn::Make => after(turn, market.maker_wait(&mut self.chance)),
            Turn::Take => after(turn, market.taker_wait(&mut self.chance)),
            Turn::Index => after(turn, self.index_interval.as_seconds_est()),
        }
    }
}

impl Machine for Generator {
    type Input = FlowInput;
    type Output = FlowEvent;

    fn handle(&mut self, now: Timestamp, input: FlowInput, _: &mut Vec<FlowEvent>) {
        match input {
            FlowInput::Pause => self.is_paused = true,
            FlowInput::Resume if self.is_paused => self.resume(now),
            FlowInput::Resume => {}
        }
    }

    fn tick(&mut self, now: Timestamp, out: &mut Vec<FlowEvent>) {
        while !self.is_paused
            && let Some(Reverse((due, pair, turn))) = self.turns.peek().copied()
            && due <= now
        {
            self.turns.pop();
            let is_late = turn != Turn::Open && now.since(due) > LATE_MAX;
            let at = if is_late { now } else { due };
            if !is_late {
                self.act(at, pair, turn, out);
            }
            self.plan(at, pair, turn);
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        let Reverse((due, _, _)) = self.turns.peek()?;
        (!self.is_paused).then_some(*due)
    }
}
