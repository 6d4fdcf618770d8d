//! The kill switch on the simulated exchange, with the bus dead; and what the gate tells of its controls while it trades.

use crate::common::ROUTER;
use crate::fault_run::{exchange::Exchange, profile};
use remora_deployment::{Deployment, Options, wait_for};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(60);

/// Runs `remora` against one service, as its operator.
fn remora(deployment: &Deployment, service: &str, words: &[&str]) -> Output {
    let tokens = deployment.folder().join("secrets/control.tokens");
    let uri = format!("http://{}", deployment.grpc(service).unwrap());
    let mut command = Command::new(deployment.options().programs.join("remora"));
    command.args(words).args(["--url", &uri, "--token-file"]).arg(tokens);
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Asks the gate for all of its controls.
fn explained(deployment: &Deployment) -> Vec<Value> {
    let text = said(&remora(deployment, "risk-gate", &["risk", "explain", "--json"]));
    serde_json::from_str(&text).unwrap()
}

fn value(controls: &[Value], name: &str) -> String {
    let found = controls.iter().find(|one| one["control"] == name).unwrap();
    found["value"].as_str().unwrap().to_owned()
}

/// Waits until the gate counts orders that rest, then checks that every control of the catalogue says what it sees.
fn check_controls(deployment: &Deployment) {
    let controls = wait_for("the gate counts what rests", WITHIN, || {
        let controls = explained(deployment);
        Ok((value(&controls, "G22") != "0 orders").then_some(controls))
    })
    .unwrap();
    let names: BTreeSet<&str> = controls.iter().filter_map(|one| one["control"].as_str()).collect();
    let catalogue: Vec<String> = (1..=41).map(|number| format!("G{number:02}")).collect();
    assert_eq!(names, catalogue.iter().map(String::as_str).collect());
    for one in &controls {
        assert!(one["value"].as_str().is_some_and(|value| !value.is_empty()), "{one}");
    }
    assert_eq!(value(&controls, "G38"), "none open");
    let [gross, orders, age] = ["G15", "G22", "G31"].map(|name| value(&controls, name));
    assert_ne!(gross, "0 USD", "what rests may fill");
    eprintln!("kill switch: G15 {gross}, G22 {orders}, G31 {age}");
}

/// Writes a profile of an account that is shared: its timer may take what is not ours, and we trade beside it.
fn shared_account(folder: &Path) -> PathBuf {
    let path = profile::write(folder, 0);
    let written = fs::read_to_string(&path).unwrap();
    let shared = written.replace("dead_man = \"guard\"", "dead_man = \"guard_shared\"");
    assert_ne!(shared, written);
    fs::write(&path, shared).unwrap();
    path
}

#[test]
fn a_kill_leaves_an_order_of_another_program_alone_and_the_one_of_the_whole_account_takes_it() {
    let folder = tempfile::tempdir().unwrap();
    let programs = Options::demo().unwrap().programs;
    let exchange = Exchange::start(&programs, folder.path(), 3, 0);
    exchange.place_foreign_order();
    let mut options = Options::live(exchange.live(exchange.address("REST"))).unwrap();
    options.profile = shared_account(folder.path());
    let deployment = Deployment::start(options).unwrap();
    wait_for("orders rest", WITHIN, || Ok((exchange.books().orders_open >= 4).then_some(())))
        .unwrap();

    let kill = |words: &[&str]| remora(&deployment, ROUTER, &[&["ctl", "kill"], words].concat());
    let refused = kill(&["--whole-account", "somebody"]);
    assert!(!refused.status.success(), "{refused:?}");
    let said_no = String::from_utf8_lossy(&refused.stdout);
    assert!(said_no.contains("does not route for account \"somebody\""), "{said_no}");
    assert!(exchange.books().orders_open > 1, "nothing was done");

    let line = said(&kill(&[]));
    assert!(line.contains("the venue confirms none open"), "{line}");
    let left: Vec<_> =
        exchange.orders().into_iter().filter(|order| order.closed_ns.is_none()).collect();
    assert!(matches!(&left[..], [one] if one.cl_ord_id.is_none()), "{left:?}");

    let line = said(&kill(&["--whole-account", "main"]));
    assert!(line.contains("the venue confirms no order of the account open"), "{line}");
    assert_eq!(exchange.books().orders_open, 0, "{line}");
    eprintln!("kill switch: {line}");
    deployment.stop().unwrap();
}

#[test]
fn a_kill_takes_everything_back_while_nats_is_dead_and_ends_with_the_venues_word() {
    let folder = tempfile::tempdir().unwrap();
    let programs = Options::demo().unwrap().programs;
    let exchange = Exchange::start(&programs, folder.path(), 1, 0);
    let mut options = Options::live(exchange.live(exchange.address("REST"))).unwrap();
    options.profile = profile::write(folder.path(), 0);
    let deployment = Deployment::start(options).unwrap();
    wait_for("orders rest", WITHIN, || Ok((exchange.books().orders_open >= 4).then_some(())))
        .unwrap();
    check_controls(&deployment);

    let mut deployment = deployment;
    deployment.nats().stop().unwrap();
    let elsewhere = remora(&deployment, ROUTER, &["ctl", "kill", "--venue", "other-spot"]);
    assert!(said(&elsewhere).contains("left alone"), "{elsewhere:?}");
    let killed = remora(&deployment, ROUTER, &["ctl", "kill", "--venue", "kraken-spot"]);
    let line = said(&killed);
    assert_eq!(exchange.books().orders_open, 0, "{line}");
    assert!(line.contains("kraken-spot: the venue confirms none open"), "{line}");
    eprintln!("kill switch: {line}");
    let gate = remora(&deployment, "risk-gate", &["ctl", "kill"]);
    assert!(!gate.status.success(), "a gate has no venue: {gate:?}");

    deployment.nats().restart().unwrap();
    for name in deployment.names() {
        deployment.wait_ready(&name).unwrap();
    }
    deployment.stop().unwrap();
}
