//! `cargo xtask planted-bugs`: whether the checks of the simulation bite.
//!
//! In a copy of the sources known bugs are planted, one after the other; the simulation must catch each. Nothing of them is
//! in the sources that are shipped, not even behind a flag. The copy stays for the next time.

use crate::{simulate, steps};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Seeds within which a planted bug must be caught, and how long each runs.
const SEEDS: &str = "1..200";
const MINUTES: &str = "4";
const PAIRS: &str = "3";
/// How the simulation ends when a promise is broken.
const BROKEN: i32 = 3;

/// Is a bug to plant: what it is called, and which text of which file becomes which other text.
struct Planted {
    name: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
}

const PLANTED: [Planted; 7] = [
    Planted {
        name: "a reservation is released by time",
        file: "services/risk-gate/core/src/core.rs",
        from: "            self.facts.revalue_all(now);\n        }\n        self.guard",
        to: "            let keys: Vec<_> = self.facts.traded.keys().cloned().collect();
            for key in keys {
                self.facts.traded_pair(&key).orders = Default::default();
            }
            self.facts.revalue_all(now);\n        }\n        self.guard",
    },
    Planted {
        name: "a duplicate fill is booked",
        file: "services/order-router/core/src/reports.rs",
        from: "if order.exec_ids.contains(&said.fill.exec_id) {",
        to: "if order.exec_ids.len() > 1_000_000 {",
    },
    Planted {
        name: "an approval is not bound to its price",
        file: "crates/pure/approval/src/canonical.rs",
        from: "text(&mut out, &price.to_decimal().normalize().to_string());",
        to: "let _ = price;",
    },
    Planted {
        name: "a halt forgets the venue, in the router",
        file: "services/order-router/core/src/state.rs",
        from: "            ControlScope::Global | ControlScope::Venue(_) => true,\n            ControlScope::Instrument(key) =>",
        to: "            ControlScope::Global | ControlScope::Venue(_) => false,\n            ControlScope::Instrument(key) =>",
    },
    Planted {
        name: "a halt forgets the venue, in the gate",
        file: "services/risk-gate/core/src/control.rs",
        from: "        ControlScope::Global => true,\n        ControlScope::Venue(venue) => *venue == instrument.venue,",
        to: "        ControlScope::Global | ControlScope::Venue(_) => false,",
    },
    Planted {
        name: "the epoch is not checked",
        file: "crates/pure/approval/src/verify.rs",
        from: "if fields.epoch < self.epoch_newest {",
        to: "if fields.epoch < self.epoch_newest && fields.epoch > 1_000_000 {",
    },
    Planted {
        name: "the epoch is not looked at again before an order leaves",
        file: "services/order-router/core/src/approvals.rs",
        from: "let is_outdated = approved.epoch() < self.verifier.epoch_newest();",
        to: "let is_outdated = approved.epoch() > self.verifier.epoch_newest();",
    },
];

/// Says which bugs.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only those with this text in their name.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
}

/// Plants one bug after the other, and fails when the simulation does not catch it.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<()> {
    let chosen = PLANTED.iter().filter(|bug| bug.name.contains(&arguments.only));
    let chosen: Vec<&Planted> = chosen.collect();
    if chosen.is_empty() {
        let names = PLANTED.map(|bug| bug.name).join("; ");
        bail!("no bug has {:?} in its name: want one of {names}", arguments.only);
    }
    let target = steps::target(root)?;
    let copy = target.join("planted");
    copy_sources(root, &copy)?;
    let mut missed = Vec::new();
    for bug in chosen {
        let path = copy.join(bug.file);
        let sound = fs::read_to_string(&path).with_context(|| format!("read {}", bug.file))?;
        if sound.matches(bug.from).count() != 1 {
            bail!("{}: {} has changed; plant it anew", bug.name, bug.file);
        }
        fs::write(&path, sound.replace(bug.from, bug.to)).context("plant the bug")?;
        let told = simulate(&copy, &target);
        fs::write(&path, sound).context("take the bug out")?;
        let told = told?;
        crate::say(&format!("==> {}: {}", bug.name, told.as_deref().unwrap_or("MISSED")));
        missed.extend(told.is_none().then_some(bug.name));
    }
    if !missed.is_empty() {
        bail!("not caught within seeds {SEEDS}: {}", missed.join(", "));
    }
    Ok(())
}

/// Runs the seeds on the copy; gives how a bug showed, or none when every promise was kept.
fn simulate(copy: &Path, target: &Path) -> Result<Option<String>> {
    let program = simulate::build(copy, target)?;
    let mut run = Command::new(program);
    run.args(["--seeds", SEEDS, "--minutes", MINUTES, "--pairs", PAIRS]);
    let run = run.stdin(Stdio::null()).output().context("start the simulation")?;
    let text = String::from_utf8_lossy(&run.stdout);
    let breach = text.lines().next_back().unwrap_or_default();
    let repeat = String::from_utf8_lossy(&run.stderr);
    match run.status.code() {
        Some(0) => Ok(None),
        Some(BROKEN) => Ok(Some(format!("{}\n      {breach}", repeat.trim()))),
        Some(_) | None => bail!("the simulation ended without a verdict: {repeat}"),
    }
}

/// Copies what the repository holds. A file that is the same stays, so that what was built from it stays too.
fn copy_sources(root: &Path, to: &Path) -> Result<()> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output();
    let listed = listed.context("list the sources with git")?;
    let names = String::from_utf8(listed.stdout).context("read the list of sources")?;
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        let (from, path) = (root.join(name), to.join(name));
        // A link or a file that is deleted here is no source of a build.
        if !from.is_file() {
            continue;
        }
        let bytes = fs::read(&from).with_context(|| format!("read {name}"))?;
        if fs::read(&path).is_ok_and(|before| before == bytes) {
            continue;
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("make the folder of {name}"))?;
        }
        fs::write(&path, bytes).with_context(|| format!("copy {name}"))?;
    }
    Ok(())
}
