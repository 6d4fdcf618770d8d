//! The public calls. Private ones are refused as the venue refuses strangers.

use super::Server;
use super::market::{Market, Minute, TRADES_MAX, absolute};
use super::text::{decimal, float, instant, ms, uid};
use super::ws::{place, tag, word};
use remora_domain::{DurationNs, Side, Timestamp};
use remora_venue_api::server::HttpCall;
use rust_decimal::Decimal;

/// Levels a side of the book that are given out.
const LEVELS_MAX: usize = 10_000;
/// Bars of one answer of the charts service.
const BARS_MAX: usize = 5_000;
/// The venue's bars: name and minutes.
const RESOLUTIONS: [(&str, i64); 9] = [
    ("1m", 1),
    ("5m", 5),
    ("15m", 15),
    ("30m", 30),
    ("1h", 60),
    ("4h", 240),
    ("12h", 720),
    ("1d", 1_440),
    ("1w", 10_080),
];
const KINDS: [&str; 3] = ["spot", "mark", "trade"];

/// What a private call without a key is answered.
const PRIVATE: [&str; 21] = [
    "sendorder",
    "editorder",
    "cancelorder",
    "cancelallorders",
    "cancelallordersafter",
    "batchorder",
    "openorders",
    "openpositions",
    "fills",
    "accounts",
    "transfer",
    "withdrawal",
    "leveragepreferences",
    "pnlpreferences",
    "notifications",
    "unwindqueue",
    "subaccounts",
    "transfers",
    "self-trade-strategy",
    "orders",
    "assignmentprogram",
];

/// Answers a call: status and body.
pub(super) fn answer(server: &Server, now: Timestamp, request: &HttpCall) -> (u16, String) {
    let path: Vec<&str> = request.path.trim_matches('/').split('/').collect();
    let query = Query(&request.query);
    match path.as_slice() {
        ["derivatives", "api", "v3", rest @ ..] => derivatives(server, now, request, (rest, query)),
        ["derivatives", "api", "v4", "historicalfundingrates"] => funding(server, now, query),
        ["api", "charts", "v1", rest @ ..] => charts(server, rest, query),
        ["api", "history", "v2" | "v3", "market", symbol, "executions"] => {
            executions(server, symbol)
        }
        _ => not_found(),
    }
}

fn derivatives(
    server: &Server,
    now: Timestamp,
    request: &HttpCall,
    (path, query): (&[&str], Query<'_>),
) -> (u16, String) {
    if let Some(first) = path.first()
        && PRIVATE.contains(&first.to_ascii_lowercase().as_str())
    {
        return error(now, "authenticationError");
    }
    if request.method != "GET" {
        return not_found();
    }
    let symbol = query.get("symbol").and_then(|symbol| server.find(&symbol));
    match path {
        ["instruments"] => listed(server, now, "instruments", definition),
        ["instruments", "status"] => listed(server, now, "instrumentStatus", state),
        ["instruments", symbol, "status"] => match server.find(symbol) {
            Some(market) => success(now, state(server, now, market).trim_matches(['{', '}'])),
            None => error(now, "contractNotFound"),
        },
        ["tickers"] => listed(server, now, "tickers", ticker),
        ["tickers", symbol] => match server.find(symbol) {
            Some(market) => success(now, &format!(r#""ticker":{}"#, ticker(server, now, market))),
            None => error(now, "contractNotFound"),
        },
        ["orderbook"] => match symbol {
            Some(market) => success(now, &format!(r#""orderBook":{}"#, book(server, market))),
            None => error(now, "invalidArgument: symbol"),
        },
        ["history"] => match symbol {
            Some(market) => success(now, &format!(r#""history":[{}]"#, history(market))),
            None => error(now, "invalidArgument: symbol"),
        },
        ["historical-funding-rates"] => funding(server, now, query),
        ["feeschedules"] => success(now, r#""feeSchedules":[]"#),
        _ => not_found(),
    }
}

/// Is the part of an address behind the question mark.
#[derive(Clone, Copy)]
struct Query<'a>(&'a str);

impl Query<'_> {
    fn get(self, name: &str) -> Option<String> {
        let mut pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        // Symbols and numbers need no escapes.
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    }

    fn seconds(self, name: &str) -> Option<Timestamp> {
        let seconds: i64 = self.get(name)?.parse().ok()?;
        Some(Timestamp::from_ns(seconds.checked_mul(1_000_000_000)?))
    }
}

fn not_found() -> (u16, String) {
    (404, r#"{"result":"error","error":"notFound"}"#.to_owned())
}

fn success(now: Timestamp, fields: &str) -> (u16, String) {
    (200, format!(r#"{{"result":"success",{fields},"serverTime":"{}"}}"#, instant(now)))
}

fn error(now: Timestamp, code: &str) -> (u16, String) {
    let time = instant(now);
    let body = format!(
        r#"{{"result":"error","errors":["{code}"],"error":"{code}","serverTime":"{time}"}}"#
    );
    (200, body)
}

fn listed(
    server: &Server,
    now: Timestamp,
    name: &str,
    row: fn(&Server, Timestamp, &Market) -> String,
) -> (u16, String) {
    let rows: Vec<String> = server.markets.iter().map(|market| row(server, now, market)).collect();
    success(now, &format!(r#""{name}":[{}]"#, rows.join(",")))
}

fn definition(_: &Server, _: Timestamp, market: &Market) -> String {
    let product = &market.product;
    let tick = decimal(market.price(product.tick));
    let kind = if product.is_inverse { "futures_inverse" } else { "flexible_futures" };
    let of_inverse = r#""contracts":0"#;
    let level = if product.is_inverse { of_inverse } else { r#""numNonContractUnits":0.0"# };
    let end = product.maturity.map(|end| format!(r#""lastTradingTime":"{}","#, instant(end)));
    let funding = if product.maturity.is_none() {
        r#""fundingRateCoefficient":24,"maxRelativeFundingRate":0.0025,"#
    } else {
        ""
    };
    format!(
        r#"{{"symbol":"{symbol}","type":"{kind}",{end}{funding}"tickSize":{tick},"contractSize":1,"tradeable":true,"postOnly":false,"isExpired":false,"contractValueTradePrecision":{precision},"impactMidSize":1.0,"maxPositionSize":1000000.0,"marginLevels":[{{{level},"initialMargin":0.02,"maintenanceMargin":0.01}}],"base":"{base}","quote":"USD","pair":"{base}:USD","category":"Synthetic","tags":[],"mtf":false}}"#,
        symbol = product.symbol,
        end = end.unwrap_or_default(),
        precision = product.precision,
        base = product.base,
    )
}

fn state(_: &Server, _: Timestamp, market: &Market) -> String {
    let symbol = &market.product.symbol;
    format!(
        r#"{{"tradeable":"{symbol}","experiencingDislocation":false,"priceDislocationDirection":null,"experiencingExtremeVolatility":false,"extremeVolatilityInitialMarginMultiplier":1}}"#
    )
}

fn ticker(server: &Server, now: Timestamp, market: &Market) -> String {
    let product = &market.product;
    let price = |ticks: remora_domain::Ticks| float(ticks.get(), product.price_decimals);
    let qty = |lots: i64| float(lots, product.qty_decimals());
    let mut fields = vec![
        format!(r#""symbol":"{}""#, product.symbol),
        format!(r#""tag":"{}""#, tag(market)),
        format!(r#""pair":"{}:USD""#, product.base),
        r#""suspended":false,"postOnly":false"#.to_owned(),
        format!(r#""openInterest":{}"#, qty(market.open_interest)),
    ];
    let mut tell = |name: &str, value: Option<String>| {
        fields.extend(value.map(|value| format!(r#""{name}":{value}"#)));
    };
    for (side, at, size) in [(Side::Buy, "bid", "bidSize"), (Side::Sell, "ask", "askSize")] {
        let best = server.exchange.best(market.ix, side);
        tell(at, best.map(|(ticks, _)| price(ticks)));
        tell(size, best.map(|(_, lots)| qty(lots.get())));
    }
    if let Some(last) = market.trades.back() {
        tell("last", Some(price(last.price)));
        tell("lastTime", Some(format!(r#""{}""#, instant(last.time))));
        tell("lastSize", Some(qty(last.qty.get())));
    }
    tell("markPrice", market.mark(&server.exchange).map(decimal));
    tell("indexPrice", market.index.map(decimal));
    let day = market.traded.day(now);
    tell("vol24h", Some(qty(day.map_or(0, |day| day.volume))));
    tell("open24h", day.map(|day| decimal(day.open)));
    tell("high24h", day.map(|day| decimal(day.high)));
    tell("low24h", day.map(|day| decimal(day.low)));
    if let (Some(funding), Some(index)) = (&market.funding, market.index) {
        tell("fundingRate", Some(decimal(absolute(product, funding.rate, index))));
        let next = absolute(product, funding.predicted(), index);
        tell("fundingRatePrediction", Some(decimal(next)));
    }
    format!("{{{}}}", fields.join(","))
}

fn book(server: &Server, market: &Market) -> String {
    let product = &market.product;
    let side = |side: Side| {
        let levels = server.exchange.levels(market.ix, side, LEVELS_MAX).map(|(price, qty)| {
            let price = float(price.get(), product.price_decimals);
            format!("[{price},{}]", float(qty.get(), product.qty_decimals()))
        });
        levels.collect::<Vec<String>>().join(",")
    };
    format!(r#"{{"bids":[{}],"asks":[{}]}}"#, side(Side::Buy), side(Side::Sell))
}

fn history(market: &Market) -> String {
    let product = &market.product;
    let row = |trade: &super::market::Trade| {
        format!(
            r#"{{"time":"{}","trade_id":{},"price":{},"size":{},"side":"{}","type":"fill","uid":"{}"}}"#,
            instant(trade.time),
            trade.seq,
            float(trade.price.get(), product.price_decimals),
            float(trade.qty.get(), product.qty_decimals()),
            word(trade.side),
            uid(place(market), trade.seq),
        )
    };
    market.trades.iter().rev().take(TRADES_MAX).map(row).collect::<Vec<_>>().join(",")
}

fn funding(server: &Server, now: Timestamp, query: Query<'_>) -> (u16, String) {
    let Some(market) = query.get("symbol").and_then(|symbol| server.find(&symbol)) else {
        return error(now, "invalidArgument: symbol");
    };
    let row = |&(time, rate, index): &(Timestamp, Decimal, Decimal)| {
        format!(
            r#"{{"timestamp":"{}","fundingRate":{},"relativeFundingRate":{}}}"#,
            instant(time),
            decimal(absolute(&market.product, rate, index)),
            decimal(rate),
        )
    };
    let past = market.funding.iter().flat_map(|funding| &funding.past).map(row);
    success(now, &format!(r#""rates":[{}]"#, past.collect::<Vec<_>>().join(",")))
}

fn charts(server: &Server, path: &[&str], query: Query<'_>) -> (u16, String) {
    let quoted = |names: Vec<&str>| {
        let names: Vec<String> = names.iter().map(|name| format!(r#""{name}""#)).collect();
        (200, format!("[{}]", names.join(",")))
    };
    let symbols = || server.markets.iter().map(|market| &*market.product.symbol).collect();
    let lengths = || RESOLUTIONS.iter().map(|(name, _)| *name).collect();
    match path {
        [] | [""] => quoted(KINDS.to_vec()),
        [kind] if KINDS.contains(kind) => quoted(symbols()),
        [kind, symbol] if KINDS.contains(kind) && server.find(symbol).is_some() => {
            quoted(lengths())
        }
        [kind, symbol, length] => {
            let length = RESOLUTIONS.iter().find(|(name, _)| name == length);
            match (server.find(symbol), length) {
                (Some(market), Some((_, minutes))) => bars(market, kind, *minutes, query),
                (None, _) | (_, None) => not_found(),
            }
        }
        _ => not_found(),
    }
}

fn bars(market: &Market, kind: &str, minutes: i64, query: Query<'_>) -> (u16, String) {
    let source = match kind {
        "trade" => &market.traded,
        "mark" => &market.marked,
        "spot" => &market.indexed,
        _ => return not_found(),
    };
    let (from, to) = (query.seconds("from"), query.seconds("to"));
    let count = query.get("count").and_then(|count| count.parse().ok());
    let count = count.unwrap_or(BARS_MAX).min(BARS_MAX);
    let is_asked = |bar: &Minute| {
        from.is_none_or(|from| bar.begin >= from) && to.is_none_or(|to| bar.begin <= to)
    };
    let mut all: Vec<Minute> = source.bars(DurationNs::from_s(minutes.saturating_mul(60)));
    all.retain(is_asked);
    let has_more = all.len() > count;
    // From an instant on the oldest come first; without one the newest are wanted.
    let skipped = if from.is_some() { 0 } else { all.len().saturating_sub(count) };
    let decimals = market.product.qty_decimals();
    let row = |bar: &Minute| {
        let short = |price: Decimal| price.normalize();
        format!(
            r#"{{"time":{},"open":"{}","high":"{}","low":"{}","close":"{}","volume":"{}"}}"#,
            ms(bar.begin),
            short(bar.open),
            short(bar.high),
            short(bar.low),
            short(bar.close),
            Decimal::new(bar.volume, decimals).normalize(),
        )
    };
    let rows: Vec<String> = all.iter().skip(skipped).take(count).map(row).collect();
    (200, format!(r#"{{"candles":[{}],"more_candles":{has_more}}}"#, rows.join(",")))
}

fn executions(server: &Server, symbol: &str) -> (u16, String) {
    let Some(market) = server.find(symbol) else { return not_found() };
    let product = &market.product;
    let row = |trade: &super::market::Trade| {
        let id = uid(place(market), trade.seq);
        let direction = match trade.side {
            Side::Buy => "Buy",
            Side::Sell => "Sell",
        };
        format!(
            r#"{{"uid":"{id}","timestamp":{time},"event":{{"Execution":{{"execution":{{"uid":"{id}","takerOrder":{{"tradeable":"{symbol}","direction":"{direction}"}},"timestamp":{time},"quantity":"{qty}","price":"{price}"}}}}}}}}"#,
            time = ms(trade.time),
            symbol = product.symbol,
            qty = Decimal::new(trade.qty.get(), product.qty_decimals()).normalize(),
            price = market.price(trade.price).normalize(),
        )
    };
    let rows: Vec<String> = market.trades.iter().rev().map(row).collect();
    (200, format!(r#"{{"elements":[{}],"len":{}}}"#, rows.join(","), rows.len()))
}
