//! Decision core: market and inventory to target quotes to order requests.
#![deny(missing_docs)]
