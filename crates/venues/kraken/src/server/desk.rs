//! The trading desk: what the venue does with orders, accounts and keys, typed. The codecs on top read and write text.
//!
//! In: requests and time. Out: answers at once; what the channels tell, in order, from [`Desk::drain`].
//!
//! Invariants:
//! - Whatever is asked, the answer is a result or one of the venue's errors; nothing panics.
//! - Every order, fill and change of a balance is told exactly once, in the order it happened.
//! - Ids lead to their numbers without tables and are never given twice.
//! - What an account can make the desk remember is bounded by its open orders and the configured history.
//!
//! Choices where the venue's documents are silent are marked "ours" beside the code.
//! Source of the venue's rules: Spot REST and WebSocket v2 references, rate limit guides (checked June 2026).

mod account;
mod amend;
mod api;
mod cancel;
mod clock;
mod clordid;
mod edit;
mod events;
mod facts;
mod history;
mod ids;
mod market;
mod money;
mod order_facts;
mod place;
mod plan;
mod quote;
mod record;
mod words;

pub use api::*;
pub use facts::*;
pub use ids::IdText;
pub(crate) use words::{fixed, price as price_words};

use super::auth::{KeyProblem, KeyRing, Permission, PrivateCall, Tokens};
use super::catalogue::{self, Catalogue, SystemMode};
use super::error::KrakenError;
use super::io::PeerId;
use super::settings::{AccountSetting, DeskSettings, HistoryBounds, PostOnlyMode};
use account::Account;
use ids::IdMint;
use market::Crowd;
use record::Record;
use remora_domain::{SettingCheck, SettingProblem, Timestamp};
use remora_machine::SplitMix64;
use remora_matching::{Event, Exchange, Funding, OrderNo, TraderIx};
use std::collections::{BTreeMap, BTreeSet};

/// Why an order was cancelled that its owner cancelled.
const USER_REQUESTED: &str = "User requested";

/// Is the venue's desk.
pub struct Desk {
    catalogue: Catalogue,
    exchange: Exchange,
    keys: KeyRing,
    tokens: Tokens,
    mint: IdMint,
    accounts: BTreeMap<TraderIx, Account>,
    records: BTreeMap<OrderNo, Record>,
    /// Where orders with a number of the desk's own went when the exchange took them.
    moved: BTreeMap<OrderNo, OrderNo>,
    /// Orders that wait for their start time.
    waiting: BTreeSet<(Timestamp, OrderNo)>,
    /// Dead man's switches.
    timers: BTreeSet<(Timestamp, TraderIx)>,
    /// Orders that a switch could not cancel, as their pair was closed.
    overdue: BTreeSet<OrderNo>,
    crowd: Crowd,
    system: SystemMode,
    post_only: PostOnlyMode,
    bounds: HistoryBounds,
    counts: Counts,
    /// Why the orders being cancelled now are.
    cancel_reason: &'static str,
    events: Vec<Event>,
    /// Accounts whose orders ended.
    stale: BTreeSet<TraderIx>,
    /// Orders with fills whose conditional closes are due.
    closes: Vec<OrderNo>,
    account_facts: Vec<AccountEvent>,
    public_facts: Vec<(Timestamp, PublicFact)>,
}

/// Counts what gets ids.
#[derive(Debug, Default)]
struct Counts {
    own_orders: u64,
    ledger: u64,
    amends: u64,
    transfers: u64,
}

impl Desk {
    /// Opens the desk.
    ///
    /// # Errors
    /// Everything that is wrong with the settings.
    pub fn new(settings: &DeskSettings, now: Timestamp) -> Result<Self, Vec<SettingProblem>> {
        let mut check = SettingCheck::new("desk");
        let mut exchange = Exchange::new();
        let catalogue = catalogue::build(settings, &mut exchange, &mut check);
        let crowd = Crowd::new(&mut exchange);
        let mut random = SplitMix64::new(settings.seed);
        let mut desk = Self {
            catalogue,
            exchange,
            keys: KeyRing::default(),
            tokens: Tokens::new(random.next_u64()),
            mint: IdMint::new(random.next_u64()),
            accounts: BTreeMap::new(),
            records: BTreeMap::new(),
            moved: BTreeMap::new(),
            waiting: BTreeSet::new(),
            timers: BTreeSet::new(),
            overdue: BTreeSet::new(),
            crowd,
            system: SystemMode::Online,
            post_only: settings.post_only,
            bounds: settings.history,
            counts: Counts::default(),
            cancel_reason: USER_REQUESTED,
            events: Vec::new(),
            stale: BTreeSet::new(),
            closes: Vec::new(),
            account_facts: Vec::new(),
            public_facts: Vec::new(),
        };
        for account in &settings.accounts {
            desk.open_account(now, account, &mut check);
        }
        desk.set_modes();
        desk.account_facts.clear();
        desk.public_facts.clear();
        check.finish(Some(desk))
    }

    fn open_account(&mut self, now: Timestamp, setting: &AccountSetting, check: &mut SettingCheck) {
        let key = format!("accounts.{}", setting.name);
        if self.accounts.values().any(|account| account.name == setting.name) {
            check.problem(&key, &setting.name, "a name no other account has");
        }
        if setting.volume_usd.is_sign_negative() {
            check.problem(&format!("{key}.volume_usd"), setting.volume_usd, "0 or more");
        }
        let trader = self.exchange.add_trader(Funding::Cash);
        let account = Account::new(&setting.name, setting.tier, setting.volume_usd);
        self.accounts.insert(trader, account);
        self.refresh_fees(now, trader);
        for (asset, amount) in &setting.balances {
            let done = match amount.0.is_sign_negative() {
                true => Err(KrakenError::InvalidArgument("amount")),
                false => self.deposit(now, trader, asset, amount.0).map(drop),
            };
            if done.is_err() && !amount.0.is_zero() {
                let allowed = "0 or more of an asset, with at most its decimals";
                check.problem(&format!("{key}.balances.{asset}"), amount.0, allowed);
            }
        }
        for setting_of_key in &setting.keys {
            let allowed = match self.keys.add(setting_of_key, trader, setting.tier, now) {
                Ok(()) => continue,
                Err(KeyProblem::Taken) => "a key no other account has",
                Err(KeyProblem::Secret) => "a secret in base64",
            };
            check.problem(&format!("{key}.keys"), &setting_of_key.name, allowed);
        }
    }

    /// Gives what is traded.
    #[must_use]
    pub const fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Gives the exchange: books, queues, last prices.
    #[must_use]
    pub const fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Gives all accounts by number, with their names.
    pub fn traders(&self) -> impl Iterator<Item = (TraderIx, &str)> {
        self.accounts.iter().map(|(&trader, account)| (trader, account.name.as_str()))
    }

    /// Moves out what happened since the last time, in order. Called after every other call; orders that are told of
    /// can be read until the next one.
    pub fn drain(
        &mut self,
        account: &mut Vec<AccountEvent>,
        public: &mut Vec<(Timestamp, PublicFact)>,
    ) {
        self.forget_surplus();
        account.append(&mut self.account_facts);
        public.append(&mut self.public_facts);
    }

    /// Checks a private call: key, signature, second factor, nonce, call counter, permission. Gives whose it is.
    ///
    /// # Errors
    /// The venue's error for the first that is wrong.
    pub fn authorise_rest(
        &mut self,
        now: Timestamp,
        call: &PrivateCall<'_>,
    ) -> DeskResult<TraderIx> {
        self.keys.authorise(now, call)
    }

    /// Gives what is told about a key.
    #[must_use]
    pub fn key_facts<'a>(&'a self, key: &str) -> Option<KeyFacts<'a>> {
        self.keys.facts(key)
    }

    /// Names the account of a key.
    #[must_use]
    pub fn account_of_key(&self, key: &str) -> Option<&str> {
        let (trader, _) = self.keys.rights(key)?;
        self.accounts.get(&trader).map(|account| account.name.as_str())
    }

    /// Makes a WebSocket token with the rights of a key; gives it and its lifetime in seconds.
    ///
    /// # Errors
    /// `EAPI:Invalid key` for a key that is not the account's.
    pub fn issue_token(
        &mut self,
        now: Timestamp,
        trader: TraderIx,
        key: &str,
    ) -> DeskResult<(String, u32)> {
        let rights = self.keys.rights(key).filter(|&(owner, _)| owner == trader);
        let (_, permissions) = rights.ok_or(KrakenError::InvalidKey)?;
        Ok(self.tokens.issue(now, trader, permissions))
    }

    /// Gives whose token it is, if it is good for this connection now.
    ///
    /// # Errors
    /// `ESession:Invalid session`.
    pub fn trader_of_token(
        &self,
        now: Timestamp,
        token: &str,
        peer: PeerId,
    ) -> DeskResult<TraderIx> {
        self.tokens.trader(now, token, peer, None)
    }

    /// Gives whose token it is, if it is good for this connection now and its key has the right.
    ///
    /// # Errors
    /// `ESession:Invalid session`, `EGeneral:Permission denied`.
    pub fn authorise_token(
        &self,
        now: Timestamp,
        token: &str,
        peer: PeerId,
        needs: Permission,
    ) -> DeskResult<TraderIx> {
        self.tokens.trader(now, token, peer, Some(needs))
    }

    /// Notes that a connection subscribed with a token: for it the token stays good.
    pub fn token_used(&mut self, token: &str, peer: PeerId) {
        self.tokens.keep(token, peer);
    }

    /// Notes that a connection closed.
    pub fn peer_closed(&mut self, peer: PeerId) {
        self.tokens.release(peer);
    }

    fn tell(&mut self, time: Timestamp, trader: TraderIx, what: AccountFact) {
        self.account_facts.push(AccountEvent { trader, time, what });
    }
}

#[cfg(test)]
mod tests;
