//! The profile of a fault run: the shipped one of live trading, with many pairs and small observation times.

use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// How long the exchange waits for a sign of life before it cancels everything.
pub(crate) const DEAD_MAN_MS: i64 = 15_000;

/// Pairs in US dollars that the exchange lists beside the invented ones.
const USUAL: [&str; 8] =
    ["BTC/USD", "ETH/USD", "SOL/USD", "ADA/USD", "XRP/USD", "DOGE/USD", "XTZ/USD", "EXA/USD"];

/// Writes the profile for so many invented pairs; gives its path.
pub(crate) fn write(folder: &Path, invented: u32) -> PathBuf {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../profiles/live.toml");
    let mut profile: Table = std::fs::read_to_string(shipped).unwrap().parse().unwrap();
    let made = (1..=invented).map(|number| format!("SIM{number:04}/USD"));
    let symbols: Vec<String> = USUAL.map(str::to_owned).into_iter().chain(made).collect();
    let pairs = i64::try_from(symbols.len()).unwrap();
    let mut set = |section: &str, key: &str, value: Value| {
        let section = profile.get_mut(section).and_then(Value::as_table_mut).unwrap();
        section.insert(key.to_owned(), value);
    };
    let text = |text: &str| Value::String(text.to_owned());
    set("ingestor", "symbols", Value::Array(symbols.into_iter().map(Value::String).collect()));
    set("ingestor", "depth", Value::Integer(10));
    for (key, value) in [
        ("pairs_max", pairs),
        ("observation_ms_min", 1_000),
        ("assess_interval_ms", 1_000),
        ("publish_interval_ms", 5_000),
        ("volatility_sample_ms", 250),
    ] {
        set("pair_discovery", key, Value::Integer(value));
    }
    for (key, value) in
        [("spread_bps_max", 2_000.0), ("volatility_bps_max", 100_000.0), ("edge_bps_min", -1_000.0)]
    {
        set("pair_discovery", key, Value::Float(value));
    }
    set("pair_discovery", "volume_day_usd_min", text("0"));
    // Sixteen processes on few cores: nobody is dead, or an answer late, for a second's wait.
    for (section, key, value) in [
        ("decision", "request_ttl_ms", 3_000),
        ("decision", "control_silence_ms_max", 10_000),
        ("decision", "refusal_pause_ms_max", 4_000),
        // A record of each pair each second would be most of what there is to store.
        ("decision", "record_interval_ms", 60_000),
        ("decision", "volatility_sample_ms", 250),
        ("risk_gate", "approval_ttl_ms", 3_000),
        ("risk_gate", "router_silence_ms_max", 10_000),
        // The shipped limits are those of two pairs.
        ("risk_gate", "orders_per_window_max", 20_000),
        ("risk_gate", "cancels_per_window_max", 20_000),
        ("risk_gate", "venue_budget_messages", 20_000),
        ("risk_gate", "executions_per_window_max", 2_000),
        ("risk_gate", "open_orders_max", pairs * 4),
        // What is tested is trading; without a full budget the first ten minutes would be half of it.
        ("risk_gate", "ramp_ms", 0),
        ("order_router", "owner_silence_ms_max", 10_000),
        ("live", "dead_man_ms", DEAD_MAN_MS),
    ] {
        set(section, key, Value::Integer(value));
    }
    set("decision", "volatility_n_eff_min", Value::Float(1.0));
    set("decision", "adverse_selection_bps", text("0"));
    for key in ["total_position_usd_max", "net_position_usd_max", "venue_position_usd_max"] {
        set("risk_gate", key, text(&(pairs * 60).to_string()));
    }
    // Fees of ten thousand orders are no breaker's business here.
    for key in ["loss_day_usd_max", "loss_day_reduce_usd", "drawdown_usd_max", "fees_day_usd_max"] {
        set("risk_gate", key, text(&(pairs * 100).to_string()));
    }
    set("live", "rate_tier", text("pro"));
    // No order without the venue's timer: G39 is satisfied by what the router tells, or nothing trades.
    set("risk_gate", "dead_man_venues", Value::Array(vec![text("kraken-spot")]));
    let path = folder.join("fault-run.toml");
    std::fs::write(&path, toml::to_string(&profile).unwrap()).unwrap();
    path
}
