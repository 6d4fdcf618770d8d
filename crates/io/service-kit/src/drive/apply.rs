//! One event: into the core, and out of it to the recording, the bus and the effects.

use super::control::Given;
use super::latch::Latched;
use super::message::{MessageError, read_message};
use super::runner::{DriveError, Event, Runner};
use crate::flight::{Encoded, digest, encode, kept};
use crate::publish::chain;
use crate::trace::{TRACE_TARGET, TraceContext};
use bytes::Bytes;
use remora_bus::{InMessage, LogEntry, Stream, Subscription, dead_letter};
use remora_domain::{
    Body, ControlAction, ControlCommand, ControlScope, DurationNs, Envelope, Header, Subject,
    Timestamp,
};
use remora_machine::{LocalCodec, ServiceCore, ServiceInput};
use remora_rpc::Recorded;
use remora_wire::flight::FlightEvent;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tracing::Span;

/// The reason in a halt of the shell is short; the log has the rest.
const HALT_REASON_LENGTH_MAX: usize = 200;

impl<C: ServiceCore> Runner<C> {
    /// Takes one message of history.
    pub(super) fn recall(&mut self, entry: LogEntry) {
        match read_message(&entry.message) {
            Ok(envelope) => {
                if let Body::ControlCommand(command) = &envelope.body
                    && (command.action, &command.scope)
                        == (ControlAction::Resume, &ControlScope::Global)
                {
                    self.resumed_at = self.resumed_at.max(Some(entry.stored_at));
                }
                self.receive(entry.message);
            }
            Err(error) => {
                self.snapshots.spoil();
                // A log cannot be mended: what a person has seen and resumed after halts nobody again.
                let is_settled = self.resumed_at.is_some_and(|at| entry.stored_at < at);
                self.bury(entry.message, &error, is_settled);
            }
        }
    }

    /// Takes one message from the bus.
    pub(super) fn receive(&mut self, message: InMessage) {
        let envelope = match read_message(&message) {
            Ok(envelope) => envelope,
            Err(error) => return self.bury(message, &error, false),
        };
        if self.identity.is_own(&envelope.header) {
            return;
        }
        if !self.is_caught_up && matches!(envelope.body, Body::ControlCommand(_)) {
            self.records.found(&envelope.header.message_id());
        }
        let mut context = TraceContext::none();
        if self.is_caught_up {
            let now = self.clock.now();
            if Subject::of(&envelope).kind.is_market_data() {
                self.health.heard(now);
            }
            measure(&envelope, now);
            context = TraceContext::extract(&message.headers);
        }
        let (envelope, bytes) = (Arc::new(envelope), message.payload);
        self.apply(Event::Message { envelope, bytes, context });
    }

    /// Takes a command that was given to this service directly, then: it works at once, and is told to everybody when the
    /// bus can be reached.
    pub(super) fn command(
        &mut self,
        given_at: Timestamp,
        command: ControlCommand,
        told: Option<oneshot::Sender<Recorded>>,
        replaces: Option<PathBuf>,
    ) {
        let is_halt = command.action.is_halt();
        let envelope = self.shell.wrap(given_at, Body::ControlCommand(command));
        if self.tells_commands {
            let stored = self.publisher.publish_command(&envelope, is_halt);
            self.records.keep(is_halt.then_some(&envelope), stored, told, replaces);
        }
        let bytes = remora_wire::encode(&envelope);
        let envelope = Arc::new(envelope);
        self.pending.push_back(Event::Message { envelope, bytes, context: TraceContext::none() });
    }

    /// Gives the core an order to stop that comes from its own shell.
    pub(super) fn halt(&mut self, reason: &str) {
        let command = self.own_halt(reason);
        self.command(self.clock.now(), command, None, None);
    }

    /// Takes what an operator gave to this service directly.
    pub(super) fn given(&mut self, given: Given) {
        match given {
            Given::Command { command, told, given_at } => {
                let waited = i64::try_from(given_at.elapsed().as_nanos()).unwrap_or(i64::MAX);
                let waited = DurationNs::from_ns(-waited);
                self.command(self.clock.now().saturating_add(waited), command, told, None);
            }
            Given::Question { question, told } => {
                let answer = self.effects.answer(self.clock.now(), &self.core, &question);
                // Nobody may wait for it any more.
                let _ = told.send(answer.map(|answer| answer.to_string()));
            }
        }
    }

    fn own_halt(&self, reason: &str) -> ControlCommand {
        ControlCommand {
            action: ControlAction::Halt,
            scope: ControlScope::Global,
            actor: self.identity.shell().to_string(),
            reason: reason.chars().take(HALT_REASON_LENGTH_MAX).collect(),
            limits: None,
            account: None,
        }
    }

    /// Gives the core what must precede its first answer: halts of earlier runs that no log holds, and what operators said
    /// while history was read.
    pub(super) fn commands_before_news(&mut self) {
        for Latched { file, envelope } in self.records.take_left() {
            let command = match envelope.map(|envelope| envelope.body) {
                // It would look new: what it took from a whole account, it took then.
                Some(Body::ControlCommand(command)) => {
                    ControlCommand { action: ControlAction::Halt, ..command }
                }
                Some(_) | None => self.own_halt("a halt of an earlier run cannot be read"),
            };
            tracing::warn!(reason = command.reason, "halt of an earlier run still in force");
            self.command(self.clock.now(), command, None, Some(file));
        }
        self.apply_given();
    }

    /// Gives the core what operators have said by now, and what the shell itself has to say.
    pub(super) fn apply_given(&mut self) {
        while let Some(given) = self.commands.as_mut().and_then(|queue| queue.try_recv().ok()) {
            self.given(given);
        }
        while let Some(event) = self.pending.pop_front() {
            self.apply(event);
        }
    }

    /// Gives one event to the core and carries out what it asks for.
    pub(super) fn apply(&mut self, event: Event<C::LocalInput>) {
        let now = self.clock.now();
        let (span, before) = self.span(&event);
        let recorded = self.recorder.is_some().then(|| recorded(&event));
        let is_message = matches!(event, Event::Message { .. });
        let is_local = matches!(event, Event::Local { .. });
        let lifts_halt = is_resume(&event);
        let cause = match &event {
            Event::Message { envelope, .. } => Some(envelope.header.message_id()),
            Event::Tick | Event::CaughtUp | Event::Stopping | Event::Local { .. } => None,
        };
        let started = Instant::now();
        span.in_scope(|| match event {
            Event::Tick => {
                self.ticked_at = now;
                self.core.tick(now, &mut self.out);
            }
            Event::CaughtUp => self.core.handle(now, ServiceInput::CaughtUp, &mut self.out),
            Event::Stopping => self.core.handle(now, ServiceInput::Stopping, &mut self.out),
            Event::Message { envelope, .. } => {
                self.core.handle(now, ServiceInput::Message(envelope), &mut self.out);
            }
            Event::Local { input, .. } => {
                self.core.handle(now, ServiceInput::Local(input), &mut self.out);
            }
        });
        if self.is_caught_up {
            metrics::histogram!("remora_core_handle_us").record(micros(started.elapsed()));
        }
        self.effects.applied(&self.core, is_local);
        let context = TraceContext::of(&span, &before);
        if let Some(cause) = cause {
            self.causes.remember(cause, &context);
        }
        let outputs = encode(&mut self.out);
        if let (Some(recorder), Some(recorded)) = (&mut self.recorder, recorded) {
            let decided = if recorder.keeps_outputs() { kept(&outputs) } else { Vec::new() };
            recorder.record(now, recorded, digest(&outputs), decided);
        }
        self.health.beat();
        if lifts_halt && self.has_faulted {
            self.has_faulted = false;
            self.health.set_dependency("core", true, true, "resumed after a fault");
        }
        let is_inherited = is_message && before.is_some();
        for output in outputs {
            self.carry_out(now, output, &context, is_inherited);
        }
    }

    fn carry_out(
        &mut self,
        now: Timestamp,
        output: Encoded<C::LocalOutput>,
        context: &TraceContext,
        is_inherited: bool,
    ) {
        match output {
            Encoded::Publish(envelope, bytes) => {
                if !self.is_caught_up {
                    // It has not seen everything yet: whatever it says may be wrong.
                    return self.fault("published before the history was read");
                }
                self.note_state(&envelope);
                let context = self.context_for(&envelope.header, context, is_inherited);
                self.causes.remember(envelope.header.message_id(), &context);
                let published = self.publisher.publish_encoded(&envelope, bytes, &context);
                if let Err(error) = published {
                    self.end(DriveError::Publish(error));
                }
            }
            Encoded::Local(output) => {
                let context = context.clone();
                if let Err(problem) = self.effects.perform(now, output, &context) {
                    self.end(DriveError::Effect { problem });
                }
            }
            Encoded::Fault(text) => self.fault(text),
        }
    }

    /// An impossible state: everything is halted, once until a person resumes, and the service goes on hearing reports.
    fn fault(&mut self, text: &'static str) {
        tracing::error!(service = self.identity.service(), reason = text, "fault");
        metrics::counter!("remora_core_faults_total", "reason" => text).increment(1);
        self.health.set_dependency("core", true, false, text);
        if !self.has_faulted {
            self.has_faulted = true;
            self.halt(text);
        }
    }

    /// Follows what the core itself says about its condition.
    fn note_state(&self, envelope: &Envelope) {
        if let Body::ControlState(state) = &envelope.body
            && state.service == self.identity.service()
        {
            self.health.set_state(state.state);
        }
    }

    /// Chooses the trace of a message: that of the message being handled, else that of the cause it names, else a new one.
    fn context_for(
        &self,
        header: &Header,
        context: &TraceContext,
        is_inherited: bool,
    ) -> TraceContext {
        let cause = header.cause.as_ref().filter(|_| !is_inherited);
        cause.and_then(|cause| self.causes.find(cause)).unwrap_or(context).clone()
    }

    /// Makes the span of an event. History and timers get none: they are no part of an order's way.
    fn span(&self, event: &Event<C::LocalInput>) -> (Span, TraceContext) {
        let (what, before) = match event {
            Event::Tick | Event::CaughtUp | Event::Stopping => {
                return (Span::none(), TraceContext::none());
            }
            Event::Message { .. } if !self.is_caught_up => {
                return (Span::none(), TraceContext::none());
            }
            Event::Message { envelope, context, .. } => {
                (Subject::of(envelope).kind.as_str(), context.clone())
            }
            Event::Local { context, .. } => ("local", context.clone()),
        };
        let service = self.identity.service();
        let span = tracing::info_span!(
            target: TRACE_TARGET,
            "handle",
            otel.name = format_args!("{service} handle {what}"),
            otel.kind = "consumer",
            service,
        );
        before.is_parent_of(&span);
        (span, before)
    }

    /// Sends what is not believed to where a person can look at it; the core never hears of it.
    fn bury(&mut self, message: InMessage, error: &MessageError, is_settled: bool) {
        let reason = chain(error);
        self.buried = self.buried.saturating_add(1);
        metrics::counter!("remora_bus_buried_total", "reason" => error.label()).increment(1);
        if self.buried.is_power_of_two() {
            // Rate-limited: the 1st, 2nd, 4th, ... of this run.
            let (subject, count) = (&message.subject, self.buried);
            tracing::warn!(subject, error = reason, count, "message buried");
        }
        let is_vital = self.guards_orders && !is_settled && is_of_order_path(&message.subject);
        let dead = dead_letter(self.identity.service(), &message.subject, &reason, message.payload);
        self.publisher.publish_core("dead", dead);
        if is_vital {
            // It may have been a fill or a halt: what the core knows is not what is.
            self.fault("a message about orders, the account or control could not be read");
        }
    }

    /// Brings health, facts and gauges up to date.
    pub(super) fn upkeep(&mut self, market_data: Option<&Subscription>) {
        self.health.beat();
        self.health.refresh();
        let details = self.effects.details(&self.core);
        self.health.set_details(details);
        if let Some(age) = self.health.data_age() {
            metrics::gauge!("remora_service_data_age_s").set(age.as_seconds_est());
        }
        if let Some(subscription) = market_data {
            let dropped = subscription.dropped();
            let new = dropped.saturating_sub(self.dropped);
            self.dropped = dropped;
            metrics::counter!("remora_bus_dropped_total").increment(new);
            if new > 0 {
                tracing::warn!(new, dropped, "market data dropped: the core is too slow");
            }
        }
        let backlog = self.publisher.backlog();
        let detail = match &backlog.problem {
            Some(problem) => format!("{} wait: {problem}", backlog.waiting),
            None => format!("{} wait", backlog.waiting),
        };
        self.health.set_dependency("publishing", true, backlog.is_bearable(), &detail);
        metrics::gauge!("remora_bus_publish_age_s").set(backlog.age.as_secs_f64());
        if let Some(recorder) = &self.recorder {
            let status = recorder.status();
            let is_up = status.problem.is_none();
            let flushed = match status.head {
                Some(head) => format!("flushed up to {head}"),
                None => "nothing flushed".to_owned(),
            };
            let detail = status.problem.unwrap_or(flushed);
            self.health.set_dependency("flight-recording", false, is_up, &detail);
        }
    }
}

/// Tells whether an event lifts what a fault halts.
fn is_resume<L>(event: &Event<L>) -> bool {
    match event {
        Event::Message { envelope, .. } => {
            let Body::ControlCommand(command) = &envelope.body else { return false };
            command.action == ControlAction::Resume && command.scope == ControlScope::Global
        }
        Event::Tick | Event::CaughtUp | Event::Stopping | Event::Local { .. } => false,
    }
}

/// Tells whether orders, money or control depend on a message of this subject.
fn is_of_order_path(subject: &str) -> bool {
    match Stream::of_subject(subject) {
        Some(Stream::Orders | Stream::Accounts | Stream::Control | Stream::States) => true,
        Some(
            Stream::Instruments
            | Stream::Bars
            | Stream::Pairs
            | Stream::Decisions
            | Stream::Dead
            | Stream::Leases,
        )
        | None => false,
    }
}

fn recorded<L: LocalCodec>(event: &Event<L>) -> FlightEvent {
    match event {
        Event::Tick => FlightEvent::Tick,
        Event::CaughtUp => FlightEvent::CaughtUp,
        Event::Stopping => FlightEvent::Stopping,
        Event::Message { bytes, .. } => FlightEvent::Message(bytes.clone()),
        Event::Local { input, .. } => {
            let mut bytes = Vec::new();
            input.encode(&mut bytes);
            FlightEvent::Local(Bytes::from(bytes))
        }
    }
}

/// Measures the last hop, and the way since the frame behind the message arrived at our socket.
fn measure(envelope: &Envelope, now: Timestamp) {
    let kind = Subject::of(envelope).kind.as_str();
    let hop = now.since(envelope.header.publish_time);
    metrics::histogram!("remora_bus_hop_us", "kind" => kind).record(micros_of(hop));
    if let Some(receive_time) = envelope.header.receive_time {
        let way = now.since(receive_time);
        metrics::histogram!("remora_bus_since_receive_us", "kind" => kind).record(micros_of(way));
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn micros_of(duration: DurationNs) -> f64 {
    duration.as_seconds_est() * 1e6
}
