//! Tests of statuses, the crowd and what is told in public.

use super::*;
use crate::server::catalogue::SystemMode;
use remora_matching::MarketMode;

fn level(side: Side, price: i64, qty: i64) -> Flow {
    Flow::Level { symbol: Arc::from(BTC), side, price: Ticks::new(price), qty: Lots::new(qty) }
}

fn take(side: Side, limit: i64, qty: i64) -> Flow {
    let (limit, qty) = (Ticks::new(limit), Lots::new(qty));
    Flow::Take { symbol: Arc::from(BTC), side, limit, qty, is_market_order: true }
}

/// Is what a mode refuses resting orders and amends with, and market orders.
type Mode = (SystemMode, PairStatus, Option<&'static str>, Option<&'static str>);

const UNAVAILABLE: Option<&str> = Some("EService:Unavailable");
const CANCEL_ONLY: Option<&str> = Some("EService:Market in cancel_only mode");
const REDUCE_ONLY: Option<&str> = Some("EService:Market in reduce_only mode");
const POST_ONLY: Option<&str> = Some("EService:Market in post_only mode");
const LIMIT_ONLY: Option<&str> = Some("EService:Market in limit_only mode");

const MODES: [Mode; 10] = [
    (SystemMode::Online, PairStatus::Online, None, None),
    (SystemMode::Online, PairStatus::LimitOnly, None, LIMIT_ONLY),
    (SystemMode::Online, PairStatus::CancelOnly, CANCEL_ONLY, CANCEL_ONLY),
    (SystemMode::Online, PairStatus::ReduceOnly, REDUCE_ONLY, REDUCE_ONLY),
    (SystemMode::Online, PairStatus::Maintenance, UNAVAILABLE, UNAVAILABLE),
    (SystemMode::Online, PairStatus::Delisted, UNAVAILABLE, UNAVAILABLE),
    (SystemMode::CancelOnly, PairStatus::Online, CANCEL_ONLY, CANCEL_ONLY),
    (SystemMode::Maintenance, PairStatus::Online, UNAVAILABLE, UNAVAILABLE),
    (SystemMode::PostOnly, PairStatus::Online, None, POST_ONLY),
    (SystemMode::Online, PairStatus::PostOnly, None, POST_ONLY),
];

#[test]
fn each_mode_of_the_exchange_or_a_pair_refuses_in_its_own_words() {
    for (system, status, rests, takes) in MODES {
        let mut venue = Venue::new();
        let post = AddOrder { is_post_only: true, ..limit(Side::Buy, "60000", "0.1") };
        let txid = venue.add(&post);
        venue.desk.set_pair_status(venue.now, "XBTUSD", status).unwrap();
        venue.desk.set_system_mode(venue.now, system);
        let what = format!("{system:?} {status:?}");
        let text = |error: KrakenError| error.to_string();
        let told = venue.desk.add(venue.now, venue.maker, &post).map_err(text);
        assert_eq!(told.err().as_deref(), rests, "{what}");
        let told = venue.desk.add(venue.now, venue.maker, &market(Side::Buy, "1")).map_err(text);
        assert_eq!(told.err().as_deref(), takes, "{what}");
        let change = AmendOrder { limit: at_price("59000"), ..amend(&txid) };
        let told = venue.desk.amend(venue.now, venue.maker, &change).map_err(text);
        assert_eq!(told.err().as_deref(), rests, "{what}");
        let told = venue.desk.cancel(venue.now, venue.maker, &OrderRef::Txid(txid)).map_err(text);
        assert_eq!(told.err().as_deref(), rests.filter(|_| rests == UNAVAILABLE), "{what}");
    }
}

#[test]
fn a_post_only_market_refuses_what_would_take() {
    let mut venue = Venue::new();
    venue.add_of(venue.taker, &limit(Side::Sell, "60000", "1"));
    venue.desk.set_pair_status(venue.now, BTC, PairStatus::PostOnly).unwrap();
    venue.drain();
    let order = limit(Side::Buy, "60000", "0.1");
    assert_eq!(venue.refusal(&order), "EService:Market in post_only mode");
    venue.add(&limit(Side::Buy, "59999", "0.1"));
}

#[test]
fn a_change_of_status_is_told_once() {
    let mut venue = Venue::new();
    let market = MarketIx::new(0);
    for _ in 0..2 {
        venue.desk.set_pair_status(venue.now, BTC, PairStatus::LimitOnly).unwrap();
        venue.desk.set_system_mode(venue.now, SystemMode::PostOnly);
    }
    venue.drain();
    let facts: Vec<_> = venue.public.iter().map(|(_, fact)| fact.clone()).collect();
    assert_eq!(facts, [PublicFact::Instrument(market), PublicFact::System]);
    assert_eq!(venue.desk.exchange().market(market).unwrap().mode, MarketMode::PostOnly);
    assert_eq!(venue.desk.catalogue().find_symbol(BTC).unwrap().status, PairStatus::LimitOnly);
    assert_eq!(venue.desk.system_mode(), SystemMode::PostOnly);
    let unknown = venue.desk.set_pair_status(venue.now, "NOPE", PairStatus::Online).unwrap_err();
    assert_eq!(unknown.to_string(), "EQuery:Unknown asset pair");
}

#[test]
fn our_order_queues_behind_the_recorded_crowd() {
    let mut venue = Venue::new();
    venue.flow(level(Side::Buy, 600_000, 100_000_000));
    let txid = venue.add(&limit(Side::Buy, "60000", "0.5"));
    venue.flow(take(Side::Sell, 600_000, 100_000_000));
    assert_eq!(venue.status(&txid).0, OrderStatus::Open);
    venue.flow(take(Side::Sell, 600_000, 20_000_000));
    assert_eq!(venue.facts(&txid).cum_qty, dec("0.2"));
    let mut trades: i64 = 0;
    for (_, fact) in &venue.public {
        if let PublicFact::Trade { qty, is_market_order, .. } = fact {
            assert!(is_market_order);
            trades += qty;
        }
    }
    assert_eq!(trades, 120_000_000, "everything the recording traded is told");
    venue.flow(Flow::Reset { symbol: Arc::from(BTC) });
    assert_eq!(venue.status(&txid).0, OrderStatus::PartiallyFilled);
}

#[test]
fn a_generated_order_is_taken_back_by_its_tag_and_forgotten_when_it_ends() {
    let mut venue = Venue::new();
    let add = |tag, price| Flow::Add {
        symbol: Arc::from(BTC),
        side: Side::Sell,
        price: Ticks::new(price),
        qty: Lots::new(10_000_000),
        tag,
    };
    let remove = |tag| Flow::Remove { symbol: Arc::from(BTC), tag };
    venue.flow(add(1, 600_000));
    venue.flow(add(2, 600_010));
    venue.flow(remove(1));
    let best = |venue: &Venue| venue.desk.exchange().best(MarketIx::new(0), Side::Sell);
    assert_eq!(best(&venue), Some((Ticks::new(600_010), Lots::new(10_000_000))));
    let taken = venue.desk.flow(venue.now, &add(2, 600_020)).unwrap_err();
    assert_eq!(taken, KrakenError::InvalidOrder, "a tag names one order");
    venue.add(&limit(Side::Buy, "60001", "0.1"));
    assert_eq!(best(&venue), None);
    venue.flow(add(2, 600_020));
    venue.flow(remove(77));
    assert_eq!(best(&venue), Some((Ticks::new(600_020), Lots::new(10_000_000))));
    venue.flow(take(Side::Buy, 600_020, 5_000_000));
    assert_eq!(best(&venue), Some((Ticks::new(600_020), Lots::new(5_000_000))));
    let order = venue.desk.exchange().queue(MarketIx::new(0), Side::Sell, Ticks::new(600_020));
    let id = venue.desk.order_id(order.last().unwrap().0);
    assert!(id.as_str().starts_with('O'), "the crowd's orders have ids too");
    let unknown = Flow::Remove { symbol: Arc::from("XBT/USD"), tag: 1 };
    assert_eq!(venue.desk.flow(venue.now, &unknown), Err(KrakenError::UnknownPair));
}
