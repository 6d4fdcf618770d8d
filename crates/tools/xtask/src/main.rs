//! `cargo xtask`: every script of the project.
#![expect(clippy::print_stdout, reason = "the tool talks to a person on a terminal")]

mod tidy;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};

/// Every script of the project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Checks the layout rules: dependency directions, file length, headers.
    Tidy,
}

fn main() -> Result<()> {
    let root = root()?;
    match Arguments::parse().command {
        Command::Tidy => tidy::run(&root),
    }
}

/// Gives the folder of the workspace.
fn root() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    root.canonicalize().context("find the workspace folder")
}

/// Tells the person at the terminal something.
pub(crate) fn say(line: &str) {
    println!("{line}");
}
