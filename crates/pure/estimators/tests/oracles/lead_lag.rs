//! Section 9: `leadlag.json`.

use crate::shared::{assert_near, cases, rows};
use remora_domain::{DurationNs, Timestamp};
use remora_estimators::{LagGrid, TickSeries, lead_lag, price_discovery};
use std::path::Path;

#[expect(clippy::as_conversions, reason = "a test reads whole milliseconds")]
fn series(folder: &Path, file: &str, name: &str) -> TickSeries {
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    let ticks = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    let tick = |cells: Vec<&str>| {
        let (ms, price): (f64, f64) = (cells[1].parse().unwrap(), cells[2].parse().unwrap());
        (Timestamp::from_ns(ms as i64 * 1_000_000), libm::log(price))
    };
    TickSeries::new(ticks.filter(|cells| cells[0] == name).map(tick)).unwrap()
}

#[test]
fn leads_agree_with_the_oracle() {
    let Some((folder, cases)) = cases("leadlag.json", "hayashi_yoshida_leadlag") else { return };
    for case in cases {
        let file = case["inputs"]["file"].as_str().unwrap();
        let (x, y) = (series(&folder, file, "X"), series(&folder, file, "Y"));
        assert_eq!(case["inputs"]["grid_ms"], "-1000..1000 step 20");
        let grid = LagGrid::symmetric(DurationNs::from_s(1), DurationNs::from_ms(20)).unwrap();
        let got = lead_lag(&x, &y, &grid).unwrap();
        let expected = &case["expected"];
        assert_eq!(got.peak.lag.as_ms(), expected["theta_hat_ms"].as_i64().unwrap());
        assert_near(&case, got.peak.rho, &expected["rho_at_hat"]);
        assert_near(&case, got.rho_zero, &expected["rho_at_0"]);
        assert_near(&case, got.ratio.unwrap(), &expected["lead_lag_ratio"]);
        assert_near(&case, x.variation(), &expected["rv_x"]);
        assert_near(&case, y.variation(), &expected["rv_y"]);
        assert_near(&case, got.floor.unwrap(), &expected["noise_floor_rms_beyond_300ms_of_peak"]);
        assert_near(&case, got.peak_to_floor.unwrap(), &expected["peak_to_floor"]);
        for (ms, rho) in expected["rho_at"].as_object().unwrap() {
            let lag = DurationNs::from_ms(ms.parse().unwrap());
            let at = got.curve.iter().find(|point| point.lag == lag).unwrap();
            assert_near(&case, at.rho, rho);
        }
    }
}

#[test]
fn price_discovery_agrees_with_the_oracle() {
    let Some((folder, cases)) = cases("leadlag.json", "vecm_price_discovery") else { return };
    for case in cases {
        let prices = rows(&folder, case["inputs"]["file"].as_str().unwrap());
        let column = |i: usize| prices.iter().map(|row| row[i]).collect::<Vec<_>>();
        let lags = usize::try_from(case["inputs"]["lags"].as_u64().unwrap()).unwrap();
        let got = price_discovery(&column(0), &column(1), lags).unwrap();
        let expected = &case["expected"];
        for i in 0..2 {
            assert_near(&case, got.alpha[i], &expected["alpha"][i]);
            for j in 0..2 {
                assert_near(&case, got.omega[i][j], &expected["omega"][i][j]);
            }
        }
        assert_near(&case, got.component_share, &expected["cs"][0]);
        assert_near(&case, 1.0 - got.component_share, &expected["cs"][1]);
        assert_near(&case, got.information_low, &expected["is1_lo"]);
        assert_near(&case, got.information_high, &expected["is1_hi"]);
        assert_near(&case, got.information_mid(), &expected["is1_mid"]);
        assert_eq!(u64::try_from(got.n).unwrap(), expected["n"].as_u64().unwrap());
    }
}
