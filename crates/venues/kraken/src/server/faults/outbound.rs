//! Outputs on their way out: answers and frames lost, doubled, late, swapped or damaged.

use super::inbound::{rest_error, ws_error};
use super::text::{self, FrameKind, kind_of, member};
use super::{FaultKind, Faults, Sender};
use crate::server::io::{CallId, PeerId, ServerOutput};
use remora_domain::Timestamp;
use std::sync::Arc;

const HTML: &str = "text/html; charset=UTF-8";
/// The front's own status for an answer it did not understand.
const UNKNOWN_ERROR: u16 = 520;

impl Faults {
    /// Lets what the exchange made go on its way, or not.
    pub(crate) fn pass(
        &mut self,
        now: Timestamp,
        made: &mut Vec<ServerOutput>,
        out: &mut Vec<ServerOutput>,
    ) {
        if self.is_quiet(now) {
            out.append(made);
            return;
        }
        for output in made.drain(..) {
            match output {
                ServerOutput::HttpReply { call, .. } => self.pass_reply(now, call, output, out),
                ServerOutput::WsSend { peer, text } => self.pass_frame(now, peer, text, out),
                ServerOutput::HttpDrop { .. }
                | ServerOutput::WsClose { .. }
                | ServerOutput::WsStall { .. } => out.push(output),
            }
        }
    }

    fn pass_reply(
        &mut self,
        now: Timestamp,
        call: CallId,
        reply: ServerOutput,
        out: &mut Vec<ServerOutput>,
    ) {
        let is_current = self.current.as_ref().is_some_and(|it| it.from == Sender::Call(call));
        let is_accepted = match &reply {
            ServerOutput::HttpReply { status: 200, body, .. } => text::is_accepted(body),
            ServerOutput::HttpReply { .. }
            | ServerOutput::HttpDrop { .. }
            | ServerOutput::WsSend { .. }
            | ServerOutput::WsClose { .. }
            | ServerOutput::WsStall { .. } => false,
        };
        if !is_current || !is_accepted {
            return out.push(reply);
        }
        if self.strikes(now, FaultKind::ReplyLost).is_some() {
            out.push(ServerOutput::HttpDrop { call });
        } else if let Some(at) = self.strikes(now, FaultKind::ErrorPage) {
            let status = self.wish(at).and_then(|wish| wish.status).unwrap_or(UNKNOWN_ERROR);
            out.push(error_page(call, status));
        } else if let Some(error) = self.unavailable(now, true) {
            out.push(rest_error(call, &error));
        } else if let Some(at) = self.strikes(now, FaultKind::ReplyDelayed) {
            let due = now.saturating_add(self.delay(at));
            out.extend(self.hold.late(due, reply));
        } else {
            out.push(reply);
        }
    }

    fn pass_frame(
        &mut self,
        now: Timestamp,
        peer: PeerId,
        frame: Arc<str>,
        out: &mut Vec<ServerOutput>,
    ) {
        match kind_of(&frame) {
            FrameKind::Data(channel) => {
                let channel = channel.to_owned();
                self.pass_data(now, peer, channel, frame, out);
            }
            FrameKind::Other => self.pass_answer(now, peer, frame, out),
        }
    }

    fn pass_answer(
        &mut self,
        now: Timestamp,
        peer: PeerId,
        frame: Arc<str>,
        out: &mut Vec<ServerOutput>,
    ) {
        let current = self.current.as_ref().filter(|it| it.from == Sender::Peer(peer));
        let is_accepted = text::is_accepted(&frame);
        let Some(method) = current.map(|it| it.method.clone()).filter(|_| is_accepted) else {
            return out.push(ServerOutput::WsSend { peer, text: frame });
        };
        self.note_subscription(now, peer, &method, &frame);
        let head = text::ws_head(&frame);
        if self.strikes(now, FaultKind::ReplyLost).is_some() {
            return;
        }
        if let Some(error) = self.unavailable(now, true) {
            let text = ws_error(now.saturating_add(self.clock_offset(now)), &head, &error);
            return out.push(ServerOutput::WsSend { peer, text });
        }
        let answer = ServerOutput::WsSend { peer, text: Arc::clone(&frame) };
        match self.strikes(now, FaultKind::ReplyDelayed) {
            Some(at) => {
                let due = now.saturating_add(self.delay(at));
                out.extend(self.hold.late(due, answer));
            }
            None => out.push(answer),
        }
    }

    /// Notes which subscriptions stay silent, and which ended.
    fn note_subscription(&mut self, now: Timestamp, peer: PeerId, method: &str, answer: &str) {
        let Some(channel) = member(answer, "channel") else { return };
        let symbol = member(answer, "symbol").unwrap_or_default();
        let key = (peer, channel.to_owned(), symbol.to_owned());
        if method == "unsubscribe" {
            self.silent.remove(&key);
        } else if method == "subscribe" {
            let symbol = Some(symbol).filter(|symbol| !symbol.is_empty());
            if self.strikes_frame(now, FaultKind::Silent, peer, channel, symbol).is_some() {
                self.silent.insert(key, ());
            }
        }
    }

    fn pass_data(
        &mut self,
        now: Timestamp,
        peer: PeerId,
        channel: String,
        frame: Arc<str>,
        out: &mut Vec<ServerOutput>,
    ) {
        let symbol = member(&frame, "symbol").map(str::to_owned);
        let is_silent = !self.silent.is_empty() && {
            let of = |symbol: &str| (peer, channel.clone(), symbol.to_owned());
            self.silent.contains_key(&of(symbol.as_deref().unwrap_or_default()))
                || self.silent.contains_key(&of(""))
        };
        if is_silent {
            return;
        }
        let strikes = |faults: &mut Self, kind| {
            faults.strikes_frame(now, kind, peer, &channel, symbol.as_deref())
        };
        if strikes(self, FaultKind::Lost).is_some() {
            return;
        }
        // Chance is drawn only where there is something to corrupt.
        let damaged = matches!(&*channel, "book" | "level3")
            .then(|| text::corrupt(&frame))
            .flatten()
            .filter(|_| strikes(self, FaultKind::CorruptChecksum).is_some());
        let text = damaged.map_or(frame, Arc::from);
        let is_double = strikes(self, FaultKind::Duplicated).is_some();
        let is_swapped = strikes(self, FaultKind::Reordered).is_some();
        let delay = strikes(self, FaultKind::Delayed).map(|at| now.saturating_add(self.delay(at)));
        let lane = (peer, channel);
        let mut frame = Some(ServerOutput::WsSend { peer, text });
        let double = frame.clone().filter(|_| is_double);
        if is_swapped {
            frame = frame.and_then(|frame| self.hold.swap(now, lane.clone(), frame));
            if frame.is_none() {
                return;
            }
        }
        let behind = self.hold.swapped(&lane);
        let due = delay.into_iter().chain(self.hold.busy_until(now, &lane)).max();
        for frame in frame.into_iter().chain(double).chain(behind) {
            match due {
                Some(due) => out.extend(self.hold.late_in(lane.clone(), due, frame)),
                None => out.push(frame),
            }
        }
    }
}

fn error_page(call: CallId, status: u16) -> ServerOutput {
    let body = format!(
        "<!DOCTYPE html>\n<html><head><title>api.kraken.com | {status}</title></head>\
         <body><h1>Error {status}</h1><p>Simulated: the request behind this page was accepted.</p></body></html>\n"
    );
    ServerOutput::HttpReply { call, status, content_type: HTML, body: body.into() }
}
