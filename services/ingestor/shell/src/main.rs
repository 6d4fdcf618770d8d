//! The ingestor process: its core joined to the bus.

fn main() {}
