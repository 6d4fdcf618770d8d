//! The machine and the build, which every number depends on.

use crate::{Plan, Report};
use std::fs;

/// Says on what everything is measured.
pub(crate) fn describe(report: &Report<'_>, plan: &Plan) {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let model = field("/proc/cpuinfo", "model name");
    let memory = field("/proc/meminfo", "MemTotal");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    report.part("machine", &format!("{cores} cores, {model}, {memory}, kernel {}", kernel.trim()));
    let profile = if cfg!(debug_assertions) {
        "development build: the numbers say little, use --release"
    } else {
        "release build with overflow checks"
    };
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split(' ').take(3).collect();
    report.note(&format!("{profile}; load before the run {}", load.join(" ")));
    report.note(&format!("each measurement takes {:?}", plan.duration));
}

/// Gives the first value of a name in a file of `name: value` lines.
pub(crate) fn field(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut values = text.lines().filter_map(|line| line.split_once(':'));
    let value = values.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim());
    value.unwrap_or("unknown").to_owned()
}
