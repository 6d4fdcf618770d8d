//! The executions and balances channels: lives of orders as documented, snapshots, sequence numbers, tokens.

use super::*;

const PRIVATE: &str = r#""channel":"executions""#;

/// Is an account's connection.
struct Account {
    peer: PeerId,
    token: String,
}

impl Account {
    fn new(venue: &mut Venue, name: &str) -> Self {
        Self { peer: venue.connect(WsHost::Private), token: venue.token(name) }
    }

    fn subscribe(&self, venue: &mut Venue, params: &str) -> Vec<String> {
        let token = &self.token;
        let text = format!(
            r#"{{"method":"subscribe","params":{{{params},"token":"{token}"}},"req_id":1}}"#
        );
        venue.ask(self.peer, &text)
    }

    /// Sends a trading request; gives what came: the answers first, then what the channels told.
    fn call(&self, venue: &mut Venue, method: &str, params: &str) -> Vec<String> {
        let token = &self.token;
        let text = format!(r#"{{"method":"{method}","params":{{{params},"token":"{token}"}}}}"#);
        venue.ask(self.peer, &text)
    }

    /// Places a buy of BTC/USD; gives its id.
    fn buy(&self, venue: &mut Venue, qty: &str, price: &str, more: &str) -> String {
        let params = format!(
            r#""order_type":"limit","side":"buy","symbol":"BTC/USD","order_qty":{qty},"limit_price":{price}{more}"#
        );
        let heard = self.call(venue, "add_order", &params);
        let answer = json(&heard[0]);
        let id = answer["result"]["order_id"].as_str();
        id.unwrap_or_else(|| panic!("{heard:?}")).to_owned()
    }
}

fn said(venue: &mut Venue, peer: PeerId) -> Vec<String> {
    venue.heard(peer).iter().map(|text| timeless(text)).collect()
}

/// Gives BTC/USD a market: 1 bid at 61000.0, 1 offered at 61010.0.
fn quoted() -> Venue {
    let mut venue = Venue::new();
    venue.crowd("BTC/USD", Side::Buy, 609_000, 100_000_000);
    venue.crowd("BTC/USD", Side::Sell, 610_100, 100_000_000);
    venue
}

#[test]
fn a_subscription_is_acknowledged_with_the_rate_limit_and_starts_with_a_snapshot() {
    let mut venue = quoted();
    let maker = Account::new(&mut venue, "maker");
    assert_eq!(
        maker.subscribe(&mut venue, PRIVATE),
        [
            r#"{"method":"subscribe","req_id":1,"result":{"channel":"executions","warnings":["cancel_reason is deprecated, use reason","stop_price is deprecated, use triggers.price","trigger is deprecated use triggers.reference"],"maxratecount":180,"snap_orders":true,"snap_trades":false},"success":true}"#,
            r#"{"channel":"executions","type":"snapshot","data":[],"sequence":1}"#,
        ]
    );
}

#[test]
fn the_life_of_a_maker_order_is_told_as_documented() {
    let mut venue = quoted();
    let maker = Account::new(&mut venue, "maker");
    maker.subscribe(&mut venue, PRIVATE);
    let heard = maker.call(
        &mut venue,
        "add_order",
        r#""order_type":"limit","side":"buy","symbol":"BTC/USD","order_qty":0.05,"limit_price":61000.0,"time_in_force":"gtc","post_only":true,"cl_ord_id":"mm-7f3a-000123""#,
    );
    let id = json(&heard[0])["result"]["order_id"].as_str().unwrap().to_owned();
    let head = format!(r#""order_id":"{id}","cl_ord_id":"mm-7f3a-000123""#);
    assert_eq!(
        heard,
        [
            format!(r#"{{"method":"add_order","result":{{{head}}},"success":true}}"#),
            format!(
                r#"{{"channel":"executions","type":"update","data":[{{{head},"exec_type":"pending_new","order_status":"pending_new","symbol":"BTC/USD","side":"buy","order_type":"limit","order_qty":0.05000000,"limit_price":61000.0,"limit_price_type":"static","time_in_force":"GTC","post_only":true,"fee_ccy_pref":"fciq","cum_cost":0.00000,"fee_usd_equiv":0.00000,"timestamp":"T"}}],"sequence":2}}"#
            ),
            format!(
                r#"{{"channel":"executions","type":"update","data":[{{{head},"exec_type":"new","order_status":"new","timestamp":"T"}}],"sequence":3}}"#
            ),
        ]
    );
    venue.take("BTC/USD", Side::Sell, 610_000, 2_000_000);
    let heard = said(&mut venue, maker.peer);
    let exec = json(&heard[0])["data"][0]["exec_id"].as_str().unwrap().to_owned();
    assert_eq!(
        heard,
        [format!(
            r#"{{"channel":"executions","type":"update","data":[{{{head},"exec_type":"trade","order_status":"partially_filled","exec_id":"{exec}","trade_id":1,"symbol":"BTC/USD","side":"buy","order_type":"limit","last_qty":0.02000000,"last_price":61000.0,"cost":1220.00000,"liquidity_ind":"m","fees":[{{"asset":"USD","qty":3.05000}}],"cum_qty":0.02000000,"cum_cost":1220.00000,"avg_price":61000.0,"fee_usd_equiv":3.05000,"timestamp":"T"}}],"sequence":4}}"#
        )]
    );
    let heard = maker.call(
        &mut venue,
        "amend_order",
        &format!(r#""order_id":"{id}","limit_price":61000.5,"order_qty":0.05"#),
    );
    assert!(
        heard[0].starts_with(r#"{"method":"amend_order","result":{"amend_id":"T"#),
        "{heard:?}"
    );
    assert!(heard[0].ends_with(&format!(r#"","order_id":"{id}"}},"success":true}}"#)));
    assert_eq!(
        heard[1],
        format!(
            r#"{{"channel":"executions","type":"update","data":[{{{head},"exec_type":"amended","order_status":"partially_filled","order_qty":0.05000000,"limit_price":61000.5,"limit_price_type":"static","cum_qty":0.02000000,"amended":true,"reason":"User requested","timestamp":"T"}}],"sequence":5}}"#
        )
    );
    venue.take("BTC/USD", Side::Sell, 610_000, 3_000_000);
    let heard = said(&mut venue, maker.peer);
    let [trade, filled] = heard.as_slice() else { panic!("{heard:?}") };
    for part in [
        r#""order_status":"partially_filled""#,
        r#""last_qty":0.03000000,"last_price":61000.5,"cost":1830.01500,"#,
        r#""cum_qty":0.05000000,"cum_cost":3050.01500,"avg_price":61000.3,"fee_usd_equiv":7.62500,"#,
        r#""sequence":6}"#,
    ] {
        assert!(trade.contains(part), "{trade}");
    }
    assert_eq!(
        *filled,
        format!(
            r#"{{"channel":"executions","type":"update","data":[{{{head},"exec_type":"filled","order_status":"filled","cum_qty":0.05000000,"cum_cost":3050.01500,"avg_price":61000.3,"fee_usd_equiv":7.62500,"timestamp":"T"}}],"sequence":7}}"#
        )
    );
}

#[test]
fn a_cancelled_order_says_by_whom_and_names_neither_symbol_nor_side() {
    let mut venue = quoted();
    let maker = Account::new(&mut venue, "maker");
    maker.subscribe(&mut venue, PRIVATE);
    let id = maker.buy(&mut venue, "0.05", "60000", "");
    let heard = maker.call(&mut venue, "cancel_order", &format!(r#""order_id":["{id}"]"#));
    assert_eq!(
        heard,
        [
            format!(r#"{{"method":"cancel_order","result":{{"order_id":"{id}"}},"success":true}}"#),
            format!(
                r#"{{"channel":"executions","type":"update","data":[{{"order_id":"{id}","order_userref":0,"exec_type":"canceled","order_status":"canceled","cum_qty":0.00000000,"cum_cost":0.00000,"avg_price":0.0,"fee_usd_equiv":0.00000,"reason":"User requested","cancel_reason":"User requested","timestamp":"T"}}],"sequence":4}}"#
            ),
        ]
    );
}

#[test]
fn a_post_only_order_that_would_take_is_acknowledged_and_then_cancelled() {
    let mut venue = quoted();
    let maker = Account::new(&mut venue, "maker");
    maker.subscribe(&mut venue, PRIVATE);
    maker.buy(&mut venue, "0.05", "61010.0", "");
    let heard = maker.call(
        &mut venue,
        "add_order",
        r#""order_type":"limit","side":"buy","symbol":"BTC/USD","order_qty":0.05,"limit_price":61010.0,"post_only":true"#,
    );
    assert!(heard[0].contains(r#""success":true"#), "{heard:?}");
    let last = heard.last().unwrap();
    assert!(last.contains(r#""exec_type":"canceled","order_status":"canceled""#), "{heard:?}");
    assert!(last.contains(r#""reason":"Post only order""#), "{heard:?}");
}

#[test]
fn a_subscription_starts_with_open_orders_and_then_the_last_fills_in_frames_of_their_own() {
    let mut venue = quoted();
    let maker = Account::new(&mut venue, "maker");
    let resting = maker.buy(&mut venue, "0.05", "61000", r#","order_userref":42"#);
    let filled = maker.buy(&mut venue, "0.01", "61000", r#","cl_ord_id":"second""#);
    venue.take("BTC/USD", Side::Sell, 610_000, 5_500_000);
    let both = format!(r#"{PRIVATE},"snap_orders":true,"snap_trades":true"#);
    let heard = maker.subscribe(&mut venue, &both);
    let [_, orders, trades] = heard.as_slice() else { panic!("{heard:?}") };
    let (orders, trades) = (json(orders), json(trades));
    assert_eq!((orders["sequence"].as_u64(), trades["sequence"].as_u64()), (Some(1), Some(2)));
    let orders = orders["data"].as_array().unwrap().clone();
    assert_eq!(orders.len(), 1);
    assert_eq!(orders[0]["order_id"], *filled);
    assert_eq!(orders[0]["order_status"], "partially_filled");
    assert_eq!(orders[0]["cl_ord_id"], "second");
    let trades = trades["data"].as_array().unwrap().clone();
    let ids: Vec<_> = trades.iter().map(|trade| trade["order_id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&filled, &resting], "newest first");
    assert_eq!(trades[1]["order_status"], "filled");
    assert_eq!(trades[1]["order_userref"], 42);
    venue.take("BTC/USD", Side::Sell, 610_000, 500_000);
    let heard = said(&mut venue, maker.peer);
    assert!(heard[0].ends_with(r#""sequence":3}"#) && heard[1].ends_with(r#""sequence":4}"#));

    let reader = Account::new(&mut venue, "maker");
    let heard = reader.subscribe(&mut venue, &both);
    assert_eq!(heard.len(), 2, "no open orders: the fills alone");
    let none = format!(r#"{PRIVATE},"snap_orders":false"#);
    let other = Account::new(&mut venue, "maker");
    assert_eq!(other.subscribe(&mut venue, &none).len(), 1);
}

#[test]
fn no_more_than_fifty_fills_are_replayed() {
    let mut venue = quoted();
    let maker = Account::new(&mut venue, "maker");
    maker.buy(&mut venue, "1", "61000", "");
    for _ in 0..60 {
        venue.take("BTC/USD", Side::Sell, 610_000, 100_000);
    }
    let heard = maker.subscribe(&mut venue, &format!(r#"{PRIVATE},"snap_trades":true"#));
    let ids: Vec<_> = json(&heard[2])["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trade| trade["trade_id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, (11..=60).rev().collect::<Vec<_>>());
}

#[test]
fn without_order_status_only_opening_and_closing_is_told_and_numbers_have_no_holes() {
    let mut venue = quoted();
    let maker = Account::new(&mut venue, "maker");
    let heard = maker.subscribe(&mut venue, &format!(r#"{PRIVATE},"order_status":false"#));
    assert!(heard[0].contains(r#""order_status":false"#));
    maker.buy(&mut venue, "0.05", "61000", "");
    let mut kinds = vec!["new".to_owned()];
    venue.take("BTC/USD", Side::Sell, 610_000, 2_000_000);
    venue.take("BTC/USD", Side::Sell, 610_000, 3_000_000);
    let heard = said(&mut venue, maker.peer);
    let frames: Vec<_> = heard.iter().map(|text| json(text)).collect();
    kinds.extend(
        frames.iter().map(|frame| frame["data"][0]["exec_type"].as_str().unwrap().to_owned()),
    );
    assert_eq!(kinds, ["new", "filled"]);
    assert_eq!(frames[0]["sequence"], 3);
}

#[test]
fn the_rate_counter_is_streamed_on_demand() {
    let mut venue = quoted();
    let maker = Account::new(&mut venue, "maker");
    maker.subscribe(&mut venue, &format!(r#"{PRIVATE},"ratecounter":true"#));
    let heard = maker.call(
        &mut venue,
        "add_order",
        r#""order_type":"limit","side":"buy","symbol":"BTC/USD","order_qty":0.05,"limit_price":60000"#,
    );
    let count = json(&heard[1])["data"][0]["ratecount"].as_f64().unwrap();
    assert!((count - 1.0).abs() < 1e-9, "{count}");
}

#[test]
fn two_connections_of_one_account_count_for_themselves_and_another_account_hears_nothing() {
    let mut venue = quoted();
    let (one, two) = (Account::new(&mut venue, "maker"), Account::new(&mut venue, "maker"));
    let other = Account::new(&mut venue, "taker");
    one.subscribe(&mut venue, PRIVATE);
    other.subscribe(&mut venue, PRIVATE);
    one.buy(&mut venue, "0.05", "60000", "");
    two.subscribe(&mut venue, PRIVATE);
    let id = two.buy(&mut venue, "0.05", "60001", "");
    let first = said(&mut venue, one.peer);
    assert!(first[0].ends_with(r#""sequence":4}"#), "{first:?}");
    two.call(&mut venue, "cancel_order", &format!(r#""order_id":["{id}"]"#));
    assert!(said(&mut venue, one.peer)[0].ends_with(r#""sequence":6}"#));
    assert!(said(&mut venue, other.peer).is_empty());
    let text = format!(
        r#"{{"method":"unsubscribe","params":{{"channel":"executions","token":"{}"}}}}"#,
        one.token
    );
    assert_eq!(
        venue.ask(one.peer, &text),
        [r#"{"method":"unsubscribe","result":{"channel":"executions"},"success":true}"#]
    );
    two.buy(&mut venue, "0.05", "60002", "");
    assert!(said(&mut venue, one.peer).is_empty());
}

#[test]
fn balances_are_listed_and_then_change_entry_by_entry() {
    let mut venue = quoted();
    let taker = Account::new(&mut venue, "taker");
    let heard = taker.subscribe(&mut venue, r#""channel":"balances""#);
    assert_eq!(
        heard[0],
        r#"{"method":"subscribe","req_id":1,"result":{"channel":"balances","snapshot":true},"success":true}"#
    );
    assert!(heard[1].starts_with(r#"{"channel":"balances","type":"snapshot","data":[{"asset":"#));
    assert!(heard[1].ends_with(r#"],"sequence":1}"#));
    let row = r#"{"asset":"USD","asset_class":"currency","balance":1000000.0000,"wallets":[{"type":"spot","id":"main","balance":1000000.0000}]}"#;
    assert!(heard[1].contains(row), "{}", heard[1]);

    taker.buy(&mut venue, "0.5", "61010", "");
    venue.heard(taker.peer);
    let heard = taker.call(
        &mut venue,
        "add_order",
        r#""order_type":"market","side":"buy","symbol":"BTC/USD","order_qty":0.25"#,
    );
    let [_, update] = heard.as_slice() else { panic!("{heard:?}") };
    let update = json(update);
    assert_eq!(update["sequence"], 3);
    let entries = update["data"].as_array().unwrap();
    assert_eq!(entries.len(), 2, "base and quote in one message");
    assert_eq!(entries[0]["ref_id"], entries[1]["ref_id"]);
    let find = |asset: &str| entries.iter().find(|entry| entry["asset"] == asset).unwrap();
    let (base, quote) = (find("BTC"), find("USD"));
    for entry in [base, quote] {
        for (name, want) in [
            ("type", "trade"),
            ("category", "trade"),
            ("asset_class", "currency"),
            ("wallet_type", "spot"),
            ("wallet_id", "main"),
        ] {
            assert_eq!(entry[name], want);
        }
    }
    assert_eq!(base["amount"].to_string(), "0.25");
    assert_eq!(quote["amount"].to_string(), "-15252.5");
    // 0.35 %: the first fill has brought the account to the next fee step.
    assert_eq!(quote["fee"].to_string(), "53.3838");
}

#[test]
fn a_token_that_is_no_good_is_refused_with_the_channels_name() {
    let mut venue = Venue::new();
    let peer = venue.connect(WsHost::Private);
    let text = r#"{"method":"subscribe","params":{"channel":"executions","token":"x"}}"#;
    let want = r#"{"error":"ESession:Invalid session","method":"subscribe","success":false,"channel":"executions","status":"error"}"#;
    assert_eq!(venue.ask(peer, text), [want]);
}

#[test]
fn a_token_expires_but_stays_good_for_the_connection_that_subscribed_with_it() {
    let mut venue = quoted();
    let subscribed = Account::new(&mut venue, "maker");
    subscribed.subscribe(&mut venue, PRIVATE);
    let late = Account { peer: subscribed.peer, token: subscribed.token.clone() };
    let idle = venue.token("maker");
    venue.pass(DurationNs::from_s(901));
    venue.heard(late.peer);
    late.buy(&mut venue, "0.05", "60000", "");
    let peer = venue.connect(WsHost::Private);
    let text =
        format!(r#"{{"method":"subscribe","params":{{"channel":"executions","token":"{idle}"}}}}"#);
    assert!(venue.ask(peer, &text)[0].contains("ESession:Invalid session"));
}

#[test]
fn a_triggered_order_says_what_it_watches_and_that_it_fired() {
    let mut venue = quoted();
    let maker = Account::new(&mut venue, "maker");
    maker.subscribe(&mut venue, PRIVATE);
    venue.take("BTC/USD", Side::Buy, 610_100, 1_000_000);
    let heard = maker.call(
        &mut venue,
        "add_order",
        r#""order_type":"stop-loss-limit","side":"sell","symbol":"BTC/USD","order_qty":0.05,"limit_price":60800.0,"triggers":{"reference":"last","price":60950.0,"price_type":"static"}"#,
    );
    assert!(heard[0].contains(r#""success":true"#), "{heard:?}");
    let want = r#""triggers":{"reference":"last","price":60950.0,"price_type":"static","status":"untriggered"},"stop_price":60950.0,"trigger":"last","#;
    assert!(heard[1].contains(want), "{}", heard[1]);
    venue.take("BTC/USD", Side::Sell, 609_000, 1_000_000);
    let heard = said(&mut venue, maker.peer);
    let fired = heard.iter().find(|text| text.contains(r#""exec_type":"status""#));
    assert!(fired.is_some_and(|text| text.contains(r#""status":"triggered""#)), "{heard:?}");
}
