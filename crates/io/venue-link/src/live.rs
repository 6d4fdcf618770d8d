//! The `[live]` section of a profile, and how a checked one becomes an order-entry session on its wire.
//!
//! Both ways of trading live (a router as a process, all services in one) open their session here, so that both refuse
//! the same things. Credentials come from files that are read elsewhere, never from the section.

use crate::{
    CallSettings, CallsError, NonceError, NonceStore, OrderWire, ReceiveClock, SocketSettings,
};
use remora_domain::{AccountId, DurationNs, SessionId, SettingProblem, VenueId};
use remora_venue_api::{Credentials, DeadMan, OrderEntry, OrderEntrySettings};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Is the section as written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LiveSettings {
    /// Where calls go, such as `https://api.kraken.com`, without a trailing slash; the venue's own when absent.
    #[serde(default)]
    pub rest_url: Option<String>,
    /// Where the private socket is, such as `wss://ws-auth.kraken.com/v2`; the venue's own when absent.
    #[serde(default)]
    pub private_url: Option<String>,
    /// The rate tier of the account, by the venue's name. It has no default: too high a tier gets the key throttled.
    pub rate_tier: String,
    /// The folder where it is kept which nonces may have been used; made when absent. It must outlive the process.
    pub nonce_folder: PathBuf,
    /// What the venue's own timer does: `guard`, `guard_shared` or `off`; `guard` when absent.
    #[serde(default)]
    pub dead_man: DeadManSetting,
    /// How long the venue waits for a sign of life before it cancels everything, in ms; 60,000 when absent.
    #[serde(default = "dead_man_default")]
    pub dead_man_ms: i64,
    /// Whether to trade by calls alone, without a private socket; false when absent.
    #[serde(default)]
    pub is_rest_only: bool,
}

const fn dead_man_default() -> i64 {
    60_000
}

/// Says what the venue's timer does that cancels every open order of the account when we fall silent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadManSetting {
    /// It is armed before the first order; no order is sent while somebody else's are open on the account.
    #[default]
    Guard,
    /// It is armed, and may take somebody else's orders on the account too.
    GuardShared,
    /// It is never armed: after a crash our orders stay.
    Off,
}

/// Makes a venue's order-entry session; gives every problem of the settings.
pub type MakeOrders = fn(OrderEntrySettings) -> Result<Box<dyn OrderEntry>, Vec<SettingProblem>>;

/// Is what the list of venues knows of the venue.
#[derive(Clone, Copy, Debug)]
pub struct LiveVenue {
    /// Where its calls are served unless configured otherwise.
    pub rest_url: &'static str,
    /// Where its private socket is unless configured otherwise.
    pub private_url: &'static str,
    /// Makes its session.
    pub orders: MakeOrders,
}

/// Is whose orders these are.
#[derive(Clone, Debug)]
pub struct LiveAccount {
    /// At which venue.
    pub venue: VenueId,
    /// Of which account of ours.
    pub account: AccountId,
    /// What every client order id of ours begins with.
    pub cl_ord_id_prefix: String,
    /// What the venue knows us by.
    pub credentials: Credentials,
}

/// Says why a live session cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The nonces of the key cannot be kept.
    #[error("open the nonces of the key")]
    Nonces(#[from] NonceError),
    /// No calls can be made.
    #[error("prepare calls")]
    Calls(#[from] CallsError),
    /// The settings were good when they were checked, and no longer are.
    #[error("make the session: {} problem(s)", problems.len())]
    Settings {
        /// What is wrong.
        problems: Vec<SettingProblem>,
    },
}

/// Is a checked way to trade live; nothing is opened yet.
#[derive(Clone, Debug)]
pub struct LivePlan {
    venue: LiveVenue,
    settings: OrderEntrySettings,
    nonce_folder: PathBuf,
}

impl LivePlan {
    /// Checks the section with the venue's own rules. Opens nothing.
    ///
    /// # Errors
    /// Gives every problem found.
    pub fn check(
        live: LiveSettings,
        venue: LiveVenue,
        account: LiveAccount,
    ) -> Result<Self, Vec<SettingProblem>> {
        let after = DurationNs::from_ms(live.dead_man_ms);
        let settings = OrderEntrySettings {
            venue: account.venue,
            account: account.account,
            run: SessionId::default(),
            credentials: account.credentials,
            rest_url: live.rest_url.unwrap_or_else(|| venue.rest_url.to_owned()),
            private_url: live.private_url.unwrap_or_else(|| venue.private_url.to_owned()),
            nonces_from: 0,
            dead_man: match live.dead_man {
                DeadManSetting::Guard => DeadMan::Guard(after),
                DeadManSetting::GuardShared => DeadMan::GuardShared(after),
                DeadManSetting::Off => DeadMan::Off,
            },
            is_rest_only: live.is_rest_only,
            rate_tier: live.rate_tier,
            cl_ord_id_prefix: account.cl_ord_id_prefix,
            seed: 0,
        };
        // A session that is dropped before its start has done nothing.
        drop((venue.orders)(settings.clone())?);
        Ok(Self { venue, settings, nonce_folder: live.nonce_folder })
    }

    /// Gives where calls go.
    #[must_use]
    pub fn rest_url(&self) -> &str {
        &self.settings.rest_url
    }

    /// Gives where the private socket is.
    #[must_use]
    pub fn private_url(&self) -> &str {
        &self.settings.private_url
    }

    /// Says in words what happens to our orders when this process dies.
    #[must_use]
    pub fn dead_man(&self) -> String {
        match self.settings.dead_man {
            DeadMan::Guard(after) | DeadMan::GuardShared(after) => {
                let seconds = after.as_ms() / 1_000;
                format!("the venue cancels everything {seconds} s after the last sign of life")
            }
            DeadMan::Off => {
                "the venue's timer is off: orders stay until somebody cancels them".to_owned()
            }
        }
    }

    /// Opens the nonces of the key and makes the session and its wire. Must be used inside a tokio runtime.
    ///
    /// # Errors
    /// Refuses a key that another process uses; tells what cannot be set up.
    pub fn open(
        self,
        run: SessionId,
        seed: u64,
        clock: ReceiveClock,
    ) -> Result<(Box<dyn OrderEntry>, OrderWire), LiveError> {
        let Self { venue, settings, nonce_folder } = self;
        let nonces = NonceStore::open(&nonce_folder, settings.credentials.key.expose())?;
        let settings = OrderEntrySettings { run, seed, nonces_from: nonces.until(), ..settings };
        let made = (venue.orders)(settings);
        let session = made.map_err(|problems| LiveError::Settings { problems })?;
        let (sockets, calls) = (SocketSettings::for_orders(), CallSettings::default());
        Ok((session, OrderWire::new(sockets, calls, nonces, clock)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_domain::Timestamp;
    use remora_machine::Machine;
    use remora_venue_api::{Confidential, VenueInput, VenueOutput};
    use std::path::Path;
    use std::sync::Arc;

    /// Is a session that reserves the hundred nonces after those it was told of.
    struct Reserving(u64);

    impl Machine for Reserving {
        type Input = VenueInput;
        type Output = VenueOutput;

        fn handle(&mut self, _: Timestamp, _: VenueInput, out: &mut Vec<VenueOutput>) {
            out.push(VenueOutput::ReserveNonces { until: self.0 + 100 });
        }

        fn tick(&mut self, _: Timestamp, _: &mut Vec<VenueOutput>) {}

        fn next_deadline(&self) -> Option<Timestamp> {
            None
        }
    }

    impl OrderEntry for Reserving {}

    fn orders(settings: OrderEntrySettings) -> Result<Box<dyn OrderEntry>, Vec<SettingProblem>> {
        if settings.rate_tier != "good" {
            let (value, allowed) = (settings.rate_tier, "good".to_owned());
            return Err(vec![SettingProblem { key: "live.rate_tier".to_owned(), value, allowed }]);
        }
        Ok(Box::new(Reserving(settings.nonces_from)))
    }

    fn settings(folder: &Path) -> LiveSettings {
        LiveSettings {
            rest_url: None,
            private_url: Some("ws://127.0.0.1:1/v2".to_owned()),
            rate_tier: "good".to_owned(),
            nonce_folder: folder.join("nonces"),
            dead_man: DeadManSetting::Guard,
            dead_man_ms: 7_000,
            is_rest_only: false,
        }
    }

    fn plan(settings: LiveSettings) -> Result<LivePlan, Vec<SettingProblem>> {
        let venue = LiveVenue { rest_url: "https://rest", private_url: "wss://ws", orders };
        let credentials =
            Credentials { key: Confidential::from("k"), secret: Confidential::from("s") };
        let account = LiveAccount {
            venue: VenueId::new("venue").unwrap(),
            account: AccountId::new("main").unwrap(),
            cl_ord_id_prefix: "rmra".to_owned(),
            credentials,
        };
        LivePlan::check(settings, venue, account)
    }

    fn clock() -> ReceiveClock {
        Arc::new(|| Timestamp::EPOCH)
    }

    #[test]
    fn checking_opens_nothing_and_takes_the_venues_own_addresses_where_none_are_given() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan(settings(folder.path())).unwrap();
        assert_eq!((plan.rest_url(), plan.private_url()), ("https://rest", "ws://127.0.0.1:1/v2"));
        assert!(plan.dead_man().contains("7 s after"), "{}", plan.dead_man());
        assert!(!folder.path().join("nonces").exists());
        let bad = LiveSettings { rate_tier: "bad".to_owned(), ..settings(folder.path()) };
        assert_eq!(super::tests::plan(bad).unwrap_err()[0].key, "live.rate_tier");
        let off = LiveSettings { dead_man: DeadManSetting::Off, ..settings(folder.path()) };
        assert!(super::tests::plan(off).unwrap().dead_man().contains("orders stay"));
    }

    #[tokio::test]
    async fn a_session_goes_on_with_the_nonces_that_no_earlier_run_may_have_used() {
        let folder = tempfile::tempdir().unwrap();
        for until in [100, 200] {
            let plan = plan(settings(folder.path())).unwrap();
            let (mut session, mut wire) = plan.open(SessionId::new(1), 1, clock()).unwrap();
            let mut out = Vec::new();
            session.handle(Timestamp::EPOCH, VenueInput::Start, &mut out);
            assert_eq!(out, [VenueOutput::ReserveNonces { until }]);
            wire.perform(out.remove(0));
            let stored = wire.recv().await.unwrap();
            assert!(matches!(stored, VenueInput::NoncesReserved { until: at } if at == until));
        }
    }

    #[tokio::test]
    async fn a_key_in_use_is_not_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan(settings(folder.path())).unwrap();
        let first = plan.clone().open(SessionId::new(1), 1, clock()).unwrap();
        let second = plan.open(SessionId::new(2), 1, clock()).map(drop).unwrap_err();
        assert!(matches!(second, LiveError::Nonces(NonceError::Locked { .. })), "{second}");
        drop(first);
    }
}
