//! Durable consumers: the server remembers what was acknowledged under a name.

use super::link::{Link, failed, received, timed_out};
use super::log::{compare, filters_of};
use crate::memory::ACK_PENDING_MAX;
use crate::reader::{Acknowledge, Delivery, DeliverySource};
use crate::{BusError, BusHealth, Call, Consumer, Stream};
use async_nats::jetstream::consumer::AckPolicy;
use async_nats::jetstream::consumer::pull::{Config, MessagesError, Stream as Messages};
use async_nats::jetstream::{AckKind, Message, message::Acker};
use futures::{FutureExt, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Messages asked for at once; they count against the time to acknowledge while they wait here.
const BATCH: usize = 200;
const HEARTBEAT: Duration = Duration::from_secs(5);
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// Says what is to be consumed.
pub(super) struct Plan {
    pub(super) stream: Stream,
    pub(super) durable: String,
    pub(super) filters: Vec<String>,
    pub(super) ack_wait: Duration,
}

/// Opens a consumer, making or updating it on the server.
pub(super) async fn open(link: Arc<Link>, plan: Plan) -> Result<Consumer, BusError> {
    let (messages, reconnects) = open_once(&link, &plan).await?;
    // One: deliveries are to wait at the server, where another reader may get them.
    let (sender, deliveries) = mpsc::channel(1);
    let health = link.signals.watch();
    let (leave, left) = oneshot::channel();
    let pump = Pump { link, plan, messages: Some(messages), reconnects, health };
    // Ends by itself when the receiver goes: what it holds must be given back first.
    drop(tokio::spawn(pump.run(sender, left)));
    Ok(Consumer::new(Box::new(NatsConsumer { deliveries, leave: Some(leave) })))
}

struct NatsConsumer {
    deliveries: mpsc::Receiver<Result<Delivery, BusError>>,
    /// Takes what was never handed out back to the pump.
    leave: Option<oneshot::Sender<Vec<Delivery>>>,
}

impl Drop for NatsConsumer {
    fn drop(&mut self) {
        self.deliveries.close();
        let mut waiting = vec![];
        while let Ok(delivery) = self.deliveries.try_recv() {
            waiting.extend(delivery);
        }
        if let Some(leave) = self.leave.take() {
            // Fails only if the pump has ended already, and then nothing was left.
            drop(leave.send(waiting));
        }
    }
}

#[async_trait::async_trait]
impl DeliverySource for NatsConsumer {
    async fn recv(&mut self) -> Result<Delivery, BusError> {
        self.deliveries.recv().await.unwrap_or(Err(BusError::Closed))
    }
}

struct Pump {
    link: Arc<Link>,
    plan: Plan,
    /// None only while the consumer is being given up.
    messages: Option<Messages>,
    reconnects: u64,
    health: watch::Receiver<BusHealth>,
}

impl Pump {
    async fn run(
        mut self,
        sender: mpsc::Sender<Result<Delivery, BusError>>,
        left: oneshot::Receiver<Vec<Delivery>>,
    ) {
        loop {
            let room = tokio::select! {
                biased;
                () = sender.closed() => break,
                room = sender.reserve() => room,
            };
            let Ok(room) = room else { break };
            let delivery = tokio::select! {
                biased;
                () = sender.closed() => break,
                delivery = self.next() => delivery,
            };
            let is_over = delivery.is_err();
            room.send(delivery);
            if is_over {
                return;
            }
        }
        self.give_back(left.await.unwrap_or_default()).await;
    }

    /// Gives back what has arrived and was not handed out, so that nobody waits until it is overdue. What the
    /// server sends at this very moment is not caught; it comes again when it is overdue.
    async fn give_back(mut self, mut waiting: Vec<Delivery>) {
        // Until what was under way is here.
        let since = self.link.violations();
        let mut given = self.link.round_trip(Call::Acknowledge, &self.plan.durable, since).await;
        if let Some(mut messages) = self.messages.take() {
            while let Some(Some(Ok(message))) = messages.next().now_or_never() {
                waiting.extend(delivery_of(&self.link, message));
            }
        }
        // Dropping the stream took our request for messages off the server, which would send them here again.
        for delivery in waiting {
            if given.is_ok() {
                given = delivery.nak().await;
            }
        }
        if let Err(error) = given {
            tracing::debug!(durable = self.plan.durable, %error, "deliveries not given back");
        }
    }

    async fn next(&mut self) -> Result<Delivery, BusError> {
        loop {
            let opened_at = self.reconnects;
            let message = tokio::select! {
                biased;
                message = next_of(self.messages.as_mut()) => message,
                _ = self.health.wait_for(|h| h.is_connected() && h.reconnects != opened_at) => None,
            };
            let delivery = match message {
                Some(Ok(message)) => delivery_of(&self.link, message),
                Some(Err(error)) => {
                    tracing::debug!(durable = self.plan.durable, %error, "consumer interrupted");
                    None
                }
                None => None,
            };
            match delivery {
                Some(delivery) => return Ok(delivery),
                None => self.reopen().await?,
            }
        }
    }

    async fn reopen(&mut self) -> Result<(), BusError> {
        self.link.signals.count_reopened();
        let mut wait = RETRY_FIRST;
        loop {
            self.link.connected().await;
            match open_once(&self.link, &self.plan).await {
                Ok((messages, reconnects)) => {
                    (self.messages, self.reconnects) = (Some(messages), reconnects);
                    return Ok(());
                }
                Err(error) if !error.is_transient() => return Err(error),
                Err(error) => {
                    tracing::warn!(durable = self.plan.durable, %error, "consumer not open again");
                }
            }
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2).min(RETRY_MAX);
        }
    }
}

async fn next_of(messages: Option<&mut Messages>) -> Option<Result<Message, MessagesError>> {
    messages?.next().await
}

async fn open_once(link: &Link, plan: &Plan) -> Result<(Messages, u64), BusError> {
    let reconnects = link.signals.watch().borrow().reconnects;
    let (filter_subject, filter_subjects) = filters_of(plan.stream, &plan.filters);
    let config = Config {
        name: Some(plan.durable.clone()),
        durable_name: Some(plan.durable.clone()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: plan.ack_wait,
        max_ack_pending: i64::try_from(ACK_PENDING_MAX).unwrap_or(i64::MAX),
        filter_subject,
        filter_subjects,
        ..Config::default()
    };
    let asked = format!("$JS.API.CONSUMER.CREATE.{}.{}", plan.stream.name(), plan.durable);
    let create = link.context.create_consumer_on_stream(config.clone(), plan.stream.name());
    let consumer = link.call(Call::OpenConsumer, &asked, create).await?;
    compare(&asked, &config, consumer.cached_info())?;
    let stream = consumer.stream().max_messages_per_batch(BATCH).heartbeat(HEARTBEAT);
    let messages = link.call(Call::OpenConsumer, &asked, stream.messages()).await?;
    Ok((messages, reconnects))
}

fn delivery_of(link: &Arc<Link>, message: Message) -> Option<Delivery> {
    let info = message.info().ok()?;
    let (sequence, attempt) = (info.stream_sequence, u64::try_from(info.delivered).unwrap_or(1));
    let (message, acker) = message.split();
    let acknowledge = NatsAck { link: Arc::clone(link), acker, sequence };
    Some(Delivery::new(received(message), sequence, attempt, Box::new(acknowledge)))
}

struct NatsAck {
    link: Arc<Link>,
    acker: Acker,
    sequence: u64,
}

impl NatsAck {
    async fn send(&self, kind: AckKind) -> Result<(), BusError> {
        let (call, timeout) = (Call::Acknowledge, self.link.timeout);
        if !self.link.is_connected() {
            return Err(BusError::Disconnected { call });
        }
        match tokio::time::timeout(timeout, self.acker.ack_with(kind)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(failed(call, &self.sequence.to_string(), error)),
            Err(_) => Err(timed_out(call, timeout)),
        }
    }
}

#[async_trait::async_trait]
impl Acknowledge for NatsAck {
    async fn ack(&self) -> Result<(), BusError> {
        self.send(AckKind::Ack).await
    }

    async fn nak(&self) -> Result<(), BusError> {
        self.send(AckKind::Nak(None)).await
    }
}
