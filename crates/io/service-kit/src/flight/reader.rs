//! Reads a recording back, part by part, and says how it ends.

use super::writer::part_name;
use super::{ENTRY_BYTES_MAX, MAGIC, MEMBER_BYTES_MAX};
use bytes::{Buf, Bytes};
use flate2::bufread::GzDecoder;
use remora_wire::WireError;
use remora_wire::flight::{FlightEntry, FlightHeader};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Says how a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its writer closed it: nothing is missing.
    Closed,
    /// Its writer was killed or could not follow: it is exact up to this entry, what came after is unknown.
    Killed {
        /// The last whole entry.
        last_sequence: u64,
        /// Whether a piece of a further member was found and left out.
        is_torn: bool,
    },
}

/// Says why a file is not a recording.
#[derive(Debug, thiserror::Error)]
pub enum FlightError {
    /// A part cannot be read.
    #[error("read recording {path:?}")]
    Read {
        /// Which part.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// A part does not start as one.
    #[error("read recording {path:?}: not a flight recording of this version")]
    Magic {
        /// Which part.
        path: PathBuf,
    },
    /// A part is damaged before its end.
    #[error("read recording {path:?}: {what} after entry {last_sequence}")]
    Damaged {
        /// Which part.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
        /// The last entry before the damage.
        last_sequence: u64,
    },
    /// The bytes of an entry or header are not one.
    #[error("read recording {path:?} after entry {last_sequence}")]
    Wire {
        /// Which part.
        path: PathBuf,
        /// The last entry before it.
        last_sequence: u64,
        /// What is wrong with it.
        #[source]
        cause: WireError,
    },
}

/// Reads the entries of one recording in order.
#[derive(Debug)]
pub struct FlightReader {
    header: FlightHeader,
    folder: PathBuf,
    path: PathBuf,
    part: u32,
    file: BufReader<File>,
    member: Bytes,
    last_sequence: u64,
    ending: Option<Ending>,
}

impl FlightReader {
    /// Opens the first part of a recording; further parts beside it follow by themselves.
    ///
    /// # Errors
    /// Refuses what is not the first part of a recording.
    pub fn open(first: &Path) -> Result<Self, FlightError> {
        let folder = first.parent().unwrap_or(Path::new("")).to_owned();
        let (header, file, member) = open_part(first, 0)?;
        let path = first.to_owned();
        Ok(Self { header, folder, path, part: 1, file, member, last_sequence: 0, ending: None })
    }

    /// Gives what the constructor of the recorded core took.
    #[must_use]
    pub const fn header(&self) -> &FlightHeader {
        &self.header
    }

    /// Gives the next entry; `None` at the end, when `ending` is known.
    ///
    /// # Errors
    /// Tells where the recording is damaged.
    pub fn next_entry(&mut self) -> Result<Option<FlightEntry>, FlightError> {
        loop {
            if self.ending.is_some() {
                return Ok(None);
            }
            if self.member.is_empty() {
                self.next_member()?;
                continue;
            }
            let bytes = take_frame(&mut self.member).ok_or_else(|| self.damaged("broken frame"))?;
            if bytes.is_empty() {
                self.ending = Some(Ending::Closed);
                continue;
            }
            let entry = FlightEntry::decode(&bytes).map_err(|cause| FlightError::Wire {
                path: self.path.clone(),
                last_sequence: self.last_sequence,
                cause,
            })?;
            if entry.sequence != self.last_sequence.saturating_add(1) {
                return Err(self.damaged("gap in the entries"));
            }
            self.last_sequence = entry.sequence;
            return Ok(Some(entry));
        }
    }

    /// Gives how the recording ends; `None` before the end was reached.
    #[must_use]
    pub const fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Unpacks the next member, or opens the next part, or notes the end.
    fn next_member(&mut self) -> Result<(), FlightError> {
        let member = read_member(&mut self.file)
            .map_err(|cause| FlightError::Read { path: self.path.clone(), cause })?;
        let next = self.folder.join(part_name(&self.header, self.part.saturating_add(1)));
        match member {
            Member::Whole(bytes) => self.member = bytes,
            Member::Damaged => return Err(self.damaged("damaged member")),
            Member::Torn if next.exists() => return Err(self.damaged("torn member")),
            Member::Torn | Member::End if !next.exists() => {
                let is_torn = matches!(member, Member::Torn);
                let last_sequence = self.last_sequence;
                self.ending = Some(Ending::Killed { last_sequence, is_torn });
            }
            Member::Torn | Member::End => {
                let opened = open_part(&next, self.last_sequence);
                let (header, file, member) = match opened {
                    Ok(opened) => opened,
                    // Killed while the next part was being started: it holds no entry.
                    Err(FlightError::Damaged { what: TORN_HEADER, .. }) => {
                        let last_sequence = self.last_sequence;
                        self.ending = Some(Ending::Killed { last_sequence, is_torn: true });
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                };
                if header != self.header {
                    return Err(self.damaged("next part of another recording"));
                }
                (self.path, self.file, self.member) = (next, file, member);
                self.part = self.part.saturating_add(1);
            }
        }
        Ok(())
    }

    fn damaged(&self, what: &'static str) -> FlightError {
        let (path, last_sequence) = (self.path.clone(), self.last_sequence);
        FlightError::Damaged { path, what, last_sequence }
    }
}

const TORN_HEADER: &str = "torn header";

enum Member {
    Whole(Bytes),
    Torn,
    Damaged,
    End,
}

fn open_part(
    path: &Path,
    last_sequence: u64,
) -> Result<(FlightHeader, BufReader<File>, Bytes), FlightError> {
    let read = |cause| FlightError::Read { path: path.to_owned(), cause };
    let damaged = |what| FlightError::Damaged { path: path.to_owned(), what, last_sequence };
    let mut file = BufReader::new(File::open(path).map_err(read)?);
    let mut member = match read_member(&mut file).map_err(read)? {
        Member::Whole(bytes) => bytes,
        Member::Torn | Member::End => return Err(damaged(TORN_HEADER)),
        Member::Damaged => return Err(FlightError::Magic { path: path.to_owned() }),
    };
    if !member.starts_with(MAGIC) {
        return Err(FlightError::Magic { path: path.to_owned() });
    }
    member.advance(MAGIC.len());
    let header = take_frame(&mut member).ok_or_else(|| damaged("broken header"))?;
    let header = FlightHeader::decode(&header).map_err(|cause| FlightError::Wire {
        path: path.to_owned(),
        last_sequence,
        cause,
    })?;
    Ok((header, file, member))
}

/// Unpacks one member; an end in the middle of it is a torn member, anything else that does not fit is damage.
fn read_member(file: &mut BufReader<File>) -> std::io::Result<Member> {
    if file.fill_buf()?.is_empty() {
        return Ok(Member::End);
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(MEMBER_BYTES_MAX).unwrap_or(u64::MAX);
    match GzDecoder::new(&mut *file).take(limit.saturating_add(1)).read_to_end(&mut bytes) {
        Ok(length) if length > MEMBER_BYTES_MAX => Ok(Member::Damaged),
        Ok(_) => Ok(Member::Whole(Bytes::from(bytes))),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(Member::Torn),
        Err(error) if [ErrorKind::InvalidInput, ErrorKind::InvalidData].contains(&error.kind()) => {
            Ok(Member::Damaged)
        }
        Err(error) => Err(error),
    }
}

fn take_frame(member: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(member.try_get_u32_le().ok()?).ok()?;
    (length <= ENTRY_BYTES_MAX && length <= member.len()).then(|| member.split_to(length))
}
