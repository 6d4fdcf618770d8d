//! One trace through two services, over message headers, received by an OTLP receiver of our own.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod common;

use common::{AwayBus, Log, Number, POKE_ANSWER, Running, TestCore, plan, publish};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use remora_bus::Stream;
use remora_domain::Body;
use remora_service_kit::Telemetry;
use remora_service_kit::config::TelemetrySettings;
use remora_service_kit::drive::{LogSubscription, Plan};
use remora_testkit::{Producer, book};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request.into_inner().resource_spans.into_iter().flat_map(|r| r.scope_spans);
        self.0.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_runs_from_the_market_event_to_the_answer() {
    let receiver = Receiver::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let service = TraceServiceServer::new(receiver.clone());
    let server = tonic::transport::Server::builder().add_service(service);
    let server = tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let settings = TelemetrySettings {
        otlp_endpoint: Some(endpoint),
        trace_fraction: 1.0,
        ..TelemetrySettings::default()
    };
    let telemetry = Telemetry::start(&settings, "test", "test-0", "0.1.0").unwrap();

    // `maker` hears books and answers about its orders; `gate` hears requests and answers them later.
    let bus = AwayBus::new();
    let mut orders = Log::open(&bus, Stream::Orders).await;
    let mut control = Log::open(&bus, Stream::States).await;
    let maker = Running::start(&bus, TestCore::new("maker", 1), "maker", 1, plan(), None);
    control.next_from("maker").await;
    let logs = vec![LogSubscription::all(Stream::Orders)];
    let gate_plan = Plan { logs, ..Plan::default() };
    let mut gate = Running::start(&bus, TestCore::new("gate", 2), "gate", 2, gate_plan, None);
    control.next_from("gate").await;
    let mut other = Producer::new("other", 1);
    publish(&bus, &mut other, Body::Book(book("BTC-USD", "100", "101"))).await;
    orders.next_from("maker").await;
    assert_eq!(gate.effects.recv().await, Some(Number(1)));
    // The venue's answer comes as a local input that knows nothing of the trace; its cause does.
    gate.poke(POKE_ANSWER).await;
    orders.next_from("gate").await;
    let mut maker = maker;
    // The maker has handled the answer once it can tell.
    wait_for_answer(&maker).await;
    maker.effects.close();
    maker.stop().await.unwrap();
    gate.stop().await.unwrap();
    telemetry.stop().await;
    server.abort();

    let spans = receiver.0.lock().unwrap().clone();
    let find = |name: &str| {
        let is_it = |span: &&Span| span.name == name;
        spans.iter().find(is_it).unwrap_or_else(|| panic!("no {name} in {spans:?}")).clone()
    };
    let market = find("test handle md.book");
    let request = find("test handle order.request");
    let answer = find("test handle order.event");
    assert_eq!(market.trace_id.len(), 16);
    assert_eq!(request.trace_id, market.trace_id);
    assert_eq!(answer.trace_id, market.trace_id);
    assert!(market.parent_span_id.is_empty());
    assert_eq!(request.parent_span_id, market.span_id);
    assert_eq!(answer.parent_span_id, request.span_id);
}

/// Waits until the core has handled the answer; its shell tells twice a second. How much else it has seen by then (states
/// of itself and of others) depends on who was faster.
async fn wait_for_answer(running: &Running) {
    let told = |details: serde_json::Value| {
        details.get("order_events").and_then(serde_json::Value::as_u64)
    };
    while told(running.health.details()) < Some(1) {
        tokio::task::yield_now().await;
    }
}
