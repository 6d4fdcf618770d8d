//! Section 10: `basis.json`.

use crate::shared::{assert_near, cases};
use remora_estimators::{
    Carry, CashAndCarry, LegCosts, basis_bps, funding_cash, funding_per_year, implied_carry,
};
use serde_json::Value;

fn carry(inputs: &Value) -> Carry {
    let input = |key: &str| inputs[key].as_f64().unwrap();
    Carry { interest: input("r"), yield_rate: input("y"), years: input("T_years") }
}

#[test]
fn carry_and_the_band_agree_with_the_oracle() {
    let Some((_, carries)) = cases("basis.json", "carry") else { return };
    for case in carries {
        let input = |key: &str| case["inputs"][key].as_f64().unwrap();
        let (spot, future) = (input("spot"), input("future"));
        let fair = carry(&case["inputs"]).fair_future(spot).unwrap();
        assert_near(&case, fair, &case["expected"]["fair"]);
        assert_near(&case, basis_bps(spot, future).unwrap(), &case["expected"]["basis_bps"]);
        let implied = implied_carry(spot, future, input("T_years")).unwrap();
        assert_near(&case, implied, &case["expected"]["implied_carry"]);
    }
    for case in cases("basis.json", "no_arbitrage_band").unwrap().1 {
        let input = |key: &str| case["inputs"][key].as_f64().unwrap();
        let costs = LegCosts {
            buy_spot: input("cost_buy_spot"),
            sell_spot: input("cost_sell_spot"),
            buy_future: input("cost_buy_future"),
            sell_future: input("cost_sell_future"),
        };
        let band = carry(&case["inputs"]).no_arbitrage_band(input("spot"), &costs).unwrap();
        assert_near(&case, band.0, &case["expected"]["lower"]);
        assert_near(&case, band.1, &case["expected"]["upper"]);
    }
}

#[test]
fn funding_and_cash_and_carry_agree_with_the_oracle() {
    let Some((_, fundings)) = cases("basis.json", "funding") else { return };
    for case in fundings {
        let input = |key: &str| case["inputs"][key].as_f64().unwrap();
        let rate = input("rate_per_interval");
        let cash = funding_cash(input("position_units"), input("mark"), rate).unwrap();
        assert_near(&case, cash, &case["expected"]["cash_per_interval"]);
        let yearly = funding_per_year(rate, input("intervals_per_day")).unwrap();
        assert_near(&case, yearly, &case["expected"]["simple_apr"]);
    }
    for case in cases("basis.json", "cash_and_carry").unwrap().1 {
        let input = |key: &str| case["inputs"][key].as_f64().unwrap();
        let trade = CashAndCarry {
            spot: input("spot"),
            future: input("future"),
            days: input("days"),
            fee_spot: input("fee_spot"),
            fee_future: input("fee_future"),
            half_spread_bps: input("half_spread_bps"),
            borrow_per_year: input("borrow_apr"),
        };
        let got = trade.returns().unwrap();
        assert_near(&case, got.gross, &case["expected"]["gross"]);
        assert_near(&case, got.cost, &case["expected"]["cost"]);
        assert_near(&case, got.net, &case["expected"]["net"]);
        assert_near(&case, got.net_per_year, &case["expected"]["net_apr"]);
    }
}
