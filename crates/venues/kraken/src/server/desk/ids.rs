//! The venue's ids: `O.....-.....-......` for orders, `T` for trades and amends, `L` for ledger entries.
//!
//! An id is a number in disguise: the 64 bits of the number, mixed by a key of the kind and the seed, and 16 bits that
//! prove it, in base 32. So ids look random, never repeat, and lead back to their number without a table.

use remora_machine::SplitMix64;
use std::fmt;

/// Is an id as the venue writes it, such as `OQCLML-BW3P3-BUCMWZ`: 19 ASCII characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdText([u8; 19]);

impl IdText {
    /// Gives the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII is ever put in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for IdText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for IdText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Is what an id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdKind {
    Order,
    Trade,
    Ledger,
    Amend,
    Transfer,
}

impl IdKind {
    const fn letter(self) -> u8 {
        match self {
            Self::Order => b'O',
            Self::Trade | Self::Amend => b'T',
            Self::Ledger => b'L',
            Self::Transfer => b'R',
        }
    }
}

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Makes ids from numbers and numbers from ids.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IdMint {
    seed: u64,
}

impl IdMint {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Gives the id of a number.
    pub(crate) fn id(self, kind: IdKind, number: u64) -> IdText {
        let key = self.key(kind);
        let mixed = mix(number ^ key);
        let bits = (u128::from(mixed) << 16) | u128::from(proof(mixed, key));
        let mut text = [b'-'; 19];
        let letters = (0..16_u32).rev().map(|place| letter(bits >> (5 * place)));
        if let Some((first, rest)) = text.split_first_mut() {
            *first = kind.letter();
            // Five letters, a hyphen, five letters, a hyphen, six letters.
            let places = rest.iter_mut().enumerate().filter(|(place, _)| !matches!(place, 5 | 11));
            for ((_, place), letter) in places.zip(letters) {
                *place = letter;
            }
        }
        IdText(text)
    }

    /// Gives the number of an id of ours.
    pub(crate) fn number(self, kind: IdKind, id: &str) -> Option<u64> {
        let letters = id.bytes().skip(1).filter(|&byte| byte != b'-');
        let bits = letters.take(17).try_fold(0_u128, |bits, byte| {
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'2'..=b'7' => byte - b'2' + 26,
                _ => return None,
            };
            Some((bits << 5) | u128::from(value))
        })?;
        let mixed = u64::try_from(bits >> 16).ok()?;
        let number = unmix(mixed) ^ self.key(kind);
        // The proof bits and the form are checked by writing it again.
        (self.id(kind, number).as_str() == id).then_some(number)
    }

    fn key(self, kind: IdKind) -> u64 {
        let salt = match kind {
            IdKind::Order => 1,
            IdKind::Trade => 2,
            IdKind::Ledger => 3,
            IdKind::Amend => 4,
            IdKind::Transfer => 5,
        };
        SplitMix64::new(self.seed.wrapping_mul(8).wrapping_add(salt)).next_u64()
    }
}

fn letter(bits: u128) -> u8 {
    let index = usize::try_from(bits & 31).unwrap_or_default();
    ALPHABET.get(index).copied().unwrap_or(b'A')
}

fn proof(mixed: u64, key: u64) -> u64 {
    mix(mixed.rotate_left(32) ^ key) >> 48
}

/// The finaliser of SplitMix64, which is a bijection.
const fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Its inverse: the factors are the inverses modulo 2^64.
const fn unmix(z: u64) -> u64 {
    let z = (z ^ (z >> 31) ^ (z >> 62)).wrapping_mul(0x3196_42B2_D24D_8EC3);
    let z = (z ^ (z >> 27) ^ (z >> 54)).wrapping_mul(0x96DE_1B17_3F11_9089);
    z ^ (z >> 30) ^ (z >> 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_has_the_form_of_the_venue() {
        let id = IdMint::new(7).id(IdKind::Order, 1);
        let parts: Vec<&str> = id.as_str().split('-').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [6, 5, 6]);
        assert!(id.as_str().starts_with('O'));
        assert!(
            parts.concat().bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        );
    }

    #[test]
    fn an_id_of_another_kind_seed_or_form_is_not_ours() {
        let mint = IdMint::new(7);
        let id = mint.id(IdKind::Order, 42).to_string();
        assert_eq!(mint.number(IdKind::Order, &id), Some(42));
        assert_eq!(mint.number(IdKind::Trade, &id), None);
        assert_eq!(IdMint::new(8).number(IdKind::Order, &id), None);
        for wrong in ["", "O", "OQCLML-BW3P3-BUCMWZ", &id.replace('-', ""), &id.to_lowercase()] {
            assert_eq!(mint.number(IdKind::Order, wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_number_comes_back(seed: u64, number: u64) {
            let mint = IdMint::new(seed);
            for kind in [IdKind::Order, IdKind::Trade, IdKind::Ledger, IdKind::Amend] {
                prop_assert_eq!(mint.number(kind, mint.id(kind, number).as_str()), Some(number));
            }
        }

        #[test]
        fn any_text_gives_a_number_or_nothing(text in "\\PC{0,24}") {
            let _ = IdMint::new(1).number(IdKind::Order, &text);
        }
    }
}
