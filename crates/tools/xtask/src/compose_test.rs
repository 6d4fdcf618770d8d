//! `cargo xtask compose-test`: brings docker-compose.yml up for real, sees rows arrive, replaces a service, takes it down.
//!
//! In: this machine's programs and Debian packages. Out: nothing is left behind. Nothing is pulled and nothing leaves
//! the machine; the servers are stand-ins (see `images`). Where no engine can run it says so and is skipped.

mod commands;
mod engine;
mod images;

use crate::steps;
use anyhow::{Context, Result, bail};
use commands::run as run_quietly;
use engine::Engine;
use images::REMORA_IMAGE;
pub(crate) use images::programs;
use remora_domain::Service;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long rows may take: the recording starts, discovery ranks, decision quotes, the persister's batch fills.
const ROWS_WITHIN: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs the whole test. `bin_dir` holds programs that are built already; without it they are built now.
pub(crate) fn run(root: &Path, bin_dir: Option<&Path>) -> Result<()> {
    let engine = match Engine::start() {
        Ok(engine) => engine,
        Err(error) => {
            crate::say(&format!(
                "skipped: compose-test: no container engine can run here: {error:#}"
            ));
            return Ok(());
        }
    };
    let bin_dir = match bin_dir {
        Some(folder) => folder.to_owned(),
        None => build(root)?,
    };
    crate::say("==> images: base, nats, redis, postgres, remora");
    images::make_all(&engine, root, &bin_dir)?;
    let stack = Stack { engine: &engine, root };
    let outcome = exercise(&stack);
    if outcome.is_err() {
        stack.tell();
    }
    let down = stack.down();
    outcome.and(down)?;
    crate::say("==> compose-test: good");
    Ok(())
}

fn exercise(stack: &Stack<'_>) -> Result<()> {
    stack.up(&[])?;
    crate::say("==> every service is healthy");
    stack.check_secrets()?;
    for table in ["order_requests", "order_approvals", "order_events"] {
        let count = format!("SELECT count(*) FROM {table}");
        let rows = stack.wait_for(&count, |rows| rows > 0)?;
        crate::say(&format!("==> {table}: {rows} rows"));
    }
    replace_gate(stack)
}

/// Replaces the service that nothing can go on without: orders stop, and go on under a new epoch.
fn replace_gate(stack: &Stack<'_>) -> Result<()> {
    const EPOCH: &str = "SELECT coalesce(max(epoch), 0) FROM order_approvals";
    let before = stack.ask(EPOCH)?;
    let gate = Service::RiskGate.name();
    stack.compose(&["stop", gate])?;
    stack.compose(&["rm", "--force", gate])?;
    stack.up(&[gate])?;
    let after = stack.wait_for(EPOCH, |epoch| epoch > before)?;
    crate::say(&format!("==> {gate} replaced: approvals go on, epoch {before} became {after}"));
    stack.check_once()
}

/// Builds our programs and gives the folder they are in.
fn build(root: &Path) -> Result<PathBuf> {
    let mut arguments = vec!["build".to_owned(), "--bins".to_owned()];
    for program in programs() {
        arguments.extend(["--package".to_owned(), program]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    steps::run(root, "programs", "cargo", &arguments)?;
    let mut metadata = cargo_metadata::MetadataCommand::new();
    let metadata = metadata.current_dir(root).no_deps().exec().context("find the target folder")?;
    Ok(metadata.target_directory.into_std_path_buf().join("debug"))
}

/// Is the stack that the compose file describes, on our engine.
struct Stack<'a> {
    engine: &'a Engine,
    root: &'a Path,
}

impl Stack<'_> {
    fn compose(&self, arguments: &[&str]) -> Result<String> {
        run_quietly(&mut self.command(arguments))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut compose = self.engine.compose();
        compose.current_dir(self.root).env("REMORA_IMAGE", REMORA_IMAGE);
        compose.args(["--file", "docker-compose.yml", "--progress", "quiet"]).args(arguments);
        compose
    }

    fn up(&self, services: &[&str]) -> Result<()> {
        let mut arguments = vec!["up", "--detach", "--wait", "--wait-timeout", "240"];
        arguments.extend(["--no-build", "--pull", "never"]);
        arguments.extend(services);
        self.compose(&arguments).map(drop)
    }

    fn down(&self) -> Result<()> {
        self.compose(&["down", "--volumes", "--timeout", "20"])?;
        let left = run_quietly(self.engine.docker().args(["ps", "--all", "--quiet"]))?;
        if !left.trim().is_empty() {
            bail!("containers are left after `docker compose down`: {left}");
        }
        crate::say("==> everything is down");
        Ok(())
    }

    /// Asks PostgreSQL for one number.
    fn ask(&self, query: &str) -> Result<i64> {
        let psql = ["exec", "-T", "postgres", "psql", "--username", "remora", "--dbname", "remora"];
        let options = ["--no-align", "--tuples-only", "--command", query];
        let said = self.compose(&[&psql[..], &options[..]].concat())?;
        said.trim().parse().with_context(|| format!("{query}: {said}"))
    }

    /// Asks until the answer is good. A table that is not there yet is a reason to ask again.
    fn wait_for(&self, query: &str, is_good: impl Fn(i64) -> bool) -> Result<i64> {
        let started = Instant::now();
        loop {
            let answer = self.ask(query);
            if let Ok(number) = answer
                && is_good(number)
            {
                return Ok(number);
            }
            if started.elapsed() > ROWS_WITHIN {
                bail!("{query}: {answer:?} after {ROWS_WITHIN:?}");
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Each order is answered once: a replaced gate neither repeats nor forgets what it had answered.
    fn check_once(&self) -> Result<()> {
        let query = "SELECT count(*) FROM (SELECT cl_ord_id FROM (SELECT account, cl_ord_id FROM order_approvals \
                     UNION ALL SELECT account, cl_ord_id FROM order_refusals) AS answers \
                     GROUP BY account, cl_ord_id HAVING count(*) > 1) AS repeated";
        match self.ask(query)? {
            0 => Ok(()),
            repeated => bail!("{repeated} orders were answered more than once"),
        }
    }

    /// Looks from inside: the signing key is in the gate and nowhere else.
    fn check_secrets(&self) -> Result<()> {
        let services = self.compose(&["ps", "--services"])?;
        for service in services.lines().filter(|service| !["nats", "redis"].contains(service)) {
            let files = self.compose(&["exec", "-T", service, "ls", "/run/remora"])?;
            let has_key = files.lines().any(|file| file == "gate.key");
            if has_key != (service == Service::RiskGate.name()) {
                bail!("{service} has these secrets: {}", files.replace('\n', " "));
            }
        }
        crate::say("==> the signing key is in the gate only");
        Ok(())
    }

    /// Shows what the containers said, after a failure. What cannot be shown is not worth a second error.
    fn tell(&self) {
        for arguments in [&["ps", "--all"][..], &["logs", "--no-color", "--tail", "100"][..]] {
            let status = self.command(arguments).status();
            if let Err(error) = status {
                crate::say(&format!("docker compose {}: {error}", arguments.join(" ")));
            }
        }
    }
}
