//! A service whose server goes away says so, and is well again when it returns.

use crate::common::{Watcher, replay_all};
use anyhow::Result;
use remora_deployment::{Deployment, Options, wait_for};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(40);

fn is_up(deployment: &Deployment, service: &str, dependency: &str) -> Result<Option<bool>> {
    let (_, health) = deployment.readiness(service)?;
    let dependencies = health["dependencies"].as_array().cloned().unwrap_or_default();
    let found = dependencies.iter().find(|found| found["name"] == dependency);
    Ok(found.and_then(|found| found["is_up"].as_bool()))
}

fn wait_until(deployment: &Deployment, service: &str, dependency: &str, up: bool, ready: bool) {
    let word = if up { "up" } else { "down" };
    wait_for(&format!("{service} says that {dependency} is {word}"), WITHIN, || {
        let is_so = is_up(deployment, service, dependency)? == Some(up)
            && deployment.readiness(service)?.0 == ready;
        Ok(is_so.then_some(()))
    })
    .unwrap();
}

#[test]
fn a_lost_server_is_told_and_nothing_is_lost_when_it_returns() {
    let mut deployment = Deployment::start(Options::demo().unwrap()).unwrap();
    let watcher = Watcher::new(&mut deployment);
    wait_until(&deployment, "persister", "redis", true, true);

    // Losing Redis costs speed only.
    deployment.redis().kill();
    wait_until(&deployment, "persister", "redis", false, true);
    deployment.redis().restart().unwrap();
    wait_until(&deployment, "persister", "redis", true, true);

    deployment.postgres().kill();
    wait_until(&deployment, "persister", "postgres", false, false);
    deployment.postgres().restart().unwrap();
    wait_until(&deployment, "persister", "postgres", true, true);

    deployment.nats().kill();
    for name in deployment.names() {
        wait_until(&deployment, &name, "bus", false, false);
    }
    deployment.nats().restart().unwrap();
    for name in deployment.names() {
        wait_until(&deployment, &name, "bus", true, true);
    }

    let orders = watcher.wait_quiet(&deployment);
    assert!(!orders.fills.is_empty(), "{orders:?}");
    for name in deployment.names() {
        deployment.stop_service(&name).unwrap();
    }
    replay_all(&deployment, &[]);
    deployment.stop().unwrap();
}
