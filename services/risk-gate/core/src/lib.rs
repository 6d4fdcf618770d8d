//! Risk-gate core: requests to signed approvals or refusals; reservations; halt.
#![deny(missing_docs)]
