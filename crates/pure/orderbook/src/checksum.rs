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
    use proptest::prelude::*;
    use remora_domain::{Lots, Ticks};

    fn levels(of: &[(i64, i64)]) -> Vec<BookLevel> {
        of.iter()
            .map(|&(ticks, lots)| BookLevel { ticks: Ticks::new(ticks), lots: Lots::new(lots) })
            .collect()
    }

    // The worked number of the reference: 4 price decimals, 8 quantity decimals, ten levels a side.
    #[test]
    fn the_worked_example_gives_430052079() {
        let asks = levels(&[
            (5021, 12_000_000_000),
            (5022, 5_000_000),
            (5023, 710_000_000),
            (5025, 250_075_000_000),
            (5026, 3_333_333_333),
            (5030, 41_012_340_000),
            (5031, 900_000_000),
            (5040, 1_800_000_000_000),
            (5050, 10_000),
            (5100, 6_450_000_000),
        ]);
        let bids = levels(&[
            (5020, 100_000_000_000),
            (5019, 3_330_000_000),
            (5018, 25_000_000),
            (5015, 7_700_000_001),
            (5010, 512_050_000_000),
            (5008, 1_200_000_000),
            (5005, 64_006_400_000),
            (5001, 314_159_265),
            (5000, 9_999_990_000_000),
            (4990, 100_000),
        ]);
        let mut checksum = Checksum::new();
        assert_eq!(checksum.of(asks.clone(), bids.clone()), 430_052_079);
        // A warm buffer holds nothing of the call before.
        assert_eq!(checksum.of(asks.clone(), bids.clone()), 430_052_079);
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
