//! Runs the program itself, and reads the recording that ships.

use flate2::read::GzDecoder;
use serde_json::Value;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Gives a file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").join(path)
}

/// Runs the program to its end, with an empty environment.
pub(crate) fn remora<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Output {
    program(arguments).output().unwrap()
}

/// Prepares the program, with an empty environment.
pub(crate) fn program<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_remora"));
    command.args(arguments).env_clear();
    command
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Wants a run that ended well, and gives what it wrote for people.
pub(crate) fn succeed<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> String {
    let output = remora(arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Gives the lines of the shipped recording.
pub(crate) fn shipped_lines() -> Vec<String> {
    let mut text = String::new();
    let file = File::open(repository("demo/synthetic_kraken_spot.jsonl.gz")).unwrap();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text.lines().map(str::to_owned).collect()
}
