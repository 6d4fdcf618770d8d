//! What the router asks for: intentions stored, commands given to the venue.

use remora_bus::StoredAt;
use remora_domain::{AccountBreak, Body, ClOrdId, DurationNs, Envelope, Timestamp};
use remora_order_router_core::{OrderRouterCore, RouterInput, RouterOutput};
use remora_service_kit::drive::{Effects, LocalEvent};
use remora_service_kit::{Publisher, Question, TraceContext};
use remora_venue_api::VenueCommand;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::sync::{mpsc, oneshot};

/// Is a command with the trace it belongs to.
pub(crate) type Traced = (VenueCommand, TraceContext);

/// Stores intentions, and says in their order when each is stored.
pub(crate) struct Intents {
    publisher: Publisher,
    waiting: mpsc::Sender<Waiting>,
}

struct Waiting {
    cl_ord_id: ClOrdId,
    stored: oneshot::Receiver<StoredAt>,
    context: TraceContext,
}

impl Intents {
    pub(crate) fn start(
        publisher: Publisher,
        inputs: mpsc::Sender<LocalEvent<RouterInput>>,
        waiting_max: usize,
    ) -> Self {
        let (waiting, mut queue) = mpsc::channel::<Waiting>(waiting_max);
        tokio::spawn(async move {
            // The publisher stores one after the other, so waiting one after the other holds nothing up.
            while let Some(Waiting { cl_ord_id, stored, context }) = queue.recv().await {
                let input = match stored.await {
                    Ok(_) => RouterInput::Stored { cl_ord_id },
                    Err(_) => RouterInput::StoreFailed { cl_ord_id },
                };
                if inputs.send(LocalEvent { input, context }).await.is_err() {
                    return;
                }
            }
        });
        Self { publisher, waiting }
    }

    fn store(&self, intent: &Envelope, context: &TraceContext) -> Result<(), &'static str> {
        let Body::OrderEvent(event) = &intent.body else {
            return Err("the core asked to store something that is no order event");
        };
        let stored = self.publisher.publish_confirmed(intent, context);
        let stored = stored.map_err(|_| "the queue of order messages is full or gone")?;
        let (cl_ord_id, context) = (event.cl_ord_id.clone(), context.clone());
        let waiting = self.waiting.try_send(Waiting { cl_ord_id, stored, context });
        waiting.map_err(|_| "too many intentions wait to be stored")
    }
}

/// Performs what only a router does.
pub(crate) struct RouterEffects {
    commands: mpsc::Sender<Traced>,
    intents: Intents,
}

impl RouterEffects {
    pub(crate) const fn new(commands: mpsc::Sender<Traced>, intents: Intents) -> Self {
        Self { commands, intents }
    }
}

impl Effects<OrderRouterCore> for RouterEffects {
    fn perform(
        &mut self,
        _: Timestamp,
        output: RouterOutput,
        context: &TraceContext,
    ) -> Result<(), &'static str> {
        match output {
            RouterOutput::StoreIntent(intent) => self.intents.store(&intent, context),
            RouterOutput::Venue(command) => {
                let given = self.commands.try_send((command, context.clone()));
                given.map_err(|_| "the venue's queue is full or its worker is gone")
            }
        }
    }

    fn answer(
        &mut self,
        _: Timestamp,
        _: &OrderRouterCore,
        question: &Question,
    ) -> Result<Value, String> {
        match question {
            Question::Order(_) | Question::Limits(_) | Question::Confirm { .. } => {
                Err("an order router knows no limits: ask the gate".to_owned())
            }
        }
    }

    fn details(&mut self, core: &OrderRouterCore) -> Value {
        let counters = core.counters();
        let named = |map: &BTreeMap<_, u64>| -> BTreeMap<String, u64> {
            map.iter().map(|(reason, count)| (format!("{reason:?}"), *count)).collect()
        };
        let (take_backs, orders_open, emptied_after) = core.taken_back();
        let whole = core.account_cancel();
        json!({
            "venue": core.venue().as_str(),
            "take_backs": take_backs,
            "orders_open": orders_open,
            "emptied_after_ms": emptied_after.map(DurationNs::as_ms),
            "account_cancels": whole.begun,
            "account_orders_open": whole.orders_open,
            "account_emptied_after_ms": whole.emptied_after.map(DurationNs::as_ms),
            "account_given_up": whole.is_given_up,
            "is_guarded": core.is_guarded(),
            "is_ready": core.is_ready(),
            "is_halted": core.is_halted(),
            "live_orders": core.live_orders(),
            "submitted": counters.submitted,
            "cancels_sent": counters.cancels_sent,
            "fills": counters.fills,
            "fills_late": counters.fills_late,
            "fills_repeated": counters.fills_repeated,
            "submit_unknown": counters.submit_unknown,
            "closed_as_absent": counters.closed_as_absent,
            "orphans_cancelled": counters.orphans_cancelled,
            "foreign_open": counters.foreign_open,
            "anomalies": counters.anomalies,
            "breaks": core.breaks().map(told).collect::<Vec<Value>>(),
            "balances_compared_at_ns": core.balances_compared_at().map(Timestamp::as_ns),
            "balances_not_compared": core.balances_not_compared(),
            "not_ours": counters.not_ours,
            "refused": named(&counters.refused),
            "named_again": named(&counters.named_again),
        })
    }
}

/// Tells one difference between the venue's account and ours.
fn told(one: &AccountBreak) -> Value {
    json!({
        "break_id": one.break_id.as_str(),
        "kind": format!("{:?}", one.kind),
        "instrument": one.instrument.as_ref().map(ToString::to_string),
        "asset": one.asset.as_ref().map(ToString::to_string),
        "cl_ord_id": one.cl_ord_id.as_ref().map(ToString::to_string),
        "cause": one.cause,
        "expected": one.expected.map(|amount| amount.to_string()),
        "actual": one.actual.map(|amount| amount.to_string()),
        "opened_at_ns": one.opened_at.as_ns(),
    })
}
