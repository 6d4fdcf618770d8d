//! Requests on their way in: lost, or refused in the exchange's place.

use super::text::{self, member};
use super::{Admission, Current, FaultKind, Faults, Names, Sender};
use crate::server::date::Rfc3339;
use crate::server::io::{CallId, HttpCall, PeerId, ServerOutput};
use crate::server::json::Json;
use remora_domain::Timestamp;
use std::sync::Arc;

const JSON: &str = "application/json";
const TOO_FAST: &str = r#"{"Error":"Exceeded msg rate"}"#;

impl Faults {
    /// Looks at a REST call before the exchange does.
    pub(crate) fn http(
        &mut self,
        now: Timestamp,
        names: &impl Names,
        call: CallId,
        request: &HttpCall,
        out: &mut Vec<ServerOutput>,
    ) -> Admission {
        self.current = None;
        if self.is_quiet(now) {
            return Admission::Admitted;
        }
        let is_private = request.path.contains("/private/");
        let account = request.api_key.as_deref().and_then(|key| names.account_of_key(key));
        let pair = text::rest_pair(request).and_then(|pair| names.symbol(&pair));
        let method = text::rest_method(request).to_owned();
        self.current = Some(Current { from: Sender::Call(call), account, pair, method });
        if self.strikes(now, FaultKind::RequestLost).is_some() {
            out.push(ServerOutput::HttpDrop { call });
            return Admission::Refused;
        }
        let refusal = if is_private && self.strikes(now, FaultKind::InvalidNonce).is_some() {
            Some("EAPI:Invalid nonce".to_owned())
        } else if self.strikes(now, FaultKind::Throttled).is_some() {
            Some(
                if is_private { "EAPI:Rate limit exceeded" } else { "EGeneral:Too many requests" }
                    .to_owned(),
            )
        } else {
            self.unavailable(now, false)
        };
        let Some(error) = refusal else { return Admission::Admitted };
        out.push(rest_error(call, &error));
        Admission::Refused
    }

    /// Looks at a WebSocket frame before the exchange does.
    pub(crate) fn frame(
        &mut self,
        now: Timestamp,
        names: &impl Names,
        peer: PeerId,
        frame: &str,
        out: &mut Vec<ServerOutput>,
    ) -> Admission {
        self.current = None;
        // A connection shows its token once and may then be silent: it is noted also while nothing is in force.
        if let Some(known @ None) = self.peers.get_mut(&peer) {
            *known = member(frame, "token").and_then(|token| names.account_of_token(token));
        }
        if self.is_quiet(now) {
            return Admission::Admitted;
        }
        let account = self.peers.get(&peer).cloned().flatten();
        let pair = member(frame, "symbol").and_then(|pair| names.symbol(pair));
        let head = text::ws_head(frame);
        let method = head.method.as_deref().unwrap_or_default().to_owned();
        self.current = Some(Current { from: Sender::Peer(peer), account, pair, method });
        if self.strikes(now, FaultKind::RequestLost).is_some() {
            return Admission::Refused;
        }
        let text = if self.strikes(now, FaultKind::Throttled).is_some() {
            Arc::from(TOO_FAST)
        } else {
            let Some(error) = self.unavailable(now, false) else { return Admission::Admitted };
            ws_error(now.saturating_add(self.clock_offset(now)), &head, &error)
        };
        out.push(ServerOutput::WsSend { peer, text });
        Admission::Refused
    }
}

pub(super) fn rest_error(call: CallId, error: &str) -> ServerOutput {
    let mut json = Json::with_capacity(64);
    json.object(|json| json.key("error").array(|json| json.string(error)));
    ServerOutput::HttpReply { call, status: 200, content_type: JSON, body: json.into_text().into() }
}

pub(super) fn ws_error(now: Timestamp, head: &text::WsHead<'_>, error: &str) -> Arc<str> {
    let mut json = Json::with_capacity(192);
    json.object(|json| {
        json.key("error").string(error);
        if let Some(method) = &head.method {
            json.key("method").string(method);
        }
        if let Some(req_id) = head.req_id {
            json.key("req_id").number(req_id);
        }
        json.key("success").bool(false);
        json.key("time_in").quoted(Rfc3339::micros(now));
        json.key("time_out").quoted(Rfc3339::micros(now));
    });
    json.into_text().into()
}
