//! WebSocket transport and recordings driving a venue session; stamps receive time at the socket.
#![deny(missing_docs)]
