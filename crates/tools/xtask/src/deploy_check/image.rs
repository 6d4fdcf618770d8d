//! The Dockerfile, the init script, and what is kept out of the image.

use super::{instances, read};
use crate::compose_test::programs;

#[test]
fn the_dockerfile_works_on_a_plain_engine_with_any_base() {
    let file = read("deploy/Dockerfile");
    let instructions: Vec<&str> = file.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(
        !file.to_lowercase().contains("# syntax"),
        "a syntax line needs BuildKit and a registry"
    );
    assert!(
        !instructions.iter().any(|line| line.contains("--mount")),
        "RUN --mount needs BuildKit"
    );
    for wanted in [
        "ARG BASE_IMAGE=debian:bookworm-slim",
        "FROM ${BASE_IMAGE} AS base",
        "FROM base AS runtime",
        "FROM base AS source",
        "USER 10001:10001",
    ] {
        assert!(instructions.contains(&wanted), "{wanted}");
    }
    let from: Vec<&str> =
        instructions.iter().filter_map(|line| line.strip_prefix("FROM ")).collect();
    assert_eq!(from.last(), Some(&"base AS source"), "a plain build builds from source");
}

#[test]
fn the_image_holds_every_program() {
    let file = read("deploy/Dockerfile");
    let words: Vec<&str> = file.split_whitespace().map(|word| word.trim_end_matches(';')).collect();
    for program in programs() {
        assert!(words.contains(&&*program), "deploy/Dockerfile does not build {program}");
    }
}

#[test]
fn the_image_is_built_with_the_version_that_the_workspace_needs() {
    let cargo: toml::Table = read("Cargo.toml").parse().unwrap();
    let version = cargo["workspace"]["package"]["rust-version"].as_str().unwrap();
    let wanted = format!("ARG RUST_IMAGE=rust:{version}-bookworm");
    assert!(read("deploy/Dockerfile").lines().any(|line| line == wanted), "{wanted}");
}

#[test]
fn init_makes_a_folder_for_every_audience_and_fills_it() {
    let (dockerfile, script) = (read("deploy/Dockerfile"), read("deploy/init.sh"));
    let names: Vec<String> = instances().into_iter().map(|instance| instance.name).collect();
    let has_word = |text: &str, word: &str| {
        text.split(|c: char| c.is_whitespace() || c == ';').any(|found| found == word)
    };
    for name in &names {
        assert!(has_word(&dockerfile, name), "deploy/Dockerfile makes no /secrets/{name}");
        assert!(has_word(&script, name), "deploy/init.sh fills no /secrets/{name}");
    }
    let gives: Vec<&str> = script.lines().filter(|line| line.starts_with("give ")).collect();
    let keys: Vec<&&str> = gives.iter().filter(|line| line.contains("gate.key")).collect();
    assert_eq!(keys, [&"give risk-gate 0400 gate.key gate.key"], "the key is the gate's alone");
    for venue in remora_venue_registry::ids(true).unwrap() {
        let line = format!("give order-router-{venue} 0400 gate.pub gate.pub");
        assert!(gives.contains(&&*line), "{line}");
    }
}

#[test]
fn secrets_and_build_output_stay_out_of_the_image() {
    let ignored = read(".dockerignore");
    for wanted in [".git", "target", "out/*", "**/.env", "**/*.key", "**/*.password", "**/*.tokens"]
    {
        assert!(ignored.lines().any(|line| line == wanted), "{wanted}");
    }
}
