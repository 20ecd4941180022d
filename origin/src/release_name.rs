//! The name of a release.

use std::fmt;
use std::str::FromStr;

use http::HeaderValue;
use serde::{Deserialize, Serialize};

/// Long enough for a branch, a date and a commit.
const MAX_NAME_BYTES: usize = 64;

/// 1 to 64 of `A-Z a-z 0-9 . _ -`: it goes into header fields, tags and logs as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReleaseName(String);

impl ReleaseName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as a field value.
    pub fn header_value(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).unwrap_or(HeaderValue::from_static("unnamed"))
    }
}

impl fmt::Display for ReleaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no release name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a release name: use 1 to {MAX_NAME_BYTES} of A-Z a-z 0-9 . _ -")]
pub struct BadReleaseName(String);

impl FromStr for ReleaseName {
    type Err = BadReleaseName;

    fn from_str(text: &str) -> Result<Self, BadReleaseName> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for ReleaseName {
    type Error = BadReleaseName;

    fn try_from(text: String) -> Result<Self, BadReleaseName> {
        let is_name = (1..=MAX_NAME_BYTES).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if is_name { Ok(Self(text)) } else { Err(BadReleaseName(text)) }
    }
}

impl From<ReleaseName> for String {
    fn from(name: ReleaseName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let longest = "x".repeat(MAX_NAME_BYTES);
        for good in ["v1", "2024-01-31_main.3f2b", longest.as_str()] {
            assert_eq!(good.parse::<ReleaseName>().map(String::from).as_deref(), Ok(good));
        }
        let too_long = "x".repeat(MAX_NAME_BYTES + 1);
        for bad in ["", "a b", "a/b", "é", "a\n", too_long.as_str()] {
            assert_eq!(bad.parse::<ReleaseName>(), Err(BadReleaseName(bad.to_owned())));
        }
    }
}
