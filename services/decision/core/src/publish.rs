//! What leaves the core: requests, cancels, records.

use crate::core::DecisionCore;
use crate::sides::{Visit, Wake};
use crate::target::Quotes;
use remora_domain::{
    Body, CancelReason, ClOrdId, DecisionReason, DecisionRecord, Header, OrderCancel, OrderRequest,
    Qty, QuoteTarget, Side, TimeInForce, Timestamp,
};
use remora_machine::{NoLocal, ServiceOutput};

/// Is where a core puts what it wants.
pub(crate) type Outputs = Vec<ServiceOutput<NoLocal>>;

/// Is the record that was published last for a pair.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LastRecord {
    at: Timestamp,
    reason: DecisionReason,
    bid: Option<QuoteTarget>,
    ask: Option<QuoteTarget>,
}

impl DecisionCore {
    pub(crate) fn publish_request(
        &mut self,
        visit: &Visit<'_>,
        side: Side,
        target: QuoteTarget,
        orig_cl_ord_id: Option<ClOrdId>,
        out: &mut Outputs,
    ) {
        let Ok(cl_ord_id) = self.orders.next_id() else {
            out.push(ServiceOutput::Fault("client order ids of this session are used up"));
            return;
        };
        let orig = orig_cl_ord_id.as_ref().and_then(|id| self.orders.get(visit.key, id));
        let orig_cum_qty = orig.map_or(Qty::ZERO, |orig| orig.cum);
        let request = OrderRequest {
            cl_ord_id,
            account: self.config.account.clone(),
            strategy: self.config.strategy.clone(),
            instrument: visit.key.clone(),
            side,
            price: target.price,
            qty: target.qty,
            tif: TimeInForce::Gtc,
            is_post_only: true,
            deadline: visit.now.saturating_add(self.config.times.request_ttl),
            orig_cl_ord_id,
            orig_cum_qty,
        };
        self.orders.requested(&request);
        if let Some(pair) = self.pairs.get_mut(visit.key) {
            pair.side_mut(side).requested(visit.now);
        }
        self.publish(visit.now, visit.cause, Body::OrderRequest(request), out);
    }

    pub(crate) fn publish_cancel(
        &mut self,
        visit: &Visit<'_>,
        id: &ClOrdId,
        reason: CancelReason,
        out: &mut Outputs,
    ) {
        let cancel = OrderCancel {
            cl_ord_id: id.clone(),
            account: self.config.account.clone(),
            instrument: visit.key.clone(),
            reason,
        };
        self.orders.cancel_sent(visit.now, &cancel);
        self.publish(visit.now, visit.cause, Body::OrderCancel(cancel), out);
    }

    /// Publishes a record when the reason changed, or, less often, the targets.
    pub(crate) fn publish_record(
        &mut self,
        visit: &Visit<'_>,
        is_paused: bool,
        wake: &mut Wake,
        out: &mut Outputs,
    ) {
        let quotes = visit.quotes.as_ref();
        let reason = match quotes {
            Ok(_) if is_paused => DecisionReason::RefusalPause,
            Ok(quotes) => quotes.reason,
            Err(reason) => *reason,
        };
        let record = DecisionRecord {
            instrument: visit.key.clone(),
            reason,
            bid: quotes.ok().and_then(|quotes| quotes.bid),
            ask: quotes.ok().and_then(|quotes| quotes.ask),
            position: self.orders.position(visit.key),
            fair_value_est: quotes.ok().map(|quotes| quotes.fair_est),
            volatility_est: quotes.ok().map(|quotes| quotes.sigma_est),
            bid_offset_est: quotes.ok().and_then(|quotes: &Quotes| quotes.bid_offset_est),
            ask_offset_est: quotes.ok().and_then(|quotes: &Quotes| quotes.ask_offset_est),
        };
        let interval = self.config.times.record_interval;
        let Some(pair) = self.pairs.get_mut(visit.key) else { return };
        if let Some(last) = &pair.record {
            let is_same = last.bid == record.bid && last.ask == record.ask;
            let mut is_early = || wake.want(last.at.saturating_add(interval));
            if last.reason == reason && (is_same || is_early()) {
                return;
            }
        }
        let (bid, ask) = (record.bid, record.ask);
        pair.record = Some(LastRecord { at: visit.now, reason, bid, ask });
        self.publish(visit.now, visit.cause, Body::DecisionRecord(record), out);
    }

    fn publish(&mut self, now: Timestamp, cause: Option<&Header>, body: Body, out: &mut Outputs) {
        let envelope = match cause {
            Some(header) => self.sequencer.reply(now, header, body),
            None => self.sequencer.wrap(now, body),
        };
        out.push(ServiceOutput::publish(envelope));
    }
}
