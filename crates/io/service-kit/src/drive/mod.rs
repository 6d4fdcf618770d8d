//! The one drive loop every service uses. It moves inputs, time and effects; it decides nothing.
//!
//! History first: every log of the plan in a fixed order of streams, then `CaughtUp`, then news. News in a fixed order
//! of precedence: the end, upkeep, due deadlines, control, local inputs, logs, market data. Outputs are recorded, published, performed
//! in the order they were given; nothing here waits for anybody.

mod apply;
mod barrier;
mod control;
mod history;
mod latch;
mod message;
mod plan;
mod runner;
mod snapshot;

pub use control::{ControlPort, Given};
pub use history::HistoryError;
pub(crate) use history::patiently;
pub use latch::HaltLatch;
pub use message::{MessageError, read_message};
pub use plan::{Effects, Identity, LocalEvent, LogSubscription, NoEffects, Plan};
pub use runner::{DriveError, Runner};
pub use snapshot::SnapshotFile;
