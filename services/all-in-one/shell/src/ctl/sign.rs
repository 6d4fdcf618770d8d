//! `remora risk keygen`, `remora risk sign`, and the signature of `remora risk set`: the limits under the key of the
//! person who owns them. That key never lies where the gate runs; the gate holds its public half.

use super::init;
use crate::{output, profiles};
use anyhow::{Context, Result, bail};
use clap::Args;
use remora_approval::Signer;
use remora_domain::LimitsChange;
use remora_risk_gate_core::SIGNATURE;
use remora_service_kit::config::read_secret;
use std::path::{Path, PathBuf};

/// Only the person who owns the limits can read their key.
const KEY_MODE: u32 = 0o600;

#[derive(Args)]
pub(crate) struct KeygenArguments {
    /// The file of the signing key; the public half, for the gate, goes beside it with the ending `.pub`.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

#[derive(Args)]
pub(crate) struct SignArguments {
    /// A shipped profile, or a TOML file: its `[risk_gate]` is signed, for its account.
    #[arg(long, value_name = "NAME|FILE")]
    profile: String,
    /// The file of the signing key, from `remora risk keygen`.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

/// With what a change is signed, for a gate that wants that.
#[derive(Args)]
pub(crate) struct Seal {
    /// The file of the signing key, where the gate takes signed limits only.
    #[arg(long, value_name = "FILE", requires = "profile")]
    sign_key: Option<PathBuf>,
    /// The profile with the limits in force: they and the change make what is signed.
    #[arg(long, value_name = "NAME|FILE", requires = "sign_key")]
    profile: Option<String>,
}

/// Makes the key pair of the limits.
pub(super) fn keygen(arguments: &KeygenArguments) -> Result<()> {
    let public = arguments.key.with_extension("pub");
    if public == arguments.key {
        bail!("{}: that ending is for the public key", public.display());
    }
    let key = init::key_pair(&arguments.key, KEY_MODE, &public)?;
    let (file, short) = (public.display(), key.short());
    output::line(&format!("{file} is for the gate (--limits-key-file); key {short}"));
    Ok(())
}

/// Signs the limits of a profile.
pub(super) fn sign(arguments: &SignArguments) -> Result<()> {
    let limits = profiles::limits(&arguments.profile)?;
    let signer = signer(&arguments.key)?;
    let signature = limits.document.sign(&limits.account, &signer);
    let signature = signature.context("write the limits as bytes")?;
    let (version, account) = (limits.version, &limits.account);
    let short = signer.verifying_key().short();
    output::line(&format!("# limits of {account}, version {version}, signed by {short}"));
    output::line(&format!("{SIGNATURE} = \"{signature}\""));
    Ok(())
}

impl Seal {
    /// Adds the signature over what a change makes, where a key is given.
    pub(super) fn sign(self, mut change: LimitsChange) -> Result<LimitsChange> {
        let Some((key, profile)) = self.sign_key.zip(self.profile) else { return Ok(change) };
        let before = profiles::limits(&profile)?;
        if Some(change.version) != before.version.checked_add(1) {
            let (found, asked) = (before.version, change.version);
            bail!(
                "{profile} holds limits of version {found}: version {asked} does not follow them"
            );
        }
        let after = before.document.changed(&change)?;
        let signature = after.sign(&before.account, &signer(&key)?);
        let signature = signature.context("write the limits as bytes")?;
        change.limits.insert(SIGNATURE.to_owned(), signature.to_string());
        Ok(change)
    }
}

fn signer(path: &Path) -> Result<Signer> {
    let text = read_secret("key", path).map_err(anyhow::Error::msg);
    let text = text.with_context(|| format!("read the key of the limits in {}", path.display()))?;
    Signer::from_hex(text.expose()).with_context(|| format!("use the key in {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_risk_gate_core::RiskGateConfig;
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt as _;

    fn made() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("limits.key");
        keygen(&KeygenArguments { key: key.clone() }).unwrap();
        (dir, key)
    }

    #[test]
    fn only_its_owner_can_read_the_key_of_the_limits_and_making_it_again_keeps_it() {
        let (dir, key) = made();
        let mode = std::fs::metadata(&key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let before = std::fs::read_to_string(&key).unwrap();
        keygen(&KeygenArguments { key: key.clone() }).unwrap();
        assert_eq!(std::fs::read_to_string(&key).unwrap(), before);
        assert!(dir.path().join("limits.pub").exists());
        let public = dir.path().join("limits.pub");
        assert!(keygen(&KeygenArguments { key: public }).is_err());
    }

    #[test]
    fn a_signed_change_is_one_that_the_gate_takes() {
        let (_dir, key) = made();
        let before = profiles::limits("demo").unwrap();
        let version = before.version + 1;
        let limits = BTreeMap::from([("raising_needs_two".to_owned(), "true".to_owned())]);
        let seal = || Seal { sign_key: Some(key.clone()), profile: Some("demo".to_owned()) };
        let change = LimitsChange { version, limits };
        let signed = seal().sign(change.clone()).unwrap();
        let after = before.document.changed(&signed).unwrap();
        let after = after.validate(&before.account, &before.reporting).unwrap();
        let public = signer(&key).unwrap().verifying_key();
        assert!(RiskGateConfig::wanting(after, Some(public)).is_ok());
        assert!(seal().sign(LimitsChange { version: version + 1, ..change }).is_err());
    }
}
