//! Public answers, byte for byte.

use super::*;

#[test]
fn time_and_status_are_the_venues() {
    let mut venue = Venue::new();
    let want = r#"{"error":[],"result":{"unixtime":1771234567,"rfc1123":"Mon, 16 Feb 26 09:36:07 +0000"}}"#;
    assert_eq!(venue.get("Time"), want);
    let want = r#"{"error":[],"result":{"status":"online","timestamp":"2026-02-16T09:36:07Z"}}"#;
    assert_eq!(venue.get("SystemStatus"), want);
}

#[test]
fn assets_are_found_by_any_name() {
    let mut venue = Venue::new();
    let want = concat!(
        r#"{"error":[],"result":{"XXBT":{"aclass":"currency","altname":"XBT","decimals":10,"display_decimals":5,"#,
        r#""status":"enabled"},"XXDG":{"aclass":"currency","altname":"XDG","decimals":8,"display_decimals":2,"#,
        r#""status":"deposit_only"}}}"#
    );
    assert_eq!(venue.get("Assets?asset=XBT,DOGE"), want);
    assert_eq!(result(&venue.get("Assets")).as_object().unwrap().len(), 5);
    assert_eq!(error(&venue.get("Assets?asset=XBT,NOPE")), "EQuery:Unknown asset");
    assert_eq!(venue.get("Assets?aclass=tokenized_asset"), r#"{"error":[],"result":{}}"#);
}

#[test]
fn a_pair_has_its_definition_and_fees() {
    let mut venue = Venue::new();
    let want = concat!(
        r#"{"error":[],"result":{"XXBTZUSD":{"altname":"XBTUSD","wsname":"XBT/USD","aclass_base":"currency","base":"XXBT","#,
        r#""aclass_quote":"currency","quote":"ZUSD","execution_venue":"international","lot":"unit","cost_decimals":5,"#,
        r#""pair_decimals":1,"lot_decimals":8,"lot_multiplier":1,"leverage_buy":[],"leverage_sell":[],"#,
        r#""fees":[[0,0.4],[10000,0.35]],"fees_maker":[[0,0.25],[10000,0.2]],"fee_volume_currency":"ZUSD","#,
        r#""margin_call":80,"margin_stop":40,"ordermin":"0.00005","costmin":"0.5","tick_size":"0.1","status":"online"}}}"#
    );
    assert_eq!(venue.get("AssetPairs?pair=XBTUSD"), want);
    let fees = r#"{"error":[],"result":{"ADAEUR":{"fees":[[0,0.4],[10000,0.35]],"fees_maker":[[0,0.25],[10000,0.2]],"fee_volume_currency":"ZUSD"}}}"#;
    assert_eq!(venue.get("AssetPairs?pair=ADAEUR&info=fees"), fees);
    let keys: Vec<String> =
        result(&venue.get("AssetPairs")).as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["ADAEUR", "XDGUSD", "XXBTZUSD"]);
}

#[test]
fn a_pair_asked_for_by_its_v2_symbol_comes_back_under_it() {
    let mut venue = Venue::new();
    for (asked, key) in [
        ("BTC%2FUSD", "BTC/USD"),
        ("XBT/USD", "XXBTZUSD"),
        ("BTCUSD", "XXBTZUSD"),
        ("XXBTZUSD", "XXBTZUSD"),
        ("DOGE/USD", "DOGE/USD"),
    ] {
        let pairs = result(&venue.get(&format!("AssetPairs?pair={asked}")));
        assert_eq!(pairs.as_object().unwrap().keys().collect::<Vec<_>>(), [key], "{asked}");
    }
    assert_eq!(error(&venue.get("AssetPairs?pair=BTC/XXX")), "EQuery:Unknown asset pair");
    assert_eq!(error(&venue.get("AssetPairs?info=all")), "EGeneral:Invalid arguments:info");
    assert_eq!(venue.get("AssetPairs?aclass_base=tokenized_asset"), r#"{"error":[],"result":{}}"#);
}

#[test]
fn a_ticker_without_trades_is_zeros() {
    let mut venue = Venue::new();
    let want = concat!(
        r#"{"error":[],"result":{"XXBTZUSD":{"a":["0.00000","0","0.000"],"b":["0.00000","0","0.000"],"#,
        r#""c":["0.00000","0.00000000"],"v":["0.00000000","0.00000000"],"p":["0.00000","0.00000"],"t":[0,0],"#,
        r#""l":["0.00000","0.00000"],"h":["0.00000","0.00000"],"o":"0.00000"}}}"#
    );
    assert_eq!(venue.get("Ticker?pair=XBTUSD"), want);
    assert_eq!(result(&venue.get("Ticker")).as_object().unwrap().len(), 3);
}

/// Lets the crowd trade: 0.01 at 61000.0, then 0.03 at 60990.0, one minute later.
fn traded() -> Venue {
    let mut venue = Venue::new();
    let order = "pair=XBTUSD&type=sell&ordertype=limit&volume=0.01&price=61000";
    venue.place(order);
    venue.take(Side::Buy, 610_000, 1_000_000);
    venue.wait(60);
    venue.place("pair=XBTUSD&type=buy&ordertype=limit&volume=0.03&price=60990");
    venue.take(Side::Sell, 609_900, 3_000_000);
    venue
}

#[test]
fn the_ticker_adds_up_the_day() {
    let mut venue = traded();
    venue.level(Side::Buy, 609_800, 123_456_789);
    venue.level(Side::Sell, 610_100, 5_000_000);
    let want = concat!(
        r#"{"error":[],"result":{"XXBTZUSD":{"a":["61010.00000","1","1.000"],"b":["60980.00000","2","2.000"],"#,
        r#""c":["60990.00000","0.03000000"],"v":["0.04000000","0.04000000"],"p":["60992.50000","60992.50000"],"#,
        r#""t":[2,2],"l":["60990.00000","60990.00000"],"h":["61000.00000","61000.00000"],"o":"61000.00000"}}}"#
    );
    assert_eq!(venue.get("Ticker?pair=BTC/USD"), want);
}

#[test]
fn candles_fill_the_gaps_and_end_with_the_running_one() {
    let mut venue = traded();
    venue.wait(120);
    let want = concat!(
        r#"{"error":[],"result":{"XXBTZUSD":["#,
        r#"[1771234560,"61000.0","61000.0","61000.0","61000.0","61000.0","0.01000000",1],"#,
        r#"[1771234620,"60990.0","60990.0","60990.0","60990.0","60990.0","0.03000000",1],"#,
        r#"[1771234680,"60990.0","60990.0","60990.0","60990.0","0.0","0.00000000",0],"#,
        r#"[1771234740,"60990.0","60990.0","60990.0","60990.0","0.0","0.00000000",0]"#,
        r#"],"last":1771234680}}"#
    );
    assert_eq!(venue.get("OHLC?pair=XBTUSD"), want);
    let later = result(&venue.get("OHLC?pair=XBTUSD&since=1771234680"));
    assert_eq!(later["XXBTZUSD"].as_array().unwrap().len(), 1);
    let hour = result(&venue.get("OHLC?pair=XBTUSD&interval=60"));
    assert_eq!(hour["XXBTZUSD"][0][7], 2);
    venue.wait(86_400);
    let day = result(&venue.get("OHLC?pair=XBTUSD"));
    let rows = day["XXBTZUSD"].as_array().unwrap();
    assert_eq!((rows.len(), rows[0][4].as_str()), (721, Some("60990.0")), "the price lives on");
    assert_eq!(
        error(&venue.get("OHLC?pair=XBTUSD&interval=7")),
        "EGeneral:Invalid arguments:interval"
    );
}

#[test]
fn trades_are_paged_by_their_cursor() {
    let mut venue = traded();
    let want = concat!(
        r#"{"error":[],"result":{"XXBTZUSD":["#,
        r#"["61000.00000","0.01000000",1771234567.5,"b","m","",1],"#,
        r#"["60990.00000","0.03000000",1771234627.5,"s","m","",2]"#,
        r#"],"last":"1771234627500000321"}}"#
    );
    assert_eq!(venue.get("Trades?pair=XBTUSD"), want);
    let ids = |body: String| -> Vec<u64> {
        let rows = result(&body)["XXBTZUSD"].as_array().unwrap().clone();
        rows.iter().map(|row| row[6].as_u64().unwrap()).collect()
    };
    assert_eq!(ids(venue.get("Trades?pair=XBTUSD&since=1771234567500000321")), [2]);
    assert_eq!(ids(venue.get("Trades?pair=XBTUSD&since=1771234600")), [2], "seconds");
    assert_eq!(ids(venue.get("Trades?pair=XBTUSD&since=0&count=1")), [1], "the first after it");
    assert_eq!(ids(venue.get("Trades?pair=XBTUSD&count=1")), [2], "the last one");
    let none = r#"{"error":[],"result":{"XXBTZUSD":[],"last":"1771234627500000321"}}"#;
    assert_eq!(venue.get("Trades?pair=XBTUSD&since=1771234627500000321"), none);
    for count in ["0", "1001", "-1", "many"] {
        let body = venue.get(&format!("Trades?pair=XBTUSD&count={count}"));
        assert_eq!(error(&body), "EGeneral:Invalid arguments:count");
    }
}

#[test]
fn depth_pads_prices_and_cuts_volumes() {
    let mut venue = Venue::new();
    venue.level(Side::Buy, 609_800, 123_456_789);
    venue.level(Side::Buy, 609_700, 50_000);
    venue.level(Side::Sell, 610_100, 5_000_000);
    let want = concat!(
        r#"{"error":[],"result":{"XXBTZUSD":{"asks":[["61010.00000","0.050",1771234567]],"#,
        r#""bids":[["60980.00000","1.234",1771234567],["60970.00000","0.000",1771234567]]}}}"#
    );
    assert_eq!(venue.get("Depth?pair=XBTUSD"), want);
    let one = result(&venue.get("Depth?pair=XBTUSD&count=1"));
    assert_eq!(one["XXBTZUSD"]["bids"].as_array().unwrap().len(), 1);
    assert_eq!(
        error(&venue.get("Depth?pair=XBTUSD&count=501")),
        "EGeneral:Invalid arguments:count"
    );
    assert_eq!(error(&venue.get("Depth")), "EGeneral:Invalid arguments:pair");
    assert_eq!(error(&venue.get("Depth?pair=XBTUSD,ADAEUR")), "EQuery:Unknown asset pair");
}

#[test]
fn grouped_levels_go_to_the_passive_side() {
    let mut venue = Venue::new();
    venue.level(Side::Buy, 609_804, 100_000_000);
    venue.level(Side::Buy, 609_801, 50_000_000);
    venue.level(Side::Buy, 609_799, 1);
    venue.level(Side::Sell, 610_101, 5_000_000);
    venue.level(Side::Sell, 610_110, 5_000_000);
    let want = concat!(
        r#"{"error":[],"result":{"pair":"BTC/USD","grouping":10,"#,
        r#""bids":[{"price":"60980.00000","qty":"1.50000000"},{"price":"60979.00000","qty":"0.00000001"}],"#,
        r#""asks":[{"price":"61011.00000","qty":"0.10000000"}]}}"#
    );
    assert_eq!(venue.get("GroupedBook?pair=XBTUSD&grouping=10"), want);
    for wrong in ["grouping=3", "depth=11", "depth=ten"] {
        let body = venue.get(&format!("GroupedBook?pair=XBTUSD&{wrong}"));
        assert!(error(&body).starts_with("EGeneral:Invalid arguments:"), "{wrong}");
    }
}

#[test]
fn spreads_are_the_changes_of_the_best_prices() {
    let mut venue = Venue::new();
    venue.level(Side::Buy, 609_800, 1_000_000);
    venue.level(Side::Sell, 610_100, 1_000_000);
    venue.wait(2);
    venue.level(Side::Sell, 610_200, 1_000_000);
    venue.level(Side::Buy, 609_900, 1_000_000);
    let want = concat!(
        r#"{"error":[],"result":{"XXBTZUSD":[[1771234567,"60980.00000","61010.00000"],"#,
        r#"[1771234569,"60990.00000","61010.00000"]],"last":1771234569}}"#
    );
    assert_eq!(venue.get("Spread?pair=XBTUSD"), want);
    let later = result(&venue.get("Spread?pair=XBTUSD&since=1771234569"));
    assert_eq!(later["XXBTZUSD"].as_array().unwrap().len(), 1);
}
