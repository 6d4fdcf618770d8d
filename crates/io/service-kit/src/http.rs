//! HTTP for orchestrators, scrapers and people: `/livez`, `/readyz`, `/metrics` without a token (they name no account
//! and no order); `/status` with a viewer's token.

use crate::Health;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::{Router, routing};
use metrics_exporter_prometheus::PrometheusHandle;
use remora_rpc::Tokens;
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Answers come from memory; a connection that lingers is cut.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// Says why HTTP could not start.
#[derive(Debug, thiserror::Error)]
#[error("serve HTTP on {address}")]
pub struct HttpError {
    address: SocketAddr,
    #[source]
    cause: std::io::Error,
}

/// Is a running HTTP server.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<()>>,
}

#[derive(Clone)]
struct Shared {
    health: Health,
    prometheus: Option<PrometheusHandle>,
    tokens: Tokens,
}

impl HttpServer {
    /// Binds the address and serves in a task of its own.
    ///
    /// # Errors
    /// Tells when the address cannot be bound.
    pub async fn start(
        address: SocketAddr,
        health: Health,
        prometheus: Option<PrometheusHandle>,
        tokens: Tokens,
    ) -> Result<Self, HttpError> {
        let failed = |cause| HttpError { address, cause };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let router = Router::new()
            .route("/livez", routing::get(livez))
            .route("/readyz", routing::get(readyz))
            .route("/metrics", routing::get(metrics))
            .route("/status", routing::get(status))
            .with_state(Shared { health, prometheus, tokens });
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let stopped = async move {
                // A dropped sender also means stop.
                let _ = stopped.await;
            };
            axum::serve(listener, router).with_graceful_shutdown(stopped).await
        });
        Ok(Self { address: bound, stop: Some(stop), task })
    }

    /// Gives the address that was bound.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening and waits a bounded time for running answers.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        if tokio::time::timeout(STOP_TIMEOUT, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

fn code(is_good: bool) -> StatusCode {
    if is_good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

async fn livez(State(shared): State<Shared>) -> Response {
    let is_live = shared.health.is_live();
    (code(is_live), Json(json!({ "is_live": is_live }))).into_response()
}

async fn readyz(State(shared): State<Shared>) -> Response {
    let is_ready = shared.health.unready().is_empty();
    (code(is_ready), Json(shared.health.to_json())).into_response()
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let Some(prometheus) = shared.prometheus else {
        return StatusCode::NOT_FOUND.into_response();
    };
    prometheus.run_upkeep();
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (content_type, prometheus.render()).into_response()
}

async fn status(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let text = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = text.and_then(|text| text.strip_prefix("Bearer "));
    if token.and_then(|token| shared.tokens.find(token)).is_none() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let mut status = shared.health.to_json();
    if let Some(status) = status.as_object_mut() {
        status.insert("details".to_owned(), shared.health.details());
    }
    Json(status).into_response()
}
