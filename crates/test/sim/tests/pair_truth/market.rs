//! An exchange in virtual time whose pairs differ in what they pay.

use remora_domain::{DurationNs, Side, Timestamp};
use remora_flow::{AssetFlow, FlowAction, FlowEvent, FlowPair, FlowSettings, Generator, PairFlow};
use remora_machine::{Machine as _, SplitMix64};
use remora_matching::{MarketIx, TraderIx};
use remora_research::pairs::{BookSight, PairFacts, RecordingFacts};
use remora_venue_registry::kraken_spot::catalogue::PairDef;
use remora_venue_registry::kraken_spot::desk::{AccountEvent, Desk, PublicFact};
use remora_venue_registry::kraken_spot::io::Flow;
use remora_venue_registry::kraken_spot::settings::Tier;
use remora_venue_registry::kraken_spot::{listing, synthetic};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use std::collections::{BTreeMap, BTreeSet};

/// Committed to each pair, US dollars.
pub(crate) const CAPITAL: f64 = 10_000.0;
/// What the exchange takes of a maker with this volume.
pub(crate) const MAKER_FEE_BPS: f64 = 2.0;
const VOLUME_USD: i64 = 5_000_000;
const START: Timestamp = Timestamp::from_ns(1_771_200_000_000_000_000);
/// Levels that are looked at.
const LEVELS: usize = 10;

/// Is the exchange, its crowd and its clock.
pub(crate) struct Market {
    pub(crate) desk: Desk,
    pub(crate) now: Timestamp,
    pub(crate) maker: TraderIx,
    /// What was told to accounts and not yet read.
    pub(crate) told: Vec<AccountEvent>,
    public: Vec<(Timestamp, PublicFact)>,
    crowd: Generator,
    events: Vec<FlowEvent>,
}

impl Market {
    /// Opens it and lets the crowd fill the books.
    pub(crate) fn open(seed: u64, pairs: u32) -> Self {
        let mut settings = listing::invented(synthetic::settings(seed), pairs);
        settings.pairs.retain(|pair| pair.symbol.starts_with("SIM"));
        for account in &mut settings.accounts {
            account.tier = Tier::Unlimited;
            account.volume_usd = Decimal::from(VOLUME_USD);
            // Rich enough never to be short of coins.
            account
                .balances
                .values_mut()
                .for_each(|amount| amount.0 = Decimal::from(1_000_000_000));
        }
        let desk = Desk::new(&settings, START).unwrap();
        let maker = desk.traders().find(|(_, name)| *name == "maker").unwrap().0;
        let listed: Vec<FlowPair> = desk.catalogue().pairs().iter().map(listed).collect();
        let plan = crowd(seed, &desk, &listed).validate(&listed).unwrap();
        let crowd = Generator::new(plan, seed, START);
        let (told, public, events) = (Vec::new(), Vec::new(), Vec::new());
        let mut market = Self { desk, now: START, maker, told, public, crowd, events };
        market.pass(DurationNs::from_s(1), |_, _| {});
        market
    }

    pub(crate) fn pairs(&self) -> &[PairDef] {
        self.desk.catalogue().pairs()
    }

    /// Lets time pass; `seen` hears what everybody may.
    pub(crate) fn pass(
        &mut self,
        time: DurationNs,
        mut seen: impl FnMut(&Self, &[(Timestamp, PublicFact)]),
    ) {
        let end = self.now.saturating_add(time);
        while let Some(due) = self.crowd.next_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            let mut events = std::mem::take(&mut self.events);
            self.crowd.tick(self.now, &mut events);
            for event in events.drain(..) {
                self.desk.flow(self.now, &flow(event)).unwrap();
            }
            self.events = events;
            let mut public = std::mem::take(&mut self.public);
            self.desk.drain(&mut self.told, &mut public);
            seen(self, &public);
            public.clear();
            self.public = public;
        }
        self.now = end;
    }

    /// Watches books and trades as everybody may, and gives the facts of every pair that shows enough.
    pub(crate) fn observe(&mut self, seconds: i64) -> Vec<PairFacts> {
        let mut facts: BTreeMap<MarketIx, RecordingFacts> = BTreeMap::new();
        for pair in self.pairs() {
            facts.entry(pair.market).or_default().book(self.now, self.sight(pair));
        }
        self.pass(DurationNs::from_s(seconds), |market, public| {
            market.note(public, &mut facts);
        });
        let told = self.pairs().iter().filter_map(|pair| {
            let facts = facts.get_mut(&pair.market)?;
            facts.until(self.now);
            let base = pair.symbol.split('/').next()?;
            facts.finish(&pair.symbol, (base, "USD"), 1.0, pair.tick_size.to_f64()).ok()
        });
        told.collect()
    }

    fn note(
        &self,
        public: &[(Timestamp, PublicFact)],
        facts: &mut BTreeMap<MarketIx, RecordingFacts>,
    ) {
        let mut changed = BTreeSet::new();
        for (at, fact) in public {
            match fact {
                PublicFact::Trade { market, side, price, qty, .. } => {
                    let pair = self.desk.catalogue().pair(*market).unwrap();
                    let price = units(*price, pair.price_decimals);
                    let qty = units(*qty, pair.qty_decimals);
                    facts.entry(*market).or_default().trade(*at, price, qty, *side == Side::Buy);
                }
                PublicFact::Level { market, .. } => drop(changed.insert(*market)),
                PublicFact::Queue { .. } | PublicFact::Instrument(_) | PublicFact::System => {}
            }
        }
        for market in changed {
            let pair = self.desk.catalogue().pair(market).unwrap();
            facts.entry(market).or_default().book(self.now, self.sight(pair));
        }
    }

    fn sight(&self, pair: &PairDef) -> Option<BookSight> {
        let side = |side| -> Vec<(f64, f64)> {
            let levels = self.desk.exchange().levels(pair.market, side, LEVELS);
            let level = |(price, qty): (remora_domain::Ticks, remora_domain::Lots)| {
                let price = units(price.get(), pair.price_decimals);
                (price, units(qty.get(), pair.qty_decimals))
            };
            levels.map(level).collect()
        };
        BookSight::of(&side(Side::Buy), &side(Side::Sell))
    }

    /// Gives the middle of a pair's book, US dollars.
    pub(crate) fn mid(&self, pair: &PairDef) -> f64 {
        let best = |side| self.desk.exchange().best(pair.market, side).unwrap().0.get();
        let sum = best(Side::Buy) + best(Side::Sell);
        units(sum, pair.price_decimals) / 2.0
    }
}

/// Gives a number of units of the last decimal as a float.
fn units(units: i64, decimals: u32) -> f64 {
    Decimal::new(units, decimals).to_f64().unwrap()
}

fn listed(pair: &PairDef) -> FlowPair {
    let (tick, lot, qty_min) = pair.steps().unwrap();
    let (base, quote) = pair.symbol.split_once('/').unwrap();
    FlowPair {
        symbol: pair.symbol.clone(),
        base: base.to_owned(),
        quote: quote.to_owned(),
        price_decimals: pair.price_decimals,
        qty_decimals: pair.qty_decimals,
        tick,
        lot,
        qty_min,
    }
}

/// Draws how every pair's crowd behaves: what differs is what a maker lives on.
fn crowd(seed: u64, desk: &Desk, pairs: &[FlowPair]) -> FlowSettings {
    let mut random = SplitMix64::new(seed ^ 0x7157);
    // Between two numbers, evenly by ratio.
    let mut between = |low: f64, high: f64| low * (high / low).powf(random.next_unit_est());
    let mut assets = BTreeMap::new();
    for asset in desk.catalogue().assets() {
        let Some(value) = asset.usd_rate.and_then(|rate| rate.to_f64()) else { continue };
        let is_money = &*asset.v2 == "USD";
        let volatility_1s_bps = if is_money { 0.0 } else { between(0.5, 4.0) };
        let factor_correlation = if is_money { 0.0 } else { 0.6 };
        let law = AssetFlow { value_usd: value, volatility_1s_bps, factor_correlation };
        assets.insert(asset.v2.to_string(), law);
    }
    let behaviours = pairs.iter().map(|pair| {
        let half_spread_bps = between(2.0, 20.0);
        let behaviour = PairFlow {
            half_spread_bps,
            quotes: 8,
            depth_bps: 4.0 * half_spread_bps,
            quote_mean_usd: 5_000.0,
            maker_interval_ms: 1_000,
            takers_per_s: between(0.1, 1.0),
            taker_mean_usd: between(500.0, 3_000.0),
            informed_frac: between(0.05, 0.8),
            informed_ahead_ms: between(500.0, 4_000.0).to_i64().unwrap(),
            ..PairFlow::default()
        };
        (pair.symbol.to_string(), behaviour)
    });
    let pairs = behaviours.collect();
    FlowSettings { index_interval_ms: 60_000, assets, defaults: PairFlow::default(), pairs }
}

fn flow(event: FlowEvent) -> Flow {
    let symbol = event.symbol;
    match event.action {
        FlowAction::Add { side, price, qty, tag } => Flow::Add { symbol, side, price, qty, tag },
        FlowAction::Remove { tag } => Flow::Remove { symbol, tag },
        FlowAction::Take { side, limit, qty, is_market_order } => {
            Flow::Take { symbol, side, limit, qty, is_market_order }
        }
        FlowAction::Index { price } => Flow::Index { symbol, price },
    }
}
