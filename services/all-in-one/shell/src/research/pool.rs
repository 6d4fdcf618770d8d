//! Work on many things with every processor, results in their order.

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Does `work` on every input, at most one for each processor at a time (what bounds memory), and gives (input, result) in order.
/// `what` names them in the progress line.
pub(crate) async fn each<I: Send + 'static, T: Send + 'static>(
    inputs: Vec<I>,
    what: &str,
    work: impl Fn(&I) -> Result<T> + Send + Sync + 'static,
) -> Result<Vec<(I, Result<T>)>> {
    let bar = bar(inputs.len(), what);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let (gate, work) = (Arc::new(Semaphore::new(processors)), Arc::new(work));
    let mut tasks = JoinSet::new();
    let mut done = Vec::new();
    for (place, input) in inputs.into_iter().enumerate() {
        let permit = Arc::clone(&gate).acquire_owned().await.context("wait for a processor")?;
        let work = Arc::clone(&work);
        tasks.spawn_blocking(move || {
            let result = work(&input);
            drop(permit);
            (place, input, result)
        });
        while let Some(finished) = tasks.try_join_next() {
            done.push(finished.context("work on one of them")?);
            bar.inc(1);
        }
    }
    while let Some(finished) = tasks.join_next().await {
        done.push(finished.context("work on one of them")?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    done.sort_by_key(|(place, _, _)| *place);
    Ok(done.into_iter().map(|(_, input, result)| (input, result)).collect())
}

/// Draws progress of `total` steps, named by `what`.
pub(crate) fn bar(total: usize, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(total).unwrap_or(u64::MAX));
    bar.set_message(what.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}  {elapsed}") {
        bar.set_style(style);
    }
    // Standard output stays clean for results; nothing is drawn where standard error is not a terminal.
    bar.set_draw_target(ProgressDrawTarget::stderr());
    bar
}
