//! Feeds a recording to a core of the same kind and compares what comes out.

use super::digest::{digest, encode, kept};
use super::{Ending, FlightError, FlightReader};
use remora_domain::Timestamp;
use remora_machine::{
    LocalCodec, LocalCodecError, ServiceCore, ServiceInput, ServiceOutput, SnapshotError,
};
use remora_wire::WireError;
use remora_wire::flight::{FlightEntry, FlightEvent, FlightOutput};
use std::fmt::Debug;
use std::sync::Arc;

/// Is the first entry whose outputs differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which entry.
    pub sequence: u64,
    /// The instant the core was given.
    pub now: Timestamp,
    /// What happened, in words.
    pub input: String,
    /// What this core gave, in words.
    pub outputs: Vec<String>,
    /// What the recorded core gave, in words; `None` where its recording kept only a digest.
    pub recorded: Option<Vec<String>>,
}

impl Difference {
    /// Gives the first output that is not the recorded one, as `(recorded, now)`; one that is not there is `nothing`.
    /// `None` where only digests are known.
    #[must_use]
    pub fn first_output(&self) -> Option<(&str, &str)> {
        let recorded = self.recorded.as_ref()?;
        let length = self.outputs.len().max(recorded.len());
        let index = (0..length).find(|index| recorded.get(*index) != self.outputs.get(*index))?;
        let (recorded, now) = (recorded.get(index), self.outputs.get(index));
        Some((recorded.map_or("nothing", String::as_str), now.map_or("nothing", String::as_str)))
    }
}

/// Is the outcome of a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayReport {
    /// How many entries were fed.
    pub entries: u64,
    /// The first whose outputs differ, if any do; nothing after it is fed.
    pub first_difference: Option<Difference>,
    /// How the recording ends; `None` when a difference ended the replay before.
    pub ending: Option<Ending>,
}

/// Says why a recording could not be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The recording cannot be read.
    #[error("read the next entry")]
    Recording(#[from] FlightError),
    /// A recorded message cannot be decoded.
    #[error("decode the message of entry {sequence}")]
    Message {
        /// Of which entry.
        sequence: u64,
        /// What is wrong.
        #[source]
        cause: WireError,
    },
    /// A recorded local input cannot be decoded.
    #[error("decode the local input of entry {sequence}")]
    Local {
        /// Of which entry.
        sequence: u64,
        /// What is wrong.
        #[source]
        cause: LocalCodecError,
    },
    /// This version of the core does not take over the snapshot that the recorded one began with.
    #[error("take over the snapshot of entry {sequence}")]
    Snapshot {
        /// The entry of its last piece.
        sequence: u64,
        /// Why not.
        #[source]
        cause: SnapshotError,
    },
}

/// Feeds every entry to the core, which must be built as the header says, and stops at the first difference.
///
/// # Errors
/// Tells where the recording cannot be read.
pub fn replay<C: ServiceCore>(
    reader: &mut FlightReader,
    core: &mut C,
) -> Result<ReplayReport, ReplayError> {
    let mut report = ReplayReport { entries: 0, first_difference: None, ending: None };
    let (mut out, mut snapshot) = (Vec::new(), Vec::new());
    while let Some(entry) = reader.next_entry()? {
        report.entries = report.entries.saturating_add(1);
        let input = feed(core, &entry, &mut snapshot, &mut out)?;
        let outputs = encode(&mut out);
        if digest(&outputs) != entry.outputs_digest {
            let is_known =
                !entry.outputs.is_empty() || entry.outputs_digest == digest::<C::LocalOutput>(&[]);
            report.first_difference = Some(Difference {
                sequence: entry.sequence,
                now: entry.now,
                input,
                outputs: words::<C::LocalOutput>(&kept(&outputs)),
                recorded: is_known.then(|| words::<C::LocalOutput>(&entry.outputs)),
            });
            return Ok(report);
        }
    }
    report.ending = reader.ending();
    Ok(report)
}

/// Says an entry in words: what happened, then what came out as far as it was kept. Needs no core, only what the service
/// writes its own inputs and outputs with.
///
/// # Errors
/// Tells what of the entry cannot be read.
pub fn describe<I, O>(entry: &FlightEntry) -> Result<Vec<String>, ReplayError>
where
    I: LocalCodec + Debug,
    O: LocalCodec + Debug,
{
    let happened = match happened::<I>(entry)? {
        Happened::Tick => TICK.to_owned(),
        Happened::Input(input) => format!("{input:?}"),
        Happened::Snapshot { piece, is_last } => snapshot_words(piece, is_last),
    };
    Ok(std::iter::once(happened).chain(words::<O>(&entry.outputs)).collect())
}

const TICK: &str = "tick";

/// Says outputs in words.
fn words<L: LocalCodec + Debug>(outputs: &[FlightOutput]) -> Vec<String> {
    let words = outputs.iter().map(|output| match output {
        FlightOutput::Publish(bytes) => match remora_wire::decode(bytes) {
            Ok(envelope) => format!("publish {envelope:?}"),
            Err(error) => format!("publish something unreadable ({error})"),
        },
        FlightOutput::Local(bytes) => match L::decode(bytes) {
            Ok(local) => format!("do {local:?}"),
            Err(error) => format!("do something of its own ({error})"),
        },
        FlightOutput::Fault(text) => format!("fault: {text}"),
    });
    words.collect()
}

fn snapshot_words(piece: &[u8], is_last: bool) -> String {
    let end = if is_last { "taken over" } else { "to be continued" };
    format!("snapshot of the log of orders, {} bytes, {end}", piece.len())
}

/// Is what an entry tells, in the words of the core.
enum Happened<'a, L> {
    Tick,
    Input(ServiceInput<L>),
    Snapshot { piece: &'a [u8], is_last: bool },
}

/// Reads what happened.
fn happened<L: LocalCodec>(entry: &FlightEntry) -> Result<Happened<'_, L>, ReplayError> {
    let sequence = entry.sequence;
    let input = match &entry.event {
        FlightEvent::Tick => return Ok(Happened::Tick),
        FlightEvent::Snapshot { piece, is_last } => {
            return Ok(Happened::Snapshot { piece, is_last: *is_last });
        }
        FlightEvent::Message(bytes) => {
            let envelope = remora_wire::decode(bytes)
                .map_err(|cause| ReplayError::Message { sequence, cause })?;
            ServiceInput::Message(Arc::new(envelope))
        }
        FlightEvent::CaughtUp => ServiceInput::CaughtUp,
        FlightEvent::Stopping => ServiceInput::Stopping,
        FlightEvent::Local(bytes) => {
            let local = L::decode(bytes).map_err(|cause| ReplayError::Local { sequence, cause })?;
            ServiceInput::Local(local)
        }
    };
    Ok(Happened::Input(input))
}

fn feed<C: ServiceCore>(
    core: &mut C,
    entry: &FlightEntry,
    snapshot: &mut Vec<u8>,
    out: &mut Vec<ServiceOutput<C::LocalOutput>>,
) -> Result<String, ReplayError> {
    match happened(entry)? {
        Happened::Tick => {
            core.tick(entry.now, out);
            Ok(TICK.to_owned())
        }
        Happened::Input(input) => {
            let words = format!("{input:?}");
            core.handle(entry.now, input, out);
            Ok(words)
        }
        Happened::Snapshot { piece, is_last } => {
            snapshot.extend_from_slice(piece);
            if is_last {
                let (sequence, whole) = (entry.sequence, std::mem::take(snapshot));
                let refused = |cause| ReplayError::Snapshot { sequence, cause };
                core.restore(&whole).map_err(refused)?;
            }
            Ok(snapshot_words(piece, is_last))
        }
    }
}
