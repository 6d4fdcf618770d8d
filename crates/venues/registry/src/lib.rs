//! The one list of venues.
#![deny(missing_docs)]
