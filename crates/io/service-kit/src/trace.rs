//! W3C trace context: out of message headers, into spans, into message headers. So one trace runs from a market
//! event to the venue's acknowledgement, through every process on the way.

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use remora_domain::MessageId;
use std::collections::{BTreeMap, VecDeque};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Marks the spans that are exported; nothing else is, and log lines do not show them.
pub(crate) const TRACE_TARGET: &str = "remora_trace";

/// The header that carries the trace (W3C Trace Context, Recommendation 2021-11-23, section 3.2).
const TRACEPARENT: &str = "traceparent";

/// Bounds how many causes are remembered: at 1,000 sampled messages a second, four seconds of them.
const CAUSES_MAX: usize = 4_096;

/// Is the place in a trace where something happens; carried along with everything that follows from it.
#[derive(Clone, Debug, Default)]
pub struct TraceContext(Option<Context>);

impl TraceContext {
    /// Is outside every trace.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Reads it from message headers; outside every trace when they hold none.
    #[must_use]
    pub fn extract(headers: &BTreeMap<String, String>) -> Self {
        if !headers.contains_key(TRACEPARENT) {
            return Self(None);
        }
        let none = Context::new();
        Self::valid(TraceContextPropagator::new().extract_with_context(&none, &Headers(headers)))
    }

    /// Writes it into message headers.
    pub fn inject(&self, headers: &mut BTreeMap<String, String>) {
        if let Some(context) = &self.0 {
            TraceContextPropagator::new().inject_context(context, &mut HeadersMut(headers));
        }
    }

    /// Tells whether it is inside a trace.
    #[must_use]
    pub const fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// Takes the place of a span; where spans are not exported, the place before it.
    pub(crate) fn of(span: &Span, before: &Self) -> Self {
        if span.is_disabled() {
            return before.clone();
        }
        let context = Self::valid(span.context());
        if context.is_some() { context } else { before.clone() }
    }

    /// Makes a span follow from this place.
    pub(crate) fn is_parent_of(&self, span: &Span) {
        if let Some(context) = &self.0
            && !span.is_disabled()
        {
            // Refused only for a span without an exporter or one already entered; both export nothing wrong.
            let _ = span.set_parent(context.clone());
        }
    }

    fn valid(context: Context) -> Self {
        let is_valid = context.span().span_context().is_valid();
        Self(is_valid.then_some(context))
    }
}

/// Remembers the traces of recent messages, so that what a core publishes later (on a timer, after a local effect)
/// joins the trace of the message it names as its cause.
#[derive(Debug, Default)]
pub(crate) struct Causes {
    contexts: BTreeMap<MessageId, TraceContext>,
    order: VecDeque<MessageId>,
}

impl Causes {
    pub(crate) fn remember(&mut self, id: MessageId, context: &TraceContext) {
        if !context.is_some() || self.contexts.contains_key(&id) {
            return;
        }
        if self.order.len() >= CAUSES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.contexts.remove(&oldest);
        }
        self.order.push_back(id.clone());
        self.contexts.insert(id, context.clone());
    }

    pub(crate) fn find(&self, id: &MessageId) -> Option<&TraceContext> {
        self.contexts.get(id)
    }
}

struct Headers<'a>(&'a BTreeMap<String, String>);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

struct HeadersMut<'a>(&'a mut BTreeMap<String, String>);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        // An empty state is what most traces have; a header for it would only cost bytes.
        if !value.is_empty() {
            self.0.insert(key.to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_domain::{ProducerId, SessionId};

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(TRACEPARENT.to_owned(), value.to_owned())])
    }

    #[test]
    fn a_context_goes_through_headers_unchanged() {
        let mut out = BTreeMap::new();
        TraceContext::extract(&headers(PARENT)).inject(&mut out);
        assert_eq!(out, headers(PARENT));
    }

    #[test]
    fn a_broken_or_missing_header_is_no_trace() {
        for text in ["", "00-zz-b7ad6b7169203331-01", "hello"] {
            assert!(!TraceContext::extract(&headers(text)).is_some(), "{text}");
        }
        assert!(!TraceContext::extract(&BTreeMap::new()).is_some());
    }

    #[test]
    fn causes_are_bounded_and_the_oldest_goes_first() {
        let mut causes = Causes::default();
        let context = TraceContext::extract(&headers(PARENT));
        let id = |sequence: usize| MessageId {
            producer: ProducerId::new("p").unwrap(),
            session: SessionId::new(1),
            sequence: u64::try_from(sequence).unwrap(),
        };
        for sequence in 0..=CAUSES_MAX {
            causes.remember(id(sequence), &context);
        }
        assert_eq!(causes.order.len(), CAUSES_MAX);
        assert!(causes.find(&id(0)).is_none());
        assert!(causes.find(&id(CAUSES_MAX)).is_some());
    }
}
