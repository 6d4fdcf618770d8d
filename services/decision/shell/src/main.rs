//! The decision process: its core joined to the bus.

fn main() {}
