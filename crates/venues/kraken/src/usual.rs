//! The book update in the form in which the venue always writes it, read in one pass, without a list in between.
//!
//! In: a frame's text, the decimals of its symbol. Out: level changes, checksum, time; or nothing.
//! Only the usual form counts: these keys in this order, no space, one item, plain numbers. Anything else, right or
//! wrong, gives nothing and goes to the general reader (`frame`), which decides and says why. Where both read a text
//! they read the same of it (property test).
//! What must never happen here: an error of its own; a text read that the general reader refuses.
//! Order of keys: as in every recorded update, and in the venue's reference (checked June 2026).

use crate::instrument::Decimals;
use crate::time;
use remora_domain::{Lots, Side, Ticks, Timestamp};
use remora_orderbook::LevelChange;

const HEAD: &str = r#"{"channel":"book","type":"update","data":[{"symbol":""#;

/// The most digits a number is read with: their value fits 63 bits.
const DIGITS_MAX: usize = 18;

/// 10^0 to 10^18.
const POWERS: [i64; DIGITS_MAX + 1] = {
    let mut powers = [1; DIGITS_MAX + 1];
    let (mut rest, mut power): (&mut [i64], i64) = (&mut powers, 1);
    while let Some((first, others)) = rest.split_first_mut() {
        *first = power;
        power = power.saturating_mul(10);
        rest = others;
    }
    powers
};

/// Is an update of which the symbol is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Update<'a> {
    /// Of which symbol.
    pub(crate) symbol: &'a str,
    /// What follows the symbol.
    rest: &'a str,
}

/// Is what follows the levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    /// CRC-32 of the ten best levels a side after this message.
    pub(crate) checksum: u32,
    /// When the venue says so.
    pub(crate) venue_time: Option<Timestamp>,
}

impl<'a> Update<'a> {
    /// Reads up to the symbol.
    pub(crate) fn of(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix(HEAD)?;
        let end = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
        let (symbol, rest) = rest.split_at_checked(end)?;
        Some(Self { symbol, rest })
    }

    /// Reads the levels, at most so many a side, in the order sent, and the rest.
    pub(crate) fn read(
        self,
        decimals: Decimals,
        levels_max: usize,
        into: &mut Vec<LevelChange>,
    ) -> Option<Tail> {
        into.clear();
        let mut cursor = Cursor(self.rest.as_bytes());
        cursor.skip(br#"","bids":["#)?;
        cursor.side(Side::Buy, decimals, levels_max, into)?;
        cursor.skip(br#","asks":["#)?;
        cursor.side(Side::Sell, decimals, levels_max, into)?;
        cursor.skip(br#","checksum":"#)?;
        let checksum = u32::try_from(cursor.steps(0)?).ok()?;
        let timestamp = br#","timestamp":""#;
        let venue_time = match cursor.skip(timestamp) {
            Some(()) => Some(cursor.instant()?),
            None => None,
        };
        cursor.skip(b"}]}")?;
        cursor.0.is_empty().then_some(Tail { checksum, venue_time })
    }
}

/// Is what was not read yet.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn skip(&mut self, text: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    /// Reads a list of levels up to its end.
    fn side(
        &mut self,
        side: Side,
        decimals: Decimals,
        levels_max: usize,
        into: &mut Vec<LevelChange>,
    ) -> Option<()> {
        if self.skip(b"]").is_some() {
            return Some(());
        }
        for _ in 0..levels_max {
            self.skip(br#"{"price":"#)?;
            let ticks = Ticks::new(self.steps(decimals.price)?);
            self.skip(br#","qty":"#)?;
            let lots = Lots::new(self.steps(decimals.qty)?);
            into.push(LevelChange { side, ticks, lots });
            match self.0 {
                [b'}', b',', rest @ ..] => self.0 = rest,
                [b'}', b']', rest @ ..] => {
                    self.0 = rest;
                    return Some(());
                }
                _ => return None,
            }
        }
        None
    }

    /// Reads a number as whole steps of `10^-decimals`.
    fn steps(&mut self, decimals: u32) -> Option<i64> {
        let starts_with_zero = self.0.first() == Some(&b'0');
        let mut value = 0;
        let whole = self.digits(&mut value);
        if whole == 0 || (starts_with_zero && whole > 1) {
            return None;
        }
        let mut fraction = 0;
        if let [b'.', rest @ ..] = self.0 {
            self.0 = rest;
            fraction = self.digits(&mut value);
            if fraction == 0 {
                return None;
            }
        }
        let missing = usize::try_from(decimals).ok()?.checked_sub(fraction)?;
        if whole + fraction + missing > DIGITS_MAX {
            return None;
        }
        value.checked_mul(*POWERS.get(missing)?)
    }

    /// Appends digits to a value and counts them. The value of more than [`DIGITS_MAX`] is not used.
    fn digits(&mut self, value: &mut i64) -> usize {
        let before = self.0.len();
        while let [byte @ b'0'..=b'9', rest @ ..] = self.0 {
            *value = value.wrapping_mul(10).wrapping_add(i64::from(byte - b'0'));
            self.0 = rest;
        }
        before - self.0.len()
    }

    /// Reads an instant up to the quotation mark behind it.
    fn instant(&mut self) -> Option<Timestamp> {
        let end = self.0.iter().position(|byte| *byte == b'"')?;
        let (text, rest) = self.0.split_at_checked(end)?;
        self.0 = rest.get(1..)?;
        time::of_bytes(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Frame, MessageKind, decode};
    use proptest::prelude::*;

    const DECIMALS: Decimals = Decimals { price: 2, qty: 8 };
    const USUAL: &str = r#"{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[{"price":64525.3,"qty":0.00000000},{"price":64525,"qty":1.5}],"asks":[{"price":64532.80,"qty":1.23479983}],"checksum":2175437505,"timestamp":"2026-07-19T17:54:39.784623Z"}]}"#;

    type Read = (String, Vec<LevelChange>, Tail);

    fn usual(text: &str) -> Option<Read> {
        let update = Update::of(text)?;
        let mut changes = Vec::new();
        let tail = update.read(DECIMALS, 1_000, &mut changes)?;
        Some((update.symbol.to_owned(), changes, tail))
    }

    fn general(text: &str) -> Option<Read> {
        let Ok(Frame::Books(books)) = decode(text) else { return None };
        let [item] = books.items.as_slice() else { return None };
        let mut changes = Vec::new();
        item.changes(DECIMALS.price, DECIMALS.qty, &mut changes).ok()?;
        let tail = Tail { checksum: item.checksum, venue_time: item.venue_time().ok()? };
        (books.kind == MessageKind::Update).then(|| (item.symbol.to_string(), changes, tail))
    }

    #[test]
    fn the_usual_form_is_read_as_the_general_reader_reads_it() {
        let without_time = USUAL.split_once(r#","timestamp"#).unwrap().0.to_owned() + "}]}";
        let empty = USUAL.replace(r#"{"price":64532.80,"qty":1.23479983}"#, "");
        for text in [USUAL, &without_time, &empty] {
            assert!(usual(text).is_some(), "{text}");
            assert_eq!(usual(text), general(text), "{text}");
        }
    }

    #[test]
    fn any_other_form_is_left_to_the_general_reader() {
        for (from, to) in [
            ("update", "snapshot"),
            (":[", ": ["),
            ("64525.3", "064525.3"),
            ("64525.3", "64525."),
            ("64525.3", "6.45253e4"),
            ("64525.3", "-64525.3"),
            ("64525.3", "64525.333"),
            ("64525.3", "1234567890123456789.3"),
            ("2175437505", "4294967296"),
            ("2175437505", "1.0"),
            ("BTC/USD", "BTC\\/USD"),
            ("BTC/USD", "BTC\u{1}USD"),
            ("39.784623Z", "61.784623Z"),
            ("}]}", "}]} "),
            ("}]}", "},{}]}"),
        ] {
            assert_eq!(usual(&USUAL.replacen(from, to, 1)), None, "{from} -> {to}");
        }
        let mut changes = Vec::new();
        assert!(Update::of(USUAL).unwrap().read(DECIMALS, 1, &mut changes).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn what_is_read_of_a_changed_text_is_what_the_general_reader_reads(
            text in remora_testkit::generate::changed(USUAL, "[0-9.eE+-]|[\\[\\]{},:\"\\\\ ]|\\PC", 1..4)
        ) {
            if let Some(read) = usual(&text) {
                prop_assert_eq!(Some(read), general(&text));
            }
        }

        #[test]
        fn numbers_are_read_as_the_general_reader_reads_them(
            ticks in 0i64.., fraction in 0usize..4, lots in 0u64..u64::MAX, sum: u32
        ) {
            let price = format!("{}.{}", ticks, "1234".split_at(fraction).0);
            let text = USUAL.replace("64525.3", price.trim_end_matches('.'))
                .replace("1.5", &format!("{}.{:08}", lots / 100_000_000, lots % 100_000_000))
                .replace("2175437505", &sum.to_string());
            if let Some(read) = usual(&text) {
                prop_assert_eq!(Some(read), general(&text));
            } else {
                // Only what does not fit 18 digits is left.
                prop_assert!(fraction > 2 || ticks >= 10_i64.pow(16) || lots >= 10_u64.pow(18));
            }
        }
    }
}
