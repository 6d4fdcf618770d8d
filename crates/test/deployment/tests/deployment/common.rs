//! What the tests of whole deployments share: looking at the log of orders, at history, and waiting for both.

use anyhow::Result;
use remora_bus::{
    Bus, Credentials, NatsBus, NatsSettings, PasswordSource, ReadFrom, Stream, connect_nats,
};
use remora_deployment::{Deployment, wait_for};
use remora_domain::{Body, Envelope, Subject};
use remora_history_store::{HistorySettings, HistoryStore, Summary};
use remora_service_kit::config::Config;
use remora_sim::Plan;
use remora_sim::check::Checker;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Runtime;

pub(crate) const INGESTOR: &str = "ingestor-kraken-spot-0";
pub(crate) const ROUTER: &str = "order-router-kraken-spot";

/// Redelivery of what a killed persister had not acknowledged takes half a minute.
const QUIET_WITHIN: Duration = Duration::from_secs(120);

/// Looks at a deployment through the eyes of the console, which may read everything.
pub(crate) struct Watcher {
    pub(crate) runtime: Runtime,
    pub(crate) bus: NatsBus,
    history: HistoryStore,
}

/// Is what the log of orders holds, each message by a name of its own.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Orders {
    pub(crate) messages: BTreeSet<String>,
    pub(crate) fills: BTreeSet<String>,
    pub(crate) approvals: usize,
    pub(crate) events: usize,
    /// Messages and fills that stand in the log twice.
    pub(crate) repeats: Vec<String>,
}

impl Watcher {
    pub(crate) fn new(deployment: &mut Deployment) -> Self {
        let runtime = Runtime::new().unwrap();
        let password = PasswordSource::Given(deployment.bus_password("console").unwrap());
        let credentials = Credentials::Password { user: "console".to_owned(), password };
        let settings = NatsSettings::new(&deployment.nats().url(), "watcher", credentials);
        let bus = runtime.block_on(connect_nats(settings)).unwrap();
        // Its pool belongs to the runtime it is made in.
        let _inside = runtime.enter();
        let history =
            HistoryStore::open(&deployment.postgres_url(), &HistorySettings::default()).unwrap();
        Self { bus, history, runtime }
    }

    /// Reads a stream as it is now.
    pub(crate) fn log(&self, stream: Stream) -> Vec<Envelope> {
        self.runtime.block_on(async {
            let mut log = self.bus.read_log(stream, &[], ReadFrom::Start).await.unwrap();
            let mut read = Vec::new();
            while !log.is_caught_up() {
                let entry = log.recv().await.unwrap();
                read.push(remora_wire::decode(&entry.message.payload).unwrap());
            }
            read
        })
    }

    pub(crate) fn orders(&self) -> Orders {
        let mut orders = Orders::default();
        for envelope in self.log(Stream::Orders) {
            let id = envelope.header.message_id().to_string();
            let kind = Subject::of(&envelope).kind.as_str();
            let word = format!("{}s", kind.strip_prefix("order.").unwrap());
            orders.approvals += usize::from(word == "approvals");
            orders.events += usize::from(word == "events");
            if !orders.messages.insert(format!("{word} {id}")) {
                orders.repeats.push(id);
            }
            if let Body::OrderEvent(event) = &envelope.body
                && let Some(fill) = &event.fill
            {
                let fill = fill.exec_id.to_string();
                if !orders.fills.insert(fill.clone()) {
                    orders.repeats.push(fill);
                }
            }
        }
        orders
    }

    /// Wants every promise that the durable log can show: each request answered once, each approval handled, each
    /// order sent once and ended, quantities and balances the sum of the fills.
    pub(crate) fn check_log(&self, deployment: &Deployment) {
        let mut checker = Checker::of_log(&plan(&deployment.options().profile).gate);
        let accounts = self.log(Stream::Accounts);
        let balances = |envelope: &&Envelope| matches!(envelope.body, Body::Balances(_));
        let first = accounts.iter().find(balances);
        let last = accounts.iter().rfind(balances);
        let (instruments, orders) = (self.log(Stream::Instruments), self.log(Stream::Orders));
        for message in instruments.iter().chain(first).chain(&orders).chain(last) {
            checker.observe(message);
        }
        let verdict = checker.finish();
        let texts: Vec<String> = verdict.findings.iter().map(ToString::to_string).collect();
        assert_eq!(verdict.findings_total, 0, "{}", texts.join("\n"));
        assert!(verdict.totals.approvals > 0, "{:?}", verdict.totals);
    }

    /// Gives what the log tells of each order that has not ended, for people.
    fn open_orders(&self) -> BTreeMap<String, Vec<String>> {
        let mut open: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for envelope in self.log(Stream::Orders) {
            let (id, word) = if let Body::OrderRequest(request) = &envelope.body {
                (&request.cl_ord_id, "request".to_owned())
            } else if let Body::OrderRefusal(refusal) = &envelope.body {
                (&refusal.cl_ord_id, "refusal".to_owned())
            } else if let Body::OrderCancel(cancel) = &envelope.body {
                (&cancel.cl_ord_id, format!("{:?}", cancel.reason))
            } else if let Body::OrderEvent(event) = &envelope.body {
                let word =
                    format!("{:?} {:?} {:?}", event.exec_type, event.ord_status, event.reason);
                (&event.cl_ord_id, word)
            } else {
                continue;
            };
            let (id, header) = (id.to_string(), &envelope.header);
            let has_ended = matches!(&envelope.body, Body::OrderRefusal(_))
                || matches!(&envelope.body, Body::OrderEvent(event) if event.ord_status.is_terminal());
            open.entry(id.clone()).or_default().push(format!(
                "{word} by {} at {}",
                header.message_id(),
                header.publish_time.as_ns()
            ));
            if has_ended {
                open.remove(&id);
            }
        }
        open
    }

    pub(crate) fn summary(&self) -> Result<Summary> {
        Ok(self.runtime.block_on(self.history.summary())?)
    }

    /// Waits until the recording is over, nothing is open and history has everything; then checks that it has
    /// everything once.
    pub(crate) fn wait_quiet(&self, deployment: &Deployment) -> Orders {
        let mut seen = String::new();
        let outcome = wait_for("the deployment is quiet", QUIET_WITHIN, || {
            let ingestor = deployment.details(INGESTOR)?;
            let router = deployment.details(ROUTER)?;
            let orders = self.orders();
            let stored = stored(deployment)?;
            let missing = orders.messages.difference(&stored).count();
            let summary = self.summary()?;
            seen = format!(
                "finished {} of {}, live {}, missing rows {missing}, repeats {:?}, {summary:?}",
                ingestor["frames"], ingestor["frames_total"], router["live_orders"], orders.repeats
            );
            let is_quiet = ingestor["finished"] == true
                && router["live_orders"] == 0
                && missing == 0
                && summary.is_complete();
            Ok(is_quiet.then_some(orders))
        });
        let orders = outcome
            .unwrap_or_else(|error| panic!("{error:#}: {seen}\nopen: {:#?}", self.open_orders()));
        assert_eq!(orders.repeats, Vec::<String>::new(), "twice in the log of orders");
        assert_eq!(orders.messages, stored(deployment).unwrap(), "history is the log of orders");
        self.check_log(deployment);
        let fills = deployment.query("SELECT exec_id FROM fills").unwrap();
        let rows: Vec<&str> = fills.lines().collect();
        assert_eq!(rows.len(), orders.fills.len(), "each fill is one row");
        assert_eq!(rows.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), orders.fills);
        orders
    }
}

/// Waits until orders go round again: an approval and an event more than there were.
pub(crate) fn wait_for_trading(watcher: &Watcher, why: &str) {
    let before = watcher.orders();
    let what = format!("orders go round {why}");
    wait_for(&what, Duration::from_secs(60), || {
        let now = watcher.orders();
        Ok((now.approvals > before.approvals && now.events > before.events).then_some(()))
    })
    .unwrap();
}

/// Reads a profile: it has the limits of the gate.
pub(crate) fn plan(profile: &Path) -> Plan {
    let text = std::fs::read_to_string(profile).unwrap();
    let mut config = Config::parse("profile", &text, []).unwrap();
    let plan = Plan::read(&mut config);
    let (plan, _) = config.finish(plan).unwrap_or_else(|error| panic!("{error}"));
    plan
}

/// Gives the order messages in history, named as in [`Orders`].
fn stored(deployment: &Deployment) -> Result<BTreeSet<String>> {
    let words = ["requests", "approvals", "refusals", "cancels", "events"];
    let select = words.map(|word| {
        format!("SELECT '{word} '||producer||'/'||session||'/'||sequence FROM order_{word}")
    });
    let rows = deployment.query(&select.join(" UNION ALL "))?;
    Ok(rows.lines().map(str::to_owned).collect())
}

/// Feeds every flight recording of every service to its core again. Those of runs that ended in order are complete;
/// one of a killed run is exact up to its last flushed entry, and says that it breaks off there. Together they are
/// journals: every run but a service's first follows the one before it.
pub(crate) fn replay_all(deployment: &Deployment, killed: &[&str]) {
    for name in deployment.names() {
        let said = deployment.replay(&name).unwrap();
        let mut closed = 0;
        for line in said.lines() {
            let entries = line.split(": ").nth(1).and_then(|rest| rest.split(' ').next());
            let entries: u64 = entries.and_then(|count| count.parse().ok()).unwrap_or_default();
            assert!(entries > 0 && line.contains("reproduced"), "{name}: {line}");
            closed += usize::from(line.contains("recording closed"));
        }
        let kills = killed.iter().filter(|killed| **killed == name).count();
        assert_eq!((said.lines().count(), closed), (kills + 1, 1), "{name}: {said}");
    }
    let shown = deployment.show("risk-gate", "publish ").unwrap();
    let asked = shown.lines().filter(|line| line.contains("cl_ord_id")).count();
    assert!(asked > 0 && asked < shown.lines().count(), "orders and other things: {shown}");
    let said = deployment.verify_journals().unwrap();
    let (good, first) = (said.matches("  good: ").count(), said.matches("names no run").count());
    let services = deployment.names().len();
    assert_eq!((good, first), (services + killed.len(), services), "{said}");
}
