//! One good call of every route; however it is spoilt, the answer is an envelope with the venue's own errors.

use super::hostile::{VALUES, check};
use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A good call of every route. `OPEN` is an open order, `TRADE` a trade, `LEDGER` an entry.
const GOOD: [(&str, &str); 33] = [
    ("Time", ""),
    ("SystemStatus", ""),
    ("Assets", "asset=XBT,ZUSD&aclass=currency"),
    ("AssetPairs", "pair=XBTUSD,ADAEUR&info=info"),
    ("Ticker", "pair=XBTUSD"),
    ("OHLC", "pair=XBTUSD&interval=5&since=0"),
    ("Depth", "pair=XBTUSD&count=10"),
    ("GroupedBook", "pair=XBTUSD&depth=10&grouping=10"),
    ("Trades", "pair=XBTUSD&count=5&since=0"),
    ("Spread", "pair=XBTUSD&since=0"),
    ("Balance", ""),
    ("BalanceEx", ""),
    ("TradeBalance", "asset=ZUSD"),
    ("TradeVolume", "pair=XBTUSD"),
    ("GetApiKeyInfo", ""),
    ("GetWebSocketsToken", ""),
    ("OpenOrders", "trades=true&userref=7"),
    ("ClosedOrders", "trades=true&ofs=0&closetime=both"),
    ("QueryOrders", "txid=OPEN&trades=true"),
    ("OrderAmends", "order_id=OPEN"),
    ("OpenPositions", ""),
    ("TradesHistory", "type=all&ofs=0&trades=true"),
    ("QueryTrades", "txid=TRADE&trades=true"),
    ("Ledgers", "asset=ZUSD&type=all&ofs=0"),
    ("QueryLedgers", "id=LEDGER&trades=true"),
    (
        "AddOrder",
        "pair=XBTUSD&type=buy&ordertype=limit&volume=0.01&price=50000&oflags=post&timeinforce=GTD&expiretm=%2B60&userref=9",
    ),
    (
        "AddOrderBatch",
        "pair=XBTUSD&orders[0][type]=buy&orders[0][ordertype]=limit&orders[0][volume]=0.01&orders[0][price]=50000\
         &orders[1][type]=buy&orders[1][ordertype]=limit&orders[1][volume]=0.02&orders[1][price]=49000",
    ),
    ("AmendOrder", "txid=OPEN&order_qty=0.4&limit_price=61000.5"),
    ("EditOrder", "pair=XBTUSD&txid=OPEN&volume=0.4&price=61001"),
    ("CancelOrder", "txid=OPEN"),
    ("CancelOrderBatch", "orders[0]=OPEN"),
    ("CancelAll", ""),
    ("CancelAllOrdersAfter", "timeout=60"),
];

/// Is a venue with an open order that has traded.
struct Busy {
    venue: Venue,
    open: String,
    trade: String,
    ledger: String,
}

impl Busy {
    fn new() -> Self {
        let mut venue = Venue::new();
        venue.level(Side::Buy, 609_000, 100_000_000);
        venue.level(Side::Sell, 611_000, 100_000_000);
        let open = venue.place("pair=XBTUSD&type=sell&ordertype=limit&volume=0.5&price=61000");
        venue.take(Side::Buy, 610_000, 10_000_000);
        let first = |found: Value| found.as_object().unwrap().keys().next().unwrap().clone();
        let trade = first(venue.ok("TradesHistory", "")["trades"].take());
        let ledger = first(venue.ok("Ledgers", "")["ledger"].take());
        Self { venue, open, trade, ledger }
    }

    fn form(&self, text: &str) -> String {
        let text = text.replace("OPEN", &self.open).replace("TRADE", &self.trade);
        text.replace("LEDGER", &self.ledger)
    }

    /// Makes a call; a public one has its form as its query.
    fn call(&mut self, name: &str, form: &str) -> String {
        let form = self.form(form);
        if routes().any(|(path, known)| known == name && path == "/0/public/") {
            let query = format!("{name}?{form}");
            self.venue.get(query.trim_end_matches('?'))
        } else {
            self.venue.post(name, &form)
        }
    }
}

#[test]
fn there_is_a_good_call_of_every_route() {
    let good: BTreeSet<&str> = GOOD.iter().map(|(name, _)| *name).collect();
    assert_eq!(good, routes().map(|(_, name)| name).collect());
    for (name, form) in GOOD {
        let body = Busy::new().call(name, form);
        let envelope: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(envelope["error"], serde_json::json!([]), "{name}: {body}");
    }
}

/// Says how a field is spoilt.
#[derive(Clone, Debug)]
enum Spoil {
    Drop,
    Double,
    Value(String),
    Name(String),
    Byte(u8),
}

fn spoil() -> impl Strategy<Value = Spoil> {
    prop_oneof![
        Just(Spoil::Drop),
        Just(Spoil::Double),
        prop::sample::select(&VALUES[..]).prop_map(|value| Spoil::Value(value.to_owned())),
        "\\PC{0,20}".prop_map(Spoil::Value),
        "[a-z_\\[\\]0-9]{0,12}".prop_map(Spoil::Name),
        any::<u8>().prop_map(Spoil::Byte),
    ]
}

fn spoilt(form: &str, at: prop::sample::Index, spoil: &Spoil) -> String {
    let mut fields: Vec<String> = form.split('&').map(str::to_owned).collect();
    let at = at.index(fields.len());
    let (name, value) = fields[at].split_once('=').unwrap_or((&fields[at], ""));
    match spoil {
        Spoil::Drop => drop(fields.remove(at)),
        Spoil::Double => fields.push(fields[at].clone()),
        Spoil::Value(value) => fields[at] = format!("{name}={}", value.replace('+', "%2B")),
        Spoil::Name(name) => fields[at] = format!("{name}={value}"),
        Spoil::Byte(byte) => fields[at] = format!("{name}={value}%{byte:02x}"),
    }
    fields.join("&")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_spoilt_call_of_any_route_gets_the_venues_own_errors(
        spoils in prop::collection::vec((any::<prop::sample::Index>(), spoil()), 1..4)
    ) {
        for (name, form) in GOOD {
            let form = spoils.iter().fold(form.to_owned(), |form, (at, how)| spoilt(&form, *at, how));
            check(&Busy::new().call(name, &form));
        }
    }

    #[test]
    fn any_body_of_any_route_gets_the_venues_own_errors(
        body in prop::collection::vec(any::<u8>(), 0..60), is_json: bool, is_signed: bool
    ) {
        for (path, name) in routes() {
            let mut busy = Busy::new();
            let path = format!("{path}{name}");
            let kind = if is_json { "application/json" } else { "application/x-www-form-urlencoded" };
            let mut call = request("POST", &path, "", kind);
            let nonce = format!("nonce={}&", busy.venue.nonce + 1).into_bytes();
            call.body = [nonce, body.clone()].concat();
            call.api_key = Some(KEY.to_owned());
            let nonce = (busy.venue.nonce + 1).to_string();
            call.api_sign = is_signed.then(|| signature(&path, &nonce, &call.body));
            check(&busy.venue.call(&call));
        }
    }
}
