//! Signs and verifies the risk gate's approvals. The only way to make an [`ApprovedOrder`].
//!
//! In: the fields of an order the gate has approved. Out: a signed approval; at the router, an `ApprovedOrder`.
//! Invariants: an `ApprovedOrder` exists only for a verified, unexpired, never-used approval of the newest epoch;
//! it cannot be built, cloned or deserialised outside this crate:
//!
//! ```compile_fail
//! # let fields: remora_domain::ApprovalFields = unimplemented!();
//! let order = remora_approval::ApprovedOrder { fields }; // private field
//! ```
//! ```compile_fail
//! # let request: remora_domain::OrderRequest = unimplemented!();
//! # fn submit(order: remora_approval::ApprovedOrder) {}
//! submit(request); // a request is not an approved order
//! ```
//! ```compile_fail
//! # let order: remora_approval::ApprovedOrder = unimplemented!();
//! let twice = order.clone(); // an approval is used once
//! ```
//!
//! Signature: Ed25519 (RFC 8032) over the canonical bytes of `canonical::bytes`, verified strictly.
//! Test alone: `cargo test -p remora-approval`.
#![deny(missing_docs)]

mod canonical;
mod sign;
mod verify;

pub use sign::{KeyError, Signer, VerifyingKey};
pub use verify::{ApprovedOrder, Verifier, VerifyError};
