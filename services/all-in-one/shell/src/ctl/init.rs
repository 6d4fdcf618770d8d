//! `remora ctl init`: makes every secret that is absent. What is there is never overwritten, and a file is there as a
//! whole or not at all, so that an interrupted run is completed by the next one.

use crate::output;
use anyhow::{Context, Result, bail};
use remora_approval::{Signer, VerifyingKey};
use remora_bus::permissions::BusUser;
use remora_venue_registry::ids;
use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tempfile::NamedTempFile;

/// The owner and the group can read; nobody else.
const SECRET_MODE: u32 = 0o640;

/// Creates every secret that is absent; what is there stays.
pub(super) fn run(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("make folder {}", dir.display()))?;
    key_pair(&dir.join("gate.key"), SECRET_MODE, &dir.join("gate.pub"))?;
    let mut passwords = String::from("# Passwords of the bus, one variable a user.\n");
    for user in users()? {
        let path = dir.join(format!("{}.password", user.name()));
        make(&path, SECRET_MODE, password)?;
        writeln!(passwords, "{}: \"{}\"", user.password_variable(), read(&path)?)?;
    }
    replace(&dir.join("nats-passwords.conf"), &passwords)?;
    make(&dir.join("postgres.password"), SECRET_MODE, password)?;
    let tokens = dir.join("control.tokens");
    make(&tokens, SECRET_MODE, || {
        let roles = ["viewer", "operator", "admin"].into_iter();
        roles.map(|role| Ok(format!("{role} {role} {}\n", random_hex()?))).collect()
    })?;
    // For services that take no commands: whoever reads their folder must not be able to resume the gate.
    let viewers: String = read(&tokens)?
        .lines()
        .filter(|line| line.split_whitespace().next() == Some("viewer"))
        .map(|line| format!("{line}\n"))
        .collect();
    replace(&dir.join("viewer.tokens"), &viewers)?;
    sync(dir)?;
    output::line(&format!("secrets are in {}", dir.display()));
    Ok(())
}

/// Makes a key pair. The public key follows from the other one, so it is made again where it is missing; the other
/// one follows from nothing, and a new one beside an old public key would be two halves of different pairs.
pub(super) fn key_pair(key: &Path, key_mode: u32, public: &Path) -> Result<VerifyingKey> {
    if public.exists() && !key.exists() {
        let (key, public) = (key.display(), public.display());
        bail!(
            "{public} is there and {key} is not: bring the key back, or remove both for a new pair"
        );
    }
    make(key, key_mode, random_hex)?;
    let signer = Signer::from_hex(&read(key)?);
    let signer = signer.with_context(|| format!("use the key in {}", key.display()))?;
    let derived = signer.verifying_key();
    make(public, SECRET_MODE, || Ok(derived.to_string()))?;
    if read(public)? != derived.to_string() {
        bail!("{} is not the public half of {}", public.display(), key.display());
    }
    Ok(derived)
}

/// Gives the users of the shipped `deploy/nats/nats.conf`: the server refuses passwords which that does not name.
fn users() -> Result<Vec<BusUser>> {
    Ok(BusUser::of_venues(&ids(true)?, &ids(false)?))
}

/// Gives a new password. The server reads passwords as configuration text: a letter first, then letters and digits.
fn password() -> Result<String> {
    Ok(format!("p{}", random_hex()?))
}

/// Gives 32 bytes of the system's randomness as hexadecimal digits.
fn random_hex() -> Result<String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).context("ask the system for randomness")?;
    let mut text = String::with_capacity(64);
    bytes.iter().try_for_each(|byte| write!(text, "{byte:02x}"))?;
    Ok(text)
}

/// Makes a secret unless it is there, also when another run makes it at the same instant.
fn make(path: &Path, mode: u32, secret: impl Fn() -> Result<String>) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    let dir = folder(path)?;
    let file = prepare(dir, mode, &secret()?)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error).with_context(|| format!("write {}", path.display())),
    }
}

/// Writes what is made of other files, so that it may be made again.
fn replace(path: &Path, text: &str) -> Result<()> {
    let dir = folder(path)?;
    let written = prepare(dir, SECRET_MODE, text).and_then(|file| Ok(file.persist(path)?));
    written.map(drop).with_context(|| format!("write {}", path.display()))
}

fn folder(path: &Path) -> Result<&Path> {
    let dir = path.parent().with_context(|| format!("the folder of {}", path.display()))?;
    // A bare name lies in the folder one stands in.
    Ok(if dir.as_os_str().is_empty() { Path::new(".") } else { dir })
}

/// Writes a file that has no name of its own yet; it is on the disk before it gets one.
fn prepare(dir: &Path, mode: u32, text: &str) -> Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".new-").permissions(Permissions::from_mode(mode));
    let file = builder.tempfile_in(dir);
    let mut file = file.with_context(|| format!("make a file in {}", dir.display()))?;
    file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all())?;
    Ok(file)
}

fn read(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    Ok(text.trim().to_owned())
}

/// Makes sure that the names of new files are on the disk too.
fn sync(dir: &Path) -> Result<()> {
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.with_context(|| format!("sync {}", dir.display()))
}
