//! Local inputs that must not run ahead of the logs: whoever takes a term over must know what was said before it.
//!
//! A local input comes before news, so that what is due is never held up. The beginning of a term is another matter: its
//! predecessor may have approved orders, and a person may have halted everything, an instant before.

use super::history::News;
use super::plan::LocalEvent;
use super::runner::{Event, Runner};
use crate::publish::chain;
use remora_bus::{BusError, ReadFrom};
use remora_machine::ServiceCore;
use std::time::Duration;

/// How long an input waits for the logs: less than a term lasts, so that it is repeated within one.
const WAIT_MAX: Duration = Duration::from_secs(2);

impl<C: ServiceCore> Runner<C> {
    /// Gives a local input to the core, after everything that is in the logs by now where it has to be.
    pub(super) async fn local(&mut self, local: LocalEvent<C::LocalInput>, news: &mut News) {
        let LocalEvent { input, context } = local;
        let now = self.clock.now();
        if self.effects.is_market_data(&input) {
            self.health.heard(now);
        }
        if self.effects.waits_for_logs(now, &self.core, &input) {
            let outcome = tokio::time::timeout(WAIT_MAX, self.read_logs_up(news)).await;
            let problem = match outcome {
                Ok(Ok(())) => None,
                Ok(Err(problem)) => Some(problem),
                Err(_) => Some("they are read too slowly".to_owned()),
            };
            if let Some(problem) = problem {
                tracing::warn!(problem, "an input that waits for the logs is dropped");
                return;
            }
        }
        self.apply(Event::Local { input, context });
    }

    /// Reads every log up to the end it has now.
    async fn read_logs_up(&mut self, news: &mut News) -> Result<(), String> {
        let told = |error: BusError| chain(&error);
        let mut ends = Vec::new();
        for (stream, (read, log)) in &self.logs {
            let next = ReadFrom::Sequence(read.saturating_add(1));
            let reader = self.bus.read_log(*stream, &log.filters, next).await.map_err(told)?;
            ends.push((*stream, reader.end_at_open()));
        }
        for (stream, end) in ends {
            while self.logs.get(&stream).is_some_and(|(read, _)| *read < end) {
                let entry = news.recv().await.map_err(|error| chain(&error))?;
                self.news(entry);
            }
        }
        Ok(())
    }
}
