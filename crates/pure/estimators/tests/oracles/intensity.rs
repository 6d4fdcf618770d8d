//! Section 4: `intensity.json`.

use crate::shared::{assert_near, at, cases, column, numbers, seconds};
use remora_domain::{DurationNs, Timestamp};
use remora_estimators::{
    DistanceBin, FillIntensity, NO_DECAY, OwnFillRate, PointWeight, binned_intensity, hit_rate,
    log_count_intensity,
};

#[test]
fn streaming_intensity_agrees() {
    let Some((folder, cases)) = cases("intensity.json", "streaming_decayed_mle") else { return };
    for case in cases {
        let inputs = &case["inputs"];
        let mut intensity =
            FillIntensity::new(seconds(&inputs["half_life_s"]), inputs["d0"].as_f64().unwrap());
        intensity.begin(at(inputs["start_time_s"].as_f64().unwrap()));
        let (times, distances) = (column(&folder, &case, 0), column(&folder, &case, 1));
        let last = at(*times.last().unwrap());
        for (time, distance) in times.into_iter().zip(distances) {
            intensity.observe(at(time), distance);
        }
        let got = intensity.estimate(last, 1.0).unwrap();
        assert_near(&case, got.k.value, &case["expected"]["k"]);
        assert_near(&case, got.a_per_s.value, &case["expected"]["A"]);
    }
}

#[test]
fn intensity_without_decay_is_the_exponential_maximum_likelihood() {
    let Some((folder, cases)) = cases("intensity.json", "exponential_mle") else { return };
    for case in cases {
        // Decay would pass the tolerance within half an hour, so all is observed in 10 ms and A, which is
        // inverse in the exposure, is brought back to the exposure of the case.
        let long = DurationNs::from_s(8_000_000_000);
        let mut intensity = FillIntensity::new(long, case["inputs"]["d0"].as_f64().unwrap());
        intensity.begin(Timestamp::EPOCH);
        let scale = 0.01 / case["inputs"]["exposure_s"].as_f64().unwrap();
        let end = at(0.01);
        for distance in column(&folder, &case, 0) {
            intensity.observe(end, distance);
        }
        let got = intensity.estimate(end, 1.0).unwrap();
        assert_near(&case, got.k.value, &case["expected"]["k"]);
        assert_near(&case, got.a_per_s.value * scale, &case["expected"]["A"]);
        assert_near(&case, got.k.se.unwrap(), &case["expected"]["se_k"]);
    }
}

#[test]
fn counts_per_bin_agree_with_the_oracle() {
    let Some((_, cases)) = cases("intensity.json", "poisson_binned_mle") else { return };
    for case in cases {
        let inputs = &case["inputs"];
        let edges = inputs["edges"].as_array().unwrap();
        let edges: Vec<f64> = edges.iter().map(|e| e.as_f64().unwrap_or(f64::INFINITY)).collect();
        let bins: Vec<DistanceBin> = edges
            .windows(2)
            .zip(numbers(&inputs["counts"]))
            .map(|(pair, count)| DistanceBin { from: pair[0], to: pair[1], count })
            .collect();
        let got = binned_intensity(&bins, inputs["exposure_s"].as_f64().unwrap()).unwrap();
        assert_near(&case, got.k, &case["expected"]["k"]);
        assert_near(&case, got.a_per_s, &case["expected"]["A"]);
    }
}

#[test]
fn regressions_of_log_counts_agree_with_the_oracle() {
    for (id, weight) in [
        ("log_regression_unweighted", PointWeight::Equal),
        ("log_regression_count_weighted", PointWeight::Count),
    ] {
        let Some((folder, cases)) = cases("intensity.json", id) else { return };
        for case in cases {
            let inputs = &case["inputs"];
            let (distances, grid) = (column(&folder, &case, 0), numbers(&inputs["grid"]));
            let exposure_s = inputs["exposure_s"].as_f64().unwrap();
            let got = log_count_intensity(&distances, exposure_s, &grid, weight).unwrap();
            assert_near(&case, got.k, &case["expected"]["k"]);
            assert_near(&case, got.a_per_s, &case["expected"]["A"]);
        }
    }
}

#[test]
fn rates_of_hits_and_of_own_fills_agree_with_the_oracle() {
    let Some((_, hits)) = cases("intensity.json", "hit_probability_to_rate") else { return };
    for case in hits {
        let input = |key: &str| case["inputs"][key].as_f64().unwrap();
        let got = hit_rate(input("p"), input("window_s")).unwrap();
        assert_near(&case, got, &case["expected"]["rate"]);
    }
    for case in cases("intensity.json", "censored_fill_rate").unwrap().1 {
        let inputs = &case["inputs"];
        let mut rate = OwnFillRate::new(NO_DECAY);
        let rested = inputs["durations_s"].as_array().unwrap();
        for (rested, filled) in rested.iter().zip(numbers(&inputs["filled"])) {
            rate.observe(Timestamp::EPOCH, seconds(rested), filled > 0.5);
        }
        assert_near(&case, rate.estimate(0.1).unwrap().value, &case["expected"]["rate"]);
    }
}
