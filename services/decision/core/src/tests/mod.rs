//! What the core does, scene by scene, and what it never does, whatever happens.

mod contract;
mod holds;
mod insight;
mod never;
mod recovery;
mod scenes;
mod watch;
