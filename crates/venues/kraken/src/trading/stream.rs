//! The private socket: its life, and what it says.
//!
//! A message that is missing, or an event that cannot be read, is settled by asking; an event of an order that nobody
//! here knows and that carries our name is too.

use super::KrakenTrading;
use super::acts::Outcome;
use super::codec::{Unreadable, shape};
use super::errors::end_reason;
use super::frames::{self, Frame, Item, Reply};
use super::link::Due;
use super::orders::Out;

use super::requests::{Channel, Pending, Request, ping_frame, subscribe_frame, unsubscribe_frame};
use remora_domain::{ClOrdId, DurationNs, Timestamp};
use remora_venue_api::{ConnId, ProblemKind, VenueOutput};
use serde_json::value::RawValue;

/// After a gap the subscription is begun anew, at most this often.
const RESUBSCRIBE_PAUSE: DurationNs = DurationNs::from_s(5);
/// What was doubted a moment ago is asked for after this: the missing message may only be late.
const DOUBT: DurationNs = DurationNs::from_ms(200);

impl KrakenTrading {
    pub(super) fn on_connected(&mut self, now: Timestamp, conn: ConnId, out: &mut Out) {
        if !self.link.connected(now, conn) {
            if conn != self.link.conn() || !self.link.is_up() {
                out.push(VenueOutput::Close { conn });
            }
            return;
        }
        self.subscribe(now, out);
    }

    fn subscribe(&mut self, now: Timestamp, out: &mut Out) {
        for channel in [Channel::Executions, Channel::Balances] {
            self.ask_socket(now, Request::Subscribe(channel), out);
        }
    }

    fn ask_socket(&mut self, now: Timestamp, request: Request, out: &mut Out) {
        let Some(token) = self.link.token.clone() else { return };
        let sent = Pending { request: request.clone(), cost: Vec::new(), sent_at: now };
        let req_id = self.requests.add(sent);
        let text = match request {
            Request::Subscribe(channel) => subscribe_frame(channel, token.expose(), req_id),
            Request::Unsubscribe(channel) => unsubscribe_frame(channel, token.expose(), req_id),
            Request::Ping | Request::Act(_) => ping_frame(req_id),
        };
        out.push(VenueOutput::Send { conn: self.link.conn(), text: text.into() });
    }

    pub(super) fn on_disconnected(&mut self, now: Timestamp, conn: ConnId, out: &mut Out) {
        if self.link.disconnected(now, conn) {
            self.socket_lost(now, out);
        }
    }

    /// Takes everything that was under way for lost; cancels go another way.
    fn socket_lost(&mut self, now: Timestamp, out: &mut Out) {
        for pending in self.requests.take_all().into_values() {
            let again = match &pending.request {
                Request::Act(super::calls::Act::Cancel(ids)) => ids.clone(),
                Request::Act(_)
                | Request::Subscribe(_)
                | Request::Unsubscribe(_)
                | Request::Ping => Vec::new(),
            };
            self.lost(now, pending, out);
            for id in again {
                if self.orders.get(&id).is_some_and(|order| order.is_live()) {
                    self.cancel(now, id, None, out);
                }
            }
        }
        self.settle.doubt(now);
        self.settle.want(now);
    }

    /// Closes the socket; another one follows.
    pub(super) fn close_link(&mut self, now: Timestamp, why: &str, out: &mut Out) {
        let conn = self.link.conn();
        if self.link.closing(now) {
            self.problem(ProblemKind::Silent, None, format!("{why}: reconnecting"), out);
            out.push(VenueOutput::Close { conn });
        }
    }

    pub(super) fn tick_link(&mut self, now: Timestamp, out: &mut Out) {
        match self.link.tick(now) {
            Due::Nothing => {}
            Due::Ping => self.ask_socket(now, Request::Ping, out),
            Due::Close(why) => self.close_link(now, why, out),
            Due::Gone => self.on_disconnected(now, self.link.conn(), out),
        }
    }

    pub(super) fn on_frame(&mut self, now: Timestamp, conn: ConnId, text: &str, out: &mut Out) {
        if !self.link.heard(now, conn) {
            return;
        }
        match frames::decode(text) {
            Ok(Frame::Data { channel, sequence, is_snapshot, items }) => {
                let channel = match &*channel {
                    "executions" => Channel::Executions,
                    _ => Channel::Balances,
                };
                self.on_data(now, channel, sequence, is_snapshot, &items, out);
            }
            Ok(Frame::Reply(reply)) => self.on_reply(now, &reply, out),
            Ok(Frame::Refusal) => {
                self.too_fast(now);
                let detail = "the venue does not read so many requests".to_owned();
                self.problem(ProblemKind::RequestRefused, None, detail, out);
            }
            Ok(Frame::Other) => {}
            Err(error) => {
                self.unread(error, text, out);
                self.settle.doubt(now);
                self.settle.want(now);
            }
        }
    }

    /// Says what could not be read, without what it said.
    pub(super) fn unread(&mut self, error: Unreadable, text: &str, out: &mut Out) {
        let detail = format!("{error} in {}", shape(text));
        self.problem(ProblemKind::Malformed, None, detail, out);
    }

    fn on_data(
        &mut self,
        now: Timestamp,
        channel: Channel,
        sequence: Option<u64>,
        is_snapshot: bool,
        items: &[&RawValue],
        out: &mut Out,
    ) {
        let was_live = self.link.is_live();
        let sub = self.link.sub(channel);
        let before = sub.sequence;
        sub.sequence = sub.sequence.max(sequence).or(Some(0));
        let is_gap = match (before, sequence) {
            (Some(before), Some(now)) => now > before.saturating_add(1),
            (None, Some(first)) => first > 1,
            (_, None) => false,
        };
        let is_next = match (before, sequence) {
            (Some(before), Some(now)) => now == before.saturating_add(1),
            (None, Some(_)) | (_, None) => true,
        };
        self.is_stream_sure = is_next && !is_gap && !self.settle.is_in_doubt();
        if is_gap {
            let detail = format!(
                "{}: message {} followed {}",
                channel.name(),
                sequence.unwrap_or(0),
                before.unwrap_or(0)
            );
            self.problem(ProblemKind::SequenceGap, None, detail, out);
            self.doubt(now, channel, out);
        }
        match channel {
            Channel::Executions => {
                for raw in items {
                    if let Err(error) = self.on_item(now, raw, is_snapshot, out) {
                        self.unread(error, raw.get(), out);
                        self.doubt_names(now, error);
                        self.settle.doubt(now);
                        self.settle.want(now);
                    }
                }
            }
            Channel::Balances if is_snapshot => {}
            Channel::Balances => self.want_balances(now),
        }
        if !was_live && self.link.is_live() {
            self.settle.doubt(now);
            self.settle.want(now); // what happened before is asked for
        }
    }

    /// Asks for what may be missing, and begins the subscription anew.
    fn doubt(&mut self, now: Timestamp, channel: Channel, out: &mut Out) {
        self.settle.doubt(now);
        self.settle.want(now.saturating_add(DOUBT));
        self.want_balances(now);
        if self.resubscribed_at.is_none_or(|at| at.saturating_add(RESUBSCRIBE_PAUSE) <= now) {
            self.resubscribed_at = Some(now);
            self.ask_socket(now, Request::Unsubscribe(channel), out);
            self.ask_socket(now, Request::Subscribe(channel), out);
        }
    }

    fn on_reply(&mut self, now: Timestamp, reply: &Reply<'_>, out: &mut Out) {
        if let Some(time) = reply.time {
            self.offset = time.since(now);
        }
        let pending = reply.req_id.and_then(|req_id| self.requests.take(req_id));
        let Some(Pending { request, cost, sent_at }) = pending else { return };
        let error = reply.error.as_deref().unwrap_or("no reason given");
        match request {
            Request::Act(act) => {
                let outcome = if reply.is_success {
                    Outcome::Good(reply.result.map(RawValue::get))
                } else {
                    Outcome::Refused(error)
                };
                self.acted(now, &act, (&cost, sent_at), &outcome, out);
            }
            Request::Subscribe(channel) if reply.is_success => {
                self.link.resubscribing(now);
                // The sequence starts anew; data never comes before its acknowledgement.
                let sub = self.link.sub(channel);
                sub.is_acknowledged = true;
                sub.sequence = None;
                if let Some(points) = frames::max_rate_count(reply.result) {
                    self.budget.told_max(points);
                }
            }
            Request::Subscribe(channel) => {
                let detail = format!("{} refused: {}", channel.name(), self.scrubbed(error));
                self.problem(ProblemKind::RequestRefused, None, detail, out);
                self.close_link(now, "a subscription was refused", out);
            }
            Request::Unsubscribe(_) | Request::Ping => {}
        }
    }

    /// Takes in one event of an order.
    fn on_item(
        &mut self,
        now: Timestamp,
        raw: &RawValue,
        is_snapshot: bool,
        out: &mut Out,
    ) -> Result<(), Unreadable> {
        let item = match frames::item(raw) {
            Ok(item) => item,
            Err(error) => {
                let (order_id, cl_ord_id) = frames::named(raw);
                let is_ours = self.orders.find(order_id.as_deref(), cl_ord_id.as_deref()).is_some();
                // What names no order of ours may still be about one.
                return if is_ours || order_id.is_none() { Err(error) } else { Ok(()) };
            }
        };
        let known = self.orders.find(Some(&item.order_id), item.cl_ord_id.as_deref());
        let Some(id) = known.or_else(|| self.adopted(now, &item, is_snapshot)) else {
            return Ok(());
        };
        if let (Some(count), Some(key)) =
            (item.rate_count(), self.orders.get(&id).map(|order| order.key.clone()))
        {
            self.budget.told(now, &key, count);
        }
        self.apply(now, &id, &item, out)
    }

    /// Takes in that the venue changed an order, and gives its name from then on. What was filled before was told before,
    /// unless something is missing: then a list tells.
    fn amended_to(
        &mut self,
        now: Timestamp,
        id: &ClOrdId,
        item: &Item<'_>,
        time: Timestamp,
        out: &mut Out,
    ) -> Result<ClOrdId, Unreadable> {
        let seen = item.seen()?;
        if let Some(cum_qty) = item.cum_qty()? {
            self.orders.cum_told(id, cum_qty);
        }
        if self.is_stream_sure {
            return Ok(self.orders.terms_seen(now, id.clone(), seen, time, out));
        }
        self.settle.want(now.saturating_add(DOUBT));
        Ok(id.clone())
    }

    /// Takes on an order of ours that nobody here knows, where it is described; otherwise it is asked for.
    fn adopted(&mut self, now: Timestamp, item: &Item<'_>, is_snapshot: bool) -> Option<ClOrdId> {
        let id = ClOrdId::new(item.cl_ord_id.as_deref()?).ok()?;
        // Replayed fills of orders that the log does not know are older than the log.
        if !self.is_our_name(&id) || (is_snapshot && &*item.exec_type == "trade") {
            return None;
        }
        match item.description(&self.names) {
            Ok(Some(listed)) => {
                self.orders.adopt(now, &id, &listed);
                Some(id)
            }
            Ok(None) | Err(_) => {
                self.settle.want(now);
                None
            }
        }
    }

    fn apply(
        &mut self,
        now: Timestamp,
        id: &ClOrdId,
        item: &Item<'_>,
        out: &mut Out,
    ) -> Result<(), Unreadable> {
        let (order_id, time) = (item.order_id()?, item.time()?);
        self.orders.venue_told(time);
        let cum_qty = item.cum_qty()?;
        let is_change = &*item.exec_type == "amended";
        let name = if is_change { Some(self.amended_to(now, id, item, time, out)?) } else { None };
        let id = name.as_ref().unwrap_or(id);
        let is_lacking = match &*item.exec_type {
            "trade" => {
                let fill = item.fill(&self.names)?;
                self.orders.filled(now, id, &order_id, fill, time, out);
                cum_qty.is_some_and(|cum| self.orders.cum_told(id, cum))
            }
            "filled" => {
                self.orders.learn(now, id, &order_id);
                // With a change under way nobody here can say how much that is.
                let is_changing = self.orders.is_changing(id);
                let whole = self.orders.get(id).filter(|_| !is_changing).map(|order| order.qty);
                let cum = cum_qty.or(whole);
                self.orders.ended(id, end_reason(None), cum, time, out)
            }
            "canceled" | "expired" => {
                if &*item.exec_type == "canceled" {
                    self.ended_by_venue(now, id, item.reason.as_deref());
                }
                self.orders.learn(now, id, &order_id);
                let reason = end_reason(item.reason.as_deref());
                self.orders.ended(id, reason, cum_qty, time, out)
            }
            // Checked by the gateway, not at the engine yet.
            "pending_new" => {
                self.orders.learn(now, id, &order_id);
                false
            }
            "new" | "amended" | "restated" | "status" | "iceberg_refill" => {
                self.orders.accepted(now, id, &order_id, time, out);
                cum_qty.is_some_and(|cum| self.orders.cum_told(id, cum))
            }
            _ => return Err(Unreadable::new("executions item", "exec_type")),
        };
        if is_lacking {
            self.settle.want(now.saturating_add(DOUBT));
        }
        Ok(())
    }
}
