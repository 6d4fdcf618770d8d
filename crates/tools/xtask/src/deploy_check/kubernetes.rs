//! What kustomize makes of k8s/.

use super::{Instance, at, bus_users, instances, list, root, text};
use remora_test_servers::{ensure_kubectl, ensure_python_program};
use serde_yaml_ng::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

const FOLDERS: [&str; 2] = ["k8s/base", "k8s/overlays/demo"];
/// Which version's schemas.
const KUBERNETES: &str = "1.35";
/// The validator and everything it needs, pinned.
const VALIDATOR: &str = "kubernetes-validate==1.37.0\nattrs==26.1.0\nimportlib_resources==7.1.0\njsonschema==4.26.0\n\
    jsonschema-specifications==2025.9.1\npackaging==26.3\nPyYAML==6.0.3\nreferencing==0.37.0\nrpds-py==2026.9.1\n\
    typing_extensions==4.16.0\n";
const NAME: &str = "app.kubernetes.io~name";

/// Is what one folder becomes.
struct Manifest {
    folder: &'static str,
    yaml: String,
    objects: Vec<Value>,
}

impl Manifest {
    /// Gives every folder's; nothing where kubectl cannot be had, which `cargo xtask test` then lists as skipped.
    fn all() -> Vec<Self> {
        FOLDERS.into_iter().filter_map(Self::of).collect()
    }

    fn of(folder: &'static str) -> Option<Self> {
        let kubectl = match ensure_kubectl() {
            Ok(kubectl) => kubectl,
            Err(error) => {
                println!("skipped: no kubectl, {folder} is not checked: {error:#}");
                return None;
            }
        };
        let made =
            Command::new(kubectl).arg("kustomize").arg(root().join(folder)).output().unwrap();
        let problem = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "kubectl kustomize {folder}: {problem}");
        let yaml = String::from_utf8(made.stdout).unwrap();
        let documents = serde_yaml_ng::Deserializer::from_str(&yaml);
        let parse = |document| serde::Deserialize::deserialize(document).unwrap();
        let objects = documents.map(parse).collect();
        Some(Self { folder, yaml, objects })
    }

    fn of_kind(&self, kinds: &[&str]) -> impl Iterator<Item = &Value> {
        self.objects.iter().filter(move |object| kinds.contains(&text(object, "kind")))
    }

    fn find(&self, kinds: &[&str], name: &str) -> &Value {
        let found = self.of_kind(kinds).find(|object| text(object, "metadata/name") == name);
        found.unwrap_or_else(|| panic!("{}: no {kinds:?} {name}", self.folder))
    }

    fn workload(&self, name: &str) -> &Value {
        self.find(&["Deployment", "StatefulSet"], name)
    }

    /// Gives the pods of all workloads by name.
    fn pods(&self) -> BTreeMap<String, &Value> {
        self.of_kind(&["Deployment", "StatefulSet", "Job"])
            .map(|object| (text(object, "metadata/name").to_owned(), at(object, "spec/template")))
            .collect()
    }

    /// Gives what the common settings set.
    fn settings(&self) -> &Value {
        let is_settings =
            |object: &&Value| text(object, "metadata/name").starts_with("remora-settings-");
        at(self.of_kind(&["ConfigMap"]).find(is_settings).unwrap(), "data")
    }
}

/// Gives the labels of an object; their keys have dots and slashes, so `at` cannot be used inside.
fn label<'a>(labels: &'a Value, key: &str) -> Option<&'a str> {
    labels.get(key.replace('~', "/"))?.as_str()
}

fn container(pod: &Value) -> &Value {
    let containers = list(pod, "spec/containers");
    assert_eq!(containers.len(), 1);
    &containers[0]
}

/// Gives the secrets that a pod mounts: the name of each, with the files it becomes.
fn secrets(pod: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    for volume in list(pod, "spec/volumes") {
        for source in list(volume, "projected/sources") {
            let items = list(source, "secret/items").iter();
            let files = items.map(|item| text(item, "path").to_owned()).collect();
            found.insert(text(source, "secret/name").to_owned(), files);
        }
    }
    found
}

/// Tells whether a service may be halted and resumed by an operator's token.
fn takes_commands(name: &str) -> bool {
    name == "risk-gate" || name.starts_with("order-router-")
}

/// Tells whether labels carry all that a selector asks for.
fn is_selected(pod: &Value, selector: &Value) -> bool {
    let wanted = at(selector, "matchLabels").as_mapping().cloned().unwrap_or_default();
    let labels = at(pod, "metadata/labels");
    wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}

#[test]
fn every_object_is_what_the_schema_allows() {
    for manifest in Manifest::all() {
        let folder = "kubernetes-validate-1.37.0";
        let validate = ensure_python_program(folder, VALIDATOR, "kubernetes-validate").unwrap();
        let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
        std::fs::write(&file, &manifest.yaml).unwrap();
        let mut command = Command::new(validate);
        let said = command.args(["-k", KUBERNETES, "--strict"]).arg(file.path()).output().unwrap();
        let text = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
        assert!(said.status.success(), "{}: {text}", manifest.folder);
        assert_eq!(text.matches(" passed ").count(), manifest.objects.len(), "{text}");
    }
}

#[test]
fn every_service_is_a_workload_with_its_program_user_service_and_budget() {
    for manifest in Manifest::all() {
        for Instance { name, program, .. } in instances() {
            let workload = manifest.workload(&name);
            let pod = at(workload, "spec/template");
            let command = list(container(pod), "command");
            assert_eq!(command.first().and_then(Value::as_str), Some(&*program), "{name}");
            let env = list(container(pod), "env");
            let user = env.iter().find(|entry| text(entry, "name") == "REMORA_BUS__USER").unwrap();
            assert_eq!(text(user, "value"), name);
            assert_eq!(label(at(pod, "metadata/labels"), NAME), Some(&*name));
            let ports = list(manifest.find(&["Service"], &name), "spec/ports");
            assert_eq!(at(&ports[0], "port").as_u64(), Some(8080), "{name}");
            let budget = manifest.find(&["PodDisruptionBudget"], &name);
            assert!(is_selected(pod, at(budget, "spec/selector")), "{name}");
        }
    }
}

#[test]
fn services_that_must_not_run_twice_never_do() {
    for manifest in Manifest::all() {
        for Instance { name, program, .. } in instances() {
            let workload = manifest.workload(&name);
            let is_stateful = text(workload, "kind") == "StatefulSet";
            let is_leased = list(container(at(workload, "spec/template")), "args")
                .iter()
                .any(|argument| argument.as_str() == Some("--lease"));
            let runs = at(workload, "spec/replicas").as_u64();
            let is_sharded = program == "remora-ingestor";
            assert!(is_leased || is_sharded || runs == Some(1), "{name}: {runs:?} and no lease");
            if ["remora-risk-gate", "remora-order-router", "remora-ingestor"].contains(&&*program) {
                assert!(is_stateful, "{name}");
            } else {
                assert_eq!(text(workload, "spec/strategy/type"), "Recreate", "{name}");
            }
        }
    }
}

#[test]
fn every_pod_is_confined_probed_and_limited() {
    for manifest in Manifest::all() {
        for (name, pod) in manifest.pods() {
            let container = container(pod);
            assert_eq!(
                at(pod, "spec/securityContext/runAsNonRoot").as_bool(),
                Some(true),
                "{name}"
            );
            assert_eq!(text(pod, "spec/securityContext/seccompProfile/type"), "RuntimeDefault");
            assert_eq!(
                at(pod, "spec/automountServiceAccountToken").as_bool(),
                Some(false),
                "{name}"
            );
            let is_read_only = at(container, "securityContext/readOnlyRootFilesystem").as_bool();
            assert_eq!(is_read_only, Some(true), "{name}");
            let may_gain = at(container, "securityContext/allowPrivilegeEscalation").as_bool();
            assert_eq!(may_gain, Some(false), "{name}");
            let dropped = list(container, "securityContext/capabilities/drop");
            assert_eq!(dropped.first().and_then(Value::as_str), Some("ALL"), "{name}");
            assert!(!at(container, "resources/limits/memory").is_null(), "{name}");
            assert!(!at(container, "resources/requests/cpu").is_null(), "{name}");
            if name != "streams" {
                for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
                    assert!(at(container, probe).is_mapping(), "{name} has no {probe}");
                }
            }
        }
        for Instance { name, .. } in instances() {
            let container = container(at(manifest.workload(&name), "spec/template"));
            assert_eq!(text(container, "livenessProbe/httpGet/path"), "/livez", "{name}");
            assert_eq!(text(container, "readinessProbe/httpGet/path"), "/readyz", "{name}");
        }
    }
}

#[test]
fn secrets_are_references_and_each_is_mounted_by_its_audience_only() {
    for manifest in Manifest::all() {
        assert_eq!(manifest.of_kind(&["Secret"]).count(), 0, "{} holds a secret", manifest.folder);
        let all = instances();
        for (name, pod) in manifest.pods() {
            let mounted = secrets(pod);
            for secret in mounted.keys() {
                let is_good = match secret.as_str() {
                    "remora-gate-key" => name == "risk-gate",
                    "remora-gate-public-key" => name.starts_with("order-router-"),
                    "remora-postgres" => ["persister", "postgres"].contains(&&*name),
                    "remora-control-tokens" => takes_commands(&name),
                    "remora-viewer-tokens" => {
                        all.iter().any(|instance| instance.name == name) && !takes_commands(&name)
                    }
                    "remora-bus-admin" => name == "streams",
                    other => match other.strip_prefix("remora-venue-") {
                        Some(venue) => name == format!("order-router-{venue}"),
                        None => *other == format!("remora-bus-{name}"),
                    },
                };
                assert!(is_good, "{name} mounts {secret}");
            }
            if let Some(instance) = all.iter().find(|instance| instance.name == name) {
                let files: BTreeSet<&str> =
                    mounted.values().flatten().map(String::as_str).collect();
                assert_eq!(files, instance.secrets, "{name}");
            }
        }
    }
}

#[test]
fn nats_gets_one_password_for_each_user_of_its_configuration() {
    for manifest in Manifest::all() {
        let env = list(container(at(manifest.workload("nats"), "spec/template")), "env");
        let given: BTreeMap<&str, String> = env
            .iter()
            .filter(|entry| text(entry, "name").starts_with("REMORA_NATS_PASSWORD_"))
            .map(|entry| {
                (text(entry, "name"), text(entry, "valueFrom/secretKeyRef/name").to_owned())
            })
            .collect();
        assert_eq!(given.len(), bus_users().len());
        for user in bus_users() {
            let variable =
                format!("REMORA_NATS_PASSWORD_{}", user.to_uppercase().replace('-', "_"));
            assert_eq!(given.get(&*variable), Some(&format!("remora-bus-{user}")), "{variable}");
        }
        let is_config = |object: &&Value| text(object, "metadata/name").starts_with("nats-config-");
        let config = manifest.of_kind(&["ConfigMap"]).find(is_config).unwrap();
        let file = at(config, "data").get("nats.conf").and_then(Value::as_str);
        assert_eq!(file, Some(&*super::read("deploy/nats/nats.conf")));
    }
}

#[test]
fn everything_is_refused_but_what_is_listed_and_only_ingestors_and_routers_reach_venues() {
    for manifest in Manifest::all() {
        let policies: Vec<&Value> = manifest.of_kind(&["NetworkPolicy"]).collect();
        let is_everything = |policy: &&&Value| {
            at(policy, "spec/podSelector").as_mapping().is_some_and(|selector| selector.is_empty())
                && list(policy, "spec/policyTypes").len() == 2
                && at(policy, "spec/egress").is_null()
                && at(policy, "spec/ingress").is_null()
        };
        assert_eq!(policies.iter().filter(is_everything).count(), 1, "{}", manifest.folder);
        let all = instances();
        for policy in &policies {
            let targets = list(policy, "spec/egress").iter().flat_map(|rule| list(rule, "to"));
            if !targets.into_iter().any(|target| at(target, "ipBlock").is_mapping()) {
                continue;
            }
            for (name, pod) in manifest.pods() {
                let may =
                    all.iter().any(|instance| instance.name == name && instance.reaches_venues);
                assert_eq!(is_selected(pod, at(policy, "spec/podSelector")), may, "{name}");
            }
        }
    }
}

#[test]
fn shards_are_as_many_as_pods_and_each_pod_knows_its_own() {
    for manifest in Manifest::all() {
        for Instance { name, .. } in
            instances().iter().filter(|instance| instance.program == "remora-ingestor")
        {
            let workload = manifest.workload(name);
            let env = list(container(at(workload, "spec/template")), "env");
            let of = |wanted: &str| env.iter().find(|entry| text(entry, "name") == wanted).unwrap();
            let replicas = at(workload, "spec/replicas").as_u64().unwrap().to_string();
            assert_eq!(text(of("REMORA_INGESTOR__SHARDS"), "value"), replicas);
            let ordinal = text(of("REMORA_INGESTOR__SHARD"), "valueFrom/fieldRef/fieldPath");
            assert_eq!(ordinal, "metadata.labels['apps.kubernetes.io/pod-index']");
        }
    }
}

#[test]
fn control_stays_on_loopback_and_the_demo_plays_the_shipped_recording() {
    for manifest in Manifest::all() {
        let settings = manifest.settings();
        assert_eq!(text(settings, "REMORA_CONTROL__GRPC_LISTEN"), "127.0.0.1:9090");
        assert_eq!(text(settings, "REMORA_CONTROL__HTTP_LISTEN"), "0.0.0.0:8080");
        let profile = text(settings, "REMORA_CONFIG").strip_prefix("/usr/share/remora/").unwrap();
        assert!(root().join(profile).is_file(), "{profile} does not ship");
        if manifest.folder != "k8s/overlays/demo" {
            continue;
        }
        assert_eq!(profile, "profiles/demo.toml");
        let pod = at(manifest.workload("ingestor-kraken-spot"), "spec/template");
        let arguments: Vec<&str> =
            list(container(pod), "args").iter().filter_map(Value::as_str).collect();
        assert_eq!(arguments.first(), Some(&"--recording"));
        let file = arguments[1].strip_prefix("/usr/share/remora/").unwrap();
        assert!(root().join("demo").join(file).is_file(), "demo/{file} does not ship");
    }
}
