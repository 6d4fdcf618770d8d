//! Log lines, spans and metrics of one process.

use crate::config::{LogFormat, TelemetrySettings};
use crate::trace::TRACE_TARGET;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use std::time::Duration;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, FilterFn, ParseError};
use tracing_subscriber::layer::{Layer, SubscriberExt};

/// A receiver that does not answer must not hold up the end of the process.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);

/// Libraries that carry frames and header fields, and may show them at their finer levels.
const WIRE_LIBRARIES: [&str; 8] = [
    "h2",
    "hyper",
    "hyper_rustls",
    "hyper_util",
    "reqwest",
    "rustls",
    "tokio_tungstenite",
    "tungstenite",
];

/// How often samples of histograms are summed up; until then each takes memory, whether or not anybody scrapes.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Bounds of latency histograms in microseconds: 10 us to 10 s, about three a decade.
const LATENCY_BUCKETS_US: [f64; 19] = [
    10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6,
    5e6, 1e7,
];

/// Says why telemetry could not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter is not one.
    #[error("parse log filter")]
    Filter(#[source] ParseError),
    /// The exporter of spans could not be made.
    #[error("make the exporter of spans")]
    Exporter(#[source] ExporterBuildError),
    /// The recorder of metrics could not be installed.
    #[error("install the recorder of metrics")]
    Metrics(#[source] BuildError),
    /// A subscriber is already installed in this process.
    #[error("install the subscriber of log lines and spans")]
    Subscriber(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// Is the running telemetry of a process; `stop` sends what is left.
#[derive(Debug)]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
    prometheus: PrometheusHandle,
}

impl Telemetry {
    /// Installs log lines (to standard error), spans and metrics for the whole process. Needs a running runtime
    /// when an OTLP endpoint is configured.
    ///
    /// # Errors
    /// Refuses a bad filter or endpoint, and a second start in one process.
    pub fn start(
        settings: &TelemetrySettings,
        service: &str,
        instance: &str,
        version: &str,
    ) -> Result<Self, TelemetryError> {
        let prometheus = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_us".to_owned()), &LATENCY_BUCKETS_US)
            .and_then(PrometheusBuilder::install_recorder)
            .map_err(TelemetryError::Metrics)?;
        let provider = match &settings.otlp_endpoint {
            Some(endpoint) => {
                Some(provider(endpoint, settings.trace_fraction, service, instance, version)?)
            }
            None => None,
        };
        let spans = provider.as_ref().map(|provider| {
            tracing_opentelemetry::layer()
                .with_tracer(provider.tracer("remora"))
                .with_location(false)
                .with_threads(false)
                .with_filter(FilterFn::new(|metadata| metadata.target() == TRACE_TARGET))
        });
        let filter = EnvFilter::try_new(format!("{},{TRACE_TARGET}=off", settings.log_filter))
            .map_err(TelemetryError::Filter)?;
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        let lines = match settings.log_format {
            LogFormat::Text => lines.with_ansi(false).boxed(),
            LogFormat::Json => lines.json().flatten_event(true).boxed(),
        };
        let lines = lines.with_filter(filter.and(FilterFn::new(is_shown)));
        let subscriber = tracing_subscriber::registry().with(lines).with(spans);
        tracing::subscriber::set_global_default(subscriber).map_err(TelemetryError::Subscriber)?;
        Ok(Self { provider, prometheus })
    }

    /// Gives the handle that renders all metrics in Prometheus text.
    #[must_use]
    pub fn metrics(&self) -> PrometheusHandle {
        self.prometheus.clone()
    }

    /// Keeps the memory of metrics bounded, for as long as the runtime runs.
    pub(crate) fn spawn_upkeep(&self) {
        let prometheus = self.prometheus.clone();
        tokio::spawn(every(UPKEEP_INTERVAL, move || prometheus.run_upkeep()));
    }

    /// Sends the spans that are left, within a bounded time.
    pub async fn stop(self) {
        let Some(provider) = self.provider else { return };
        // The exporter's own thread does the work; waiting for it would block the runtime it needs.
        let stopped =
            tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(EXPORT_TIMEOUT));
        match stopped.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "spans left unsent"),
            Err(error) => tracing::warn!(%error, "spans left unsent"),
        }
    }
}

/// Keeps what protocol libraries tell of single frames out of the log, whatever the filter says: frames and header
/// fields of private connections hold credentials.
fn is_shown(metadata: &Metadata<'_>) -> bool {
    let library = metadata.target().split("::").next().unwrap_or_default();
    *metadata.level() <= Level::INFO || !WIRE_LIBRARIES.contains(&library)
}

async fn every(pause: Duration, mut work: impl FnMut()) {
    let mut interval = tokio::time::interval(pause);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        work();
    }
}

fn provider(
    endpoint: &str,
    fraction: f64,
    service: &str,
    instance: &str,
    version: &str,
) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(TelemetryError::Exporter)?;
    let resource = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", service.to_owned()),
            KeyValue::new("service.instance.id", instance.to_owned()),
            KeyValue::new("service.version", version.to_owned()),
        ])
        .build();
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(fraction)));
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(sampler)
        .with_resource(resource)
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<String>>>);

    impl<S: tracing::Subscriber> Layer<S> for Seen {
        fn on_event(
            &self,
            event: &tracing::Event<'_>,
            _: tracing_subscriber::layer::Context<'_, S>,
        ) {
            let (metadata, mut seen) = (event.metadata(), self.0.lock().unwrap());
            seen.push(format!("{} {}", metadata.level(), metadata.target()));
        }
    }

    #[test]
    fn frames_of_protocol_libraries_stay_out_of_the_log_whatever_the_filter_says() {
        let seen = Seen::default();
        let filter = EnvFilter::new("trace,tungstenite::protocol=trace");
        let layer = seen.clone().with_filter(filter.and(FilterFn::new(is_shown)));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::trace!(target: "tungstenite::protocol", "a frame");
            tracing::debug!(target: "h2::codec", "a frame");
            tracing::warn!(target: "rustls::conn", "a warning");
            tracing::trace!(target: "remora_bus", "ours");
        });
        assert_eq!(*seen.0.lock().unwrap(), ["WARN rustls::conn", "TRACE remora_bus"]);
    }

    #[tokio::test(start_paused = true)]
    async fn upkeep_goes_on_while_nobody_scrapes() {
        let mut rounds = 0;
        let minute = Duration::from_secs(60);
        let endless = every(UPKEEP_INTERVAL, || rounds += 1);
        assert!(tokio::time::timeout(minute, endless).await.is_err());
        assert!(rounds >= 12, "{rounds}");
    }
}
