//! Each promise is seen to be kept by a sound log, and to be broken by a log that breaks it.

use super::*;
use remora_domain::{
    BookTop, CancelReason, ExecType, InvalidBook, OrdStatus, OrderEvent, OrderRefusal,
    OrderRequest, Qty, RefusalReason, Side, Timestamp,
};
use remora_risk_gate_core::RiskGateSettings;
use remora_service_kit::config::Config;
use remora_testkit as kit;
use remora_testkit::{Producer, account, at_ms, key, notional, px, qty, usd};

/// Gives the limits of the demo, with those that are watched here of their own.
fn limits() -> RiskGateConfig {
    let profile = include_str!("../../../../../profiles/demo.toml");
    let mut config = Config::parse("demo", profile, std::iter::empty()).unwrap();
    let settings = config.section::<RiskGateSettings>("risk_gate").unwrap();
    RiskGateConfig {
        order_notional_max: notional("600"),
        pair_position_max: notional("1000"),
        total_position_max: notional("1500"),
        ..settings.validate(&account(), &usd(&[])).unwrap()
    }
}

/// Writes a log, one message a millisecond, and has it judged.
struct Log {
    checker: Checker,
    producer: Producer,
    at: i64,
}

impl Log {
    /// Starts with two pairs at 100 and money on both sides.
    fn new() -> Self {
        let mut log = Self::bare();
        log.add(balances("1000", "10"));
        log
    }

    /// Starts like `new`, with more money than any limit allows to spend.
    fn rich() -> Self {
        let mut log = Self::bare();
        let totals = [("BTC", "100"), ("ETH", "100"), ("USD", "100000")];
        log.add(Body::Balances(kit::balances(&totals)));
        log
    }

    /// Starts with two pairs at 100; no balances are told yet.
    fn bare() -> Self {
        let producer = Producer::new("anyone", 1);
        let mut log = Self { checker: Checker::new(&limits()), producer, at: 0 };
        for base in ["BTC", "ETH"] {
            log.add(Body::Instrument(kit::instrument(base, "USD")));
            log.add(Body::Book(book(base, "99", "101")));
        }
        log
    }

    fn add(&mut self, body: Body) {
        self.at += 1;
        let message = self.producer.wrap(at_ms(self.at), body);
        self.checker.observe(&message);
    }

    fn ask(&mut self, request: &OrderRequest) {
        self.add(Body::OrderRequest(request.clone()));
    }

    fn approve(&mut self, request: &OrderRequest) {
        let expires_at = at_ms(1_000_000);
        self.add(Body::OrderApproval(kit::approval(request.clone(), 1, 1, expires_at)));
    }

    fn event(&mut self, event: OrderEvent) {
        self.add(Body::OrderEvent(event));
    }

    /// Brings an order to the venue.
    fn rest(&mut self, request: &OrderRequest) {
        self.ask(request);
        self.approve(request);
        self.event(kit::sending(request));
        self.event(kit::accepted(request));
    }

    fn fill(&mut self, request: &OrderRequest, exec_id: &str, before: &str, last: &str) {
        let venue_time = Some(at_ms(self.at));
        let filled = kit::filled(request, exec_id, qty(before), qty(last));
        self.event(OrderEvent { venue_time, ..filled });
    }

    fn end(&mut self, request: &OrderRequest) {
        self.event(kit::cancelled(request, Qty::ZERO));
    }

    fn judge(self) -> Verdict {
        self.checker.finish()
    }
}

fn book(base: &str, bid: &str, ask: &str) -> BookTop {
    kit::book(&format!("{base}-USD"), bid, ask)
}

fn balances(usd: &str, btc: &str) -> Body {
    Body::Balances(kit::balances(&[("BTC", btc), ("USD", usd)]))
}

fn ask(id: &str, price: &str, quantity: &str) -> OrderRequest {
    let (price, qty) = (px(price), qty(quantity));
    OrderRequest { side: Side::Sell, price, qty, ..kit::request(id) }
}

fn bid(id: &str, quantity: &str) -> OrderRequest {
    OrderRequest { qty: qty(quantity), ..kit::request(id) }
}

fn refusal(request: &OrderRequest, limit: &str, value: &str) -> Body {
    Body::OrderRefusal(OrderRefusal {
        cl_ord_id: request.cl_ord_id.clone(),
        account: request.account.clone(),
        instrument: request.instrument.clone(),
        reason: RefusalReason::NotionalAboveMax,
        limit: limit.to_owned(),
        value: value.to_owned(),
    })
}

/// Plays a story and wants exactly these promises broken.
fn check(story: impl FnOnce(&mut Log), broken: &[Promise]) {
    check_from(Log::new(), story, broken);
}

fn check_from(mut log: Log, story: impl FnOnce(&mut Log), broken: &[Promise]) {
    story(&mut log);
    let verdict = log.judge();
    let found: Vec<Promise> = verdict.findings.iter().map(|finding| finding.promise).collect();
    let texts: Vec<String> = verdict.findings.iter().map(ToString::to_string).collect();
    assert_eq!(found, broken, "{}", texts.join("\n"));
    assert_eq!(verdict.findings_total, u64::try_from(broken.len()).unwrap());
}

#[test]
fn a_sound_log_has_no_findings_and_adds_up() {
    let mut log = Log::new();
    let (bought, sold, refused) = (bid("b", "2"), ask("s", "101", "1"), bid("r", "7"));
    log.rest(&bought);
    log.rest(&sold);
    log.ask(&refused);
    log.add(refusal(&refused, "600 USD", "700 USD"));
    log.fill(&bought, "e1", "0", "0.5");
    log.add(balances("950", "10.5"));
    log.fill(&sold, "e2", "0", "1");
    log.add(balances("1051", "9.5"));
    log.event(kit::event(&bought, ExecType::CancelPending, OrdStatus::CancelPending, qty("0.5")));
    log.event(kit::cancelled(&bought, qty("0.5")));
    let verdict = log.judge();
    assert_eq!(verdict.findings, []);
    let totals = verdict.totals;
    assert_eq!((totals.requests, totals.approvals, totals.refusals, totals.fills), (3, 2, 1, 2));
    assert_eq!(totals.positions[&key("BTC-USD")], kit::position("-0.5"));
    assert_eq!(totals.balances_moved[&kit::asset("USD")], kit::amount("51"));
}

#[test]
fn a_fill_that_is_slower_than_the_end_of_its_order_is_allowed_and_nothing_else_is() {
    let order = bid("b", "1");
    let late = |log: &mut Log| {
        log.rest(&order);
        log.end(&order);
        let late = kit::filled(&order, "e1", Qty::ZERO, qty("0.25"));
        let (ord_status, leaves_qty) = (OrdStatus::Cancelled, Qty::ZERO);
        let venue_time = Some(at_ms(6));
        log.event(OrderEvent { ord_status, leaves_qty, venue_time, ..late });
        log.add(balances("975", "10.25"));
    };
    check(late, &[]);
    check(
        |log| {
            log.rest(&order);
            log.end(&order);
            log.event(kit::accepted(&order));
            log.end(&order);
        },
        &[Promise::TheEndIsFinal],
    );
}

#[test]
fn an_order_needs_exactly_one_approval_and_is_sent_once() {
    let order = bid("b", "1");
    check(
        |log| {
            log.ask(&order);
            log.event(kit::sending(&order));
            log.end(&order);
        },
        &[
            Promise::SentOnceAndApproved,
            Promise::SentOnceAndApproved,
            Promise::RequestsAreAnsweredOnce,
        ],
    );
    check(
        |log| {
            log.rest(&order);
            log.event(kit::sending(&order));
            log.end(&order);
        },
        &[Promise::SentOnceAndApproved, Promise::SentOnceAndApproved],
    );
    check(
        |log| {
            log.ask(&order);
            log.approve(&OrderRequest { price: px("100.5"), ..order.clone() });
        },
        &[Promise::ApprovedAsAsked, Promise::ApprovalsAreHandled],
    );
}

#[test]
fn every_request_is_answered_once() {
    let order = bid("b", "1");
    check(|log| log.ask(&order), &[Promise::RequestsAreAnsweredOnce]);
    check(
        |log| {
            log.rest(&order);
            log.add(refusal(&order, "1 USD", "2 USD"));
            log.end(&order);
        },
        &[Promise::RequestsAreAnsweredOnce; 2],
    );
    check(
        |log| {
            log.ask(&order);
            log.add(refusal(&order, "1 USD", "2 USD"));
            log.ask(&order);
        },
        &[Promise::IdsAreFresh],
    );
    check(
        |log| {
            log.ask(&order);
            log.add(refusal(&order, "", "2 USD"));
        },
        &[Promise::RefusalsSayWhy],
    );
}

#[test]
fn quantities_and_executions_add_up() {
    let order = bid("b", "1");
    check(
        |log| {
            log.rest(&order);
            log.fill(&order, "e1", "0.25", "0.25"); // an execution is missing
            log.add(balances("975", "10.25"));
            log.event(kit::cancelled(&order, qty("0.5")));
        },
        &[Promise::QuantitiesAddUp],
    );
    check(
        |log| {
            log.rest(&order);
            log.fill(&order, "e1", "0", "0.5");
            log.fill(&order, "e1", "0.5", "0.5");
            log.add(balances("950", "10.5"));
        },
        &[Promise::FillsAreBookedOnce],
    );
    check(
        |log| {
            log.rest(&order);
            let mut filled = kit::filled(&order, "e1", Qty::ZERO, qty("1"));
            filled.fill = Some(kit::fill("e1", "100.01", "1", "0"));
            log.event(OrderEvent { venue_time: Some(at_ms(6)), ..filled });
            log.add(balances("899.99", "11"));
        },
        &[Promise::FillsAreWithinTheLimit],
    );
}

#[test]
fn a_balance_that_is_off_by_the_last_digit_is_found() {
    let order = bid("b", "1");
    let story = |usd: &'static str| {
        let order = order.clone();
        move |log: &mut Log| {
            log.rest(&order);
            log.fill(&order, "e1", "0", "1");
            log.add(balances(usd, "11"));
        }
    };
    check(story("900"), &[]);
    check(story("900.00000001"), &[Promise::BalancesAddUp]);
    check(
        |log| {
            log.rest(&order);
            log.fill(&order, "e1", "0", "1");
        },
        &[Promise::BalancesAddUp],
    );
}

#[test]
fn nothing_is_asked_for_or_filled_on_a_book_that_may_not_be_used() {
    let order = bid("b", "1");
    let invalid = || Body::Book(kit::invalid_book("BTC-USD", InvalidBook::Checksum));
    check(
        |log| {
            log.add(invalid());
            log.ask(&order);
            log.add(refusal(&order, "live", "checksum"));
        },
        &[Promise::NoQuoteOnAnInvalidBook],
    );
    // News of a fill may be slower than news of the book.
    check(
        |log| {
            log.rest(&order);
            let venue_time = Some(at_ms(log.at));
            log.add(invalid());
            let filled = kit::filled(&order, "e1", Qty::ZERO, qty("1"));
            log.event(OrderEvent { venue_time, ..filled });
            log.add(balances("900", "11"));
        },
        &[],
    );
    check(
        |log| {
            log.rest(&order);
            log.add(invalid());
            log.add(Body::Ticker(remora_domain::Ticker {
                instrument: key("BTC-USD"),
                bid: px("99"),
                ask: px("101"),
                last: px("100"),
                volume_24h: qty("1"),
                vwap_24h: Some(px("100")),
                low_24h: px("99"),
                high_24h: px("101"),
                contract: None,
            }));
            let venue_time = Some(at_ms(log.at));
            log.add(Body::Book(book("BTC", "99", "101")));
            let filled = kit::filled(&order, "e1", Qty::ZERO, qty("1"));
            log.event(OrderEvent { venue_time, ..filled });
            log.add(balances("900", "11"));
        },
        &[Promise::NoFillOnAnInvalidBook],
    );
    check(|log| log.add(Body::Book(book("BTC", "101", "101"))), &[Promise::LiveBooksAreUncrossed]);
}

#[test]
fn own_quotes_that_meet_are_found() {
    let (bought, sold) = (bid("b", "1"), ask("s", "100", "1"));
    check(
        |log| {
            log.rest(&bought);
            log.rest(&sold);
            log.end(&bought);
            log.end(&sold);
        },
        &[Promise::OwnQuotesNeverCross],
    );
    check(
        |log| {
            log.rest(&bought);
            log.end(&bought);
            log.rest(&sold);
            log.end(&sold);
        },
        &[],
    );
}

#[test]
fn limits_hold_for_an_order_a_pair_and_the_total() {
    check(
        |log| {
            let order = bid("b", "6.0001");
            log.rest(&order);
            log.end(&order);
        },
        &[Promise::OrdersAreWithinTheLimit],
    );
    let twice = |second: &'static str| {
        move |log: &mut Log| {
            let orders = [bid("b1", "5"), bid("b2", second)];
            orders.iter().for_each(|order| log.rest(order));
            orders.iter().for_each(|order| log.end(order));
        }
    };
    check_from(Log::rich(), twice("5"), &[]);
    check_from(Log::rich(), twice("5.0001"), &[Promise::PairsAreWithinTheLimit]);
    let both = |second: &'static str| {
        move |log: &mut Log| {
            let eth = OrderRequest { instrument: key("ETH-USD"), ..bid("e1", "5") };
            // The other side of a pair is not a second risk.
            let reducing = OrderRequest { instrument: key("ETH-USD"), ..ask("e2", "101", "5") };
            let orders = [bid("b1", "5"), bid("b2", second), eth, reducing];
            orders.iter().for_each(|order| log.rest(order));
            orders.iter().for_each(|order| log.end(order));
        }
    };
    check_from(Log::rich(), both("5"), &[]);
    let mut tight = limits();
    tight.total_position_max = notional("1499");
    let mut log = Log::rich();
    log.checker.limits = Limits::new(tight);
    both("5")(&mut log);
    let verdict = log.judge();
    assert_eq!(verdict.findings[0].promise, Promise::TheTotalIsWithinTheLimit);
    assert_eq!(verdict.findings_total, 1);
}

#[test]
fn an_asset_that_two_open_orders_spend_must_cover_both() {
    let cross = OrderRequest {
        instrument: key("ETH-BTC"),
        price: px("0.1"),
        qty: qty("5"),
        ..kit::request("c")
    };
    let story = |btc: &'static str| {
        let cross = cross.clone();
        move |log: &mut Log| {
            log.add(Body::Instrument(kit::instrument("ETH", "BTC")));
            log.add(Body::Book(kit::book("ETH-BTC", "0.09", "0.11")));
            log.add(balances("1000", btc));
            let sold = ask("s", "101", "1");
            for order in [&cross, &sold] {
                log.rest(order);
            }
            log.end(&cross);
            log.end(&sold);
        }
    };
    let mut reporting = limits();
    reporting.reporting = usd(&[("BTC", "100")]);
    let judged = |btc: &'static str| {
        let mut log = Log::bare();
        log.checker.limits = Limits::new(reporting.clone());
        story(btc)(&mut log);
        let findings = log.judge().findings;
        findings.into_iter().map(|finding| finding.promise).collect::<Vec<_>>()
    };
    assert_eq!(judged("1.5"), []);
    assert_eq!(judged("1.4999"), [Promise::FundsCoverWhatIsOpen]);
}

#[test]
fn time_and_numbers_run_forward_and_a_quiet_end_leaves_nothing_open() {
    check(|log| log.rest(&bid("b", "1")), &[Promise::NothingIsLeftOpen]);
    check(
        |log| {
            log.at += 60_000; // a pause breaks nothing
            log.add(Body::Book(book("BTC", "99", "101")));
        },
        &[],
    );
    check(
        |log| {
            log.at -= 2;
            log.add(Body::Book(book("BTC", "99", "101")));
            let _lost = log.producer.wrap(Timestamp::EPOCH, balances("1", "1"));
            log.add(Body::Book(book("BTC", "99", "101")));
        },
        &[Promise::TimeRunsForward, Promise::MessagesAreNumbered],
    );
    check(
        |log| {
            let order = bid("b", "1");
            log.add(Body::OrderCancel(kit::cancel(&order, CancelReason::Requote)));
            log.event(kit::sending(&order));
        },
        &[Promise::EventsAreOfOurOrders; 2],
    );
}
