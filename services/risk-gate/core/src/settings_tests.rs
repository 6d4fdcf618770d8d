//! What is accepted as limits, and what is refused with which words.

use super::*;
use remora_domain::{DurationNs, SettingProblem};
use remora_testkit::{account, asset, key, notional, usd};

const SOUND: &str = include_str!("../tests/gate/sound.toml");

fn sound() -> RiskGateSettings {
    toml::from_str(SOUND).unwrap()
}

#[test]
fn sound_settings_become_limits() {
    let config = sound().validate(&account(), &usd(&[])).unwrap();
    assert_eq!(config.pair_position_max(&key("BTC-USD")), notional("250"));
    assert_eq!(config.pair_position_max(&key("ETH-USD")), notional("500"));
    assert_eq!(config.router_silence_max, DurationNs::from_s(5));
}

#[test]
fn no_limit_has_a_default() {
    let lines: Vec<&str> = SOUND.lines().filter(|line| line.contains('=')).collect();
    for absent in
        lines.iter().filter(|line| !line.contains("overrides") && !line.contains("groups"))
    {
        let rest: Vec<&str> = lines.iter().filter(|line| line != &absent).copied().collect();
        assert!(toml::from_str::<RiskGateSettings>(&rest.join("\n")).is_err(), "{absent}");
    }
}

#[test]
fn an_unknown_key_is_refused() {
    let text = format!("{SOUND}\nbypass = true");
    assert!(toml::from_str::<RiskGateSettings>(&text).is_err());
}

/// Gives the problems of the sound limits with some lines replaced.
fn problems_with(lines: &[&str]) -> Vec<SettingProblem> {
    let mut text: Vec<String> = SOUND.lines().map(str::to_owned).collect();
    for line in lines {
        let key = line.split(" = ").next().unwrap();
        let place = text.iter().position(|l| l.trim().starts_with(&format!("{key} = "))).unwrap();
        text[place] = (*line).to_owned();
    }
    let settings: RiskGateSettings = toml::from_str(&text.join("\n")).unwrap();
    settings.validate(&account(), &usd(&[])).err().unwrap_or_default()
}

#[test]
fn every_key_is_held_to_its_range() {
    for (line, key) in [
        ("version = 0", "version"),
        ("valid_until = \"2027-02-29\"", "valid_until"),
        ("strategies = []", "strategies"),
        ("strategies = [\"GLFT\"]", "strategies"),
        ("instruments = []", "instruments"),
        ("instruments = [\"BTC-USD\"]", "instruments"),
        ("order_qty_mins_max = 0", "order_qty_mins_max"),
        ("order_notional_usd_max = \"0\"", "order_notional_usd_max"),
        ("order_depth_share_bps_max = 0", "order_depth_share_bps_max"),
        ("order_volume_share_bps_max = 1000001", "order_volume_share_bps_max"),
        ("price_collar_bps = \"5000.1\"", "price_collar_bps"),
        ("last_trade_band_bps = \"0\"", "last_trade_band_bps"),
        ("edge_bps_min = \"-5000.1\"", "edge_bps_min"),
        ("pair_position_usd_max = \"-1\"", "pair_position_usd_max"),
        (
            "pair_position_usd_max_overrides = { BTC = \"5\" }",
            "pair_position_usd_max_overrides.BTC",
        ),
        (
            "asset_position_usd_max_overrides = { \"-\" = \"5\" }",
            "asset_position_usd_max_overrides.-",
        ),
        ("total_position_usd_max = \"1e6\"", "total_position_usd_max"),
        ("net_position_usd_max = \"x\"", "net_position_usd_max"),
        (
            "venue_position_usd_max_overrides = { SIM = \"5\" }",
            "venue_position_usd_max_overrides.SIM",
        ),
        ("groups = { g = { assets = [], position_usd_max = \"5\" } }", "groups.g.assets"),
        (
            "groups = { g = { assets = [\"BTC\"], position_usd_max = \"-5\" } }",
            "groups.g.position_usd_max",
        ),
        ("order_window_ms = 3600001", "order_window_ms"),
        ("unfilled_orders_max = 0", "unfilled_orders_max"),
        ("orders_per_fill_max = 1000001", "orders_per_fill_max"),
        ("duplicates_max = 0", "duplicates_max"),
        ("executions_per_window_max = 0", "executions_per_window_max"),
        ("execution_window_ms = 0", "execution_window_ms"),
        ("venue_budget_messages = 0", "venue_budget_messages"),
        ("venue_budget_window_ms = 0", "venue_budget_window_ms"),
        ("loss_day_usd_max = \"0\"", "loss_day_usd_max"),
        ("stale_mark_haircut_bps = 10001", "stale_mark_haircut_bps"),
        ("loss_streak_max = 0", "loss_streak_max"),
        ("loss_streak_pause_ms = 0", "loss_streak_pause_ms"),
        ("fees_day_usd_max = \"0\"", "fees_day_usd_max"),
        ("book_age_ms_max = 0", "book_age_ms_max"),
        ("clock_skew_ms_max = -1", "clock_skew_ms_max"),
        ("reference_venues_min = 0", "reference_venues_min"),
        ("reference_disagreement_bps_max = 0", "reference_disagreement_bps_max"),
        ("signal_age_ms_max = 0", "signal_age_ms_max"),
        ("approval_ttl_ms = 60001", "approval_ttl_ms"),
        ("router_silence_ms_max = 1999", "router_silence_ms_max"),
        ("dead_man_venues = [\"SIM\"]", "dead_man_venues"),
        ("ramp_ms = -1", "ramp_ms"),
        ("ramp_start_bps = 0", "ramp_start_bps"),
    ] {
        let problems = problems_with(&[line]);
        assert!(
            problems.iter().any(|p| p.key == format!("risk_gate.{key}")),
            "{line}: {problems:?}"
        );
    }
}

#[test]
fn all_problems_are_reported_at_once() {
    let mut settings = sound();
    settings.strategies = vec!["GLFT".to_owned()];
    settings.order_notional_usd_max = "0".to_owned();
    settings.price_collar_bps = "wide".to_owned();
    settings.router_silence_ms_max = 0;
    let mut reporting = usd(&[]);
    reporting.currency = asset("EUR");
    let problems = settings.validate(&account(), &reporting).unwrap_err();
    let keys: Vec<&str> = problems.iter().map(|p| p.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "reporting_currency",
            "risk_gate.strategies",
            "risk_gate.order_notional_usd_max",
            "risk_gate.price_collar_bps",
            "risk_gate.router_silence_ms_max",
        ]
    );
}

/// Wants the problem of a key, with the sum, when some lines are replaced.
fn check_contradictions(cases: &[(&[&str], &str, &str)]) {
    for (lines, key, sum) in cases {
        let problems = problems_with(lines);
        let found = problems.iter().find(|p| p.key == format!("risk_gate.{key}"));
        assert_eq!(found.map(|p| p.allowed.as_str()), Some(*sum), "{lines:?}: {problems:?}");
    }
}

#[test]
fn positions_that_cannot_hold_together_are_refused_with_the_sum() {
    check_contradictions(&[
        (
            &["order_notional_usd_max = \"501\"", "ramp_ms = 0"][..],
            "order_notional_usd_max",
            "at most pair_position_usd_max = 500 USD (501 > 500)",
        ),
        (
            &["pair_position_usd_max = \"1001\""],
            "pair_position_usd_max",
            "at most total_position_usd_max = 1000 USD (1001 > 1000)",
        ),
        (
            &["pair_position_usd_max = \"601\""],
            "pair_position_usd_max",
            "at most asset_position_usd_max = 600 USD (601 > 600)",
        ),
        (
            &["venue_position_usd_max = \"499\""],
            "pair_position_usd_max",
            "at most venue_position_usd_max = 499 USD (500 > 499)",
        ),
        (
            &["asset_position_usd_max = \"1001\""],
            "asset_position_usd_max",
            "at most total_position_usd_max = 1000 USD (1001 > 1000)",
        ),
        (
            &["venue_position_usd_max = \"1001\""],
            "venue_position_usd_max",
            "at most total_position_usd_max = 1000 USD (1001 > 1000)",
        ),
        (
            &["net_position_usd_max = \"1001\""],
            "net_position_usd_max",
            "at most total_position_usd_max = 1000 USD (1001 > 1000)",
        ),
        (
            &["groups = { g = { assets = [\"BTC\"], position_usd_max = \"1001\" } }"],
            "groups.g.position_usd_max",
            "at most total_position_usd_max = 1000 USD (1001 > 1000)",
        ),
    ]);
}

#[test]
fn other_limits_that_cannot_hold_together_are_refused_with_the_sum() {
    check_contradictions(&[
        (
            &["loss_day_reduce_usd = \"51\""],
            "loss_day_reduce_usd",
            "at most loss_day_usd_max = 50 USD (51 > 50)",
        ),
        (
            &["drawdown_usd_max = \"49\""],
            "loss_day_usd_max",
            "at most drawdown_usd_max = 49 USD (50 > 49)",
        ),
        (
            &["open_orders_pair_max = 41"],
            "open_orders_pair_max",
            "at most open_orders_max = 40 orders (41 > 40)",
        ),
        (
            &["cancels_per_window_max = 21"],
            "cancels_per_window_max",
            "at most orders_per_window_max = 20 messages (21 > 20)",
        ),
        (
            &["duplicate_window_ms = 1001"],
            "duplicate_window_ms",
            "at most order_window_ms = 1000 ms (1001 > 1000)",
        ),
        (
            &["mark_age_ms_max = 2999"],
            "book_age_ms_max",
            "at most mark_age_ms_max = 2999 ms (3000 > 2999)",
        ),
        (
            &["ramp_start_bps = 999"],
            "ramp_start_bps",
            "so much that one order of 100 USD fits (1000 USD x 999 bps = 99.9 USD < 100)",
        ),
    ]);
    assert_eq!(problems_with(&[]), []);
}
