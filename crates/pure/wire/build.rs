//! Generates the protobuf types at build time with a compiler written in Rust, so that a first build needs no
//! external `protoc`.

use std::path::Path;

const FILES: [&str; 9] = [
    "remora/types/v1/types.proto",
    "remora/md/v1/md.proto",
    "remora/orders/v1/orders.proto",
    "remora/accounts/v1/accounts.proto",
    "remora/pairs/v1/pairs.proto",
    "remora/decisions/v1/decisions.proto",
    "remora/operations/v1/operations.proto",
    "remora/envelope/v1/envelope.proto",
    "remora/flight/v1/flight.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo names no folder")?)
        .join("../../../proto");
    for file in FILES {
        println!("cargo:rerun-if-changed={}", root.join(file).display());
    }
    let set = protox::compile(FILES, [&root])?;
    prost_build::Config::new().bytes(["."]).include_file("remora.rs").compile_fds(set)?;
    Ok(())
}
