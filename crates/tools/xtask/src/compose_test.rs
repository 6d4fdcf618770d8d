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
#[cfg(test)]
pub(crate) use images::programs;
use remora_domain::Service;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long rows may take: the recording starts, discovery ranks, decision quotes, the persister's batch fills.
const ROWS_WITHIN: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Says how the test ended, when it did not fail.
pub(crate) enum Outcome {
    /// Everything was seen to work.
    Good,
    /// No engine can run here, and why.
    Skipped(String),
}

/// Runs the whole test. `bin_dir` holds programs that are built already; without it they are built now.
pub(crate) fn run(root: &Path, bin_dir: Option<&Path>) -> Result<Outcome> {
    let engine = match Engine::start() {
        Ok(engine) => engine,
        Err(error) => {
            let why = format!("no container engine can run here: {error:#}");
            crate::say(&format!("==> compose-test: skipped, {why}"));
            return Ok(Outcome::Skipped(why));
        }
    };
    let bin_dir = match bin_dir {
        Some(folder) => folder.to_owned(),
        None => steps::build_programs(root, false)?,
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
    Ok(Outcome::Good)
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
    halt_gate(stack)?;
    replace_gate(stack)
}

/// Halts as an operator does, from inside the gate's container: nothing rests and nothing is approved until resumed.
fn halt_gate(stack: &Stack<'_>) -> Result<()> {
    const APPROVALS: &str = "SELECT count(*) FROM order_approvals";
    // Between a halt and the resume behind it; none before both are history.
    const WHILE_HALTED: &str = "SELECT count(*) FROM order_approvals, \
        (SELECT max(publish_time_ns) AS at FROM control_events WHERE action = 'halt') AS halt, \
        (SELECT max(publish_time_ns) AS at FROM control_events WHERE action = 'resume') AS resume \
        WHERE publish_time_ns > halt.at AND publish_time_ns < resume.at";
    const RESUMES: &str = "SELECT count(*) FROM control_events WHERE action = 'resume'";
    let (gate, router) = (Service::RiskGate.name(), "order-router-kraken-spot");
    let halted = stack.ctl(gate, &["halt", "--reason", "drill of compose-test"])?;
    if !halted.starts_with("halted everything") {
        bail!("remora ctl halt said: {halted}");
    }
    stack.wait_until("the gate says that it is halted", || {
        Ok(stack.ctl(gate, &["status"])?.contains("): halted"))
    })?;
    stack.wait_until("the router has no live order", || {
        Ok(stack.ctl(router, &["status", "--json"])?.contains("\"live_orders\": 0,"))
    })?;
    stack.ctl(gate, &["resume", "--reason", "drill is over"])?;
    stack.wait_for(RESUMES, |resumes| resumes > 0)?;
    let before = stack.ask(APPROVALS)?;
    let after = stack.wait_for(APPROVALS, |approvals| approvals > before)?;
    let meanwhile = stack.ask(WHILE_HALTED)?;
    if meanwhile != 0 {
        bail!("{meanwhile} orders were approved while the gate was halted");
    }
    crate::say(&format!(
        "==> halted by exec: no live order, no approval; resumed: approvals {before} became {after}"
    ));
    Ok(())
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

    /// Runs `remora ctl` in the container of a service.
    fn ctl(&self, service: &str, words: &[&str]) -> Result<String> {
        self.compose(&[&["exec", "-T", service, "remora", "ctl"], words].concat())
    }

    /// Looks until something is so.
    fn wait_until(&self, what: &str, is_so: impl Fn() -> Result<bool>) -> Result<()> {
        let started = Instant::now();
        while !is_so()? {
            if started.elapsed() > ROWS_WITHIN {
                bail!("{what}: not within {ROWS_WITHIN:?}");
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
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
        for service in ["decision", "persister", "pair-discovery", "ingestor-kraken-spot"] {
            let cat = ["exec", "-T", service, "cat", "/run/remora/control.tokens"];
            if self.compose(&cat)?.lines().any(|line| !line.starts_with("viewer ")) {
                bail!("{service} knows tokens that give commands");
            }
        }
        crate::say(
            "==> the signing key is in the gate only, operators' tokens where they are needed",
        );
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
