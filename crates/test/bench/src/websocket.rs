//! A WebSocket that asks one thing after another.

use crate::engine::between;
use anyhow::{Context as _, Result, bail};
use futures::{SinkExt as _, StreamExt as _};
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// Bytes that the library clears before each read, of which an answer needs some hundred: what is measured is the
/// exchange, not its clients.
pub(crate) const READ_BYTES: usize = 4 * 1_024;

/// Is such a socket.
pub(crate) struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("connect")?;
        stream.set_nodelay(true)?;
        let config = WebSocketConfig::default().read_buffer_size(READ_BYTES);
        let url = format!("ws://{address}/v2");
        let (socket, _) = client_async_with_config(url, stream, Some(config)).await?;
        Ok(Self(socket))
    }

    pub(crate) async fn send(&mut self, text: String) -> Result<()> {
        self.0.send(Message::text(text)).await.context("send")
    }

    /// Gives the next frame with this in it.
    pub(crate) async fn hear(&mut self, part: &str) -> Result<String> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) if text.contains(part) => return Ok(text.to_string()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error).context("read a frame"),
                None => bail!("the socket was closed"),
            }
        }
    }

    /// Asks and waits for the answer.
    pub(crate) async fn ask(&mut self, text: String) -> Result<String> {
        self.send(text).await?;
        self.hear("\"req_id\":1").await
    }

    /// Places an order far from the market and takes it back: two round trips.
    pub(crate) async fn order(&mut self, token: &str) -> Result<()> {
        let answer = self.ask(placed(token)).await?;
        let id = between(&answer, "\"order_id\":\"", "\"");
        let id = id.with_context(|| format!("no order: {answer}"))?;
        let cancel = format!(
            r#"{{"method":"cancel_order","req_id":1,"params":{{"order_id":["{id}"],"token":"{token}"}}}}"#
        );
        let answer = self.ask(cancel).await?;
        if answer.contains("\"success\":true") { Ok(()) } else { bail!("not cancelled: {answer}") }
    }
}

/// Gives a request for an order that rests.
pub(crate) fn placed(token: &str) -> String {
    format!(
        r#"{{"method":"add_order","req_id":1,"params":{{"order_type":"limit","side":"buy","symbol":"BTC/USD","order_qty":0.01,"limit_price":30000.0,"token":"{token}"}}}}"#
    )
}
