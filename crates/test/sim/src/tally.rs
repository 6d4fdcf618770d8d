//! What a person wants to see of a run: per pair the market, our quotes, approvals, refusals by reason, fills, fees,
//! P&L and inventory. In: published messages. Out: numbers and series. Decides nothing; floats only for plots.

use crate::Series;
use remora_domain::{
    AccountId, Body, BookState, BookTop, ClOrdId, DecisionReason, DurationNs, Envelope, ExecType,
    FeeSchedule, Instrument, InstrumentKey, Notional, OrderEvent, PairReason, Position, Price, Qty,
    RefusalReason, Reporting, Side, Timestamp,
};
use remora_ledger::{Booking, Ledger, Touch};
use std::collections::{BTreeMap, BTreeSet};

/// Points of the plots are at least this far apart in the time of the run.
const SAMPLE_INTERVAL: DurationNs = DurationNs::from_ms(100);

/// Is one sample of a pair for the plots.
#[derive(Clone, Debug)]
pub struct QuoteSample {
    /// Best bid of the market.
    pub market_bid: Option<Price>,
    /// Best ask of the market.
    pub market_ask: Option<Price>,
    /// Our highest working bid.
    pub bid: Option<Price>,
    /// Our lowest working ask.
    pub ask: Option<Price>,
    /// Our holding relative to the start; `None` when it has left the exact range.
    pub position: Option<Position>,
}

/// Is one of our fills, for the plots.
#[derive(Clone, Copy, Debug)]
pub struct FillPoint {
    /// When.
    pub at: Timestamp,
    /// Which way.
    pub side: Side,
    /// At which price.
    pub price: Price,
    /// How much.
    pub qty: Qty,
}

/// Is what is known about one pair.
#[derive(Clone, Debug)]
pub struct PairTally {
    /// Its definition.
    pub instrument: Instrument,
    /// The newest top of its book.
    pub top: Option<BookTop>,
    /// The newest usable top of its book: open positions are marked on it, also after the data ended.
    pub mark: Option<BookTop>,
    /// Whether discovery selects it now, and why or why not.
    pub universe: Option<(bool, PairReason)>,
    /// The same while its book was last usable: when data ends, every pair is out for want of it.
    pub universe_with_data: Option<(bool, PairReason)>,
    /// Whether discovery ever selected it in this run.
    pub was_selected: bool,
    /// What the newest decision was based on.
    pub decision: Option<DecisionReason>,
    /// Our working orders.
    pub working: BTreeMap<ClOrdId, (Side, Price, Qty)>,
    /// Order requests.
    pub quotes: u64,
    /// Approvals.
    pub approvals: u64,
    /// Refusals by reason.
    pub refusals: BTreeMap<RefusalReason, u64>,
    /// Refusals of the venue and of the router.
    pub rejects: u64,
    /// Cancels asked for.
    pub cancels: u64,
    /// Fills.
    pub fills: u64,
    /// Bought value in quote currency; `None` when it has left the exact range.
    pub bought: Option<Notional>,
    /// Sold value in quote currency; `None` when it has left the exact range.
    pub sold: Option<Notional>,
    /// Samples for the plots.
    pub samples: Series<QuoteSample>,
    /// Fills for the plots.
    pub fill_points: Vec<FillPoint>,
}

/// Is the result of one pair in its quote currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairResult {
    /// Holding relative to the start.
    pub position: Position,
    /// Realised P&L before fees.
    pub realised: Notional,
    /// Fees; positive is a cost.
    pub fees: Notional,
    /// Unrealised P&L at the mid; `None` when a position is open and no book was ever usable.
    pub unrealised_mid: Option<Notional>,
    /// Unrealised P&L when flattened at the touch, taker fee paid; `None` as above.
    pub unrealised_liquidation: Option<Notional>,
}

impl PairResult {
    /// Gives realised + unrealised at mid − fees.
    #[must_use]
    pub fn net_mid(&self) -> Option<Notional> {
        self.net(self.unrealised_mid?)
    }

    /// Gives realised + unrealised at liquidation − fees.
    #[must_use]
    pub fn net_liquidation(&self) -> Option<Notional> {
        self.net(self.unrealised_liquidation?)
    }

    fn net(&self, unrealised: Notional) -> Option<Notional> {
        self.realised.checked_add(unrealised).ok()?.checked_sub(self.fees).ok()
    }
}

/// Collects what a person wants to see of a run.
pub struct Tally {
    reporting: Reporting,
    ledger: Ledger,
    account: Option<AccountId>,
    fees: Option<FeeSchedule>,
    pairs: BTreeMap<InstrumentKey, PairTally>,
    traded: BTreeSet<InstrumentKey>,
    equity: Series<(Option<Notional>, Option<Notional>)>,
    messages: u64,
}

/// Is the result of all pairs in the reporting currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Net result at mids; `None` when a pair with a position has no usable book or no rate.
    pub net_mid: Option<Notional>,
    /// Net result when flattened at the touch; `None` as above.
    pub net_liquidation: Option<Notional>,
    /// Fees; `None` when a rate is missing.
    pub fees: Option<Notional>,
}

impl Tally {
    /// Starts with nothing seen.
    #[must_use]
    pub fn new(reporting: Reporting) -> Self {
        Self {
            reporting,
            ledger: Ledger::new(),
            account: None,
            fees: None,
            pairs: BTreeMap::new(),
            traded: BTreeSet::new(),
            equity: Series::new(SAMPLE_INTERVAL),
            messages: 0,
        }
    }

    /// Takes one published message.
    pub fn observe(&mut self, message: &Envelope) {
        self.messages = self.messages.saturating_add(1);
        let now = message.header.publish_time;
        if let Body::Instrument(instrument) = &message.body {
            self.define(instrument);
        } else if let Body::Book(top) = &message.body {
            self.pair(&top.instrument, |pair| {
                if top.mid().is_some() {
                    pair.mark = Some(top.clone());
                }
                pair.top = Some(top.clone());
            });
            self.sample(now, &top.instrument);
        } else if let Body::Universe(universe) = &message.body {
            for score in &universe.pairs {
                let standing = (score.is_selected, score.reason);
                self.pair(&score.instrument, |pair| {
                    pair.universe = Some(standing);
                    if score.reason != PairReason::FeedUnhealthy {
                        pair.universe_with_data = Some(standing);
                    }
                    pair.was_selected |= score.is_selected;
                });
            }
        } else if let Body::DecisionRecord(record) = &message.body {
            self.pair(&record.instrument, |pair| pair.decision = Some(record.reason));
        } else if let Body::AccountFees(fees) = &message.body {
            self.fees = Some(fees.schedule);
        } else {
            self.observe_order(now, &message.body);
        }
    }

    /// Gives the pairs in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&InstrumentKey, &PairTally)> {
        self.pairs.iter()
    }

    /// Gives the currency of the totals and the configured rates.
    #[must_use]
    pub const fn reporting(&self) -> &Reporting {
        &self.reporting
    }

    /// Gives net result at mids and at liquidation over time, in the reporting currency.
    #[must_use]
    pub const fn equity(&self) -> &Series<(Option<Notional>, Option<Notional>)> {
        &self.equity
    }

    /// Gives the number of messages seen.
    #[must_use]
    pub const fn messages(&self) -> u64 {
        self.messages
    }

    /// Gives the totals in the reporting currency.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let sum = |value: fn(&PairResult) -> Option<Notional>| {
            self.traded.iter().try_fold(Notional::ZERO, |total, key| {
                let pair = self.pairs.get(key)?;
                let one = value(&self.result(key)?)?;
                if one.is_zero() {
                    return Some(total);
                }
                let converted = self.reporting.convert(&pair.instrument.quote, one).ok()??;
                total.checked_add(converted).ok()
            })
        };
        Totals {
            net_mid: sum(PairResult::net_mid),
            net_liquidation: sum(PairResult::net_liquidation),
            fees: sum(|result| Some(result.fees)),
        }
    }

    fn define(&mut self, instrument: &Instrument) {
        let fresh = || PairTally {
            instrument: instrument.clone(),
            top: None,
            mark: None,
            universe: None,
            universe_with_data: None,
            was_selected: false,
            decision: None,
            working: BTreeMap::new(),
            quotes: 0,
            approvals: 0,
            refusals: BTreeMap::new(),
            rejects: 0,
            cancels: 0,
            fills: 0,
            bought: Some(Notional::ZERO),
            sold: Some(Notional::ZERO),
            samples: Series::new(SAMPLE_INTERVAL),
            fill_points: Vec::new(),
        };
        self.pairs
            .entry(instrument.key.clone())
            .and_modify(|pair| pair.instrument = instrument.clone())
            .or_insert_with(fresh);
    }

    fn pair(&mut self, key: &InstrumentKey, change: impl FnOnce(&mut PairTally)) {
        if let Some(pair) = self.pairs.get_mut(key) {
            change(pair);
        }
    }

    fn observe_order(&mut self, now: Timestamp, body: &Body) {
        if let Body::OrderRequest(request) = body {
            self.pair(&request.instrument, |pair| pair.quotes = pair.quotes.saturating_add(1));
        } else if let Body::OrderApproval(approval) = body {
            let key = &approval.fields.request.instrument;
            self.pair(key, |pair| pair.approvals = pair.approvals.saturating_add(1));
        } else if let Body::OrderRefusal(refusal) = body {
            self.pair(&refusal.instrument, |pair| {
                let count = pair.refusals.entry(refusal.reason).or_default();
                *count = count.saturating_add(1);
            });
        } else if let Body::OrderCancel(cancel) = body {
            self.pair(&cancel.instrument, |pair| pair.cancels = pair.cancels.saturating_add(1));
        } else if let Body::OrderEvent(event) = body {
            self.observe_event(now, event);
        }
    }

    fn observe_event(&mut self, now: Timestamp, event: &OrderEvent) {
        let Some(pair) = self.pairs.get_mut(&event.instrument) else { return };
        if event.ord_status.is_terminal() {
            pair.working.remove(&event.cl_ord_id);
        } else if !matches!(event.exec_type, ExecType::Sending) {
            let quote = (event.side, event.price, event.leaves_qty);
            pair.working.insert(event.cl_ord_id.clone(), quote);
        }
        if matches!(event.exec_type, ExecType::Rejected | ExecType::RouterRefused) {
            pair.rejects = pair.rejects.saturating_add(1);
        }
        let Some(fill) = &event.fill else { return };
        let booked = self.ledger.book(&event.account, &pair.instrument, event.side, fill);
        if booked != Ok(Booking::Booked) {
            return;
        }
        self.account = Some(event.account.clone());
        self.traded.insert(event.instrument.clone());
        pair.fills = pair.fills.saturating_add(1);
        let (side, price, qty) = (event.side, fill.last_px, fill.last_qty);
        pair.fill_points.push(FillPoint { at: now, side, price, qty });
        let value = fill.value(pair.instrument.multiplier).ok();
        let total = match side {
            Side::Buy => &mut pair.bought,
            Side::Sell => &mut pair.sold,
        };
        *total = total.zip(value).and_then(|(total, value)| total.checked_add(value).ok());
        self.sample(now, &event.instrument);
    }

    fn sample(&mut self, now: Timestamp, key: &InstrumentKey) {
        let position = self.result(key).map(|result| result.position);
        self.pair(key, |pair| {
            if !pair.samples.is_due(now) {
                return;
            }
            let quotes = |side| pair.working.values().filter(move |(s, _, _)| *s == side);
            let top = pair.top.as_ref().filter(|top| top.state == BookState::Live);
            let sample = QuoteSample {
                market_bid: top.and_then(|top| top.best_bid()).map(|level| level.price),
                market_ask: top.and_then(|top| top.best_ask()).map(|level| level.price),
                bid: quotes(Side::Buy).map(|(_, price, _)| *price).max(),
                ask: quotes(Side::Sell).map(|(_, price, _)| *price).min(),
                position,
            };
            pair.samples.push(now, sample);
        });
        if self.equity.is_due(now) {
            let totals = self.totals();
            self.equity.push(now, (totals.net_mid, totals.net_liquidation));
        }
    }

    /// Gives the result of a pair in its quote currency; `None` for a pair that was never defined, or when an
    /// amount leaves the exact range.
    #[must_use]
    pub fn result(&self, key: &InstrumentKey) -> Option<PairResult> {
        let pair = self.pairs.get(key)?;
        let holding = self.account.as_ref().and_then(|account| self.ledger.holding(account, key));
        let Some(holding) = holding else { return Some(PairResult::default()) };
        let is_flat = holding.position().is_zero();
        let mid = pair.mark.as_ref().and_then(BookTop::mid);
        let touch = pair.mark.as_ref().and_then(|top| {
            let (bid, ask) = (top.best_bid()?.price, top.best_ask()?.price);
            Some(Touch { bid, ask, taker_bps: self.fees?.taker_bps })
        });
        let flat = is_flat.then_some(Notional::ZERO);
        Some(PairResult {
            position: holding.position(),
            realised: holding.realised().ok()?,
            fees: holding.fees_quote(),
            unrealised_mid: flat.or_else(|| holding.unrealised(mid?).ok()),
            unrealised_liquidation: flat.or_else(|| holding.unrealised_at_touch(touch?).ok()),
        })
    }
}

impl PairTally {
    /// Says in a word why the pair is in or out now.
    #[must_use]
    pub fn standing(&self) -> &'static str {
        word(self.universe)
    }

    /// Says the same of when its book was last usable.
    #[must_use]
    pub fn standing_with_data(&self) -> &'static str {
        word(self.universe_with_data.or(self.universe))
    }
}

const fn word(universe: Option<(bool, PairReason)>) -> &'static str {
    match universe {
        Some((_, reason)) => reason.as_str(),
        None => "not_assessed",
    }
}

impl Default for PairResult {
    /// Gives the result of a pair that never traded.
    fn default() -> Self {
        Self {
            position: Position::ZERO,
            realised: Notional::ZERO,
            fees: Notional::ZERO,
            unrealised_mid: Some(Notional::ZERO),
            unrealised_liquidation: Some(Notional::ZERO),
        }
    }
}
