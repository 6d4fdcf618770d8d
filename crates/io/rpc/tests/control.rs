//! The control server over real sockets on loopback.

#![expect(
    clippy::unwrap_used,
    reason = "helpers outside #[test] functions; a failed set-up is a failed test"
)]

use remora_domain::{
    AccountId, ControlAction, ControlCommand, ControlScope, DurationNs, LimitsChange, NamedAccount,
    ServiceState, VenueId,
};
use remora_rpc::{
    CONTROL_SERVICE, CommandError, ControlClient, ControlHandler, ControlServer, DependencyStatus,
    ListenSettings, Question, Recorded, Role, Route, RpcError, ServiceStatus, TlsIdentity, Tokens,
};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};

const VIEWER: &str = "viewer-0123456789";
const OPERATOR: &str = "operator-0123456789";

#[derive(Default)]
struct Gate {
    commands: Mutex<Vec<ControlCommand>>,
    is_deaf: bool,
    route: Option<Route>,
}

#[tonic::async_trait]
impl ControlHandler for Gate {
    fn status(&self) -> ServiceStatus {
        ServiceStatus {
            service: "risk-gate".to_owned(),
            instance: "risk-gate-0".to_owned(),
            version: "0.1.0".to_owned(),
            state: ServiceState::Active,
            data_age: Some(DurationNs::from_ms(12)),
            dependencies: vec![DependencyStatus {
                name: "bus".to_owned(),
                is_up: false,
                detail: "disconnected".to_owned(),
                since: Some(remora_domain::Timestamp::from_ns(5)),
            }],
            details_json: r#"{"epoch":3}"#.to_owned(),
        }
    }

    fn route(&self) -> Option<Route> {
        self.route.clone()
    }

    async fn command(&self, command: ControlCommand) -> Result<Recorded, CommandError> {
        if self.is_deaf {
            return Err(CommandError::Unavailable { problem: "queue full" });
        }
        self.commands.lock().unwrap().push(command);
        Ok(Recorded::OnDisk)
    }

    async fn question(&self, question: Question) -> Result<String, CommandError> {
        match question {
            Question::Order(text) => Ok(format!(r#"{{"asked":{text}}}"#)),
            Question::Limits(change) if change.version == 2 => {
                Ok(r#"{"needs_second":true}"#.to_owned())
            }
            Question::Limits(_) => Err(CommandError::Refused { problem: "old".to_owned() }),
            Question::Confirm { actor, .. } if actor.ends_with("(token night)") => {
                Ok("{}".to_owned())
            }
            Question::Confirm { .. } => Err(CommandError::Refused { problem: "same".to_owned() }),
        }
    }
}

fn loopback() -> ListenSettings {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    ListenSettings { address, tls: None, is_plaintext_allowed: false }
}

fn tokens() -> Tokens {
    Tokens::default().with(Role::Viewer, "screen", VIEWER).with(Role::Operator, "desk", OPERATOR)
}

async fn start(gate: &Arc<Gate>) -> (ControlServer, String) {
    let server = ControlServer::start(loopback(), tokens(), gate.clone()).await.unwrap();
    let uri = format!("http://{}", server.address());
    (server, uri)
}

async fn channel(uri: String) -> tonic::transport::Channel {
    tonic::transport::Endpoint::from_shared(uri).unwrap().connect().await.unwrap()
}

fn code(error: &RpcError) -> Option<tonic::Code> {
    let RpcError::Call { cause, .. } = error else { return None };
    Some(cause.code())
}

#[tokio::test]
async fn a_viewer_sees_the_status_and_may_not_halt() {
    let gate = Arc::new(Gate::default());
    let (server, uri) = start(&gate).await;
    let mut client = ControlClient::connect(&uri, VIEWER, None).await.unwrap();
    assert_eq!(client.status().await.unwrap(), gate.status());
    let refused = client.halt(&ControlScope::Global, "test", "ann").await.unwrap_err();
    assert_eq!(code(&refused), Some(tonic::Code::PermissionDenied));
    assert!(gate.commands.lock().unwrap().is_empty());
    server.stop().await.unwrap();
}

#[tokio::test]
async fn an_operator_halts_and_resumes_and_is_recorded_with_the_token() {
    let gate = Arc::new(Gate::default());
    let (server, uri) = start(&gate).await;
    let mut client = ControlClient::connect(&uri, OPERATOR, None).await.unwrap();
    let scope = ControlScope::Venue(VenueId::new("kraken-spot").unwrap());
    let kept = client.halt(&scope, "news", "ann").await.unwrap();
    assert_eq!(kept, Some(Recorded::OnDisk), "how it is kept is told");
    client.resume(&ControlScope::Global, "over", "ann").await.unwrap();
    let commands = gate.commands.lock().unwrap().clone();
    let actor = "ann (token desk)".to_owned();
    let halt = ControlCommand {
        action: ControlAction::Halt,
        scope,
        actor: actor.clone(),
        reason: "news".to_owned(),
        limits: None,
        account: None,
    };
    let resume = ControlCommand {
        action: ControlAction::Resume,
        scope: ControlScope::Global,
        actor,
        reason: "over".to_owned(),
        limits: None,
        account: None,
    };
    assert_eq!(commands, [halt, resume]);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_change_of_limits_is_asked_about_before_it_is_recorded() {
    let gate = Arc::new(Gate::default());
    let (server, uri) = start(&gate).await;
    let mut viewer = ControlClient::connect(&uri, VIEWER, None).await.unwrap();
    assert_eq!(viewer.check_order("{}").await.unwrap(), r#"{"asked":{}}"#);
    let limits =
        |version| LimitsChange { version, limits: [("k".to_owned(), "1".to_owned())].into() };
    let refused = viewer.change_limits(&limits(2), "why", "ann").await.unwrap_err();
    assert_eq!(code(&refused), Some(tonic::Code::PermissionDenied));

    let mut desk = ControlClient::connect(&uri, OPERATOR, None).await.unwrap();
    let refused = desk.change_limits(&limits(3), "why", "ann").await.unwrap_err();
    assert_eq!(code(&refused), Some(tonic::Code::InvalidArgument));
    let refused = desk.confirm_limits(2, "why", "ann").await.unwrap_err();
    assert_eq!(code(&refused), Some(tonic::Code::InvalidArgument));
    assert!(gate.commands.lock().unwrap().is_empty(), "what is refused is not recorded");

    let (kept, needs_second) = desk.change_limits(&limits(2), "why", "ann").await.unwrap();
    assert_eq!((kept, needs_second), (Some(Recorded::OnDisk), true));
    desk.reduce(&ControlScope::Global, "why", "ann").await.unwrap();
    let commands = gate.commands.lock().unwrap().clone();
    let actions: Vec<ControlAction> = commands.iter().map(|command| command.action).collect();
    assert_eq!(actions, [ControlAction::ChangeLimits, ControlAction::Reduce]);
    assert_eq!(commands[0].limits, Some(limits(2)));
    assert_eq!(commands[0].actor, "ann (token desk)");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn the_whole_account_is_cancelled_by_an_operator_who_names_it_and_by_nobody_else() {
    let [main, other] = ["main", "other"].map(|name| AccountId::new(name).unwrap());
    let [venue, elsewhere] = ["kraken-spot", "elsewhere"].map(|name| VenueId::new(name).unwrap());
    let route = Some(Route { account: main.clone(), venue: venue.clone() });
    let gate = Arc::new(Gate { route, ..Gate::default() });
    let (server, uri) = start(&gate).await;
    let mut viewer = ControlClient::connect(&uri, VIEWER, None).await.unwrap();
    let refused = viewer.cancel_account(&main, None, "why", "ann").await.unwrap_err();
    assert_eq!(code(&refused), Some(tonic::Code::PermissionDenied));
    let mut desk = ControlClient::connect(&uri, OPERATOR, None).await.unwrap();
    for (account, venue) in [(&other, None), (&main, Some(&elsewhere))] {
        let refused = desk.cancel_account(account, venue, "why", "ann").await.unwrap_err();
        assert_eq!(code(&refused), Some(tonic::Code::InvalidArgument));
    }
    assert!(gate.commands.lock().unwrap().is_empty(), "what is refused is not recorded");

    let kept = desk.cancel_account(&main, Some(&venue), "why", "ann").await.unwrap();
    assert_eq!(kept, Some(Recorded::OnDisk));
    desk.cancel_account(&main, None, "why", "ann").await.unwrap();
    let commands = gate.commands.lock().unwrap().clone();
    let scopes: Vec<ControlScope> = commands.iter().map(|one| one.scope.clone()).collect();
    assert_eq!(scopes, [ControlScope::Venue(venue.clone()), ControlScope::Global]);
    // However wide the halt is, the orders of no other router's venue are taken back.
    let named = Some(NamedAccount { id: main, venue: Some(venue) });
    for command in &commands {
        assert_eq!(command.action, ControlAction::CancelAccount);
        assert_eq!((&command.account, &*command.actor), (&named, "ann (token desk)"));
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_service_that_is_no_router_takes_no_account_back() {
    let gate = Arc::new(Gate::default());
    let (server, uri) = start(&gate).await;
    let mut desk = ControlClient::connect(&uri, OPERATOR, None).await.unwrap();
    let main = AccountId::new("main").unwrap();
    let refused = desk.cancel_account(&main, None, "why", "ann").await.unwrap_err();
    assert_eq!(code(&refused), Some(tonic::Code::InvalidArgument));
    assert!(gate.commands.lock().unwrap().is_empty());
    server.stop().await.unwrap();
}

#[tokio::test]
async fn an_unknown_token_and_no_token_are_refused() {
    let gate = Arc::new(Gate::default());
    let (server, uri) = start(&gate).await;
    for token in ["", "wrong-0123456789"] {
        let mut client = ControlClient::connect(&uri, token, None).await.unwrap();
        let refused = client.status().await.unwrap_err();
        assert_eq!(code(&refused), Some(tonic::Code::Unauthenticated));
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_command_without_a_reason_is_refused_and_a_full_queue_is_told() {
    let gate = Arc::new(Gate { is_deaf: true, ..Gate::default() });
    let (server, uri) = start(&gate).await;
    let mut client = ControlClient::connect(&uri, OPERATOR, None).await.unwrap();
    let refused = client.halt(&ControlScope::Global, " ", "ann").await.unwrap_err();
    assert_eq!(code(&refused), Some(tonic::Code::InvalidArgument));
    let refused = client.halt(&ControlScope::Global, "now", "ann").await.unwrap_err();
    assert_eq!(code(&refused), Some(tonic::Code::Unavailable));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn plain_text_outside_loopback_needs_permission() {
    let gate = Arc::new(Gate::default());
    let address = SocketAddr::from(([0, 0, 0, 0], 0));
    let refused = ListenSettings { address, ..loopback() };
    let error = ControlServer::start(refused, tokens(), gate.clone()).await.unwrap_err();
    assert!(matches!(error, RpcError::PlaintextOutsideLoopback { .. }));
    let allowed = ListenSettings { address, is_plaintext_allowed: true, ..loopback() };
    ControlServer::start(allowed, tokens(), gate).await.unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn tls_works_and_plain_text_to_it_does_not() {
    let gate = Arc::new(Gate::default());
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate_pem = pair.cert.pem();
    let key_pem = pair.signing_key.serialize_pem();
    let tls = Some(TlsIdentity { certificate_pem: certificate_pem.clone(), key_pem });
    let settings = ListenSettings { tls, ..loopback() };
    let server = ControlServer::start(settings, tokens(), gate.clone()).await.unwrap();
    let port = server.address().port();
    let uri = format!("https://localhost:{port}");
    let mut client = ControlClient::connect(&uri, VIEWER, Some(&certificate_pem)).await.unwrap();
    assert_eq!(client.status().await.unwrap().service, "risk-gate");
    let plain = format!("http://localhost:{port}");
    let mut refused = false;
    match ControlClient::connect(&plain, VIEWER, None).await {
        Ok(mut client) => refused = refused || client.status().await.is_err(),
        Err(_) => refused = true,
    }
    assert!(refused);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn grpc_health_follows_readiness_without_a_token() {
    let gate = Arc::new(Gate::default());
    let (server, uri) = start(&gate).await;
    let mut health = HealthClient::new(channel(uri).await);
    for (is_ready, expected) in [(true, ServingStatus::Serving), (false, ServingStatus::NotServing)]
    {
        server.readiness().set(is_ready).await;
        for service in ["", CONTROL_SERVICE] {
            let request = HealthCheckRequest { service: service.to_owned() };
            let answer = health.check(request).await.unwrap().into_inner();
            assert_eq!(answer.status(), expected);
        }
    }
    drop(health);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn reflection_lists_the_control_service() {
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    use tonic_reflection::pb::v1::{ServerReflectionRequest, ServiceResponse};
    let gate = Arc::new(Gate::default());
    let (server, uri) = start(&gate).await;
    let mut client = ServerReflectionClient::new(channel(uri).await);
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answers = client.server_reflection_info(tokio_stream::iter([request])).await.unwrap();
    let answer = answers.into_inner().message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("not a list");
    };
    let names: Vec<String> =
        list.service.into_iter().map(|ServiceResponse { name }| name).collect();
    assert!(names.contains(&CONTROL_SERVICE.to_owned()), "{names:?}");
    drop(client);
    server.stop().await.unwrap();
}
