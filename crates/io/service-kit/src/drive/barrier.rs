//! Local inputs that must not run ahead of the logs: whoever takes a term over must know what was said before it.
//!
//! A local input comes before news, so that what is due is never held up. The beginning of a term is another matter: its
//! predecessor may have approved orders, and a person may have halted everything, an instant before.

use super::history::{HistoryError, News};
use super::plan::LocalEvent;
use super::runner::{DriveError, Event, Runner};
use crate::publish::chain;
use remora_bus::ReadFrom;
use remora_machine::ServiceCore;
use std::time::Duration;

/// How long an input waits for the logs: less than a term lasts. Whoever gives it repeats it, so that one that is dropped
/// is followed by a newer one.
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
                // A log that fails here fails for good, and says so only once.
                Ok(Err(error)) if !error.cause.is_transient() => {
                    return self.end(DriveError::History(error));
                }
                Ok(Err(error)) => Some(chain(&error)),
                Err(_) => Some("they are read too slowly".to_owned()),
            };
            if let Some(problem) = problem {
                tracing::warn!(problem, "an input that waits for the logs is dropped");
                return;
            }
            // What halted meanwhile, said by a person or found in the logs, comes first too.
            self.apply_given();
        }
        self.apply(Event::Local { input, context });
    }

    /// Reads every log up to the end it has now.
    async fn read_logs_up(&mut self, news: &mut News) -> Result<(), HistoryError> {
        let mut ends = Vec::new();
        for (stream, (read, log)) in &self.logs {
            let stream = *stream;
            let next = ReadFrom::Sequence(read.saturating_add(1));
            let reader = self.bus.read_log(stream, &log.filters, next).await;
            let reader = reader.map_err(|cause| HistoryError { stream, cause })?;
            ends.push((stream, reader.end_at_open()));
        }
        for (stream, end) in ends {
            while self.logs.get(&stream).is_some_and(|(read, _)| *read < end) {
                let entry = match news.recv().await {
                    Ok(entry) => entry,
                    Err(error) => {
                        self.end(DriveError::History(error));
                        return Ok(());
                    }
                };
                self.news(entry);
            }
        }
        Ok(())
    }
}
