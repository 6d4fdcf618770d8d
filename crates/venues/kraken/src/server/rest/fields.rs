//! The fields of a request, whichever way they were written: query, form or JSON.
//!
//! Nested JSON is laid flat the way forms write it, so that both are read alike: `{"close":{"price":"1"}}` is
//! `close[price]=1`, `{"orders":["A","B"]}` is `orders[0]=A&orders[1]=B`. Numbers keep their text, `null` is an absent
//! field, a field given twice counts as given last.
//!
//! Invariant: any bytes give fields or an error; what is kept is bounded by [`FIELDS_MAX`] and [`DEPTH_MAX`].

use serde::Deserializer;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// The most fields of a request: 50 references, or 15 orders with 25 fields each.
pub(super) const FIELDS_MAX: usize = 512;
/// How deep JSON may be nested: a batch holds orders, an order its close.
const DEPTH_MAX: usize = 4;
/// The longest name of a field, brackets included.
const NAME_BYTES_MAX: usize = 128;

/// Says why a request has no fields. The venue tells all of them alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Is the fields of a request, by their flat names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    texts: BTreeMap<String, String>,
    /// Whether any of them is inside another one; most requests have none.
    has_nested: bool,
}

impl Fields {
    /// Reads a query or a form.
    pub(super) fn form(text: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Self::default();
        for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (name, value) = pair.split_at_checked(equals).ok_or(Malformed)?;
            let value = value.strip_prefix(b"=").unwrap_or(value);
            fields.put(unescape(name)?, unescape(value)?)?;
        }
        Ok(fields)
    }

    /// Reads a JSON object.
    pub(super) fn json(text: &[u8]) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(text).map_err(|_| Malformed)?;
        let mut fields = Self::default();
        if !text.trim_start().starts_with('{') {
            return Err(Malformed);
        }
        fields.flatten("", text, 0)?;
        Ok(fields)
    }

    /// Adds the fields of another part of the request; those already here win.
    pub(super) fn merge(&mut self, other: Self) -> Result<(), Malformed> {
        for (name, text) in other.texts {
            if !self.texts.contains_key(&name) {
                self.put(name, text)?;
            }
        }
        Ok(())
    }

    /// Gives a field's text; an empty one counts as absent, as clients send those for "nothing".
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// Says whether a field is a list or a structure instead of a text.
    pub(super) fn is_nested(&self, name: &str) -> bool {
        if !self.has_nested {
            return false;
        }
        let from = format!("{name}[");
        self.texts.range(from.clone()..).next().is_some_and(|(name, _)| name.starts_with(&from))
    }

    /// Gives the items of a list of texts: `name[0]`, `name[1]`, ..., or the parts of `a,b`.
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        if let Some(text) = self.text(name) {
            return text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
        }
        if !self.has_nested {
            return Vec::new();
        }
        (0..FIELDS_MAX).map_while(|index| self.text(&format!("{name}[{index}]"))).collect()
    }

    /// Gives the items of a list of structures, each with its own fields.
    pub(super) fn structures(&self, name: &str) -> Vec<Self> {
        (0..FIELDS_MAX)
            .map(|index| self.inside(&format!("{name}[{index}]")))
            .take_while(|item| !item.texts.is_empty())
            .collect()
    }

    /// Gives the fields inside `name`: `name[a]` as `a`, `name[a][b]` as `a[b]`; a plain `name` as the empty name.
    fn inside(&self, name: &str) -> Self {
        let mut inside = Self::default();
        for (full, text) in self.texts.range(name.to_owned()..) {
            let Some(rest) = full.strip_prefix(name) else { break };
            if rest.is_empty() {
                inside.texts.insert(String::new(), text.clone());
            } else if let Some((key, deeper)) =
                rest.strip_prefix('[').and_then(|rest| rest.split_once(']'))
            {
                inside.has_nested |= !deeper.is_empty();
                inside.texts.insert([key, deeper].concat(), text.clone());
            }
        }
        inside
    }

    fn put(&mut self, name: String, text: String) -> Result<(), Malformed> {
        let name = match name.strip_suffix("[]") {
            Some(list) => {
                let free = (0..FIELDS_MAX)
                    .map(|index| format!("{list}[{index}]"))
                    .find(|name| !self.texts.contains_key(name));
                free.ok_or(Malformed)?
            }
            None => name,
        };
        if name.len() > NAME_BYTES_MAX {
            return Err(Malformed);
        }
        self.has_nested |= name.ends_with(']');
        self.texts.insert(name, text);
        if self.texts.len() > FIELDS_MAX { Err(Malformed) } else { Ok(()) }
    }

    /// Lays one JSON value flat under a name.
    fn flatten(&mut self, name: &str, json: &str, depth: usize) -> Result<(), Malformed> {
        if depth > DEPTH_MAX {
            return Err(Malformed);
        }
        let json = json.trim_start();
        let inner = |key: &str| {
            if name.is_empty() { key.to_owned() } else { format!("{name}[{key}]") }
        };
        match json.bytes().next() {
            Some(b'{' | b'[') => {
                let mut reader = serde_json::Deserializer::from_str(json);
                let parts = reader.deserialize_any(Parts).map_err(|_| Malformed)?;
                reader.end().map_err(|_| Malformed)?;
                for (key, value) in parts {
                    self.flatten(&inner(&key), value.get(), depth + 1)?;
                }
                Ok(())
            }
            Some(b'"') => {
                let text = serde_json::from_str(json).map_err(|_| Malformed)?;
                self.put(name.to_owned(), text)
            }
            Some(b'n') => Ok(()),
            Some(_) => self.put(name.to_owned(), json.trim_end().to_owned()),
            None => Err(Malformed),
        }
    }
}

/// Reads one level of a JSON object or array; what is inside stays text.
struct Parts;

type Part<'a> = (String, &'a RawValue);

impl<'de> Visitor<'de> for Parts {
    type Value = Vec<Part<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = map.next_entry()? {
            parts.push(part);
            if parts.len() > FIELDS_MAX {
                return Err(serde::de::Error::custom("too many members"));
            }
        }
        Ok(parts)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut parts: Vec<Part<'de>> = Vec::new();
        while let Some(item) = items.next_element()? {
            parts.push((parts.len().to_string(), item));
            if parts.len() > FIELDS_MAX {
                return Err(serde::de::Error::custom("too many items"));
            }
        }
        Ok(parts)
    }
}

/// Undoes percent escapes and `+` for a space.
fn unescape(text: &[u8]) -> Result<String, Malformed> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let (high, low) = (hex(bytes.next())?, hex(bytes.next())?);
                out.push(high * 16 + low);
            }
            other => out.push(other),
        }
    }
    String::from_utf8(out).map_err(|_| Malformed)
}

fn hex(byte: Option<u8>) -> Result<u8, Malformed> {
    let digit = byte.and_then(|byte| char::from(byte).to_digit(16)).ok_or(Malformed)?;
    u8::try_from(digit).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_form_and_json_of_the_same_request_are_the_same_fields() {
        let form = Fields::form(
            b"nonce=17&pair=XBTUSD&price=%2B2%25&close[price]=%2B100&close%5Bordertype%5D=limit&orders[]=A&orders[]=B",
        );
        let json = Fields::json(
            br#" {"nonce":17,"pair":"XBTUSD","price":"+2%","close":{"price":"+100","ordertype":"limit"},"orders":["A","B"],"x":null} "#,
        );
        assert_eq!(form, json);
        let fields = form.unwrap();
        assert_eq!(fields.text("price"), Some("+2%"));
        assert_eq!(fields.text("close[price]"), Some("+100"));
        assert_eq!(fields.list("orders"), ["A", "B"]);
        assert!(fields.is_nested("orders") && !fields.is_nested("pair"));
    }

    #[test]
    fn a_batch_is_a_list_of_structures() {
        let fields = Fields::json(
            br#"{"orders":[{"volume":0.10,"close":{"price":"5"}},{"volume":"2","post":true}]}"#,
        )
        .unwrap();
        let orders = fields.structures("orders");
        assert_eq!(orders.len(), 2);
        assert_eq!(orders[0].text("volume"), Some("0.10"), "the digits as written");
        assert_eq!(orders[0].text("close[price]"), Some("5"));
        assert_eq!(orders[1].text("post"), Some("true"));
        let plain = Fields::json(br#"{"orders":["A",7]}"#).unwrap();
        let names: Vec<_> =
            plain.structures("orders").iter().map(|o| o.text("").unwrap().to_owned()).collect();
        assert_eq!(names, ["A", "7"]);
    }

    #[test]
    fn lists_may_be_written_with_commas() {
        let fields = Fields::form(b"txid=A,%20B,,C&empty=").unwrap();
        assert_eq!(fields.list("txid"), ["A", "B", "C"]);
        assert_eq!(fields.text("empty"), None);
        assert_eq!(fields.list("nothing"), Vec::<&str>::new());
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for form in [&b"a=%"[..], b"a=%4", b"a=%zz", b"a=%ff", b"\xff=1"] {
            assert_eq!(Fields::form(form), Err(Malformed), "{form:?}");
        }
        let deep = [vec![b'['; 5_000], vec![b']'; 5_000]].concat();
        let deep = [&b"{\"a\":"[..], &deep, b"}"].concat();
        for json in [
            &b""[..],
            b"[]",
            b"1",
            b"{",
            b"{\"a\":}",
            b"{\"a\":1}x",
            b"{\"a\":01}",
            b"{\"a\":\"\\x\"}",
            &deep,
        ] {
            assert_eq!(Fields::json(json), Err(Malformed), "{}", json.len());
        }
        let many: String = (0..=FIELDS_MAX).map(|i| format!("f{i}=1&")).collect();
        assert_eq!(Fields::form(many.as_bytes()), Err(Malformed));
        let items = format!("{{\"a\":[{}]}}", vec!["1"; FIELDS_MAX + 2].join(","));
        assert_eq!(Fields::json(items.as_bytes()), Err(Malformed));
    }

    #[test]
    fn a_field_given_twice_counts_as_given_last() {
        assert_eq!(Fields::form(b"a=1&a=2").unwrap().text("a"), Some("2"));
        assert_eq!(Fields::json(br#"{"a":1,"a":2}"#).unwrap().text("a"), Some("2"));
    }

    proptest! {
        #[test]
        fn any_bytes_give_fields_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Fields::form(&bytes);
            let _ = Fields::json(&bytes);
        }

        #[test]
        fn any_json_gives_fields_or_an_error(text in "[{}\\[\\]\":,a1n .-]{0,60}") {
            let _ = Fields::json(text.as_bytes());
        }
    }
}
