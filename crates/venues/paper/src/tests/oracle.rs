//! The scenarios of the shared oracle `backtest_scenarios.json` (fill rules of quant-methods, section 21).

use super::{Rig, approved, config, order};
use crate::{PaperConfig, QueueModel};
use remora_domain::{
    Bps, DurationNs, FeeSchedule, Liquidity, OrderRequest, Price, Qty, Side, TimeInForce,
    VenueReport,
};
use remora_testkit::{amount, asset, bps, cl_ord_id, instrument};
use remora_venue_api::{VenueCommand, VenueInput};
use rust_decimal::Decimal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

#[expect(clippy::disallowed_methods, reason = "tests find the shared folder by its variable")]
fn shared() -> PathBuf {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../shared"));
    std::env::var("REMORA_SHARED").map_or_else(|_| default(), PathBuf::from)
}

#[test]
fn the_shared_scenarios_are_reproduced() {
    let path = shared().join("spec/quant-oracles/backtest_scenarios.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        #[expect(clippy::print_stdout, reason = "says that the test had nothing to check")]
        {
            println!("skipped: {} is absent", path.display());
        }
        return;
    };
    let oracle: Value = serde_json::from_str(&text).unwrap();
    let cases = oracle["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 11);
    cases.iter().for_each(check);
}

fn decimal(value: &Value) -> Decimal {
    Decimal::from_str(&value.to_string()).unwrap()
}

fn ratio_bps(value: &Value) -> Bps {
    Bps::from_decimal(decimal(value) * Decimal::from(10_000)).unwrap()
}

fn side(value: &Value) -> Side {
    if value == "buy" || value == "bid" { Side::Buy } else { Side::Sell }
}

/// Levels as (price, quantity) text, best first.
type Texts = Vec<(String, String)>;

/// A book made of single changes of levels.
#[derive(Default)]
struct Levels {
    bids: BTreeMap<Decimal, Decimal>,
    asks: BTreeMap<Decimal, Decimal>,
}

impl Levels {
    fn change(&mut self, event: &Value) {
        let (price, size) = (decimal(&event["price"]), decimal(&event["qty"]));
        let levels = if event["side"] == "bid" { &mut self.bids } else { &mut self.asks };
        levels.insert(price, size);
        levels.retain(|_, size| !size.is_zero());
    }

    fn texts(&self) -> (Texts, Texts) {
        let text = |(price, size): (&Decimal, &Decimal)| (price.to_string(), size.to_string());
        (self.bids.iter().rev().map(text).collect(), self.asks.iter().map(text).collect())
    }
}

fn rig(case: &Value) -> Rig {
    let given = &case["inputs"]["config"];
    let queue_power = u32::try_from(given["queue_power"].as_u64().unwrap()).unwrap();
    let entry = DurationNs::from_ms(given["entry_ms"].as_i64().unwrap());
    let config = PaperConfig {
        order_latency: entry,
        cancel_latency: entry,
        response_latency: DurationNs::from_ms(given["feed_ms"].as_i64().unwrap()),
        fees: FeeSchedule {
            maker_bps: ratio_bps(&given["maker_fee"]),
            taker_bps: ratio_bps(&given["taker_fee"]),
        },
        queue_model: match given["queue_model"].as_str().unwrap() {
            "trade_only" => QueueModel::TradeOnly,
            "proportional" => QueueModel::Proportional,
            "power" => QueueModel::Power(queue_power),
            other => panic!("{other}"),
        },
        fee_decimals: 12,
        balances: [(asset("BTC"), amount("1000")), (asset("USD"), amount("1000000"))].into(),
        ..config()
    };
    assert_ne!(config.fees.maker_bps, bps("0"));
    let mut instrument = instrument("BTC", "USD");
    instrument.lot = Qty::parse("0.0000000001").unwrap();
    instrument.qty_decimals = 10;
    Rig::of(config, instrument)
}

fn play(rig: &mut Rig, events: &[Value], log: &[Value]) {
    let mut levels = Levels::default();
    let mut joins = log.iter().filter(|entry| entry["event"] == "resting").collect();
    for event in events {
        let ms = event["t"].as_i64().unwrap();
        let id = event["id"].as_str().unwrap_or_default();
        check_fronts(rig, ms, &mut joins);
        match event["type"].as_str().unwrap() {
            "book" => {
                levels.change(event);
                let (bids, asks) = levels.texts();
                fn borrow(all: &[(String, String)]) -> Vec<(&str, &str)> {
                    all.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect()
                }
                rig.book(ms, &borrow(&bids), &borrow(&asks));
            }
            "trade" => {
                let (price, size) = (decimal(&event["price"]), decimal(&event["qty"]));
                let taker = side(&event["aggressor"]);
                rig.trade(ms, taker, &price.to_string(), &size.to_string());
            }
            "cancel" => rig.cancel(ms, id),
            "submit" => {
                let is_ioc = event["ioc"] == true;
                let request = OrderRequest {
                    price: Price::from_decimal(decimal(&event["price"])).unwrap(),
                    qty: Qty::from_decimal(decimal(&event["qty"])).unwrap(),
                    is_post_only: event["post_only"] != false,
                    tif: if is_ioc { TimeInForce::Ioc } else { TimeInForce::Gtc },
                    ..order(id, side(&event["side"]), "1", "1")
                };
                let command = VenueCommand::Submit(approved(request));
                rig.input(ms, VenueInput::Command(command));
            }
            other => panic!("{other}"),
        }
    }
    check_fronts(rig, 10_000, &mut joins);
    rig.run(10_000);
}

/// Orders that joined their queue before `ms` stand where the log says; each is looked at as it joins.
fn check_fronts(rig: &mut Rig, ms: i64, log: &mut Vec<&Value>) {
    while let Some(entry) = log.first().filter(|entry| entry["t_exch"].as_i64().unwrap() < ms) {
        rig.run(entry["t_exch"].as_i64().unwrap());
        let front = rig.front(entry["id"].as_str().unwrap()).unwrap();
        assert_eq!(front.to_decimal(), decimal(&entry["queue_ahead"]), "{entry}");
        log.remove(0);
    }
}

fn check(case: &Value) {
    let name = case["id"].as_str().unwrap();
    let mut rig = rig(case);
    let log = case["expected"]["log"].as_array().unwrap();
    play(&mut rig, case["inputs"]["events"].as_array().unwrap(), log);
    let expected = case["expected"]["fills"].as_array().unwrap();
    let fills = rig.fills();
    assert_eq!(fills.len(), expected.len(), "{name}: {fills:?}");
    for ((known_at, id, fill), want) in fills.iter().zip(expected) {
        let near = |got: Decimal, want: &Value| {
            let off = (got - decimal(want)).abs();
            assert!(off <= Decimal::new(1, 9), "{name}: {got} is not {want}");
        };
        assert_eq!(*id, cl_ord_id(want["id"].as_str().unwrap()), "{name}");
        assert_eq!(*known_at, want["t_known"].as_i64().unwrap(), "{name}");
        near(fill.last_px.to_decimal(), &want["price"]);
        near(fill.last_qty.to_decimal(), &want["qty"]);
        near(fill.fee.amount.to_decimal(), &want["fee"]);
        let liquidity =
            if want["liquidity"] == "maker" { Liquidity::Maker } else { Liquidity::Taker };
        assert_eq!(fill.liquidity, liquidity, "{name}");
    }
    for entry in log {
        check_logged(name, &rig, entry);
    }
}

fn check_logged(name: &str, rig: &Rig, entry: &Value) {
    let id = cl_ord_id(entry["id"].as_str().unwrap());
    let at = remora_testkit::at_ms(entry["t_exch"].as_i64().unwrap());
    let wanted = entry["event"].as_str().unwrap();
    let is_it = |report: &VenueReport| match (wanted, report) {
        ("resting", VenueReport::Accepted { cl_ord_id, venue_time, .. })
        | ("cancelled", VenueReport::Cancelled { cl_ord_id, venue_time, .. })
        | ("cancel_too_late", VenueReport::CancelRejected { cl_ord_id, venue_time, .. })
        | ("rejected_post_only", VenueReport::Rejected { cl_ord_id, venue_time, .. }) => {
            *cl_ord_id == id && *venue_time == at
        }
        (_, _) => false,
    };
    assert!(rig.heard.iter().any(|(_, report)| is_it(report)), "{name}: no {entry}");
}
