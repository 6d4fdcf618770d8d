//! Order entry at Kraken Spot: one account's session as a machine. Never opens a socket.

mod nonce;
mod settings;

pub use settings::RATE_TIERS;

use crate::auth::{ApiSigner, Signed};
use nonce::Nonces;
use remora_domain::{SettingProblem, Timestamp, VenueReport};
use remora_machine::Machine;
use remora_venue_api::{
    CallId, CallMethod, OrderEntry, OrderEntrySettings, VenueCall, VenueInput, VenueOutput,
};

/// Is the order-entry session of one account.
#[derive(Debug)]
pub struct KrakenTrading {
    settings: OrderEntrySettings,
    signer: ApiSigner,
    nonces: Nonces,
}

impl KrakenTrading {
    /// Makes a session that has done nothing yet; earlier events and `Start` come first.
    ///
    /// # Errors
    /// Lists every setting that is impossible, with keys below `live`.
    pub fn new(settings: OrderEntrySettings) -> Result<Self, Vec<SettingProblem>> {
        let signer = settings::check(&settings)?;
        let nonces = Nonces::new(settings.nonces_from);
        Ok(Self { settings, signer, nonces })
    }

    fn ask_token(&mut self, now: Timestamp, out: &mut Vec<VenueOutput>) {
        let Some(nonce) = self.nonces.take(now) else { return };
        let path = "/0/private/GetWebSocketsToken";
        let (nonce, body) = (nonce.to_string(), format!("nonce={nonce}"));
        let signed = Signed { path, query: "", nonce: &nonce, body: body.as_bytes() };
        let sign = self.signer.sign(signed);
        out.push(VenueOutput::Call(VenueCall {
            call: CallId::new(1),
            method: CallMethod::Post,
            url: format!("{}{path}", self.settings.rest_url),
            headers: vec![
                ("api-key", self.settings.credentials.key.clone()),
                ("api-sign", sign.into()),
                ("content-type", "application/x-www-form-urlencoded".into()),
            ],
            body: body.into(),
        }));
    }
}

impl Machine for KrakenTrading {
    type Input = VenueInput;
    type Output = VenueOutput;

    fn handle(&mut self, now: Timestamp, input: VenueInput, out: &mut Vec<VenueOutput>) {
        match input {
            VenueInput::Start => {
                out.push(VenueOutput::Report(VenueReport::Session { is_up: false }));
                if let Some(until) = self.nonces.wanted(now) {
                    out.push(VenueOutput::ReserveNonces { until });
                }
            }
            VenueInput::NoncesReserved { until } => {
                self.nonces.reserved(until);
                self.ask_token(now, out);
            }
            VenueInput::Stop => out.push(VenueOutput::Stopped),
            VenueInput::Command(_)
            | VenueInput::Book { .. }
            | VenueInput::Trade { .. }
            | VenueInput::Instrument(_)
            | VenueInput::Restored(_)
            | VenueInput::Connected { .. }
            | VenueInput::Frame { .. }
            | VenueInput::Disconnected { .. }
            | VenueInput::CallEnded { .. } => {}
        }
    }

    fn tick(&mut self, _: Timestamp, _: &mut Vec<VenueOutput>) {}

    fn next_deadline(&self) -> Option<Timestamp> {
        None
    }
}

impl OrderEntry for KrakenTrading {}
