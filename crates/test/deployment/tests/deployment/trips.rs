//! How long an order request is on its way: decision asks, the gate answers, decision hears it. From the flight recordings of
//! live trading on the simulated exchange, whose clocks are one machine's. Beside it two floors of the same run, one question at
//! a time: a bare request and reply of NATS, and the same through a stream both ways, as requests and approvals go.

use crate::fault_run::{Folder, Run, Size, seed};
use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use remora_bus::{
    Bus, Credentials, NatsBus, NatsSettings, OutMessage, ReadFrom, Stream, connect_nats,
};
use remora_deployment::wait_for;
use remora_domain::{Body, DurationNs, Envelope, MessageId, Subject, Timestamp};
use remora_service_kit::flight::FlightReader;
use remora_test_servers::NatsServer;
use remora_testkit::{Producer, approval, request};
use remora_wire::flight::FlightEvent;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SIZE: Size = Size::quiet(87, false);
/// Approvals after which there is enough to tell, and the longest that may take.
const APPROVALS: usize = 1_000;
const WITHIN: Duration = Duration::from_secs(540);
/// Questions of each floor.
const QUESTIONS: usize = 2_000;
/// About what an approval weighs on the bus.
const PAYLOAD_BYTES: usize = 400;

/// Is how long many of one thing took, microseconds.
struct Trips(Vec<i64>);

impl Trips {
    fn new(mut all_us: Vec<i64>) -> Self {
        all_us.sort_unstable();
        Self(all_us)
    }

    fn at(&self, percent: usize) -> Option<i64> {
        let last = self.0.len().checked_sub(1)?;
        self.0.get((self.0.len().saturating_mul(percent) / 100).min(last)).copied()
    }

    fn tell(&self, name: &str) {
        let text = |percent| self.at(percent).map_or("-".to_owned(), |us| us.to_string());
        line(&format!(" {name:44} {:>7} {:>9} {:>9}", self.0.len(), text(50), text(99)));
    }
}

fn line(text: &str) {
    eprintln!("trips: {text}");
}

/// Prints the floors beside the trips in the recordings.
fn tell(recordings: &Path, floors: &(Trips, Trips)) -> Result<()> {
    let (to_gate, whole) = of_gate(recordings)?;
    line("\nfrom an order request to its approval or refusal        count median us   99 % us");
    to_gate.tell("decision asks, the gate has decided");
    whole.tell("decision asks, the gate answers, it is heard");
    floors.0.tell("floor: a bare request and reply");
    floors.1.tell("floor: stored in a stream, both ways");
    let share = |floor: &Trips| {
        let (took, floor) = (whole.at(50)?, floor.at(50)?);
        Some(format!(
            "{:.2}",
            f64::from(i32::try_from(took).ok()?) / f64::from(i32::try_from(floor).ok()?)
        ))
    };
    let [bare, stored] =
        [share(&floors.0), share(&floors.1)].map(|it| it.unwrap_or("-".to_owned()));
    line(&format!(" medians: {bare} bare requests and replies, {stored} through a stream"));
    Ok(())
}

/// Gives, for each request that decision made, how long until the gate had decided and until decision heard it.
fn of_gate(folder: &Path) -> Result<(Trips, Trips)> {
    let mut asked: BTreeMap<MessageId, Timestamp> = BTreeMap::new();
    let mut to_gate = Vec::new();
    each_message(folder, "risk-gate-", |now, heard| {
        if matches!(heard.body, Body::OrderRequest(_)) {
            to_gate.push(us(now.since(heard.header.publish_time)));
            asked.insert(heard.header.message_id(), heard.header.publish_time);
        }
    })?;
    let mut whole = Vec::new();
    each_message(folder, "decision-", |now, heard| {
        let is_answer = matches!(heard.body, Body::OrderApproval(_) | Body::OrderRefusal(_));
        let cause = heard.header.cause.as_ref().filter(|_| is_answer);
        whole.extend(cause.and_then(|it| asked.remove(it)).map(|at| us(now.since(at))));
    })?;
    Ok((Trips::new(to_gate), Trips::new(whole)))
}

const fn us(duration: DurationNs) -> i64 {
    duration.as_ns() / 1_000
}

/// Shows every message that a service heard, with when.
fn each_message(
    folder: &Path,
    prefix: &str,
    mut see: impl FnMut(Timestamp, &Envelope),
) -> Result<()> {
    for entry in fs::read_dir(folder).context("find the flight recordings")? {
        let path: PathBuf = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !name.starts_with(prefix) || !name.ends_with("-00001.flight.gz") {
            continue;
        }
        let mut reader = FlightReader::open(&path)?;
        while let Some(entry) = reader.next_entry()? {
            if let FlightEvent::Message(bytes) = &entry.event {
                see(entry.now, &remora_wire::decode(bytes)?);
            }
        }
    }
    Ok(())
}

/// Measures both floors on a server of their own, beside everything that runs.
fn floors() -> Result<(Trips, Trips)> {
    let server = NatsServer::start().context("start a server for the floors")?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async { Ok((bare(&server.url()).await?, stored(&server.url()).await?)) })
}

async fn bare(url: &str) -> Result<Trips> {
    let (asks, answers) = (async_nats::connect(url).await?, async_nats::connect(url).await?);
    let mut asked = answers.subscribe("floor").await?;
    answers.flush().await?;
    let answering = tokio::spawn(async move {
        while let Some(message) = asked.next().await {
            if let Some(reply) = message.reply {
                answers.publish(reply, message.payload).await?;
            }
        }
        anyhow::Ok(())
    });
    let mut took = Vec::new();
    for _ in 0..QUESTIONS {
        let begun = Instant::now();
        asks.request("floor", vec![0; PAYLOAD_BYTES].into()).await?;
        took.push(since_us(begun));
    }
    answering.abort();
    Ok(Trips::new(took))
}

/// Asks through the stream of orders: each question and each answer is stored and read from the log.
async fn stored(url: &str) -> Result<Trips> {
    let bus = || async {
        let settings = NatsSettings::new(url, "floor", Credentials::None);
        connect_nats(settings).await.context("connect for the floor")
    };
    let (asks, answers) = (bus().await?, bus().await?);
    asks.declare_streams().await?;
    let (mut log, mut answers_log) = (
        asks.read_log(Stream::Orders, &[], ReadFrom::Start).await?,
        answers.read_log(Stream::Orders, &[], ReadFrom::Start).await?,
    );
    let answering = tokio::spawn(async move {
        let mut gate = Producer::new("risk-gate", 1);
        // Signed once: the floor is the road alone.
        let yes = Body::OrderApproval(approval(request("r-0"), 1, 1, Timestamp::EPOCH));
        loop {
            let heard = remora_wire::decode(&answers_log.recv().await?.message.payload)?;
            if matches!(heard.body, Body::OrderRequest(_)) {
                put(&answers, &gate.reply(Timestamp::EPOCH, &heard, yes.clone())).await?;
            }
        }
        #[expect(unreachable_code, reason = "tells the type of the error")]
        anyhow::Ok(())
    });
    let mut decision = Producer::new("decision", 1);
    let mut took = Vec::new();
    for number in 0..QUESTIONS {
        let body = Body::OrderRequest(request(&format!("r-{number}")));
        let question = decision.wrap(Timestamp::EPOCH, body);
        let cause = question.header.message_id();
        let begun = Instant::now();
        let answered = async {
            loop {
                let heard = remora_wire::decode(&log.recv().await?.message.payload)?;
                if heard.header.cause.as_ref() == Some(&cause) {
                    return anyhow::Ok(since_us(begun));
                }
            }
        };
        let (put, answered) = futures::join!(put(&asks, &question), answered);
        put?;
        took.push(answered?);
    }
    answering.abort();
    Ok(Trips::new(took))
}

async fn put(bus: &NatsBus, envelope: &Envelope) -> Result<()> {
    bus.publish_durable(OutMessage {
        subject: Subject::of(envelope).to_string(),
        message_id: envelope.header.message_id().to_string(),
        headers: [].into(),
        payload: remora_wire::encode(envelope),
    })
    .await?;
    Ok(())
}

fn since_us(begun: Instant) -> i64 {
    let took: Duration = begun.elapsed();
    i64::try_from(took.as_micros()).unwrap_or(i64::MAX)
}

#[test]
fn the_median_and_the_slowest_hundredth_are_told_and_nothing_of_nothing() {
    let trips = Trips::new((1..=200).rev().collect());
    assert_eq!((trips.at(50), trips.at(99)), (Some(101), Some(199)));
    assert_eq!(Trips::new(Vec::new()).at(50), None);
}

#[test]
#[ignore = "takes minutes, and measures: cargo xtask trips"]
fn trips_of_requests_to_the_gate_are_told_beside_floors_of_the_same_run() {
    let folder = Folder::new();
    let run = Run::start(seed(), &SIZE, folder.0.path());
    wait_for("enough approvals", WITHIN, || {
        Ok((run.watcher.orders().approvals >= APPROVALS).then_some(()))
    })
    .unwrap();
    let floors = floors().unwrap();
    run.set_halted(true);
    let Run { mut deployment, .. } = run;
    // A recording is whole once its service has ended.
    deployment.stop_service("decision").unwrap();
    deployment.stop_service("risk-gate").unwrap();
    tell(&deployment.flight_folder(), &floors).unwrap();
    deployment.stop().unwrap();
}
