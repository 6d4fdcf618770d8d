//! The order-router process: its core joined to the bus.

fn main() {}
