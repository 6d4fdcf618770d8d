//! Tests of reading configuration: every problem at once, nearest keys, sources, secrets.

use super::*;
use crate::secret::Secret;
use serde::Deserialize;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gate {
    order_notional_usd_max: String,
    orders_per_s_max: u32,
    #[serde(default)]
    signing_key: Option<Secret<String>>,
}

const GOOD: &str = "\
name = \"demo\"
description = \"for tests\"
account = \"paper\"
reporting_currency = \"USD\"

[conversion]
USDT = \"0.999\"

[risk_gate]
order_notional_usd_max = \"500\"
orders_per_s_max = 10
";

fn config(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let environment = environment.iter().map(|&(name, text)| (name.to_owned(), text.to_owned()));
    Config::parse("demo.toml", text, environment)
}

fn problems(text: &str, environment: &[(&str, &str)]) -> String {
    let mut config = config(text, environment).unwrap();
    let profile = config.profile();
    let gate = config.section::<Gate>("risk_gate");
    config.finish(profile.zip(gate)).unwrap_err().to_string()
}

#[test]
fn the_environment_wins_over_the_file_and_every_value_has_its_source() {
    let environment = [
        ("REMORA_RISK_GATE__ORDER_NOTIONAL_USD_MAX", "250"),
        ("REMORA_RISK_GATE__SIGNING_KEY", "hunter2"),
        ("REMORA_CONVERSION__EUR", "1.1"),
        ("REMORA_SHARED", "not a key"),
        ("PATH", "x"),
    ];
    let mut config = config(GOOD, &environment).unwrap();
    let profile = config.profile();
    let gate = config.section::<Gate>("risk_gate");
    let process = config.process();
    let (((profile, gate), _), effective) = config.finish(profile.zip(gate).zip(process)).unwrap();
    assert_eq!(gate.order_notional_usd_max, "250");
    assert_eq!(profile.account.as_str(), "paper");
    assert_eq!(profile.reporting.rates.len(), 3);
    let row = |key: &str| {
        let row = effective.rows.iter().find(|row| row.key == key).unwrap();
        (row.value.clone(), row.source.clone())
    };
    let text = |value: &str, source: &str| (value.to_owned(), source.to_owned());
    assert_eq!(row("conversion.EUR"), text("1.1", "REMORA_CONVERSION__EUR"));
    assert_eq!(row("conversion.USDT"), text("0.999", "demo.toml:7"));
    assert_eq!(row("risk_gate.orders_per_s_max"), text("10", "demo.toml:11"));
    assert_eq!(
        row("risk_gate.order_notional_usd_max"),
        text("250", "REMORA_RISK_GATE__ORDER_NOTIONAL_USD_MAX")
    );
    assert_eq!(row("risk_gate.signing_key"), text("***", "REMORA_RISK_GATE__SIGNING_KEY"));
    assert_eq!(row("bus.url"), text("nats://127.0.0.1:4222", "default"));
    assert!(!effective.to_string().contains("hunter2"));
}

#[test]
fn all_problems_of_file_and_environment_come_in_one_table() {
    let text = GOOD
        .replace("orders_per_s_max = 10", "orders_per_s_max = \"many\"\norder_notional_usd_mx = 1")
        .replace("[conversion]", "[riskgate]\n[conversion]")
        .replace("0.999", "-1")
        .replace("account = \"paper\"", "account = \"Paper!\"");
    let environment =
        [("REMORA_RISK_GATES__X", "1"), ("REMORA_RISK_GATE__SIGNING_KEYS", "hunter2")];
    let shown = problems(&text, &environment);
    for part in [
        "check configuration: 7 problem(s)",
        "account (demo.toml:3)",
        "riskgate (demo.toml:6)",
        "no such section; did you mean risk_gate?",
        "conversion.USDT (demo.toml:8)",
        "risk_gate.orders_per_s_max (demo.toml:12)",
        "no such key; did you mean order_notional_usd_max?",
        "no such section; did you mean REMORA_RISK_GATE__X?",
        "risk_gate.signing_keys (REMORA_RISK_GATE__SIGNING_KEYS)",
        "did you mean signing_key?",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn an_empty_file_tells_everything_that_is_missing() {
    let shown = problems("", &[]);
    for key in ["name", "account", "reporting_currency", "risk_gate.order_notional_usd_max"] {
        assert!(shown.contains(key), "{shown}");
    }
    assert!(shown.contains("(missing)"), "{shown}");
}

#[test]
fn validation_problems_get_the_section_and_the_line() {
    let mut config = config(GOOD, &[]).unwrap();
    let problem = SettingProblem {
        key: "orders_per_s_max".to_owned(),
        value: "10".to_owned(),
        allowed: "1 to 5".to_owned(),
    };
    let none: Option<()> = config.check("risk_gate", Err(vec![problem]));
    let ConfigError::Problems(problems) = config.finish(none).unwrap_err() else {
        panic!("not problems");
    };
    let problem = problems.first().unwrap();
    assert_eq!(problem.key, "risk_gate.orders_per_s_max");
    assert_eq!(problem.source, "demo.toml:11");
}

#[test]
fn a_file_that_is_not_toml_is_pointed_at() {
    let error = config("name = \"x\"\n[bus\n", &[]).unwrap_err();
    assert!(matches!(error, ConfigError::Syntax { line: 2, .. }), "{error}");
}

#[test]
fn process_settings_are_checked_before_anything_is_opened() {
    let text = "[bus]\nurl = \"http://x\"\npassword_file = \"/nonexistent/pw\"\n\
                [telemetry]\ntrace_fraction = 2.0\nlog_format = \"xml\"\n\
                [control]\ngrpc_listen = \"0.0.0.0:1\"\ntls_key_file = \"/nonexistent/key\"\n";
    let mut config = config(text, &[]).unwrap();
    let process = config.process();
    let shown = config.finish(process).unwrap_err().to_string();
    for key in [
        "bus.url",
        "bus.password_file",
        "telemetry.log_format",
        "control.grpc_listen",
        "control.tls_key_file",
        "control.tls_certificate_file",
    ] {
        assert!(shown.contains(key), "{key}\n{shown}");
    }
}

#[test]
fn no_settings_struct_prints_its_secrets() {
    let text = "[bus]\npassword = \"hunter2\"\n";
    let mut config = config(text, &[]).unwrap();
    let process = config.process();
    let (process, effective) = config.finish(process).unwrap();
    assert_eq!(process.bus.password.as_ref().unwrap().expose(), "hunter2");
    let json = serde_json::to_string(&process.bus).unwrap();
    for shown in [format!("{process:?}"), effective.to_string(), json] {
        assert!(shown.contains("***") && !shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn a_recording_holds_the_sections_of_neighbours_without_their_secrets() {
    let text = format!("{GOOD}[order_router]\napi_key = \"hunter2\"\nlevels = 3\n");
    let mut config = config(&text, &[]).unwrap();
    let gate = config.section::<Gate>("risk_gate");
    let (_, effective) = config.finish(gate).unwrap();
    let shown = effective.to_toml();
    assert!(shown.contains("levels = 3") && shown.contains("***"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}
