//! What clients write: the members of a request, read one by one with the venue's own words for what is wrong.
//!
//! In: text of any kind. Out: typed values or a [`Refusal`]. Numbers go from their text to decimals exactly.
//! Whatever is not asked for by name is refused at the end ([`Fields::finish`]), as the venue does (seen in
//! captures of 2024 and 2025: "Unsupported field: 'price' for the given msg type: add order").

use crate::server::error::KrakenError;
use remora_domain::Timestamp;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::{Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The most members an object of a request may have; the largest documented one has 25.
const MEMBERS_MAX: usize = 64;
/// The most characters of a client's own words that an error repeats.
const ECHO_CHARS: usize = 64;
/// The longest number read: 28 significant digits, a sign and a point.
const NUMBER_CHARS: usize = 30;

/// Is why a request is refused, in the venue's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) Cow<'static, str>);

impl Refusal {
    /// Says that a required field is missing ("Token(s) not found", seen in a capture of 2024).
    pub(crate) fn missing(name: &str) -> Self {
        Self(format!("{}(s) not found", capital(name)).into())
    }

    /// Says that a field has a value the venue does not know.
    pub(crate) fn invalid(name: &str) -> Self {
        Self(format!("EGeneral:Invalid arguments:{name}").into())
    }

    fn kind(name: &str, kind: &str) -> Self {
        Self(format!("{} field must be {kind}", capital(name)).into())
    }
}

impl From<&'static str> for Refusal {
    fn from(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<KrakenError> for Refusal {
    fn from(error: KrakenError) -> Self {
        Self(error.to_string().into())
    }
}

/// Cuts a client's own words to what an answer repeats.
pub(crate) fn echo(text: &str) -> &str {
    text.char_indices().nth(ECHO_CHARS).map_or(text, |(end, _)| text.get(..end).unwrap_or(""))
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Is a JSON object whose values are still text.
#[derive(Debug)]
pub(crate) struct Object<'a>(Vec<Member<'a>>);

#[derive(Debug)]
struct Member<'a> {
    name: Cow<'a, str>,
    /// None once it was asked for.
    value: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<Member<'de>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(8);
                while let Some(Name(name)) = map.next_key()? {
                    if members.len() == MEMBERS_MAX {
                        return Err(A::Error::custom("too many members"));
                    }
                    members.push(Member { name, value: Some(map.next_value()?) });
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Members).map(Object)
    }
}

/// Is an object whose members are taken by name.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    members: Vec<Member<'a>>,
}

impl<'a> Fields<'a> {
    /// Reads an object; none when the text is anything else.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let Object(members) = serde_json::from_str(text).ok()?;
        Some(Self { members })
    }

    /// Has no members.
    pub(crate) const fn empty() -> Self {
        Self { members: Vec::new() }
    }

    /// Takes a member's text; of several with one name the last counts.
    fn take(&mut self, name: &str) -> Option<&'a str> {
        let mut found = None;
        for member in self.members.iter_mut().filter(|member| member.name == name) {
            found = member.value.take().or(found);
        }
        found.map(RawValue::get)
    }

    /// Takes a string.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<Cow<'a, str>>, Refusal> {
        self.typed(name, "a string", string)
    }

    /// Takes a string that must be there.
    pub(crate) fn need_text(&mut self, name: &str) -> Result<Cow<'a, str>, Refusal> {
        self.text(name)?.ok_or_else(|| Refusal::missing(name))
    }

    /// Takes `true` or `false`.
    pub(crate) fn flag(&mut self, name: &str) -> Result<Option<bool>, Refusal> {
        self.typed(name, "a boolean", |text| match text {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        })
    }

    /// Takes a whole number.
    pub(crate) fn integer(&mut self, name: &str) -> Result<Option<i64>, Refusal> {
        self.typed(name, "an integer", |text| text.parse().ok())
    }

    /// Takes a number exactly. It must be written plainly: exponents are refused.
    pub(crate) fn number(&mut self, name: &str) -> Result<Option<Decimal>, Refusal> {
        let Some(text) = self.take(name) else { return Ok(None) };
        let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        if !is_number {
            return Err(Refusal::kind(name, "a number_float"));
        }
        let is_plain = text.len() <= NUMBER_CHARS && !text.contains(['e', 'E']);
        let value =
            Some(text).filter(|_| is_plain).and_then(|text| Decimal::from_str_exact(text).ok());
        value.map(Some).ok_or_else(|| Refusal::invalid(name))
    }

    /// Takes an instant in RFC 3339.
    pub(crate) fn instant(&mut self, name: &'static str) -> Result<Option<Timestamp>, Refusal> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        crate::time::instant(name, &text).map(Some).map_err(|_| Refusal::invalid(name))
    }

    /// Takes an object.
    pub(crate) fn object(&mut self, name: &str) -> Result<Option<Self>, Refusal> {
        self.typed(name, "an object", Self::parse)
    }

    /// Takes a list whose items are read by `item`; `kind` names what an item must be.
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        kind: &str,
        item: impl Fn(&'a str) -> Option<T>,
    ) -> Result<Option<Vec<T>>, Refusal> {
        let Some(items) = self.typed(name, "an array", |text| serde_json::from_str(text).ok())?
        else {
            return Ok(None);
        };
        let items: Vec<&'a RawValue> = items;
        let read: Option<Vec<T>> = items.into_iter().map(|text| item(text.get())).collect();
        read.map(Some).ok_or_else(|| Refusal::kind(name, kind))
    }

    /// Refuses whatever was not asked for; `message` is the kind of message in the venue's words.
    pub(crate) fn finish(self, message: &str) -> Result<(), Refusal> {
        match self.members.iter().find(|member| member.value.is_some()) {
            None => Ok(()),
            Some(Member { name, .. }) => {
                let name = echo(name);
                let text = format!("Unsupported field: '{name}' for the given msg type: {message}");
                Err(Refusal(text.into()))
            }
        }
    }

    fn typed<T>(
        &mut self,
        name: &str,
        kind: &str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let Some(text) = self.take(name) else { return Ok(None) };
        read(text).map(Some).ok_or_else(|| Refusal::kind(name, kind))
    }
}

/// Reads a JSON string.
pub(crate) fn string(text: &str) -> Option<Cow<'_, str>> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    // Escapes are rare; without one the text between the quotes is the string.
    if inner.contains('\\') {
        serde_json::from_str(text).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// Is a request: what every frame of a client has.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// `method`.
    pub(crate) method: Cow<'a, str>,
    /// `req_id`, echoed.
    pub(crate) req_id: Option<i64>,
    /// `params`; none when there is no such member.
    pub(crate) params: Option<Fields<'a>>,
}

/// Is a frame that is no request, as far as it could be read.
#[derive(Debug)]
pub(crate) struct Unreadable<'a> {
    /// `method`, when it could be read.
    pub(crate) method: Option<Cow<'a, str>>,
    /// `req_id`, when it could be read.
    pub(crate) req_id: Option<i64>,
    /// What is wrong.
    pub(crate) why: Refusal,
}

impl<'a> Request<'a> {
    /// Reads a frame.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Unreadable<'a>> {
        let Some(mut fields) = Fields::parse(text) else {
            return Err(Unreadable { method: None, req_id: None, why: "Malformed request".into() });
        };
        let req_id = fields.integer("req_id");
        let method = fields.need_text("method");
        let params = fields.object("params");
        let (req_id, method, params) = match (req_id, method, params) {
            (Ok(req_id), Ok(method), Ok(params)) => (req_id, method, params),
            (req_id, method, params) => {
                let echoed = req_id.as_ref().ok().copied().flatten();
                let name = method.as_ref().ok().cloned();
                let why = [req_id.err(), method.err(), params.err()].into_iter().flatten().next();
                let why = why.unwrap_or_else(|| "Malformed request".into());
                return Err(Unreadable { method: name, req_id: echoed, why });
            }
        };
        match fields.finish(&words(&method)) {
            Ok(()) => Ok(Self { method, req_id, params }),
            Err(why) => Err(Unreadable { method: Some(method), req_id, why }),
        }
    }
}

/// Gives a method as the venue names it in errors: `add_order` is "add order".
pub(crate) fn words(method: &str) -> String {
    echo(method).replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(text: &str) -> String {
        Request::parse(text).err().map_or_else(String::new, |bad| bad.why.0.into_owned())
    }

    #[test]
    fn a_request_has_method_params_and_number() {
        let text = r#"{"method":"ping","req_id":101}"#;
        let request = Request::parse(text).unwrap();
        assert_eq!((request.method.as_ref(), request.req_id), ("ping", Some(101)));
        assert!(request.params.is_none());
    }

    #[test]
    fn what_is_no_request_is_refused_in_the_venues_words() {
        for (text, want) in [
            ("", "Malformed request"),
            ("[]", "Malformed request"),
            (r#"{"method":"ping""#, "Malformed request"),
            (r#"{"event":"ping"}"#, "Method(s) not found"),
            (r#"{"method":7}"#, "Method field must be a string"),
            (r#"{"method":"ping","req_id":"1"}"#, "Req_id field must be an integer"),
            (r#"{"method":"ping","params":[]}"#, "Params field must be an object"),
            (
                r#"{"method":"add_order","price":1}"#,
                "Unsupported field: 'price' for the given msg type: add order",
            ),
        ] {
            assert_eq!(refused(text), want, "{text}");
        }
    }

    #[test]
    fn a_number_that_is_not_plain_is_refused() {
        for (text, want) in [
            (r#"{"p":"1"}"#, "P field must be a number_float"),
            (r#"{"p":2.9e-05}"#, "EGeneral:Invalid arguments:p"),
            (r#"{"p":0.1234567890123456789012345678901}"#, "EGeneral:Invalid arguments:p"),
            (r#"{"p":null}"#, "P field must be a number_float"),
        ] {
            let got = Fields::parse(text).unwrap().number("p").unwrap_err();
            assert_eq!(got.0, want, "{text}");
        }
        let got = Fields::parse(r#"{"p":61000.0,"q":-5}"#).unwrap().number("p").unwrap().unwrap();
        assert_eq!(got.to_string(), "61000.0");
    }

    #[test]
    fn an_escaped_string_is_read_and_the_last_of_two_members_counts() {
        let mut fields = Fields::parse(r#"{"a":"x","a":"A\"\u0041"}"#).unwrap();
        assert_eq!(fields.text("a").unwrap().unwrap(), "A\"A");
        assert!(fields.finish("ping").is_ok());
    }

    proptest! {
        #[test]
        fn any_text_gives_a_request_or_a_refusal(text in any::<String>()) {
            let _ = Request::parse(&text);
        }

        #[test]
        fn any_json_like_text_gives_a_request_or_a_refusal(
            text in r#"\{("(method|params|req_id|x)":(1|-|"[a-z_\\]{0,9}"|\{\}|\[1?\]|null|1e9)?,?){0,4}\}"#
        ) {
            if let Ok(mut request) = Request::parse(&text) {
                let mut fields = request.params.take().unwrap_or(Fields::empty());
                let _ = (fields.number("x"), fields.finish("x"));
            }
        }
    }
}
