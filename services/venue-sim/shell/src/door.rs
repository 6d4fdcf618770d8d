//! Where connections come in: plain TCP or TLS, bounded in number, each with a handle that cuts it off.

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use futures::task::AtomicWaker;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A client that does not finish its TLS handshake in this time is sent away.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Handshakes that are done and not yet taken up.
const READY_MAX: usize = 64;
/// How long a listener rests when the system has no more descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Cuts a connection off: its peer sees the end of the stream, never an answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cut(Arc<(AtomicBool, AtomicWaker)>);

impl Cut {
    /// Cuts the connection.
    pub(crate) fn cut(&self) {
        self.0.0.store(true, Ordering::Release);
        self.0.1.wake();
    }

    /// Tells whether it was cut; otherwise the task that reads is woken when it is.
    fn is_cut(&self, context: &Context<'_>) -> bool {
        self.0.1.register(context.waker());
        self.0.0.load(Ordering::Acquire)
    }
}

/// Is what the front knows of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// From where.
    pub(crate) address: SocketAddr,
    /// Cuts it off.
    pub(crate) cut: Cut,
}

impl Connected<IncomingStream<'_, Door>> for Caller {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        Self { address: *stream.remote_addr(), cut: stream.io().cut.clone() }
    }
}

enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Is one accepted connection; its place is free again when it is dropped.
pub(crate) struct Connection {
    wire: Wire,
    cut: Cut,
    _place: OwnedSemaphorePermit,
}

/// Is one address that is listened on.
pub(crate) struct Door {
    address: SocketAddr,
    kind: Kind,
}

enum Kind {
    Plain(TcpListener, Arc<Semaphore>),
    Tls(mpsc::Receiver<(Connection, SocketAddr)>),
}

impl Door {
    /// Listens for plain connections; `places` bounds them together with those of other doors.
    pub(crate) async fn plain(address: SocketAddr, places: Arc<Semaphore>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { address: listener.local_addr()?, kind: Kind::Plain(listener, places) })
    }

    /// Listens for TLS connections; handshakes are made in tasks of their own, so that a slow one holds up nobody.
    pub(crate) async fn tls(
        address: SocketAddr,
        places: Arc<Semaphore>,
        acceptor: TlsAcceptor,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (ready, taken) = mpsc::channel(READY_MAX);
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    () = ready.closed() => return,
                    accepted = accept(&listener, &places) => accepted,
                };
                let (stream, from, place) = accepted;
                tokio::spawn(shake(acceptor.clone(), stream, from, place, ready.clone()));
            }
        });
        Ok(Self { address, kind: Kind::Tls(taken) })
    }

    /// Gives the address that was bound.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn shake(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    from: SocketAddr,
    place: OwnedSemaphorePermit,
    ready: mpsc::Sender<(Connection, SocketAddr)>,
) {
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let wire = Wire::Tls(Box::new(stream));
            // A closed door has nobody to take it up.
            let _ =
                ready.send((Connection { wire, cut: Cut::default(), _place: place }, from)).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "tls handshake failed"),
        Err(_) => tracing::debug!("tls handshake timed out"),
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    loop {
        let Ok(place) = Arc::clone(places).acquire_owned().await else {
            // Never closed; if it were, nobody would come in any more.
            return std::future::pending().await;
        };
        match listener.accept().await {
            Ok((stream, from)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "no TCP_NODELAY");
                }
                return (stream, from, place);
            }
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
}

impl Listener for Door {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        match &mut self.kind {
            Kind::Plain(listener, places) => {
                let (stream, from, place) = accept(listener, places).await;
                let wire = Wire::Plain(stream);
                (Connection { wire, cut: Cut::default(), _place: place }, from)
            }
            Kind::Tls(taken) => match taken.recv().await {
                Some(ready) => ready,
                // The accepting task ends only with this door.
                None => std::future::pending().await,
            },
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

fn reset() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "cut off")
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.cut.is_cut(context) {
            return Poll::Ready(Err(reset()));
        }
        match &mut self.wire {
            Wire::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Wire::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.wire {
            Wire::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Wire::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Plain(stream) => Pin::new(stream).poll_flush(context),
            Wire::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Wire::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.wire {
            Wire::Plain(stream) => Pin::new(stream).poll_write_vectored(context, buffers),
            Wire::Tls(stream) => Pin::new(stream).poll_write_vectored(context, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.wire {
            Wire::Plain(stream) => stream.is_write_vectored(),
            Wire::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
