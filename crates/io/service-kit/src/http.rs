//! HTTP for orchestrators, scrapers and people: `/livez`, `/readyz`, `/metrics` without a token (they name no account
//! and no order); `/status` with a viewer's token, which crosses no network in plain text unless the configuration says
//! that TLS ends elsewhere. Connections are bounded in number and in time.

use crate::Health;
use axum::extract::State;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::serve::{IncomingStream, Listener};
use axum::{Router, routing};
use metrics_exporter_prometheus::PrometheusHandle;
use remora_rpc::Tokens;
use serde_json::json;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Sleep;

/// Answers come from memory; a connection that lingers is cut.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// Probes, scrapers and people; more wait until one of these ends.
const CONNECTIONS_MAX: usize = 64;
/// How long a connection lives, whatever it does: a header that trickles, an idle peer and a reader that takes nothing
/// all end here. Scrapers connect again.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Says who may read `/status`, and from where.
#[derive(Clone, Debug)]
pub struct StatusGuard {
    /// Who.
    pub tokens: Tokens,
    /// Whether a token may come from another host without TLS.
    pub is_plaintext_allowed: bool,
}

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
    status: StatusGuard,
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
        status_guard: StatusGuard,
    ) -> Result<Self, HttpError> {
        let failed = |cause| HttpError { address, cause };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let router = Router::new()
            .route("/livez", routing::get(livez))
            .route("/readyz", routing::get(readyz))
            .route("/metrics", routing::get(metrics))
            .route("/status", routing::get(status))
            .with_state(Shared { health, prometheus, status: status_guard })
            .into_make_service_with_connect_info::<Peer>();
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let listener = Bounded { listener, places };
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

async fn status(
    State(shared): State<Shared>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    headers: HeaderMap,
) -> Response {
    let is_local = peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    if !is_local && !shared.status.is_plaintext_allowed {
        let why = "no token is taken in plain text: ask from this host, or over gRPC with TLS";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    let text = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = text.and_then(|text| text.strip_prefix("Bearer "));
    if token.and_then(|token| shared.status.tokens.find(token)).is_none() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let mut status = shared.health.to_json();
    if let Some(status) = status.as_object_mut() {
        status.insert("details".to_owned(), shared.health.details());
    }
    Json(status).into_response()
}

/// Takes connections while there are places for them.
struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
            std::future::pending().await
        };
        let (stream, peer) = Listener::accept(&mut self.listener).await;
        let ends = Box::pin(tokio::time::sleep(CONNECTION_TIMEOUT));
        (Connection { stream, ends, _place: place }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Is who connected, where that is known.
#[derive(Clone, Copy)]
struct Peer(Option<SocketAddr>);

impl Connected<IncomingStream<'_, Bounded>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Bounded>) -> Self {
        Self(Some(*stream.remote_addr()))
    }
}

/// Is a connection that ends when its time is over.
struct Connection {
    stream: TcpStream,
    ends: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.ends.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Clock;
    use remora_rpc::Role;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn shared(is_plaintext_allowed: bool) -> Shared {
        let tokens = Tokens::default().with(Role::Viewer, "screen", "viewer-0123456789");
        Shared {
            health: Health::new("test", "test-0", "0.1.0", Clock::new()),
            prometheus: None,
            status: StatusGuard { tokens, is_plaintext_allowed },
        }
    }

    /// Asks for the status from an address; gives the code.
    async fn check(from: &str, is_plaintext_allowed: bool) -> u16 {
        let headers = HeaderMap::from_iter([(
            header::AUTHORIZATION,
            "Bearer viewer-0123456789".parse().unwrap(),
        )]);
        let peer = ConnectInfo(Peer(Some(from.parse().unwrap())));
        status(State(shared(is_plaintext_allowed)), peer, headers).await.status().as_u16()
    }

    #[tokio::test]
    async fn a_token_from_another_host_is_refused_unless_tls_ends_elsewhere() {
        for local in ["127.0.0.1:9", "[::1]:9", "[::ffff:127.0.0.1]:9"] {
            assert_eq!(check(local, false).await, 200, "{local}");
        }
        assert_eq!(check("10.1.2.3:9", false).await, 403);
        assert_eq!(check("10.1.2.3:9", true).await, 200);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_is_cut_and_many_of_them_stop_nobody() {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let Shared { health, prometheus, status } = shared(false);
        let server = HttpServer::start(loopback, health, prometheus, status).await.unwrap();
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            let mut stream = TcpStream::connect(server.address()).await.unwrap();
            // A header that never ends.
            stream.write_all(b"GET /livez HTTP/1.1\r\nx: ").await.unwrap();
            silent.push(stream);
        }
        let mut patient = TcpStream::connect(server.address()).await.unwrap();
        patient.write_all(b"GET /livez HTTP/1.0\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        patient.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200"),
            "{answer}"
        );
        for mut stream in silent {
            let mut rest = Vec::new();
            // Closed or reset: over in any case.
            let _ = stream.read_to_end(&mut rest).await;
        }
        server.stop().await;
    }
}
