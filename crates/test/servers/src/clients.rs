//! Other people's exchange clients, and the private network that they run in.

use crate::tools::{ensure_python_program, is_root, run};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;

/// Everything with its version and hashes.
const REQUIREMENTS: &str = include_str!("../clients-requirements.txt");
/// Changes with the versions above.
const FOLDER: &str = "clients-ccxt-4.5.90-kraken-sdk-3.5.1";

/// Gives the Python of a virtual environment with `ccxt` and `python-kraken-sdk` as published.
///
/// # Errors
/// Says what to install by hand where we may not.
pub fn ensure_clients() -> Result<PathBuf> {
    ensure_python_program(FOLDER, REQUIREMENTS, "python").context("install ccxt and its like")
}

/// Gives a command that runs what follows it in network, mount and process namespaces of its own, in which it may do
/// as it likes; all of it ends with the command.
///
/// # Errors
/// Says why this machine gives no such namespace.
pub fn private_namespace() -> Result<Command> {
    let command = || {
        let mut command = Command::new("unshare");
        if !is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--net", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child"]);
        command
    };
    run(command().arg("true")).context("make a private network namespace")?;
    Ok(command())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_pinned_with_its_hashes() {
        let packages: Vec<&str> = REQUIREMENTS
            .lines()
            .filter(|line| !line.starts_with(['#', ' ']) && !line.is_empty())
            .collect();
        assert!(packages.iter().all(|line| line.contains("==") && line.ends_with('\\')));
        let hashes = REQUIREMENTS.lines().filter(|line| line.contains("--hash=sha256:")).count();
        assert!(hashes >= packages.len(), "{hashes} hashes for {} packages", packages.len());
        for client in ["ccxt==", "python-kraken-sdk=="] {
            let version = packages.iter().find_map(|line| line.strip_prefix(client)).unwrap();
            let version = version.split_whitespace().next().unwrap();
            assert!(FOLDER.contains(version), "the folder is not named after {client}{version}");
        }
        assert!(!REQUIREMENTS.contains("://"), "a registry's address is nobody's business");
    }
}
