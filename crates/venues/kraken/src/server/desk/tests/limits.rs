//! Tests of the rate counters and the caps of open orders.

use super::*;

/// A venue where the maker is of this tier and the taker has no limits.
fn venue_of(tier: Tier) -> Venue {
    Venue::with(|settings| {
        settings.accounts[0].tier = tier;
        settings.accounts[1].tier = Tier::Unlimited;
    })
}

fn small(price: &str) -> AddOrder {
    limit(Side::Buy, price, "0.001")
}

#[test]
fn the_worked_check_of_the_venue_comes_to_eight_points_before_decay() {
    let mut venue = venue_of(Tier::Starter);
    let txid = venue.add(&small("60000"));
    assert_eq!(venue.count(venue.maker), "1");
    venue.pass_ms(7_000);
    assert_eq!(venue.count(venue.maker), "0", "seven seconds decay seven points of a starter");
    let change = AmendOrder { limit: at_price("60001"), ..amend(&txid) };
    venue.desk.amend(venue.now, venue.maker, &change).unwrap();
    assert_eq!(venue.count(venue.maker), "3", "1 and 2 for an age below 10 s");
    venue.pass_ms(36_000);
    venue.desk.cancel(venue.now, venue.maker, &OrderRef::Txid(txid)).unwrap();
    assert_eq!(venue.count(venue.maker), "4", "4 for an age below 45 s since the amend");
    // 1 + 3 + 4 = 8 before decay.
}

#[test]
fn adds_are_refused_above_the_threshold_and_fit_again_to_the_nanosecond() {
    for (tier, max, open_max, centi_per_s) in [
        (Tier::Starter, 60, 60, 100),
        (Tier::Intermediate, 125, 80, 234),
        (Tier::Pro, 180, 225, 375),
    ] {
        let mut venue = venue_of(tier);
        assert_eq!(venue.desk.max_rate_count(venue.maker), Some(max));
        let mut open = Vec::new();
        for _ in 0..max {
            // The cap on open orders comes after the counter: an order refused by it is charged too.
            match venue.desk.add(venue.now, venue.maker, &small("60000")) {
                Ok(added) => open.extend(added.txid),
                Err(error) => assert_eq!(error, KrakenError::OrdersLimit),
            }
        }
        assert_eq!(open.len(), open_max.min(usize::try_from(max).unwrap()), "{tier:?}");
        assert_eq!(venue.refusal(&small("60000")), "EOrder:Rate limit exceeded");
        let full = venue.now;
        venue.desk.cancel_all(venue.now, venue.maker).unwrap();
        assert!(dec(&venue.count(venue.maker)) > Decimal::from(max), "cancels go over it");
        // Eight points for each cancel and one for the next order have to decay.
        let points = i64::try_from(open.len() * 8 + 1).unwrap();
        let wait_ns = (points * 100_000_000_000 + centi_per_s - 1) / centi_per_s;
        // One nanosecond early is too early.
        venue.now = full.saturating_add(DurationNs::from_ns(wait_ns - 1));
        let early = venue.desk.add(venue.now, venue.maker, &small("60000"));
        assert_eq!(early, Err(KrakenError::OrderRateLimit), "{tier:?}");
        venue.now = full.saturating_add(DurationNs::from_ns(wait_ns));
        assert!(venue.desk.add(venue.now, venue.maker, &small("60000")).is_ok(), "{tier:?}");
    }
}

#[test]
fn a_cancel_costs_by_age_and_is_never_refused() {
    let mut venue = venue_of(Tier::Pro);
    for (age_ms, cost) in
        [(0, 8), (5_000, 6), (10_000, 5), (15_000, 4), (45_000, 2), (90_000, 1), (300_000, 0)]
    {
        let txid = venue.add(&small("60000"));
        venue.pass_ms(age_ms);
        let before = dec(&venue.count(venue.maker));
        venue.desk.cancel(venue.now, venue.maker, &OrderRef::Txid(txid)).unwrap();
        assert_eq!(dec(&venue.count(venue.maker)) - before, Decimal::from(cost), "{age_ms} ms");
        venue.pass_ms(600_000);
    }
}

#[test]
fn an_amend_costs_its_point_and_by_age_and_an_edit_more() {
    for (age_ms, amend_cost, edit_cost) in
        [(0, 4, 7), (5_000, 3, 6), (10_000, 2, 5), (15_000, 1, 3), (45_000, 1, 2), (90_000, 1, 1)]
    {
        let mut venue = venue_of(Tier::Pro);
        let txid = venue.add(&small("60000"));
        venue.pass_ms(age_ms);
        let before = dec(&venue.count(venue.maker));
        let change = AmendOrder { limit: at_price("60001"), ..amend(&txid) };
        venue.desk.amend(venue.now, venue.maker, &change).unwrap();
        let cost = dec(&venue.count(venue.maker)) - before;
        assert_eq!(cost, Decimal::from(amend_cost), "amend at {age_ms} ms");

        let mut venue = venue_of(Tier::Pro);
        let txid = venue.add(&small("60000"));
        venue.pass_ms(age_ms);
        let before = dec(&venue.count(venue.maker));
        let change = EditOrder { limit: at_price("60001"), ..edit(&txid) };
        venue.desk.edit(venue.now, venue.maker, &change).unwrap();
        let cost = dec(&venue.count(venue.maker)) - before;
        assert_eq!(cost, Decimal::from(edit_cost), "edit at {age_ms} ms");
    }
}

#[test]
fn age_runs_from_the_last_amend() {
    let mut venue = venue_of(Tier::Pro);
    let txid = venue.add(&small("60000"));
    venue.pass_ms(400_000);
    let change = AmendOrder { limit: at_price("60001"), ..amend(&txid) };
    venue.desk.amend(venue.now, venue.maker, &change).unwrap();
    assert_eq!(venue.count(venue.maker), "1");
    venue.desk.cancel(venue.now, venue.maker, &OrderRef::Txid(txid)).unwrap();
    assert_eq!(venue.count(venue.maker), "9");
}

#[test]
fn the_fixed_part_is_charged_even_if_the_order_is_bad_but_not_without_a_pair() {
    let mut venue = venue_of(Tier::Pro);
    venue.refusal(&limit(Side::Buy, "60000.01", "1"));
    assert_eq!(venue.count(venue.maker), "1");
    venue.refusal(&AddOrder { pair: "NOPE".into(), ..small("1") });
    assert_eq!(venue.count(venue.maker), "1");
    let txid = venue.add(&small("60000"));
    let bad = AmendOrder { limit: at_price("60000.01"), ..amend(&txid) };
    assert!(venue.desk.amend(venue.now, venue.maker, &bad).is_err());
    assert_eq!(venue.count(venue.maker), "3", "no penalty for a change that did not happen");
}

#[test]
fn a_batch_of_n_costs_half_of_n_and_its_cancel_each_penalty() {
    let mut venue = venue_of(Tier::Pro);
    let orders = vec![small("60000"); 5];
    let batch = AddBatch { pair: BTC.into(), orders, deadline: None, is_validate_only: false };
    let added = venue.desk.add_batch(venue.now, venue.maker, &batch).unwrap();
    assert_eq!(venue.count(venue.maker), "2.5");
    let orders: Vec<OrderRef> =
        added.into_iter().map(|added| OrderRef::Txid(added.unwrap().txid.unwrap())).collect();
    assert_eq!(venue.desk.cancel_batch(venue.now, venue.maker, &orders), Ok(5));
    assert_eq!(venue.count(venue.maker), "42.5");
}

#[test]
fn counters_are_by_account_and_pair() {
    let mut venue = venue_of(Tier::Pro);
    venue.add(&small("60000"));
    venue.add(&AddOrder { pair: "ETH/USD".into(), ..limit(Side::Buy, "3000", "0.01") });
    assert_eq!(venue.count(venue.maker), "1");
    let eth = venue.desk.catalogue().find_symbol("ETH/USD").unwrap().market;
    assert_eq!(venue.desk.rate_count(venue.now, venue.maker, eth).normalize(), Decimal::ONE);
    assert_eq!(venue.count(venue.taker), "0");
    assert_eq!(venue.desk.max_rate_count(venue.taker), None);
}

#[test]
fn an_amend_that_ends_an_order_below_its_fills_pays_like_a_cancel() {
    let mut venue = venue_of(Tier::Pro);
    let txid = venue.add(&limit(Side::Buy, "60000", "1"));
    venue.add_of(venue.taker, &limit(Side::Sell, "60000", "0.5"));
    let change = AmendOrder { qty: Some(dec("0.4")), ..amend(&txid) };
    venue.desk.amend(venue.now, venue.maker, &change).unwrap();
    // 1 to add, 1 + 3 to amend, 8 to cancel.
    assert_eq!(venue.count(venue.maker), "13");
    let facts = venue.facts(&txid);
    assert_eq!(
        (facts.status, facts.qty, facts.cum_qty),
        (OrderStatus::Canceled, Some(dec("0.5")), dec("0.5"))
    );
}
