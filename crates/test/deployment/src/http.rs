//! Asks the HTTP addresses of services.

use anyhow::{Context as _, Result};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Services answer from memory; longer means that one is not there.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Gets a path; gives the status code and the body.
pub(crate) fn get(address: &str, path: &str, token: Option<&str>) -> Result<(u16, String)> {
    let mut stream =
        TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    let token =
        token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    // HTTP/1.0: the answer ends with the connection and comes in one piece.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n{token}\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).with_context(|| format!("read {path} of {address}"))?;
    let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    Ok((code.with_context(|| format!("{path} of {address}: no status"))?, body.to_owned()))
}

/// Gets a path whose answer is JSON.
pub(crate) fn get_json(address: &str, path: &str, token: Option<&str>) -> Result<(u16, Value)> {
    let (code, body) = get(address, path, token)?;
    let value = serde_json::from_str(&body);
    Ok((code, value.with_context(|| format!("{path} of {address}: {code} {body}"))?))
}
