//! Runs other programs as steps that a person can follow: name, command, time, and a clear end.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Runs a program in the workspace folder, its output shown as it comes; fails when it fails.
pub(crate) fn run(root: &Path, name: &str, program: &str, arguments: &[&str]) -> Result<()> {
    run_with(root, name, program, arguments, &[])
}

/// As `run`, with variables for the program.
pub(crate) fn run_with(
    root: &Path,
    name: &str,
    program: &str,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Result<()> {
    crate::say(&format!("==> {name}: {program} {}", arguments.join(" ")));
    let started = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .envs(variables.iter().copied())
        .current_dir(root)
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("{name}: start {program}"))?;
    if !status.success() {
        bail!("{name}: {program} ended with {status}");
    }
    crate::say(&format!("==> {name}: good, {} s", started.elapsed().as_secs()));
    Ok(())
}

/// Builds every program and gives their folder. Always the whole workspace: for a choice of packages other features of
/// their dependencies would be chosen, and everything would be compiled once more.
pub(crate) fn build_programs(root: &Path, is_release: bool) -> Result<PathBuf> {
    let mut arguments = vec!["build", "--workspace", "--bins"];
    if is_release {
        arguments.push("--release");
    }
    run(root, "programs", "cargo", &arguments)?;
    Ok(target(root)?.join(if is_release { "release" } else { "debug" }))
}

/// Builds the programs and runs one of the tests of whole deployments that are too long for every day.
pub(crate) fn long_test(
    root: &Path,
    (name, test): (&str, &str),
    is_release: bool,
    told: &[(&str, &str)],
) -> Result<()> {
    remora_test_servers::ensure_tools().context("get the servers")?;
    build_programs(root, is_release)?;
    let build: &[&str] = if is_release { &["test", "--release"] } else { &["test"] };
    let of = ["--package", "remora-deployment", "--test", "deployment", "--"];
    let only = ["--include-ignored", test, "--nocapture"];
    run_with(root, name, "cargo", &[build, &of, &only].concat(), told)
}

/// Gives the folder of everything that is built.
pub(crate) fn target(root: &Path) -> Result<PathBuf> {
    let metadata = cargo_metadata::MetadataCommand::new().no_deps().current_dir(root).exec();
    let target = metadata.context("find the folder of programs")?.target_directory;
    Ok(target.into_std_path_buf())
}

/// Tells whether a program can be started and says its version.
pub(crate) fn is_present(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
