//! Tests of what is remembered of orders, trades and the ledger.

use super::*;
use crate::server::auth::Permission;

/// Fills `count` orders of the maker, one a second, and gives their ids.
fn filled(venue: &mut Venue, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(venue.add(&limit(Side::Sell, "60000", "0.001")));
        venue.add_of(venue.taker, &limit(Side::Buy, "60000", "0.001"));
        venue.pass_ms(1_000);
    }
    ids
}

fn txids(venue: &Venue, page: &Page<OrderNo>) -> Vec<String> {
    page.rows.iter().map(|&order| venue.desk.order_id(order).to_string()).collect()
}

#[test]
fn closed_orders_come_fifty_a_page_newest_first() {
    let mut venue = Venue::new();
    let mut ids = filled(&mut venue, 60);
    ids.reverse();
    let ask = |offset| {
        let span = Span { offset, ..Span::default() };
        venue.desk.closed_orders(venue.maker, &ClosedQuery { span, ..ClosedQuery::default() })
    };
    let first = ask(0);
    assert_eq!((first.rows.len(), first.count), (50, 60));
    assert_eq!(txids(&venue, &first), ids[..50]);
    assert_eq!(txids(&venue, &ask(50)), ids[50..]);
    assert_eq!(ask(60).rows, []);
    assert_eq!(ask(usize::MAX).count, 60);
}

#[test]
fn a_span_begins_after_its_start_and_ends_with_its_end() {
    let mut venue = Venue::new();
    let ids = filled(&mut venue, 5);
    let opened = |at: usize| venue.facts(&ids[at]).opened;
    for (start, end) in [
        (Some(Bound::At(opened(1))), Some(Bound::At(opened(3)))),
        (Some(Bound::Id(ids[1].clone())), Some(Bound::Id(ids[3].clone()))),
    ] {
        let query = ClosedQuery { span: Span { start, end, offset: 0 }, ..ClosedQuery::default() };
        let page = venue.desk.closed_orders(venue.maker, &query);
        assert_eq!(txids(&venue, &page), [ids[3].clone(), ids[2].clone()]);
    }
    let span = Span { start: Some(Bound::Id("nonsense".into())), ..Span::default() };
    let query = ClosedQuery { span, ..ClosedQuery::default() };
    assert_eq!(venue.desk.closed_orders(venue.maker, &query).count, 5);
}

#[test]
fn closed_orders_are_found_by_number_by_client_id_and_by_either_time() {
    let mut venue = Venue::new();
    let base = limit(Side::Buy, "60000", "0.001");
    venue.add(&AddOrder { userref: Some(1), ..base.clone() });
    let named = venue.add(&AddOrder { cl_ord_id: Some("b".into()), ..base });
    let opened = venue.now;
    venue.pass_ms(10_000);
    venue.desk.cancel_all(venue.now, venue.maker).unwrap();
    let count = |query: ClosedQuery| venue.desk.closed_orders(venue.maker, &query).count;
    assert_eq!(count(ClosedQuery { userref: Some(1), ..ClosedQuery::default() }), 1);
    assert_eq!(count(ClosedQuery { userref: Some(2), ..ClosedQuery::default() }), 0);
    let by_id = |id: &str| ClosedQuery { cl_ord_id: Some(id.into()), ..ClosedQuery::default() };
    assert_eq!((count(by_id("b")), count(by_id("c")), count(by_id("no id"))), (1, 0, 0));
    let page = venue.desk.closed_orders(venue.maker, &by_id("b"));
    assert_eq!(txids(&venue, &page), [named]);
    let until_open = |close_time| ClosedQuery {
        span: Span { end: Some(Bound::At(opened)), ..Span::default() },
        close_time,
        ..ClosedQuery::default()
    };
    assert_eq!(count(until_open(CloseTime::Open)), 2);
    assert_eq!(count(until_open(CloseTime::Close)), 0);
    assert_eq!(count(until_open(CloseTime::Both)), 2);
}

#[test]
fn the_taker_fills_of_an_order_can_be_one_row() {
    let mut venue = Venue::new();
    for (price, qty) in [("60000", "0.1"), ("60010", "0.3")] {
        venue.add_of(venue.taker, &limit(Side::Sell, price, qty));
    }
    let buy = venue.add(&limit(Side::Buy, "60010", "0.4"));
    let ask = |is_taker_consolidated| {
        let query = ExecutionQuery { is_taker_consolidated, ..ExecutionQuery::default() };
        venue.desk.executions(venue.maker, &query)
    };
    assert_eq!(ask(false).count, 2);
    let page = ask(true);
    let row = &page.rows[0];
    assert_eq!((page.count, row.qty, row.cost), (1, dec("0.4"), dec("24003")));
    assert_eq!((row.price.to_string(), row.fee), ("60007.5".to_owned(), dec("96.012")));
    let fills = venue.facts(&buy).trades;
    assert_eq!(row.exec_id, fills[1].exec_id);
    let makers = ExecutionQuery { is_taker_consolidated: true, ..ExecutionQuery::default() };
    assert_eq!(venue.desk.executions(venue.taker, &makers).count, 2, "maker fills stay apart");
    for fill in fills {
        assert_eq!(venue.desk.execution(venue.maker, &fill.exec_id), Some(fill));
        assert_eq!(venue.desk.execution(venue.taker, &fill.exec_id), None);
    }
    let last: Vec<_> = venue.desk.last_executions(venue.maker, 1).cloned().collect();
    assert_eq!(last, [Arc::clone(&fills[1])]);
    assert_eq!(venue.desk.execution(venue.maker, "TAAAAA-BBBBB-CCCCCC"), None);
}

#[test]
fn what_is_forgotten_is_counted_and_only_ended_orders_are() {
    let mut venue = Venue::with(|settings| {
        settings.accounts.iter_mut().for_each(|account| account.tier = Tier::Unlimited);
        settings.history = HistoryBounds {
            orders_max: 3,
            executions_max: 2,
            ledger_max: 5,
            amends_per_order_max: 2,
        };
    });
    let open = venue.add(&limit(Side::Buy, "50000", "0.001"));
    let ids = filled(&mut venue, 10);
    for price in ["50001", "50002", "50003"] {
        let change = AmendOrder { limit: at_price(price), ..amend(&open) };
        venue.desk.amend(venue.now, venue.maker, &change).unwrap();
    }
    let forgotten = venue.desk.forgotten(venue.maker);
    assert_eq!((forgotten.orders, forgotten.executions, forgotten.amends), (7, 8, 2));
    assert!(forgotten.ledger > 0);
    assert_eq!(venue.desk.find_order(venue.maker, &ids[0]), None);
    assert!(venue.facts(&ids[9]).trades.len() == 1 && venue.facts(&ids[7]).trades.is_empty());
    assert_eq!(venue.status(&open).0, OrderStatus::Open);
    assert_eq!(venue.desk.order_amends(venue.maker, &open).unwrap().len(), 2);
    let query = ExecutionQuery::default();
    assert_eq!(venue.desk.executions(venue.maker, &query).count, 2);
}

#[test]
fn orders_can_be_read_until_the_next_drain_even_beyond_the_bound() {
    let mut venue = Venue::with(|settings| {
        settings.accounts.iter_mut().for_each(|account| account.tier = Tier::Unlimited);
        settings.history.orders_max = 1;
    });
    let ids: Vec<String> = (0..5).map(|_| venue.add(&limit(Side::Buy, "50000", "0.001"))).collect();
    venue.desk.cancel_all(venue.now, venue.maker).unwrap();
    venue.drain();
    assert!(ids.iter().all(|id| venue.status(id).0 == OrderStatus::Canceled));
    let last = venue.add(&limit(Side::Buy, "50000", "0.001"));
    venue.desk.cancel(venue.now, venue.maker, &OrderRef::Txid(last.clone())).unwrap();
    venue.drain();
    assert!(ids.iter().all(|id| venue.desk.find_order(venue.maker, id).is_none()));
    assert_eq!(venue.status(&last).0, OrderStatus::Canceled);
}

#[test]
fn an_order_nobody_changed_has_its_original_line_only() {
    let mut venue = Venue::new();
    let txid = venue.add(&AddOrder { is_post_only: true, ..limit(Side::Buy, "50000", "0.5") });
    let rows = venue.desk.order_amends(venue.maker, &txid).unwrap();
    assert_eq!(rows.len(), 1);
    assert!(!rows[0].is_by_user && rows[0].is_post_only);
    assert_eq!((rows[0].order_qty, rows[0].time), (dec("0.5"), venue.now));
    let error = venue.desk.order_amends(venue.taker, &txid).unwrap_err();
    assert_eq!(error.to_string(), "EOrder:Unknown order");
}

#[test]
fn a_token_is_issued_for_a_key_of_the_account_only() {
    let mut venue = Venue::new();
    let keys = synthetic::settings(1).accounts.remove(0).keys;
    let (token, seconds) = venue.desk.issue_token(venue.now, venue.maker, &keys[0].key).unwrap();
    let peer = PeerId(1);
    assert_eq!(seconds, 900);
    assert_eq!(venue.desk.trader_of_token(venue.now, &token, peer), Ok(venue.maker));
    venue.desk.token_used(&token, peer);
    venue.pass_ms(900_000);
    let needs = Permission::ModifyTrades;
    assert_eq!(venue.desk.authorise_token(venue.now, &token, peer, needs), Ok(venue.maker));
    venue.desk.peer_closed(peer);
    assert!(venue.desk.trader_of_token(venue.now, &token, peer).is_err());
    let (reading, _) = venue.desk.issue_token(venue.now, venue.maker, &keys[1].key).unwrap();
    let told = venue.desk.authorise_token(venue.now, &reading, peer, needs);
    assert_eq!(told, Err(KrakenError::PermissionDenied));
    let other = venue.desk.issue_token(venue.now, venue.taker, &keys[0].key);
    assert_eq!(other, Err(KrakenError::InvalidKey));
}
