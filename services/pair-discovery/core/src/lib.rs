//! Pair-discovery core: instruments to a ranked, versioned universe with reasons.
#![deny(missing_docs)]
