//! The venue's answers: one text per answer, written into a buffer that is used again and again.

use crate::server::date::Rfc3339;
use crate::server::json::Json;
use crate::server::ws::request::{Refusal, echo};
use remora_domain::Timestamp;
use std::sync::Arc;

/// Is what an answer repeats of its request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    /// The request's method; none when it could not be read.
    pub(crate) method: Option<&'a str>,
    /// The request's number.
    pub(crate) req_id: Option<i64>,
    /// When it came; the answer leaves in the same instant.
    pub(crate) now: Timestamp,
}

impl Head<'_> {
    fn open(&self, json: &mut Json) {
        if let Some(method) = self.method {
            json.key("method").string(echo(method));
        }
        if let Some(req_id) = self.req_id {
            json.key("req_id").number(req_id);
        }
    }

    fn times(&self, json: &mut Json) {
        let time = Rfc3339::micros(self.now);
        json.key("time_in").quoted(time);
        json.key("time_out").quoted(time);
    }
}

/// Writes `pong`.
pub(crate) fn pong(json: &mut Json, head: Head<'_>) -> Arc<str> {
    json.clear();
    json.object(|json| {
        Head { method: Some("pong"), ..head }.open(json);
        head.times(json);
    });
    json.text().into()
}

/// Writes an answer with a result; `result` writes one value.
pub(crate) fn success(json: &mut Json, head: Head<'_>, result: impl FnOnce(&mut Json)) -> Arc<str> {
    success_with(json, head, |_| (), result)
}

/// Writes an answer with a result and members of its own in front.
pub(crate) fn success_with(
    json: &mut Json,
    head: Head<'_>,
    members: impl FnOnce(&mut Json),
    result: impl FnOnce(&mut Json),
) -> Arc<str> {
    json.clear();
    json.object(|json| {
        head.open(json);
        members(json);
        json.key("result");
        result(json);
        json.key("success").bool(true);
        head.times(json);
    });
    json.text().into()
}

/// Writes a refusal; `members` adds what it is about, such as the symbol.
pub(crate) fn failure(
    json: &mut Json,
    head: Head<'_>,
    why: &Refusal,
    members: impl FnOnce(&mut Json),
) -> Arc<str> {
    json.clear();
    json.object(|json| {
        json.key("error").string(&why.0);
        head.open(json);
        json.key("success").bool(false);
        members(json);
        head.times(json);
    });
    json.text().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head<'static> = Head {
        method: Some("subscribe"),
        req_id: Some(17),
        now: Timestamp::from_ns(1_771_234_567_100_001_000),
    };

    #[test]
    fn answers_have_the_venues_form() {
        let json = &mut Json::default();
        let times =
            r#""time_in":"2026-02-16T09:36:07.100001Z","time_out":"2026-02-16T09:36:07.100001Z"}"#;
        let got = success(json, HEAD, |json| json.object(|json| json.key("count").number(1)));
        let want = r#"{"method":"subscribe","req_id":17,"result":{"count":1},"success":true,"#;
        assert_eq!(&*got, format!("{want}{times}"));
        let why = Refusal::from("Currency pair not supported XBT/USD");
        let got = failure(json, HEAD, &why, |json| json.key("symbol").string("XBT/USD"));
        let want = r#"{"error":"Currency pair not supported XBT/USD","method":"subscribe","req_id":17,"success":false,"symbol":"XBT/USD","#;
        assert_eq!(&*got, format!("{want}{times}"));
        let got = pong(json, Head { req_id: None, ..HEAD });
        assert_eq!(&*got, format!(r#"{{"method":"pong",{times}"#));
    }
}
