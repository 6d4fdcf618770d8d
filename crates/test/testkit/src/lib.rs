//! Builders, generators and the Machine contract suite.
#![deny(missing_docs)]
