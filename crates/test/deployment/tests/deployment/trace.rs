//! One trace runs from the market event to the venue's acknowledgement, through NATS headers.

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use remora_deployment::{Deployment, Options, wait_for};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// Is a span as received: its place in the trace, and what it was.
#[derive(Clone, Debug)]
struct Seen {
    trace: Vec<u8>,
    parent: Vec<u8>,
    name: String,
}

/// Keeps spans by their id.
#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<BTreeMap<Vec<u8>, Seen>>>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut kept = self.0.lock().unwrap();
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.map(|resource| resource.attributes);
            let service = attributes.unwrap_or_default().into_iter().find_map(|pair| {
                let is_service = pair.key == "service.name";
                match pair.value.and_then(|value| value.value) {
                    Some(Value::StringValue(name)) if is_service => Some(name),
                    _ => None,
                }
            });
            let service = service.unwrap_or_default();
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                assert!(span.name.starts_with(&service), "{} from {service}", span.name);
                let (trace, parent, name) = (span.trace_id, span.parent_span_id, span.name);
                kept.insert(span.span_id, Seen { trace, parent, name });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Gives the names of the spans from the beginning of the trace to this one.
fn road(spans: &BTreeMap<Vec<u8>, Seen>, span: &Seen) -> Vec<String> {
    let mut road = vec![span.name.clone()];
    let mut at = span;
    while let Some(parent) = spans.get(&at.parent) {
        assert_eq!(parent.trace, span.trace, "parent and child share the trace");
        road.push(parent.name.clone());
        at = parent;
    }
    road.reverse();
    road
}

#[test]
fn one_trace_runs_from_the_market_event_to_the_venues_acknowledgement() {
    let runtime = Runtime::new().unwrap();
    let receiver = Receiver::default();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let service = TraceServiceServer::new(receiver.clone());
    let server = tonic::transport::Server::builder().add_service(service);
    runtime.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));

    let mut options = Options::demo().unwrap();
    options.environment = vec![
        ("REMORA_TELEMETRY__OTLP_ENDPOINT".to_owned(), endpoint),
        ("REMORA_TELEMETRY__TRACE_FRACTION".to_owned(), "1.0".to_owned()),
    ];
    let deployment = Deployment::start(options).unwrap();
    // The frame, the book, the request, the approval, the stored intention, the venue's answer.
    let wanted = [
        "ingestor handle local",
        "decision handle md.book",
        "risk-gate handle order.request",
        "order-router handle order.approval",
        "order-router handle local",
        "order-router handle local",
    ];
    wait_for("one trace over the whole road", Duration::from_secs(90), || {
        let spans = receiver.0.lock().unwrap().clone();
        let answers = spans.values().filter(|span| span.name == wanted[5]);
        let mut roads = answers.map(|span| road(&spans, span));
        Ok(roads.any(|road| road == wanted).then_some(()))
    })
    .unwrap();
    deployment.stop().unwrap();
}
