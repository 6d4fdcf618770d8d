//! The pair-discovery process: its core joined to the bus.

fn main() {}
