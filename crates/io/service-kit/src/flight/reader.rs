//! Reads a recording back, part by part, and says how it ends.

use super::chain::{Link, first_link, next_link};
use super::writer::part_name;
use super::{ENTRY_BYTES_MAX, MAGIC, MAGIC_UNCHAINED, MEMBER_BYTES_MAX};
use bytes::{Buf, Bytes};
use flate2::bufread::GzDecoder;
use remora_wire::WireError;
use remora_wire::flight::{FlightEntry, FlightHead, FlightHeader};
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
    /// The link of an entry does not follow from what stands before it.
    #[error(
        "read recording {path:?}: entry {sequence} was altered, or something was added or taken out before it: its link \
         does not follow from entry {}", sequence.saturating_sub(1)
    )]
    Altered {
        /// Which part.
        path: PathBuf,
        /// The first entry that does not follow.
        sequence: u64,
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
    /// Whether the member could not be unpacked to its end; what its links cover is read all the same.
    is_damaged: bool,
    /// The link of the last entry; `None` where entries are not chained.
    link: Option<Link>,
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
        let Part { header, link, file, member } = open_part(first, 0)?;
        Ok(Self {
            header,
            folder,
            path: first.to_owned(),
            part: 1,
            file,
            member,
            is_damaged: false,
            link,
            last_sequence: 0,
            ending: None,
        })
    }

    /// Gives how far it was read, as its chain tells; `None` for a recording of a version that had no chain.
    #[must_use]
    pub fn head(&self) -> Option<FlightHead> {
        let (session, sequence) = (self.header.session, self.last_sequence);
        self.link.map(|link| FlightHead { session, sequence, link })
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
            if self.member.is_empty() && !self.is_damaged {
                self.next_member()?;
                continue;
            }
            let Some((bytes, link)) = self.take_entry() else {
                let what = if self.is_damaged { "damaged member" } else { "broken frame" };
                return Err(self.damaged(what));
            };
            if bytes.is_empty() {
                self.follow(&bytes, link)?;
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
            self.follow(&bytes, link)?;
            self.last_sequence = entry.sequence;
            return Ok(Some(entry));
        }
    }

    /// Gives how the recording ends; `None` before the end was reached.
    #[must_use]
    pub const fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Takes the bytes of an entry and, where entries are chained, its link.
    fn take_entry(&mut self) -> Option<(Bytes, Option<Link>)> {
        let bytes = take_frame(&mut self.member)?;
        if self.link.is_none() {
            return Some((bytes, None));
        }
        let mut link = [0; 32];
        self.member.try_copy_to_slice(&mut link).ok()?;
        Some((bytes, Some(link)))
    }

    /// Checks that an entry follows from what was read before it.
    fn follow(&mut self, bytes: &[u8], link: Option<Link>) -> Result<(), FlightError> {
        let expected = self.link.map(|before| next_link(&before, bytes));
        if link != expected {
            let sequence = self.last_sequence.saturating_add(1);
            return Err(FlightError::Altered { path: self.path.clone(), sequence });
        }
        self.link = link;
        Ok(())
    }

    /// Unpacks the next member, or opens the next part, or notes the end.
    fn next_member(&mut self) -> Result<(), FlightError> {
        let member = read_member(&mut self.file)
            .map_err(|cause| FlightError::Read { path: self.path.clone(), cause })?;
        let next = self.folder.join(part_name(&self.header, self.part.saturating_add(1)));
        match member {
            Member::Whole(bytes) => self.member = bytes,
            Member::Damaged(bytes) => {
                self.is_damaged = true;
                // Only links tell which part of it is what was written.
                self.member = if self.link.is_some() { bytes } else { Bytes::new() };
            }
            Member::Torn if next.exists() => return Err(self.damaged("torn member")),
            Member::Torn | Member::End if !next.exists() => {
                let is_torn = matches!(member, Member::Torn);
                let last_sequence = self.last_sequence;
                self.ending = Some(Ending::Killed { last_sequence, is_torn });
            }
            Member::Torn | Member::End => {
                let opened = open_part(&next, self.last_sequence);
                let opened = match opened {
                    Ok(opened) => opened,
                    // Killed while the next part was being started: it holds no entry.
                    Err(FlightError::Damaged { what: TORN_HEADER, .. }) => {
                        let last_sequence = self.last_sequence;
                        self.ending = Some(Ending::Killed { last_sequence, is_torn: true });
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                };
                if opened.header != self.header || opened.link.is_some() != self.link.is_some() {
                    return Err(self.damaged("next part of another recording"));
                }
                (self.path, self.file, self.member) = (next, opened.file, opened.member);
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
    /// With what could be unpacked.
    Damaged(Bytes),
    End,
}

struct Part {
    header: FlightHeader,
    link: Option<Link>,
    file: BufReader<File>,
    member: Bytes,
}

fn open_part(path: &Path, last_sequence: u64) -> Result<Part, FlightError> {
    let read = |cause| FlightError::Read { path: path.to_owned(), cause };
    let damaged = |what| FlightError::Damaged { path: path.to_owned(), what, last_sequence };
    let mut file = BufReader::new(File::open(path).map_err(read)?);
    let mut member = match read_member(&mut file).map_err(read)? {
        Member::Whole(bytes) => bytes,
        Member::Torn | Member::End => return Err(damaged(TORN_HEADER)),
        Member::Damaged(_) => return Err(FlightError::Magic { path: path.to_owned() }),
    };
    let is_chained = member.starts_with(MAGIC);
    if !is_chained && !member.starts_with(MAGIC_UNCHAINED) {
        return Err(FlightError::Magic { path: path.to_owned() });
    }
    member.advance(MAGIC.len());
    let header = take_frame(&mut member).ok_or_else(|| damaged("broken header"))?;
    let link = is_chained.then(|| first_link(&header));
    let header = FlightHeader::decode(&header).map_err(|cause| FlightError::Wire {
        path: path.to_owned(),
        last_sequence,
        cause,
    })?;
    Ok(Part { header, link, file, member })
}

/// Unpacks one member; an end in the middle of it is a torn member, anything else that does not fit is damage.
fn read_member(file: &mut BufReader<File>) -> std::io::Result<Member> {
    if file.fill_buf()?.is_empty() {
        return Ok(Member::End);
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(MEMBER_BYTES_MAX).unwrap_or(u64::MAX);
    match GzDecoder::new(&mut *file).take(limit.saturating_add(1)).read_to_end(&mut bytes) {
        Ok(length) if length > MEMBER_BYTES_MAX => Ok(Member::Damaged(Bytes::new())),
        Ok(_) => Ok(Member::Whole(Bytes::from(bytes))),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(Member::Torn),
        Err(error) if [ErrorKind::InvalidInput, ErrorKind::InvalidData].contains(&error.kind()) => {
            Ok(Member::Damaged(Bytes::from(bytes)))
        }
        Err(error) => Err(error),
    }
}

fn take_frame(member: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(member.try_get_u32_le().ok()?).ok()?;
    (length <= ENTRY_BYTES_MAX && length <= member.len()).then(|| member.split_to(length))
}
