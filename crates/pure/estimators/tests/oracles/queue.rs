//! Section 8: `queue.json`, and the tables of the paper in `published.json`.

use crate::shared::{assert_near, cases};
use remora_estimators::{
    CancelModel, NotReady, QueuePosition, QueueRace, QueueRates, both_filled, fill_first,
    filled_by_markets, up_first_balanced,
};
use serde_json::{Value, json};

/// Compares a table of queues from one order on with what is computed, within `bound`.
fn check_table(chance: impl Fn(usize, usize) -> Result<f64, NotReady>, table: &Value, bound: f64) {
    let rows = table.as_array().unwrap();
    assert!(!rows.is_empty());
    for (row, values) in (1..).zip(rows) {
        for (column, want) in (1..).zip(values.as_array().unwrap()) {
            let (got, want) = (chance(row, column).unwrap(), want.as_f64().unwrap());
            assert!((got - want).abs() <= bound, "({row}, {column}): {got}, want {want}");
        }
    }
}

#[test]
fn races_of_queues_agree_with_the_oracle() {
    let Some((folder, races)) = cases("queue.json", "cont_stoikov_talreja") else { return };
    for case in races {
        let input = |key: &str| case["inputs"][key].as_f64().unwrap();
        let rates =
            QueueRates { arrivals: input("lam"), markets: input("mu"), cancels: input("theta") };
        let (expected, bound) = (&case["expected"], case["tolerance"]["abs"].as_f64().unwrap());
        let race = QueueRace::solve(&rates).unwrap();
        let up = &expected["p_mid_up_rows_bid_cols_ask"];
        check_table(|bid, ask| race.up_first(bid, ask), up, bound);
        let fills = &expected["p_fill_before_move_rows_own_position_cols_ask"];
        check_table(|own, ask| fill_first(&rates, own, ask), fills, bound);
        let spreads = &expected["p_make_spread_rows_bid_cols_ask"];
        check_table(|bid, ask| both_filled(&rates, bid, ask), spreads, bound);
    }
    let text = std::fs::read_to_string(folder.join("published.json")).unwrap();
    let published: Value = serde_json::from_str(&text).unwrap();
    let item = |id: &str| {
        let items = published["items"].as_array().unwrap();
        items.iter().find(|item| item["id"] == id).unwrap().clone()
    };
    let terms = item("cont_stoikov_talreja_2010_table_2");
    let rate = |value: &Value| value.as_f64().unwrap();
    let rates = QueueRates {
        arrivals: rate(&terms["lambda_1_to_5"][0]),
        markets: rate(&terms["mu"]),
        cancels: rate(&terms["theta_1_to_5"][0]),
    };
    let race = QueueRace::solve(&rates).unwrap();
    let up = item("cont_stoikov_talreja_2010_table_3");
    check_table(|bid, ask| race.up_first(bid, ask), &up["values"], rate(&up["tolerance_abs"]));
    let spread = item("cont_stoikov_talreja_2010_table_5");
    let bound = rate(&spread["tolerance_abs"]);
    check_table(|bid, ask| both_filled(&rates, bid, ask), &spread["values"], bound);
}

#[test]
fn balanced_queues_and_market_orders_alone_agree_with_the_oracle() {
    let Some((_, balanced)) = cases("queue.json", "cont_de_larrard") else { return };
    for case in balanced {
        let bound = case["tolerance"]["abs"].as_f64().unwrap();
        for (sizes, want) in case["expected"].as_object().unwrap() {
            let (bid, ask) = sizes.split_once(',').unwrap();
            let got = up_first_balanced(bid.parse().unwrap(), ask.parse().unwrap()).unwrap();
            assert!((got - want.as_f64().unwrap()).abs() <= bound, "{sizes}: {got} {want}");
        }
    }
    for mut case in cases("queue.json", "poisson_fill_probability").unwrap().1 {
        let input = |key: &str| case["inputs"][key].clone();
        let rate = input("unit_market_orders_per_s").as_f64().unwrap();
        let ahead = u32::try_from(input("queue_ahead_units").as_u64().unwrap()).unwrap();
        let got = filled_by_markets(rate, ahead, input("horizon_s").as_f64().unwrap()).unwrap();
        case["tolerance"]["rel"] = json!(0.0);
        assert_near(&case, got, &case["expected"]["p_fill"]);
    }
}

#[test]
fn places_in_a_queue_agree_with_the_oracle() {
    let Some((_, queues)) = cases("queue.json", "queue_position") else { return };
    for case in queues {
        let input = |key: &str| case["inputs"][key].as_f64().unwrap();
        let model = match case["inputs"]["model"].as_str().unwrap() {
            "trade_only" => CancelModel::TradeOnly,
            "proportional" => CancelModel::Proportional,
            "power" => CancelModel::Power(input("power")),
            other => panic!("model {other}"),
        };
        let mut queue =
            QueuePosition::new(model, input("displayed_at_ack"), input("own_qty")).unwrap();
        let mut filled = 0.0;
        for row in case["expected"]["kind_value_front_fill_cumfill"].as_array().unwrap() {
            let value = row[1].as_f64().unwrap();
            let fill = match row[0].as_str().unwrap() {
                "trade" => queue.on_trade(value).unwrap(),
                "level" => {
                    queue.on_level(value).unwrap();
                    0.0
                }
                other => panic!("event {other}"),
            };
            filled += fill;
            assert_near(&case, queue.front(), &row[2]);
            assert_near(&case, fill, &row[3]);
            assert_near(&case, filled, &row[4]);
        }
    }
}
