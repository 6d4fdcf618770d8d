//! A bare echo of the stack that the simulated exchange is served with: the floor of its round trips.

use crate::websocket::READ_BYTES;
use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::{any, post};
use axum::serve::ListenerExt as _;

/// Answers every call with its own body, and every frame with itself, until the process ends.
///
/// # Errors
/// Says why it cannot listen.
pub async fn serve(say: impl Fn(&str)) -> Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.context("listen")?;
    say(&format!("echo on {}", listener.local_addr()?));
    let listener = listener.tap_io(|stream| {
        // As the exchange's own doors do; without it the floor would only be slower.
        let _ = stream.set_nodelay(true);
    });
    let router =
        Router::new().route("/v2", any(upgrade)).fallback(post(body).get(|| async { "{}" }));
    axum::serve(listener, router).await.context("serve")
}

async fn body(body: Bytes) -> Bytes {
    body
}

async fn upgrade(upgrade: WebSocketUpgrade) -> Response {
    upgrade.read_buffer_size(READ_BYTES).on_upgrade(repeat)
}

async fn repeat(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if matches!(message, Message::Text(_)) && socket.send(message).await.is_err() {
            return;
        }
    }
}
