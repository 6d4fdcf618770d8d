//! Protobuf messages and total conversions to and from the domain.
#![deny(missing_docs)]
