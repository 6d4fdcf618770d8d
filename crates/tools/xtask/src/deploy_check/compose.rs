//! The compose file.

use super::{Instance, at, instances, keys, list, read, text, texts};
use serde_yaml_ng::Value;
use std::collections::BTreeSet;

/// Containers beside our services.
const OTHERS: [&str; 5] = ["init", "nats", "postgres", "redis", "streams"];

fn compose() -> Value {
    let mut value: Value = serde_yaml_ng::from_str(&read("docker-compose.yml")).unwrap();
    // Once for each level: what is merged may merge something itself.
    for _ in 0..3 {
        value.apply_merge().unwrap();
    }
    value
}

fn service(compose: &Value, name: &str) -> Value {
    let service = at(compose, &format!("services/{name}"));
    assert!(service.is_mapping(), "docker-compose.yml has no service {name}");
    service.clone()
}

fn volumes(service: &Value) -> BTreeSet<String> {
    texts(service, "volumes")
}

fn command(service: &Value) -> Vec<String> {
    list(service, "command").iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_stack_consists_of_the_table_of_services_and_what_they_need() {
    let names: BTreeSet<String> = instances().into_iter().map(|instance| instance.name).collect();
    let wanted: BTreeSet<String> = names.into_iter().chain(OTHERS.map(str::to_owned)).collect();
    assert_eq!(keys(&compose(), "services"), wanted);
}

#[test]
fn every_service_runs_its_program_as_its_own_user_of_the_bus() {
    let compose = compose();
    for Instance { name, program, .. } in instances() {
        let service = service(&compose, &name);
        let command = command(&service);
        assert_eq!(command.first(), Some(&program), "{name}");
        assert_eq!(text(&service, "environment/REMORA_BUS__USER"), name);
        assert_eq!(text(&service, "environment/REMORA_BUS__URL"), "nats://nats:4222");
        let profile = "/usr/share/remora/profiles/demo.toml".to_owned();
        assert!(
            command.windows(2).any(|pair| pair == ["--config", &profile]),
            "{name}: {command:?}"
        );
    }
}

#[test]
fn every_service_is_asked_for_its_health_on_the_port_it_listens_on() {
    let compose = compose();
    for Instance { name, .. } in instances() {
        let service = service(&compose, &name);
        assert_eq!(
            text(&service, "environment/REMORA_CONTROL__HTTP_LISTEN"),
            "0.0.0.0:8080",
            "{name}"
        );
        let test = list(&service, "healthcheck/test");
        let words: Vec<&str> = test.iter().filter_map(Value::as_str).collect();
        assert_eq!(
            words,
            ["CMD", "remora", "ctl", "health", "http://127.0.0.1:8080/readyz"],
            "{name}"
        );
    }
    for name in ["nats", "postgres", "redis"] {
        assert!(list(&service(&compose, name), "healthcheck/test").len() > 1, "{name}");
    }
}

#[test]
fn control_stays_inside_the_container_and_no_port_is_opened() {
    let compose = compose();
    for name in keys(&compose, "services") {
        assert!(at(&service(&compose, &name), "ports").is_null(), "{name} opens a port");
    }
    for Instance { name, .. } in instances() {
        let listen = service(&compose, &name);
        assert_eq!(
            text(&listen, "environment/REMORA_CONTROL__GRPC_LISTEN"),
            "127.0.0.1:9090",
            "{name}"
        );
    }
}

#[test]
fn secrets_are_mounted_only_by_their_audience_and_read_only() {
    let compose = compose();
    let mut audiences: Vec<String> =
        instances().into_iter().map(|instance| instance.name).collect();
    audiences.extend(["nats".to_owned(), "postgres".to_owned()]);
    for name in keys(&compose, "services").iter().filter(|name| *name != "init") {
        let audience = if name == "streams" { "admin" } else { name };
        for volume in volumes(&service(&compose, name)) {
            if volume.starts_with("secrets-") {
                assert!(volume.starts_with(&format!("secrets-{audience}:")), "{name}: {volume}");
                assert!(volume.ends_with(":ro"), "{name}: {volume}");
            }
        }
    }
    let made = volumes(&service(&compose, "init"));
    for audience in audiences.iter().map(String::as_str).chain(["admin", "all"]) {
        let volume = format!("secrets-{audience}:/secrets/{audience}");
        assert!(made.contains(&volume), "init does not fill {volume}");
    }
    assert_eq!(text(&service(&compose, "init"), "network_mode"), "none");
}

#[test]
fn every_service_is_told_the_files_of_its_secrets() {
    let compose = compose();
    for Instance { name, secrets, .. } in instances() {
        let service = service(&compose, &name);
        let environment = at(&service, "environment").as_mapping().unwrap().values();
        let words: Vec<String> = environment
            .filter_map(|value| value.as_str().map(str::to_owned))
            .chain(command(&service))
            .filter_map(|word| word.strip_prefix("/run/remora/").map(str::to_owned))
            .collect();
        let told: BTreeSet<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(told, secrets, "{name}");
    }
}

#[test]
fn only_ingestors_and_routers_are_on_a_network_that_leads_out() {
    let compose = compose();
    let leads_out = |network: &String| {
        at(&compose, &format!("networks/{network}/internal")).as_bool() != Some(true)
    };
    let reach: BTreeSet<String> = instances()
        .into_iter()
        .filter(|instance| instance.reaches_venues)
        .map(|instance| instance.name)
        .collect();
    for name in keys(&compose, "services").iter().filter(|name| *name != "init") {
        let networks = texts(&service(&compose, name), "networks");
        assert!(!networks.is_empty(), "{name} is on the default network");
        assert_eq!(networks.iter().any(leads_out), reach.contains(name), "{name}: {networks:?}");
        let is_at_stores = ["persister", "postgres", "redis"].contains(&name.as_str());
        assert_eq!(networks.contains("store"), is_at_stores, "{name}: {networks:?}");
    }
}

#[test]
fn every_container_is_confined() {
    let compose = compose();
    for name in keys(&compose, "services") {
        let service = service(&compose, &name);
        assert_eq!(at(&service, "read_only").as_bool(), Some(true), "{name}");
        assert_eq!(texts(&service, "cap_drop"), BTreeSet::from(["ALL".to_owned()]), "{name}");
        assert!(at(&service, "cap_add").is_null(), "{name}");
        assert!(at(&service, "privileged").is_null(), "{name}");
        assert!(texts(&service, "security_opt").contains("no-new-privileges:true"), "{name}");
        assert!(
            !text(&service, "user").starts_with('0') && text(&service, "user") != "root",
            "{name}"
        );
        for limit in ["mem_limit", "cpus", "pids_limit"] {
            assert!(!at(&service, limit).is_null(), "{name} has no {limit}");
        }
        // A writable place is a volume or in memory, and in memory it has a size.
        for tmpfs in texts(&service, "tmpfs") {
            assert!(tmpfs.contains("size="), "{name}: {tmpfs}");
        }
    }
}

#[test]
fn services_start_when_what_they_need_is_there_and_the_recording_begins_last() {
    let compose = compose();
    let condition = |name: &str, on: &str| {
        let service = service(&compose, name);
        at(&service, &format!("depends_on/{on}/condition")).as_str().unwrap_or("").to_owned()
    };
    let all = instances();
    for Instance { name, .. } in &all {
        assert_eq!(condition(name, "nats"), "service_healthy", "{name}");
        assert_eq!(condition(name, "streams"), "service_completed_successfully", "{name}");
    }
    assert_eq!(condition("persister", "postgres"), "service_healthy");
    assert_eq!(condition("persister", "redis"), "service_healthy");
    for name in ["nats", "postgres"] {
        assert_eq!(condition(name, "init"), "service_completed_successfully");
    }
    let is_ingestor = |instance: &&Instance| instance.program == "remora-ingestor";
    for ingestor in all.iter().filter(is_ingestor) {
        for other in all.iter().filter(|other| !is_ingestor(other)) {
            assert_eq!(condition(&ingestor.name, &other.name), "service_healthy", "{}", other.name);
        }
    }
}

#[test]
fn the_stack_plays_the_shipped_recording_and_never_a_live_feed() {
    let compose = compose();
    for instance in instances().iter().filter(|instance| instance.program == "remora-ingestor") {
        let command = command(&service(&compose, &instance.name));
        let recording = command.iter().skip_while(|word| *word != "--recording").nth(1);
        let recording = recording.unwrap_or_else(|| panic!("{} plays no recording", instance.name));
        let file = recording.strip_prefix("/usr/share/remora/").unwrap();
        assert!(super::root().join("demo").join(file).is_file(), "demo/{file} does not ship");
    }
}

#[test]
fn every_volume_that_is_mounted_is_declared_and_used() {
    let compose = compose();
    let mut used = BTreeSet::new();
    for name in keys(&compose, "services") {
        let volumes = volumes(&service(&compose, &name));
        used.extend(volumes.iter().filter_map(|volume| Some(volume.split_once(':')?.0.to_owned())));
    }
    assert_eq!(used, keys(&compose, "volumes"));
}
