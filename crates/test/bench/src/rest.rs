//! A connection that is kept open and asks one thing after another over HTTP/1.1.

use crate::sign::Key;
use anyhow::{Context as _, Result, bail};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Is such a connection.
pub(crate) struct Rest {
    stream: TcpStream,
    buffer: Vec<u8>,
    request: String,
}

impl Rest {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("connect")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4_096), request: String::new() })
    }

    /// Asks a public question.
    pub(crate) async fn get(&mut self, path: &str) -> Result<String> {
        self.request = format!("GET {path} HTTP/1.1\r\nHost: api.kraken.com\r\n\r\n");
        self.ask().await
    }

    /// Posts JSON.
    pub(crate) async fn post(&mut self, path: &str, body: &str) -> Result<String> {
        self.request = format!(
            "POST {path} HTTP/1.1\r\nHost: api.kraken.com\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.ask().await
    }

    /// Makes a signed call; an error of the venue is an error.
    pub(crate) async fn call(
        &mut self,
        key: &Key,
        method: &str,
        nonce: u64,
        fields: &str,
    ) -> Result<String> {
        let path = format!("/0/private/{method}");
        let signed = key.sign(&path, nonce, fields);
        self.request = format!(
            "POST {path} HTTP/1.1\r\nHost: api.kraken.com\r\nAPI-Key: {}\r\nAPI-Sign: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{}",
            key.public,
            signed.sign,
            signed.body.len(),
            signed.body
        );
        let answer = self.ask().await?;
        if answer.starts_with("{\"error\":[]") { Ok(answer) } else { bail!("{method}: {answer}") }
    }

    async fn ask(&mut self) -> Result<String> {
        self.stream.write_all(self.request.as_bytes()).await.context("ask")?;
        self.buffer.clear();
        loop {
            let count = self.stream.read_buf(&mut self.buffer).await.context("read an answer")?;
            if count == 0 || self.buffer.len() > ANSWER_BYTES_MAX {
                bail!("the answer ended after {} bytes", self.buffer.len());
            }
            if let Some(body) = whole(&self.buffer)? {
                return Ok(body.to_owned());
            }
        }
    }
}

/// Gives the body once all of it is there.
fn whole(bytes: &[u8]) -> Result<Option<&str>> {
    let text = std::str::from_utf8(bytes).context("read an answer as text")?;
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return Ok(None) };
    if !head.starts_with("HTTP/1.1 200") {
        bail!("answered {head}");
    }
    let mut lengths = head.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let length = lengths.next().context("an answer without its length")?;
    Ok((body.len() >= length).then_some(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_once_all_of_it_is_there() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n";
        for (text, body) in [("", None), ("\r\n", None), ("\r\n{", None), ("\r\n{}", Some("{}"))] {
            assert_eq!(whole(format!("{head}{text}").as_bytes()).unwrap(), body, "{text:?}");
        }
        assert!(whole(b"HTTP/1.1 500 no\r\n\r\n").is_err());
    }
}
