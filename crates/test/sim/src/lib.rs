//! Virtual time: one single-threaded scheduler for all cores.
#![deny(missing_docs)]
