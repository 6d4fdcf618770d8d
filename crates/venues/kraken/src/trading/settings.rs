//! The settings of a session, checked.

use crate::auth::ApiSigner;
use crate::server::settings::Tier;
use remora_domain::{ClOrdId, DurationNs, SettingCheck, SettingProblem};
use remora_venue_api::{DeadMan, OrderEntrySettings};

/// The tiers with documented limits, by the venue's names, lowest first.
pub const RATE_TIERS: [&str; 3] = ["starter", "intermediate", "pro"];

/// The shortest and longest timer, in milliseconds. The venue recommends a minute, renewed each 15 to 30 s.
const DEAD_MAN_MS: (i64, i64) = (5_000, 600_000);

/// Is what the settings come to.
pub(super) struct Checked {
    pub(super) signer: ApiSigner,
    pub(super) tier: Tier,
    /// The timer; 0 for none.
    pub(super) guard_seconds: u32,
}

/// Checks everything.
pub(super) fn check(settings: &OrderEntrySettings) -> Result<Checked, Vec<SettingProblem>> {
    let mut check = SettingCheck::new("live");
    if settings.credentials.key.expose().is_empty() {
        check.problem("key", "***", "the API key");
    }
    let signer = ApiSigner::new(settings.credentials.secret.expose()).ok();
    if signer.is_none() {
        check.problem("secret", "***", "the private key in base64, as the venue gives it");
    }
    url(&mut check, "rest_url", &settings.rest_url, ["https://", "http://"]);
    url(&mut check, "private_url", &settings.private_url, ["wss://", "ws://"]);
    let tiers = RATE_TIERS.into_iter().zip([Tier::Starter, Tier::Intermediate, Tier::Pro]);
    let tier = tiers.into_iter().find(|(name, _)| *name == settings.rate_tier);
    if tier.is_none() {
        check.problem("rate_tier", &settings.rate_tier, RATE_TIERS.join(", "));
    }
    let prefix = &settings.cl_ord_id_prefix;
    if prefix.len() > 8 || ClOrdId::new(prefix).is_err() {
        check.problem("cl_ord_id_prefix", prefix, "1 to 8 characters from a-z 0-9 -");
    }
    let guard = match settings.dead_man {
        DeadMan::Guard(after) | DeadMan::GuardShared(after) => guard(&mut check, after),
        DeadMan::Off => Some(0),
    };
    let parts = signer.zip(tier).zip(guard);
    check.finish(parts.map(|((signer, (_, tier)), guard_seconds)| Checked {
        signer,
        tier,
        guard_seconds,
    }))
}

fn guard(check: &mut SettingCheck, after: DurationNs) -> Option<u32> {
    let (least, most) = DEAD_MAN_MS;
    check.range("dead_man_ms", after.as_ms(), least, most);
    let seconds = after.as_ms() / 1_000;
    if after != DurationNs::from_s(seconds) {
        check.problem("dead_man_ms", after.as_ms(), "whole seconds");
    }
    u32::try_from(seconds).ok()
}

fn url(check: &mut SettingCheck, key: &str, url: &str, schemes: [&str; 2]) {
    let is_good = schemes.iter().any(|scheme| url.starts_with(scheme))
        && !url.ends_with('/')
        && !url.contains(['?', '#', '@', ' ']);
    if !is_good {
        let allowed =
            format!("{} and a host, without user, query or final slash", schemes.join(" or "));
        check.problem(key, url, allowed);
    }
}
