//! Tests of cancels, mass cancels and the dead man's switch.

use super::*;
use crate::server::catalogue::SystemMode;

fn small() -> AddOrder {
    limit(Side::Buy, "60000", "0.001")
}

#[test]
fn a_cancel_ends_an_order_once() {
    let mut venue = Venue::new();
    let txid = venue.add(&small());
    let order = OrderRef::Txid(txid.clone());
    assert_eq!(venue.desk.cancel(venue.now, venue.maker, &order), Ok(1));
    venue.drain();
    assert_eq!(venue.story(&txid), ["pending_new", "new", "canceled: User requested"]);
    assert_eq!(venue.balance(venue.maker, "ZUSD").1, "0.0000");
    let again = venue.desk.cancel(venue.now, venue.maker, &order).unwrap_err();
    assert_eq!(again.to_string(), "EOrder:Unknown order");
}

#[test]
fn nobody_cancels_the_orders_of_somebody_else() {
    let mut venue = Venue::new();
    let txid = venue.add(&AddOrder { cl_ord_id: Some("a".into()), ..small() });
    for order in [OrderRef::Txid(txid.clone()), OrderRef::ClOrdId("a".into()), OrderRef::UserRef(0)]
    {
        let error = venue.desk.cancel(venue.now, venue.taker, &order).unwrap_err();
        assert_eq!(error.to_string(), "EOrder:Unknown order");
    }
    assert_eq!(venue.desk.find_order(venue.taker, &txid), None);
    assert_eq!(venue.desk.cancel_all(venue.now, venue.taker), Ok(0));
    assert_eq!(venue.status(&txid).0, OrderStatus::Open);
}

#[test]
fn a_number_names_every_open_order_that_has_it() {
    let mut venue = Venue::new();
    for userref in [Some(7), Some(7), Some(8), None] {
        venue.add(&AddOrder { userref, ..small() });
    }
    assert_eq!(venue.desk.cancel(venue.now, venue.maker, &OrderRef::UserRef(7)), Ok(2));
    assert_eq!(venue.open(venue.maker), 2);
    assert!(venue.desk.cancel(venue.now, venue.maker, &OrderRef::UserRef(7)).is_err());
}

#[test]
fn a_batch_counts_each_order_once_and_leaves_unknown_ones_out() {
    let mut venue = Venue::new();
    let first = venue.add(&AddOrder { cl_ord_id: Some("a".into()), ..small() });
    venue.add(&AddOrder { userref: Some(3), ..small() });
    let orders = [
        OrderRef::Txid(first.clone()),
        OrderRef::ClOrdId("a".into()),
        OrderRef::UserRef(3),
        OrderRef::Txid("OAAAAA-BBBBB-CCCCCC".into()),
    ];
    assert_eq!(venue.desk.cancel_batch(venue.now, venue.maker, &orders), Ok(2));
    let unknown = venue.desk.cancel_batch(venue.now, venue.maker, &orders).unwrap_err();
    assert_eq!(unknown.to_string(), "EOrder:Unknown order");
    for count in [0, 51] {
        let orders = vec![OrderRef::Txid(first.clone()); count];
        let error = venue.desk.cancel_batch(venue.now, venue.maker, &orders).unwrap_err();
        assert_eq!(error.to_string(), "EGeneral:Invalid arguments:orders");
    }
    let bad = OrderRef::ClOrdId("not an id".into());
    let error = venue.desk.cancel(venue.now, venue.maker, &bad).unwrap_err();
    assert_eq!(error.to_string(), "EGeneral:Invalid arguments");
}

#[test]
fn the_dead_mans_switch_cancels_the_whole_account_once() {
    let mut venue = Venue::new();
    let orders = [
        venue.add(&small()),
        venue.add(&AddOrder { pair: "ETH/USD".into(), ..limit(Side::Sell, "3000", "1") }),
        venue.add(&AddOrder { start: Some(TimeSpec::InSeconds(600)), ..small() }),
    ];
    let other = venue.add_of(venue.taker, &small());
    let (now, fires) = venue.desk.cancel_all_after(venue.now, venue.maker, 60).unwrap();
    assert_eq!((now, fires.unwrap().since(now)), (venue.now, DurationNs::from_s(60)));
    assert_eq!(venue.desk.next_deadline(), fires);
    venue.pass_ms(59_999);
    assert_eq!(venue.open(venue.maker), 3);
    venue.pass_ms(1);
    assert_eq!((venue.open(venue.maker), venue.status(&other).0), (0, OrderStatus::Open));
    for order in &orders {
        assert_eq!(
            venue.status(order),
            (OrderStatus::Canceled, Some("Cancel all orders after timeout"))
        );
    }
    let after = venue.add(&small());
    venue.pass_ms(600_000);
    assert_eq!(venue.status(&after).0, OrderStatus::Open, "off until it is set again");
}

#[test]
fn a_switch_is_set_again_or_taken_off() {
    let mut venue = Venue::new();
    let txid = venue.add(&small());
    venue.desk.cancel_all_after(venue.now, venue.maker, 60).unwrap();
    venue.pass_ms(50_000);
    venue.desk.cancel_all_after(venue.now, venue.maker, 60).unwrap();
    venue.pass_ms(50_000);
    assert_eq!(venue.status(&txid).0, OrderStatus::Open);
    assert_eq!(venue.desk.cancel_all_after(venue.now, venue.maker, 0).unwrap().1, None);
    venue.pass_ms(1_000_000);
    assert_eq!((venue.status(&txid).0, venue.desk.next_deadline()), (OrderStatus::Open, None));
    let error = venue.desk.cancel_all_after(venue.now, venue.maker, 86_400).unwrap_err();
    assert_eq!(error.to_string(), "EGeneral:Invalid arguments:timeout");
    assert!(venue.desk.cancel_all_after(venue.now, venue.maker, 86_399).is_ok());
}

#[test]
fn a_switch_that_came_due_in_a_maintenance_fires_when_the_engine_returns() {
    let mut venue = Venue::new();
    let txid = venue.add(&small());
    venue.desk.cancel_all_after(venue.now, venue.maker, 60).unwrap();
    venue.desk.set_system_mode(venue.now, SystemMode::Maintenance);
    venue.pass_ms(100_000);
    assert_eq!(venue.status(&txid).0, OrderStatus::Open);
    assert_eq!(venue.desk.next_deadline(), None, "a deadline nobody meets would spin");
    venue.desk.set_system_mode(venue.now, SystemMode::Online);
    venue.drain();
    assert_eq!(venue.status(&txid).0, OrderStatus::Canceled);
}

#[test]
fn a_switch_reaches_orders_on_a_closed_pair_as_soon_as_it_opens() {
    let mut venue = Venue::new();
    let closed = venue.add(&small());
    venue.desk.cancel_all_after(venue.now, venue.maker, 60).unwrap();
    venue.desk.set_pair_status(venue.now, BTC, PairStatus::Maintenance).unwrap();
    venue.pass_ms(60_000);
    assert_eq!(venue.status(&closed).0, OrderStatus::Open);
    venue.desk.set_pair_status(venue.now, BTC, PairStatus::CancelOnly).unwrap();
    venue.drain();
    assert_eq!(venue.status(&closed).0, OrderStatus::Canceled);
}
