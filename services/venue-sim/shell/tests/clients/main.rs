//! Other people's clients, as published, trade on the real process over TLS under the venue's own host names.
//!
//! Each test is one scenario of `python/`, with an exchange and a network namespace of its own. Where the machine gives
//! no namespace a test says `skipped`, and so does `cargo xtask test`.
//! `crates/venues/kraken/README.md` and `crates/venues/kraken-futures/README.md` say which scenario exercises what.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use remora_test_servers::{ensure_clients, private_namespace};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

/// A scenario that takes longer than this, in seconds, is killed with everything it started.
const SECONDS_MAX: &str = "240";

fn play(module: &str, scenario: &str) {
    let namespace = match private_namespace() {
        Ok(namespace) => namespace,
        Err(error) => {
            let mut terminal = std::io::stderr().lock();
            return writeln!(terminal, "skipped: {error:#}").unwrap();
        }
    };
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/python");
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", SECONDS_MAX]).arg(namespace.get_program());
    command.args(namespace.get_args()).arg(ensure_clients().unwrap());
    command.arg("-B").arg(sources.join("run.py")).arg(env!("CARGO_BIN_EXE_remora-venue-sim"));
    let output = command.arg(module).arg(scenario).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.trim_end().ends_with("done"),
        "{module}.{scenario} ended with {}:\n{said}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

macro_rules! scenarios {
    ($($test:ident: $module:ident.$scenario:ident,)*) => {
        $(
            #[test]
            fn $test() {
                play(stringify!($module), stringify!($scenario));
            }
        )*

        /// Every scenario that there is, for the check that none was forgotten.
        const SCENARIOS: &[(&str, &str)] = &[$((stringify!($module), stringify!($scenario)),)*];
    };
}

scenarios! {
    ccxt_reads_markets_prices_trades_and_candles: ccxt_rest.reads,
    ccxt_sees_every_fill_to_the_last_unit: ccxt_rest.fills,
    ccxt_reads_the_contracts_of_kraken_futures: ccxt_futures.contracts,
    ccxt_places_every_kind_of_order: ccxt_orders.kinds,
    ccxt_triggers_fire_on_the_last_price: ccxt_orders.triggers,
    ccxt_amends_edits_and_cancels_in_every_way: ccxt_orders.changes,
    ccxt_hears_the_venues_own_errors: ccxt_orders.errors,
    ccxt_meets_both_rate_counters: ccxt_orders.limits,
    ccxt_hears_of_a_crossing_post_only_order_at_once: ccxt_orders.post_only_at_once,
    ccxt_streams_what_rest_tells: ccxt_streams.market,
    ccxt_streams_the_touch_as_it_moves: ccxt_streams.quotes,
    ccxt_trades_over_websocket: ccxt_streams.trading,
    ccxt_hears_errors_over_websocket: ccxt_streams.errors,
    the_sdk_reads_the_market: sdk_rest.market,
    the_sdk_sees_every_fill_to_the_last_unit: sdk_rest.account,
    the_sdk_places_changes_and_cancels: sdk_rest.orders,
    the_sdk_hears_the_venues_own_errors: sdk_rest.errors,
    the_sdk_meets_both_rate_counters: sdk_rest.limits,
    the_sdk_verifies_every_book_checksum: sdk_streams.books,
    the_sdk_notices_one_corrupted_checksum: sdk_streams.corrupted,
    the_sdk_streams_the_market: sdk_streams.market,
    the_sdk_follows_orders_in_the_level_3_book: sdk_streams.level3,
    the_sdk_trades_over_websocket: sdk_streams.trading,
    the_sdk_comes_back_after_a_disconnect: sdk_streams.reconnected,
}

/// Names the public functions of a scenario file that take an exchange alone.
fn written(module: &str) -> Vec<String> {
    let file = format!("tests/clients/python/{module}.py");
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let lines = text.lines().map(|line| line.strip_prefix("async ").unwrap_or(line));
    let named = lines.filter_map(|line| line.strip_prefix("def ")?.strip_suffix("(exchange):"));
    named.map(str::to_owned).collect()
}

#[test]
fn every_scenario_that_is_written_is_run() {
    for module in
        ["ccxt_rest", "ccxt_futures", "ccxt_orders", "ccxt_streams", "sdk_rest", "sdk_streams"]
    {
        let run: Vec<&str> =
            SCENARIOS.iter().filter(|(of, _)| *of == module).map(|(_, name)| *name).collect();
        assert_eq!(written(module), run, "{module}.py");
    }
}
