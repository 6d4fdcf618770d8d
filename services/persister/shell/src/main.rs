//! The persister process: its core joined to the bus.

fn main() {}
