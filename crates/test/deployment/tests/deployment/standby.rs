//! Two gates, one lease: whichever leads may be killed or stand still, and never do both act.

use crate::common::{Watcher, wait_for_trading};
use remora_bus::Stream;
use remora_deployment::{Deployment, Options, wait_for};
use remora_domain::{Body, Envelope, ExecType, MessageId, ProducerId, Service, SessionId};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const GATES: [&str; 2] = ["risk-gate", "risk-gate-standby"];
/// A term of 3 s, a look each 0.4 s, and a busy machine.
const LEADS_WITHIN: Duration = Duration::from_secs(20);

/// Gives the gate that leads, and the other one.
pub(crate) fn leader(deployment: &Deployment) -> (&'static str, &'static str) {
    let [one, other] = GATES;
    let leads = |name: &str| deployment.details(name).unwrap()["leads"] == true;
    assert!(leads(one) != leads(other), "exactly one leads");
    if leads(one) { (one, other) } else { (other, one) }
}

/// Waits until a gate leads; gives its epoch.
fn wait_leads(deployment: &Deployment, name: &str) -> u64 {
    wait_for(&format!("{name} leads"), LEADS_WITHIN, || {
        let details = deployment.details(name)?;
        Ok((details["leads"] == true).then(|| details["epoch"].as_u64()).flatten())
    })
    .unwrap()
}

/// Reads the logs and wants: one run an epoch; no order sent on an approval of an older epoch than the newest that the
/// router had acknowledged before it sent. Gives how many epochs there were.
pub(crate) fn check_epochs(watcher: &Watcher) -> usize {
    let orders = watcher.log(Stream::Orders);
    let mut runs: BTreeMap<u64, SessionId> = BTreeMap::new();
    let mut signed: BTreeMap<MessageId, u64> = BTreeMap::new();
    for envelope in &orders {
        if let Body::OrderApproval(approval) = &envelope.body {
            let (epoch, run) = (approval.fields.epoch, envelope.header.session);
            assert_eq!(*runs.entry(epoch).or_insert(run), run, "two act under epoch {epoch}");
            signed.insert(envelope.header.message_id(), epoch);
        }
    }
    // Everything a run of the router says has one number, whatever stream it is in.
    let mut said: BTreeMap<(ProducerId, SessionId, u64), &Envelope> = BTreeMap::new();
    let states = watcher.log(Stream::States);
    for envelope in states.iter().chain(&orders) {
        let is_router = if let Body::ControlState(state) = &envelope.body {
            state.service == Service::OrderRouter.name()
        } else {
            matches!(&envelope.body, Body::OrderEvent(event) if event.exec_type == ExecType::Sending)
        };
        if is_router {
            let header = &envelope.header;
            said.insert((header.producer.clone(), header.session, header.sequence), envelope);
        }
    }
    let (mut acknowledged, mut sent) = (0, 0);
    for envelope in said.into_values() {
        if let Body::ControlState(state) = &envelope.body {
            acknowledged = acknowledged.max(state.epoch);
        } else {
            let cause = envelope.header.cause.as_ref().unwrap();
            let epoch = signed[cause];
            assert!(epoch >= acknowledged, "{epoch} after {acknowledged}: {:?}", envelope.header);
            sent += 1;
        }
    }
    assert!(sent > 0 && acknowledged > 0);
    runs.len()
}

#[test]
fn a_standby_leads_when_the_leader_dies_or_stands_still_and_who_wakes_up_says_nothing() {
    let mut options = Options::demo().unwrap();
    options.pace = "4x".to_owned();
    options.has_standby = true;
    let mut deployment = Deployment::start(options).unwrap();
    let watcher = Watcher::new(&mut deployment);
    wait_for_trading(&watcher, "under the first leader");

    let (first, second) = leader(&deployment);
    let before = deployment.details(first).unwrap()["epoch"].as_u64().unwrap();
    let killed = Instant::now();
    deployment.kill(first).unwrap();
    let epoch = wait_leads(&deployment, second);
    eprintln!("killed: the standby leads after {:?}", killed.elapsed());
    assert!(epoch > before);
    wait_for_trading(&watcher, "under the second leader");
    eprintln!("killed: orders go round after {:?}", killed.elapsed());
    deployment.restart(first).unwrap();
    assert_eq!(leader(&deployment), (second, first));

    deployment.signal(second, "STOP").unwrap();
    let stopped = Instant::now();
    let epoch_after = wait_leads(&deployment, first);
    eprintln!("stopped: the standby leads after {:?}", stopped.elapsed());
    assert!(epoch_after > epoch);
    wait_for_trading(&watcher, "while the old leader stands still");
    deployment.signal(second, "CONT").unwrap();
    let ended = wait_for("the deposed gate ends", LEADS_WITHIN, || deployment.ended(second));
    assert!(ended.unwrap().success());
    deployment.restart(second).unwrap();
    wait_for_trading(&watcher, "after the old leader woke up");

    for name in deployment.names().into_iter().rev() {
        deployment.stop_service(&name).unwrap();
    }
    assert!(check_epochs(&watcher) >= 3);
    watcher.check_log(&deployment);
    assert_eq!(watcher.orders().repeats, Vec::<String>::new());
    for name in deployment.names() {
        let said = deployment.replay(&name).unwrap();
        let runs = if GATES.contains(&&*name) { 2 } else { 1 };
        assert_eq!(said.matches("reproduced").count(), runs, "{name}: {said}");
    }
    deployment.verify_journals().unwrap();
    deployment.stop().unwrap();
}
