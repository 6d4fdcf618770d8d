//! Checks the files that deploy Remora, without a cluster or an engine: the compose file, the Dockerfile, the init
//! script and what kustomize makes of k8s/, against the table of services and the NATS configuration.
//!
//! `cargo nextest run -p xtask deploy_check`. What needs kubectl gets a pinned one where it is absent.

mod compose;
mod image;
mod kubernetes;

use remora_domain::Service;
use serde_yaml_ng::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Is one process of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Instance {
    /// Name of the container or workload, and user on the bus.
    name: String,
    /// Program it runs.
    program: String,
    /// Whether it may reach venues.
    reaches_venues: bool,
    /// Files it mounts in `/run/remora`.
    secrets: BTreeSet<&'static str>,
}

/// Gives every process that a deployment consists of, from the table of services and the venues that are traded at. One that
/// is only read has a user on the bus, and is started by who wants it.
fn instances() -> Vec<Instance> {
    let venues = remora_venue_registry::ids(true).unwrap();
    let mut instances = Vec::new();
    for service in Service::ALL {
        let (is_per_venue, own): (bool, &[&'static str]) = match service {
            Service::Ingestor => (true, &[]),
            Service::OrderRouter => (true, &["gate.pub"]),
            Service::RiskGate => (false, &["gate.key"]),
            Service::Persister => (false, &["postgres.password"]),
            Service::PairDiscovery | Service::Decision => (false, &[]),
        };
        let common = ["bus.password", "control.tokens"];
        let names = if is_per_venue {
            venues.iter().map(|venue| format!("{}-{venue}", service.name())).collect()
        } else {
            vec![service.name().to_owned()]
        };
        instances.extend(names.into_iter().map(|name| Instance {
            name,
            program: format!("remora-{}", service.name()),
            reaches_venues: is_per_venue,
            secrets: common.iter().chain(own).copied().collect(),
        }));
    }
    instances
}

fn root() -> PathBuf {
    crate::root().unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Gives the value at a path of keys, or null.
fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('/').fold(value, |value, key| value.get(key).unwrap_or(&Value::Null))
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    at(value, path).as_str().unwrap_or_else(|| panic!("{path}: want a text in {value:?}"))
}

fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    at(value, path).as_sequence().map(Vec::as_slice).unwrap_or_default()
}

fn texts(value: &Value, path: &str) -> BTreeSet<String> {
    list(value, path).iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// Gives the keys of a table.
fn keys(value: &Value, path: &str) -> BTreeSet<String> {
    let table = at(value, path).as_mapping();
    table
        .map(|table| table.keys().map(|key| key.as_str().unwrap().to_owned()).collect())
        .unwrap_or_default()
}

/// Gives the users of the NATS configuration.
fn bus_users() -> BTreeSet<String> {
    let config = read("deploy/nats/nats.conf");
    let users = config.lines().filter_map(|line| line.trim().strip_prefix("user: \""));
    users.map(|rest| rest.trim_end_matches('"').to_owned()).collect()
}

#[test]
fn every_process_has_a_user_of_its_own_on_the_bus() {
    let users = bus_users();
    for instance in instances() {
        assert!(
            users.contains(&instance.name),
            "{} is not in deploy/nats/nats.conf",
            instance.name
        );
    }
    assert!(users.contains("admin"));
}
