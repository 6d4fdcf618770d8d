//! Dead letters, from the message that nobody can read to the row that a later version makes of one.

use crate::common::{ROUTER, Watcher};
use remora_bus::{
    Bus, Credentials, NatsBus, NatsSettings, OutMessage, PasswordSource, Stream, connect_nats,
    dead_letter,
};
use remora_deployment::{Deployment, Options, wait_for};
use remora_domain::{Envelope, Service, Subject};
use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;
use tokio::runtime::Runtime;

const WITHIN: Duration = Duration::from_secs(30);

fn connect(runtime: &Runtime, deployment: &mut Deployment, user: &str) -> NatsBus {
    let password = PasswordSource::Given(deployment.bus_password(user).unwrap());
    let credentials = Credentials::Password { user: user.to_owned(), password };
    let settings = NatsSettings::new(&deployment.nats().url(), user, credentials);
    runtime.block_on(connect_nats(settings)).unwrap()
}

/// Runs `remora ctl dead` as a person does beside the persister; gives what it says and whether it ended well.
fn dead(deployment: &mut Deployment, arguments: &[&str]) -> (String, bool) {
    let secrets = deployment.folder().join("secrets");
    let mut remora = Command::new(deployment.options().programs.join("remora"));
    remora.args(["ctl", "dead"]).args(arguments);
    remora.env("REMORA_BUS__URL", deployment.nats().url());
    remora.env("REMORA_BUS__PASSWORD_FILE", secrets.join("persister.password"));
    remora.env("REMORA_STORAGE__POSTGRES_URL", deployment.postgres_url());
    let output = remora.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&said).into_owned(), output.status.success())
}

fn rows_of(deployment: &Deployment, envelope: &Envelope) -> String {
    let id = envelope.header.message_id();
    let sql = format!(
        "SELECT count(*) FROM control_events WHERE producer = '{}' AND sequence = {}",
        id.producer, id.sequence
    );
    deployment.query(&sql).unwrap().trim().to_owned()
}

#[test]
fn a_letter_that_can_be_read_now_becomes_a_row_once_and_the_others_stay() {
    let mut options = Options::demo().unwrap();
    options.starts_ingestors = false;
    let mut deployment = Deployment::start(options).unwrap();
    let watcher = Watcher::new(&mut deployment);
    let (said, is_good) = dead(&mut deployment, &["list"]);
    assert!(is_good && said.contains("letters: 0"), "{said}");

    // What an older persister would have set aside: a message of a version it did not know.
    let mut later = watcher.log(Stream::States).pop().unwrap();
    later.header.sequence += 1_000_000;
    let runtime = Runtime::new().unwrap();
    let persister = connect(&runtime, &mut deployment, Service::Persister.name());
    let subject = Subject::of(&later).to_string();
    let payload = remora_wire::encode(&later);
    let mut letter = dead_letter(Service::Persister.name(), &subject, "not known yet", payload);
    letter.message_id = "later".to_owned();
    runtime.block_on(persister.publish_durable(letter)).unwrap();

    // What nobody will ever read, on its way to history.
    let router = connect(&runtime, &mut deployment, ROUTER);
    let garbage = OutMessage {
        subject: "remora.v1.order.event.paper.kraken-spot.BTC-USD".to_owned(),
        message_id: "garbage".to_owned(),
        headers: BTreeMap::new(),
        payload: b"not a message".as_slice().into(),
    };
    runtime.block_on(router.publish_durable(garbage)).unwrap();
    // The services that trade set it aside too, each under its own name.
    let listed = wait_for("the persister has set it aside", WITHIN, || {
        let (said, is_good) = dead(&mut deployment, &["list"]);
        assert!(is_good, "{said}");
        let is_there = said.lines().filter(|line| line.contains("  persister  ")).count() == 2;
        Ok(is_there.then_some(said))
    })
    .unwrap();
    assert!(listed.contains("readable now: risk-gate") || listed.contains("readable now: order"));
    assert!(listed.contains("not readable: "), "{listed}");
    wait_for("health tells of it", WITHIN, || {
        let (_, health) = deployment.readiness("persister")?;
        let is_told = health.to_string().contains("1 messages set aside since the start");
        Ok(is_told.then_some(()))
    })
    .unwrap();

    assert_eq!(rows_of(&deployment, &later), "0");
    let (said, is_good) = dead(&mut deployment, &["redrive", "--all"]);
    assert!(!is_good && said.contains("1: stored") && said.contains("NOT stored"), "{said}");
    assert_eq!(rows_of(&deployment, &later), "1");
    let (said, is_good) = dead(&mut deployment, &["redrive", "1"]);
    assert!(is_good && said.contains("1: was stored already"), "{said}");
    assert_eq!(rows_of(&deployment, &later), "1");
    let (said, is_good) = dead(&mut deployment, &["redrive", "1", "4711"]);
    assert!(!is_good && said.contains("no letter has the number 4711"), "{said}");
    deployment.stop().unwrap();
}
