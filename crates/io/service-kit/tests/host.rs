//! A whole process but for its signals: configuration, HTTP, gRPC, loop, recording, replay.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod common;

use common::{AwayBus, Log, Tell, TestCore, plan};
use remora_bus::{Bus, Stream};
use remora_domain::{AccountId, Body, ControlScope, ServiceState};
use remora_rpc::{ControlClient, Recorded, Route};
use remora_service_kit::config::Config;
use remora_service_kit::flight::{Ending, FlightReader, replay};
use remora_service_kit::{About, Host, Inputs, Publisher};
use remora_testkit::{account, venue};
use std::sync::Arc;
use tokio::sync::mpsc;

const TOKEN: &str = "operator-0123456789";

#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Gate {
    order_notional_usd_max: String,
    note: Option<String>,
}

fn profile(folder: &std::path::Path) -> String {
    let token_file = folder.join("tokens");
    std::fs::write(&token_file, format!("operator desk {TOKEN}\n")).unwrap();
    format!(
        "name = \"demo\"\ndescription = \"for tests\"\naccount = \"paper\"\n\
         reporting_currency = \"USD\"\n[conversion]\nUSDT = \"0.999\"\n\
         [risk_gate]\norder_notional_usd_max = \"500\"\n\
         [telemetry]\nlog_filter = \"warn\"\nflight_folder = {:?}\n\
         [bus]\npassword = \"hunter2\"\n\
         [control]\ntoken_file = {token_file:?}\n",
        folder.join("flight")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_whose_recordings_cannot_be_written_starts_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    // A file where the folder should be.
    std::fs::write(folder.path().join("flight"), "").unwrap();
    let mut config = Config::parse("demo.toml", &profile(folder.path()), []).unwrap();
    let (process, _, gate) =
        (config.process(), config.profile(), config.section::<Gate>("risk_gate"));
    let ((process, _), effective) = config.finish(process.zip(gate)).unwrap();
    let about = About {
        service: "test",
        user: "test",
        producer: "core",
        version: "0.1.0",
        is_controllable: true,
        route: None,
        needs_market_data: false,
    };
    let host = Host::start(process, &effective, about).await.unwrap();
    let (shutdown, health) = (host.shutdown().clone(), host.health().clone());
    let core = TestCore::new("core", host.identity().session().get());
    let bus = AwayBus::new();
    let mut states = Log::open(&bus, Stream::States).await;
    let shared: Arc<dyn Bus> = Arc::new(bus.clone());
    let publisher = Publisher::start(Arc::clone(&shared));
    let (tell, _effects) = mpsc::unbounded_channel();
    let effects = Box::new(Tell(tell));
    let driven = tokio::spawn(host.drive(shared, publisher, core, effects, plan(), Inputs::none()));
    states.next_from("core").await;
    let down: Vec<String> =
        health.status().dependencies.into_iter().filter(|it| !it.is_up).map(|it| it.name).collect();
    assert_eq!(down, ["flight-recording", "halt-folder"]);
    assert!(health.unready().is_empty(), "{:?}", health.unready());
    shutdown.request();
    driven.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_takes_an_account_back_that_it_routes_for_before_its_core_runs() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::parse("demo.toml", &profile(folder.path()), []).unwrap();
    let process = config.process();
    let (_, _) = (config.profile(), config.section::<Gate>("risk_gate"));
    let (process, effective) = config.finish(process).unwrap();
    let about = About {
        service: "test",
        user: "test",
        producer: "core",
        version: "0.1.0",
        is_controllable: true,
        route: Some(Route { account: account(), venue: venue() }),
        needs_market_data: false,
    };
    let host = Host::start(process, &effective, about).await.unwrap();
    let details = host.health().status().details_json;
    assert!(details.contains(r#""venue":"sim-spot""#), "{details}");
    let uri = format!("http://{}", host.grpc_address());
    let mut desk = ControlClient::connect(&uri, TOKEN, None).await.unwrap();
    let kept = desk.cancel_account(&account(), None, "why", "ann").await.unwrap();
    assert_eq!(kept, Some(Recorded::InMemory), "it waits for the core");
    let other = AccountId::new("other").unwrap();
    desk.cancel_account(&other, None, "why", "ann").await.unwrap_err();
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_halts_a_process_and_its_recording_replays_from_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::parse("demo.toml", &profile(folder.path()), []).unwrap();
    let (process, profile) = (config.process(), config.profile());
    let gate = config.section::<Gate>("risk_gate");
    let values = process.zip(profile).zip(gate);
    let (((process, _), _), effective) = config.finish(values).unwrap();
    let version = "0.1.0";
    let about = About {
        service: "test",
        user: "test",
        producer: "core",
        version,
        is_controllable: true,
        route: None,
        needs_market_data: false,
    };
    let host = Host::start(process, &effective, about).await.unwrap();
    let uri = format!("http://{}", host.grpc_address());
    let session = host.identity().session();
    let core = TestCore::new("core", session.get());
    let (shutdown, seed) = (host.shutdown().clone(), host.identity().seed());

    let bus = AwayBus::new();
    let mut control = Log::open(&bus, Stream::States).await;
    let shared: Arc<dyn Bus> = Arc::new(bus.clone());
    let publisher = Publisher::start(Arc::clone(&shared));
    let (tell, _effects) = mpsc::unbounded_channel();
    let driven = tokio::spawn(host.drive(
        shared,
        publisher,
        core,
        Box::new(Tell(tell)),
        plan(),
        Inputs::none(),
    ));
    control.next_from("core").await;
    let mut client = ControlClient::connect(&uri, TOKEN, None).await.unwrap();
    assert_eq!(client.status().await.unwrap().state, ServiceState::Active);
    client.halt(&ControlScope::Global, "a test", "ann").await.unwrap();
    let Body::ControlState(state) = control.next_from("core").await.body else {
        panic!("not a state")
    };
    assert_eq!(state.state, ServiceState::Halted);
    assert_eq!(client.status().await.unwrap().state, ServiceState::Halted);
    drop(client);
    shutdown.request();
    driven.await.unwrap().unwrap();

    let first = folder.path().join(format!("flight/core-{session}-00001.flight.gz"));
    let mut reader = FlightReader::open(&first).unwrap();
    let header = reader.header().clone();
    assert_eq!((header.seed, header.session), (seed, session));
    assert!(!header.settings.contains("hunter2"), "{}", header.settings);
    // The recording holds what its core was built from.
    let mut config = Config::parse("recording", &header.settings, []).unwrap();
    let (profile, gate) = (config.profile(), config.section::<Gate>("risk_gate"));
    let ((profile, gate), _) = config.finish(profile.zip(gate)).unwrap();
    assert_eq!(gate.order_notional_usd_max, "500");
    assert_eq!(profile.reporting.rates.len(), 2);
    let report = replay(&mut reader, &mut TestCore::new("core", session.get())).unwrap();
    assert_eq!((report.first_difference, report.ending), (None, Some(Ending::Closed)));
    // Caught up, the command of the operator, and the request to stop.
    assert_eq!(report.entries, 3);
}
