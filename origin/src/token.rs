//! The bearer token that guards the control endpoints (RFC 6750 §2.1).

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use subtle::ConstantTimeEq as _;

use crate::hint::Hint;

/// Far longer than any token, far shorter than a file given by mistake.
const MAX_TOKEN_BYTES: u64 = 4096;

/// A secret. It is compared in constant time and never shown.
#[derive(Clone)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The variable isn't set, or isn't text.
    #[error("the environment variable {variable} holds no token")]
    Environment {
        /// Its name.
        variable: String,
        /// Why not.
        source: std::env::VarError,
    },
    /// The file can't be read.
    #[error("cannot read the token file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// There's nothing in it, or what can't be sent in a header.
    #[error("the token in {place} is not 1 to {MAX_TOKEN_BYTES} visible ASCII characters")]
    Malformed {
        /// Where it was looked for.
        place: String,
    },
}

impl Hint for TokenError {
    fn hint(&self) -> String {
        match self {
            Self::Environment { variable, .. } => format!("set it: export {variable}=\"$(openssl rand -hex 32)\""),
            Self::File { path, .. } => format!("write one: openssl rand -hex 32 > {}", path.display()),
            Self::Malformed { .. } => "make one with `openssl rand -hex 32`".to_owned(),
        }
    }
}

impl Token {
    /// Reads a token; white space around it doesn't count. `place` is for the error.
    pub fn parse(text: &str, place: &str) -> Result<Self, TokenError> {
        let token = text.trim();
        let is_token =
            (1..=MAX_TOKEN_BYTES).contains(&(token.len() as u64)) && token.bytes().all(|b| b.is_ascii_graphic());
        if is_token { Ok(Self(token.to_owned())) } else { Err(TokenError::Malformed { place: place.to_owned() }) }
    }

    /// The token in an environment variable.
    pub fn from_environment(variable: &str) -> Result<Self, TokenError> {
        let text = std::env::var(variable)
            .map_err(|source| TokenError::Environment { variable: variable.to_owned(), source })?;
        Self::parse(&text, variable)
    }

    /// The token in a file.
    pub fn from_file(path: &Path) -> Result<Self, TokenError> {
        let unreadable = |source| TokenError::File { path: path.to_owned(), source };
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(MAX_TOKEN_BYTES + 2).read_to_string(&mut text).map_err(unreadable)?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Whether a request carries this token.
    pub fn admits(&self, request: &HeaderMap) -> bool {
        let mut lines = request.get_all(AUTHORIZATION).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else { return false };
        let Some((scheme, given)) = line.to_str().ok().and_then(|line| line.split_once(' ')) else { return false };
        // Digests have one length: how long the token is doesn't show in the time either.
        let digest = |token: &str| *blake3::hash(token.as_bytes()).as_bytes();
        scheme.eq_ignore_ascii_case("bearer") && bool::from(digest(given.trim()).ct_eq(&digest(&self.0)))
    }

    /// The `Authorization` field that carries this token.
    pub fn header_value(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.0)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admits_this_token_only() {
        let token = Token::parse(" s3cret\n", "here").expect("a token");
        for (field, expected) in [
            ("Bearer s3cret", true),
            ("bearer s3cret", true),
            ("Bearer  s3cret", true),
            ("Bearer s3cre", false),
            ("Bearer s3crets", false),
            ("Bearer", false),
            ("Bearer ", false),
            ("Basic s3cret", false),
            ("s3cret", false),
        ] {
            let mut request = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(field))]);
            assert_eq!(token.admits(&request), expected, "{field}");
            request.append(AUTHORIZATION, HeaderValue::from_static("Bearer s3cret"));
            assert!(!token.admits(&request), "twice: {field}");
        }
        assert!(!token.admits(&HeaderMap::new()));
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    #[test]
    fn malformed_tokens() {
        for text in ["", " \n", "two words", "é"] {
            assert!(matches!(Token::parse(text, "here"), Err(TokenError::Malformed { .. })), "{text:?}");
        }
    }

    #[test]
    fn files() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("token");
        assert!(matches!(Token::from_file(&path), Err(TokenError::File { .. })));
        std::fs::write(&path, "s3cret\n").expect("written");
        assert_eq!(Token::from_file(&path).expect("a token").0, "s3cret");
        std::fs::write(&path, "x".repeat(5000)).expect("written");
        assert!(matches!(Token::from_file(&path), Err(TokenError::Malformed { .. })));
    }
}
