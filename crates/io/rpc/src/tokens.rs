//! Who may call: tokens with a name and a role, kept as digests and compared in constant time.

use crate::error::FieldError;
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;
use tonic::metadata::MetadataMap;

/// The shortest token accepted: 128 bits in hex have 32 characters; 16 leaves room for base64.
const TOKEN_LENGTH_MIN: usize = 16;

/// Says what a token may do; each role includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Sees status.
    Viewer,
    /// Halts and resumes.
    Operator,
    /// Everything.
    Admin,
}

impl Role {
    /// Gives the word used in token files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Viewer, Self::Operator, Self::Admin].into_iter().find(|role| role.as_str() == text)
    }
}

/// Says what is wrong with a line of a token file; never shows the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("token file line {line}: {field} = {value:?}: want {allowed}")]
pub struct TokenError {
    /// Which line, from 1.
    pub line: usize,
    /// Which of its words.
    pub field: &'static str,
    /// What was there; `***` for a token.
    pub value: String,
    /// What would be accepted.
    pub allowed: &'static str,
}

/// Is the set of tokens a server accepts. Empty means that every call is refused.
#[derive(Clone, Default)]
pub struct Tokens(Vec<Entry>);

/// Is a token as its holder sends it.
#[derive(Clone, PartialEq, Eq)]
pub struct CallerToken {
    /// Whose it is.
    pub name: String,
    token: String,
}

impl CallerToken {
    /// Gives the token itself, for the client alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.token
    }
}

impl fmt::Debug for CallerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallerToken({}, ***)", self.name)
    }
}

#[derive(Clone)]
struct Entry {
    name: String,
    role: Role,
    digest: [u8; 32],
}

impl Tokens {
    /// Reads a token file: one `<role> <name> <token>` a line; `#` starts a comment line.
    ///
    /// # Errors
    /// Reports every bad line.
    pub fn parse(text: &str) -> Result<Self, Vec<TokenError>> {
        let mut tokens = Self::default();
        let mut problems = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match parse_line(line) {
                Ok(entry) => tokens.0.push(entry),
                Err(FieldError { field, value, allowed }) => {
                    let line = index.saturating_add(1);
                    problems.push(TokenError { line, field, value, allowed });
                }
            }
        }
        if problems.is_empty() { Ok(tokens) } else { Err(problems) }
    }

    /// Finds the weakest token in a token file that may do what `needed` may: for the calling side. `None` when there
    /// is none.
    ///
    /// # Errors
    /// Reports every bad line.
    pub fn find_for(text: &str, needed: Role) -> Result<Option<CallerToken>, Vec<TokenError>> {
        // One set of rules for both sides: what a server would refuse is not sent.
        Self::parse(text)?;
        let mut found: Option<(Role, CallerToken)> = None;
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            let Ok((role, name, token)) = split_line(line) else { continue };
            let is_weaker = found.as_ref().is_none_or(|(known, _)| role < *known);
            if role >= needed && is_weaker {
                let token = CallerToken { name: name.to_owned(), token: token.to_owned() };
                found = Some((role, token));
            }
        }
        Ok(found.map(|(_, token)| token))
    }

    /// Adds a token; only its digest is kept.
    #[must_use]
    pub fn with(mut self, role: Role, name: &str, token: &str) -> Self {
        self.0.push(Entry { name: name.to_owned(), role, digest: digest(token) });
        self
    }

    /// Tells whether no call can pass.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Finds who calls with this token; `None` when nobody may. Takes as long for a wrong token as for a right one.
    #[must_use]
    pub fn find(&self, token: &str) -> Option<(&str, Role)> {
        let given = digest(token);
        let mut found = None;
        for entry in &self.0 {
            if bool::from(entry.digest.ct_eq(&given)) {
                found = Some((entry.name.as_str(), entry.role));
            }
        }
        found
    }

    /// Finds who calls, from the metadata of a call, and checks the role.
    pub(crate) fn authorise(
        &self,
        metadata: &MetadataMap,
        needed: Role,
    ) -> Result<&str, tonic::Status> {
        let text = metadata.get("authorization").and_then(|value| value.to_str().ok());
        let Some(token) = text.and_then(|text| text.strip_prefix("Bearer ")) else {
            return Err(tonic::Status::unauthenticated(
                "want metadata authorization: Bearer TOKEN",
            ));
        };
        let Some((name, role)) = self.find(token) else {
            return Err(tonic::Status::unauthenticated("unknown token"));
        };
        if role < needed {
            let (has, needs) = (role.as_str(), needed.as_str());
            return Err(tonic::Status::permission_denied(format!("role {has}: want {needs}")));
        }
        Ok(name)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|entry| (entry.role, entry.name.as_str())))
            .finish()
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn parse_line(line: &str) -> Result<Entry, FieldError> {
    let (role, name, token) = split_line(line)?;
    Ok(Entry { name: name.to_owned(), role, digest: digest(token) })
}

fn split_line(line: &str) -> Result<(Role, &str, &str), FieldError> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [role, name, token] = *words.as_slice() else {
        let value = format!("{} words", words.len());
        return Err(FieldError { field: "line", value, allowed: "<role> <name> <token>" });
    };
    let Some(role) = Role::parse(role) else {
        // A word in the wrong place may be the token: it is not shown.
        let value = "***".to_owned();
        return Err(FieldError { field: "role", value, allowed: "viewer, operator or admin" });
    };
    if token.len() < TOKEN_LENGTH_MIN {
        let value = "***".to_owned();
        return Err(FieldError { field: "token", value, allowed: "at least 16 characters" });
    }
    Ok((role, name, token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_file_gives_names_and_roles() {
        let text = "# who\n\nviewer screen 0123456789abcdef\noperator desk fedcba9876543210\n";
        let tokens = Tokens::parse(text).unwrap();
        assert_eq!(tokens.find("0123456789abcdef"), Some(("screen", Role::Viewer)));
        assert_eq!(tokens.find("fedcba9876543210"), Some(("desk", Role::Operator)));
        assert_eq!(tokens.find("fedcba987654321"), None);
        assert_eq!(tokens.find(""), None);
    }

    #[test]
    fn every_bad_line_is_reported_and_no_token_is_shown() {
        let problems = Tokens::parse("boss me secret-secret-secret\nviewer a short-secret\nviewer")
            .unwrap_err();
        let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "token file line 1: role = \"***\": want viewer, operator or admin",
                "token file line 2: token = \"***\": want at least 16 characters",
                "token file line 3: line = \"1 words\": want <role> <name> <token>",
            ]
        );
    }

    #[test]
    fn a_caller_takes_the_weakest_token_that_suffices() {
        let text = "admin root aaaaaaaaaaaaaaaaaa\n# desk\noperator desk bbbbbbbbbbbbbbbbbb\n";
        let find = |needed| Tokens::find_for(text, needed).unwrap().map(|token| token.name);
        assert_eq!(find(Role::Viewer).as_deref(), Some("desk"));
        assert_eq!(find(Role::Operator).as_deref(), Some("desk"));
        assert_eq!(find(Role::Admin).as_deref(), Some("root"));
        let none = Tokens::find_for("viewer screen cccccccccccccccccc", Role::Operator);
        assert_eq!(none, Ok(None));
        assert!(Tokens::find_for("operator desk short", Role::Operator).is_err());
        let token = Tokens::find_for(text, Role::Operator).unwrap().unwrap();
        assert_eq!(token.expose(), "bbbbbbbbbbbbbbbbbb");
        assert_eq!(format!("{token:?}"), "CallerToken(desk, ***)");
    }

    #[test]
    fn tokens_are_not_printed() {
        let tokens = Tokens::default().with(Role::Admin, "root", "0123456789abcdef");
        assert_eq!(format!("{tokens:?}"), "[(Admin, \"root\")]");
    }
}
