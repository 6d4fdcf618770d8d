//! A simulated exchange as a process of its own, and what its clients and its operator may ask.

use crate::process::end;
use anyhow::{Context as _, Result, bail};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Accounts whose secrets it prints; the last of them is the last thing it says.
const ACCOUNTS: usize = 4;

/// Is a running `remora sim`; killed when it is dropped.
#[derive(Debug)]
pub struct SimulatedExchange {
    process: Child,
    said: Vec<String>,
}

impl SimulatedExchange {
    /// Starts it on free ports with these further arguments and waits until it says where it is. What goes wrong later it
    /// writes to `log`.
    ///
    /// # Errors
    /// Fails when the program `remora` cannot be started or ends at once.
    pub fn start(remora: &Path, arguments: &[&str], log: Stdio) -> Result<Self> {
        let flags = ["--listen", "--auth-listen", "--l3-listen", "--admin-listen"];
        let mut secrets = 0;
        Self::launch(remora, "kraken-spot", &flags, arguments, log, |line| {
            secrets += usize::from(line.starts_with("    secret"));
            secrets == ACCOUNTS
        })
    }

    /// The same for Kraken Futures, whose public side has no accounts.
    ///
    /// # Errors
    /// Fails when the program `remora` cannot be started or ends at once.
    pub fn start_futures(remora: &Path, arguments: &[&str], log: Stdio) -> Result<Self> {
        let flags = ["--listen", "--admin-listen"];
        // The last thing it says.
        let is_last = |line: &str| line.trim_start().starts_with("remora paper ");
        Self::launch(remora, "kraken-futures", &flags, arguments, log, is_last)
    }

    fn launch(
        remora: &Path,
        venue: &str,
        flags: &[&str],
        arguments: &[&str],
        log: Stdio,
        mut is_last: impl FnMut(&str) -> bool,
    ) -> Result<Self> {
        let mut command = Command::new(remora);
        command.args(["sim", venue]).args(arguments).env_clear();
        for flag in flags {
            command.args([flag, "127.0.0.1:0"]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let process = command.spawn().with_context(|| format!("start {command:?}"))?;
        let mut exchange = Self { process, said: Vec::new() };
        let output = exchange.process.stdout.take().context("it has no output")?;
        for line in BufReader::new(output).lines() {
            let line = line.context("read what the exchange says")?;
            let is_last = is_last(&line);
            exchange.said.push(line);
            if is_last {
                return Ok(exchange);
            }
        }
        bail!("{command:?} ended at once: {:?}", exchange.said)
    }

    /// Gives the lines it printed at its start, keys and secrets included.
    #[must_use]
    pub fn said(&self) -> &[String] {
        &self.said
    }

    /// Gives the address on the line with this in it.
    ///
    /// # Errors
    /// Fails when it printed no such line.
    pub fn address(&self, part: &str) -> Result<String> {
        let line = self.said.iter().find(|line| line.contains(part));
        let address = line.and_then(|line| line.split_whitespace().find(|it| it.contains("://")));
        Ok(address.with_context(|| format!("the exchange printed no address {part}"))?.to_owned())
    }

    /// Asks as its operator may, such as `GET` `accounts/maker`, and gives the JSON that it answers.
    ///
    /// # Errors
    /// Fails when it does not answer, or with another status than 200.
    pub fn operator(&self, method: &str, path: &str, body: &str) -> Result<String> {
        let address = self.address("/sim/")?;
        let host = address.strip_prefix("http://").and_then(|it| it.strip_suffix("/sim/"));
        let host = host.with_context(|| format!("{address} is no operator's address"))?;
        let mut stream = TcpStream::connect(host).with_context(|| format!("connect to {host}"))?;
        let head = format!("{method} /sim/{path} HTTP/1.0\r\nHost: {host}");
        write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        match answer.split_once("\r\n\r\n") {
            Some((head, body)) if head.contains(" 200 ") => Ok(body.to_owned()),
            _ => bail!("{method} {path}: {answer}"),
        }
    }

    /// Asks it to stop and tells whether it ended well.
    ///
    /// # Errors
    /// Fails when it cannot be told or waited for.
    pub fn stop(mut self) -> Result<bool> {
        signal("TERM", self.process.id())?;
        Ok(self.process.wait()?.success())
    }
}

impl Drop for SimulatedExchange {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// Sends a signal by its name, such as `INT`, to a process that the caller started.
///
/// # Errors
/// Fails when there is no such process.
pub fn signal(name: &str, process: u32) -> Result<()> {
    crate::tools::run(Command::new("kill").args([&format!("-{name}"), &process.to_string()]))
        .map(drop)
}
