//! JSON text, written in one pass and never through floats: numbers keep every decimal, as the venue prints them.
//!
//! In: values in the order of the text. Out: the text. Commas are written here, so a caller cannot forget one.

use std::fmt::{Display, Write};

/// Is JSON text being written. Inside [`Json::object`] every value follows a [`Json::key`].
#[derive(Debug, Default)]
pub(crate) struct Json {
    text: String,
}

impl Json {
    /// Starts with room for so many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes) }
    }

    /// Gives the text.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// Gives the text so far.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Starts anew and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
    }

    /// Writes `{...}`.
    pub(crate) fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.separate();
        self.text.push('{');
        members(self);
        self.text.push('}');
    }

    /// Writes `[...]`.
    pub(crate) fn array(&mut self, items: impl FnOnce(&mut Self)) {
        self.separate();
        self.text.push('[');
        items(self);
        self.text.push(']');
    }

    /// Writes a member's name; its value comes next.
    pub(crate) fn key(&mut self, name: &str) -> &mut Self {
        self.string(name);
        self.text.push(':');
        self
    }

    /// Writes any text as a string.
    pub(crate) fn string(&mut self, value: &str) {
        self.separate();
        self.text.push('"');
        // Nearly all text needs no escape; bytes tell that faster than letters.
        if !value.bytes().any(|byte| needs_escape(char::from(byte))) {
            self.text.push_str(value);
            self.text.push('"');
            return;
        }
        for part in value.split_inclusive(needs_escape) {
            let mut letters = part.chars();
            match letters.next_back() {
                Some(last) if needs_escape(last) => {
                    self.text.push_str(letters.as_str());
                    self.escape(last);
                }
                Some(_) | None => self.text.push_str(part),
            }
        }
        self.text.push('"');
    }

    /// Writes a number, or anything else that prints as JSON.
    pub(crate) fn number(&mut self, value: impl Display) {
        self.separate();
        let _ = write!(self.text, "{value}");
    }

    /// Writes a number in quotes; it must print without letters that need escapes.
    pub(crate) fn quoted(&mut self, value: impl Display) {
        self.separate();
        let _ = write!(self.text, "\"{value}\"");
    }

    /// Writes `true` or `false`.
    pub(crate) fn bool(&mut self, value: bool) {
        self.raw(if value { "true" } else { "false" });
    }

    /// Writes `null`.
    pub(crate) fn null(&mut self) {
        self.raw("null");
    }

    /// Writes JSON text as it is.
    pub(crate) fn raw(&mut self, json: &str) {
        self.separate();
        self.text.push_str(json);
    }

    /// Puts a comma unless something has just been opened: after a value the text ends otherwise.
    fn separate(&mut self) {
        if !matches!(self.text.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
            self.text.push(',');
        }
    }

    fn escape(&mut self, letter: char) {
        match letter {
            '"' => self.text.push_str("\\\""),
            '\\' => self.text.push_str("\\\\"),
            '\n' => self.text.push_str("\\n"),
            '\r' => self.text.push_str("\\r"),
            '\t' => self.text.push_str("\\t"),
            other => {
                let _ = write!(self.text, "\\u{:04x}", u32::from(other));
            }
        }
    }
}

fn needs_escape(letter: char) -> bool {
    letter == '"' || letter == '\\' || letter < ' '
}

/// Is a number of steps of `10^-decimals`; prints with all its decimals: 645250 at 1 is `64525.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fixed {
    /// How many steps; signed.
    pub(crate) units: i128,
    /// Decimals, 0 to 38.
    pub(crate) decimals: u32,
}

impl Fixed {
    /// Takes steps.
    pub(crate) fn new(units: impl Into<i128>, decimals: u32) -> Self {
        Self { units: units.into(), decimals }
    }
}

impl Display for Fixed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.units < 0 {
            f.write_str("-")?;
        }
        let units = self.units.unsigned_abs();
        let Some(one) = 10_u128.checked_pow(self.decimals).filter(|_| self.decimals > 0) else {
            return write!(f, "{units}");
        };
        let (whole, fraction) = (units / one, units % one);
        let width = usize::try_from(self.decimals).unwrap_or(0);
        // 64-bit numbers print several times faster, and nearly all fit.
        match (u64::try_from(whole), u64::try_from(fraction)) {
            (Ok(whole), Ok(fraction)) => write!(f, "{whole}.{fraction:0width$}"),
            (_, _) => write!(f, "{whole}.{fraction:0width$}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commas_stand_between_values_and_nowhere_else() {
        let mut json = Json::default();
        json.object(|json| {
            json.key("a").array(|json| {
                json.number(1);
                json.array(|_| ());
                json.object(|_| ());
                json.quoted(Fixed::new(-5, 3));
            });
            json.key("b").null();
            json.key("c").string("");
            json.key("d").bool(true);
        });
        let want = r#"{"a":[1,[],{},"-0.005"],"b":null,"c":"","d":true}"#;
        assert_eq!(json.into_text(), want);
    }

    #[test]
    fn steps_print_with_all_their_decimals() {
        for (units, decimals, want) in [
            (645_250_i128, 1, "64525.0"),
            (5_100, 8, "0.00005100"),
            (78_306, 0, "78306"),
            (-1, 2, "-0.01"),
            (0, 5, "0.00000"),
            (i128::MAX, 0, "170141183460469231731687303715884105727"),
            (i128::MIN, 38, "-1.70141183460469231731687303715884105728"),
        ] {
            assert_eq!(Fixed::new(units, decimals).to_string(), want);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_back(text in any::<String>()) {
            let mut json = Json::default();
            json.string(&text);
            let back: String = serde_json::from_str(&json.into_text()).unwrap();
            prop_assert_eq!(back, text);
        }
    }
}
