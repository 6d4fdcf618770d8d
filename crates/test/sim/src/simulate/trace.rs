//! What happened, for two readers: a hash that two runs are compared by, and the last events for a person.

use remora_domain::{Body, ClOrdId, Envelope, Service, Timestamp};
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;
use std::sync::Arc;

/// Events that are kept for a person; a minute or two of a run.
const KEPT: usize = 50_000;

/// Is one event.
#[derive(Debug)]
enum Note {
    Published(Service, Arc<Envelope>),
    Text(String),
}

/// Keeps the events of a run.
pub(super) struct Trace {
    hash: Sha256,
    notes: VecDeque<(Timestamp, Note)>,
}

impl Trace {
    pub(super) fn new() -> Self {
        Self { hash: Sha256::new(), notes: VecDeque::new() }
    }

    /// Takes a published message with its bytes.
    pub(super) fn published(
        &mut self,
        now: Timestamp,
        by: Service,
        message: &Arc<Envelope>,
        bytes: &[u8],
    ) {
        self.hash.update(now.as_ns().to_le_bytes());
        self.hash.update(bytes);
        // Most of a run is market data, which says nothing of an order.
        let is_market = match &message.body {
            Body::Book(_)
            | Body::Trade(_)
            | Body::Ticker(_)
            | Body::MarketStatus(_)
            | Body::FeedStatus(_)
            | Body::Bar(_)
            | Body::DecisionRecord(_)
            | Body::Heartbeat(_) => true,
            Body::Instrument(_)
            | Body::Universe(_)
            | Body::OrderRequest(_)
            | Body::OrderApproval(_)
            | Body::OrderRefusal(_)
            | Body::OrderCancel(_)
            | Body::OrderEvent(_)
            | Body::Balances(_)
            | Body::Position(_)
            | Body::AccountFees(_)
            | Body::AccountBreak(_)
            | Body::ControlCommand(_)
            | Body::ControlState(_) => false,
        };
        if !is_market {
            self.keep(now, Note::Published(by, Arc::clone(message)));
        }
    }

    /// Takes anything else.
    pub(super) fn note(&mut self, now: Timestamp, text: String) {
        self.hash.update(now.as_ns().to_le_bytes());
        self.hash.update(text.as_bytes());
        self.keep(now, Note::Text(text));
    }

    fn keep(&mut self, now: Timestamp, note: Note) {
        if self.notes.len() >= KEPT {
            self.notes.pop_front();
        }
        self.notes.push_back((now, note));
    }

    /// Gives the hash of everything so far, as hexadecimal digits.
    pub(super) fn digest(&self) -> String {
        self.hash.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Gives the last events, those about one order and about the system when one is named.
    pub(super) fn last(
        &self,
        start: Timestamp,
        order: Option<&ClOrdId>,
        count: usize,
    ) -> Vec<String> {
        let is_about = |note: &Note| match (order, note) {
            (None, _) => true,
            (Some(id), Note::Text(text)) => text.contains(id.as_str()) || text.starts_with('!'),
            (Some(id), Note::Published(_, message)) => order_of(&message.body) == Some(id),
        };
        let mut lines: Vec<String> = self
            .notes
            .iter()
            .rev()
            .filter(|(_, note)| is_about(note))
            .take(count)
            .map(|(at, note)| {
                let seconds = at.since(start).as_seconds_est();
                match note {
                    Note::Text(text) => format!("{seconds:>12.6}  {text}"),
                    Note::Published(by, message) => {
                        format!("{seconds:>12.6}  {}: {}", by.name(), told(message))
                    }
                }
            })
            .collect();
        lines.reverse();
        lines
    }
}

/// Gives the order that a message is about.
fn order_of(body: &Body) -> Option<&ClOrdId> {
    match body {
        Body::OrderRequest(of) => Some(&of.cl_ord_id),
        Body::OrderApproval(of) => Some(&of.fields.request.cl_ord_id),
        Body::OrderRefusal(of) => Some(&of.cl_ord_id),
        Body::OrderCancel(of) => Some(&of.cl_ord_id),
        Body::OrderEvent(of) => Some(&of.cl_ord_id),
        Body::Book(_)
        | Body::Trade(_)
        | Body::Ticker(_)
        | Body::MarketStatus(_)
        | Body::FeedStatus(_)
        | Body::Instrument(_)
        | Body::Bar(_)
        | Body::Universe(_)
        | Body::Balances(_)
        | Body::Position(_)
        | Body::AccountFees(_)
        | Body::AccountBreak(_)
        | Body::DecisionRecord(_)
        | Body::ControlCommand(_)
        | Body::ControlState(_)
        | Body::Heartbeat(_) => None,
    }
}

/// Tells a message in a line.
fn told(message: &Envelope) -> String {
    let id = message.header.message_id();
    let text = match &message.body {
        Body::OrderRequest(of) => {
            format!("asks {} {} {} at {}", of.cl_ord_id, of.side, of.qty, of.price)
        }
        Body::OrderApproval(of) => {
            let (id, until) = (&of.fields.request.cl_ord_id, of.fields.expires_at.as_ns());
            format!("approves {id}, epoch {}, until {until}", of.fields.epoch)
        }
        Body::OrderRefusal(of) => {
            let (limit, value) = (&of.limit, &of.value);
            format!("refuses {}: {} limit {limit}, value {value}", of.cl_ord_id, of.reason)
        }
        Body::OrderCancel(of) => format!("takes {} back: {:?}", of.cl_ord_id, of.reason),
        Body::OrderEvent(of) => {
            let fill = of.fill.as_ref().map(|fill| format!(", fill {}", fill.exec_id));
            let (what, status) = (of.exec_type, of.ord_status);
            let (why, fill) = (of.reason, fill.unwrap_or_default());
            format!("{} {what:?} -> {status:?}, cum {}, {why:?}{fill}", of.cl_ord_id, of.cum_qty)
        }
        Body::Book(_)
        | Body::Trade(_)
        | Body::Ticker(_)
        | Body::MarketStatus(_)
        | Body::FeedStatus(_)
        | Body::Instrument(_)
        | Body::Bar(_)
        | Body::Universe(_)
        | Body::Balances(_)
        | Body::Position(_)
        | Body::AccountFees(_)
        | Body::AccountBreak(_)
        | Body::DecisionRecord(_)
        | Body::ControlCommand(_)
        | Body::ControlState(_)
        | Body::Heartbeat(_) => format!("{:?}", message.body).chars().take(240).collect(),
    };
    format!("{text} ({id})")
}
