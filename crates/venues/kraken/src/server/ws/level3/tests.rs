//! The order-level book against random queues: order of orders, checksums, the documented form.

use super::*;
use remora_machine::SplitMix64;
use serde::Deserialize;
use std::collections::BTreeMap;

const PRINTED: Printed<'static> = Printed { symbol: "EXA/USD", price_decimals: 4, qty_decimals: 8 };
const NOW: Timestamp = Timestamp::from_ns(1_767_323_045_678_901_234);

/// Is the queues of one side by price, front first.
type Side1 = BTreeMap<i64, Vec<(u64, i64)>>;
/// The same as a client knows it, by the venue's ids.
pub(crate) type Seen = BTreeMap<i64, Vec<(String, i64)>>;

#[derive(Debug, Default)]
struct Engine {
    bids: Side1,
    asks: Side1,
    last: u64,
}

impl Engine {
    const fn side(&self, side: Side) -> &Side1 {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    const fn side_mut(&mut self, side: Side) -> &mut Side1 {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    fn add(&mut self, side: Side, price: i64, qty: i64) -> QueueEvent {
        self.last += 1;
        let order = self.last;
        self.side_mut(side).entry(price).or_default().push((order, qty));
        event(side, price, order, QueueChange::Add, qty)
    }

    fn remove(&mut self, side: Side, price: i64, at: usize) -> QueueEvent {
        let queue = self.side_mut(side).get_mut(&price).unwrap();
        let (order, _) = queue.remove(at);
        if queue.is_empty() {
            self.side_mut(side).remove(&price);
        }
        event(side, price, order, QueueChange::Delete, 0)
    }

    fn shrink(&mut self, side: Side, price: i64, at: usize) -> QueueEvent {
        let (order, qty) = self.side_mut(side).get_mut(&price).unwrap().get_mut(at).unwrap();
        *qty = (*qty / 2).max(1);
        event(side, price, *order, QueueChange::Modify, *qty)
    }
}

fn event(side: Side, price: i64, order: u64, change: QueueChange, qty: i64) -> QueueEvent {
    let (ticks, lots) = (Ticks::new(price), Lots::new(qty));
    QueueEvent { side, ticks, order: OrderNo::new(order), change, lots }
}

impl Levels for Engine {
    fn best(&self, side: Side, count: usize) -> impl Iterator<Item = BookLevel> {
        let level = |(&price, queue): (&i64, &Vec<(u64, i64)>)| BookLevel {
            ticks: Ticks::new(price),
            lots: Lots::new(queue.iter().map(|(_, qty)| qty).sum()),
        };
        let all: Vec<_> = match side {
            Side::Buy => self.bids.iter().rev().map(level).take(count).collect(),
            Side::Sell => self.asks.iter().map(level).take(count).collect(),
        };
        all.into_iter()
    }
}

impl Queues for Engine {
    fn queue(&self, side: Side, ticks: Ticks) -> impl Iterator<Item = Queued> {
        let queue = self.side(side).get(&ticks.get()).into_iter().flatten();
        queue.map(|&(order, qty)| Queued { order: OrderNo::new(order), lots: Lots::new(qty) })
    }

    fn write_id(&self, json: &mut Json, order: OrderNo) {
        json.string(&format!("O{}", order.get()));
    }

    fn placed(&self, order: OrderNo) -> Option<Timestamp> {
        Some(Timestamp::from_ns(i64::try_from(order.get()).unwrap()))
    }
}

#[derive(Deserialize)]
struct Text<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    data: Vec<Item<'a>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    bids: Vec<Row<'a>>,
    #[serde(borrow)]
    asks: Vec<Row<'a>>,
    checksum: u32,
}

#[derive(Deserialize)]
struct Row<'a> {
    event: Option<&'a str>,
    order_id: &'a str,
    #[serde(borrow)]
    limit_price: &'a serde_json::value::RawValue,
    #[serde(borrow)]
    order_qty: &'a serde_json::value::RawValue,
}

fn units(text: &serde_json::value::RawValue) -> i64 {
    text.get().replace('.', "").parse().unwrap()
}

/// Is a client as the venue's guide describes one: levels by price, orders in the order they came, cut to the depth.
#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(crate) depth: usize,
    pub(crate) bids: Seen,
    pub(crate) asks: Seen,
}

impl Client {
    pub(crate) fn new(depth: u32) -> Self {
        Self { depth: usize::try_from(depth).unwrap(), ..Self::default() }
    }

    /// Takes a frame and checks its checksum.
    pub(crate) fn take(&mut self, text: &str) {
        let text: Text<'_> = serde_json::from_str(text).unwrap();
        let [item] = text.data.as_slice() else { panic!("one item") };
        for (side, rows) in [(&mut self.bids, &item.bids), (&mut self.asks, &item.asks)] {
            for row in rows {
                assert_eq!(row.event.is_none(), text.kind == "snapshot");
                apply(side.entry(units(row.limit_price)).or_default(), row);
            }
            side.retain(|_, queue| !queue.is_empty());
        }
        while self.bids.len() > self.depth {
            self.bids.pop_first();
        }
        while self.asks.len() > self.depth {
            self.asks.pop_last();
        }
        assert_eq!(self.crc(), item.checksum);
    }

    /// The guide's rule, written out again: all orders of ten levels, asks up, bids down, digits without point.
    fn crc(&self) -> u32 {
        let rows = |(price, queue): (&i64, &Vec<(String, i64)>)| {
            let ticks = Ticks::new(*price);
            let row = |(_, qty): &(String, i64)| BookLevel { ticks, lots: Lots::new(*qty) };
            queue.iter().map(row).collect::<Vec<_>>()
        };
        let asks: Vec<_> = self.asks.iter().take(10).flat_map(rows).collect();
        let bids: Vec<_> = self.bids.iter().rev().take(10).flat_map(rows).collect();
        Checksum::new().of(asks, bids)
    }

    fn agrees_with(&self, engine: &Engine) {
        let named = |(price, queue): (&i64, &Vec<(u64, i64)>)| {
            let queue = queue.iter().map(|(order, qty)| (format!("O{order}"), *qty)).collect();
            (*price, queue)
        };
        let asks: Seen = engine.asks.iter().take(self.depth).map(named).collect();
        let bids: Seen = engine.bids.iter().rev().take(self.depth).map(named).collect();
        assert_eq!((&self.asks, &self.bids), (&asks, &bids));
    }
}

fn apply(queue: &mut Vec<(String, i64)>, row: &Row<'_>) {
    let (id, qty) = (row.order_id, units(row.order_qty));
    let at = queue.iter().position(|(held, _)| held == id);
    match (row.event, at) {
        (None | Some("add"), None) => queue.push((id.to_owned(), qty)),
        (Some("modify"), Some(at)) => queue[at].1 = qty,
        (Some("delete"), Some(at)) => drop(queue.remove(at)),
        (event, at) => panic!("{event:?} of {id} at {at:?}"),
    }
}

fn step(engine: &mut Engine, random: &mut SplitMix64) -> Vec<QueueEvent> {
    let mut events = Vec::new();
    let many = if random.next_below(40) == 0 { 60 } else { 4 };
    let count = 1 + random.next_below(many);
    for _ in 0..count {
        let side = if random.next_below(2) == 0 { Side::Buy } else { Side::Sell };
        let reach = if random.next_below(4) == 0 { 300 } else { 14 };
        let distance = 1 + i64::try_from(random.next_below(reach)).unwrap();
        let price = if side == Side::Buy { 5_000 - distance } else { 5_000 + distance };
        let qty = 1 + i64::try_from(random.next_below(900_000_000)).unwrap();
        let held = engine.side(side).get(&price).map_or(0, Vec::len);
        let at = usize::try_from(random.next_below(u64::try_from(held.max(1)).unwrap())).unwrap();
        match (random.next_below(5), held) {
            (0 | 1, _) | (_, 0) => events.push(engine.add(side, price, qty)),
            (2, _) => events.push(engine.shrink(side, price, at)),
            (3, _) => {
                // An amended price: away here, back of the queue there.
                events.push(engine.remove(side, price, at));
                let beside = if side == Side::Buy { price - 1 } else { price + 1 };
                events.push(engine.add(side, beside, qty));
            }
            (_, _) => events.push(engine.remove(side, price, at)),
        }
    }
    events
}

#[test]
fn clients_at_all_depths_hold_the_engines_queues_after_every_random_step() {
    let mut random = SplitMix64::new(11);
    let mut engine = Engine::default();
    for _ in 0..400 {
        step(&mut engine, &mut random);
    }
    let (mut json, mut checksum) = (Json::default(), Checksum::new());
    let mut frame = Frame { json: &mut json, checksum: &mut checksum, printed: PRINTED, time: NOW };
    let mut feed = Level3Feed::default();
    let mut clients = BTreeMap::new();
    for depth in [10, 100, 1000] {
        let peer = PeerId(depth.into());
        feed.subscribe(peer, depth, &engine);
        let mut client = Client::new(depth);
        client.take(&feed.snapshot(depth, &engine, &mut frame).unwrap());
        client.agrees_with(&engine);
        clients.insert(peer, client);
    }
    for _ in 0..3_000 {
        let events = step(&mut engine, &mut random);
        feed.step(&events, &engine, &mut frame, |peers, text| {
            for peer in peers {
                clients.get_mut(peer).unwrap().take(&text);
            }
        });
        for client in clients.values() {
            client.agrees_with(&engine);
        }
    }
}

#[test]
fn rows_have_the_documented_form_and_times_in_nanoseconds() {
    let mut engine = Engine::default();
    engine.add(Side::Buy, 5_020, 100);
    let (mut json, mut checksum) = (Json::default(), Checksum::new());
    let mut frame = Frame { json: &mut json, checksum: &mut checksum, printed: PRINTED, time: NOW };
    let mut feed = Level3Feed::default();
    feed.subscribe(PeerId(1), 10, &engine);
    let snapshot = feed.snapshot(10, &engine, &mut frame).unwrap();
    let want = r#"{"channel":"level3","type":"snapshot","data":[{"symbol":"EXA/USD","bids":[{"order_id":"O1","limit_price":0.5020,"order_qty":0.00000100,"timestamp":"1970-01-01T00:00:00.000000001Z"}],"asks":[],"checksum":"#;
    assert!(snapshot.starts_with(want), "{snapshot}");
    let events = [engine.shrink(Side::Buy, 5_020, 0), engine.add(Side::Sell, 5_021, 7)];
    let mut texts = Vec::new();
    feed.step(&events, &engine, &mut frame, |_, text| texts.push(text));
    let want = r#""bids":[{"event":"modify","order_id":"O1","limit_price":0.5020,"order_qty":0.00000050,"timestamp":"2026-01-02T03:04:05.678901234Z"}],"asks":[{"event":"add","order_id":"O2","#;
    assert!(texts[0].contains(want), "{texts:?}");
}
