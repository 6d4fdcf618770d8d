//! The router's half: what must hold before an order may leave.

use crate::{VerifyingKey, canonical};
use remora_domain::{ApprovalFields, ClOrdId, OrderApproval, OrderRequest, Timestamp};
use std::collections::BTreeSet;

/// Says why an approval gives no permission.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The signature does not fit the fields: unapproved or altered.
    #[error("verify approval of {cl_ord_id}: signature does not fit the order")]
    BadSignature {
        /// Of which order.
        cl_ord_id: ClOrdId,
    },
    /// Too late.
    #[error("verify approval of {cl_ord_id}: expired at {expires_at}, now {now}")]
    Expired {
        /// Of which order.
        cl_ord_id: ClOrdId,
        /// When it ended.
        expires_at: Timestamp,
        /// When it was looked at.
        now: Timestamp,
    },
    /// The gate that signed has been replaced.
    #[error("verify approval of {cl_ord_id}: epoch {epoch} is older than {newest}")]
    OldEpoch {
        /// Of which order.
        cl_ord_id: ClOrdId,
        /// Its epoch.
        epoch: u64,
        /// The newest epoch seen.
        newest: u64,
    },
    /// The client order id was used before.
    #[error("verify approval of {cl_ord_id}: already used")]
    Reused {
        /// Of which order.
        cl_ord_id: ClOrdId,
    },
}

/// Is an order that may be sent, once. Private fields, no constructor, no `Clone`, no deserialisation.
#[derive(Debug, PartialEq, Eq)]
pub struct ApprovedOrder {
    fields: ApprovalFields,
}

impl ApprovedOrder {
    /// Gives the order.
    #[must_use]
    pub const fn request(&self) -> &OrderRequest {
        &self.fields.request
    }

    /// Gives the instant after which it must not be sent any more.
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        self.fields.expires_at
    }

    /// Gives the epoch it was signed in; once a newer one is known it must not be sent any more.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.fields.epoch
    }
}

/// Turns approvals into approved orders, each at most once. The router owns one.
#[derive(Debug)]
pub struct Verifier {
    key: VerifyingKey,
    epoch_newest: u64,
    used: BTreeSet<ClOrdId>,
}

impl Verifier {
    /// Trusts the holder of `key`.
    #[must_use]
    pub const fn new(key: VerifyingKey) -> Self {
        Self { key, epoch_newest: 0, used: BTreeSet::new() }
    }

    /// Learns that a gate works under `epoch`; older approvals are refused from now on.
    pub fn observe_epoch(&mut self, epoch: u64) {
        self.epoch_newest = self.epoch_newest.max(epoch);
    }

    /// Gives the newest epoch seen.
    #[must_use]
    pub const fn epoch_newest(&self) -> u64 {
        self.epoch_newest
    }

    /// Gives whom it trusts.
    #[must_use]
    pub const fn key(&self) -> VerifyingKey {
        self.key
    }

    /// Gives every id used, in this run or an earlier one.
    #[must_use]
    pub const fn used(&self) -> &BTreeSet<ClOrdId> {
        &self.used
    }

    /// Learns from the log that an id was used in an earlier run.
    pub fn observe_used(&mut self, cl_ord_id: ClOrdId) {
        self.used.insert(cl_ord_id);
    }

    /// Tells whether an id was used, in this run or an earlier one.
    #[must_use]
    pub fn is_used(&self, cl_ord_id: &ClOrdId) -> bool {
        self.used.contains(cl_ord_id)
    }

    /// Checks signature, epoch, expiry and single use, in this order, and uses the approval up.
    ///
    /// # Errors
    /// Says which of the four failed. A failed approval is not used up, except that nothing changes.
    pub fn verify(
        &mut self,
        now: Timestamp,
        approval: &OrderApproval,
    ) -> Result<ApprovedOrder, VerifyError> {
        let fields = &approval.fields;
        let cl_ord_id = || fields.request.cl_ord_id.clone();
        let signature = ed25519_dalek::Signature::from_bytes(&approval.signature);
        self.key
            .0
            .verify_strict(&canonical::bytes(fields), &signature)
            .map_err(|_| VerifyError::BadSignature { cl_ord_id: cl_ord_id() })?;
        if fields.epoch < self.epoch_newest {
            let (epoch, newest) = (fields.epoch, self.epoch_newest);
            return Err(VerifyError::OldEpoch { cl_ord_id: cl_ord_id(), epoch, newest });
        }
        if now > fields.expires_at {
            let expires_at = fields.expires_at;
            return Err(VerifyError::Expired { cl_ord_id: cl_ord_id(), expires_at, now });
        }
        if !self.used.insert(cl_ord_id()) {
            return Err(VerifyError::Reused { cl_ord_id: cl_ord_id() });
        }
        self.epoch_newest = fields.epoch;
        Ok(ApprovedOrder { fields: fields.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Signer;
    use remora_domain::{
        AccountId, InstrumentId, InstrumentKey, Price, Qty, SessionId, Side, StrategyId,
        TimeInForce, VenueId,
    };

    #[test]
    fn inside_this_crate_the_refused_construction_compiles() {
        let fields = fields();
        let request = fields.request.clone();
        let order = ApprovedOrder { fields };
        assert_eq!(*order.request(), request);
    }

    fn fields() -> ApprovalFields {
        ApprovalFields {
            request: OrderRequest {
                cl_ord_id: ClOrdId::new("d1-1").unwrap(),
                account: AccountId::new("paper").unwrap(),
                strategy: StrategyId::new("glft").unwrap(),
                instrument: InstrumentKey::new(
                    VenueId::new("kraken-spot").unwrap(),
                    InstrumentId::new("BTC-USD").unwrap(),
                ),
                side: Side::Buy,
                price: Price::parse("61000.1").unwrap(),
                qty: Qty::parse("0.01").unwrap(),
                tif: TimeInForce::Gtc,
                is_post_only: true,
                deadline: Timestamp::from_ns(900),
                orig_cl_ord_id: None,
                orig_cum_qty: Qty::ZERO,
            },
            epoch: 3,
            gate_session: SessionId::new(7),
            approval_sequence: 1,
            expires_at: Timestamp::from_ns(1_000),
        }
    }

    fn signer() -> Signer {
        Signer::from_bytes(&[7; 32])
    }

    fn verifier() -> Verifier {
        Verifier::new(signer().verifying_key())
    }

    fn check(approval: &OrderApproval, now: i64, expected: Result<(), VerifyError>) {
        let mut verifier = verifier();
        verifier.observe_epoch(3);
        let got = verifier.verify(Timestamp::from_ns(now), approval);
        assert_eq!(got.map(drop), expected);
    }

    fn id() -> ClOrdId {
        fields().request.cl_ord_id
    }

    #[test]
    fn an_approval_is_good_until_its_last_nanosecond() {
        let approval = signer().sign(fields());
        check(&approval, 1_000, Ok(()));
        let (expires_at, now) = (Timestamp::from_ns(1_000), Timestamp::from_ns(1_001));
        check(&approval, 1_001, Err(VerifyError::Expired { cl_ord_id: id(), expires_at, now }));
    }

    #[test]
    fn an_approval_gives_one_order_only() {
        let approval = signer().sign(fields());
        let mut verifier = verifier();
        assert!(verifier.verify(Timestamp::EPOCH, &approval).is_ok());
        let again = verifier.verify(Timestamp::EPOCH, &approval);
        assert_eq!(again, Err(VerifyError::Reused { cl_ord_id: id() }));
    }

    #[test]
    fn an_older_epoch_is_refused_and_a_newer_one_raises_the_bar() {
        let old = signer().sign(ApprovalFields { epoch: 2, ..fields() });
        check(&old, 0, Err(VerifyError::OldEpoch { cl_ord_id: id(), epoch: 2, newest: 3 }));
        let mut verifier = verifier();
        verifier.verify(Timestamp::EPOCH, &signer().sign(fields())).unwrap();
        assert_eq!(verifier.epoch_newest(), 3);
    }

    #[test]
    fn an_id_of_the_log_is_used_and_an_order_tells_the_epoch_it_was_signed_in() {
        let mut verifier = verifier();
        assert!(!verifier.is_used(&id()));
        let approved = verifier.verify(Timestamp::EPOCH, &signer().sign(fields())).unwrap();
        assert_eq!(approved.epoch(), 3);
        let other = ClOrdId::new("d1-9").unwrap();
        assert!(verifier.is_used(&id()) && !verifier.is_used(&other));
        verifier.observe_used(other.clone());
        assert!(verifier.is_used(&other) && verifier.used().len() == 2);
        let request = OrderRequest { cl_ord_id: other.clone(), ..fields().request };
        let approval = signer().sign(ApprovalFields { request, ..fields() });
        let reused = VerifyError::Reused { cl_ord_id: other };
        assert_eq!(verifier.verify(Timestamp::EPOCH, &approval), Err(reused));
    }

    #[test]
    fn a_key_is_told_apart_by_its_first_eight_digits() {
        let key = signer().verifying_key();
        assert_eq!(key.short().len(), 8);
        assert!(key.to_string().starts_with(&key.short()));
        assert_eq!(verifier().key(), key);
    }

    #[test]
    fn a_strangers_signature_is_refused() {
        let approval = Signer::from_bytes(&[8; 32]).sign(fields());
        check(&approval, 0, Err(VerifyError::BadSignature { cl_ord_id: id() }));
    }

    #[test]
    fn changing_any_field_breaks_the_signature() {
        type Change = fn(&mut ApprovalFields);
        let changes: [Change; 16] = [
            |f| f.request.cl_ord_id = ClOrdId::new("d1-2").unwrap(),
            |f| f.request.account = AccountId::new("main").unwrap(),
            |f| f.request.strategy = StrategyId::new("other").unwrap(),
            |f| f.request.instrument.venue = VenueId::new("coinbase").unwrap(),
            |f| f.request.instrument.instrument = InstrumentId::new("ETH-USD").unwrap(),
            |f| f.request.side = Side::Sell,
            |f| f.request.price = Price::parse("61000.2").unwrap(),
            |f| f.request.qty = Qty::parse("0.02").unwrap(),
            |f| f.request.tif = TimeInForce::Ioc,
            |f| f.request.is_post_only = false,
            |f| f.request.deadline = Timestamp::from_ns(901),
            |f| f.request.orig_cl_ord_id = Some(ClOrdId::new("d1-0").unwrap()),
            |f| f.epoch = 4,
            |f| f.gate_session = SessionId::new(8),
            |f| f.approval_sequence = 2,
            |f| f.expires_at = Timestamp::from_ns(1_001),
        ];
        for change in changes {
            let mut approval = signer().sign(fields());
            change(&mut approval.fields);
            let got = verifier().verify(Timestamp::EPOCH, &approval);
            assert!(matches!(got, Err(VerifyError::BadSignature { .. })), "{got:?}");
        }
        let amend = |orig: &str, cum: &str| {
            let orig_cl_ord_id = Some(ClOrdId::new(orig).unwrap());
            let orig_cum_qty = Qty::parse(cum).unwrap();
            let request = OrderRequest { orig_cl_ord_id, orig_cum_qty, ..fields().request };
            ApprovalFields { request, ..fields() }
        };
        for other in [amend("d1-9", "0.1"), amend("d1-0", "0.2")] {
            let mut approval = signer().sign(amend("d1-0", "0.1"));
            approval.fields = other;
            let got = verifier().verify(Timestamp::EPOCH, &approval);
            assert!(matches!(got, Err(VerifyError::BadSignature { .. })), "{got:?}");
        }
    }

    #[test]
    fn the_secret_never_prints() {
        assert_eq!(format!("{:?}", signer()), "Signer(***)");
    }
}
