//! Faults as people write them: in the settings' script and in `POST /sim/faults`; checked as a whole.

use crate::server::catalogue::{PairStatus, SystemMode};
use remora_domain::{DurationNs, SettingProblem};
use serde::{Deserialize, Serialize};
use std::fmt::Display;

/// The longest delay, stall or distance from the start, in milliseconds: a day.
const MS_MAX: i64 = 86_400_000;
/// Everything, in millionths.
pub(crate) const PPM: u32 = 1_000_000;
/// Faults that one script or one call may hold.
pub(crate) const WISHES_MAX: usize = 256;
/// What the venue's edge answers when what is behind it fails (codes of its front, Cloudflare).
const PAGES: [u16; 9] = [500, 502, 503, 504, 520, 521, 522, 523, 524];
/// What the venue answers when an order's outcome is unknown, unless asked otherwise.
pub(crate) const UNAVAILABLE: &str = "EService:Unavailable";
const UNKNOWN_OUTCOMES: [&str; 3] = [UNAVAILABLE, "EService:Busy", "EGeneral:Internal error"];
const CHANNELS: [&str; 9] =
    ["executions", "balances", "book", "level3", "trade", "ticker", "ohlc", "instrument", "status"];

/// Is the faults of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FaultSettings {
    /// Every chance is drawn from it.
    #[serde(default)]
    pub seed: u64,
    /// What happens by itself; `after_ms` counts from the start of the exchange.
    #[serde(default)]
    pub script: Vec<FaultWish>,
}

/// Is what goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// A request never arrives: nothing happens, nobody answers.
    RequestLost,
    /// A private REST call fails with `EAPI:Invalid nonce`; nothing happens.
    InvalidNonce,
    /// A request is too much: `EAPI:Rate limit exceeded`, `EGeneral:Too many requests` on public REST calls,
    /// `{"Error":"Exceeded msg rate"}` on WebSockets; nothing happens.
    Throttled,
    /// A request fails with `error`, or with `EService:Unavailable`; with `is_executed` it was accepted all the same.
    Unavailable,
    /// A request was accepted; its answer is lost (REST: the connection ends).
    ReplyLost,
    /// A REST call was accepted; its answer is an HTML page with HTTP `status`, or 520.
    ErrorPage,
    /// An answer comes `delay_ms` later.
    ReplyDelayed,
    /// Frames come `delay_ms` later, in order.
    Delayed,
    /// Frames come twice.
    Duplicated,
    /// A frame comes after the one that follows it, or a second later.
    Reordered,
    /// Frames are missing; their sequence numbers are used up.
    Lost,
    /// The checksum of a book frame is wrong by one bit.
    CorruptChecksum,
    /// A subscription is acknowledged and stays silent until the client ends it.
    Silent,
    /// Connections are closed with `code`, or 1001: at once and every `every_ms`.
    Disconnected,
    /// Nothing is read from connections for `delay_ms`: at once and every `every_ms`.
    Stalled,
    /// The exchange, or one pair, is in `mode`.
    Phase,
    /// The venue's clock is `offset_ms` ahead of ours. It never runs back: where it would, it stands still.
    ClockOffset,
}

impl FaultKind {
    /// Every kind, once.
    pub const ALL: [Self; 17] = [
        Self::RequestLost,
        Self::InvalidNonce,
        Self::Throttled,
        Self::Unavailable,
        Self::ReplyLost,
        Self::ErrorPage,
        Self::ReplyDelayed,
        Self::Delayed,
        Self::Duplicated,
        Self::Reordered,
        Self::Lost,
        Self::CorruptChecksum,
        Self::Silent,
        Self::Disconnected,
        Self::Stalled,
        Self::Phase,
        Self::ClockOffset,
    ];
}

/// Is where a fault may happen; everywhere unless narrowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FaultScope {
    /// Only to this account, by its name in the settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Only where this pair is named, by its v2 symbol. Frames that name no pair do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair: Option<String>,
    /// Only on this connection, by the shell's number of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<u64>,
    /// Only to this request, such as `AddOrder` or `add_order`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
}

/// Is one fault as asked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FaultWish {
    /// What.
    pub kind: FaultKind,
    /// Where.
    #[serde(default)]
    pub scope: FaultScope,
    /// How often, in millionths of the occasions, 1 to 1,000,000; every time when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability_ppm: Option<u32>,
    /// How many times at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// From when on; at once when absent.
    #[serde(default)]
    pub after_ms: i64,
    /// For how long; until it is cleared when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<i64>,
    /// Again and again at this distance (`disconnected`, `stalled`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_ms: Option<i64>,
    /// How much later, or how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<i64>,
    /// How far the clock is ahead; negative for behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_ms: Option<i64>,
    /// Of which channel; `executions` when absent, for `silent` any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// HTTP status of the error page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// WebSocket close code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The venue's error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether the request was accepted although it is answered with an error.
    #[serde(default)]
    pub is_executed: bool,
    /// What the exchange or the pair allows meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<PhaseMode>,
}

/// Is what is allowed in a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseMode {
    /// Nothing.
    Maintenance,
    /// Nothing but cancels.
    CancelOnly,
    /// Orders that rest.
    PostOnly,
    /// No market orders (pairs only).
    LimitOnly,
    /// Orders that make a position smaller (pairs only).
    ReduceOnly,
}

impl PhaseMode {
    /// Gives the mode of the whole exchange, where it has this one.
    pub(crate) const fn system(self) -> Option<SystemMode> {
        match self {
            Self::Maintenance => Some(SystemMode::Maintenance),
            Self::CancelOnly => Some(SystemMode::CancelOnly),
            Self::PostOnly => Some(SystemMode::PostOnly),
            Self::LimitOnly | Self::ReduceOnly => None,
        }
    }

    /// Gives the status of a pair.
    pub(crate) const fn pair(self) -> PairStatus {
        match self {
            Self::Maintenance => PairStatus::Maintenance,
            Self::CancelOnly => PairStatus::CancelOnly,
            Self::PostOnly => PairStatus::PostOnly,
            Self::LimitOnly => PairStatus::LimitOnly,
            Self::ReduceOnly => PairStatus::ReduceOnly,
        }
    }
}

impl FaultKind {
    /// Tells whether it is a state of the exchange rather than something that happens to a request or frame.
    pub(crate) const fn is_lasting(self) -> bool {
        matches!(self, Self::Phase | Self::ClockOffset)
    }
}

impl FaultSettings {
    /// Lists everything that is wrong with the script.
    #[must_use]
    pub fn problems(&self) -> Vec<SettingProblem> {
        let mut problems = Vec::new();
        if self.script.len() > WISHES_MAX {
            let value = self.script.len().to_string();
            let allowed = format!("at most {WISHES_MAX} faults");
            problems.push(SettingProblem { key: "faults.script".to_owned(), value, allowed });
        }
        for (index, wish) in self.script.iter().enumerate() {
            problems.extend(wish.problems(&format!("faults.script.{index}")));
        }
        problems
    }
}

impl FaultWish {
    /// Asks for a fault everywhere, every time, from now until it is cleared.
    #[must_use]
    pub fn new(kind: FaultKind) -> Self {
        Self {
            kind,
            scope: FaultScope::default(),
            probability_ppm: None,
            count: None,
            after_ms: 0,
            duration_ms: None,
            every_ms: None,
            delay_ms: None,
            offset_ms: None,
            channel: None,
            status: None,
            code: None,
            error: None,
            is_executed: false,
            mode: None,
        }
    }

    /// Lists everything that is wrong with it; keys start with `at`.
    pub(crate) fn problems(&self, at: &str) -> Vec<SettingProblem> {
        let mut check = Check { at, problems: Vec::new() };
        check.within("probability_ppm", self.probability_ppm, 1, PPM);
        check.within("count", self.count, 1, u64::MAX);
        check.within("after_ms", Some(self.after_ms), 0, MS_MAX);
        check.within("duration_ms", self.duration_ms, 1, MS_MAX);
        check.within("every_ms", self.every_ms, 10, MS_MAX);
        check.within("delay_ms", self.delay_ms, 1, MS_MAX);
        check.within("offset_ms", self.offset_ms, -MS_MAX, MS_MAX);
        check.within("code", self.code, 1000, 4999);
        check.one_of("channel", self.channel.as_deref(), &CHANNELS);
        check.one_of("error", self.error.as_deref(), &UNKNOWN_OUTCOMES);
        if self.status.is_some_and(|status| !PAGES.contains(&status)) {
            let allowed = PAGES.map(|page| page.to_string()).join(", ");
            check.problem("status", self.status.unwrap_or(0), format!("one of {allowed}"));
        }
        let fits = Fits::of(self.kind);
        check.needed("delay_ms", self.delay_ms.is_some(), fits.has_delay);
        check.needed("offset_ms", self.offset_ms.is_some(), self.kind == FaultKind::ClockOffset);
        check.needed("mode", self.mode.is_some(), self.kind == FaultKind::Phase);
        check.allowed("every_ms", self.every_ms.is_some(), fits.is_repeated);
        check.allowed("channel", self.channel.is_some(), fits.has_channel);
        check.allowed("status", self.status.is_some(), self.kind == FaultKind::ErrorPage);
        check.allowed("code", self.code.is_some(), self.kind == FaultKind::Disconnected);
        let is_unavailable = self.kind == FaultKind::Unavailable;
        check.allowed("error", self.error.is_some(), is_unavailable);
        check.allowed("is_executed", self.is_executed, is_unavailable);
        check.allowed("scope.method", self.scope.method.is_some(), fits.is_request);
        let is_of_exchange = self.kind.is_lasting();
        check.allowed("count", self.count.is_some(), !is_of_exchange);
        let is_narrow = self.scope.account.is_some() || self.scope.connection.is_some();
        check.allowed("scope", is_narrow, !is_of_exchange);
        let is_lifelong = matches!(self.kind, FaultKind::Disconnected | FaultKind::Stalled);
        check.allowed(
            "scope.pair",
            self.scope.pair.is_some(),
            !is_lifelong && self.kind != FaultKind::ClockOffset,
        );
        let is_system_mode = self.mode.is_none_or(|mode| mode.system().is_some());
        if self.scope.pair.is_none() && !is_system_mode {
            check.problem("mode", "limit_only or reduce_only", "these with scope.pair only");
        }
        check.problems
    }

    /// Gives the delay; zero where the kind has none.
    pub(crate) fn delay(&self) -> DurationNs {
        DurationNs::from_ms(self.delay_ms.unwrap_or(0))
    }
}

/// Is which parameters a kind has.
struct Fits {
    has_delay: bool,
    has_channel: bool,
    is_request: bool,
    is_repeated: bool,
}

impl Fits {
    const fn of(kind: FaultKind) -> Self {
        use FaultKind as K;
        let (has_delay, has_channel, is_request, is_repeated) = match kind {
            K::RequestLost
            | K::InvalidNonce
            | K::Throttled
            | K::Unavailable
            | K::ReplyLost
            | K::ErrorPage => (false, false, true, false),
            K::ReplyDelayed => (true, false, true, false),
            K::Delayed => (true, true, false, false),
            K::Duplicated | K::Reordered | K::Lost | K::Silent => (false, true, false, false),
            K::CorruptChecksum | K::Phase | K::ClockOffset => (false, false, false, false),
            K::Disconnected => (false, false, false, true),
            K::Stalled => (true, false, false, true),
        };
        Self { has_delay, has_channel, is_request, is_repeated }
    }
}

struct Check<'a> {
    at: &'a str,
    problems: Vec<SettingProblem>,
}

impl Check<'_> {
    fn problem(&mut self, key: &str, value: impl Display, allowed: impl Display) {
        self.problems.push(SettingProblem {
            key: format!("{}.{key}", self.at),
            value: value.to_string(),
            allowed: allowed.to_string(),
        });
    }

    fn within<T: PartialOrd + Display + Copy>(
        &mut self,
        key: &str,
        value: Option<T>,
        min: T,
        max: T,
    ) {
        if let Some(value) = value.filter(|value| *value < min || *value > max) {
            self.problem(key, value, format!("{min} to {max}"));
        }
    }

    fn one_of(&mut self, key: &str, value: Option<&str>, known: &[&str]) {
        if let Some(value) = value.filter(|value| !known.contains(value)) {
            self.problem(key, value, format!("one of {}", known.join(", ")));
        }
    }

    /// Wants the key exactly where the kind has it.
    fn needed(&mut self, key: &str, is_given: bool, is_wanted: bool) {
        match (is_given, is_wanted) {
            (false, true) => self.problem(key, "(missing)", "a value for this kind"),
            (true, false) => self.problem(key, "given", "nothing for this kind"),
            (true, true) | (false, false) => {}
        }
    }

    /// Wants the key at most where the kind may have it.
    fn allowed(&mut self, key: &str, is_given: bool, is_possible: bool) {
        if is_given && !is_possible {
            self.problem(key, "given", "nothing for this kind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::FaultKind as K;

    /// Gives the place of a kind in the list; a new kind does not compile without one.
    const fn place(kind: K) -> usize {
        match kind {
            K::RequestLost => 0,
            K::InvalidNonce => 1,
            K::Throttled => 2,
            K::Unavailable => 3,
            K::ReplyLost => 4,
            K::ErrorPage => 5,
            K::ReplyDelayed => 6,
            K::Delayed => 7,
            K::Duplicated => 8,
            K::Reordered => 9,
            K::Lost => 10,
            K::CorruptChecksum => 11,
            K::Silent => 12,
            K::Disconnected => 13,
            K::Stalled => 14,
            K::Phase => 15,
            K::ClockOffset => 16,
        }
    }

    #[test]
    fn the_list_holds_every_kind_once() {
        let places: Vec<usize> = K::ALL.into_iter().map(place).collect();
        assert_eq!(places, (0..K::ALL.len()).collect::<Vec<_>>());
    }
}
