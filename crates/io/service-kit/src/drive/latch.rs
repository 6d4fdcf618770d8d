//! Halts that no stream holds yet, kept in files: a process that is killed while the bus is away stays halted.
//!
//! In: halts as they are given, the news that a stream has stored them. Out: one file a halt in a folder of the process,
//! synced before anybody is told that it is kept. At the start the files are read back: a halt that the control log
//! holds is dropped, because the log says what became of it; any other is given to the core again, and again recorded.
//! Must never happen: a file removed while no stream holds its halt; a loop that waits for a disk.

use crate::Health;
use crate::publish::chain;
use remora_bus::StoredAt;
use remora_domain::{Body, Envelope, MessageId, ProducerId};
use remora_rpc::Recorded;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

/// How the names of the files end.
const SUFFIX: &str = ".halt";
/// The name of unrecorded commands in health.
const DEPENDENCY: &str = "control-record";
/// How long whoever gives a command waits to hear that a stream has it; it works meanwhile.
const RECORDED_WITHIN: Duration = Duration::from_millis(500);

/// Is the folder of the halts of one process.
#[derive(Debug)]
pub struct HaltLatch {
    folder: PathBuf,
    found: Vec<Latched>,
}

/// Is a halt of an earlier run.
#[derive(Debug)]
pub(super) struct Latched {
    pub(super) file: PathBuf,
    /// `None` where the file cannot be read: it was a halt all the same.
    pub(super) envelope: Option<Envelope>,
}

impl HaltLatch {
    /// Opens the folder, making it where it is missing, and reads what `shell` left there.
    ///
    /// # Errors
    /// Tells when the folder cannot be written or read.
    pub fn open(folder: &Path, shell: &ProducerId) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        // Writing is tried now, while a person looks at the start.
        let probe = folder.join(format!("{shell}.probe"));
        create(&probe, b"")?;
        std::fs::remove_file(&probe)?;
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let file = entry?.path();
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if !is_of(name, shell) {
                continue;
            }
            let envelope = remora_wire::decode(&std::fs::read(&file)?).ok();
            let is_command = |it: &Envelope| matches!(it.body, Body::ControlCommand(_));
            found.push(Latched { envelope: envelope.filter(is_command), file });
        }
        found.sort_by(|a, b| a.file.cmp(&b.file));
        Ok(Self { folder: folder.to_owned(), found })
    }

    fn file(&self, id: &MessageId) -> PathBuf {
        let MessageId { producer, session, sequence } = id;
        self.folder.join(format!("{producer}-{session}-{sequence:010}{SUFFIX}"))
    }
}

/// Tells whether a file holds a halt of this shell: `<shell>-<session>-<sequence>.halt`.
fn is_of(name: &str, shell: &ProducerId) -> bool {
    let run = name.strip_suffix(SUFFIX).and_then(|name| name.strip_prefix(shell.as_str()));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
    run.and_then(|run| run.strip_prefix('-'))
        .and_then(|run| run.split_once('-'))
        .is_some_and(|(session, sequence)| is_number(session) && is_number(sequence))
}

/// Writes a file in one piece: it is there whole, or not at all, also after a power failure.
fn write(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let part = file.with_extension("part");
    create(&part, bytes)?;
    std::fs::rename(&part, file)?;
    let folder = file.parent().unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn create(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(file)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Follows the commands given to this process until a stream holds them.
#[derive(Debug)]
pub(super) struct Records {
    latch: Option<HaltLatch>,
    health: Health,
    unrecorded: Arc<AtomicU64>,
}

impl Records {
    pub(super) fn new(health: Health) -> Self {
        Self { latch: None, health, unrecorded: Arc::default() }
    }

    pub(super) fn set_latch(&mut self, latch: HaltLatch) {
        self.latch = Some(latch);
    }

    /// Drops the halt of an earlier run that a log turns out to hold.
    pub(super) fn found(&mut self, id: &MessageId) {
        let Some(latch) = &mut self.latch else { return };
        latch.found.retain(|latched| {
            let is_found =
                latched.envelope.as_ref().is_some_and(|it| it.header.message_id() == *id);
            if is_found {
                remove(&latched.file);
            }
            !is_found
        });
    }

    /// Gives the halts of earlier runs that no log holds.
    pub(super) fn take_left(&mut self) -> Vec<Latched> {
        self.latch.as_mut().map(|latch| std::mem::take(&mut latch.found)).unwrap_or_default()
    }

    /// Keeps a halt in a file until a stream has it, tells who gave the command how it is kept, and says in health what no
    /// stream has. `replaces` is the file of an earlier run whose halt this is, given again.
    pub(super) fn keep(
        &self,
        halt: Option<&Envelope>,
        stored: oneshot::Receiver<StoredAt>,
        told: Option<oneshot::Sender<Recorded>>,
        replaces: Option<PathBuf>,
    ) {
        let file = self.latch.as_ref().zip(halt).map(|(latch, halt)| {
            let file = replaces.unwrap_or_else(|| latch.file(&halt.header.message_id()));
            let (path, bytes) = (file.clone(), remora_wire::encode(halt));
            // Begun at once, beside the loop, whatever becomes of the task below.
            let written = tokio::task::spawn_blocking(move || write(&path, &bytes));
            (file, written)
        });
        let (health, unrecorded) = (self.health.clone(), Arc::clone(&self.unrecorded));
        tokio::spawn(async move {
            tell_health(&health, unrecorded.fetch_add(1, Ordering::Relaxed).saturating_add(1));
            follow(file, stored, told).await;
            tell_health(&health, unrecorded.fetch_sub(1, Ordering::Relaxed).saturating_sub(1));
        });
    }
}

type Written = tokio::task::JoinHandle<std::io::Result<()>>;

/// Returns once a stream holds the command; never, if it refused it for good, because then none ever will.
async fn follow(
    file: Option<(PathBuf, Written)>,
    mut stored: oneshot::Receiver<StoredAt>,
    told: Option<oneshot::Sender<Recorded>>,
) {
    let mut kept = Recorded::InMemory;
    let file = match file {
        None => None,
        Some((file, written)) => {
            match written.await {
                Ok(Ok(())) => kept = Recorded::OnDisk,
                Ok(Err(error)) => tracing::error!(error = chain(&error), "halt not kept in a file"),
                // The process is ending.
                Err(_) => return,
            }
            Some(file)
        }
    };
    let in_time = tokio::time::timeout(RECORDED_WITHIN, &mut stored).await;
    if let Some(told) = told {
        let kept = if matches!(in_time, Ok(Ok(_))) { Recorded::InStream } else { kept };
        // Whoever waited may have given up.
        let _ = told.send(kept);
    }
    let outcome = match in_time {
        Ok(outcome) => outcome,
        Err(_) => stored.await,
    };
    match (outcome, file) {
        (Ok(_), Some(file)) => {
            // A file that is left is dropped at the next start, when the log is found to hold its halt.
            let _ = tokio::task::spawn_blocking(move || remove(&file)).await;
        }
        (Ok(_), None) => {}
        (Err(_), _) => std::future::pending().await,
    }
}

fn remove(file: &Path) {
    if let Err(error) = std::fs::remove_file(file) {
        tracing::warn!(error = chain(&error), "file of a recorded halt not removed");
    }
}

fn tell_health(health: &Health, unrecorded: u64) {
    let detail = match unrecorded {
        0 => "every command is recorded".to_owned(),
        count => format!("not yet recorded: {count}"),
    };
    health.set_dependency(DEPENDENCY, false, unrecorded == 0, &detail);
}
