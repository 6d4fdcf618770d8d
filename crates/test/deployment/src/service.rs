//! One service process: started, watched, killed, started again.

use crate::http;
use crate::wait::wait_for;
use anyhow::{Context as _, Result, bail};
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const LISTENS_WITHIN: Duration = Duration::from_secs(20);
const STOPS_WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Is how a service is started.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) log: PathBuf,
}

/// Is a running service.
pub(crate) struct Running {
    child: Child,
    pub(crate) http: String,
    pub(crate) grpc: String,
}

impl Recipe {
    /// Starts the process and waits until it listens. Every start has a log of its own, numbered from 1.
    pub(crate) fn start(&self, number: u32) -> Result<Running> {
        let log = self.log_of(number);
        let out = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        // Nothing of the caller's own configuration may slip in.
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("REMORA_")) {
                command.env_remove(name);
            }
        }
        command.envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        // A Ctrl-C at the terminal is for whoever started it, who stops it in good order.
        command.process_group(0);
        let child = command.spawn().with_context(|| format!("start {command:?}"))?;
        let mut running = Running { child, http: String::new(), grpc: String::new() };
        wait_for(&format!("{} listens", self.name), LISTENS_WITHIN, || {
            let said = read(&log);
            if let Some(status) = running.child.try_wait()? {
                bail!("{} ended with {status}: {}", self.name, said.trim());
            }
            Ok(addresses(&said).map(|(http, grpc)| (running.http, running.grpc) = (http, grpc)))
        })?;
        Ok(running)
    }

    /// Gives the log of one start.
    pub(crate) fn log_of(&self, number: u32) -> PathBuf {
        self.log.with_extension(format!("{number}.log"))
    }
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Tells whether the process is ready, or that it has ended.
    pub(crate) fn is_ready(&mut self) -> Result<bool> {
        if let Some(status) = self.child.try_wait()? {
            bail!("it ended with {status}");
        }
        Ok(http::get(&self.http, "/readyz", None).is_ok_and(|(code, _)| code == 200))
    }

    /// Gives how the process ended, once it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Kills it on the spot.
    pub(crate) fn kill(mut self) {
        end(&mut self.child);
    }

    /// Asks it to stop and waits for the end; kills it when that does not come.
    pub(crate) fn stop(mut self) -> Result<()> {
        let pid = self.pid().to_string();
        crate::programs::run(Command::new("kill").args(["-TERM", &pid]))?;
        let asked = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return if status.success() { Ok(()) } else { bail!("it ended with {status}") };
            }
            if asked.elapsed() > STOPS_WITHIN {
                bail!("it does not stop within {STOPS_WITHIN:?}");
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Kills and collects; both fail only if the process has ended already.
fn end(child: &mut Child) {
    drop(child.kill());
    drop(child.wait());
}

/// Reads a log as far as it is written.
pub(crate) fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// Finds the addresses a service logs once it listens.
fn addresses(log: &str) -> Option<(String, String)> {
    let line = log.lines().find(|line| line.contains(" listening "))?;
    let field = |name: &str| {
        let (_, rest) = line.split_once(name)?;
        rest.split_whitespace().next().map(str::to_owned)
    };
    Some((field("http=")?, field("grpc=")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_once_the_line_is_whole() {
        let line =
            "2026-11-22T17:00:00Z  INFO kit: listening http=127.0.0.1:80 grpc=127.0.0.1:81\n";
        let found = Some(("127.0.0.1:80".to_owned(), "127.0.0.1:81".to_owned()));
        assert_eq!(addresses(line), found);
        assert_eq!(addresses("INFO kit: start"), None);
    }
}
