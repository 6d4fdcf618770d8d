//! The calling side, for the command line and for tests.

use crate::error::RpcError;
use crate::proto::{self, control_client};
use crate::status::{self, Recorded, ServiceStatus};
use remora_domain::{AccountId, ControlScope, LimitsChange, VenueId};
use std::fmt;
use std::time::Duration;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

/// A service answers from memory; longer means that it is not there.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Calls the control server of one service. Cheap to clone.
#[derive(Clone)]
pub struct ControlClient {
    stub: control_client::ControlClient<Channel>,
    authorization: MetadataValue<Ascii>,
}

impl fmt::Debug for ControlClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ControlClient")
    }
}

impl ControlClient {
    /// Connects to `http://HOST:PORT`, or to `https://HOST:PORT` trusting the certificates in `authority_pem`.
    ///
    /// # Errors
    /// Refuses a token that is not visible ASCII; tells when the peer cannot be reached.
    pub async fn connect(
        uri: &str,
        token: &str,
        authority_pem: Option<&str>,
    ) -> Result<Self, RpcError> {
        let mut authorization =
            MetadataValue::try_from(format!("Bearer {token}")).map_err(|_| RpcError::TokenText)?;
        authorization.set_sensitive(true);
        let mut endpoint = Endpoint::from_shared(uri.to_owned())
            .map_err(RpcError::Transport)?
            .connect_timeout(CALL_TIMEOUT)
            .timeout(CALL_TIMEOUT);
        if let Some(pem) = authority_pem {
            let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
            endpoint = endpoint.tls_config(tls).map_err(RpcError::Transport)?;
        }
        let channel = endpoint.connect().await.map_err(RpcError::Transport)?;
        Ok(Self { stub: control_client::ControlClient::new(channel), authorization })
    }

    /// Asks for the condition of the service.
    ///
    /// # Errors
    /// Tells when the call fails or the answer cannot be read.
    pub async fn status(&mut self) -> Result<ServiceStatus, RpcError> {
        let method = "status";
        let request = self.request(proto::StatusRequest {});
        let answer = self.stub.status(request).await.map_err(|cause| call(method, cause))?;
        ServiceStatus::try_from(answer.into_inner())
            .map_err(|cause| RpcError::Answer { method, cause })
    }

    /// Changes limits of the gate; tells whether a second person must confirm the change.
    ///
    /// # Errors
    /// Tells when the call fails or the change is refused.
    pub async fn change_limits(
        &mut self,
        change: &LimitsChange,
        reason: &str,
        actor: &str,
    ) -> Result<(Option<Recorded>, bool), RpcError> {
        let limit = |(key, value): (&String, &String)| proto::Limit {
            key: key.clone(),
            value: value.clone(),
        };
        let request = self.request(proto::ChangeLimitsRequest {
            version: change.version,
            limits: change.limits.iter().map(limit).collect(),
            reason: reason.to_owned(),
            actor: actor.to_owned(),
        });
        let answer = self.stub.change_limits(request).await;
        let answer = answer.map_err(|cause| call("change_limits", cause))?.into_inner();
        Ok((answer.recording().into(), answer.needs_second))
    }

    /// Confirms a change of limits that another person asked for.
    ///
    /// # Errors
    /// Tells when the call fails or the word is refused.
    pub async fn confirm_limits(
        &mut self,
        version: u64,
        reason: &str,
        actor: &str,
    ) -> Result<Option<Recorded>, RpcError> {
        let (reason, actor) = (reason.to_owned(), actor.to_owned());
        let request = self.request(proto::ConfirmLimitsRequest { version, reason, actor });
        let answer = self.stub.confirm_limits(request).await;
        let answer = answer.map_err(|cause| call("confirm_limits", cause))?;
        Ok(answer.into_inner().recording().into())
    }

    /// Asks what the gate would answer to an order, given as JSON; gives its answer as JSON.
    ///
    /// # Errors
    /// Tells when the call fails or is refused.
    pub async fn check_order(&mut self, order_json: &str) -> Result<String, RpcError> {
        let order_json = order_json.to_owned();
        let request = self.request(proto::CheckOrderRequest { order_json });
        let answer = self.stub.check_order(request).await;
        Ok(answer.map_err(|cause| call("check_order", cause))?.into_inner().answer_json)
    }

    /// Stops new orders in a scope; tells how the command is kept, unless the service is of an older version.
    ///
    /// # Errors
    /// Tells when the call fails or is refused.
    pub async fn halt(
        &mut self,
        scope: &ControlScope,
        reason: &str,
        actor: &str,
    ) -> Result<Option<Recorded>, RpcError> {
        let scope = Some(status::scope_to_wire(scope));
        let (reason, actor) = (reason.to_owned(), actor.to_owned());
        let request = self.request(proto::HaltRequest { scope, reason, actor });
        let answer = self.stub.halt(request).await.map_err(|cause| call("halt", cause))?;
        Ok(answer.into_inner().recording().into())
    }

    /// Halts and takes back every order of an account, whoever placed it, at one venue or everywhere; tells how the command
    /// is kept.
    ///
    /// # Errors
    /// Tells when the call fails, or when the account is not the one that the service routes for: then nothing is done.
    pub async fn cancel_account(
        &mut self,
        account: &AccountId,
        venue: Option<&VenueId>,
        reason: &str,
        actor: &str,
    ) -> Result<Option<Recorded>, RpcError> {
        let request = self.request(proto::CancelAccountRequest {
            account: account.to_string(),
            venue: venue.map(ToString::to_string),
            reason: reason.to_owned(),
            actor: actor.to_owned(),
        });
        let answer = self.stub.cancel_account(request).await;
        let answer = answer.map_err(|cause| call("cancel_account", cause))?;
        Ok(answer.into_inner().recording().into())
    }

    /// Allows only orders that reduce a position in a scope; tells how the command is kept.
    ///
    /// # Errors
    /// Tells when the call fails or is refused.
    pub async fn reduce(
        &mut self,
        scope: &ControlScope,
        reason: &str,
        actor: &str,
    ) -> Result<Option<Recorded>, RpcError> {
        let scope = Some(status::scope_to_wire(scope));
        let (reason, actor) = (reason.to_owned(), actor.to_owned());
        let request = self.request(proto::ReduceRequest { scope, reason, actor });
        let answer = self.stub.reduce(request).await.map_err(|cause| call("reduce", cause))?;
        Ok(answer.into_inner().recording().into())
    }

    /// Allows quoting again in a scope; tells how the command is kept, unless the service is of an older version.
    ///
    /// # Errors
    /// Tells when the call fails or is refused.
    pub async fn resume(
        &mut self,
        scope: &ControlScope,
        reason: &str,
        actor: &str,
    ) -> Result<Option<Recorded>, RpcError> {
        let scope = Some(status::scope_to_wire(scope));
        let (reason, actor) = (reason.to_owned(), actor.to_owned());
        let request = self.request(proto::ResumeRequest { scope, reason, actor });
        let answer = self.stub.resume(request).await.map_err(|cause| call("resume", cause))?;
        Ok(answer.into_inner().recording().into())
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.authorization.clone());
        request
    }
}

fn call(method: &'static str, cause: tonic::Status) -> RpcError {
    RpcError::Call { method, cause: Box::new(cause) }
}
