//! `remora live` on `remora sim`: real orders on a simulated exchange, over real sockets, with throw-away keys.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use remora_test_servers::{SimulatedExchange, signal};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, UNIX_EPOCH};

/// How often the exchange is asked before a test gives up, and the pause in between.
const ASKED_MAX: u32 = 4_800;
const PAUSE: Duration = Duration::from_millis(50);
/// The venue's timer in the test of a kill, and how much later it may have heard of us than we died.
const DEAD_MAN_MS: i64 = 5_000;
const ON_THE_WAY_MS: i64 = 2_000;

/// What turns the shipped profile into one that quotes within a second of a simulated market.
const QUICK: [(&str, &str); 9] = [
    ("REMORA_PAIR_DISCOVERY__OBSERVATION_MS_MIN", "500"),
    ("REMORA_PAIR_DISCOVERY__ASSESS_INTERVAL_MS", "250"),
    ("REMORA_PAIR_DISCOVERY__VOLATILITY_SAMPLE_MS", "100"),
    ("REMORA_PAIR_DISCOVERY__VOLUME_DAY_USD_MIN", "0"),
    ("REMORA_PAIR_DISCOVERY__EDGE_BPS_MIN", "-100.0"),
    ("REMORA_DECISION__VOLATILITY_SAMPLE_MS", "100"),
    ("REMORA_DECISION__VOLATILITY_N_EFF_MIN", "1.0"),
    ("REMORA_DECISION__ADVERSE_SELECTION_BPS", "0"),
    ("REMORA_LIVE__RATE_TIER", "pro"),
];

/// Is a simulated exchange with its keys in files, and a folder for the client's nonces.
struct Stage {
    folder: tempfile::TempDir,
    exchange: SimulatedExchange,
}

impl Stage {
    fn set(seed: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys").display().to_string();
        let arguments = ["--seed", seed, "--volume-usd", "10000000", "--keys-dir", &keys];
        let program = Path::new(env!("CARGO_BIN_EXE_remora"));
        let exchange = SimulatedExchange::start(program, &arguments, Stdio::null()).unwrap();
        Self { folder, exchange }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn address(&self, part: &str) -> String {
        self.exchange.address(part).unwrap()
    }

    /// Asks the exchange as its operator may.
    fn operator(&self, method: &str, path: &str, body: &str) -> Value {
        serde_json::from_str(&self.exchange.operator(method, path, body).unwrap()).unwrap()
    }

    /// Prepares `remora live` with this key, confirmed.
    fn live(&self, key: &str) -> Command {
        let mut command = self.unconfirmed(key);
        command.arg("--confirm-live");
        command
    }

    fn unconfirmed(&self, key: &str) -> Command {
        self.calling(key, &self.address("REST"))
    }

    fn calling(&self, key: &str, rest_url: &str) -> Command {
        self.at(key, rest_url, &self.address("(private and trading)"))
    }

    fn at(&self, key: &str, rest_url: &str, private_url: &str) -> Command {
        let keys = self.path("keys");
        let file = |end: &str| keys.join(format!("{key}.{end}")).display().to_string();
        let mut command = program(&["live", "--headless", "--log", "debug"]);
        command.args(["--url", &self.address("(public)")]);
        command.args(["--rest-url", rest_url]);
        command.args(["--private-url", private_url]);
        command.args(["--key-file", &file("key"), "--secret-file", &file("secret")]);
        command.envs(QUICK).env("REMORA_LIVE__NONCE_FOLDER", self.path("nonces"));
        // A proxy that is named in the environment is never asked.
        command.env("HTTP_PROXY", "http://127.0.0.1:9").env("ALL_PROXY", "http://127.0.0.1:9");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Gives the exchange's own books of the account.
    fn books(&self) -> Value {
        self.operator("GET", "accounts/maker", "")
    }

    fn has_open_orders(&self) -> bool {
        self.books()["orders_open"].as_u64().unwrap() > 0
    }

    /// Wants the credentials of every account to be in none of these texts.
    fn wants_no_secret_in(&self, texts: &[&str]) {
        for entry in std::fs::read_dir(self.path("keys")).unwrap() {
            let secret = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            for text in texts {
                assert!(!text.contains(secret.trim()), "a credential is shown");
            }
        }
        for text in texts {
            for word in ["\"token\"", "api-sign", "API-Sign", "nonce="] {
                assert!(!text.contains(word), "{word} is shown");
            }
        }
    }
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_remora"));
    command.args(arguments).env_clear();
    command
}

/// Asks again and again until it is so; fails when it takes too long.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..ASKED_MAX {
        if is_so() {
            return;
        }
        std::thread::sleep(PAUSE);
    }
    assert!(is_so(), "waited in vain: {what}");
}

/// Runs it until the exchange's state is such, then interrupts it and gives what it said.
fn interrupted(command: &mut Command, is_so: impl FnMut() -> bool) -> Output {
    let process = command.spawn().unwrap();
    let id = process.id();
    #[expect(clippy::disallowed_methods, reason = "a full pipe would stop the process")]
    let ended = std::thread::spawn(|| process.wait_with_output());
    until("the exchange is in the wanted state", is_so);
    signal("INT", id).unwrap();
    ended.join().unwrap().unwrap()
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Wants what a run said of itself to be what the exchange has of it, with nothing left open.
fn wants_one_set_of_books(stage: &Stage, output: &Output, out: &Path) {
    let (results, log) = said(output);
    assert!(output.status.success() && !log.contains("panicked"), "{results}\n{log}");
    stage.wants_no_secret_in(&[&results, &log, &std::fs::read_to_string(out).unwrap()]);
    assert!(results.contains("our orders open at the venue: none"), "{results}");
    assert!(results.contains("agree to the last unit"), "{results}");
    let results: Value = serde_json::from_slice(&std::fs::read(out).unwrap()).unwrap();
    let of = |field: &str| results["totals"][field].as_u64().unwrap();
    assert!(of("quotes") > 0 && of("approvals") > 0 && of("fills") > 0, "{results}");
    let books = stage.books();
    assert_eq!(books["orders_open"], 0);
    assert_eq!(books["executions"], of("fills"));
    let balances = results["balances"]["kraken-spot"].as_object().unwrap();
    for asset in ["USD", "BTC", "ETH", "SOL"] {
        let (ours, theirs) = (&balances[asset], &books["balances"][asset]);
        let theirs = theirs["total"].as_str().unwrap();
        let theirs = theirs.trim_end_matches('0').trim_end_matches('.');
        assert_eq!((&ours["end"], &ours["difference"]), (&theirs.into(), &"0".into()), "{asset}");
    }
}

#[test]
fn it_market_makes_takes_everything_back_and_its_books_are_the_exchanges() {
    let stage = Stage::set("3");
    let out = stage.path("out.json");
    let output = interrupted(stage.live("maker-trading").arg("--json").arg(&out), || {
        stage.books()["executions"].as_u64().unwrap() > 0
    });
    wants_one_set_of_books(&stage, &output, &out);
    assert!(stage.exchange.stop().unwrap());
}

#[test]
fn by_calls_alone_it_does_the_same() {
    let stage = Stage::set("3");
    let out = stage.path("out.json");
    // Nobody answers at the socket.
    let mut command = stage.at("maker-trading", &stage.address("REST"), "ws://127.0.0.1:9");
    command.arg("--confirm-live").env("REMORA_LIVE__IS_REST_ONLY", "true");
    let output = interrupted(command.arg("--json").arg(&out), || {
        stage.books()["executions"].as_u64().unwrap() > 0
    });
    wants_one_set_of_books(&stage, &output, &out);
}

#[test]
fn balances_that_our_books_do_not_explain_make_the_run_fail() {
    let stage = Stage::set("4");
    let output = interrupted(&mut stage.live("maker-trading"), || {
        let is_so = stage.has_open_orders();
        if is_so {
            let money = r#"{"asset":"USD","amount":"0.0001"}"#;
            stage.operator("POST", "accounts/maker/deposit", money);
        }
        is_so
    });
    let (results, log) = said(&output);
    assert!(!output.status.success(), "{results}\n{log}");
    assert!(results.contains("our orders open at the venue: none"), "{results}");
    assert!(results.contains("DIFFER") && log.contains("DIFFER"), "{results}\n{log}");
}

#[test]
fn an_interrupt_takes_everything_back_before_the_end() {
    let stage = Stage::set("10");
    let output = interrupted(&mut stage.live("maker-trading"), || stage.has_open_orders());
    let (results, log) = said(&output);
    assert!(output.status.success(), "{results}\n{log}");
    assert!(results.contains("our orders open at the venue: none"), "{results}");
    assert!(!stage.has_open_orders());
}

#[test]
fn after_a_kill_all_orders_are_gone_within_the_dead_mans_time() {
    let stage = Stage::set("5");
    let mut command = stage.live("maker-trading");
    command.env("REMORA_LIVE__DEAD_MAN_MS", DEAD_MAN_MS.to_string()).stderr(Stdio::null());
    let mut process = command.stdout(Stdio::null()).spawn().unwrap();
    until("an order is open", || stage.has_open_orders());
    process.kill().unwrap();
    let killed_ms = i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    process.wait().unwrap();
    // Nobody else cancels: without the timer they would stay.
    until("the exchange has cancelled everything", || !stage.has_open_orders());
    // By the exchange's own word on when each order ended; what it was sent last may have been on the way.
    let mut orders = stage.operator("GET", "accounts/maker/orders", "");
    let ended = orders["orders"]
        .as_array_mut()
        .unwrap()
        .iter()
        .filter_map(|order| order["closed_ns"].as_i64());
    let after_ms = ended.max().unwrap() / 1_000_000 - killed_ms;
    assert!(after_ms <= DEAD_MAN_MS + ON_THE_WAY_MS, "{after_ms} ms after the kill");
}

#[test]
fn without_the_operators_word_nothing_is_sent() {
    let stage = Stage::set("6");
    let output = stage.unconfirmed("maker-trading").output().unwrap();
    let (results, log) = said(&output);
    assert!(!output.status.success(), "{results}");
    let dead_man = "60 s after the last sign of life";
    for part in ["nothing was sent", "--confirm-live", dead_man, "order_notional_usd_max"] {
        assert!(log.contains(part), "{part}\n{log}");
    }
    stage.wants_no_secret_in(&[&results, &log]);
    assert!(!stage.path("nonces").exists());
}

#[test]
fn what_is_missing_or_wrong_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let check = |arguments: &[&str], variables: &[(&str, &str)], wanted: &[&str]| {
        let mut command = program(&["live", "--headless", "--confirm-live"]);
        command.args(arguments).envs(variables.iter().copied());
        let output = command.current_dir(folder.path()).output().unwrap();
        let (_, log) = said(&output);
        assert!(!output.status.success() && !log.contains("panicked"), "{log}");
        for part in wanted {
            assert!(log.contains(part), "{part}\n{log}");
        }
    };
    check(&[], &[], &["live.key_file", "--key-file", "live.secret_file"]);
    let missing = ["--key-file", "nowhere", "--secret-file", "nowhere"];
    let tier = [("REMORA_LIVE__RATE_TIERS", "x"), ("REMORA_RISK_GATE__PRICE_COLLAR_BPS", "0")];
    check(&missing, &tier, &["nowhere", "did you mean rate_tier", "price_collar_bps"]);
    let (key, bad) = (folder.path().join("key"), folder.path().join("bad"));
    std::fs::write(&key, "k-1\n").unwrap();
    std::fs::write(&bad, "hunter2 is no base64\n").unwrap();
    let (key, bad) = (key.display().to_string(), bad.display().to_string());
    let files = ["--key-file", &key, "--secret-file", &bad, "--rest-url", "ftp://127.0.0.1"];
    check(&files, &[], &["live.secret", "base64", "live.rest_url"]);
    let paper = ["--profile", "paper", "--key-file", &key, "--secret-file", &bad];
    check(&paper, &[], &["order_router.mode", "this profile trades on paper"]);
}

#[test]
fn a_key_that_the_exchange_refuses_is_named_with_its_reason() {
    let stage = Stage::set("7");
    let wrong = stage.path("keys/wrong.key");
    std::fs::write(&wrong, "a key that nobody made").unwrap();
    std::fs::copy(stage.path("keys/maker-trading.secret"), stage.path("keys/wrong.secret"))
        .unwrap();
    for (key, wanted) in [
        ("wrong", "EAPI:Invalid key"),
        ("maker-reading", "the API key lacks permissions: query-open-trades"),
    ] {
        let output = stage.live(key).output().unwrap();
        let (_, log) = said(&output);
        assert!(!output.status.success(), "{log}");
        assert!(log.contains("did not come up") && log.contains(wanted), "{log}");
        stage.wants_no_secret_in(&[&log]);
    }
}

#[test]
fn an_address_where_nobody_answers_is_named() {
    let stage = Stage::set("8");
    let mut command = stage.calling("maker-trading", "http://127.0.0.1:9");
    let output = command.arg("--confirm-live").output().unwrap();
    let (_, log) = said(&output);
    assert!(!output.status.success(), "{log}");
    assert!(log.contains("did not come up") && log.contains("http://127.0.0.1:9"), "{log}");
}

#[test]
fn a_second_process_with_the_same_key_is_refused() {
    let stage = Stage::set("9");
    let mut command = stage.live("maker-trading");
    let mut first = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("the first has reserved nonces", || {
        let files = std::fs::read_dir(stage.path("nonces")).into_iter().flatten();
        // The lock beside it has an extension.
        files.map(Result::unwrap).any(|file| file.path().extension().is_none())
    });
    let output = stage.live("maker-trading").output().unwrap();
    first.kill().unwrap();
    first.wait().unwrap();
    let (_, log) = said(&output);
    assert!(!output.status.success() && log.contains("another process"), "{log}");
}

#[test]
fn paper_trading_refuses_a_profile_that_trades_live() {
    let output = program(&["paper", "--headless", "--profile", "live"]).output().unwrap();
    let (_, log) = said(&output);
    assert!(!output.status.success() && log.contains("trades live"), "{log}");
}
