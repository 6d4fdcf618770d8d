//! `remora ctl`: what a distributed deployment needs before and beside its services.

use crate::cli::CtlCommand;
use crate::output;
use anyhow::{Context, Result, bail};
use remora_approval::Signer;
use remora_bus::permissions::BusUser;
use remora_bus::{Bus as _, Credentials, NatsSettings, PasswordSource, connect_nats};
use remora_domain::VenueId;
use remora_venue_registry::VENUES;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

/// How long a health check waits.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);

/// Runs a control command.
pub(crate) async fn run(command: CtlCommand) -> Result<()> {
    match command {
        CtlCommand::Init { dir } => init(&dir),
        CtlCommand::Bus { url, user, password_file } => bus(&url, &user, password_file).await,
        CtlCommand::Health { url } => health(&url),
    }
}

/// Creates every secret that is absent; what is there stays.
fn init(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("make folder {}", dir.display()))?;
    let key = dir.join("gate.key");
    if !key.exists() {
        let secret = random_hex()?;
        let signer = Signer::from_hex(&secret).context("make the gate's key")?;
        write_secret(&key, &secret)?;
        write_secret(&dir.join("gate.pub"), &signer.verifying_key().to_string())?;
    }
    let mut passwords = String::from("# Passwords of the bus, one variable a user.\n");
    for user in users()? {
        let path = dir.join(format!("{}.password", user.name()));
        if !path.exists() {
            // The server reads passwords as configuration text: a letter first, then letters and digits.
            write_secret(&path, &format!("p{}", random_hex()?))?;
        }
        let password = std::fs::read_to_string(&path).context("read a password back")?;
        writeln!(passwords, "{}: \"{}\"", user.password_variable(), password.trim())?;
    }
    write_secret(&dir.join("nats-passwords.conf"), &passwords)?;
    let postgres = dir.join("postgres.password");
    if !postgres.exists() {
        write_secret(&postgres, &format!("p{}", random_hex()?))?;
    }
    let tokens = dir.join("control.tokens");
    if !tokens.exists() {
        let lines = ["viewer", "operator", "admin"]
            .map(|role| Ok(format!("{role} {role} {}\n", random_hex()?)))
            .into_iter()
            .collect::<Result<String>>()?;
        write_secret(&tokens, &lines)?;
    }
    output::line(&format!("secrets are in {}", dir.display()));
    Ok(())
}

fn users() -> Result<Vec<BusUser>> {
    let venues: Vec<VenueId> =
        VENUES.iter().map(|venue| VenueId::new(venue.id)).collect::<Result<_, _>>()?;
    Ok(BusUser::of_venues(&venues))
}

/// Gives 32 bytes of the system's randomness as hexadecimal digits.
fn random_hex() -> Result<String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).context("ask the system for randomness")?;
    let mut text = String::with_capacity(64);
    bytes.iter().try_for_each(|byte| write!(text, "{byte:02x}"))?;
    Ok(text)
}

/// Writes a file that its owner and group can read, and nobody else.
fn write_secret(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o640);
    let mut file = options.open(path).with_context(|| format!("write {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("write {}", path.display()))
}

/// Declares the durable streams and checks that the server keeps them as declared.
async fn bus(url: &str, user: &str, password_file: Option<std::path::PathBuf>) -> Result<()> {
    let credentials = match password_file {
        Some(path) => {
            Credentials::Password { user: user.to_owned(), password: PasswordSource::File(path) }
        }
        None => Credentials::None,
    };
    let bus = connect_nats(NatsSettings::new(url, "remora-ctl", credentials)).await;
    let bus = bus.with_context(|| format!("connect to {url}"))?;
    bus.declare_streams().await.context("declare the streams")?;
    output::line("the streams are declared");
    Ok(())
}

/// Asks one of our own HTTP addresses whether it is well; for containers without curl.
fn health(url: &str) -> Result<()> {
    let rest = url
        .strip_prefix("http://")
        .with_context(|| format!("{url}: want http://HOST:PORT/PATH"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host).with_context(|| format!("connect to {host}"))?;
    stream.set_read_timeout(Some(HEALTH_TIMEOUT))?;
    stream.set_write_timeout(Some(HEALTH_TIMEOUT))?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("read the answer")?;
    let line = answer.lines().next().unwrap_or("no answer");
    if !line.contains(" 200 ") {
        bail!("{url}: {line}");
    }
    output::line(line);
    Ok(())
}
