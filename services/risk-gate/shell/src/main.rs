//! The risk-gate process: its core joined to the bus.

fn main() {}
