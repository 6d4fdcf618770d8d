//! Signs and verifies the risk gate's approvals. The only way to make an [`ApprovedOrder`].
//!
//! In: the fields of an order the gate has approved. Out: a signed approval; at the router, an `ApprovedOrder`.
//! Invariants: an `ApprovedOrder` exists only for a verified, unexpired, never-used approval of the newest epoch;
//! it cannot be built, cloned or deserialised outside this crate. Each refused example is followed by one that differs
//! only in the refused step and compiles, so that it fails for no other reason. (The field in the first is right: the
//! test `inside_this_crate_the_refused_construction_compiles` writes the same.)
//!
//! ```compile_fail
//! # let fields: remora_domain::ApprovalFields = unimplemented!();
//! let order = remora_approval::ApprovedOrder { fields }; // private field
//! ```
//! ```no_run
//! # let fields: remora_domain::ApprovalFields = unimplemented!();
//! let approval = remora_domain::OrderApproval { fields, signature: [0; 64] }; // only asks to be verified
//! ```
//! ```compile_fail
//! # fn submit(order: remora_approval::ApprovedOrder) {}
//! # let request: remora_domain::OrderRequest = unimplemented!();
//! submit(request); // a request is not an approved order
//! ```
//! ```no_run
//! # fn submit(order: remora_approval::ApprovedOrder) {}
//! # let order: remora_approval::ApprovedOrder = unimplemented!();
//! submit(order);
//! ```
//! ```compile_fail
//! # fn submit(order: remora_approval::ApprovedOrder) {}
//! # let order: remora_approval::ApprovedOrder = unimplemented!();
//! submit(order.clone()); // an approval is used once
//! ```
//! ```no_run
//! # fn submit(order: remora_approval::ApprovedOrder) {}
//! # let order: remora_approval::ApprovedOrder = unimplemented!();
//! submit(order);
//! ```
//!
//! Signature: Ed25519 (RFC 8032) over the canonical bytes of `canonical::bytes`, verified strictly.
//! The document of the gate's limits is signed the same way under another prefix (`limits`), so that neither signature is
//! ever taken for the other.
//! Test alone: `cargo test -p remora-approval`.
#![deny(missing_docs)]

mod canonical;
mod limits;
mod sign;
mod verify;

pub use limits::LimitsSignature;
pub use sign::{KeyError, Signer, VerifyingKey};
pub use verify::{ApprovedOrder, Verifier, VerifyError};
