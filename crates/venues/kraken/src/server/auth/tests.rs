//! Tests of keys, signatures, nonces and tokens.

use super::*;
use crate::server::synthetic;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256, Sha512};
use std::cell::Cell;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_ns(ms * 1_000_000)
}

/// Is a key ring with one key, and somebody who signs with it.
struct Client {
    ring: KeyRing,
    setting: KeySetting,
    nonce: Cell<u64>,
}

impl Client {
    fn new(change: impl FnOnce(&mut KeySetting), tier: Tier) -> Self {
        let mut setting = synthetic::settings(1).accounts.remove(0).keys.remove(0);
        change(&mut setting);
        let mut ring = KeyRing::default();
        ring.add(&setting, TraderIx::new(7), tier, at(0)).unwrap();
        Self { ring, setting, nonce: Cell::new(0) }
    }

    fn plain() -> Self {
        Self::new(|_| (), Tier::Pro)
    }

    fn ask(&mut self, now: Timestamp, nonce: &str, cost: RestCost) -> String {
        self.ask_with(now, nonce, cost, Some(Permission::QueryFunds), None)
    }

    fn ask_with(
        &mut self,
        now: Timestamp,
        nonce: &str,
        cost: RestCost,
        needs: Option<Permission>,
        otp: Option<&str>,
    ) -> String {
        let body = format!("nonce={nonce}").into_bytes();
        let digest = Sha256::new().chain_update(nonce).chain_update(&body).finalize();
        let secret = STANDARD.decode(self.setting.secret.reveal()).unwrap();
        let mut mac: Hmac<Sha512> = Hmac::new_from_slice(&secret).unwrap();
        mac.update(b"/0/private/Balance");
        mac.update(&digest);
        let call = HttpCall {
            method: "POST".to_owned(),
            path: "/0/private/Balance".to_owned(),
            query: String::new(),
            content_type: None,
            api_key: Some(self.setting.key.clone()),
            api_sign: Some(STANDARD.encode(mac.finalize().into_bytes())),
            body,
            address: String::new(),
        };
        let request = PrivateCall { call: &call, nonce, otp, needs, cost };
        let answer = self.ring.authorise(now, &request);
        answer.map_or_else(|error| error.to_string(), |trader| trader.get().to_string())
    }

    /// Asks with the next nonce.
    fn next(&mut self, now: Timestamp, cost: RestCost) -> String {
        self.nonce.set(self.nonce.get() + 1);
        self.ask(now, &self.nonce.get().to_string(), cost)
    }
}

const GOOD: &str = "7";

#[test]
fn a_nonce_is_used_once_and_only_upwards() {
    let mut client = Client::plain();
    for (nonce, told) in [
        ("10", GOOD),
        ("10", "EAPI:Invalid nonce"),
        ("9", "EAPI:Invalid nonce"),
        ("", "EAPI:Invalid nonce"),
        ("11x", "EAPI:Invalid nonce"),
        ("18446744073709551616", "EAPI:Invalid nonce"),
        ("18446744073709551615", GOOD),
        ("1", "EAPI:Invalid nonce"),
    ] {
        assert_eq!(client.ask(at(0), nonce, RestCost::Free), told, "{nonce}");
    }
    assert_eq!(client.ring.facts(&client.setting.key).unwrap().nonce, u64::MAX);
}

#[test]
fn a_window_forgives_order_but_not_repetition() {
    let mut client = Client::new(|key| key.nonce_window = 5, Tier::Pro);
    for (nonce, told) in [
        ("100", GOOD),
        ("96", GOOD),
        ("96", "EAPI:Invalid nonce"),
        ("95", "EAPI:Invalid nonce"),
        ("99", GOOD),
    ] {
        assert_eq!(client.ask(at(0), nonce, RestCost::Free), told, "{nonce}");
    }
}

#[test]
fn the_call_counter_of_each_tier_fills_and_decays_as_documented() {
    for (tier, calls, first_free_ms) in
        [(Tier::Starter, 15, 3_031), (Tier::Intermediate, 20, 2_000), (Tier::Pro, 20, 1_000)]
    {
        let mut client = Client::new(|_| (), tier);
        for _ in 0..calls {
            assert_eq!(client.next(at(0), RestCost::Call), GOOD);
        }
        assert_eq!(client.next(at(0), RestCost::Call), "EAPI:Rate limit exceeded");
        assert_eq!(client.next(at(0), RestCost::Free), GOOD, "orders do not count here");
        let told = client.next(at(first_free_ms - 1), RestCost::Call);
        assert_eq!(told, "EAPI:Rate limit exceeded", "{tier:?}");
        assert_eq!(client.next(at(first_free_ms), RestCost::Call), GOOD, "{tier:?}");
    }
}

#[test]
fn history_calls_cost_four_and_the_unlimited_tier_nothing() {
    let mut client = Client::plain();
    for _ in 0..5 {
        assert_eq!(client.next(at(0), RestCost::History), GOOD);
    }
    assert_eq!(client.next(at(0), RestCost::Call), "EAPI:Rate limit exceeded");
    assert_eq!(client.next(at(3_999), RestCost::History), "EAPI:Rate limit exceeded");
    assert_eq!(client.next(at(4_000), RestCost::History), GOOD);
    let mut unlimited = Client::new(|_| (), Tier::Unlimited);
    assert!((0..1_000).all(|_| unlimited.next(at(0), RestCost::History) == GOOD));
}

#[test]
fn a_missing_right_is_told_and_no_right_is_needed_to_look_at_the_key() {
    let mut client = Client::plain();
    for (nonce, needs, told) in [
        ("1", Some(Permission::WithdrawFunds), "EGeneral:Permission denied"),
        ("2", Some(Permission::ModifyTrades), GOOD),
        ("3", None, GOOD),
    ] {
        assert_eq!(client.ask_with(at(5), nonce, RestCost::Call, needs, None), told);
    }
    let facts = client.ring.facts(&client.setting.key).unwrap();
    assert_eq!((facts.created, facts.last_used, facts.nonce_window), (at(0), Some(at(5)), 0));
    assert_eq!(client.ring.facts("other"), None);
}

#[test]
fn a_second_factor_is_wanted_where_it_is_set() {
    let mut client =
        Client::new(|key| key.otp = Some(ApiSecret::from("123456".to_owned())), Tier::Pro);
    for (nonce, otp, told) in [
        ("1", None, "EGeneral:Permission denied"),
        ("2", Some("12345"), "EGeneral:Permission denied"),
        ("3", Some("123456"), GOOD),
    ] {
        assert_eq!(client.ask_with(at(0), nonce, RestCost::Free, None, otp), told);
    }
}

#[test]
fn a_key_without_secret_or_with_a_taken_name_is_refused() {
    let mut client = Client::plain();
    let again = client.setting.clone();
    let add =
        |ring: &mut KeyRing, key: &KeySetting| ring.add(key, TraderIx::new(8), Tier::Pro, at(0));
    assert_eq!(add(&mut client.ring, &again), Err(KeyProblem::Taken));
    for secret in ["", "not base64!"] {
        let secret = ApiSecret::from(secret.to_owned());
        let key = KeySetting { key: "other".to_owned(), secret, ..again.clone() };
        assert_eq!(add(&mut client.ring, &key), Err(KeyProblem::Secret));
    }
}

#[test]
fn every_right_has_the_name_the_settings_take() {
    for right in [
        Permission::QueryFunds,
        Permission::QueryOpenTrades,
        Permission::QueryClosedTrades,
        Permission::ModifyTrades,
        Permission::CloseTrades,
        Permission::QueryLedger,
        Permission::ExportData,
        Permission::CreateWsToken,
        Permission::AddFunds,
        Permission::WithdrawFunds,
        Permission::EarnFunds,
        Permission::AddWithdrawAddress,
        Permission::UpdateWithdrawAddress,
    ] {
        let name = format!("\"{}\"", right.name());
        assert_eq!(serde_json::from_str::<Permission>(&name).unwrap(), right);
    }
}
