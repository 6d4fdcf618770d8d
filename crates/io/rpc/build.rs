//! Generates the gRPC stubs at build time with a compiler written in Rust, so that a first build needs no
//! external `protoc`; keeps the descriptors for reflection.

use prost::Message;
use std::path::PathBuf;

const FILE: &str = "remora/control/v1/control.proto";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("../../../proto");
    println!("cargo:rerun-if-changed={}", root.join(FILE).display());
    let set = protox::compile([FILE], [&root])?;
    let descriptors = PathBuf::from(std::env::var("OUT_DIR")?).join("control.bin");
    std::fs::write(descriptors, set.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(set)?;
    Ok(())
}
