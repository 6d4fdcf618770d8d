//! Sequence numbers: the next one, an old one, or a gap.

use crate::BookError;
use remora_domain::InstrumentKey;

/// Says where a numbered message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequenced {
    /// It is the next one, or the first heard.
    Next,
    /// It was heard before; it changes nothing.
    Old,
}

/// Checks that the numbered messages of one instrument arrive without a hole.
#[derive(Clone, Debug)]
pub struct SequenceCheck {
    instrument: InstrumentKey,
    last: Option<u64>,
}

impl SequenceCheck {
    /// Starts before the first message: any number is the next.
    #[must_use]
    pub const fn new(instrument: InstrumentKey) -> Self {
        Self { instrument, last: None }
    }

    /// Gives the highest number heard.
    #[must_use]
    pub const fn last(&self) -> Option<u64> {
        self.last
    }

    /// Forgets what was heard: any number is the next.
    pub const fn reset(&mut self) {
        self.last = None;
    }

    /// Takes one number; the check continues behind it whatever the result.
    ///
    /// # Errors
    /// Reports a gap when numbers between the last and this one are missing.
    pub fn accept(&mut self, got: u64) -> Result<Sequenced, BookError> {
        let Some(last) = self.last else {
            self.last = Some(got);
            return Ok(Sequenced::Next);
        };
        if got <= last {
            return Ok(Sequenced::Old);
        }
        self.last = Some(got);
        let expected = last.saturating_add(1);
        if got == expected {
            return Ok(Sequenced::Next);
        }
        Err(BookError::Gap { instrument: self.instrument.clone(), expected, got })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_domain::{InstrumentId, VenueId};

    #[test]
    fn a_hole_is_reported_once_and_an_old_number_changes_nothing() {
        let key = InstrumentKey::new(
            VenueId::new("some-venue").unwrap(),
            InstrumentId::of_pair("A", "B").unwrap(),
        );
        let mut check = SequenceCheck::new(key.clone());
        assert_eq!(check.last(), None);
        assert_eq!(check.accept(7), Ok(Sequenced::Next));
        assert_eq!(check.last(), Some(7));
        assert_eq!(check.accept(8), Ok(Sequenced::Next));
        assert_eq!(check.accept(8), Ok(Sequenced::Old));
        assert_eq!(check.accept(3), Ok(Sequenced::Old));
        let gap = BookError::Gap { instrument: key, expected: 9, got: 12 };
        assert_eq!(check.accept(12), Err(gap));
        assert_eq!(check.accept(13), Ok(Sequenced::Next));
        assert!(check.accept(u64::MAX).is_err());
        assert_eq!(check.accept(u64::MAX), Ok(Sequenced::Old));
        check.reset();
        assert_eq!(check.accept(1), Ok(Sequenced::Next));
    }
}
