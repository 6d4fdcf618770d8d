//! Section 2: `ofi.json`.

use crate::fair_price::touch;
use crate::shared::{assert_all_near, assert_near, cases, numbers, rows};
use remora_domain::{DurationNs, Timestamp};
use remora_estimators::{FlowWindows, StreamedLine, flow_increment, newey_west_line};

fn increments(quotes: &[Vec<f64>]) -> Vec<f64> {
    quotes.windows(2).map(|pair| flow_increment(&touch(&pair[0]), &touch(&pair[1]))).collect()
}

#[test]
fn increments_agree_with_the_oracle() {
    let Some((folder, cases_of_file)) = cases("ofi.json", "ofi_increments") else { return };
    for case in cases_of_file {
        let quotes: Vec<Vec<f64>> = rows(&folder, case["inputs"]["file"].as_str().unwrap())
            .iter()
            .take(case["expected"]["e"].as_array().unwrap().len() + 1)
            .map(|row| row[1..].to_vec())
            .collect();
        assert_all_near(&case, &increments(&quotes), &case["expected"]["e"]);
    }
    for case in cases("ofi.json", "ofi_small").unwrap().1 {
        let quotes = &case["inputs"]["quotes_bid_bidsz_ask_asksz"];
        let quotes: Vec<Vec<f64>> = quotes.as_array().unwrap().iter().map(numbers).collect();
        let e = increments(&quotes);
        assert_all_near(&case, &e, &case["expected"]["e"]);
        assert_near(&case, e.iter().sum(), &case["expected"]["ofi"]);
    }
}

#[test]
#[expect(clippy::as_conversions, reason = "a test reads whole milliseconds and small counts")]
fn the_regression_of_mid_changes_agrees_with_the_oracle() {
    let Some((folder, cases)) = cases("ofi.json", "ofi_regression") else { return };
    for case in cases {
        let (inputs, expected) = (&case["inputs"], &case["expected"]);
        let window = DurationNs::from_ms(inputs["window_ms"].as_i64().unwrap());
        let mut windows = FlowWindows::new(window, 0.01).unwrap();
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for row in rows(&folder, inputs["file"].as_str().unwrap()) {
            let now = Timestamp::from_ns(row[0] as i64 * 1_000_000);
            if let Some(closed) = windows.observe(now, &touch(&row[1..])) {
                x.push(closed.ofi);
                y.push(closed.mid_change_ticks);
            }
        }
        let lags = inputs["newey_west_lags"].as_u64().unwrap() as usize;
        let line = newey_west_line(&x, &y, lags).unwrap();
        assert_eq!(x.len() as u64, expected["n_windows"].as_u64().unwrap());
        assert_near(&case, line.slope, &expected["beta_ticks_per_unit"]);
        assert_near(&case, line.intercept, &expected["intercept"]);
        assert_near(&case, line.r2, &expected["r2"]);
        assert_near(&case, line.slope_se, &expected["nw_se_beta"]);
        assert_all_near(&case, &x[..5], &expected["ofi_first5"]);
        assert_all_near(&case, &y[..5], &expected["dmid_ticks_first5"]);
        let mut streamed = StreamedLine::new(1.0).unwrap();
        x.iter().zip(&y).for_each(|(x, y)| streamed.observe(*x, *y));
        assert_near(&case, streamed.line(3.0).unwrap().slope, &expected["beta_ticks_per_unit"]);
    }
}
