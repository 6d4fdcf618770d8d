//! Builds again when a migration was added: `sqlx::migrate!` embeds the folder.

fn main() {
    println!("cargo::rerun-if-changed=../../../migrations/sqlite");
}
