//! Section 12: `toxicity.json`.

use crate::shared::{assert_all_near, assert_near, cases, column, numbers, rows};
use remora_domain::{DurationNs, Side, Timestamp};
use remora_estimators::{MarkoutSettings, Markouts, NO_DECAY, Vpin, bulk_buy_volume};

#[expect(clippy::as_conversions, reason = "a test reads whole milliseconds")]
fn at_ms(ms: f64) -> Timestamp {
    Timestamp::from_ns(ms as i64 * 1_000_000)
}

#[test]
fn markouts_agree_with_the_oracle() {
    let Some((folder, cases)) = cases("toxicity.json", "markouts") else { return };
    for case in cases {
        let inputs = &case["inputs"];
        let horizons = inputs["horizons_ms"].as_array().unwrap();
        let horizons: Vec<i64> = horizons.iter().map(|h| h.as_i64().unwrap()).collect();
        let mut markouts = Markouts::new(&MarkoutSettings {
            horizons: horizons.iter().map(|ms| DurationNs::from_ms(*ms)).collect(),
            half_life: NO_DECAY,
            mid_age_max: NO_DECAY,
            pending_max: 1_000,
        })
        .unwrap();
        let mids = rows(&folder, inputs["mids"].as_str().unwrap());
        let mut fills = rows(&folder, inputs["fills"].as_str().unwrap()).into_iter().peekable();
        for mid in &mids {
            while let Some(fill) = fills.next_if(|fill| fill[0] < mid[0]) {
                let side = if fill[1] > 0.0 { Side::Buy } else { Side::Sell };
                markouts.fill(at_ms(fill[0]), side, fill[2], fill[3]).unwrap();
            }
            markouts.mid(at_ms(mid[0]), mid[1]);
        }
        markouts.advance(at_ms(mids.last().unwrap()[0]));
        for (ms, got) in horizons.iter().zip(markouts.estimates(1.0)) {
            let (got, expected) = (got.unwrap(), &case["expected"][ms.to_string()]);
            assert_eq!(got.fills, expected["n"].as_u64().unwrap());
            assert_near(&case, got.realised_bps.value, &expected["realised_bps"]);
            assert_near(&case, got.effective_bps.value, &expected["effective_half_bps"]);
            assert_near(&case, got.adverse_bps.value, &expected["adverse_bps"]);
        }
    }
}

#[test]
fn vpin_and_bulk_classification_agree_with_the_oracle() {
    let Some((folder, vpins)) = cases("toxicity.json", "vpin") else { return };
    for case in vpins {
        let (inputs, expected) = (&case["inputs"], &case["expected"]);
        let window = usize::try_from(inputs["window_buckets"].as_u64().unwrap()).unwrap();
        let mut vpin = Vpin::new(inputs["bucket_volume"].as_f64().unwrap(), window).unwrap();
        let (mut buckets, mut values, mut first) = (0, Vec::new(), Vec::new());
        for qty in column(&folder, &case, 0) {
            let closed = vpin.observe(qty);
            buckets += closed;
            assert!(closed <= 1, "a trade of this file fits into one bucket");
            if closed == 1 && first.len() < 5 {
                first.extend(vpin.imbalances().last());
            }
            values.extend(vpin.value().ok().filter(|_| closed == 1));
        }
        assert_eq!(u64::try_from(buckets).unwrap(), expected["n_buckets"].as_u64().unwrap());
        assert_all_near(&case, &first, &expected["first5_abs_imbalance"]);
        assert_near(&case, values[0], &expected["vpin_first"]);
        assert_near(&case, *values.last().unwrap(), &expected["vpin_last"]);
        let largest = values.iter().copied().fold(0.0, f64::max);
        assert_near(&case, largest, &expected["vpin_max"]);
    }
    for case in cases("toxicity.json", "bulk_volume_classification").unwrap().1 {
        let inputs = &case["inputs"];
        let sigma = inputs["sigma"].as_f64().unwrap();
        let got: Vec<f64> = numbers(&inputs["volumes"])
            .iter()
            .zip(numbers(&inputs["price_changes"]))
            .map(|(volume, change)| bulk_buy_volume(*volume, change, sigma).unwrap())
            .collect();
        assert_all_near(&case, &got, &case["expected"]["buy_volume"]);
    }
}
