//! `remora ctl dead`: looks at dead letters, and stores those of the persister that this version can read.
//!
//! A letter is never removed and never published again: only the gate may publish approvals, also those that got lost on
//! their way to history. What can be read is written to history directly, where it is stored once however often it is
//! tried. Letters of other services need no such thing: the message is still in its stream, and a service that is
//! restarted reads it again.

use super::{BusArguments, connect};
use crate::{history, output};
use anyhow::{Context, Result, bail};
use clap::{ArgGroup, Args, Subcommand};
use remora_bus::{Bus as _, InMessage, LogEntry, ReadFrom, Stream, dead_letter_subject};
use remora_domain::{Envelope, Service};
use remora_history_store::HistoryStore;
use remora_service_kit::drive::read_message;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Subcommand)]
pub(crate) enum DeadCommand {
    /// List the letters: number, service, subject, size, why it was set aside, whether this version reads it.
    List {
        #[command(flatten)]
        bus: BusArguments,
    },
    /// Store letters of the persister in history, now that this version can read them.
    Redrive(RedriveArguments),
}

#[derive(Args)]
#[command(group(ArgGroup::new("which").required(true).args(["letters", "all"])))]
pub(crate) struct RedriveArguments {
    #[command(flatten)]
    bus: BusArguments,
    /// Numbers of letters, as `list` shows them.
    #[arg(value_name = "NUMBER")]
    letters: Vec<u64>,
    /// Every letter of the persister.
    #[arg(long)]
    all: bool,
    /// Where history is: postgres://USER@HOST:PORT/DATABASE, without a password.
    #[arg(long, value_name = "URL", env = "REMORA_STORAGE__POSTGRES_URL")]
    postgres_url: String,
    /// File with the password.
    #[arg(long, value_name = "FILE", env = "REMORA_STORAGE__POSTGRES_PASSWORD_FILE")]
    postgres_password_file: Option<PathBuf>,
}

/// Is one letter.
struct Letter {
    number: u64,
    /// Subject of the letter itself, which names the service.
    filed_under: String,
    /// The message as the service got it, as far as it was kept.
    message: InMessage,
    reason: String,
    /// Its whole length, when that is known.
    bytes: Option<usize>,
}

/// Runs a command about dead letters.
pub(super) async fn run(command: DeadCommand) -> Result<()> {
    match command {
        DeadCommand::List { bus } => list(&read(bus).await?),
        DeadCommand::Redrive(arguments) => return redrive(arguments).await,
    }
    Ok(())
}

/// Reads every letter that the stream keeps.
async fn read(at: BusArguments) -> Result<Vec<Letter>> {
    let bus = connect(&at.bus_url, &at.bus_user, at.bus_password_file).await?;
    let log = bus.read_log(Stream::Dead, &[], ReadFrom::Start).await;
    let mut log = log.with_context(|| format!("read the stream {}", Stream::Dead))?;
    let mut letters = Vec::new();
    while !log.is_caught_up() {
        letters.push(Letter::of(log.recv().await.context("read the letters")?));
    }
    Ok(letters)
}

fn list(letters: &[Letter]) {
    for letter in letters {
        let Letter { number, filed_under, message, reason, bytes } = letter;
        let service = filed_under.rsplit('.').next().unwrap_or(filed_under);
        let size = bytes.unwrap_or(message.payload.len());
        let verdict = match letter.open() {
            Ok(envelope) => format!("readable now: {}", envelope.header.message_id()),
            Err(why) => format!("not readable: {why}"),
        };
        let subject = &message.subject;
        output::line(&format!("{number}  {service}  {subject}  {size} bytes  {reason}"));
        output::line(&format!("    {verdict}"));
    }
    output::line(&format!("letters: {}", letters.len()));
}

async fn redrive(arguments: RedriveArguments) -> Result<()> {
    let RedriveArguments { bus, letters: numbers, all, postgres_url, .. } = arguments;
    let history = history::server(&postgres_url, arguments.postgres_password_file.as_deref())?;
    let letters = read(bus).await?;
    let mine = dead_letter_subject(Service::Persister.name());
    let unknown: Vec<String> = numbers
        .iter()
        .filter(|number| !letters.iter().any(|letter| letter.number == **number))
        .map(u64::to_string)
        .collect();
    if !unknown.is_empty() {
        let known: Vec<String> = letters.iter().map(|letter| letter.number.to_string()).collect();
        let known = if known.is_empty() { "there is none".to_owned() } else { known.join(", ") };
        bail!("no letter has the number {}; letters: {known}", unknown.join(", "));
    }
    let is_wanted = |letter: &&Letter| {
        if all { letter.filed_under == mine } else { numbers.contains(&letter.number) }
    };
    let mut left = 0_usize;
    for letter in letters.iter().filter(is_wanted) {
        match letter.store(&history, &mine).await {
            Ok(said) => output::line(&format!("{}: {said}", letter.number)),
            Err(error) => {
                left = left.saturating_add(1);
                output::line(&format!("{}: NOT stored: {error:#}", letter.number));
            }
        }
    }
    history.close().await;
    if left > 0 {
        bail!("{left} letters are not stored");
    }
    Ok(())
}

impl Letter {
    fn of(entry: LogEntry) -> Self {
        let LogEntry { message, sequence, stored_at: _ } = entry;
        let header = |name: &str| message.headers.get(name).cloned().unwrap_or_default();
        Self {
            number: sequence,
            reason: header("remora-reason"),
            bytes: header("remora-bytes").parse().ok(),
            message: InMessage {
                subject: header("remora-subject"),
                headers: std::collections::BTreeMap::new(),
                payload: message.payload.clone(),
            },
            filed_under: message.subject,
        }
    }

    /// Reads the message by the rules that services have.
    fn open(&self) -> Result<Envelope> {
        if let Some(bytes) = self.bytes
            && bytes != self.message.payload.len()
        {
            bail!("only {} of its {bytes} bytes were kept", self.message.payload.len());
        }
        Ok(read_message(&self.message)?)
    }

    async fn store(&self, history: &HistoryStore, mine: &str) -> Result<&'static str> {
        if self.filed_under != mine {
            bail!("it is not the persister's: the message is still in its stream");
        }
        let outcome = history.write(&[Arc::new(self.open()?)]).await?;
        Ok(if outcome.inserted > 0 { "stored" } else { "was stored already" })
    }
}
