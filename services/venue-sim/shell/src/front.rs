//! HTTP: which host a request came to, REST calls, WebSocket upgrades, the operator's door.

use crate::door::Caller;
use crate::exchange::SimVenue;
use crate::message::{Answer, Message, Reply};
use crate::socket::Peer;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use remora_venue_registry::kraken_spot::io::{HttpCall, PeerId, WsHost};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// The largest body of a call: a batch of fifteen orders takes a few kilobytes.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// Bytes asked for at once of a WebSocket. The library clears as many before each read: its own 128 KiB cost more than
/// all else that a request of some hundred bytes does.
const READ_BYTES: usize = 4 * 1_024;
/// The largest frame of a client.
const FRAME_BYTES_MAX: usize = 256 * 1024;
/// A caller that takes longer than this to send its body is answered without it.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Written when the exchange is closing.
const CLOSING: &str = r#"{"error":["EService:Unavailable"]}"#;
/// What the venue answers to what it cannot read.
const UNREADABLE: &str = r#"{"error":["EGeneral:Invalid arguments"]}"#;
/// The close code for a version of the protocol that is not served (RFC 6455: policy violation).
const POLICY: u16 = 1008;

/// Is what every request of one door shares.
#[derive(Clone)]
pub(crate) struct Front {
    pub(crate) inbox: mpsc::Sender<Message>,
    /// Which WebSocket host this door is, where the `Host` header says nothing.
    pub(crate) host: WsHost,
    /// Which venue answers.
    pub(crate) venue: SimVenue,
    pub(crate) queue_max: usize,
    pub(crate) next_peer: Arc<AtomicU64>,
}

impl Front {
    /// Serves the venue.
    pub(crate) fn router(self) -> Router {
        Router::new().fallback(venue).with_state(self)
    }

    /// Serves operators of the simulation.
    pub(crate) fn admin_router(self) -> Router {
        Router::new().fallback(admin).with_state(self)
    }

    async fn ask(&self, message: impl FnOnce(oneshot::Sender<Answer>) -> Message) -> Answer {
        let (reply, answered) = oneshot::channel();
        let closing = || Some(Reply::json(503, CLOSING));
        if self.inbox.send(message(reply)).await.is_err() {
            return closing();
        }
        answered.await.unwrap_or_else(|_| closing())
    }
}

async fn venue(
    State(front): State<Front>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    request: Request,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let is_websocket = header_text(&parts.headers, &header::UPGRADE)
        .is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"));
    if is_websocket {
        return match WebSocketUpgrade::from_request_parts(&mut parts, &front).await {
            Ok(upgrade) => open(front, caller, &parts, upgrade),
            Err(rejection) => rejection.into_response(),
        };
    }
    let body = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, BODY_BYTES_MAX)).await;
    let Ok(Ok(body)) = body else {
        return response(Reply::json(200, UNREADABLE));
    };
    let text = |name: &HeaderName| header_text(&parts.headers, name).map(str::to_owned);
    let request = HttpCall {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        content_type: text(&header::CONTENT_TYPE),
        api_key: text(&HeaderName::from_static("api-key")),
        api_sign: text(&HeaderName::from_static("api-sign")),
        body: body.to_vec(),
        address: caller.address.ip().to_string(),
    };
    match front.ask(|reply| Message::Http { request, reply }).await {
        Some(reply) => response(reply),
        None => {
            // The connection ends below us; there is no answer to give.
            caller.cut.cut();
            std::future::pending().await
        }
    }
}

async fn admin(State(front): State<Front>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().trim_start_matches('/');
    let Some(path) = path.strip_prefix("sim/").map(str::to_owned) else {
        return match path {
            "livez" | "readyz" => response(Reply::json(200, r#"{"is_live":true}"#)),
            _ => StatusCode::NOT_FOUND.into_response(),
        };
    };
    let body = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, BODY_BYTES_MAX)).await;
    let Ok(Ok(body)) = body else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let (method, body) = (parts.method.as_str().to_owned(), body.to_vec());
    let answer = front.ask(|reply| Message::Admin { method, path, body, reply }).await;
    answer.map_or_else(|| StatusCode::NO_CONTENT.into_response(), response)
}

fn open(front: Front, caller: Caller, parts: &Parts, upgrade: WebSocketUpgrade) -> Response {
    let upgrade = upgrade
        .max_message_size(FRAME_BYTES_MAX)
        .max_frame_size(FRAME_BYTES_MAX)
        .read_buffer_size(READ_BYTES);
    let path = parts.uri.path().trim_end_matches('/');
    if path.is_empty() && front.venue == SimVenue::KrakenSpot {
        return upgrade.on_upgrade(refuse_version_1);
    }
    if path != front.venue.socket_path() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let named = header_text(&parts.headers, &header::HOST).or(parts.uri.host());
    let peer = Peer {
        id: PeerId(front.next_peer.fetch_add(1, Ordering::Relaxed)),
        host: named.and_then(host).unwrap_or(front.host),
        address: caller.address.ip().to_string(),
        queue_max: front.queue_max,
        inbox: front.inbox,
    };
    upgrade.on_upgrade(|socket| peer.run(socket))
}

/// The root path is the frozen version 1, which is not simulated: a client hears why it is closed.
async fn refuse_version_1(mut socket: WebSocket) {
    let reason = "WebSocket v1 is not simulated: use /v2".into();
    // A client that is gone needs no reason.
    let _ = socket.send(Frame::Close(Some(CloseFrame { code: POLICY, reason }))).await;
}

/// Tells the WebSocket host by its name.
fn host(name: &str) -> Option<WsHost> {
    let name = name.strip_prefix("beta-").unwrap_or(name);
    let first = name.split('.').next()?;
    match first {
        "ws" => Some(WsHost::Public),
        "ws-auth" => Some(WsHost::Private),
        "ws-l3" => Some(WsHost::Level3),
        _ => None,
    }
}

fn header_text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn response(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let body = Body::from(String::from(&*reply.body));
    (status, [(header::CONTENT_TYPE, reply.content_type)], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_by_their_first_name() {
        assert_eq!(host("ws.kraken.com:443"), Some(WsHost::Public));
        assert_eq!(host("beta-ws-auth.kraken.com"), Some(WsHost::Private));
        assert_eq!(host("ws-l3.kraken.com"), Some(WsHost::Level3));
        assert_eq!(host("127.0.0.1:8080"), None);
        assert_eq!(host("api.kraken.com"), None);
    }
}
