//! Research commands from outside: what they say of good and of bad files, and what they leave behind.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "what tests of commands share is shared as a whole")]
mod common;

use common::{json, remora, repository, succeed, text};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Writes candles of an hour whose volume follows a wave, highest at 14 UTC, where `is_busy`; equal numbers give equal files.
fn candles(path: &Path, days: i64, is_busy: bool) {
    let mut rows = String::from("t,o,h,l,c,v\n");
    let (mut state, mut price) = (12_345_u64, 100.0_f64);
    for i in 0..days * 24 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let noise = f64::from(u32::try_from(state >> 33).unwrap()) / f64::from(1_u32 << 31);
        let angle = std::f64::consts::TAU * f64::from(i32::try_from(i % 24 - 14).unwrap()) / 24.0;
        let wave = if is_busy { 1.0 + 0.5 * angle.cos() } else { 1.0 };
        let volume = (10_000.0 + 4_000.0 * noise) * wave;
        let next = price * (1.0 + 0.002 * (noise - 0.5));
        let (high, low) = (price.max(next) * 1.001, price.min(next) * 0.999);
        let t = 1_704_067_200 + 3_600 * i;
        writeln!(rows, "{t},{price},{high},{low},{next},{volume}").unwrap();
        price = next;
    }
    fs::write(path, rows).unwrap();
}

/// Writes best quotes of two markets of one asset, the second 200 ms behind the first.
fn quotes(path: &Path) {
    let mut lines = String::new();
    let mut state = 7_u64;
    let mut price = 10_000_i64;
    let mut past = vec![price; 10];
    for i in 0..3_000_i64 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        price += i64::try_from(state >> 62).unwrap() - 1 - i % 2;
        past.push(price);
        let late = past[past.len() - 11];
        for (venue, symbol, bid) in
            [("binance_usdm", "AAAUSDT", price), ("binance_spot", "AAAUSDC", late)]
        {
            let t = 1_723_161_254_000_000_000 + i * 20_000_000;
            let ask = bid + 1;
            writeln!(lines, r#"{{"t":{t},"venue":"{venue}","ch":"ws","dir":"in","frame":{{"stream":"a@bookTicker","data":{{"u":{i},"s":"{symbol}","b":"{bid}","B":"1","a":"{ask}","A":"1"}}}}}}"#).unwrap();
        }
    }
    fs::write(path, lines).unwrap();
}

fn at(folder: &tempfile::TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

#[test]
fn a_busy_hour_is_found_and_results_are_written_the_same_twice() {
    let folder = tempfile::tempdir().unwrap();
    candles(&folder.path().join("BUSY_USD.csv"), 40, true);
    candles(&folder.path().join("PLAIN_USD.csv"), 40, false);
    fs::write(folder.path().join("BAD_USD.csv"), "t,o,h,l,c\n1,1,1,1,1\n").unwrap();
    let data = folder.path().to_str().unwrap();
    let (one, two, page, csv) = (
        at(&folder, "1.json"),
        at(&folder, "2.json"),
        at(&folder, "r.html"),
        at(&folder, "r.csv.out"),
    );
    let run = |out: &str| {
        succeed([
            "temporal", "analyze", "--data", data, "--json", out, "--report", &page, "--csv", &csv,
        ])
    };
    let said = run(&one);
    assert!(said.contains("BUSY_USD") && said.contains("(repeats 0.9"), "{said}");
    run(&two);
    assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());
    let results = json(Path::new(&one));
    assert!(results["refused"]["BAD_USD"].as_str().unwrap().contains("no column \"v\""));
    let of = |pair: &str| {
        let patterns = results["patterns"].as_array().unwrap();
        let is_it = |p: &&serde_json::Value| {
            p["pair"] == pair && p["target"] == "volume" && p["family"] == "hour_of_day"
        };
        patterns.iter().find(is_it).unwrap()["verdict"].clone()
    };
    assert_eq!((of("BUSY_USD"), of("PLAIN_USD")), ("pattern".into(), "no_pattern".into()));
    let page = fs::read_to_string(&page).unwrap();
    assert!(page.contains("<svg") && !page.contains("<script") && !page.contains("http-equiv"));
    assert!(fs::read_to_string(&csv).unwrap().starts_with("pair,target,family,verdict,bucket"));
}

#[test]
fn a_lead_is_measured_and_a_minute_of_it_establishes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    quotes(&folder.path().join("two.jsonl"));
    let (data, out, page) =
        (at(&folder, "two.jsonl"), at(&folder, "e.json"), at(&folder, "e.html"));
    let said = succeed([
        "edge",
        "validate",
        "--data",
        &data,
        "--taker-fee-bps",
        "binance_spot=10",
        "binance_usdm=5",
        "--json",
        &out,
        "--report",
        &page,
    ]);
    assert!(said.contains("not established"), "{said}");
    let results = json(Path::new(&out));
    let lead = &results["relations"][0]["lead"];
    assert_eq!(results["relations"][0]["first"], "binance_spot AAAUSDC");
    // Spot is the first by name, and behind.
    assert!((lead["lag_ms"].as_f64().unwrap() + 200.0).abs() <= 40.0, "{lead}");
    assert_eq!(results["directions"].as_array().unwrap().len(), 2);
    assert!(fs::read_to_string(&page).unwrap().contains("<svg"));
    let refused = remora(["edge", "validate", "--data", &data, "--taker-fee-bps", "kraken=26"]);
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains("no fee for binance_spot"));
}

#[test]
fn spot_and_contracts_of_recorded_books_are_compared_by_their_asset() {
    let folder = tempfile::tempdir().unwrap();
    let out = at(&folder, "e.json");
    let shipped =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../../demo/synthetic_kraken_spot.jsonl.gz");
    let run = [
        "edge",
        "validate",
        "--data",
        shipped,
        "--taker-fee-bps",
        "kraken-spot=40",
        "--json",
        &out,
    ];
    let said = succeed(run);
    assert!(said.contains("kraken-spot BTC-USD-PERP"), "{said}");
    let results = json(Path::new(&out));
    let both = |i: usize| {
        let relation = &results["relations"][i];
        ["base", "first", "second"].map(|key| relation[key].as_str().unwrap().to_owned())
    };
    let names: Vec<_> = (0..results["relations"].as_array().unwrap().len()).map(both).collect();
    // ETH-BTC and ETH-USD price ETH in different things, and so do both of them.
    assert!(
        names.contains(
            &["BTC", "kraken-spot BTC-USD", "kraken-spot BTC-USD-PERP"].map(str::to_owned)
        ),
        "{names:?}"
    );
    assert!(
        results["directions"].as_array().unwrap().iter().all(|d| d["outcome"] != "established")
    );
    // Nothing of a venue without a session is taken for quotes.
    let foreign = folder.path().join("foreign.jsonl");
    fs::write(
        &foreign,
        "{\"t\":1,\"venue\":\"nowhere\",\"ch\":\"ws\",\"dir\":\"in\",\"frame\":{}}\n",
    )
    .unwrap();
    let refused =
        remora(["edge", "validate", "--data", foreign.to_str().unwrap(), "--taker-fee-bps", "1"]);
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains("no venue reads them"), "{}", text(&refused.stderr));
}

#[test]
fn pairs_are_scored_chosen_and_explained_and_questions_without_an_answer_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    candles(&folder.path().join("AAA_USD.csv"), 40, true);
    candles(&folder.path().join("BBB_USD.csv"), 40, false);
    candles(&folder.path().join("CCC_EUR.csv"), 40, false);
    let data = folder.path().to_str().unwrap();
    let common =
        ["--data", data, "--capital", "1000", "--maker-fee-bps", "-2", "--currency", "USD"];
    let out = at(&folder, "universe.json");
    let run = |command: &[&str]| {
        let words: Vec<&str> = ["pairs"].iter().chain(command).chain(&common).copied().collect();
        remora(words)
    };
    let said = run(&["analyze"]);
    assert!(text(&said.stdout).contains("AAA_USD") && text(&said.stderr).contains("upper bound"));
    assert!(text(&said.stderr).contains("CCC_EUR: paid in EUR, and no rate of EUR in USD"));
    let select =
        ["select", "--no-filter", "edge_bps_min", "--filter", "volume_min=1e6", "--json", &out];
    let said = run(&select);
    assert!(text(&said.stdout).contains("Universe 1: 2 of 2 pairs"), "{}", text(&said.stdout));
    let again: Vec<&str> = select.iter().copied().chain(["--before", &out]).collect();
    assert!(text(&run(&again).stdout).contains("Universe 2: 2 of 2 pairs"));
    let said = run(&["explain", "aaa_usd"]);
    assert!(text(&said.stdout).contains("spread kept (upper bound)"), "{}", text(&said.stderr));
    let said = run(&["explain", "ZZZ_USD"]);
    assert!(!said.status.success() && text(&said.stderr).contains("there are AAA_USD, BBB_USD"));
    let said = run(&["select", "--filter", "volume=1"]);
    assert!(!said.status.success() && text(&said.stderr).contains("known are volume_min"));
}

#[test]
fn pairs_without_a_future_are_refused_where_one_is_wanted_and_somebody_must_list_them() {
    let folder = tempfile::tempdir().unwrap();
    candles(&folder.path().join("BTC_USD.csv"), 40, true);
    candles(&folder.path().join("BBB_USD.csv"), 40, true);
    let shipped =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../../demo/synthetic_kraken_spot.jsonl.gz");
    let run = |more: &[&str]| {
        let data = ["pairs", "select", "--data", folder.path().to_str().unwrap()];
        let terms = ["--capital", "1000", "--maker-fee-bps", "-2", "--currency", "USD"];
        let free = ["--no-filter", "edge_bps_min", "--filter", "volume_min=0"];
        remora(data.iter().chain(&terms).chain(&free).chain(more).copied().collect::<Vec<_>>())
    };
    let said = run(&["--has-future", "--futures", shipped]);
    let told = text(&said.stdout);
    assert!(told.contains("Universe 1: 1 of 2 pairs"), "{told} {}", text(&said.stderr));
    let of_other = told.lines().find(|line| line.contains("BBB_USD")).unwrap();
    assert!(of_other.contains("has_future: no future is listed"), "{of_other}");
    let alone = run(&["--has-future"]);
    assert!(!alone.status.success() && text(&alone.stderr).contains("--futures"));
    let none = folder.path().join("BTC_USD.csv");
    let wrong = run(&["--futures", none.to_str().unwrap()]);
    assert!(!wrong.status.success(), "{}", text(&wrong.stdout));
}

#[test]
fn what_our_own_fills_earned_stands_beside_a_pair_and_too_little_of_it_is_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let (history, shipped) =
        (at(&folder, "history.sqlite"), repository("demo/synthetic_kraken_spot.jsonl.gz"));
    let shipped = shipped.to_str().unwrap();
    succeed(["demo", "--data", shipped, "--headless", "--history", &history]);
    let run = |command: &[&str], more: &[&str]| {
        let common = ["--data", shipped, "--capital", "1000", "--maker-fee-bps", "2"];
        let end = ["--currency", "USD", "--record-days", "3650"];
        let words = ["pairs"].iter().chain(command).chain(&common).chain(&end).chain(more);
        remora(words.copied().collect::<Vec<_>>())
    };
    let refused = run(&["analyze"], &["--history", &history, "--account", "nobody"]);
    let said = text(&refused.stderr);
    assert!(!refused.status.success(), "{said}");
    let (_, account) = said.split_once("the history has fills of ").unwrap();
    let mine = ["--history", history.as_str(), "--account", account.trim()];
    let explained = text(&run(&["explain", "ETH-USD"], &mine).stdout);
    // One day of fills has no interval, however many they are.
    assert!(explained.contains("No record of our own yet: "), "{explained}");
    assert!(explained.contains(" on 1 days, want 30 on 5."), "{explained}");
    assert!(explained.contains("Status online; its smallest order is "), "{explained}");
    // What nobody can pay for, what is too young, too coarse or without a record is refused with limit and value.
    let strict = [
        "select",
        "--has-record",
        "--filter",
        "minimum_order_max=0.001",
        "--filter",
        "tick_to_fee_max=1e-9",
        "--filter",
        "listing_age_days_min=100000",
    ];
    let said = text(&run(&strict, &mine).stdout);
    for wanted in [
        "has_record: no record of our own",
        "minimum_order_max: smallest order ",
        "tick_to_fee_max: tick ",
        "listing_age_days_min: known listing age ",
        "at most 0.001",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    let none = run(&["analyze"], &["--history", "nowhere.sqlite", "--account", "x"]);
    assert!(text(&none.stderr).contains("no such file"), "{}", text(&none.stderr));
    let blind = run(&["select", "--filter", "realised_day_min=1"], &[]);
    assert!(text(&blind.stderr).contains("past performance is read from --history"));
}
