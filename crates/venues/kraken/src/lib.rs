//! Kraken: codec and session machines. Never opens a socket.
#![deny(missing_docs)]
