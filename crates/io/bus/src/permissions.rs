//! Who may do what on NATS: one user a service, whose permissions follow from the table of services in
//! `remora-domain`. `deploy/nats/nats.conf` is written by [`render_config`].
//!
//! A subject that ends with its producer is granted by that producer's name, so that nobody speaks for another.
//!
//! Limits, stated: signs of life of at most sixteen shards of a venue's feed are known; and a user who may open readers
//! of a stream may read all of that stream.

use crate::{Stream, dead_letter_subject};
use remora_domain::{Kind, Service, VenueId};
use std::fmt::Write as _;

/// Shards of one venue's feed that may give signs of life; they share a user.
const FEED_SHARDS_MAX: u32 = 16;

/// The one durable consumer name; nobody but the persister may touch it.
pub const PERSISTER_DURABLE: &str = "persister";

/// Is a user of the bus.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BusUser {
    /// A service of which there is one per deployment.
    Service(Service),
    /// A service of one venue; may write about that venue only.
    AtVenue(Service, VenueId),
    /// Reads everything; writes commands on behalf of an operator.
    Console,
    /// Declares streams, nothing else.
    Admin,
}

/// Is what a user may do; whatever is not named is forbidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// Patterns of subjects to publish on.
    pub publish: Vec<String>,
    /// Exceptions from `publish`.
    pub publish_denied: Vec<String>,
    /// Patterns to subscribe within.
    pub subscribe: Vec<String>,
}

impl BusUser {
    /// Gives the users of a deployment: all services at the venues it trades at, and ingestors alone at those it only reads.
    #[must_use]
    pub fn of_venues(traded: &[VenueId], read: &[VenueId]) -> Vec<Self> {
        let mut users = vec![];
        for service in Service::ALL {
            let at = |venue: &VenueId| Self::AtVenue(*service, venue.clone());
            match service {
                Service::Ingestor => users.extend(traded.iter().chain(read).map(at)),
                Service::OrderRouter => users.extend(traded.iter().map(at)),
                Service::PairDiscovery
                | Service::Decision
                | Service::RiskGate
                | Service::Persister => users.push(Self::Service(*service)),
            }
        }
        users.extend([Self::Console, Self::Admin]);
        users
    }

    /// Gives the user's name, such as `order-router-kraken-spot`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Service(service) => service.name().to_owned(),
            Self::AtVenue(service, venue) => format!("{}-{venue}", service.name()),
            Self::Console => "console".to_owned(),
            Self::Admin => "admin".to_owned(),
        }
    }

    /// Gives the start of the user's reply subjects.
    #[must_use]
    pub fn inbox_prefix(&self) -> String {
        crate::nats::inbox_prefix(&self.name())
    }

    /// Gives the environment variable in which the server finds the user's password.
    #[must_use]
    pub fn password_variable(&self) -> String {
        let name = self.name().to_ascii_uppercase().replace('-', "_");
        format!("REMORA_NATS_PASSWORD_{name}")
    }
}

/// Gives what a user may do.
#[must_use]
pub fn allowed(user: &BusUser) -> Permissions {
    let inbox = format!("{}.>", user.inbox_prefix());
    let mut made =
        Permissions { publish: vec![], publish_denied: vec![], subscribe: vec![inbox.clone()] };
    match user {
        BusUser::Service(service) => of_service(&mut made, *service, None),
        BusUser::AtVenue(service, venue) => of_service(&mut made, *service, Some(venue)),
        BusUser::Console => {
            for kind in [Kind::ControlCommand, Kind::SvcHeartbeat] {
                made.publish.push(format!("remora.v1.{}.console", kind.as_str()));
            }
            made.publish.push(dead_letter_subject("console"));
            made.subscribe.push("remora.v1.>".to_owned());
            read_streams(&mut made, &Stream::ALL, false);
        }
        BusUser::Admin => {
            for verb in ["CREATE", "UPDATE", "INFO"] {
                let streams = Stream::ALL.iter();
                made.publish.extend(streams.map(|s| format!("$JS.API.STREAM.{verb}.{s}")));
            }
        }
    }
    made.publish.push(inbox);
    made
}

fn of_service(made: &mut Permissions, service: Service, venue: Option<&VenueId>) {
    for kind in service.writes() {
        made.publish.extend(written(*kind, service, venue));
    }
    made.publish.push(dead_letter_subject(service.name()));
    if service == Service::RiskGate {
        made.publish.push(format!("remora.v1.lease.{}.*", service.name()));
        made.publish.push(format!("$JS.API.STREAM.MSG.GET.{}", Stream::Leases));
    }
    made.subscribe.extend(service.reads().iter().map(|kind| kind.pattern()));
    let is_read = |stream: &Stream| {
        service.reads().iter().any(|kind| Stream::of_subject(&sample(*kind)) == Some(*stream))
    };
    let is_persister = service == Service::Persister;
    // What the persister set aside is stored later with its own rights (`remora ctl dead`).
    let is_read = |stream: &Stream| is_read(stream) || (is_persister && *stream == Stream::Dead);
    let streams: Vec<Stream> = Stream::ALL.into_iter().filter(is_read).collect();
    read_streams(made, &streams, is_persister);
}

/// Lets a user open readers of streams, and use nobody else's durable consumer.
fn read_streams(made: &mut Permissions, streams: &[Stream], is_persister: bool) {
    for stream in streams {
        for call in ["STREAM.INFO.#", "STREAM.MSG.GET.#", "CONSUMER.CREATE.#.>"] {
            made.publish.push(format!("$JS.API.{}", call.replace('#', stream.name())));
        }
        for call in ["CONSUMER.INFO.#.*", "CONSUMER.MSG.NEXT.#.*"] {
            made.publish.push(format!("$JS.API.{}", call.replace('#', stream.name())));
        }
        if is_persister && Stream::HISTORY.contains(stream) {
            made.publish.push(format!("$JS.ACK.{stream}.{PERSISTER_DURABLE}.>"));
        }
    }
    if !is_persister && !streams.is_empty() {
        for call in ["CONSUMER.CREATE.*.#", "CONSUMER.CREATE.*.#.>", "CONSUMER.MSG.NEXT.*.#"] {
            made.publish_denied.push(format!("$JS.API.{}", call.replace('#', PERSISTER_DURABLE)));
        }
    }
}

/// Gives the names under which the processes of a service publish.
fn producers(service: Service, venue: Option<&VenueId>) -> Vec<String> {
    let name = service.name();
    match venue {
        Some(venue) if service == Service::Ingestor => {
            (0..FEED_SHARDS_MAX).map(|shard| format!("{name}-{venue}-{shard}")).collect()
        }
        Some(venue) => vec![format!("{name}-{venue}")],
        None => vec![name.to_owned()],
    }
}

/// Gives the subjects of a kind that a service writes, at one venue or at all.
fn written(kind: Kind, service: Service, venue: Option<&VenueId>) -> Vec<String> {
    let account = if kind.has_account() { ".*" } else { "" };
    let start = format!("remora.v1.{}{account}", kind.as_str());
    let producers = producers(service, venue).into_iter();
    let venue = venue.map_or("*", VenueId::as_str);
    match kind {
        Kind::PairsUniverse | Kind::ControlState | Kind::SvcHeartbeat => {
            producers.map(|producer| format!("{start}.{producer}")).collect()
        }
        // Commands are given by the shell around a core; the gate's core halts by itself when a breaker trips.
        Kind::ControlCommand => producers
            .flat_map(|producer| {
                let own = (service == Service::RiskGate).then(|| format!("{start}.{producer}"));
                std::iter::once(format!("{start}.{producer}-shell")).chain(own)
            })
            .collect(),
        Kind::MdStatus => vec![format!("{start}.{venue}"), format!("{start}.{venue}.*")],
        Kind::AccountBalance | Kind::AccountFee | Kind::AccountBreak => {
            vec![format!("{start}.{venue}")]
        }
        Kind::MdBook
        | Kind::MdTrade
        | Kind::MdTicker
        | Kind::MdInstrument
        | Kind::MdBar
        | Kind::OrderRequest
        | Kind::OrderApproval
        | Kind::OrderRefusal
        | Kind::OrderCancel
        | Kind::OrderEvent
        | Kind::AccountPosition
        | Kind::DecisionRecord => vec![format!("{start}.{venue}.*")],
    }
}

/// Gives some subject of a kind.
fn sample(kind: Kind) -> String {
    kind.pattern().replace('>', "a.b.c")
}

/// Writes the configuration of nats-server for these users.
#[must_use]
pub fn render_config(users: &[BusUser]) -> String {
    let mut text = HEADER.to_owned();
    for user in users {
        let Permissions { publish, publish_denied, subscribe } = allowed(user);
        let mut block = format!(
            "    {{\n      user: \"{}\"\n      password: ${}\n      permissions: {{\n        publish: {{\n",
            user.name(),
            user.password_variable()
        );
        list(&mut block, "allow", &publish);
        list(&mut block, "deny", &publish_denied);
        block.push_str("        }\n        subscribe: {\n");
        list(&mut block, "allow", &subscribe);
        block.push_str("        }\n      }\n    }\n");
        text.push_str(&block);
    }
    text.push_str("  ]\n}\n");
    text
}

fn list(text: &mut String, name: &str, subjects: &[String]) {
    if subjects.is_empty() {
        return;
    }
    text.push_str(&format!("          {name}: [\n"));
    for subject in subjects {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "            \"{subject}\"");
    }
    text.push_str("          ]\n");
}

const HEADER: &str = r#"# nats-server for Remora: one user a service, each with exactly the subjects of its place in `remora_domain::Service`.
#
# Written from the table in crates/io/bus/src/permissions.rs; a test compares. To change it, change the table
# (or the list of venues, crates/venues/registry) and run:
#   REMORA_BLESS=1 cargo nextest run -p remora-bus the_configuration_is_what_the_table_says
#
# Passwords come from the environment of the server, one variable a user; none has a default, and the server does not
# start while one is missing. Each must begin with a letter and consist of letters and digits (the server reads it
# as configuration text). Services read theirs from a file. Make one: echo "p$(openssl rand -hex 24)"
#
# Outside a private network add a tls block here and use tls:// addresses in the services.

server_name: "remora"
port: 4222
# Health at /healthz; reachable from the same host or pod only.
http: "127.0.0.1:8222"

# Messages of up to 960 KiB and their headers.
max_payload: 1MB

jetstream {
  # Where the logs are kept. No default: a log in a temporary folder would be worse than no start.
  store_dir: $REMORA_NATS_STORE_DIR
  # Files are synced in the background: a killed server loses nothing, a power failure up to this interval. Nothing on
  # the order path waits for a disk. Set to "always" to pay 0.7 ms a stored message for that case too.
  sync_interval: "10s"
}

authorization {
  timeout: 2
  users: [
"#;

#[cfg(test)]
#[path = "permissions_tests.rs"]
mod tests;
