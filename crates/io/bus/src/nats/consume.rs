//! Durable consumers: the server remembers what was acknowledged under a name.

use super::link::{Link, failed, received, timed_out};
use super::log::{compare, filters_of};
use crate::memory::ACK_PENDING_MAX;
use crate::reader::{Acknowledge, Delivery, DeliverySource};
use crate::subscription::AbortOnDrop;
use crate::{BusError, BusHealth, Call, Consumer, Stream};
use async_nats::jetstream::consumer::AckPolicy;
use async_nats::jetstream::consumer::pull::{Config, Stream as Messages};
use async_nats::jetstream::{AckKind, Message, message::Acker};
use futures::StreamExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

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
    let pump = Pump { link, plan, messages, reconnects, health };
    let task = AbortOnDrop(tokio::spawn(pump.run(sender)));
    Ok(Consumer::new(Box::new(NatsConsumer { deliveries, _task: task })))
}

struct NatsConsumer {
    deliveries: mpsc::Receiver<Result<Delivery, BusError>>,
    _task: AbortOnDrop,
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
    messages: Messages,
    reconnects: u64,
    health: watch::Receiver<BusHealth>,
}

impl Pump {
    async fn run(mut self, sender: mpsc::Sender<Result<Delivery, BusError>>) {
        loop {
            let delivery = self.next().await;
            let is_over = delivery.is_err();
            if sender.send(delivery).await.is_err() || is_over {
                return;
            }
        }
    }

    async fn next(&mut self) -> Result<Delivery, BusError> {
        loop {
            let opened_at = self.reconnects;
            let message = tokio::select! {
                biased;
                message = self.messages.next() => message,
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
                    (self.messages, self.reconnects) = (messages, reconnects);
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
