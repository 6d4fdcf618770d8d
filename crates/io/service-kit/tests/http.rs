//! HTTP of a process, over real sockets on loopback.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use remora_domain::ServiceState;
use remora_rpc::{Role, Tokens};
use remora_service_kit::{Clock, Health, HttpServer, StatusGuard};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const TOKEN: &str = "viewer-0123456789";

async fn get(address: SocketAddr, path: &str, token: Option<&str>) -> (u16, String) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let authorization =
        token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{authorization}\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let code = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
    (code, body)
}

#[tokio::test]
async fn readiness_tells_dependencies_and_data_age_and_status_needs_a_token() {
    let clock = Clock::new();
    let health = Health::new("risk-gate", "risk-gate-0", "0.1.0", clock.clone());
    let tokens = Tokens::default().with(Role::Viewer, "screen", TOKEN);
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        metrics::counter!("remora_bus_published_total", "kind" => "md.book").increment(3);
    });
    let (metrics, guard) = (recorder.handle(), StatusGuard { tokens, is_plaintext_allowed: false });
    let server = HttpServer::start(any, health.clone(), Some(metrics), guard).await.unwrap();
    let address = server.address();

    health.set_dependency("bus", true, false, "disconnected");
    assert_eq!(get(address, "/livez", None).await.0, 200);
    let (code, body) = get(address, "/readyz", None).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, &body["is_ready"]), (503, &json!(false)));
    assert_eq!(body["why_not_ready"], json!(["starting", "bus is down: disconnected"]));
    assert_eq!(body["dependencies"][0]["name"], json!("bus"));
    assert_eq!(body["data_age_ms"], Value::Null);

    health.set_dependency("bus", true, true, "");
    health.set_state(ServiceState::Active);
    health.heard(clock.now());
    let (code, body) = get(address, "/readyz", None).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, &body["state"]), (200, &json!("active")));
    assert!(body["data_age_ms"].is_u64(), "{body}");

    health.set_details(json!({ "epoch": 3 }));
    assert_eq!(get(address, "/status", None).await.0, 401);
    assert_eq!(get(address, "/status", Some("wrong-0123456789")).await.0, 401);
    let (code, body) = get(address, "/status", Some(TOKEN)).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, &body["details"]), (200, &json!({ "epoch": 3 })));

    let (code, body) = get(address, "/metrics", None).await;
    assert_eq!(code, 200);
    assert!(body.contains("remora_bus_published_total{kind=\"md.book\"} 3"), "{body}");
    server.stop().await;
}
