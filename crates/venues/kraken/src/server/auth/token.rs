//! WebSocket tokens: good for 15 minutes, and for as long as a connection that subscribed with one lasts.

use super::Permission;
use crate::server::desk::DeskResult;
use crate::server::error::KrakenError;
use crate::server::io::PeerId;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use remora_domain::{DurationNs, Timestamp};
use remora_machine::SplitMix64;
use remora_matching::TraderIx;
use std::collections::{BTreeMap, BTreeSet};

/// How long an unused token is good.
pub(crate) const TOKEN_LIFETIME_S: u32 = 900;

/// The most tokens of one account that are neither expired nor in use; the oldest goes first.
const UNUSED_MAX: usize = 256;

#[derive(Debug)]
struct Token {
    trader: TraderIx,
    permissions: Vec<Permission>,
    expires: Timestamp,
    peers: BTreeSet<PeerId>,
}

/// Holds the tokens that were issued.
#[derive(Debug)]
pub(crate) struct Tokens {
    random: SplitMix64,
    tokens: BTreeMap<String, Token>,
    /// Unused tokens by account, oldest first.
    unused: BTreeMap<TraderIx, Vec<String>>,
    /// What a connection keeps alive.
    by_peer: BTreeMap<PeerId, BTreeSet<String>>,
}

impl Tokens {
    pub(crate) const fn new(seed: u64) -> Self {
        Self {
            random: SplitMix64::new(seed),
            tokens: BTreeMap::new(),
            unused: BTreeMap::new(),
            by_peer: BTreeMap::new(),
        }
    }

    /// Makes a token; gives it and its lifetime in seconds.
    pub(crate) fn issue(
        &mut self,
        now: Timestamp,
        trader: TraderIx,
        permissions: &[Permission],
    ) -> (String, u32) {
        let text = self.text();
        let lifetime = DurationNs::from_s(i64::from(TOKEN_LIFETIME_S));
        let token = Token {
            trader,
            permissions: permissions.to_vec(),
            expires: now.saturating_add(lifetime),
            peers: BTreeSet::new(),
        };
        self.tokens.insert(text.clone(), token);
        let unused = self.unused.entry(trader).or_default();
        unused.push(text.clone());
        let tokens = &mut self.tokens;
        let mut surplus = unused.len().saturating_sub(UNUSED_MAX);
        unused.retain(|text| {
            let Some(token) = tokens.get(text) else { return false };
            let is_used = !token.peers.is_empty();
            let is_dropped = !is_used && (token.expires <= now || surplus > 0);
            if is_dropped {
                surplus = surplus.saturating_sub(1);
                tokens.remove(text);
            }
            !is_used && !is_dropped
        });
        (text, TOKEN_LIFETIME_S)
    }

    /// Gives whose token it is, if it is good for this connection now and has the right.
    pub(crate) fn trader(
        &self,
        now: Timestamp,
        text: &str,
        peer: PeerId,
        needs: Option<Permission>,
    ) -> DeskResult<TraderIx> {
        let token = self.tokens.get(text);
        let good = token.filter(|token| now < token.expires || token.peers.contains(&peer));
        let token = good.ok_or(KrakenError::InvalidSession)?;
        match needs {
            Some(needs) if !token.permissions.contains(&needs) => {
                Err(KrakenError::PermissionDenied)
            }
            Some(_) | None => Ok(token.trader),
        }
    }

    /// Keeps a token good for a connection until that closes.
    pub(crate) fn keep(&mut self, text: &str, peer: PeerId) {
        if let Some(token) = self.tokens.get_mut(text)
            && token.peers.insert(peer)
        {
            self.by_peer.entry(peer).or_default().insert(text.to_owned());
        }
    }

    /// Forgets what a connection kept.
    pub(crate) fn release(&mut self, peer: PeerId) {
        for text in self.by_peer.remove(&peer).unwrap_or_default() {
            let Some(token) = self.tokens.get_mut(&text) else { continue };
            token.peers.remove(&peer);
            if token.peers.is_empty() {
                // Back in line: it is dropped with the expired ones when the next is issued.
                self.unused.entry(token.trader).or_default().insert(0, text);
            }
        }
    }

    fn text(&mut self) -> String {
        let mut bytes = [0; 32];
        for part in bytes.chunks_exact_mut(8) {
            part.copy_from_slice(&self.random.next_u64().to_be_bytes());
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRADER: TraderIx = TraderIx::new(3);
    const PEER: PeerId = PeerId(1);
    const OTHER: PeerId = PeerId(2);

    fn at(s: i64) -> Timestamp {
        Timestamp::from_ns(s * 1_000_000_000)
    }

    #[test]
    fn a_token_is_good_for_fifteen_minutes() {
        let mut tokens = Tokens::new(1);
        let (token, expires) = tokens.issue(at(0), TRADER, &[Permission::ModifyTrades]);
        assert_eq!((token.len(), expires), (43, 900));
        assert_eq!(tokens.trader(at(899), &token, PEER, None), Ok(TRADER));
        let error = tokens.trader(at(900), &token, PEER, None).unwrap_err();
        assert_eq!(error.to_string(), "ESession:Invalid session");
        assert!(tokens.trader(at(0), "", PEER, None).is_err());
    }

    #[test]
    fn a_token_has_the_rights_of_its_key() {
        let mut tokens = Tokens::new(1);
        let (token, _) = tokens.issue(at(0), TRADER, &[Permission::ModifyTrades]);
        let asks = |needs| tokens.trader(at(0), &token, PEER, Some(needs));
        assert_eq!(asks(Permission::ModifyTrades), Ok(TRADER));
        assert_eq!(asks(Permission::CloseTrades), Err(KrakenError::PermissionDenied));
    }

    #[test]
    fn a_connection_that_used_its_token_keeps_it_and_no_other_does() {
        let mut tokens = Tokens::new(1);
        let (token, _) = tokens.issue(at(0), TRADER, &[Permission::ModifyTrades]);
        tokens.keep(&token, PEER);
        tokens.issue(at(5_000), TRADER, &[Permission::ModifyTrades]);
        assert_eq!(tokens.trader(at(5_000), &token, PEER, None), Ok(TRADER));
        assert!(tokens.trader(at(5_000), &token, OTHER, None).is_err());
        tokens.release(PEER);
        assert!(tokens.trader(at(5_000), &token, PEER, None).is_err());
        tokens.issue(at(5_001), TRADER, &[Permission::ModifyTrades]);
        assert_eq!(tokens.tokens.len(), 2, "the released one is dropped with the next issue");
    }

    #[test]
    fn tokens_are_bounded_and_each_is_new() {
        let mut tokens = Tokens::new(1);
        let all: BTreeSet<String> = (0..1_000)
            .map(|_| tokens.issue(at(0), TRADER, &[Permission::ModifyTrades]).0)
            .collect();
        assert_eq!((all.len(), tokens.tokens.len()), (1_000, UNUSED_MAX));
    }
}
