//! The program from outside: what it says of bad input, and what it leaves behind after good input.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::{json, program, remora, repository, shipped_lines, succeed, text};
use flate2::Compression;
use flate2::write::GzEncoder;
use remora_history_sqlite::HistorySqlite;
use serde_json::Value;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Wants a refusal that says all of `wanted`, before anything was played.
fn check_refused(arguments: &[&str], wanted: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("out.json");
    let show = ["--headless", "--json", results.to_str().unwrap()];
    let output = remora(arguments.iter().chain(&show));
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for wanted in wanted {
        assert!(said.contains(wanted), "wanted {wanted:?} in: {said}");
    }
    assert!(!said.contains("panicked") && !said.contains("RUST_BACKTRACE"), "{said}");
    assert!(!results.exists(), "something was played");
    assert_eq!(text(&output.stdout), "");
}

fn check_recording(content: &[u8], wanted: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.jsonl.gz");
    fs::write(&path, content).unwrap();
    let path = path.to_str().unwrap();
    let wanted: Vec<&str> = wanted.iter().copied().chain([path]).collect();
    check_refused(&["demo", "--data", path], &wanted);
}

/// Makes a recording of the first lines, with one of them (from 1) replaced.
fn spoilt(line: usize, by: impl Fn(&str) -> String) -> Vec<u8> {
    let mut lines: Vec<String> = shipped_lines().into_iter().take(200).collect();
    lines[line - 1] = by(&lines[line - 1]);
    (lines.join("\n") + "\n").into_bytes()
}

fn shipped_bytes() -> Vec<u8> {
    fs::read(repository("demo/synthetic_kraken_spot.jsonl.gz")).unwrap()
}

#[test]
fn a_corrupt_gzip_stream_is_refused_with_file_and_line() {
    let mut bytes = shipped_bytes();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0xff);
    check_recording(&bytes, &["line ", "corrupt gzip stream"]);
}

#[test]
fn a_cut_recording_is_played_to_its_last_whole_line_with_a_warning() {
    let plain = spoilt(1, str::to_owned);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.jsonl");
    fs::write(&path, &plain[..plain.len() - 40]).unwrap();
    let output = remora(["demo", "--headless", "--data", path.to_str().unwrap()]);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    for wanted in ["WARNING", "cut.jsonl is cut in line 200", "only the 199 lines before it"] {
        assert!(said.contains(wanted), "wanted {wanted:?} in: {said}");
    }
    // Of a file without one whole line nothing can be played.
    check_recording(&plain[..40], &["line 1", "truncated"]);
    check_recording(b"", &["it holds no frame", "at least one line"]);
}

#[test]
fn a_broken_frame_is_shown_with_its_file_line_field_and_value() {
    let mut lines: Vec<String> = shipped_lines().into_iter().take(1_500).collect();
    let is_book = |line: &String| line.contains(r#""channel":"book""#) && line.contains("price");
    let at = lines.iter().skip(1_000).position(is_book).unwrap() + 1_000;
    lines[at] = lines[at].replacen(r#""price":"#, r#""price":-"#, 1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("altered.jsonl.gz");
    write_gzip(&path, &lines);
    let shown = succeed(["demo", "--headless", "--data", path.to_str().unwrap()]);
    let wanted = format!("altered.jsonl.gz, line {}: level price is \"-", at + 1);
    assert!(shown.contains(&wanted), "wanted {wanted:?} in: {shown}");
}

#[test]
fn a_recording_of_definitions_alone_is_played_and_says_that_there_is_nothing_to_quote() {
    let definitions = shipped_lines().into_iter().find(|line| line.contains("price_precision"));
    let line = definitions.unwrap().replace("\"ws-public\"", "\"ws-instrument\"");
    let folder = tempfile::tempdir().unwrap();
    let (path, out) = (folder.path().join("definitions.jsonl"), folder.path().join("out.json"));
    fs::write(&path, line + "\n").unwrap();
    let (path, json_path) = (path.to_str().unwrap(), out.to_str().unwrap());
    let output = remora(["demo", "--headless", "--data", path, "--json", json_path]);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("definitions only, of 7 pairs: nothing to quote"), "{said}");
    assert_eq!(json(&out)["frames_played"], 1);
}

#[test]
fn settings_are_recorded_with_their_overrides_and_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (profile, data, out, html) =
        (path("mine.toml"), path("short.jsonl.gz"), path("out.json"), path("out.html"));
    let shipped = fs::read_to_string(repository("profiles/demo.toml")).unwrap();
    let secret = "\n[storage]\npostgres_url = \"postgres://me:hunter2@there/db\"\n";
    fs::write(&profile, shipped + secret).unwrap();
    write_gzip(&data, &shipped_lines()[..1_500]);
    let show = [("--profile", &profile), ("--data", &data), ("--json", &out), ("--report", &html)];
    let show = show.into_iter().flat_map(|(flag, path)| [flag.into(), path.clone().into()]);
    let head: [std::ffi::OsString; 2] = ["demo".into(), "--headless".into()];
    let mut program = program(head.into_iter().chain(show));
    let output = program.env("REMORA_DECISION__IMPROVE_TICKS_MAX", "2").output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let html = fs::read_to_string(&html).unwrap();
    let row =
        "<td>decision.improve_ticks_max</td><td>2</td><td>REMORA_DECISION__IMPROVE_TICKS_MAX</td>";
    assert!(html.contains(row), "the override is missing");
    let results = fs::read_to_string(&out).unwrap();
    for written in [&html, &results] {
        assert!(!written.contains("hunter2") && !written.contains(folder.path().to_str().unwrap()));
    }
    assert_eq!(json(&out)["overrides"]["REMORA_DECISION__IMPROVE_TICKS_MAX"], "2");
}

#[test]
fn a_line_that_is_not_of_the_format_is_refused_with_field_value_and_what_is_allowed() {
    let line = |by: &'static str| spoilt(7, move |_| by.to_owned());
    let wants = "want one JSON object with t, venue, ch, dir, frame";
    check_recording(&line("time is money"), &["line 7", wants]);
    check_recording(&line("[1, 2]"), &["line 7", wants]);
    let replaced = |from: &'static str, to: &'static str| {
        spoilt(7, move |line| {
            assert_eq!(line.matches(from).count(), 1);
            line.replace(from, to)
        })
    };
    check_recording(
        &replaced(r#""dir":"out""#, r#""dir":"sideways""#),
        &["line 7", r#"dir is "sideways""#, r#"want "in" or "out""#],
    );
    check_recording(
        &replaced(r#""t":"#, r#""t":-"#),
        &["line 7", "t is -1772459985100014000", "whole nanoseconds since 1970, above 0"],
    );
    check_recording(
        &replaced(r#""ch":"ws-public","#, ""),
        &["line 7", "ch is absent", "want text of 1 to 256 bytes"],
    );
    check_recording(&spoilt(7, |_| "\u{0}\u{1}".to_owned()), &["line 7", wants]);
}

#[test]
fn a_recording_without_any_readable_market_data_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.jsonl");
    let line = r#"{"t":1618678132358447000,"venue":"kraken","ch":"ws-book","dir":"in","frame":[320,{"as":[]},"book-1000","XBT/USD"]}"#;
    fs::write(&path, format!("{line}\n")).unwrap();
    let output = remora(["demo", "--headless", "--data", path.to_str().unwrap()]);
    let (said, shown) = (text(&output.stderr), text(&output.stdout));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("no market data of any pair that could be read"), "{said}");
    assert!(shown.contains("problem in the feed: 1 Malformed; the last: "), "{shown}");
}

#[test]
fn time_that_goes_back_is_refused_with_both_times() {
    let back = spoilt(50, |line| {
        let t = serde_json::from_str::<Value>(line).unwrap()["t"].to_string();
        line.replace(&t, "1772459985000000000")
    });
    check_recording(&back, &["line 50", "t is 1772459985000000000", "want at least 17724599"]);
}

#[test]
fn a_recording_of_an_unknown_venue_is_refused_with_the_known_ones() {
    let lines: Vec<String> = shipped_lines().into_iter().take(200).collect();
    let foreign = lines.join("\n").replace("remora_synthetic", "mount_doom");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("foreign.jsonl");
    fs::write(&path, foreign).unwrap();
    check_refused(
        &["demo", "--data", path.to_str().unwrap()],
        &["foreign.jsonl", "mount_doom", "kraken-spot", "kraken, binance_as_kraken"],
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    check_refused(&["demo", "--data", "/nowhere/x.jsonl"], &["/nowhere/x.jsonl", "no such"]);
    check_refused(
        &["demo", "--profile", "yolo"],
        &[
            "yolo",
            "neither a shipped profile (demo, recordings, paper, live, kraken-futures) nor a file",
        ],
    );
}

#[test]
fn a_pace_that_is_none_is_refused_with_what_is_allowed() {
    for pace in ["fast", "0x", "-1x", "1e3", ""] {
        let pace = format!("--pace={pace}");
        check_refused(&["demo", &pace], &["pace", "\"max\"", "0.001x to 100000x"]);
    }
}

/// Wants a refusal by the command line itself, or before any feed was asked.
fn check_command(arguments: &[&str], wanted: &[&str]) {
    let output = remora(arguments);
    let said = text(&output.stderr);
    assert!(!output.status.success() && output.status.code() != Some(101), "{said}");
    for wanted in wanted {
        assert!(said.contains(wanted), "wanted {wanted:?} in: {said}");
    }
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn a_place_that_nothing_can_be_written_to_is_refused_before_anything_is_played() {
    for flag in ["--json", "--report", "--history"] {
        check_command(&["demo", flag, "/nowhere/x"], &[flag, "/nowhere/x", "does not exist"]);
        check_command(&["demo", flag, "/tmp"], &[flag, "is a folder, want a file"]);
    }
    check_command(&["demo", "--log", "loud"], &["--log", "error, warn, info, debug"]);
}

#[test]
fn a_feed_that_cannot_be_is_refused_and_one_that_is_not_there_is_told() {
    check_command(&["paper", "--venue", "mars"], &["--venue mars", "kraken-spot"]);
    check_command(
        &["paper", "--url", "http://x"],
        &["--url http://x", "want ws://HOST or wss://HOST"],
    );
    let record = ["record", "--pairs", "BTC/USD", "--out", "/nowhere/x.jsonl"];
    let with = |more: &[&'static str]| record.iter().chain(more).copied().collect::<Vec<&str>>();
    check_command(&with(&["--depth", "7"]), &["--depth 7", "kraken-spot offers 10, 25, 100"]);
    check_command(&with(&["--venue", "mars"]), &["mars", "no such venue"]);
    check_command(&with(&["--url", "ws://"]), &["--url ws://", "want ws://HOST"]);
    check_command(&record, &["create the recording", "/nowhere/x.jsonl"]);
    let absent = ["paper", "--url", "ws://127.0.0.1:1", "--seconds", "2", "--headless"];
    let output = remora(absent);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for wanted in ["feed lost: ", "no frame arrived from ws://127.0.0.1:1", "refused"] {
        assert!(said.contains(wanted), "wanted {wanted:?} in: {said}");
    }
}

/// Changes the demo's profile and wants it refused.
fn check_profile(from: &str, to: &str, wanted: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    let shipped = fs::read_to_string(repository("profiles/demo.toml")).unwrap();
    assert_eq!(shipped.matches(from).count(), 1, "{from}");
    fs::write(&path, shipped.replace(from, to)).unwrap();
    check_refused(&["demo", "--profile", path.to_str().unwrap()], wanted);
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_key() {
    check_profile(
        "pair_position_usd_max = ",
        "pair_position_usd_mx = ",
        &[
            "risk_gate.pair_position_usd_mx",
            "did you mean pair_position_usd_max?",
            "mine.toml:",
            // The limit itself is missing now, and has no default.
            "risk_gate.pair_position_usd_max",
            "it has no default",
        ],
    );
    check_profile("[risk_gate]", "[risk_gat]", &["risk_gat", "did you mean risk_gate?"]);
    check_profile("name = \"demo\"", "nme = \"demo\"", &["nme", "did you mean name?"]);
}

#[test]
fn no_risk_limit_has_a_default() {
    let limits = [
        "order_notional_usd_max = \"600\"",
        "pair_position_usd_max = ",
        "total_position_usd_max = ",
        "price_collar_bps = ",
        "orders_per_window_max = ",
        "order_window_ms = ",
        "approval_ttl_ms = ",
        "mark_age_ms_max = ",
        "router_silence_ms_max = ",
    ];
    for limit in limits {
        let key = limit.split(' ').next().unwrap();
        let key = format!("risk_gate.{key}");
        check_profile(limit, &format!("# {limit}"), &[&key, "it has no default"]);
    }
    check_profile("maker_bps = ", "# maker_bps = ", &["paper.maker_bps", "it has no default"]);
}

#[test]
fn a_value_out_of_range_is_refused_with_its_line_and_what_is_allowed() {
    check_profile(
        "total_position_usd_max = \"12000\"",
        "total_position_usd_max = \"-5\"",
        &["risk_gate.total_position_usd_max", "-5", "an amount of USD, 0 or more", "mine.toml:"],
    );
    check_profile(
        "price_collar_bps = \"200\"",
        "price_collar_bps = \"wide\"",
        &["risk_gate.price_collar_bps", "wide", "above 0, at most 5000"],
    );
    check_profile("[conversion]", "[conversion", &["mine.toml:8"]);
    check_profile("depth = 25", "depth = 26", &["ingestor.depth 26", "kraken-spot offers 10, 25"]);
    check_profile(
        "venue = \"kraken-spot\"\ndepth",
        "venue = \"mars\"\ndepth",
        &["mars", "no such venue"],
    );
}

/// Writes lines as a compressed recording.
fn write_gzip(path: &Path, lines: &[String]) {
    let mut file = GzEncoder::new(File::create(path).unwrap(), Compression::fast());
    for line in lines {
        writeln!(file, "{line}").unwrap();
    }
    file.finish().unwrap();
}

struct Made {
    _folder: TempDir,
    out: Value,
    bytes: Vec<u8>,
    said: String,
    html: String,
    history: PathBuf,
}

fn make(arguments: &[&str]) -> Made {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (out, html, history) = (path("out.json"), path("out.html"), path("out.db"));
    let show: Vec<String> = [("--json", &out), ("--report", &html), ("--history", &history)]
        .into_iter()
        .flat_map(|(flag, path)| [flag.to_owned(), path.display().to_string()])
        .collect();
    let arguments = arguments.iter().map(|argument| (*argument).to_owned());
    let said = succeed(arguments.chain(["--headless".to_owned()]).chain(show));
    Made {
        out: json(&out),
        bytes: fs::read(&out).unwrap(),
        html: fs::read_to_string(&html).unwrap(),
        said,
        history,
        _folder: folder,
    }
}

#[tokio::test]
async fn the_demo_gives_the_same_bytes_twice_and_keeps_its_history_exactly_once() {
    let (first, second) = (make(&["demo"]), make(&["demo"]));
    assert!(first.bytes == second.bytes, "out.json differs");
    assert_eq!(first.said, second.said);
    assert!(first.html == second.html, "out.html differs");
    let out = &first.out;
    assert_eq!(out["is_synthetic"], true);
    assert!(first.said.contains("synthetic market data"));
    check_fields(out);
    check_history(out, &first.history).await;
    check_self_contained(&first.html);
    // The file is whole: nothing waits beside it in a log of its own.
    let beside = first.history.with_extension("db-wal");
    assert!(!beside.exists(), "{} was left behind", beside.display());
}

/// Every pair has what a reader of the results is promised.
fn check_fields(out: &Value) {
    let pairs = out["pairs"].as_object().unwrap();
    assert_eq!(pairs.len(), 7);
    let quoted = pairs.values().filter(|pair| pair["approvals"].as_u64().unwrap() > 0);
    assert!(quoted.count() >= 5);
    for (name, pair) in pairs {
        for count in
            ["frames", "checksums_passed", "checksums_failed", "quotes", "approvals", "fills"]
        {
            assert!(pair[count].is_u64(), "{name}: {count}");
        }
        assert!(pair["refusals"].is_object(), "{name}");
        for amount in ["fees", "net_pnl_mid", "final_inventory"] {
            assert!(pair[amount].is_string(), "{name}: {amount}");
        }
        assert!(pair["frames"].as_u64() > pair["checksums_passed"].as_u64());
        assert_eq!(pair["checksums_failed"], 0);
        let refused: u64 =
            pair["refusals"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
        let answered = pair["approvals"].as_u64().unwrap() + refused;
        assert_eq!(pair["quotes"].as_u64(), Some(answered), "{name}");
    }
}

async fn check_history(out: &Value, path: &Path) {
    let store = HistorySqlite::open(path).await.unwrap();
    let summary = store.summary().await.unwrap();
    store.close().await;
    assert!(summary.is_complete(), "{:?}", summary.offenders);
    for (total, table) in [
        ("quotes", "order_requests"),
        ("approvals", "order_approvals"),
        ("refusals", "order_refusals"),
        ("fills", "fills"),
    ] {
        assert_eq!(out["totals"][total].as_u64(), Some(summary.rows[table]), "{table}");
    }
    assert!(summary.rows["fills"] > 0 && summary.rows["balances"] > 0);
}

/// The page needs nothing from anywhere. The name of the SVG vocabulary is a name, not a link.
fn check_self_contained(html: &str) {
    let rest = html.replace("http://www.w3.org/2000/svg", "");
    for foreign in ["http://", "https://", "src=", "<link", "@import", "url("] {
        assert!(!rest.contains(foreign), "{foreign}");
    }
    assert!(html.to_lowercase().contains("synthetic"));
    assert!(html.contains("<svg"));
}

#[tokio::test]
async fn a_history_that_is_written_again_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("short.jsonl.gz");
    write_gzip(&data, &shipped_lines()[..4_000]);
    let (history, out) = (folder.path().join("h.db"), folder.path().join("out.json"));
    let arguments = |seed: &str| {
        let paths = [("--data", &data), ("--history", &history), ("--json", &out)];
        let paths =
            paths.into_iter().flat_map(|(flag, path)| [flag.into(), path.clone().into_os_string()]);
        let rest = ["--profile", "demo", "--headless", "--seed", seed].map(Into::into);
        std::iter::once("demo".into()).chain(paths).chain(rest).collect::<Vec<std::ffi::OsString>>()
    };
    for (seed, runs) in [("1", 1), ("1", 1), ("2", 2)] {
        succeed(arguments(seed));
        let store = HistorySqlite::open(&history).await.unwrap();
        let summary = store.summary().await.unwrap();
        store.close().await;
        assert!(summary.is_complete(), "{:?}", summary.offenders);
        let quotes = json(&out)["totals"]["quotes"].as_u64().unwrap();
        assert!(quotes > 0);
        // Another seed is another run beside the first.
        if runs == 1 {
            assert_eq!(summary.rows["order_requests"], quotes);
        } else {
            assert!(summary.rows["order_requests"] > quotes);
        }
    }
}

#[test]
fn one_wrong_checksum_is_counted_and_stops_one_pair_only() {
    let folder = tempfile::tempdir().unwrap();
    let whole: Vec<String> = shipped_lines().into_iter().take(8_000).collect();
    let sound = folder.path().join("sound.jsonl.gz");
    write_gzip(&sound, &whole);
    let mut spoilt = whole;
    let line = spoilt
        .iter_mut()
        .skip(4_000)
        .find(|line| line.contains(r#""channel":"book""#) && line.contains(r#""SOL/USD""#))
        .unwrap();
    let record: Value = serde_json::from_str(line).unwrap();
    let checksum = record["frame"]["data"][0]["checksum"].as_u64().unwrap();
    *line = line.replace(&checksum.to_string(), &(checksum ^ 1).to_string());
    let broken = folder.path().join("broken.jsonl.gz");
    write_gzip(&broken, &spoilt);
    let run =
        |path: &Path| make(&["demo", "--profile", "demo", "--data", path.to_str().unwrap()]).out;
    let (sound, broken) = (run(&sound), run(&broken));
    assert_eq!(sound["frames_played"], broken["frames_played"]);
    assert_eq!(broken["totals"]["checksums_failed"], 1);
    let of = |run: &Value, pair: &str, field: &str| {
        run["pairs"][format!("kraken-spot/{pair}")][field].as_u64().unwrap()
    };
    assert_eq!(of(&broken, "SOL-USD", "checksums_failed"), 1);
    // There is no later snapshot in the file: nothing is verified, and nothing quoted, from there on.
    for field in ["checksums_passed", "quotes", "approvals"] {
        let (before, after) = (of(&broken, "SOL-USD", field), of(&sound, "SOL-USD", field));
        assert!(0 < before && before < after, "{field}: {before} of {after}");
    }
    for pair in ["ETH-USD", "XRP-USD", "ADA-EUR", "ETH-BTC"] {
        assert_eq!(of(&broken, pair, "checksums_passed"), of(&sound, pair, "checksums_passed"));
        assert_eq!(of(&broken, pair, "checksums_failed"), 0);
        assert!(of(&broken, pair, "quotes") > 0);
    }
}
