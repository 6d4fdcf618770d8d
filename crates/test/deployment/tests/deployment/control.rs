//! Halt and resume work while the bus is away.

use crate::common::{ROUTER, Watcher};
use remora_bus::Stream;
use remora_deployment::{Deployment, Options, Role, wait_for};
use remora_domain::{Body, ControlAction, ControlScope, ServiceState};
use remora_rpc::ControlClient;
use std::time::Duration;
use tokio::runtime::Runtime;

const WITHIN: Duration = Duration::from_secs(30);

fn wait_for_state(runtime: &Runtime, client: &mut ControlClient, wanted: ServiceState) {
    wait_for(&format!("{wanted:?}"), WITHIN, || {
        let status = runtime.block_on(client.status())?;
        Ok((status.state == wanted).then_some(()))
    })
    .unwrap();
}

#[test]
fn gate_and_router_halt_and_resume_while_nats_is_down_and_say_so_on_the_bus_later() {
    let mut options = Options::demo().unwrap();
    options.starts_ingestors = false;
    let mut deployment = Deployment::start(options).unwrap();
    let runtime = Runtime::new().unwrap();
    let token = deployment.token(Role::Operator).unwrap();
    let viewer = deployment.token(Role::Viewer).unwrap();
    let connect = |name: &str, token: &str| {
        let uri = format!("http://{}", deployment.grpc(name).unwrap());
        runtime.block_on(ControlClient::connect(&uri, token, None)).unwrap()
    };
    let mut clients = [connect("risk-gate", &token), connect(ROUTER, &token)];
    let mut looker = connect("risk-gate", &viewer);
    let global = ControlScope::Global;
    assert!(runtime.block_on(looker.halt(&global, "may not", "viewer")).is_err());

    deployment.nats().stop().unwrap();
    for client in &mut clients {
        wait_for_state(&runtime, client, ServiceState::Active);
        runtime.block_on(client.halt(&global, "drill", "tester")).unwrap();
        wait_for_state(&runtime, client, ServiceState::Halted);
        runtime.block_on(client.resume(&global, "drill over", "tester")).unwrap();
        wait_for_state(&runtime, client, ServiceState::Active);
    }
    deployment.nats().restart().unwrap();
    for name in deployment.names() {
        deployment.wait_ready(&name).unwrap();
    }
    // Every command is on record, from whom it was given to.
    let watcher = Watcher::new(&mut deployment);
    let mut log = Vec::new();
    let outcome = wait_for("the commands are in the log", WITHIN, || {
        log = watcher.log(Stream::Control);
        let count = |action: ControlAction| {
            let is_it = |body: &Body| {
                matches!(body, Body::ControlCommand(command)
                    if command.action == action && command.actor.starts_with("tester"))
            };
            log.iter().filter(|envelope| is_it(&envelope.body)).count()
        };
        Ok((count(ControlAction::Halt) == 2 && count(ControlAction::Resume) == 2).then_some(()))
    });
    outcome.unwrap_or_else(|error| panic!("{error:#}: {log:#?}"));
    deployment.stop().unwrap();
}
