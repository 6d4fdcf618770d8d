//! One server process: started, watched until it says it is ready, and never left behind.

use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const READY_WITHIN: Duration = Duration::from_secs(30);
const STOP_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Finds a loopback port that nobody listens on at this moment.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("find a free port")?;
    Ok(listener.local_addr()?.port())
}

/// Starts on a free port, and again on another one should somebody have been faster.
pub(crate) fn on_free_port<T>(start: impl Fn(u16) -> Result<T>) -> Result<T> {
    let again = |_| start(free_port()?);
    start(free_port()?).or_else(again).or_else(again)
}

/// Is a running server process.
pub(crate) struct Process {
    child: Child,
    /// A shell that kills the server and removes its folder when this process ends without `Drop`.
    reaper: Child,
}

impl Process {
    /// Starts `command` with its output in `log` and waits until `ready` is in there.
    pub(crate) fn start(
        command: &mut Command,
        log: &Path,
        ready: &str,
        folder: &Path,
    ) -> Result<Self> {
        let out = File::create(log).with_context(|| format!("create {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        // A Ctrl-C at the terminal is for whoever started it, who stops it in good order.
        command.process_group(0);
        let mut child = command.spawn().with_context(|| format!("start {command:?}"))?;
        let reaper = match start_reaper(child.id(), folder) {
            Ok(reaper) => reaper,
            Err(error) => {
                end(&mut child);
                return Err(error);
            }
        };
        let mut process = Self { child, reaper };
        let started = Instant::now();
        loop {
            let said = || String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
            if said().contains(ready) {
                return Ok(process);
            }
            if let Some(status) = process.child.try_wait()? {
                bail!("{command:?} ended with {status}: {}", said().trim());
            }
            if started.elapsed() > READY_WITHIN {
                bail!("{command:?} not ready within {READY_WITHIN:?}: {}", said().trim());
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        crate::exchange::signal(name, self.pid())
    }

    /// Freezes it, and returns once every one of its threads stands still.
    pub(crate) fn pause(&self) -> Result<()> {
        self.signal("STOP")?;
        let threads = format!("/proc/{}/task", self.pid());
        let stands = |thread: fs::DirEntry| {
            let state = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            state.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
        };
        let asked = Instant::now();
        while !fs::read_dir(&threads)?.flatten().all(stands) {
            if asked.elapsed() > STOP_WITHIN {
                bail!("server {} does not stand still", self.pid());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Asks with a signal, waits for the end, kills if it does not come.
    pub(crate) fn stop(mut self, signal: &str) -> Result<()> {
        self.signal(signal)?;
        let asked = Instant::now();
        while self.child.try_wait()?.is_none() {
            if asked.elapsed() > STOP_WITHIN {
                bail!("server {} does not stop on {signal}", self.pid());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The reaper first: the process number may be given to somebody else once its owner is gone.
        end(&mut self.reaper);
        end(&mut self.child);
    }
}

/// Kills and collects; both fail only if the process has ended already.
pub(crate) fn end(child: &mut Child) {
    drop(child.kill());
    drop(child.wait());
}

fn start_reaper(pid: u32, folder: &Path) -> Result<Child> {
    const SCRIPT: &str = r#"trap "" INT TERM HUP; cat; kill -9 "$1"; rm -rf "$2""#;
    Command::new("sh")
        .args(["-c", SCRIPT, "reaper", &pid.to_string()])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("start the shell that cleans up after us")
}

/// Makes a private folder for a server's data.
pub(crate) fn private_dir(kind: &str) -> Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix(&format!("remora-{kind}-"))
        .tempdir()
        .context("create a temporary folder")
}

/// Gives the folder's path as text for a command line.
pub(crate) fn text(path: &Path) -> Result<String> {
    let problem = || format!("path {} is not text", path.display());
    path.to_str().map(str::to_owned).with_context(problem)
}

/// Gives what a server has written to its log.
pub(crate) fn read_log(path: &PathBuf) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
