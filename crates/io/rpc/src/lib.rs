//! gRPC control: generated stubs and server plumbing.
#![deny(missing_docs)]
