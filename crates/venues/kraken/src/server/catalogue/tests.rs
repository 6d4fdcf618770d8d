//! Tests of the five spellings of pairs and assets.

use super::*;
use crate::server::settings::DeskSettings;
use crate::server::synthetic;
use remora_domain::SettingCheck;
use remora_matching::Exchange;

fn built(settings: &DeskSettings) -> (Catalogue, Vec<String>) {
    let mut check = SettingCheck::new("desk");
    let catalogue = build(settings, &mut Exchange::new(), &mut check);
    let problems = check.finish::<()>(None).unwrap_err();
    (catalogue, problems.into_iter().map(|problem| problem.key).collect())
}

#[test]
fn every_spelling_of_a_pair_leads_to_it() {
    let (catalogue, problems) = built(&synthetic::settings(1));
    assert_eq!(problems, [""; 0]);
    for (names, symbol) in [
        (["XXBTZUSD", "XBTUSD", "XBT/USD", "BTC/USD", "BTCUSD"], "BTC/USD"),
        (["XDGUSD", "XDGUSD", "XDG/USD", "DOGE/USD", "DOGEUSD"], "DOGE/USD"),
        (["XTZUSD", "XTZUSD", "XTZ/USD", "XTZ/USD", "XTZUSD"], "XTZ/USD"),
        (["USDTZUSD", "USDTUSD", "USDT/USD", "USDT/USD", "USDTUSD"], "USDT/USD"),
    ] {
        for name in names {
            let pair = catalogue.find_pair(name).unwrap();
            assert_eq!(&*pair.symbol, symbol, "{name}");
        }
    }
    for name in ["", "XBT", "XBTUSDX", "xbt/usd", "/", "XXBT/ZUSD"] {
        assert!(catalogue.find_pair(name).is_none(), "{name}");
    }
    assert!(catalogue.find_symbol("BTC/USD").is_some());
    assert!(catalogue.find_symbol("XBT/USD").is_none());
    for (name, id) in [("XBT", "XXBT"), ("BTC", "XXBT"), ("XXDG", "XXDG"), ("DOGE", "XXDG")] {
        assert_eq!(&*catalogue.find_asset(name).unwrap().id, id);
    }
    assert!(catalogue.find_asset("TZ").is_none(), "prefixes are never stripped");
}

#[test]
fn numbers_are_written_with_the_decimals_of_their_pair() {
    let (catalogue, _) = built(&synthetic::settings(1));
    let pair = catalogue.find_pair("XBTUSD").unwrap();
    assert_eq!(pair.price(Ticks::new(610_000)).to_string(), "61000.0");
    assert_eq!(pair.qty(Lots::new(5_000_000)).to_string(), "0.05000000");
    let usd = catalogue.asset(pair.quote).unwrap();
    assert_eq!((pair.cost_decimals, pair.cost_unit_decimals, usd.decimals), (5, 4, 4));
    assert_eq!(pair.cost(15_250).to_string(), "1.52500");
    assert_eq!(usd.amount(102_504_400).to_string(), "10250.4400");
}

#[test]
fn all_that_is_wrong_with_the_settings_is_told_at_once() {
    let mut settings = synthetic::settings(1);
    settings.pairs[0].tick_size = Decimal::ZERO;
    settings.pairs[1].base = "NONE".to_owned();
    settings.pairs[2].fee_schedule = "none".to_owned();
    settings.pairs[3].symbol = "NOSLASH".to_owned();
    settings.pairs[4].qty_min = Decimal::new(1, 20);
    settings.assets[0].decimals = 40;
    settings.fee_schedules[0].tiers[0].volume_usd = Decimal::ONE;
    let keys = |index: usize, field: &str| {
        format!("desk.pairs.{}{field}", synthetic::settings(1).pairs[index].id)
    };
    let (_, problems) = built(&settings);
    for key in [
        keys(0, ".tick_size"),
        keys(1, ".base"),
        keys(2, ".fee_schedule"),
        keys(3, ""),
        keys(4, ".qty_min"),
        format!("desk.assets.{}.decimals", settings.assets[0].id),
        format!("desk.fee_schedules.{}", settings.fee_schedules[0].name),
    ] {
        assert!(problems.contains(&key), "{key} in {problems:?}");
    }
}

#[test]
fn units_are_exact_or_nothing() {
    for (text, decimals, want) in [
        ("0.1", 1, Some(1)),
        ("0.100", 1, Some(1)),
        ("0.11", 1, None),
        ("-2", 4, Some(-20_000)),
        ("79228162514264337593543950335", 0, Some(79_228_162_514_264_337_593_543_950_335)),
        ("79228162514264337593543950335", 18, None),
    ] {
        assert_eq!(units(text.parse().unwrap(), decimals), want, "{text}");
    }
}
