//! Any service may be killed at any instant: nothing is lost, nothing is done twice.

use crate::common::{INGESTOR, ROUTER, Watcher, replay_all, wait_for_trading};
use remora_deployment::{Deployment, Options};

#[test]
fn a_killed_service_loses_nothing_and_repeats_nothing() {
    let mut options = Options::demo().unwrap();
    // Slow enough to go on while six services are killed one after the other.
    options.pace = "4x".to_owned();
    let mut deployment = Deployment::start(options).unwrap();
    let watcher = Watcher::new(&mut deployment);
    let first = ["decision", "risk-gate", ROUTER, "persister", "pair-discovery"];
    for name in first {
        wait_for_trading(&watcher, &format!("before {name} is killed"));
        deployment.kill(name).unwrap();
        deployment.restart(name).unwrap();
    }
    wait_for_trading(&watcher, "after the kills");
    deployment.kill(INGESTOR).unwrap();
    deployment.restart(INGESTOR).unwrap();
    wait_for_trading(&watcher, "on the new ingestor");
    let orders = watcher.wait_quiet(&deployment);
    assert!(!orders.fills.is_empty(), "{orders:?}");
    for name in deployment.names() {
        deployment.stop_service(&name).unwrap();
    }
    replay_all(&deployment, &[&first[..], &[INGESTOR]].concat());
    deployment.stop().unwrap();
}
