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

#[cfg(test)]
mod tests {
    use super::*;
    use remora_domain::Timestamp;
    use remora_testkit::{Producer, approval, at_ms, cancelled, filled, key, px, qty, request};

    /// Follows what became of one pair at a mid of 100, with limits of 100 an order, 250 a pair and 250 in all.
    fn above(bodies: Vec<Body>) -> Vec<String> {
        let lowest: BySecond = [(0, Decimal::ONE_HUNDRED)].into();
        let lowest = Arc::new(Mutex::new(BTreeMap::from([(key("BTC-USD"), lowest)])));
        let mut producer = Producer::new("risk-gate", 1);
        let log: Vec<Envelope> =
            bodies.into_iter().map(|body| (*producer.wrap(at_ms(1_000), body)).clone()).collect();
        let limits = Limits { order: 100.into(), pair: 250.into(), total: 250.into() };
        follow(&log, &Mids { lowest }, &limits).above
    }

    fn order(id: &str, side: Side, size: &str) -> OrderRequest {
        OrderRequest { side, price: px("100"), qty: qty(size), ..request(id) }
    }

    fn approved(order: &OrderRequest) -> Body {
        Body::OrderApproval(approval(order.clone(), 1, 1, Timestamp::MAX))
    }

    #[test]
    fn an_order_at_its_limit_is_within_and_one_unit_more_is_not() {
        assert_eq!(above(vec![approved(&order("r-1", Side::Buy, "1"))]), Vec::<String>::new());
        let found = above(vec![approved(&order("r-1", Side::Buy, "1.00000001"))]);
        assert!(found.len() == 1 && found[0].contains("order 100.000001"), "{found:?}");
    }

    #[test]
    fn what_rests_and_what_is_held_count_together_until_an_order_has_ended() {
        let orders: Vec<OrderRequest> =
            (1..=3).map(|n| order(&format!("r-{n}"), Side::Sell, "1")).collect();
        let [first, second, third] = orders.as_slice() else { panic!("{orders:?}") };
        let held = filled(first, "x-1", qty("0"), first.qty);
        let both = || vec![approved(first), Body::OrderEvent(held.clone()), approved(second)];
        assert_eq!(above(both()), Vec::<String>::new());
        let found = above([both(), vec![approved(third)]].concat());
        assert!(found.iter().any(|it| it.contains("pair 300")), "{found:?}");
        assert!(found.iter().any(|it| it.contains("total 300")), "{found:?}");
        let gone = Body::OrderEvent(cancelled(second, qty("0")));
        assert_eq!(above([both(), vec![gone, approved(third)]].concat()), Vec::<String>::new());
    }

    #[test]
    fn an_order_that_was_approved_without_a_book_is_found() {
        let mut blind = order("r-1", Side::Buy, "1");
        blind.instrument = key("ETH-USD");
        let found = above(vec![approved(&blind)]);
        assert!(found.len() == 1 && found[0].contains("without any book"), "{found:?}");
    }
}
