//! Worked numbers, the oracle of the method document, and the invariants over generated histories.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use proptest::prelude::*;
use remora_domain::{ContractKind, Fee, Fill, Instrument, Notional, Price, Qty, Side};
use remora_ledger::{
    Booking, FifoLots, Holding, Ledger, LedgerError, Lot, Touch, net_in_reporting,
};
use remora_testkit::{
    account, amount, asset, bps, fill, generate, instrument, notional, position, px, qty, usd,
};
use std::collections::BTreeMap;

fn btc() -> Instrument {
    instrument("BTC", "USD")
}

fn ledger_of(fills: &[(Side, Fill)]) -> Ledger {
    let mut ledger = Ledger::new();
    for (side, fill) in fills {
        assert_eq!(ledger.book(&account(), &btc(), *side, fill).unwrap(), Booking::Booked);
    }
    ledger
}

fn holding_of(fills: &[(Side, Fill)]) -> Holding {
    ledger_of(fills).holding(&account(), &btc().key).unwrap().clone()
}

fn buy(id: &str, price: &str, size: &str) -> (Side, Fill) {
    (Side::Buy, fill(id, price, size, "0"))
}

fn sell(id: &str, price: &str, size: &str) -> (Side, Fill) {
    (Side::Sell, fill(id, price, size, "0"))
}

#[test]
fn a_holding_tells_its_position_its_average_cost_and_how_many_fills_made_it() {
    let fills = [buy("x-1", "100", "2"), buy("x-2", "106", "4")];
    let (ledger, held) = (ledger_of(&fills), holding_of(&fills));
    assert_eq!(ledger.position(&account(), &btc().key), position("6"));
    assert_eq!(ledger.position(&account(), &instrument("ETH", "USD").key), position("0"));
    assert_eq!((held.average_cost_est(), held.fills()), (Some(104.0), 2));
    let contract = Instrument { multiplier: qty("10"), ..btc() };
    let mut ledger = Ledger::new();
    for (side, fill) in &fills {
        ledger.book(&account(), &contract, *side, fill).unwrap();
    }
    let held = ledger.holding(&account(), &contract.key).unwrap();
    assert_eq!(held.average_cost_est(), Some(104.0), "a contract of ten units");
    let flat = holding_of(&[buy("x-1", "100", "2"), sell("x-2", "106", "2")]);
    assert_eq!((flat.average_cost_est(), flat.fills()), (None, 2));
}

#[test]
fn a_part_closed_takes_its_share_of_the_cost() {
    let held = holding_of(&[buy("1", "100", "2"), buy("2", "102", "1"), sell("3", "105", "1.5")]);
    assert_eq!(held.position(), position("1.5"));
    assert_eq!(held.cost_basis(), notional("151"));
    assert_eq!(held.realised().unwrap(), notional("6.5"));
    assert_eq!(held.unrealised(px("104")).unwrap(), notional("5"));
}

#[test]
fn a_flip_closes_all_and_opens_the_rest_at_the_price_of_the_fill() {
    let held = holding_of(&[buy("1", "100", "1"), sell("2", "110", "3")]);
    assert_eq!(held.position(), position("-2"));
    assert_eq!(held.cost_basis(), notional("-220"));
    assert_eq!(held.realised().unwrap(), notional("10"));
    assert_eq!(held.unrealised(px("105")).unwrap(), notional("10"));
}

#[test]
fn what_the_venue_says_a_fill_cost_is_booked() {
    let cost = Some(notional("33.33"));
    let held = holding_of(&[(Side::Buy, Fill { cost, ..fill("1", "33.3333", "1", "0") })]);
    assert_eq!((held.cash(), held.cost_basis()), (notional("-33.33"), notional("33.33")));
    assert_eq!(held.turnover(), notional("33.33"));
}

#[test]
fn a_flip_shares_what_the_venue_rounded_off_by_quantity() {
    let cost = Some(notional("330"));
    let flip = (Side::Sell, Fill { cost, ..fill("2", "110.00001", "3", "0") });
    let held = holding_of(&[buy("1", "100", "1"), flip]);
    // Exactly 330.00003: two of the three parts open the short position.
    assert_eq!(held.cost_basis(), notional("-220"));
    assert_eq!((held.cash(), held.realised().unwrap()), (notional("230"), notional("10")));
}

#[test]
fn a_cost_that_does_not_divide_loses_nothing_when_the_position_is_closed() {
    let three = [buy("1", "100", "1"), buy("2", "101", "2")];
    let mut fills = three.to_vec();
    fills.extend([sell("3", "100", "1")]);
    // 302 / 3 at 12 decimals: 100.666666666667 leaves, 201.333333333333 stays.
    assert_eq!(holding_of(&fills).cost_basis(), notional("201.333333333333"));
    fills.extend([sell("4", "100", "1"), sell("5", "100", "1")]);
    let flat = holding_of(&fills);
    assert_eq!(flat.cost_basis(), Notional::ZERO);
    assert_eq!(flat.realised().unwrap(), notional("-2"));
    assert_eq!(flat.realised().unwrap(), flat.cash());
}

#[test]
fn a_fee_in_quote_is_a_cost_and_leaves_the_position_alone() {
    let held = holding_of(&[(Side::Buy, fill("1", "100", "1", "0.25"))]);
    assert_eq!((held.position(), held.fees_quote()), (position("1"), notional("0.25")));
    assert_eq!(held.net(px("100")).unwrap(), notional("-0.25"));
}

#[test]
fn a_fee_in_base_leaves_the_position_and_is_valued_at_its_fill() {
    let fee = Fee { asset: asset("BTC"), amount: amount("0.002") };
    let held = holding_of(&[(Side::Buy, Fill { fee, ..fill("1", "100", "1", "0") })]);
    assert_eq!((held.position(), held.fees_quote()), (position("0.998"), notional("0.2")));
    // What the account has: 0.998 BTC for 100 USD.
    assert_eq!(held.net(px("110")).unwrap(), notional("9.78"));
}

#[test]
fn a_rebate_in_base_adds_to_the_position() {
    let fee = Fee { asset: asset("BTC"), amount: amount("-0.002") };
    let held = holding_of(&[(Side::Sell, Fill { fee, ..fill("1", "100", "1", "0") })]);
    assert_eq!((held.position(), held.fees_quote()), (position("-0.998"), notional("-0.2")));
    assert_eq!(held.net(px("90")).unwrap(), notional("10.18"));
}

#[test]
fn a_fee_in_a_third_asset_needs_a_rate_of_its_own() {
    let fee = Fee { asset: asset("KFEE"), amount: amount("3") };
    let ledger = ledger_of(&[(Side::Buy, Fill { fee, ..fill("1", "100", "1", "0") })]);
    let totals = ledger.totals(&account(), &BTreeMap::from([(btc().key, px("101"))])).unwrap();
    assert_eq!(totals[&asset("USD")].fees, Notional::ZERO);
    assert_eq!(net_in_reporting(&totals, &usd(&[])).unwrap(), None);
    let net = net_in_reporting(&totals, &usd(&[("KFEE", "0.01")])).unwrap();
    assert_eq!(net, Some(notional("0.97")));
}

#[test]
fn closing_at_the_touch_pays_spread_and_taker_fee() {
    let touch = Touch { bid: px("99"), ask: px("101"), taker_bps: bps("10") };
    let long = holding_of(&[buy("1", "100", "2")]);
    assert_eq!(long.unrealised_at_touch(touch).unwrap(), notional("-2.198"));
    let short = holding_of(&[sell("1", "100", "2")]);
    assert_eq!(short.unrealised_at_touch(touch).unwrap(), notional("-2.202"));
    let flat = holding_of(&[sell("1", "100", "2"), buy("2", "100", "2")]);
    assert_eq!(flat.unrealised_at_touch(touch).unwrap(), Notional::ZERO);
}

#[test]
fn totals_are_kept_apart_by_quote_currency_and_joined_by_configured_rates() {
    let mut ledger = ledger_of(&[buy("1", "100", "1")]);
    let eur = instrument("ETH", "EUR");
    let fee = Fee { asset: asset("EUR"), amount: amount("1") };
    let bought = Fill { fee, ..fill("2", "50", "2", "0") };
    ledger.book(&account(), &eur, Side::Buy, &bought).unwrap();
    let mut marks = BTreeMap::from([(btc().key, px("103"))]);
    let totals = ledger.totals(&account(), &marks).unwrap();
    assert_eq!(totals[&asset("EUR")].unrealised, None);
    assert_eq!(net_in_reporting(&totals, &usd(&[("EUR", "1.1")])).unwrap(), None);
    marks.insert(eur.key, px("60"));
    let totals = ledger.totals(&account(), &marks).unwrap();
    assert_eq!(totals[&asset("USD")].net().unwrap(), Some(notional("3")));
    assert_eq!(totals[&asset("EUR")].net().unwrap(), Some(notional("19")));
    let net = net_in_reporting(&totals, &usd(&[("EUR", "1.1")])).unwrap();
    assert_eq!(net, Some(notional("23.9")));
    assert_eq!(net_in_reporting(&totals, &usd(&[])).unwrap(), None);
}

#[test]
fn an_execution_number_with_other_economics_is_an_error_and_changes_nothing() {
    let mut ledger = ledger_of(&[buy("1", "100", "1")]);
    let before = ledger.holding(&account(), &btc().key).cloned();
    let (side, other) = buy("1", "100", "2");
    let err = ledger.book(&account(), &btc(), side, &other).unwrap_err();
    assert!(matches!(err, LedgerError::Conflict { .. }), "{err}");
    assert_eq!(ledger.holding(&account(), &btc().key).cloned(), before);
}

#[test]
fn an_inverse_contract_is_refused() {
    let inverse = Instrument { kind: ContractKind::InversePerpetual, ..btc() };
    let (side, one) = buy("1", "100", "1");
    let err = Ledger::new().book(&account(), &inverse, side, &one).unwrap_err();
    assert!(matches!(err, LedgerError::UnsupportedKind { .. }), "{err}");
}

#[test]
fn changed_terms_are_refused() {
    let mut ledger = ledger_of(&[buy("1", "100", "1")]);
    let changed = Instrument { multiplier: qty("10"), ..btc() };
    let (side, two) = buy("2", "100", "1");
    let err = ledger.book(&account(), &changed, side, &two).unwrap_err();
    assert!(matches!(err, LedgerError::TermsChanged { .. }), "{err}");
}

#[test]
fn an_amount_out_of_range_is_refused_and_not_marked_as_booked() {
    let mut ledger = Ledger::new();
    let (side, huge) = buy("1", "79228162514264337593543950335", "10");
    assert!(ledger.book(&account(), &btc(), side, &huge).is_err());
    let (_, right) = buy("1", "100", "1");
    assert_eq!(ledger.book(&account(), &btc(), side, &right).unwrap(), Booking::Booked);
}

/// Reads a case of the oracle; `None` where the shared folder is absent.
fn oracle(id: &str) -> Option<serde_json::Value> {
    let path = remora_testkit::shared("spec/quant-oracles/accounting.json")?;
    let text = std::fs::read_to_string(path).unwrap();
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    all["cases"].as_array().unwrap().iter().find(|case| case["id"] == id).cloned()
}

fn number(value: &serde_json::Value) -> f64 {
    value.as_f64().unwrap()
}

fn is_near(got: f64, want: f64) -> bool {
    (got - want).abs() <= 1e-9 + 1e-9 * want.abs()
}

#[test]
fn the_average_cost_oracle_is_reproduced() {
    let Some(case) = oracle("average_cost") else { return };
    let mut ledger = Ledger::new();
    let mut before = 0.0;
    let rows = case["inputs"]["fills_side_price_qty_fee"].as_array().unwrap();
    for (n, row) in rows.iter().enumerate() {
        let side = if row[0] == 1 { Side::Buy } else { Side::Sell };
        let one =
            fill(&n.to_string(), &row[1].to_string(), &row[2].to_string(), &row[3].to_string());
        ledger.book(&account(), &btc(), side, &one).unwrap();
        let after = ledger.holding(&account(), &btc().key).unwrap().realised().unwrap().to_est();
        let want = number(&case["expected"]["realised"][n]);
        assert!(is_near(after - before, want), "fill {n}: {} want {want}", after - before);
        before = after;
    }
    let held = ledger.holding(&account(), &btc().key).unwrap();
    assert_eq!(held.realised().unwrap(), notional("13"));
    assert_eq!(held.fees_quote(), notional("0.80"));
    assert!(held.position().is_zero() && held.average_cost_est().is_none());
}

#[test]
fn what_was_opened_first_is_closed_first() {
    let mut lots = FifoLots::new(qty("1"));
    lots.book(Side::Buy, px("100"), qty("2")).unwrap();
    lots.book(Side::Buy, px("102"), qty("1")).unwrap();
    assert_eq!(lots.book(Side::Sell, px("105"), qty("2.5")).unwrap(), notional("11.5"));
    assert_eq!(lots.lots().collect::<Vec<_>>(), [&Lot { price: px("102"), qty: qty("0.5") }]);
    // Sold beyond flat: the rest is a short lot.
    assert_eq!(lots.book(Side::Sell, px("101"), qty("1.5")).unwrap(), notional("-0.5"));
    assert_eq!(lots.side(), Some(Side::Sell));
    assert_eq!(lots.book(Side::Buy, px("99"), qty("1")).unwrap(), notional("2"));
    assert_eq!((lots.side(), lots.realised()), (None, notional("13")));
    lots.book(Side::Buy, px("100"), qty("1")).unwrap();
    let before = lots.clone();
    let huge = px("79228162514264337593543950335");
    assert!(lots.book(Side::Sell, huge, qty("10")).is_err());
    assert_eq!(lots, before);
}

#[test]
fn the_first_in_first_out_oracle_is_reproduced() {
    let Some(case) = oracle("fifo") else { return };
    let expected = &case["expected"];
    let mut lots = FifoLots::new(qty("1"));
    let rows = case["inputs"]["fills_side_price_qty_fee"].as_array().unwrap();
    for (row, want) in rows.iter().zip(expected["realised"].as_array().unwrap()) {
        let side = if row[0] == 1 { Side::Buy } else { Side::Sell };
        let got = lots.book(side, px(&row[1].to_string()), qty(&row[2].to_string())).unwrap();
        assert!(is_near(got.to_est(), number(want)), "{got}, want {want}");
    }
    assert!(is_near(lots.realised().to_est(), number(&expected["total"])));
    assert_eq!(lots.lots().count(), expected["lots"].as_array().unwrap().len());
}

#[test]
fn the_attribution_oracle_adds_up_to_the_net_of_the_ledger() {
    let Some(case) = oracle("attribution") else { return };
    let mut fills = Vec::new();
    let mut funding = 0.0;
    for (n, event) in case["inputs"]["events"].as_array().unwrap().iter().enumerate() {
        if event[0] == "fill" {
            let side = if event[1] == 1 { Side::Buy } else { Side::Sell };
            let text = |i: usize| event[i].to_string();
            fills.push((side, fill(&n.to_string(), &text(2), &text(3), &text(4))));
        } else if event[0] == "funding" {
            funding += number(&event[1]);
        }
    }
    let net = holding_of(&fills).net(px("100.1")).unwrap().to_est() + funding;
    assert!(is_near(net, number(&case["expected"]["total"])), "{net}");
}

/// Sums fills without the ledger: (base, quote without fees, fees).
fn sums(
    fills: &[(Side, Fill)],
) -> (rust_decimal::Decimal, rust_decimal::Decimal, rust_decimal::Decimal) {
    let mut sums = (0.into(), 0.into(), 0.into());
    for (side, fill) in fills {
        let (size, price) = (fill.last_qty.to_decimal(), fill.last_px.to_decimal());
        let sign = if *side == Side::Buy { 1 } else { -1 };
        sums.0 += size * rust_decimal::Decimal::from(sign);
        sums.1 -= size * price * rust_decimal::Decimal::from(sign);
        sums.2 += fill.fee.amount.to_decimal();
    }
    sums
}

fn flatten(fills: &mut Vec<(Side, Fill)>, price: Price) {
    let open = holding_of(fills).position();
    if let Some(side) = open.side() {
        let size: Qty = open.abs();
        fills.push((
            side.opposite(),
            Fill { last_px: price, last_qty: size, ..fill("end", "1", "1", "0") },
        ));
    }
}

proptest! {
    #[test]
    fn the_ledger_is_the_sum_of_its_fills(fills in generate::fills(1..60), mark in generate::prices(9_000..11_000)) {
        let held = holding_of(&fills);
        let (base, quote, fees) = sums(&fills);
        prop_assert_eq!(held.position().to_decimal(), base);
        prop_assert_eq!(held.cash().to_decimal(), quote);
        let mut lots = FifoLots::new(btc().multiplier);
        for (side, fill) in &fills {
            lots.book(*side, fill.last_px, fill.last_qty).unwrap();
        }
        let open: rust_decimal::Decimal = lots.lots().map(|lot| lot.qty.to_decimal()).sum();
        prop_assert_eq!(open, base.abs());
        if let Some(side) = lots.side() {
            prop_assert_eq!(Some(side), held.position().side());
        } else {
            prop_assert_eq!(lots.realised(), held.realised().unwrap());
        }
        prop_assert_eq!(held.fees_quote().to_decimal(), fees);
        prop_assert_eq!(held.net(mark).unwrap().to_decimal(), quote + base * mark.to_decimal() - fees);
        prop_assert_eq!(held.position().is_zero(), held.position().side().is_none());
    }

    #[test]
    fn a_flat_holding_has_realised_all_its_cash(mut fills in generate::fills(1..60), price in generate::prices(9_000..11_000)) {
        flatten(&mut fills, price);
        let held = holding_of(&fills);
        prop_assert!(held.position().is_zero() && held.cost_basis().is_zero());
        prop_assert_eq!(held.realised().unwrap(), held.cash());
    }

    #[test]
    fn duplicates_change_nothing(fills in generate::fills(1..30), again in proptest::collection::vec(any::<prop::sample::Index>(), 0..30)) {
        let mut ledger = ledger_of(&fills);
        let before = ledger.holding(&account(), &btc().key).cloned();
        for index in again {
            let (side, fill) = index.get(&fills);
            prop_assert_eq!(ledger.book(&account(), &btc(), *side, fill).unwrap(), Booking::Duplicate);
        }
        prop_assert_eq!(ledger.holding(&account(), &btc().key).cloned(), before);
    }

    #[test]
    fn the_order_of_fills_at_one_price_changes_nothing(fills in generate::fills(2..30), price in generate::prices(9_000..11_000), shift in 0usize..30) {
        let mut fills: Vec<_> = fills.into_iter().map(|(side, fill)| (side, Fill { last_px: price, ..fill })).collect();
        let straight = holding_of(&fills);
        let len = fills.len();
        fills.rotate_left(shift % len);
        fills.reverse();
        prop_assert_eq!(holding_of(&fills), straight.clone());
        prop_assert!(straight.realised().unwrap().is_zero());
    }

    #[test]
    fn the_order_of_any_fills_leaves_the_net_alone(mut fills in generate::fills(2..30), mark in generate::prices(9_000..11_000)) {
        let straight = holding_of(&fills).net(mark).unwrap();
        fills.reverse();
        prop_assert_eq!(holding_of(&fills).net(mark).unwrap(), straight);
    }

    #[test]
    fn the_cost_basis_never_has_the_sign_of_the_other_side(fills in generate::fills(1..60)) {
        for end in 1..=fills.len() {
            let held = holding_of(&fills[..end]);
            let basis = held.cost_basis().to_decimal();
            let position = held.position().to_decimal();
            prop_assert!(basis * position >= 0.into());
        }
    }
}
