//! Every script: up, test, tidy, make-demo-data, compose-test.

fn main() {}
