//! Writes a recording from a thread of its own; the loop only hands over encoded entries.

use super::chain::{Link, NotedHead, first_link, next_link};
use super::retention::{heads, sweep};
use super::{MAGIC, frame};
use flate2::Compression;
use flate2::write::GzEncoder;
use remora_domain::Timestamp;
use remora_wire::flight::{FlightEntry, FlightEvent, FlightHead, FlightHeader, FlightOutput};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// Entries that may wait for the writer: a second of a very busy feed, some tens of MB.
const QUEUE_ENTRIES_MAX: usize = 65_536;
/// A member is flushed at this many entries,
const MEMBER_ENTRIES_MAX: usize = 1_024;
/// or at this many bytes before packing,
const MEMBER_BYTES: usize = 1024 * 1024;
// or after `flush_interval`, whichever comes first.

/// Says where and how a recording is written.
#[derive(Clone, Debug)]
pub struct FlightSettings {
    /// The folder; made if it is missing.
    pub folder: PathBuf,
    /// A part that has grown beyond this many bytes is followed by a new one.
    pub file_bytes_max: u64,
    /// How many bytes all recordings of one producer may take together; the oldest runs make room.
    pub total_bytes_max: u64,
    /// How old a recording may get.
    pub age_max: Duration,
    /// The longest an entry waits before it is in the file.
    pub flush_interval: Duration,
    /// Whether the outputs themselves are kept beside their digest: a journal of decisions.
    pub keeps_outputs: bool,
}

/// Is how far a recording has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlightStatus {
    /// The newest entry in the file.
    pub flushed_sequence: u64,
    /// The chain up to that entry, to be noted elsewhere.
    pub head: Option<NotedHead>,
    /// The file being written.
    pub file: PathBuf,
    /// Why the recording ended early, if it did. The service goes on: recording never delays an order.
    pub problem: Option<String>,
}

/// Records the inputs of one core.
#[derive(Debug)]
pub struct FlightRecorder {
    sender: Option<SyncSender<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
    status: Arc<Mutex<FlightStatus>>,
    last_sequence: u64,
    keeps_outputs: bool,
}

impl FlightRecorder {
    /// Opens the first part and writes the header.
    ///
    /// # Errors
    /// Tells when the folder or the file cannot be written, or a recording of this session is already there.
    pub fn start(settings: FlightSettings, header: &FlightHeader) -> std::io::Result<Self> {
        std::fs::create_dir_all(&settings.folder)?;
        make_room(&settings, header)?;
        let header = FlightHeader { previous: previous(&settings, header)?, ..header.clone() };
        let status = Arc::new(Mutex::new(FlightStatus::default()));
        let keeps_outputs = settings.keeps_outputs;
        let mut writer = Writer::open(settings, &header, Arc::clone(&status))?;
        let (sender, receiver) = sync_channel(QUEUE_ENTRIES_MAX);
        let thread = std::thread::Builder::new().name("flight".to_owned()).spawn(move || {
            if let Err(error) = writer.run(&receiver) {
                tracing::error!(%error, "flight recording ended");
                lock(&writer.status).problem = Some(error.to_string());
            }
        })?;
        let (sender, thread) = (Some(sender), Some(thread));
        Ok(Self { sender, thread, status, last_sequence: 0, keeps_outputs })
    }

    /// Tells whether it wants the outputs themselves, not only their digest.
    #[must_use]
    pub const fn keeps_outputs(&self) -> bool {
        self.keeps_outputs
    }

    /// Hands over one input with the digest of its outputs, and the outputs where they are kept. Never waits: when the
    /// writer cannot follow, the recording ends there and says so.
    pub fn record(
        &mut self,
        now: Timestamp,
        event: FlightEvent,
        outputs_digest: [u8; 32],
        outputs: Vec<FlightOutput>,
    ) {
        let Some(sender) = &self.sender else { return };
        self.last_sequence = self.last_sequence.saturating_add(1);
        let sequence = self.last_sequence;
        let entry = FlightEntry { sequence, now, event, outputs_digest, outputs };
        let problem = match sender.try_send(entry.encode().to_vec()) {
            Ok(()) => return,
            Err(TrySendError::Full(_)) => "the writer is too slow",
            Err(TrySendError::Disconnected(_)) => "the writer is gone",
        };
        // An entry left out would make every later one unreplayable: the recording ends before it. The writer has to
        // know before it finds its queue closed: it must not mark the recording as complete.
        lock(&self.status).problem.get_or_insert_with(|| problem.to_owned());
        self.sender = None;
        tracing::error!(problem, sequence, "flight recording ended");
    }

    /// Gives how far the recording has come.
    #[must_use]
    pub fn status(&self) -> FlightStatus {
        lock(&self.status).clone()
    }

    /// Flushes everything and marks the recording as closed.
    #[must_use]
    pub fn close(mut self) -> FlightStatus {
        self.end();
        self.status()
    }

    fn end(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            lock(&self.status).problem = Some("the writer panicked".to_owned());
        }
    }
}

impl Drop for FlightRecorder {
    fn drop(&mut self) {
        self.end();
    }
}

fn lock(status: &Mutex<FlightStatus>) -> std::sync::MutexGuard<'_, FlightStatus> {
    // Nothing can fail while the lock is held, so a poisoned lock holds a good value.
    status.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives the name of a part.
pub(crate) fn part_name(header: &FlightHeader, part: u32) -> String {
    format!("{}-{}-{part:05}.flight.gz", header.producer, header.session)
}

/// Gives the name of the file that tells how far the chain has come.
pub(super) fn head_name(header: &FlightHeader) -> String {
    format!("{}-{}.flight.head", header.producer, header.session)
}

struct Writer {
    settings: FlightSettings,
    header: FlightHeader,
    status: Arc<Mutex<FlightStatus>>,
    part: u32,
    file: File,
    head: File,
    link: Link,
    file_bytes: u64,
    member: Vec<u8>,
    member_entries: usize,
    written_sequence: u64,
}

impl Writer {
    fn open(
        settings: FlightSettings,
        header: &FlightHeader,
        status: Arc<Mutex<FlightStatus>>,
    ) -> std::io::Result<Self> {
        let path = settings.folder.join(part_name(header, 1));
        let file = create(&path)?;
        let head = create(&settings.folder.join(head_name(header)))?;
        lock(&status).file = path;
        let mut writer = Self {
            settings,
            header: header.clone(),
            status,
            part: 1,
            file,
            head,
            link: first_link(&header.encode()),
            file_bytes: 0,
            member: Vec::new(),
            member_entries: 0,
            written_sequence: 0,
        };
        writer.write_header()?;
        Ok(writer)
    }

    fn run(&mut self, receiver: &Receiver<Vec<u8>>) -> std::io::Result<()> {
        let mut flush_at: Option<Instant> = None;
        loop {
            let received = match flush_at {
                // Nothing is collected: there is nothing to flush until something comes.
                None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => receiver.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            match received {
                Ok(entry) => {
                    self.append(&entry);
                    self.member_entries = self.member_entries.saturating_add(1);
                    self.written_sequence = self.written_sequence.saturating_add(1);
                    let at = *flush_at
                        .get_or_insert_with(|| Instant::now() + self.settings.flush_interval);
                    let has_room = self.member_entries < MEMBER_ENTRIES_MAX
                        && self.member.len() < MEMBER_BYTES;
                    // A busy queue must not put the flush off for ever.
                    if has_room && Instant::now() < at {
                        continue;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let is_complete = lock(&self.status).problem.is_none();
                    if is_complete {
                        self.append(&[]);
                    }
                    return self.flush();
                }
            }
            flush_at = None;
            self.flush()?;
            if self.file_bytes >= self.settings.file_bytes_max {
                self.next_part()?;
            }
        }
    }

    /// Appends an entry, or the mark of the close, with its link.
    fn append(&mut self, entry: &[u8]) {
        frame(&mut self.member, entry);
        let link = next_link(&self.link, entry);
        self.member.extend_from_slice(&link);
        if !entry.is_empty() {
            self.link = link;
        }
    }

    /// Packs what is collected into one member and writes it in one piece.
    fn flush(&mut self) -> std::io::Result<()> {
        if self.member.is_empty() {
            return Ok(());
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&self.member)?;
        let packed = encoder.finish()?;
        self.file.write_all(&packed)?;
        self.file_bytes =
            self.file_bytes.saturating_add(u64::try_from(packed.len()).unwrap_or(u64::MAX));
        self.member.clear();
        self.member_entries = 0;
        let (session, sequence) = (self.header.session, self.written_sequence);
        let head = NotedHead(FlightHead { session, sequence, link: self.link });
        // Of one width, so that one write replaces it; after a kill it is at most one member behind.
        self.head.write_all_at(format!("{head:>120}\n").as_bytes(), 0)?;
        let mut status = lock(&self.status);
        (status.flushed_sequence, status.head) = (sequence, Some(head));
        Ok(())
    }

    fn next_part(&mut self) -> std::io::Result<()> {
        if make_room(&self.settings, &self.header)? > self.settings.total_bytes_max {
            // What is there replays up to here; a part removed from its front would leave nothing that does.
            return Err(std::io::Error::other("this run alone takes all that recordings may take"));
        }
        self.part = self.part.saturating_add(1);
        let path = self.settings.folder.join(part_name(&self.header, self.part));
        self.file = create(&path)?;
        self.file_bytes = 0;
        lock(&self.status).file = path;
        self.write_header()
    }

    fn write_header(&mut self) -> std::io::Result<()> {
        self.member.extend_from_slice(MAGIC);
        frame(&mut self.member, &self.header.encode());
        self.flush()
    }
}

fn make_room(settings: &FlightSettings, header: &FlightHeader) -> std::io::Result<u64> {
    let run = header.session.to_string();
    sweep(settings, (header.producer.as_str(), &run), SystemTime::now())
}

/// Gives the head of the newest run before this one. A head that cannot be read is told and left out: the service trades
/// all the same, and whoever verifies the journal finds that this run does not say what it follows.
fn previous(
    settings: &FlightSettings,
    header: &FlightHeader,
) -> std::io::Result<Option<FlightHead>> {
    let run = header.session.to_string();
    let heads = heads(&settings.folder, header.producer.as_str())?;
    let Some(newest) = heads.range(..run).next_back().map(|(_, path)| path) else {
        return Ok(None);
    };
    match std::fs::read_to_string(newest)?.parse::<NotedHead>() {
        Ok(head) => Ok(Some(head.0)),
        Err(error) => {
            tracing::warn!(%error, file = %newest.display(), "head of the run before cannot be read");
            Ok(None)
        }
    }
}

/// A recording holds orders and balances: only its owner may read it.
fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flight::{Ending, FlightReader};
    use remora_domain::{ProducerId, SessionId};

    #[test]
    fn a_recording_that_lost_an_entry_is_not_marked_as_complete() {
        let folder = tempfile::tempdir().unwrap();
        let header = FlightHeader {
            service: "test".to_owned(),
            producer: ProducerId::new("core").unwrap(),
            session: SessionId::new(1),
            seed: 1,
            version: "0.1.0".to_owned(),
            settings: String::new(),
            previous: None,
        };
        let settings = FlightSettings {
            folder: folder.path().to_owned(),
            file_bytes_max: 1 << 20,
            total_bytes_max: 1 << 30,
            age_max: Duration::from_secs(3_600),
            flush_interval: Duration::from_secs(60),
            keeps_outputs: false,
        };
        let status = Arc::new(Mutex::new(FlightStatus::default()));
        let mut writer = Writer::open(settings, &header, Arc::clone(&status)).unwrap();
        // A queue of one entry whose writer has not begun: the second entry is one too many.
        let (sender, receiver) = sync_channel(1);
        let mut recorder = FlightRecorder {
            sender: Some(sender),
            thread: None,
            status: Arc::clone(&status),
            last_sequence: 0,
            keeps_outputs: false,
        };
        for now in 1..=3 {
            recorder.record(Timestamp::from_ns(now), FlightEvent::Tick, [7; 32], Vec::new());
        }
        writer.run(&receiver).unwrap();
        let FlightStatus { flushed_sequence, file, problem, .. } = recorder.close();
        assert_eq!((flushed_sequence, problem.as_deref()), (1, Some("the writer is too slow")));
        let mut reader = FlightReader::open(&file).unwrap();
        assert_eq!(reader.next_entry().unwrap().map(|entry| entry.sequence), Some(1));
        assert_eq!(reader.next_entry().unwrap(), None);
        let ending = Ending::Killed { last_sequence: 1, is_torn: false };
        assert_eq!(reader.ending(), Some(ending));
    }
}
