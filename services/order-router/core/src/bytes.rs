//! Compact bytes: numbers big-endian, text with its length before it. Reading checks every length.

use remora_machine::LocalCodecError;
use std::fmt::Display;
use std::str::FromStr;

/// Appends values to a recording.
pub(crate) struct Writer<'a>(pub(crate) &'a mut Vec<u8>);

impl Writer<'_> {
    pub(crate) fn tag(&mut self, tag: u8) {
        self.0.push(tag);
    }

    pub(crate) fn flag(&mut self, flag: bool) {
        self.0.push(u8::from(flag));
    }

    pub(crate) fn number(&mut self, number: i64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    pub(crate) fn count(&mut self, count: usize) {
        self.0.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    /// Writes anything whose text reads back as itself: ids and amounts.
    pub(crate) fn text(&mut self, value: &impl Display) {
        self.bytes(value.to_string().as_bytes());
    }

    pub(crate) fn option<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }
}

/// Reads what [`Writer`] wrote.
pub(crate) struct Reader<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, rest: bytes }
    }

    pub(crate) fn error(&self, problem: impl Into<String>) -> LocalCodecError {
        LocalCodecError { what: self.what, problem: problem.into() }
    }

    pub(crate) fn tag(&mut self) -> Result<u8, LocalCodecError> {
        let (first, rest) = self.rest.split_first().ok_or_else(|| self.error("ends early"))?;
        self.rest = rest;
        Ok(*first)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, LocalCodecError> {
        match self.tag()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.error(format!("flag {other}, want 0 or 1"))),
        }
    }

    pub(crate) fn number(&mut self) -> Result<i64, LocalCodecError> {
        self.array().map(i64::from_be_bytes)
    }

    pub(crate) fn count(&mut self) -> Result<usize, LocalCodecError> {
        let count = u32::from_be_bytes(self.array()?);
        usize::try_from(count).map_err(|_| self.error(format!("count {count} is too large")))
    }

    pub(crate) fn text<T: FromStr<Err: Display>>(&mut self) -> Result<T, LocalCodecError> {
        let length = self.count()?;
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| self.error("text is not UTF-8"))?;
        text.parse().map_err(|cause: T::Err| self.error(cause.to_string()))
    }

    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, LocalCodecError>,
    ) -> Result<Option<T>, LocalCodecError> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    /// Reads a list. Nothing is allocated ahead, so a hostile count costs nothing.
    pub(crate) fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, LocalCodecError>,
    ) -> Result<Vec<T>, LocalCodecError> {
        let count = self.count()?;
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(read(self)?);
        }
        Ok(list)
    }

    pub(crate) fn end<T>(self, value: T) -> Result<T, LocalCodecError> {
        if self.rest.is_empty() {
            return Ok(value);
        }
        Err(self.error(format!("{} bytes too many", self.rest.len())))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], LocalCodecError> {
        let (taken, rest) =
            self.rest.split_at_checked(length).ok_or_else(|| self.error("ends early"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], LocalCodecError> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| self.error("ends early"))
    }
}
