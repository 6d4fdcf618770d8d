//! What the process refuses to trade live with, and how it says so: everything at once, before anything is opened.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn profile() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../profiles/live.toml")
}

/// Checks the configuration of the process; gives whether it is good, and everything that it says.
fn check(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let public = folder.join("gate.pub");
    std::fs::write(&public, format!("{}\n", "00".repeat(32))).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_remora-order-router"));
    command.env_clear().current_dir(folder).args(["--check-config", "--config"]).arg(profile());
    command.arg("--gate-public-key-file").arg(public).args(arguments);
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn live_trading_needs_the_operators_word_and_both_credentials_and_all_of_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (is_good, said) = check(folder.path(), &[]);
    assert!(!is_good, "{said}");
    for part in ["--confirm-live", "live.key_file", "REMORA_VENUE_KEY_FILE", "live.secret_file"] {
        assert!(said.contains(part), "{part}\n{said}");
    }
}

#[test]
fn with_all_of_it_the_check_passes_opens_nothing_and_shows_no_credential() {
    let folder = tempfile::tempdir().unwrap();
    let files = [("key", "hunter2-key"), ("secret", "aHVudGVyMi1zZWNyZXQ=")];
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let credentials = ["--key-file", "key", "--secret-file", "secret"];
    let (is_good, said) = check(folder.path(), &[&["--confirm-live"][..], &credentials].concat());
    assert!(is_good, "{said}");
    assert!(files.iter().all(|(_, text)| !said.contains(text)), "{said}");
    assert!(!folder.path().join("remora-nonces").exists());
    let (is_good, said) = check(folder.path(), &credentials);
    assert!(!is_good && said.contains("order_router.mode"), "{said}");
}

#[test]
fn a_secret_that_is_none_is_refused_without_showing_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "k-1").unwrap();
    std::fs::write(folder.path().join("secret"), "hunter2 is no base64").unwrap();
    let arguments = ["--confirm-live", "--key-file", "key", "--secret-file", "secret"];
    let (is_good, said) = check(folder.path(), &arguments);
    assert!(!is_good && said.contains("live.secret"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}
