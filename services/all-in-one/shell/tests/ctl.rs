//! `remora ctl`: secrets that survive an interrupted start, and an operator's hand on a service.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what does not hold fails the test")]

use remora_domain::{ControlAction, ControlCommand, ServiceState};
use remora_rpc::{
    CommandError, ControlHandler, ControlServer, ListenSettings, Recorded, ServiceStatus, Tokens,
};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

/// Runs the program to its end, with an empty environment.
fn remora<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_remora")).args(arguments).env_clear().output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn init(dir: &Path) -> Output {
    remora(["ctl".as_ref(), "init".as_ref(), "--dir".as_ref(), dir.as_os_str()])
}

fn said(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn what_an_interrupted_start_left_out_is_made_and_what_is_there_stays() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    assert!(init(dir).status.success());
    let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    let names = ["gate.key", "gate.pub", "control.tokens", "postgres.password", "admin.password"];
    let before = names.map(read);
    // The public half follows from the key, so a start that was killed between the two is completed.
    fs::remove_file(dir.join("gate.pub")).unwrap();
    fs::remove_file(dir.join("nats-passwords.conf")).unwrap();
    assert!(init(dir).status.success());
    assert_eq!(names.map(read), before);
    assert!(read("nats-passwords.conf").contains(read("admin.password").trim()));
    let viewers = read("viewer.tokens");
    assert!(viewers.starts_with("viewer viewer ") && viewers.lines().count() == 1, "{viewers}");
    assert!(read("control.tokens").contains(&viewers));
    let hidden = fs::read_dir(dir)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
    assert_eq!(hidden.count(), 0, "no half-made file is left");
}

#[test]
fn halves_of_different_key_pairs_are_refused_and_no_key_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    assert!(init(dir).status.success());
    let (key, public) = (dir.join("gate.key"), dir.join("gate.pub"));
    let kept = fs::read_to_string(&public).unwrap();

    fs::rename(&key, dir.join("elsewhere")).unwrap();
    let refused = init(dir);
    assert!(!refused.status.success() && said(&refused).contains("bring the key back"));
    assert!(!key.exists() && fs::read_to_string(&public).unwrap() == kept);

    fs::write(&key, "11".repeat(32)).unwrap();
    let refused = init(dir);
    assert!(said(&refused).contains("is not the public half of"), "{}", said(&refused));
    assert_eq!(fs::read_to_string(&public).unwrap(), kept);

    // As a version that wrote in place could have left it.
    fs::write(&key, "").unwrap();
    let refused = init(dir);
    assert!(!refused.status.success() && said(&refused).contains("gate.key"), "{}", said(&refused));
    assert_eq!(fs::read_to_string(&key).unwrap(), "");
}

const TOKENS: &str = "viewer screen 0123456789abcdef\noperator desk fedcba9876543210\n";

#[derive(Default)]
struct Gate {
    commands: Mutex<Vec<ControlCommand>>,
}

#[async_trait::async_trait]
impl ControlHandler for Gate {
    fn status(&self) -> ServiceStatus {
        ServiceStatus {
            service: "risk-gate".to_owned(),
            instance: "risk-gate".to_owned(),
            version: "0.1.0".to_owned(),
            state: ServiceState::Active,
            data_age: None,
            dependencies: vec![],
            details_json: r#"{"epoch":3}"#.to_owned(),
        }
    }

    async fn command(&self, command: ControlCommand) -> Result<Recorded, CommandError> {
        self.commands.lock().unwrap().push(command);
        Ok(Recorded::OnDisk)
    }
}

/// Runs `remora ctl` against a gate, with a token file of this content.
async fn ask(url: &str, tokens: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    fs::write(&file, tokens).unwrap();
    let mut words: Vec<OsString> = vec!["ctl".into()];
    words.extend(arguments.iter().map(OsString::from));
    words.extend(["--url".into(), url.into(), "--token-file".into(), file.into()]);
    tokio::task::spawn_blocking(move || remora(words)).await.unwrap()
}

async fn start(gate: &Arc<Gate>) -> (ControlServer, String) {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let settings = ListenSettings { address, tls: None, is_plaintext_allowed: false };
    let tokens = Tokens::parse(TOKENS).unwrap();
    let server = ControlServer::start(settings, tokens, gate.clone()).await.unwrap();
    let url = format!("http://{}", server.address());
    (server, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_halts_and_resumes_by_the_token_file() {
    let gate = Arc::new(Gate::default());
    let (server, url) = start(&gate).await;
    let status = ask(&url, TOKENS, &["status"]).await;
    assert!(text(&status.stdout).starts_with("risk-gate (risk-gate, version 0.1.0): active"));
    let status = ask(&url, TOKENS, &["status", "--json"]).await;
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["details"]["epoch"], 3);

    let halted = ask(&url, TOKENS, &["halt", "--reason", "news"]).await;
    assert!(halted.status.success(), "{}", said(&halted));
    assert!(text(&halted.stdout).contains("halted everything: in force; a file keeps it"));
    let scope = ["resume", "--scope", "kraken-spot/BTC-USD", "--reason", "over", "--actor", "ann"];
    let resumed = ask(&url, TOKENS, &scope).await;
    assert!(text(&resumed.stdout).contains("resumed kraken-spot/BTC-USD"), "{}", said(&resumed));
    let commands = gate.commands.lock().unwrap().clone();
    let told = commands.iter().map(|command| (command.action, &*command.actor, &*command.reason));
    let wanted = [
        (ControlAction::Halt, "desk (token desk)", "news"),
        (ControlAction::Resume, "ann (token desk)", "over"),
    ];
    assert!(told.eq(wanted));
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_an_operators_way_is_named() {
    let gate = Arc::new(Gate::default());
    let (server, url) = start(&gate).await;
    let halt = ["halt", "--reason", "news"];
    for (tokens, wanted) in [
        ("operator other aaaaaaaaaaaaaaaaaa", "does not know token \"other\""),
        ("operator screen 0123456789abcdef", "role viewer: want operator"),
        ("viewer screen 0123456789abcdef", "no token of a operator in it"),
        ("operator desk", "line 1: line = \"2 words\""),
    ] {
        let refused = ask(&url, tokens, &halt).await;
        assert!(!refused.status.success() && said(&refused).contains(wanted), "{}", said(&refused));
        assert!(!said(&refused).contains("0123456789abcdef"), "no token is shown");
    }
    let refused = ask(&url, TOKENS, &["halt", "--reason", " "]).await;
    assert!(said(&refused).contains("reason"), "{}", said(&refused));
    assert!(gate.commands.lock().unwrap().is_empty());
    server.stop().await.unwrap();
    let absent = ask(&url, TOKENS, &halt).await;
    assert!(!absent.status.success() && said(&absent).contains("no service answers"));
    let wrong = ask("127.0.0.1:9090", TOKENS, &halt).await;
    assert!(said(&wrong).contains("want http://HOST:PORT"), "{}", said(&wrong));
}

#[test]
fn the_token_file_must_be_named() {
    let refused = remora(["ctl", "status"]);
    assert!(said(&refused).contains("--token-file"), "{}", said(&refused));
    let help = remora(["ctl", "halt", "--help"]);
    assert!(text(&help.stdout).contains("REMORA_CONTROL__TOKEN_FILE"), "{}", said(&help));
}
