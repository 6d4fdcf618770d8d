//! HTTP calls of an order-entry session.
//!
//! In: calls, signed where they have to be. Out: how each ended, once. Some are under way at once, more wait in line,
//! and what does not fit is ended at once as not sent: the session decides what to do then.
//!
//! Nothing is tried again here, no redirect is followed, no proxy is asked and no answer is unpacked. What a call
//! carries is in no log line and in no `detail`.

use crate::chain;
use remora_venue_api::{CallEnd, CallId, CallMethod, VenueCall};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Request, Response, redirect, retry};
use rustls::crypto::ring::default_provider;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{Id, JoinSet};
use tokio::time::timeout;

#[cfg(test)]
mod tests;

/// Bounds of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSettings {
    /// How long name resolution, TCP and TLS may take together; shorter than `total_timeout`.
    pub connect_timeout: Duration,
    /// How long a call may take from its start to the last byte of its answer.
    pub total_timeout: Duration,
    /// The largest answer that is taken, in bytes.
    pub answer_bytes_max: usize,
    /// Calls that may be under way at once.
    pub under_way_max: usize,
    /// Calls that may wait for their turn.
    pub waiting_max: usize,
}

impl Default for CallSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            total_timeout: Duration::from_secs(15),
            // The longest lists that venues give are some megabytes.
            answer_bytes_max: 16 * 1024 * 1024,
            under_way_max: 16,
            // No venue's rate limit lets so many pass in the time that one may take.
            waiting_max: 256,
        }
    }
}

/// Says why no calls can be made.
#[derive(Debug, thiserror::Error)]
pub enum CallsError {
    /// TLS refuses what it is set up with.
    #[error("set up TLS for calls")]
    Tls(#[source] rustls::Error),
    /// The client cannot be made.
    #[error("make the client for calls")]
    Client(#[source] reqwest::Error),
}

/// Makes the calls of one session. Dropping it ends those under way.
#[derive(Debug)]
pub struct VenueCalls {
    settings: CallSettings,
    client: Client,
    under_way: JoinSet<CallEnd>,
    calls: HashMap<Id, CallId>,
    waiting: VecDeque<VenueCall>,
    /// Calls that were refused here and not yet told.
    refused: VecDeque<(CallId, CallEnd)>,
}

impl VenueCalls {
    /// Makes a client that trusts the same authorities as the sockets do. Must be used inside a tokio runtime.
    ///
    /// # Errors
    /// Tells what cannot be set up.
    pub fn new(settings: CallSettings) -> Result<Self, CallsError> {
        let client = client(&settings)?;
        Ok(Self {
            settings,
            client,
            under_way: JoinSet::new(),
            calls: HashMap::new(),
            waiting: VecDeque::new(),
            refused: VecDeque::new(),
        })
    }

    /// Takes a call and returns at once; its end arrives through `recv`.
    pub fn perform(&mut self, call: VenueCall) {
        if self.under_way.len() < self.settings.under_way_max.max(1) {
            self.start(call);
        } else if self.waiting.len() < self.settings.waiting_max {
            self.waiting.push_back(call);
        } else {
            let max = self.settings.waiting_max;
            let detail = format!("{max} calls wait already");
            self.refused.push_back((call.call, CallEnd::Failed { is_maybe_sent: false, detail }));
        }
    }

    /// Gives the next end of a call. Cancel-safe: a dropped call of this loses nothing.
    pub async fn recv(&mut self) -> (CallId, CallEnd) {
        loop {
            if let Some(refused) = self.refused.pop_front() {
                return refused;
            }
            let (id, end) = match self.under_way.join_next_with_id().await {
                Some(Ok((id, end))) => (id, end),
                Some(Err(error)) => {
                    let detail = "the task of the call failed".to_owned();
                    (error.id(), CallEnd::Failed { is_maybe_sent: true, detail })
                }
                None => std::future::pending().await,
            };
            if let Some(next) = self.waiting.pop_front() {
                self.start(next);
            }
            if let Some(call) = self.calls.remove(&id) {
                return (call, end);
            }
        }
    }

    /// Gives how many calls are under way or wait.
    #[must_use]
    pub fn open(&self) -> usize {
        self.under_way.len().saturating_add(self.waiting.len())
    }

    fn start(&mut self, call: VenueCall) {
        let (client, settings) = (self.client.clone(), self.settings.clone());
        let number = call.call;
        let task = self.under_way.spawn(async move { make(&client, &settings, call).await });
        self.calls.insert(task.id(), number);
    }
}

fn client(settings: &CallSettings) -> Result<Client, CallsError> {
    let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned();
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(CallsError::Tls)?
        .with_root_certificates(rustls::RootCertStore::from_iter(roots))
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(settings.connect_timeout)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .no_proxy()
        .no_gzip()
        .user_agent(concat!("remora/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(CallsError::Client)
}

/// Asks for a public document; gives the body of a good answer, or why there is none.
pub(crate) async fn get(settings: &CallSettings, url: &str) -> Result<String, String> {
    let client = client(settings).map_err(|error| chain(&error))?;
    let (call, method) = (CallId::new(0), CallMethod::Get);
    let call =
        VenueCall { call, method, url: url.to_owned(), headers: Vec::new(), body: "".into() };
    match make(&client, settings, call).await {
        CallEnd::Answered { status: 200, body } => Ok(body.expose().to_owned()),
        CallEnd::Answered { status, .. } => Err(format!("call of {url}: HTTP status {status}")),
        CallEnd::Failed { detail, .. } => Err(detail),
    }
}

/// Makes one call.
async fn make(client: &Client, settings: &CallSettings, call: VenueCall) -> CallEnd {
    let (number, url) = (call.call.get(), call.url.clone());
    let end = match request(client, call) {
        Err(detail) => CallEnd::Failed { is_maybe_sent: false, detail },
        Ok(request) => {
            // Connecting has its own, shorter bound: when this one is over, something may have been sent.
            let answer = timeout(settings.total_timeout, exchange(client, settings, request)).await;
            answer.unwrap_or_else(|_| CallEnd::Failed {
                is_maybe_sent: true,
                detail: format!("no complete answer within {:?}", settings.total_timeout),
            })
        }
    };
    match end {
        CallEnd::Answered { status, .. } => {
            tracing::debug!(call = number, status, "call answered");
            end
        }
        CallEnd::Failed { is_maybe_sent, detail } => {
            let detail = format!("call of {url}: {detail}");
            tracing::debug!(call = number, is_maybe_sent, detail, "call failed");
            CallEnd::Failed { is_maybe_sent, detail }
        }
    }
}

/// Puts a request together; says what is wrong with it without saying what it holds.
fn request(client: &Client, call: VenueCall) -> Result<Request, String> {
    let VenueCall { call: _, method, url, headers, body } = call;
    let mut fields = HeaderMap::new();
    for (name, value) in headers {
        let field = HeaderName::from_bytes(name.as_bytes());
        let field = field.map_err(|_| format!("{name:?} is no header field"))?;
        let value = HeaderValue::from_str(value.expose());
        let mut value = value.map_err(|_| format!("header field {name} holds what none can"))?;
        // The protocol libraries show no value that is marked so.
        value.set_sensitive(true);
        fields.insert(field, value);
    }
    let request = match method {
        CallMethod::Get => client.get(url),
        CallMethod::Post => client.post(url).body(body.expose().to_owned()),
    };
    request.headers(fields).build().map_err(|error| chain(&error.without_url()))
}

async fn exchange(client: &Client, settings: &CallSettings, request: Request) -> CallEnd {
    let failed = |is_maybe_sent: bool, error: reqwest::Error| {
        let detail = chain(&error.without_url());
        CallEnd::Failed { is_maybe_sent, detail }
    };
    match client.execute(request).await {
        Err(error) => failed(!error.is_connect() && !error.is_builder(), error),
        Ok(answer) => {
            let status = answer.status().as_u16();
            match read(answer, settings.answer_bytes_max).await {
                Ok(Some(bytes)) => {
                    let body = String::from_utf8_lossy(&bytes).into_owned();
                    CallEnd::Answered { status, body: body.into() }
                }
                Ok(None) => {
                    let max = settings.answer_bytes_max;
                    let detail = format!("the answer is longer than {max} bytes");
                    CallEnd::Failed { is_maybe_sent: true, detail }
                }
                Err(error) => failed(true, error),
            }
        }
    }
}

/// Reads an answer to its end; `None` for one that is too long.
async fn read(mut answer: Response, max: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if bytes.len().saturating_add(chunk.len()) > max {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}
