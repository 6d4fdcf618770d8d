//! Public channels besides books: trades, tickers, candles, instruments, orders one by one.

use super::*;

fn subscribed(venue: &mut Venue, host: WsHost, params: &str) -> (PeerId, Vec<String>) {
    let peer = venue.connect(host);
    let heard = venue.ask(peer, &format!(r#"{{"method":"subscribe","params":{{{params}}}}}"#));
    (peer, heard)
}

fn said(venue: &mut Venue, peer: PeerId) -> Vec<String> {
    venue.heard(peer).iter().map(|text| timeless(text)).collect()
}

/// Gives BTC/USD a market: 0.1 bid at 61000.0, 0.2 offered at 61000.5.
fn quoted() -> Venue {
    let mut venue = Venue::new();
    venue.crowd("BTC/USD", Side::Buy, 610_000, 10_000_000);
    venue.crowd("BTC/USD", Side::Sell, 610_005, 20_000_000);
    venue
}

#[test]
fn trades_come_with_consecutive_numbers_those_of_one_taker_together() {
    let mut venue = quoted();
    venue.take("BTC/USD", Side::Sell, 610_000, 2_500_000);
    let (peer, heard) = subscribed(
        &mut venue,
        WsHost::Public,
        r#""channel":"trade","symbol":["BTC/USD"],"snapshot":true"#,
    );
    assert_eq!(
        heard,
        [
            r#"{"method":"subscribe","result":{"channel":"trade","snapshot":true,"symbol":"BTC/USD"},"success":true}"#,
            r#"{"channel":"trade","type":"snapshot","data":[{"symbol":"BTC/USD","side":"sell","price":61000.0,"qty":0.02500000,"ord_type":"limit","trade_id":1,"timestamp":"T"}]}"#,
        ]
    );
    venue.crowd("BTC/USD", Side::Sell, 610_006, 20_000_000);
    venue.take("BTC/USD", Side::Buy, 610_006, 25_000_000);
    assert_eq!(
        said(&mut venue, peer),
        [
            r#"{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"buy","price":61000.5,"qty":0.20000000,"ord_type":"limit","trade_id":2,"timestamp":"T"},{"symbol":"BTC/USD","side":"buy","price":61000.6,"qty":0.05000000,"ord_type":"limit","trade_id":3,"timestamp":"T"}]}"#
        ]
    );
}

#[test]
fn a_snapshot_of_trades_is_the_last_fifty_oldest_first_and_only_on_demand() {
    let mut venue = quoted();
    for _ in 0..60 {
        venue.take("BTC/USD", Side::Sell, 610_000, 10_000);
    }
    let params = r#""channel":"trade","symbol":["BTC/USD"]"#;
    let (_, heard) = subscribed(&mut venue, WsHost::Public, params);
    assert_eq!(heard.len(), 1);
    let params = r#""channel":"trade","symbol":["BTC/USD"],"snapshot":true"#;
    let (_, heard) = subscribed(&mut venue, WsHost::Public, params);
    let ids: Vec<_> = json(&heard[1])["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trade| trade["trade_id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, (11..=60).collect::<Vec<_>>());
}

#[test]
fn a_ticker_follows_trades_or_quotes_as_asked() {
    let mut venue = quoted();
    venue.take("BTC/USD", Side::Sell, 610_000, 2_500_000);
    venue.take("BTC/USD", Side::Buy, 610_005, 2_500_000);
    let params = r#""channel":"ticker","symbol":["BTC/USD"]"#;
    let (trades, heard) = subscribed(&mut venue, WsHost::Public, params);
    assert_eq!(
        heard,
        [
            r#"{"method":"subscribe","result":{"channel":"ticker","event_trigger":"trades","snapshot":true,"symbol":"BTC/USD"},"success":true}"#,
            r#"{"channel":"ticker","type":"snapshot","data":[{"symbol":"BTC/USD","bid":61000.0,"bid_qty":0.07500000,"ask":61000.5,"ask_qty":0.17500000,"last":61000.5,"volume":0.05000000,"vwap":61000.3,"low":61000.0,"high":61000.5,"change":0.5,"change_pct":0.00,"timestamp":"T"}]}"#,
        ]
    );
    let params = r#""channel":"ticker","symbol":["BTC/USD"],"event_trigger":"bbo""#;
    let (quotes, heard) = subscribed(&mut venue, WsHost::Public, params);
    assert!(heard[0].contains(r#""event_trigger":"bbo""#));

    venue.crowd("BTC/USD", Side::Buy, 609_000, 10_000_000);
    assert!(said(&mut venue, trades).is_empty() && said(&mut venue, quotes).is_empty());
    venue.crowd("BTC/USD", Side::Buy, 610_001, 10_000_000);
    assert!(said(&mut venue, trades).is_empty());
    let heard = said(&mut venue, quotes);
    assert!(
        heard[0].contains(
            r#""type":"update","data":[{"symbol":"BTC/USD","bid":61000.1,"bid_qty":0.10000000,"#
        ),
        "{heard:?}"
    );
    venue.take("BTC/USD", Side::Sell, 610_001, 1_000_000);
    assert_eq!(said(&mut venue, trades).len(), 1);
    assert_eq!(said(&mut venue, quotes).len(), 1);
}

#[test]
fn a_candle_is_sent_on_each_trade_of_its_interval() {
    let mut venue = quoted();
    venue.take("BTC/USD", Side::Sell, 610_000, 2_500_000);
    venue.pass(DurationNs::from_s(60));
    venue.take("BTC/USD", Side::Buy, 610_005, 2_500_000);
    let params = r#""channel":"ohlc","symbol":["BTC/USD"],"interval":1"#;
    let (peer, heard) = subscribed(&mut venue, WsHost::Public, params);
    assert_eq!(
        heard[0],
        r#"{"method":"subscribe","result":{"channel":"ohlc","interval":1,"snapshot":true,"symbol":"BTC/USD","warnings":["timestamp is deprecated, use interval_begin"]},"success":true}"#
    );
    let snapshot = json(&heard[1]);
    assert_eq!(snapshot["data"].as_array().unwrap().len(), 2);
    venue.take("BTC/USD", Side::Buy, 610_005, 2_500_000);
    let update = venue.heard(peer);
    let want = r#"{"channel":"ohlc","type":"update","timestamp":"2026-02-16T09:37:07.100001000Z","data":[{"symbol":"BTC/USD","open":61000.5,"high":61000.5,"low":61000.5,"close":61000.5,"trades":2,"volume":0.05000000,"vwap":61000.5,"interval_begin":"2026-02-16T09:37:00.000000000Z","interval":1,"timestamp":"2026-02-16T09:38:00.000000Z"}]}"#;
    assert_eq!(update, [want.into()]);
}

#[test]
fn instruments_are_defined_with_plain_numbers_and_told_of_when_they_change() {
    let mut venue = Venue::new();
    let (peer, heard) = subscribed(&mut venue, WsHost::Public, r#""channel":"instrument""#);
    assert_eq!(
        heard[0],
        r#"{"method":"subscribe","result":{"channel":"instrument","snapshot":true,"warnings":["tick_size is deprecated, use price_increment"]},"success":true}"#
    );
    for part in [
        r#"{"channel":"instrument","type":"snapshot","data":{"assets":[{"id":"BTC","status":"enabled","precision":10,"precision_display":5,"borrowable":false,"collateral_value":0.00},"#,
        r#"{"symbol":"BTC/USD","base":"BTC","quote":"USD","status":"online","qty_precision":8,"qty_increment":0.00000001,"price_precision":1,"cost_precision":5,"marginable":false,"has_index":true,"cost_min":0.5,"tick_size":0.1,"price_increment":0.1,"qty_min":0.00005000}"#,
    ] {
        assert!(heard[1].contains(part), "{}", heard[1]);
    }
    let status = crate::server::catalogue::PairStatus::CancelOnly;
    let now = venue.now;
    venue.server.desk_mut().set_pair_status(now, "BTC/USD", status).unwrap();
    venue.take("ETH/USD", Side::Buy, 1, 1);
    let heard = said(&mut venue, peer);
    let [update] = heard.as_slice() else { panic!("{heard:?}") };
    let want = r#"{"channel":"instrument","type":"update","data":{"assets":[],"pairs":[{"symbol":"BTC/USD","base":"BTC","quote":"USD","status":"cancel_only","#;
    assert!(update.starts_with(want), "{update}");
    let (_, heard) = subscribed(&mut venue, WsHost::Public, r#""channel":"instrument""#);
    assert!(
        heard[1]
            .contains(r#""symbol":"BTC/USD","base":"BTC","quote":"USD","status":"cancel_only""#)
    );
}

#[test]
fn orders_are_seen_one_by_one_on_their_own_host_with_a_token() {
    let mut venue = quoted();
    let token = venue.token("maker");
    let params = format!(r#""channel":"level3","symbol":["BTC/USD"],"depth":10,"token":"{token}""#);
    let (peer, heard) = subscribed(&mut venue, WsHost::Level3, &params);
    let ack = r#"{"method":"subscribe","result":{"channel":"level3","depth":10,"snapshot":true,"symbol":"BTC/USD"},"success":true}"#;
    assert_eq!(heard[0], ack);
    let snapshot = json(&heard[1]);
    let bid = &snapshot["data"][0]["bids"][0];
    let id = bid["order_id"].as_str().unwrap().to_owned();
    assert!(heard[1].contains(r#""limit_price":61000.0,"order_qty":0.10000000,"timestamp":"T"}]"#));
    venue.take("BTC/USD", Side::Sell, 610_000, 2_500_000);
    let heard = said(&mut venue, peer);
    let want = format!(
        r#""bids":[{{"event":"modify","order_id":"{id}","limit_price":61000.0,"order_qty":0.07500000,"timestamp":"T"}}],"asks":[]"#
    );
    assert!(heard[0].contains(&want), "{heard:?}");

    let public = venue.connect(WsHost::Public);
    let text = format!(r#"{{"method":"subscribe","params":{{{params}}}}}"#);
    let refused = venue.ask(public, &text);
    assert!(refused[0].contains("Try ws-l3.kraken.com"), "{refused:?}");
    let text = r#"{"method":"subscribe","params":{"channel":"level3","symbol":["BTC/USD"]}}"#;
    let (_, heard) = (0, venue.ask(peer, text));
    assert!(heard[0].contains("Token(s) not found"));
}

#[test]
fn subscriptions_by_order_have_a_budget() {
    let mut venue = Venue::new();
    let token = venue.token("maker");
    let peer = venue.connect(WsHost::Level3);
    let ask = |symbol: &str, depth: u32| {
        format!(
            r#"{{"method":"subscribe","params":{{"channel":"level3","symbol":["{symbol}"],"depth":{depth},"snapshot":false,"token":"{token}"}}}}"#
        )
    };
    for symbol in ["BTC/USD", "ETH/USD"] {
        assert!(venue.ask(peer, &ask(symbol, 1000))[0].contains(r#""success":true"#));
    }
    let refused = venue.ask(peer, &ask("SOL/USD", 10));
    assert!(refused[0].contains("EGeneral:Too many requests"), "{refused:?}");
    venue.pass(DurationNs::from_s(1));
    assert!(venue.ask(peer, &ask("SOL/USD", 10))[0].contains(r#""success":true"#));
}
