//! Processes that are measured: simulated exchanges and bare echoes. Each ends with its value.

use crate::engine::between;
use crate::sign::Key;
use anyhow::{Context as _, Result, bail};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// Nothing takes this long to start, a thousand books neither.
const READY_WITHIN: Duration = Duration::from_secs(120);
const ANY_PORT: &str = "127.0.0.1:0";

/// Is a running process and where it listens.
pub(crate) struct Program {
    child: Child,
    pub(crate) rest: SocketAddr,
    pub(crate) websocket: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) key: Option<Key>,
}

impl Program {
    /// Starts a simulated exchange whose accounts have no limits.
    pub(crate) async fn exchange(program: &Path, invented: u32) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["sim", "kraken-spot", "--seed", "7", "--tier", "unlimited"]);
        command.args(["--pairs", &invented.to_string()]);
        for door in ["--listen", "--auth-listen", "--l3-listen", "--admin-listen"] {
            command.args([door, ANY_PORT]);
        }
        let (child, said) = start(command, "taker-reading of account").await?;
        let address = |start: &str, end: &str| -> Result<SocketAddr> {
            let text = between(&said, start, end);
            text.and_then(|text| text.parse().ok()).with_context(|| format!("no {start} in {said}"))
        };
        let public = between(&said, "    key     ", "\n").context("no key was printed")?;
        let secret = between(&said, "    secret  ", "\n").context("no secret was printed")?;
        Ok(Self {
            child,
            rest: address("REST             http://", "\n")?,
            websocket: address("(public)\n                 ws://", "/v2 (private")?,
            admin: Some(address("Operator         http://", "/sim/")?),
            key: Some(Key::new(&public, &secret)?),
        })
    }

    /// Starts a bare echo.
    pub(crate) async fn echo(program: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["bench", "echo"]);
        let (child, said) = start(command, "echo on ").await?;
        let address = between(&said, "echo on ", "\n").and_then(|text| text.parse().ok());
        let address = address.context("the echo does not say where it listens")?;
        Ok(Self { child, rest: address, websocket: address, admin: None, key: None })
    }

    /// Gives the memory of the process that is in RAM, in MB.
    pub(crate) fn resident_mb(&self) -> Result<f64> {
        let id = self.child.id().context("the process has ended")?;
        let text = crate::machine::field(&format!("/proc/{id}/status"), "VmRSS");
        let kb: f64 = text.trim_end_matches(" kB").parse().context("read VmRSS")?;
        Ok(kb / 1_000.0 * 1.024)
    }
}

/// Starts a process and gives what it says up to the line with `last`.
async fn start(mut command: Command, last: &str) -> Result<(Child, String)> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
    let mut child = command.spawn().with_context(|| format!("start {command:?}"))?;
    let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let mut said = String::new();
    let read = async {
        let mut is_last = false;
        while let Some(line) = lines.next_line().await? {
            said.push_str(&line);
            said.push('\n');
            is_last |= line.contains(last);
            // The lines below an account are its key and its secret.
            if is_last && (line.contains("echo on") || line.contains("secret")) {
                return Ok(());
            }
        }
        bail!("it ended at once: {said}")
    };
    tokio::time::timeout(READY_WITHIN, read).await.context("wait for a process to start")??;
    // Whatever else it says must not block it.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((child, said))
}
