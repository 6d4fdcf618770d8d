//! CRC-32 over the digits of levels, as venues use it to prove that a client's book equals theirs.
//!
//! Rule: asks best first, then bids best first; of each level the price then the quantity; decimal point and
//! leading zeros removed. Ticks and lots are the price and quantity scaled by the printed decimals, so the text
//! without point and leading zeros is exactly the integer in decimal. CRC-32 is the IEEE one (zlib, PNG).
//! Source: Kraken WebSocket v2, "Book checksum" guide (checked June 2026); the worked number is in the tests.

use crate::BookLevel;

/// The most digits of a level: two numbers below 2^63.
const LEVEL_DIGITS_MAX: usize = 38;

/// Is what the checksum covers of one level; written once, when the level is set, and read for every checksum after.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digits {
    text: [u8; LEVEL_DIGITS_MAX],
    used: usize,
}

impl Digits {
    /// Writes price and quantity in decimal without sign; nothing for zero, whose digits are all leading zeros.
    pub(crate) fn of(level: BookLevel) -> Self {
        let mut digits = Self { text: [0; LEVEL_DIGITS_MAX], used: 0 };
        for number in [level.ticks.get(), level.lots.get()] {
            if number == 0 {
                continue;
            }
            let mut buffer = itoa::Buffer::new();
            let written = buffer.format(number.unsigned_abs()).as_bytes();
            let end = digits.used + written.len();
            if let Some(place) = digits.text.get_mut(digits.used..end) {
                place.copy_from_slice(written);
                digits.used = end;
            }
        }
        digits
    }
}

/// Computes checksums of levels; keeps its text buffer, so a warm one does not allocate.
#[derive(Clone, Debug, Default)]
pub struct Checksum {
    text: Vec<u8>,
}

impl Checksum {
    /// Starts with an empty buffer.
    #[must_use]
    pub const fn new() -> Self {
        Self { text: Vec::new() }
    }

    /// Computes the checksum of the given levels; the caller orders and limits them (best first, ten a side).
    pub fn of(
        &mut self,
        asks: impl IntoIterator<Item = BookLevel>,
        bids: impl IntoIterator<Item = BookLevel>,
    ) -> u32 {
        let mut used = 0;
        for level in asks.into_iter().chain(bids) {
            self.append(&Digits::of(level), &mut used);
        }
        self.hash(used)
    }

    /// As [`of`](Self::of), of levels whose digits are written.
    pub(crate) fn of_digits<'a>(
        &mut self,
        asks: impl Iterator<Item = &'a Digits>,
        bids: impl Iterator<Item = &'a Digits>,
    ) -> u32 {
        let mut used = 0;
        // Two loops: a chain of both asks itself at each step which of them it is in.
        for digits in asks {
            self.append(digits, &mut used);
        }
        for digits in bids {
            self.append(digits, &mut used);
        }
        self.hash(used)
    }

    /// Copies the whole field, whose length is known when this is compiled; what is not used of it is written over.
    fn append(&mut self, digits: &Digits, used: &mut usize) {
        let end = *used + LEVEL_DIGITS_MAX;
        self.text.resize(self.text.len().max(end), 0);
        if let Some(place) = self.text.get_mut(*used..end) {
            place.copy_from_slice(&digits.text);
        }
        *used += digits.used;
    }

    fn hash(&self, used: usize) -> u32 {
        crc32fast::hash(self.text.get(..used).unwrap_or(&[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use proptest::prelude::*;
    use remora_domain::{Lots, Ticks};

    fn levels(of: &[(i64, i64)]) -> Vec<BookLevel> {
        of.iter()
            .map(|&(ticks, lots)| BookLevel { ticks: Ticks::new(ticks), lots: Lots::new(lots) })
            .collect()
    }

    #[test]
    fn the_worked_example_gives_its_number_and_sides_swapped_another() {
        let (asks, bids) = (levels(&sample::ASKS), levels(&sample::BIDS));
        let mut checksum = Checksum::new();
        assert_eq!(checksum.of(asks.clone(), bids.clone()), sample::CRC32);
        // A warm buffer holds nothing of the call before.
        assert_eq!(checksum.of(asks.clone(), bids.clone()), sample::CRC32);
        assert_eq!(checksum.of(bids, asks), 3_589_009_332);
    }

    proptest! {
        #[test]
        fn digits_equal_the_decimal_text(ticks in 1i64.., lots in 1i64..) {
            let digits = Digits::of(BookLevel { ticks: Ticks::new(ticks), lots: Lots::new(lots) });
            prop_assert_eq!(digits.text[..digits.used].to_vec(), format!("{ticks}{lots}").into_bytes());
        }

        #[test]
        fn written_digits_give_the_checksum_of_their_text(
            of in proptest::collection::vec((0i64.., 0i64..), 0..30), asks in 0usize..30
        ) {
            let of = levels(&of);
            let (asks, bids) = of.split_at(asks.min(of.len()));
            let number = |number: i64| if number == 0 { String::new() } else { number.to_string() };
            let text: String = asks.iter().chain(bids)
                .map(|level| number(level.ticks.get()) + &number(level.lots.get())).collect();
            let mut checksum = Checksum::new();
            let want = crc32fast::hash(text.as_bytes());
            prop_assert_eq!(checksum.of(asks.iter().copied(), bids.iter().copied()), want);
            let digits = |of: &[BookLevel]| of.iter().copied().map(Digits::of).collect::<Vec<_>>();
            let (asks, bids) = (digits(asks), digits(bids));
            prop_assert_eq!(checksum.of_digits(asks.iter(), bids.iter()), want);
        }
    }
}
