//! The control server of one service: token check, handler, health, reflection, shutdown.

use crate::error::{CommandError, RpcError};
use crate::proto::{self, control_server};
use crate::status::{self, Recorded, ServiceStatus};
use crate::tokens::{Role, Tokens};
use remora_domain::{
    AccountId, ControlAction, ControlCommand, ControlScope, IdError, LimitsChange, NamedAccount,
    VenueId,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

/// Is the name under which gRPC health and reflection know the control service.
pub const CONTROL_SERVICE: &str = "remora.control.v1.Control";

/// A command is a few hundred bytes; anything longer is hostile.
const REQUEST_BYTES_MAX: usize = 16 * 1024;
/// A status is built from memory and a command is put into a queue: both take microseconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Operators and screens, not a public service.
const STREAMS_PER_CONNECTION_MAX: u32 = 32;

/// Is what a service implements to be seen and controlled.
#[tonic::async_trait]
pub trait ControlHandler: Send + Sync + 'static {
    /// Tells the condition of the service, from memory.
    fn status(&self) -> ServiceStatus;

    /// Tells what the service routes; `None` where it is no router. Known before anything else is: taking back a whole
    /// account waits for no log.
    fn route(&self) -> Option<Route> {
        None
    }

    /// Hands a command to the core; returns once it is known how the command is kept, not once it is done.
    ///
    /// # Errors
    /// Refuses when the service takes no commands or its loop cannot take one now.
    async fn command(&self, command: ControlCommand) -> Result<Recorded, CommandError>;

    /// Answers a question as JSON, from what the core knows; it changes nothing.
    ///
    /// # Errors
    /// Refuses when the service answers no questions, cannot answer now, or does not understand this one.
    async fn question(&self, question: Question) -> Result<String, CommandError> {
        let _ = question;
        Err(CommandError::NotSupported { service: self.status().service })
    }
}

/// Is something an operator wants to know before asking for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// What would be answered to an order, given as JSON?
    Order(String),
    /// What would a change of the limits do? The answer holds `needs_second`.
    Limits(LimitsChange),
    /// Would a person's word for a version make it? The answer is empty.
    Confirm {
        /// Which version.
        version: u64,
        /// Who says so.
        actor: String,
    },
}

/// Is whose orders a router gives to which venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The account, by its name in the profile.
    pub account: AccountId,
    /// The venue.
    pub venue: VenueId,
}

impl Route {
    /// Tells whether a person who names this account, and a venue or none, means this router.
    fn consider(&self, account: &AccountId, venue: Option<&VenueId>) -> Result<(), String> {
        if *account != self.account {
            let account = account.as_str();
            return Err(format!(
                "this router does not route for account {account:?}: nothing is done"
            ));
        }
        match venue.filter(|venue| **venue != self.venue) {
            None => Ok(()),
            Some(other) => Err(format!("this router does not route to {other}: nothing is done")),
        }
    }
}

/// Is a certificate chain with its key, both PEM.
#[derive(Clone)]
pub struct TlsIdentity {
    /// The certificate chain.
    pub certificate_pem: String,
    /// Its private key; never printed.
    pub key_pem: String,
}

impl std::fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsIdentity(***)")
    }
}

/// Says where to listen and how.
#[derive(Clone, Debug)]
pub struct ListenSettings {
    /// The address; port 0 takes any free one.
    pub address: SocketAddr,
    /// The certificate; needed outside loopback.
    pub tls: Option<TlsIdentity>,
    /// Allows an address outside loopback without TLS, where the network itself is private (one machine's
    /// container network). Off unless the configuration says otherwise.
    pub is_plaintext_allowed: bool,
}

/// Sets what gRPC health says; clones set the same.
#[derive(Clone, Debug)]
pub struct Readiness(tonic_health::server::HealthReporter);

impl Readiness {
    /// Sets it for the whole server and for the control service.
    pub async fn set(&self, is_ready: bool) {
        let status = if is_ready {
            tonic_health::ServingStatus::Serving
        } else {
            tonic_health::ServingStatus::NotServing
        };
        for service in ["", CONTROL_SERVICE] {
            self.0.set_service_status(service, status).await;
        }
    }
}

/// Is a running control server.
#[derive(Debug)]
pub struct ControlServer {
    address: SocketAddr,
    readiness: Readiness,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl ControlServer {
    /// Binds the address and serves in a task of its own. Health says "not serving" until `Readiness::set`.
    ///
    /// # Errors
    /// Refuses plain text outside loopback, an address that cannot be bound, an unusable certificate.
    pub async fn start(
        settings: ListenSettings,
        tokens: Tokens,
        handler: Arc<dyn ControlHandler>,
    ) -> Result<Self, RpcError> {
        let ListenSettings { address, tls, is_plaintext_allowed } = settings;
        if !address.ip().is_loopback() && tls.is_none() && !is_plaintext_allowed {
            return Err(RpcError::PlaintextOutsideLoopback { address });
        }
        let incoming =
            TcpIncoming::bind(address).map_err(|cause| RpcError::Bind { address, cause })?;
        let bound = incoming.local_addr().map_err(|cause| RpcError::Bind { address, cause })?;
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()
            .map_err(RpcError::Reflection)?;
        let (health, health_service) = tonic_health::server::health_reporter();
        let control = control_server::ControlServer::new(Control { tokens, handler })
            .max_decoding_message_size(REQUEST_BYTES_MAX);
        let mut server = Server::builder()
            .timeout(CALL_TIMEOUT)
            .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX);
        if let Some(TlsIdentity { certificate_pem, key_pem }) = tls {
            let identity = Identity::from_pem(certificate_pem, key_pem);
            let config = ServerTlsConfig::new().identity(identity);
            server = server.tls_config(config).map_err(RpcError::Transport)?;
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let router =
            server.add_service(health_service).add_service(reflection).add_service(control);
        let task = tokio::spawn(router.serve_with_incoming_shutdown(incoming, async move {
            // A dropped sender also means stop.
            let _ = stopped.await;
        }));
        let readiness = Readiness(health);
        readiness.set(false).await;
        Ok(Self { address: bound, readiness, stop: Some(stop), task })
    }

    /// Gives the address that was bound.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives the handle that sets what gRPC health says.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Stops listening, lets running calls end within their timeout, and waits for that.
    ///
    /// # Errors
    /// Tells when the transport had failed.
    pub async fn stop(mut self) -> Result<(), RpcError> {
        drop(self.stop.take());
        match tokio::time::timeout(CALL_TIMEOUT, &mut self.task).await {
            Ok(Ok(result)) => result.map_err(RpcError::Transport),
            // The task was cancelled with its runtime, or a peer keeps its connection open: both are the end.
            Ok(Err(_)) => Ok(()),
            Err(_) => {
                self.task.abort();
                Ok(())
            }
        }
    }
}

/// Is what a command is to do, beside its scope.
struct Asked {
    action: ControlAction,
    limits: Option<LimitsChange>,
    account: Option<NamedAccount>,
}

impl Asked {
    const fn plain(action: ControlAction) -> Self {
        Self { action, limits: None, account: None }
    }
}

struct Control {
    tokens: Tokens,
    handler: Arc<dyn ControlHandler>,
}

impl Control {
    async fn command(
        &self,
        asked: Asked,
        token_name: &str,
        scope: Option<proto::Scope>,
        reason: &str,
        actor: &str,
    ) -> Result<Recorded, Status> {
        let Asked { action, limits, account } = asked;
        let invalid = |error: crate::FieldError| Status::invalid_argument(error.to_string());
        let scope: ControlScope = status::scope_from_wire(scope).map_err(invalid)?;
        let reason = status::reason_from_wire(reason).map_err(invalid)?;
        let actor = status::actor_from_wire(actor).map_err(invalid)?;
        // Whoever holds the token is what was proven; the actor is what was claimed. Both are recorded.
        let actor = format!("{actor} (token {token_name})");
        tracing::info!(?action, ?scope, reason, actor, "control command received");
        let command = ControlCommand { action, scope, actor, reason, limits, account };
        self.handler.command(command).await.map_err(refused)
    }
}

fn refused(error: CommandError) -> Status {
    match error {
        CommandError::NotSupported { .. } => Status::unimplemented(error.to_string()),
        CommandError::Unavailable { .. } => Status::unavailable(error.to_string()),
        CommandError::Refused { .. } => Status::invalid_argument(error.to_string()),
    }
}

#[tonic::async_trait]
impl control_server::Control for Control {
    async fn status(
        &self,
        request: Request<proto::StatusRequest>,
    ) -> Result<Response<proto::StatusResponse>, Status> {
        self.tokens.authorise(request.metadata(), Role::Viewer)?;
        Ok(Response::new(self.handler.status().into()))
    }

    async fn change_limits(
        &self,
        request: Request<proto::ChangeLimitsRequest>,
    ) -> Result<Response<proto::ChangeLimitsResponse>, Status> {
        let name = self.tokens.authorise(request.metadata(), Role::Operator)?.to_owned();
        let proto::ChangeLimitsRequest { version, limits, reason, actor } = request.into_inner();
        let limits = limits.into_iter().map(|limit| (limit.key, limit.value)).collect();
        let change = LimitsChange { version, limits };
        // Said before it is recorded: a change that the gate would refuse is not asked for.
        let answer = self.handler.question(Question::Limits(change.clone())).await;
        let needs_second = answer.map_err(refused)?.contains("\"needs_second\":true");
        let action = ControlAction::ChangeLimits;
        let asked = Asked { limits: Some(change), ..Asked::plain(action) };
        let recorded = self.command(asked, &name, status::everything(), &reason, &actor).await?;
        let recording = proto::Recording::from(recorded).into();
        Ok(Response::new(proto::ChangeLimitsResponse { recording, needs_second }))
    }

    async fn confirm_limits(
        &self,
        request: Request<proto::ConfirmLimitsRequest>,
    ) -> Result<Response<proto::ChangeLimitsResponse>, Status> {
        let name = self.tokens.authorise(request.metadata(), Role::Operator)?.to_owned();
        let proto::ConfirmLimitsRequest { version, reason, actor } = request.into_inner();
        let question = Question::Confirm { version, actor: format!("{actor} (token {name})") };
        self.handler.question(question).await.map_err(refused)?;
        let action = ControlAction::ConfirmLimits;
        let limits = Some(LimitsChange { version, limits: [].into() });
        let asked = Asked { limits, ..Asked::plain(action) };
        let recorded = self.command(asked, &name, status::everything(), &reason, &actor).await?;
        let recording = proto::Recording::from(recorded).into();
        Ok(Response::new(proto::ChangeLimitsResponse { recording, needs_second: false }))
    }

    async fn check_order(
        &self,
        request: Request<proto::CheckOrderRequest>,
    ) -> Result<Response<proto::CheckOrderResponse>, Status> {
        self.tokens.authorise(request.metadata(), Role::Viewer)?;
        let proto::CheckOrderRequest { order_json } = request.into_inner();
        let answer_json =
            self.handler.question(Question::Order(order_json)).await.map_err(refused)?;
        Ok(Response::new(proto::CheckOrderResponse { answer_json }))
    }

    async fn halt(
        &self,
        request: Request<proto::HaltRequest>,
    ) -> Result<Response<proto::HaltResponse>, Status> {
        let name = self.tokens.authorise(request.metadata(), Role::Operator)?.to_owned();
        let proto::HaltRequest { scope, reason, actor } = request.into_inner();
        let asked = Asked::plain(ControlAction::Halt);
        let recorded = self.command(asked, &name, scope, &reason, &actor).await?;
        let recording = proto::Recording::from(recorded).into();
        Ok(Response::new(proto::HaltResponse { recording }))
    }

    async fn cancel_account(
        &self,
        request: Request<proto::CancelAccountRequest>,
    ) -> Result<Response<proto::CancelAccountResponse>, Status> {
        let name = self.tokens.authorise(request.metadata(), Role::Operator)?.to_owned();
        let proto::CancelAccountRequest { account, venue, reason, actor } = request.into_inner();
        let invalid = |error: IdError| Status::invalid_argument(error.to_string());
        let account = AccountId::new(&account).map_err(invalid)?;
        let venue = venue.as_deref().map(VenueId::new).transpose().map_err(invalid)?;
        let route = self.handler.route().ok_or_else(|| {
            let service = self.handler.status().service;
            Status::invalid_argument(format!(
                "{service} takes nothing back from a venue: ask an order router"
            ))
        })?;
        // Looked at before it is recorded: where the name is not that of the account, nothing is done.
        route.consider(&account, venue.as_ref()).map_err(Status::invalid_argument)?;
        // The halt is as wide as was asked for. Orders are taken back by this router alone: the others hear of the command
        // when their venues may have been confirmed empty already, and people have placed orders since.
        let account = NamedAccount { id: account, venue: Some(route.venue) };
        let scope = venue.map_or(ControlScope::Global, ControlScope::Venue);
        let scope = Some(status::scope_to_wire(&scope));
        let asked = Asked { account: Some(account), ..Asked::plain(ControlAction::CancelAccount) };
        let recorded = self.command(asked, &name, scope, &reason, &actor).await?;
        let recording = proto::Recording::from(recorded).into();
        Ok(Response::new(proto::CancelAccountResponse { recording }))
    }

    async fn reduce(
        &self,
        request: Request<proto::ReduceRequest>,
    ) -> Result<Response<proto::ReduceResponse>, Status> {
        let name = self.tokens.authorise(request.metadata(), Role::Operator)?.to_owned();
        let proto::ReduceRequest { scope, reason, actor } = request.into_inner();
        let asked = Asked::plain(ControlAction::Reduce);
        let recorded = self.command(asked, &name, scope, &reason, &actor).await?;
        let recording = proto::Recording::from(recorded).into();
        Ok(Response::new(proto::ReduceResponse { recording }))
    }

    async fn resume(
        &self,
        request: Request<proto::ResumeRequest>,
    ) -> Result<Response<proto::ResumeResponse>, Status> {
        let name = self.tokens.authorise(request.metadata(), Role::Operator)?.to_owned();
        let proto::ResumeRequest { scope, reason, actor } = request.into_inner();
        let asked = Asked::plain(ControlAction::Resume);
        let recorded = self.command(asked, &name, scope, &reason, &actor).await?;
        let recording = proto::Recording::from(recorded).into();
        Ok(Response::new(proto::ResumeResponse { recording }))
    }
}
