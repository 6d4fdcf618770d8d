//! Snapshots of what the log of orders has made of a core, so that a start reads the newest part of that log only.
//!
//! In: a core that has read the logs up to the start, and every entry that comes after. Out: one file, written anew when
//! the log has grown by some thousand entries, never by the core that works: a second one follows the logs on a thread of
//! its own and is never caught up, so that a snapshot holds what the log says and nothing else. A start takes it over only
//! where the log still has the very entry it ends with. Must never happen: a start that waits for, or fails for, a file
//! that is only there to save time; a working core that waits for its follower.

use super::history;
use super::message::read_message;
use super::plan::LogSubscription;
use super::runner::Runner;
use crate::flight::digest;
use crate::publish::chain;
use crate::{Clock, Shutdown};
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use remora_bus::{LogEntry, LogReader, Stream};
use remora_domain::ProducerId;
use remora_machine::{ServiceCore, ServiceInput};
use remora_wire::flight::FlightEvent;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// What every file begins with.
const MAGIC: &[u8] = b"REMORA SNAPSHOT 1\n";
/// Entries of the log of orders from one snapshot to the next: about what a start reads in a second.
const ENTRIES_BETWEEN: u64 = 10_000;
/// The least time between two, so that a burst does not keep a disk busy.
const PAUSE: Duration = Duration::from_secs(10);
/// Entries that may wait for the follower: minutes of trading. One that is further behind gives up until the next start.
const WAITING_MAX: usize = 65_536;
/// Bytes of a snapshot in one entry of a recording.
const RECORDED_PIECE: usize = 4 * 1024 * 1024;
/// Bounds a file when unpacked; what is larger is not ours.
const BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// Is where the snapshots of one process are kept.
#[derive(Clone, Debug)]
pub struct SnapshotFile {
    path: PathBuf,
}

/// Is a place in the log of orders: a sequence and what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    sequence: u64,
    content: [u8; 32],
}

/// Is a snapshot with the place of the last entry in it.
struct Kept {
    place: Place,
    state: Vec<u8>,
}

impl Place {
    fn of(entry: &LogEntry) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(entry.message.subject.as_bytes());
        hasher.update([0]);
        hasher.update(&entry.message.payload);
        Self { sequence: entry.sequence, content: hasher.finalize().into() }
    }

    /// Reads the first entry of a reader that was opened at this place; false where the log is another one, or has lost
    /// its end since.
    async fn is_first_of(&self, reader: &mut LogReader) -> bool {
        // Without it nothing may ever come.
        if reader.end_at_open() < self.sequence {
            return false;
        }
        reader.recv().await.is_ok_and(|entry| Self::of(&entry) == *self)
    }
}

impl SnapshotFile {
    /// Keeps the snapshots of a producer in a folder of its process.
    #[must_use]
    pub fn new(folder: &Path, producer: &ProducerId) -> Self {
        Self { path: folder.join(format!("{producer}.snapshot")) }
    }

    /// Reads what an earlier run kept; `None`, with a note in the log, where that is nothing to begin with.
    fn read(&self) -> Option<Kept> {
        match std::fs::read(&self.path) {
            Ok(bytes) => {
                let kept = unpack(&bytes);
                if kept.is_none() {
                    note_unused(&self.path, "it is damaged, or was written by another program");
                }
                kept
            }
            Err(error) => {
                if error.kind() != std::io::ErrorKind::NotFound {
                    note_unused(&self.path, &error.to_string());
                }
                None
            }
        }
    }

    /// Writes a snapshot in one piece: it is there whole, or the one before it is.
    fn write(&self, kept: &Kept) -> std::io::Result<()> {
        let bytes = pack(kept)?;
        let part = self.path.with_extension("snapshot.part");
        let mut options = File::options();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&part, &self.path)
    }
}

/// Says why the whole log is read.
fn note_unused(path: &Path, problem: &str) {
    let path = path.display();
    tracing::warn!(%path, problem, "snapshot not used: the whole log of orders is read");
    metrics::counter!("remora_snapshots_unused_total").increment(1);
}

/// Gives the digest of the program that runs: another one may make something else of the same log.
fn program() -> std::io::Result<[u8; 32]> {
    static DIGEST: OnceLock<[u8; 32]> = OnceLock::new();
    if let Some(digest) = DIGEST.get() {
        return Ok(*digest);
    }
    // On Linux the file that was started, even where another one has taken its place since.
    let file = File::open("/proc/self/exe").or_else(|_| File::open(std::env::current_exe()?))?;
    let mut hasher = Sha256::new();
    std::io::copy(&mut std::io::BufReader::with_capacity(1 << 16, file), &mut hasher)?;
    Ok(*DIGEST.get_or_init(|| hasher.finalize().into()))
}

fn pack(kept: &Kept) -> std::io::Result<Vec<u8>> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&program()?)?;
    packed.write_all(&kept.place.sequence.to_le_bytes())?;
    packed.write_all(&kept.place.content)?;
    packed.write_all(&kept.state)?;
    let packed = packed.finish()?;
    Ok([MAGIC, &Sha256::digest(&packed), &packed].concat())
}

fn unpack(bytes: &[u8]) -> Option<Kept> {
    let (sum, packed) = bytes.strip_prefix(MAGIC)?.split_at_checked(32)?;
    if Sha256::digest(packed).as_slice() != sum {
        return None;
    }
    let mut plain = Vec::new();
    GzDecoder::new(packed).take(BYTES_MAX).read_to_end(&mut plain).ok()?;
    let (written_by, rest) = plain.split_first_chunk::<32>()?;
    if program().ok()? != *written_by {
        return None;
    }
    let (sequence, rest) = rest.split_first_chunk::<8>()?;
    let (content, state) = rest.split_first_chunk::<32>()?;
    let place = Place { sequence: u64::from_le_bytes(*sequence), content: *content };
    Some(Kept { place, state: state.to_vec() })
}

/// Is what a run knows of its snapshots: where they are kept, how far the log of orders was read, and who follows it.
pub(super) struct Snapshots {
    file: Option<SnapshotFile>,
    /// The last entry of the log of orders that was read.
    last: Option<LogEntry>,
    /// Where the snapshot ends that this run began with.
    restored: Option<Place>,
    /// Entries of the log of orders that no snapshot holds.
    since: u64,
    /// Whether history holds something that cannot be read: a version that can must find it.
    is_spoilt: bool,
    follower: Option<SyncSender<LogEntry>>,
}

impl Snapshots {
    pub(super) const fn none() -> Self {
        Self { file: None, last: None, restored: None, since: 0, is_spoilt: false, follower: None }
    }

    pub(super) fn of(file: SnapshotFile) -> Self {
        Self { file: Some(file), ..Self::none() }
    }

    /// Notes an entry of history.
    pub(super) fn read(&mut self, entry: &LogEntry) {
        if self.file.is_some() && is_of_orders(entry) {
            self.last = Some(entry.clone());
            self.since = self.since.saturating_add(1);
        }
    }

    /// Notes that an entry of history cannot be read: no snapshot is written that would stand for it.
    pub(super) const fn spoil(&mut self) {
        self.is_spoilt = true;
    }

    /// Passes news on. Never waits: a follower that is too far behind is left, and the last snapshot stays.
    pub(super) fn hear(&mut self, entry: &LogEntry) {
        let Some(sender) = &self.follower else { return };
        if sender.try_send(entry.clone()).is_err() {
            tracing::warn!("no more snapshots are written until the next start");
            self.follower = None;
        }
    }
}

fn is_of_orders(entry: &LogEntry) -> bool {
    Stream::of_subject(&entry.message.subject) == Some(Stream::Orders)
}

impl<C: ServiceCore> Runner<C> {
    /// Opens the log of orders where the snapshot of an earlier run ends, if there is one and the core takes it over; gives
    /// the reader and the place of the last entry in it.
    pub(super) async fn restored(
        &mut self,
        log: &LogSubscription,
        enough: &Shutdown,
    ) -> Option<(LogReader, u64)> {
        let file = self.snapshots.file.clone().filter(|_| log.stream == Stream::Orders)?;
        let Kept { place, state } = file.read()?;
        let from = log.clone().at(place.sequence);
        let mut reader = match history::open(&*self.bus, &from, enough).await {
            Ok(Some(reader)) => reader,
            Ok(None) => return None,
            // A log that is shorter now; whatever else it is, reading from the start will tell.
            Err(error) => {
                note_unused(&file.path, &chain(&error));
                return None;
            }
        };
        let is_there = tokio::select! {
            biased;
            () = enough.requested() => return None,
            is_there = place.is_first_of(&mut reader) => is_there,
        };
        if !is_there {
            note_unused(&file.path, "the log does not hold the entry it ends with");
            return None;
        }
        if let Err(error) = self.core.restore(&state) {
            note_unused(&file.path, &chain(&error));
            return None;
        }
        tracing::info!(sequence = place.sequence, "snapshot of the log of orders taken over");
        self.snapshots.restored = Some(place);
        self.record_snapshot(&state);
        Some((reader, place.sequence))
    }

    /// Records what the core took over, in pieces that a recording can hold.
    fn record_snapshot(&mut self, state: &[u8]) {
        let (now, nothing) = (self.clock.now(), digest::<C::LocalOutput>(&[]));
        let Some(recorder) = &mut self.recorder else { return };
        for piece in state.chunks(RECORDED_PIECE) {
            let piece = Bytes::copy_from_slice(piece);
            recorder.record(
                now,
                FlightEvent::Snapshot { piece, is_last: false },
                nothing,
                Vec::new(),
            );
        }
        let end = FlightEvent::Snapshot { piece: Bytes::new(), is_last: true };
        recorder.record(now, end, nothing, Vec::new());
    }

    /// Starts the core that follows the logs from here on; to be called when history has been read.
    pub(super) fn follow(&mut self) {
        let Snapshots { file, last, restored, since, is_spoilt, .. } = &mut self.snapshots;
        let place = last.take().as_ref().map(Place::of).or(*restored);
        let Some(file) = file.clone().filter(|_| !*is_spoilt) else { return };
        let Some(core) = self.core.follower() else { return };
        let (sender, entries) = sync_channel(WAITING_MAX);
        let (clock, since) = (self.clock.clone(), *since);
        let following = Following { core, clock, file, place, since, written_at: None };
        let thread = std::thread::Builder::new().name("snapshots".to_owned());
        match thread.spawn(move || following.run(&entries)) {
            Ok(_) => self.snapshots.follower = Some(sender),
            Err(error) => tracing::error!(error = chain(&error), "no snapshots are written"),
        }
    }
}

/// Is a core that only reads, and what it has read.
struct Following<C> {
    core: C,
    clock: Clock,
    file: SnapshotFile,
    place: Option<Place>,
    since: u64,
    written_at: Option<Instant>,
}

impl<C: ServiceCore> Following<C> {
    fn run(mut self, entries: &Receiver<LogEntry>) {
        let mut out = Vec::new();
        self.write_if_due();
        for entry in entries {
            let Ok(envelope) = read_message(&entry.message) else {
                // What the working core has buried is for a person to settle: nothing is written past it.
                tracing::warn!(
                    subject = entry.message.subject,
                    "snapshots end at an unreadable entry"
                );
                return;
            };
            self.core.handle(self.clock.now(), ServiceInput::Message(Arc::new(envelope)), &mut out);
            out.clear();
            if is_of_orders(&entry) {
                self.place = Some(Place::of(&entry));
                self.since = self.since.saturating_add(1);
            }
            self.write_if_due();
        }
    }

    fn write_if_due(&mut self) {
        let rests = self.written_at.is_some_and(|at| at.elapsed() < PAUSE);
        let Some(place) = self.place.filter(|_| self.since >= ENTRIES_BETWEEN && !rests) else {
            return;
        };
        self.written_at = Some(Instant::now());
        let Some(state) = self.core.snapshot() else { return };
        let (bytes, sequence) = (state.len(), place.sequence);
        match self.file.write(&Kept { place, state }) {
            Ok(()) => {
                self.since = 0;
                metrics::counter!("remora_snapshots_written_total").increment(1);
                tracing::info!(bytes, sequence, "snapshot of the log of orders written");
            }
            Err(error) => tracing::warn!(error = chain(&error), "write a snapshot"),
        }
    }
}
