//! Flight recordings: every input of a core with a digest of what came out, so that any decision made in production
//! can be replayed bit for bit.
//!
//! A recording is one or more part files `<producer>-<session>-<part>.flight.gz`. Each part is a sequence of gzip members;
//! the first holds the magic and the header, each further one a few whole entries (u32 little-endian length, then the bytes
//! of `remora_wire::flight`, then the 32 bytes of their link in the chain). A member is written in one piece, so after a
//! kill a part is exact up to its last whole member, and the reader says so. A length of 0 is written when the recording
//! was closed and nothing is missing; it has a link too. `<producer>-<session>.flight.head` holds how far the chain had
//! come at the last flush; the next run names it in its header, and so the runs of a producer are one journal.
//!
//! Recordings of version 1 have no links; they are read and replayed, but cannot be verified.

mod chain;
mod digest;
mod journal;
mod reader;
mod replay;
mod retention;
mod writer;

pub use chain::{HeadError, NotedHead};
pub(crate) use digest::{Encoded, digest, encode, kept};
pub use journal::{Before, JournalError, Run, Trouble, verify};
pub use reader::{Ending, FlightError, FlightReader};
pub use replay::{Difference, ReplayError, ReplayReport, describe, replay};
pub use writer::{FlightRecorder, FlightSettings, FlightStatus};

/// Starts the first member of every part,
const MAGIC: &[u8] = b"REMORA FLIGHT 2\n";

/// or did, before entries were chained.
const MAGIC_UNCHAINED: &[u8] = b"REMORA FLIGHT 1\n";

/// Bounds one entry; the wire bounds a message far below this.
const ENTRY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bounds one member when unpacked; the writer flushes far below this.
const MEMBER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Appends one length-delimited frame.
fn frame(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
}
