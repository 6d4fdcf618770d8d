//! Every control that looks at the order and the market, at its limit and one unit beyond.

use crate::harness::{Gate, config};
use remora_domain::{
    Body, CancelReason, ContractKind, ControlScope, DurationNs, Instrument, InstrumentStatus,
    InvalidBook, OrderRequest, RefusalReason as Why, ServiceState, Side, StrategyId, SystemStatus,
    Timestamp,
};
use remora_risk_gate_core::RiskGateConfig;
use remora_testkit::{
    Producer, asset, at_ms, balances, book, book_of, cancel, fees, halt, instrument, invalid_book,
    key, notional, px, qty, rate, request, resume, router_ready, router_state, usd, venue,
};

fn sell(id: &str) -> OrderRequest {
    OrderRequest { side: Side::Sell, price: px("100"), ..request(id) }
}

#[test]
fn an_account_or_strategy_that_is_not_ours_is_refused() {
    let mut gate = Gate::ready(config());
    let foreign = OrderRequest { account: "other".parse().unwrap(), ..request("a-1") };
    let no = gate.refused(&foreign, Why::AccountUnknown);
    assert_eq!((no.limit.as_str(), no.value.as_str()), ("account paper", "account other"));
    let strategy = StrategyId::new("stranger").unwrap();
    gate.refused(&OrderRequest { strategy, ..request("a-2") }, Why::AccountUnknown);
    gate.approved(&request("a-3"));
}

#[test]
fn an_unknown_instrument_is_refused() {
    let mut gate = Gate::ready(config());
    let order = OrderRequest { instrument: key("XRP-USD"), ..request("a-1") };
    gate.refused(&order, Why::InstrumentUnknown);
    gate.book(book("XRP-USD", "99", "101"));
    gate.refused(
        &OrderRequest { cl_ord_id: "a-2".parse().unwrap(), ..order },
        Why::InstrumentUnknown,
    );
}

#[test]
fn only_spot_is_enabled() {
    for kind in [
        ContractKind::LinearPerpetual,
        ContractKind::InversePerpetual,
        ContractKind::LinearFuture,
        ContractKind::InverseFuture,
    ] {
        let mut gate = Gate::ready(config());
        gate.define(Instrument { kind, ..instrument("BTC", "USD") });
        gate.refused(&request("a-1"), Why::InstrumentNotTradable);
    }
}

#[test]
fn the_status_of_the_instrument_decides_what_may_be_asked() {
    use InstrumentStatus::{CancelOnly, Closed, LimitOnly, Online, PostOnly, ReduceOnly};
    for (status, post_only, other) in [
        (Online, true, true),
        (LimitOnly, true, true),
        (PostOnly, true, false),
        (CancelOnly, false, false),
        (ReduceOnly, false, false),
        (Closed, false, false),
    ] {
        let mut gate = Gate::ready(config());
        gate.define(Instrument { status, ..instrument("BTC", "USD") });
        let taker = OrderRequest { is_post_only: false, ..request("a-2") };
        for (order, is_allowed) in [(request("a-1"), post_only), (taker, other)] {
            match is_allowed {
                true => gate.approved(&order),
                false => drop(gate.refused(&order, Why::InstrumentNotTradable)),
            }
        }
    }
}

#[test]
fn price_and_quantity_must_be_on_their_steps() {
    let mut gate = Gate::ready(config());
    gate.approved(&OrderRequest { price: px("99.99"), ..request("a-1") });
    let no =
        gate.refused(&OrderRequest { price: px("99.995"), ..request("a-2") }, Why::PriceOffTick);
    assert_eq!((no.limit.as_str(), no.value.as_str()), ("tick 0.01 USD", "99.995 USD"));
    gate.refused(&OrderRequest { price: px("0"), ..request("a-3") }, Why::PriceOffTick);
    gate.approved(&OrderRequest { qty: qty("1.0001"), ..request("a-4") });
    gate.refused(&OrderRequest { qty: qty("1.00005"), ..request("a-5") }, Why::QtyOffLot);
}

#[test]
fn quantity_and_value_have_minimums() {
    let mut gate = Gate::ready(config());
    let min = Instrument {
        qty_min: qty("0.01"),
        cost_min: Some(notional("0.5")),
        ..instrument("BTC", "USD")
    };
    gate.define(min.clone());
    gate.approved(&OrderRequest { qty: qty("0.01"), ..request("a-1") });
    let no = gate.refused(&OrderRequest { qty: qty("0.0099"), ..request("a-2") }, Why::QtyBelowMin);
    assert_eq!((no.limit.as_str(), no.value.as_str()), ("0.01 BTC", "0.0099 BTC"));
    gate.refused(&OrderRequest { qty: qty("0"), ..request("a-3") }, Why::QtyBelowMin);
    gate.define(Instrument { cost_min: Some(notional("1")), ..min.clone() });
    gate.approved(&OrderRequest { qty: qty("0.01"), ..request("a-4") });
    let low = OrderRequest { qty: qty("0.01"), price: px("99.99"), ..request("a-5") };
    let no = gate.refused(&low, Why::CostBelowMin);
    assert_eq!((no.limit.as_str(), no.value.as_str()), ("1 USD", "0.9999 USD"));
    gate.define(Instrument { cost_min: None, ..min });
    gate.refused(&request("a-6"), Why::CostMinUnknown);
}

#[test]
fn a_request_is_answered_until_its_deadline_and_not_after() {
    let mut gate = Gate::ready(config());
    let deadline = gate.now;
    gate.approved(&OrderRequest { deadline, ..request("a-1") });
    gate.wait_ns(1);
    let no = gate.refused(&OrderRequest { deadline, ..request("a-2") }, Why::RequestExpired);
    assert_eq!(no.value, "1 ns late");
}

#[test]
fn a_client_order_id_is_used_once_whatever_became_of_it() {
    let mut gate = Gate::ready(config());
    gate.approved(&request("a-1"));
    gate.refused(&request("a-1"), Why::DuplicateClOrdId);
    gate.refused(&OrderRequest { price: px("98.99"), ..request("a-2") }, Why::PriceOutsideCollar);
    gate.refused(&request("a-2"), Why::DuplicateClOrdId);
    assert_eq!(gate.open_buys(), "1");
}

#[test]
fn an_order_may_be_worth_the_limit_and_no_more() {
    let mut gate = Gate::ready(RiskGateConfig {
        pair_position_max: notional("5000"),
        total_position_max: notional("5000"),
        ..config()
    });
    gate.approved(&OrderRequest { qty: qty("10"), ..request("a-1") });
    let no = gate
        .refused(&OrderRequest { qty: qty("10.0001"), ..request("a-2") }, Why::NotionalAboveMax);
    assert_eq!((no.limit.as_str(), no.value.as_str()), ("1000 USD", "1000.01 USD"));
}

#[test]
fn an_order_in_another_currency_counts_at_its_configured_rate() {
    let eur = |gate: &mut Gate| {
        gate.define(instrument("BTC", "EUR"));
        gate.book(book("BTC-EUR", "99", "101"));
        gate.balances(balances(&[("EUR", "100000")]));
    };
    let order =
        |id, size| OrderRequest { instrument: key("BTC-EUR"), qty: qty(size), ..request(id) };
    let mut gate = Gate::ready(RiskGateConfig { reporting: usd(&[("EUR", "1.25")]), ..config() });
    eur(&mut gate);
    gate.approved(&order("a-1", "8"));
    gate.refused(&order("a-2", "8.0001"), Why::NotionalAboveMax);
    let mut gate = Gate::ready(config());
    eur(&mut gate);
    gate.refused(&order("a-1", "1"), Why::ConversionUnknown);
    let mut zero = usd(&[]);
    zero.rates.insert(asset("EUR"), rate("0"));
    let mut gate = Gate::ready(RiskGateConfig { reporting: zero, ..config() });
    eur(&mut gate);
    gate.refused(&order("a-1", "1"), Why::ConversionUnknown);
}

#[test]
fn a_price_may_be_the_collar_away_from_the_mid_and_no_more() {
    let mut gate = Gate::ready(config());
    gate.approved(&OrderRequest { price: px("99"), ..request("a-1") });
    let no = gate
        .refused(&OrderRequest { price: px("98.99"), ..request("a-2") }, Why::PriceOutsideCollar);
    assert_eq!((no.limit.as_str(), no.value.as_str()), ("100 bps of mid 100", "1.01 USD away"));
    gate.approved(&OrderRequest { price: px("101"), ..sell("a-3") });
    gate.refused(&OrderRequest { price: px("101.01"), ..sell("a-4") }, Why::PriceOutsideCollar);
}

#[test]
fn an_order_must_not_meet_one_of_our_own() {
    let mut gate = Gate::ready(config());
    gate.approved(&OrderRequest { price: px("100.05"), ..sell("a-1") });
    let no =
        gate.refused(&OrderRequest { price: px("100.05"), ..request("a-2") }, Why::CrossesOwnOrder);
    assert_eq!(
        (no.limit.as_str(), no.value.as_str()),
        ("own order a-1 at 100.05 USD", "buy at 100.05 USD")
    );
    gate.approved(&OrderRequest { price: px("100.04"), ..request("a-3") });
    gate.refused(&OrderRequest { price: px("100.04"), ..sell("a-4") }, Why::CrossesOwnOrder);
    gate.approved(&OrderRequest { price: px("100.05"), ..sell("a-5") });
}

#[test]
fn a_post_only_order_must_not_take() {
    let mut gate = Gate::ready(config());
    gate.book(book("BTC-USD", "99.9", "100.1"));
    let at = |id, price| OrderRequest { price: px(price), ..request(id) };
    gate.approved(&at("a-1", "100.09"));
    let no = gate.refused(&at("a-2", "100.1"), Why::PostOnlyWouldCross);
    assert_eq!((no.limit.as_str(), no.value.as_str()), ("ask 100.1 USD", "buy at 100.1 USD"));
    gate.approved(&OrderRequest { is_post_only: false, ..at("a-3", "100.1") });

    let mut gate = Gate::ready(config());
    gate.book(book("BTC-USD", "99.9", "100.1"));
    gate.approved(&OrderRequest { price: px("99.91"), ..sell("a-1") });
    gate.refused(&OrderRequest { price: px("99.9"), ..sell("a-2") }, Why::PostOnlyWouldCross);
}

#[test]
fn fees_and_balances_must_be_known() {
    let mut gate = Gate::bare(config());
    gate.market();
    gate.caught_up();
    gate.control_state(router_ready(1));
    gate.refused(&request("a-1"), Why::FeesUnknown);
    gate.fees(fees("10", "20"));
    gate.refused(&request("a-2"), Why::BalanceUnknown);
    gate.balances(balances(&[("USD", "1000")]));
    gate.approved(&request("a-3"));
    // A complete list that does not name an asset says there is none.
    let no = gate.refused(&sell("a-4"), Why::CrossesOwnOrder);
    assert!(!no.value.is_empty());
    let no =
        gate.refused(&OrderRequest { price: px("100.5"), ..sell("a-5") }, Why::BalanceInsufficient);
    assert_eq!((no.limit.as_str(), no.value.as_str()), ("0 BTC", "1 BTC"));
}

#[test]
fn the_balance_must_cover_everything_open_with_fees() {
    // Two orders of 100 with the higher fee, 20 bps.
    for (balance, is_enough) in [("200.4", true), ("200.3999", false)] {
        let mut gate = Gate::ready(config());
        gate.balances(balances(&[("USD", balance)]));
        gate.approved(&request("a-1"));
        let eth = OrderRequest { instrument: key("ETH-USD"), ..request("a-2") };
        match is_enough {
            true => gate.approved(&eth),
            false => {
                let no = gate.refused(&eth, Why::BalanceInsufficient);
                assert_eq!((no.limit.as_str(), no.value.as_str()), ("200.3999 USD", "200.4 USD"));
            }
        }
    }
    for (balance, is_enough) in [("2", true), ("1.9999", false)] {
        let mut gate = Gate::ready(config());
        gate.balances(balances(&[("BTC", balance)]));
        gate.approved(&sell("a-1"));
        match is_enough {
            true => gate.approved(&sell("a-2")),
            false => drop(gate.refused(&sell("a-2"), Why::BalanceInsufficient)),
        }
    }
}

#[test]
fn orders_and_cancels_share_a_window_and_cancels_are_only_counted() {
    let mut gate = Gate::ready(config());
    for n in 1..=3 {
        gate.approved(&OrderRequest { qty: qty("0.1"), ..request(&format!("a-{n}")) });
    }
    let cancel_one = |gate: &mut Gate, id: &str| {
        let body = Body::OrderCancel(cancel(&request(id), CancelReason::Requote));
        let said = gate.decision.wrap(gate.now, body);
        assert!(gate.say(said).is_empty());
    };
    cancel_one(&mut gate, "a-1");
    gate.approved(&OrderRequest { qty: qty("0.1"), ..request("a-4") });
    let no =
        gate.refused(&OrderRequest { qty: qty("0.1"), ..request("a-5") }, Why::OrderRateAboveMax);
    assert_eq!(
        (no.limit.as_str(), no.value.as_str()),
        ("5 orders and cancels in 1000 ms", "6 with this one")
    );
    gate.wait_ms(999);
    gate.refused(&OrderRequest { qty: qty("0.1"), ..request("a-6") }, Why::OrderRateAboveMax);
    gate.wait_ms(1);
    gate.approved(&OrderRequest { qty: qty("0.1"), ..request("a-7") });
}

#[test]
fn a_book_must_be_known_live_uncrossed_and_two_sided() {
    let mut gate = Gate::ready(config());
    gate.define(instrument("XRP", "USD"));
    let xrp = OrderRequest { instrument: key("XRP-USD"), ..request("a-1") };
    gate.refused(&xrp, Why::BookUnknown);
    for (n, top) in [
        invalid_book("BTC-USD", InvalidBook::Checksum),
        book("BTC-USD", "100", "100"),
        book("BTC-USD", "101", "99"),
        book_of("BTC-USD", &[("99", "1")], &[]),
        book_of("BTC-USD", &[], &[("101", "1")]),
    ]
    .into_iter()
    .enumerate()
    {
        let reason = if n == 0 { Why::BookInvalid } else { Why::BookCrossed };
        gate.book(top);
        gate.refused(&request(&format!("b-{n}")), reason);
    }
    gate.book(book("BTC-USD", "99", "101"));
    gate.approved(&request("a-2"));
}

#[test]
fn a_book_may_be_as_old_as_the_limit_and_no_older() {
    let mut gate = Gate::ready(config());
    gate.wait_ms(3_000);
    gate.approved(&request("a-1"));
    gate.wait_ns(1);
    let no = gate.refused(&request("a-2"), Why::BookStale);
    assert_eq!((no.limit.as_str(), no.value.as_str()), ("3000 ms", "3000000001 ns"));
}

#[test]
fn a_book_stamped_ahead_of_us_grows_old_from_its_arrival() {
    let clock_skew_max = DurationNs::from_s(3_600);
    let mut gate = Gate::ready(RiskGateConfig { clock_skew_max, ..config() });
    let mut skewed = Producer::new("ingestor-sim-1", 2);
    let ahead = gate.now.saturating_add(DurationNs::from_s(3_600));
    let said = skewed.market(ahead, Body::Book(book("BTC-USD", "99", "101")));
    gate.say(said);
    gate.wait_ms(3_000);
    gate.approved(&request("a-1"));
    gate.wait_ms(1);
    gate.refused(&request("a-2"), Why::BookStale);
}

#[test]
fn an_older_book_does_not_replace_a_newer_one() {
    let mut gate = Gate::ready(config());
    let late = gate.ingestor.market(gate.now, Body::Book(book("BTC-USD", "49", "51")));
    gate.book(book("BTC-USD", "99", "101"));
    gate.say(late);
    gate.approved(&request("a-1"));
}

#[test]
fn a_halt_holds_its_scope_and_nothing_else() {
    let eth = |id| OrderRequest { instrument: key("ETH-USD"), ..request(id) };
    for (scope, is_eth_held) in [
        (ControlScope::Global, true),
        (ControlScope::Venue(venue()), true),
        (ControlScope::Instrument(key("BTC-USD")), false),
        (ControlScope::Venue("elsewhere".parse().unwrap()), false),
    ] {
        let mut gate = Gate::ready(config());
        gate.command(halt(scope.clone()));
        let is_btc_held = is_eth_held || matches!(scope, ControlScope::Instrument(_));
        for (order, is_held) in [(request("a-1"), is_btc_held), (eth("a-2"), is_eth_held)] {
            match is_held {
                true => drop(gate.refused(&order, Why::Halted)),
                false => gate.approved(&order),
            }
        }
        gate.command(resume(scope));
        gate.approved(&request("a-3"));
    }
}

#[test]
fn a_router_must_know_our_epoch_and_be_active() {
    let mut gate = Gate::bare(config());
    gate.market();
    gate.funds();
    gate.caught_up();
    gate.refused(&request("a-1"), Why::RouterNotReady);
    gate.control_state(router_ready(0));
    let no = gate.refused(&request("a-2"), Why::RouterNotReady);
    assert_eq!((no.limit.as_str(), no.value.as_str()), ("epoch 1", "epoch 0"));
    gate.control_state(router_state(ServiceState::Starting, 1));
    gate.refused(&request("a-3"), Why::RouterNotReady);
    gate.control_state(router_state(ServiceState::Halted, 1));
    gate.refused(&request("a-4"), Why::Halted);
    let mut held = router_ready(1);
    held.halted = vec![ControlScope::Instrument(key("BTC-USD"))];
    gate.control_state(held);
    gate.refused(&request("a-5"), Why::Halted);
    gate.control_state(router_ready(1));
    gate.approved(&request("a-6"));
}

#[test]
fn the_venue_must_be_open() {
    let mut gate = Gate::bare(config());
    gate.funds();
    gate.define(instrument("BTC", "USD"));
    gate.book(book("BTC-USD", "99", "101"));
    gate.caught_up();
    gate.control_state(router_ready(1));
    gate.refused(&request("a-0"), Why::VenueNotOpen);
    use SystemStatus::{CancelOnly, Disconnected, Maintenance, Online, PostOnly};
    for (n, status) in [CancelOnly, Maintenance, Disconnected].into_iter().enumerate() {
        gate.status(status);
        gate.refused(&request(&format!("b-{n}")), Why::VenueNotOpen);
    }
    gate.status(PostOnly);
    gate.approved(&request("a-1"));
    gate.refused(&OrderRequest { is_post_only: false, ..request("a-2") }, Why::VenueNotOpen);
    gate.status(Online);
    gate.approved(&OrderRequest { is_post_only: false, ..request("a-3") });
}

#[test]
fn an_amount_out_of_range_is_refused() {
    let mut gate = Gate::ready(config());
    let huge = OrderRequest { qty: qty("7922816251426433759354395.0335"), ..request("a-1") };
    gate.refused(&huge, Why::AmountRange);
}

#[test]
fn an_approval_says_all_and_lives_as_long_as_configured() {
    let mut gate = Gate::ready(config());
    let order = request("a-1");
    let approval = gate.ask(order.clone()).unwrap();
    let fields = &approval.fields;
    assert_eq!((&fields.request, fields.epoch, fields.approval_sequence), (&order, 1, 1));
    assert_eq!(fields.gate_session.get(), 1);
    assert_eq!(fields.expires_at, at_ms(1_500));
    let mut verifier = remora_approval::Verifier::new(remora_testkit::signer().verifying_key());
    assert!(verifier.verify(gate.now, &approval).is_ok());
    assert_eq!(gate.ask(request("a-2")).unwrap().fields.approval_sequence, 2);
    assert!(fields.expires_at > Timestamp::EPOCH);
}
