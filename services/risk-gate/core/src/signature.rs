//! The signature over the limits: what it is made over, and what a gate that wants one accepts.
//!
//! In: the limits as written, the account, a key. Out: the bytes that are signed, the same however equal limits are
//! written; whether their signature fits. The account is signed too, or the wide limits of a test account would pass for
//! those of another. Must never happen: a limit that the bytes do not hold, so they are made from the whole document.

use crate::config::RiskGateConfig;
use crate::settings::RiskGateSettings;
use remora_approval::{LimitsSignature, Signer, VerifyingKey};
use remora_domain::{AccountId, SettingProblem};
use rust_decimal::Decimal;
use std::fmt;

/// The key that holds the signature.
pub const SIGNATURE: &str = "limits_signature";

/// Is whose signature a gate wants; it writes itself into a flight recording, as a replay needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitsKey(pub VerifyingKey);

impl LimitsKey {
    /// Gives the key that the settings of a flight recording end with; `None` where they tell none.
    #[must_use]
    pub fn of_settings(settings: &str) -> Option<Self> {
        let mut told =
            settings.lines().rev().filter_map(|line| line.strip_prefix("# limits key: "));
        VerifyingKey::from_hex(told.next()?).ok().map(Self)
    }
}

impl fmt::Display for LimitsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "limits key: {}", self.0)
    }
}

impl RiskGateSettings {
    /// Signs these limits for an account; `None` where a number is too large to be written.
    #[must_use]
    pub fn sign(&self, account: &AccountId, signer: &Signer) -> Option<LimitsSignature> {
        Some(signer.sign_limits(&self.bytes(account)?))
    }

    /// Gives the bytes that are signed: every limit with its key, in the order of keys.
    fn bytes(&self, account: &AccountId) -> Option<Vec<u8>> {
        let mut table = self.to_table().ok()?;
        table.remove(SIGNATURE);
        Some(written(account, &table))
    }
}

fn written(account: &AccountId, table: &toml::Table) -> Vec<u8> {
    let mut out = Vec::with_capacity(4_096);
    put_text(&mut out, account.as_str());
    put_table(&mut out, table);
    out
}

impl RiskGateConfig {
    /// Wants the signature of a key from now on, where one is given.
    ///
    /// # Errors
    /// Refuses limits that it has not signed.
    pub fn wanting(mut self, key: Option<VerifyingKey>) -> Result<Self, Vec<SettingProblem>> {
        self.limits_key = key;
        let Some(key) = key else { return Ok(self) };
        let text = self.document.limits_signature.as_deref();
        let signature = text.and_then(|text| LimitsSignature::from_hex(text).ok());
        let bytes = self.document.bytes(&self.account);
        let is_signed = bytes
            .zip(signature)
            .is_some_and(|(bytes, signature)| key.has_signed_limits(&bytes, &signature));
        if is_signed {
            return Ok(self);
        }
        let (account, version, short) = (&self.account, self.version, key.short());
        let value = text.map_or("(missing)".to_owned(), |text| {
            format!("{}..., which does not fit", text.chars().take(8).collect::<String>())
        });
        Err(vec![SettingProblem {
            key: format!("risk_gate.{SIGNATURE}"),
            value,
            allowed: format!(
                "the signature of key {short} over exactly these limits of {account}, version {version}: \
                 remora risk sign --profile FILE --key FILE prints it"
            ),
        }])
    }

    /// Says who has signed the limits in force.
    pub(crate) fn signed_words(&self) -> String {
        match (&self.limits_key, &self.document.limits_signature) {
            (Some(key), _) => format!("signed by {}", key.short()),
            (None, Some(_)) => "its signature not checked".to_owned(),
            (None, None) => "unsigned".to_owned(),
        }
    }
}

fn put_table(out: &mut Vec<u8>, table: &toml::Table) {
    out.push(b't');
    put_count(out, table.len());
    // Sorted here, so that it does not matter in which order the table keeps them.
    let mut entries: Vec<(&String, &toml::Value)> = table.iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    for (key, value) in entries {
        put_text(out, key);
        put(out, value);
    }
}

fn put(out: &mut Vec<u8>, value: &toml::Value) {
    match value {
        // Amounts are texts; 10 and 10.0 are the same amount.
        toml::Value::String(text) => match Decimal::from_str_exact(text) {
            Ok(amount) => {
                out.push(b'a');
                put_text(out, &amount.normalize().to_string());
            }
            Err(_) => put_name(out, text),
        },
        toml::Value::Integer(number) => {
            out.push(b'i');
            out.extend_from_slice(&number.to_be_bytes());
        }
        toml::Value::Boolean(is_true) => {
            out.push(b'b');
            out.push(u8::from(*is_true));
        }
        toml::Value::Array(values) => put_set(out, values),
        toml::Value::Table(table) => put_table(out, table),
        // No limit is one of these; they would be signed as written.
        toml::Value::Float(_) | toml::Value::Datetime(_) => put_name(out, &value.to_string()),
    }
}

/// Every list of these limits is a set of names: their order says nothing, and a name is never an amount.
fn put_set(out: &mut Vec<u8>, values: &[toml::Value]) {
    let mut names: Vec<String> =
        values.iter().map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned)).collect();
    names.sort();
    names.dedup();
    out.push(b's');
    put_count(out, names.len());
    names.iter().for_each(|name| put_text(out, name));
}

fn put_name(out: &mut Vec<u8>, name: &str) {
    out.push(b'n');
    put_text(out, name);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_count(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u64::try_from(count).unwrap_or(u64::MAX).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_testkit::{account, usd};

    const SOUND: &str = include_str!("../tests/gate/sound.toml");
    /// Account, then the table: for each a letter of its kind, lengths and counts in 8 bytes.
    const GOLDEN_BYTES: &str = "\
        00000000000000057061706572740000000000000005000000000000000562617365737300000000\
        000000020000000000000003425443000000000000000345544800000000000000166f726465725f\
        6e6f74696f6e616c5f7573645f6d61786100000000000000053630302e3500000000000000057061\
        69727374000000000000000100000000000000074254432d55534474000000000000000100000000\
        000000046d6f64656e0000000000000006737472696374000000000000001172616973696e675f6e\
        656564735f74776f6201000000000000000776657273696f6e690000000000000007";
    /// Over the same, by the key of 32 bytes of 3.
    const GOLDEN_SIGNATURE: &str = "\
        843010af6a2645c63acdb4eb37fc492fb39f1d3f125227e009e92edb3a12db4b\
        1d9cea3aaa41204131198cf6be9434b8c126f3f133a6eee1f12321db2cfe6d06";

    fn of(text: &str) -> RiskGateSettings {
        toml::from_str(text).unwrap()
    }

    fn bytes(settings: &RiskGateSettings) -> Vec<u8> {
        settings.bytes(&account()).unwrap()
    }

    fn owner() -> Signer {
        Signer::from_bytes(&[3; 32])
    }

    fn signed(settings: RiskGateSettings, signer: &Signer) -> RiskGateConfig {
        let signature = settings.sign(&account(), signer).unwrap().to_string();
        let settings = RiskGateSettings { limits_signature: Some(signature), ..settings };
        settings.validate(&account(), &usd(&[])).unwrap()
    }

    /// Signatures that people have made must go on to fit: whoever changes these bytes makes every signed profile, and every
    /// signed change in a log, invalid. A small document of every kind of value stands for all, because limits are added.
    #[test]
    fn what_is_signed_is_written_as_it_always_was() {
        let table = "version = 7\norder_notional_usd_max = \"600.50\"\nraising_needs_two = true\n\
                     bases = [\"ETH\", \"BTC\"]\n[pairs.\"BTC-USD\"]\nmode = \"strict\"\n";
        let bytes = written(&account(), &toml::from_str(table).unwrap());
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, GOLDEN_BYTES);
        assert_eq!(owner().sign_limits(&bytes).to_string(), GOLDEN_SIGNATURE);
    }

    #[test]
    fn equal_limits_are_signed_alike_however_they_are_written() {
        let mut lines: Vec<&str> = SOUND.lines().collect();
        lines.reverse();
        let other = format!("# the same\n{}", lines.join("\n"))
            .replace("\"600\"", "\"600.00\"")
            .replace("[\"BTC\", \"ETH\"]", "[ \"ETH\", \"BTC\" ]");
        assert_eq!(bytes(&of(&other)), bytes(&of(SOUND)));
        let signature = owner().sign_limits(b"any").to_string();
        let with = RiskGateSettings { limits_signature: Some(signature), ..of(SOUND) };
        assert_eq!(bytes(&with), bytes(&of(SOUND)));
    }

    /// Gives every document in which one leaf differs.
    fn altered(value: &toml::Value) -> Vec<toml::Value> {
        match value {
            toml::Value::String(text) => vec![toml::Value::String(format!("{text}1"))],
            toml::Value::Integer(number) => vec![toml::Value::Integer(number + 1)],
            toml::Value::Boolean(is_true) => vec![toml::Value::Boolean(!is_true)],
            toml::Value::Array(names) => {
                let more = [names.clone(), vec![toml::Value::String("more".to_owned())]].concat();
                vec![toml::Value::Array(more)]
            }
            toml::Value::Table(table) => {
                let with = |(key, value): (&String, &toml::Value)| {
                    let one = |other| {
                        let mut table = table.clone();
                        table.insert(key.clone(), other);
                        toml::Value::Table(table)
                    };
                    altered(value).into_iter().map(one).collect::<Vec<_>>()
                };
                table.iter().flat_map(with).collect()
            }
            other @ (toml::Value::Float(_) | toml::Value::Datetime(_)) => {
                panic!("{other}: no limit is one")
            }
        }
    }

    #[test]
    fn a_change_of_any_limit_changes_what_is_signed() {
        let table = toml::Value::Table(toml::from_str(SOUND).unwrap());
        let all = altered(&table);
        let keys = SOUND.lines().filter(|line| line.contains('=')).count();
        assert!(all.len() >= keys, "{} of {keys}", all.len());
        let mut seen = std::collections::BTreeSet::from([bytes(&of(SOUND))]);
        for other in all {
            let settings: RiskGateSettings = other.clone().try_into().unwrap();
            assert!(seen.insert(bytes(&settings)), "{other}");
        }
        assert_ne!(of(SOUND).bytes(&AccountId::new("other").unwrap()), of(SOUND).bytes(&account()));
    }

    #[test]
    fn a_gate_that_wants_a_signature_takes_no_other_limits() {
        let key = Some(owner().verifying_key());
        assert_eq!(signed(of(SOUND), &owner()).wanting(key).unwrap().limits_key, key);
        let unsigned = of(SOUND).validate(&account(), &usd(&[])).unwrap();
        let problem = unsigned.clone().wanting(key).unwrap_err().remove(0);
        assert_eq!((&*problem.key, &*problem.value), ("risk_gate.limits_signature", "(missing)"));
        assert!(problem.allowed.contains("remora risk sign"), "{}", problem.allowed);
        assert!(unsigned.wanting(None).is_ok());
        let other = signed(of(SOUND), &Signer::from_bytes(&[4; 32]));
        assert!(other.wanting(key).unwrap_err()[0].value.ends_with("does not fit"));
        let mut changed = signed(of(SOUND), &owner());
        let wider = RiskGateSettings { open_orders_max: 41, ..(*changed.document).clone() };
        changed.document = std::sync::Arc::new(wider);
        assert!(changed.wanting(key).is_err());
        let mut elsewhere = signed(of(SOUND), &owner());
        elsewhere.account = AccountId::new("other").unwrap();
        assert!(elsewhere.wanting(key).is_err());
    }

    #[test]
    fn a_text_that_is_no_signature_is_refused_by_any_gate() {
        let settings = RiskGateSettings { limits_signature: Some("abc".to_owned()), ..of(SOUND) };
        let problems = settings.validate(&account(), &usd(&[])).unwrap_err();
        assert_eq!(problems[0].key, "risk_gate.limits_signature");
    }

    #[test]
    fn the_key_is_read_back_from_the_settings_of_a_recording() {
        let key = LimitsKey(owner().verifying_key());
        let settings = format!("[risk_gate]\nversion = 1\n\n# {key}\n");
        assert_eq!(LimitsKey::of_settings(&settings), Some(key));
        assert_eq!(LimitsKey::of_settings("[risk_gate]\n"), None);
    }
}
