//! Client order ids. Three forms, each stored as 128 bits: a UUID with or without hyphens, or up to 18 characters of
//! ASCII (7 bits each). Source: `Client order identifiers` guide (checked June 2026).

/// The longest free text.
const TEXT_MAX: usize = 18;

/// Is a client order id as it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ClOrdKey {
    /// A UUID; both spellings of one are one id.
    Uuid(u128),
    /// Free text.
    Text(u128),
}

/// Reads a client order id; nothing when it has none of the forms.
pub(crate) fn key(text: &str) -> Option<ClOrdKey> {
    let is_printable = !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21..=0x7e));
    match text.len() {
        _ if !is_printable => None,
        36 if is_hyphenated(text) => uuid(&text.replace('-', "")),
        32 => uuid(text),
        length if length <= TEXT_MAX => {
            // The leading 1 keeps ids of different lengths apart.
            let packed = text.bytes().fold(1_u128, |bits, byte| (bits << 7) | u128::from(byte));
            Some(ClOrdKey::Text(packed))
        }
        _ => None,
    }
}

fn is_hyphenated(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, byte)| (byte == b'-') == matches!(at, 8 | 13 | 18 | 23))
}

fn uuid(hex: &str) -> Option<ClOrdKey> {
    let is_hex = hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bits = u128::from_str_radix(hex, 16).ok().filter(|_| is_hex);
    bits.map(ClOrdKey::Uuid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_three_forms_are_taken_and_nothing_else() {
        let long = "6d1b345e-2821-40e2-ad83-4ecb18a06876";
        assert_eq!(key(long), key(&long.replace('-', "")));
        assert!(matches!(key(long), Some(ClOrdKey::Uuid(_))));
        for text in ["a", "mm-7f3a-000123", "123456789012345678", "arb-20240509-00010"] {
            assert!(matches!(key(text), Some(ClOrdKey::Text(_))), "{text}");
        }
        for text in [
            "",
            "1234567890123456789",                  // 19 characters
            "O-20250101-000000-001-001-1",          // a sequential id of 27
            "6d1b345e-2821-40e2-ad83-4ecb18a0687",  // 35
            "6d1b345e282140e2ad834ecb18a0687g",     // not hex
            "6d1b345e-282140-e2-ad83-4ecb18a06876", // hyphens elsewhere
            "+6d1b345e282140e2ad834ecb18a0687",     // 32 with a sign
            "with space",
            "tab\t",
            "\u{e9}t\u{e9}",
        ] {
            assert_eq!(key(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn different_texts_are_different_ids(a in "[!-~]{1,18}", b in "[!-~]{1,18}") {
            prop_assert_eq!(key(&a) == key(&b), a == b);
        }

        #[test]
        fn any_text_is_an_id_or_not(text in "\\PC{0,40}") {
            let _ = key(&text);
        }
    }
}
