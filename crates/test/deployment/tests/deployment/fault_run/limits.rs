//! Limits, computed again from the durable log and the mids that were published: what each approval let the positions
//! become, at the lowest mid that the gate may have seen. Above a limit even then is above it by any reading.

use remora_bus::{Bus as _, NatsBus, Subscription};
use remora_domain::{Body, BookTop, ClOrdId, Envelope, InstrumentKey, Kind, OrderRequest, Side};
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::runtime::Runtime;

/// Books that may wait; the reader does nothing but note their mids.
const WAITING_MAX: usize = 65_536;
/// For how long the gate values what is held by an old mid (`risk_gate.mark_age_ms_max` of the profile), in seconds.
const MARK_AGE_S: i64 = 60;
const SECOND_NS: i64 = 1_000_000_000;

type BySecond = BTreeMap<i64, Decimal>;

/// Notes the lowest mid of each pair in each second.
pub(crate) struct Mids {
    lowest: Arc<Mutex<BTreeMap<InstrumentKey, BySecond>>>,
}

/// Is what the gate promised to keep, in US dollars.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) order: Decimal,
    pub(crate) pair: Decimal,
    pub(crate) total: Decimal,
}

impl Mids {
    /// Begins to listen.
    pub(crate) fn note(runtime: &Runtime, bus: &NatsBus) -> Self {
        let patterns = [Kind::MdBook.pattern()];
        let books = runtime.block_on(bus.subscribe(&patterns, WAITING_MAX)).unwrap();
        let lowest = Arc::new(Mutex::new(BTreeMap::new()));
        runtime.spawn(listen(books, Arc::clone(&lowest)));
        Self { lowest }
    }

    /// Gives the lowest mid of each pair in the time that ends with each second, once for all.
    fn windows(&self) -> BTreeMap<InstrumentKey, BySecond> {
        let lowest = self.lowest.lock().unwrap();
        let window = |seconds: &BySecond| -> BySecond {
            let (first, last) = (seconds.keys().min().unwrap(), seconds.keys().max().unwrap());
            (*first..=last + MARK_AGE_S)
                .filter_map(|at| {
                    // A message is published after the mid that its sender saw; a second more for the way.
                    let seen = seconds.range(at - MARK_AGE_S - 1..=at).map(|(_, mid)| *mid);
                    Some((at, seen.min()?))
                })
                .collect()
        };
        lowest.iter().map(|(key, seconds)| (key.clone(), window(seconds))).collect()
    }
}

async fn listen(mut books: Subscription, lowest: Arc<Mutex<BTreeMap<InstrumentKey, BySecond>>>) {
    while let Some(message) = books.recv().await {
        let envelope = remora_wire::decode(&message.payload).unwrap();
        let at = envelope.header.publish_time.as_ns() / SECOND_NS;
        if let Body::Book(top) = envelope.body
            && let Some(mid) = mid(&top)
        {
            let mut lowest = lowest.lock().unwrap();
            let seconds = lowest.entry(top.instrument).or_default();
            seconds.entry(at).and_modify(|known| *known = mid.min(*known)).or_insert(mid);
        }
    }
}

fn mid(top: &BookTop) -> Option<Decimal> {
    let (bid, ask) = (top.best_bid()?, top.best_ask()?);
    Some((bid.price.to_decimal() + ask.price.to_decimal()) / Decimal::TWO)
}

#[derive(Default)]
struct Pair {
    position: Decimal,
    buys: Decimal,
    sells: Decimal,
}

impl Pair {
    fn open(&mut self, side: Side, by: Decimal) {
        match side {
            Side::Buy => self.buys += by,
            Side::Sell => self.sells += by,
        }
    }

    /// Gives how far it can go on this side.
    fn outward(&self, side: Side) -> Decimal {
        match side {
            Side::Buy => (self.position + self.buys).max(Decimal::ZERO),
            Side::Sell => (self.sells - self.position).max(Decimal::ZERO),
        }
    }

    fn worst(&self) -> Decimal {
        self.outward(Side::Buy).max(self.outward(Side::Sell))
    }
}

/// Is the highest worst cases of a run, in US dollars, and what was above a limit.
#[derive(Debug, Default)]
pub(crate) struct Exposure {
    pub(crate) order_most: Decimal,
    pub(crate) pair_most: Decimal,
    pub(crate) total_most: Decimal,
    pub(crate) above: Vec<String>,
}

/// Follows the log of orders.
pub(crate) fn follow(log: &[Envelope], mids: &Mids, limits: &Limits) -> Exposure {
    let windows = mids.windows();
    let mut exposure = Exposure::default();
    let mut pairs: BTreeMap<InstrumentKey, Pair> = BTreeMap::new();
    let mut open: BTreeMap<ClOrdId, (OrderRequest, Decimal)> = BTreeMap::new();
    for envelope in log {
        if let Body::OrderApproval(approval) = &envelope.body {
            let request = &approval.fields.request;
            let qty = request.qty.to_decimal();
            let before = pairs.entry(request.instrument.clone()).or_default().worst();
            pairs.entry(request.instrument.clone()).or_default().open(request.side, qty);
            open.insert(request.cl_ord_id.clone(), (request.clone(), qty));
            let at = envelope.header.publish_time.as_ns() / SECOND_NS;
            let low = |key: &InstrumentKey| windows.get(key).and_then(|it| it.get(&at)).copied();
            exposure.judge(request, before, &pairs, low, limits);
        } else if let Body::OrderEvent(event) = &envelope.body {
            let Some(pair) = pairs.get_mut(&event.instrument) else { continue };
            if let Some(fill) = &event.fill {
                let by = fill.last_qty.to_decimal();
                match event.side {
                    Side::Buy => pair.position += by,
                    Side::Sell => pair.position -= by,
                }
            }
            let Some((_, left)) = open.get_mut(&event.cl_ord_id) else { continue };
            let still = if event.ord_status.is_terminal() {
                Decimal::ZERO
            } else {
                (event.order_qty.to_decimal() - event.cum_qty.to_decimal()).min(*left)
            };
            pair.open(event.side, still - *left);
            *left = still;
            if event.ord_status.is_terminal() {
                open.remove(&event.cl_ord_id);
            }
        }
    }
    exposure
}

impl Exposure {
    fn judge(
        &mut self,
        request: &OrderRequest,
        before: Decimal,
        pairs: &BTreeMap<InstrumentKey, Pair>,
        low: impl Fn(&InstrumentKey) -> Option<Decimal>,
        limits: &Limits,
    ) {
        let (id, key) = (&request.cl_ord_id, &request.instrument);
        let order = request.price.to_decimal() * request.qty.to_decimal();
        let Some(mid) = low(key) else {
            return self.above.push(format!("{id} on {key}: approved without any book"));
        };
        let pair = &pairs[key];
        let outward = pair.outward(request.side) * mid;
        self.order_most = self.order_most.max(order);
        self.pair_most = self.pair_most.max(outward);
        let mut judge = |what: &str, value: Decimal, limit: Decimal| {
            if value > limit {
                self.above.push(format!("{id} on {key}: {what} {value} above {limit}"));
            }
        };
        judge("order", order, limits.order);
        judge("pair", outward, limits.pair);
        if pair.worst() > before {
            let worst = pairs.iter().map(|(key, pair)| pair.worst() * low(key).unwrap_or_default());
            let total = worst.sum();
            judge("total", total, limits.total);
            self.total_most = self.total_most.max(total);
        }
    }
}
