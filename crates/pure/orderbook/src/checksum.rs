//! CRC-32 over the digits of levels, as venues use it to prove that a client's book equals theirs.
//!
//! Rule: asks best first, then bids best first; of each level the price then the quantity; decimal point and
//! leading zeros removed. Ticks and lots are the price and quantity scaled by the printed decimals, so the text
//! without point and leading zeros is exactly the integer in decimal. CRC-32 is the IEEE one (zlib, PNG).
//! Source: Kraken WebSocket v2, "Book checksum" guide (checked June 2026); the worked number is in the tests.

use crate::BookLevel;

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
        self.text.clear();
        for level in asks.into_iter().chain(bids) {
            push_digits(&mut self.text, level.ticks.get());
            push_digits(&mut self.text, level.lots.get());
        }
        crc32fast::hash(&self.text)
    }
}

/// Appends a whole number in decimal without sign; nothing for zero, whose digits are all leading zeros.
fn push_digits(text: &mut Vec<u8>, number: i64) {
    let mut rest = number.unsigned_abs();
    let mut digits = [0_u8; 20];
    let mut used: usize = 0;
    for slot in digits.iter_mut().rev() {
        if rest == 0 {
            break;
        }
        // The remainder is below ten, so the conversion cannot fail.
        *slot = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        used += 1;
    }
    text.extend_from_slice(digits.get(digits.len() - used..).unwrap_or(&[]));
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
        fn digits_equal_the_decimal_text(number in 1i64..) {
            let mut text = Vec::new();
            push_digits(&mut text, number);
            prop_assert_eq!(String::from_utf8(text).unwrap(), number.to_string());
        }
    }
}
