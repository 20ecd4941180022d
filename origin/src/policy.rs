//! What each file is served with: Cache-Control, tags, precompressed siblings.
//!
//! The text of a policy becomes a [`Policy`] once, at start; all that is wrong with it is reported together.

mod parse;
mod reader;

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use globset::GlobMatcher;
use http::HeaderValue;

use crate::fingerprint::is_fingerprinted;
use crate::hint::Hint;
use crate::tags::{TagRules, extension, is_html};

/// A policy of the built-in values, with an example of each kind of rule.
pub const EXAMPLE: &str = include_str!("policy/example.toml");

/// A policy written by hand is a few kilobytes; a larger file is another file.
const MAX_POLICY_BYTES: u64 = 1024 * 1024;

/// How files are served.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Whether `.br` and `.gz` siblings answer for the file beside them.
    pub precompressed: bool,
    /// `Cache-Control` by kind of file.
    pub cache_control: CacheControl,
    /// Surrogate tags.
    pub tags: TagRules,
}

/// `Cache-Control` by kind of file.
#[derive(Clone, Debug)]
pub struct CacheControl {
    /// Pages.
    pub html: HeaderValue,
    /// Files whose name carries a digest of their content.
    pub hashed: HeaderValue,
    /// All other files.
    pub other: HeaderValue,
    /// 404 responses.
    pub not_found: HeaderValue,
    /// Looked through in order, before all else; the first that matches decides.
    pub overrides: Vec<(Subject, HeaderValue)>,
}

/// Which files an override is for.
#[derive(Clone, Debug)]
pub enum Subject {
    /// Those whose path matches.
    Path(GlobMatcher),
    /// Those with this extension, in lower case.
    Extension(String),
}

impl Subject {
    fn covers(&self, file: &str) -> bool {
        match self {
            Self::Path(glob) => glob.is_match(file),
            Self::Extension(wanted) => extension(file).is_some_and(|extension| extension.eq_ignore_ascii_case(wanted)),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self { precompressed: true, cache_control: CacheControl::default(), tags: TagRules::default() }
    }
}

impl Default for CacheControl {
    fn default() -> Self {
        Self {
            html: HeaderValue::from_static("public, max-age=60, stale-while-revalidate=30"),
            hashed: HeaderValue::from_static("public, max-age=31536000, immutable"),
            other: HeaderValue::from_static("public, max-age=300"),
            not_found: HeaderValue::from_static("public, max-age=10"),
            overrides: Vec::new(),
        }
    }
}

impl CacheControl {
    /// The value for a file of the site: an override, or else by kind. A page is never taken for hashed.
    pub fn of(&self, file: &str) -> &HeaderValue {
        let name = file.rsplit_once('/').map_or(file, |(_, name)| name);
        match self.overrides.iter().find(|(subject, _)| subject.covers(file)) {
            Some((_, value)) => value,
            None if is_html(file) => &self.html,
            None if is_fingerprinted(name) => &self.hashed,
            None => &self.other,
        }
    }
}

impl Policy {
    /// Reads the policy in a file.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let unreadable = |source| PolicyError::Unreadable { path: path.to_owned(), source };
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(MAX_POLICY_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > MAX_POLICY_BYTES {
            return Err(PolicyError::TooLarge { path: path.to_owned() });
        }
        Self::parse(&text).map_err(|problems| PolicyError::Invalid { path: path.to_owned(), problems })
    }

    /// Reads the text of a policy. The problems are in the order of the text.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        parse::parse(text)
    }
}

/// One thing that is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The key that it is about; empty when the text isn't even TOML of the right shape.
    pub key: String,
    /// What is wrong.
    pub cause: String,
    /// What to write instead.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, key, cause, remedy: _ } = self;
        let separator = if key.is_empty() { "" } else { ": " };
        write!(f, "line {line}, column {column}: {key}{separator}{cause}")
    }
}

/// Why there is no policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file can't be read.
    #[error("cannot read the policy {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is too large to be a policy.
    #[error("the policy {} has more than {MAX_POLICY_BYTES} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The text is wrong.
    #[error("the policy {} is not valid:{}", path.display(), lines(problems))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// At least one.
        problems: Vec<Problem>,
    },
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}

impl Hint for PolicyError {
    fn hint(&self) -> String {
        match self {
            Self::Unreadable { .. } => "give --policy the path of a readable TOML file, or leave it out".to_owned(),
            Self::TooLarge { .. } => {
                "give --policy a TOML file like the one that `origin serve --help` shows".to_owned()
            }
            Self::Invalid { problems, .. } => match problems.as_slice() {
                [only] => only.remedy.clone(),
                several => {
                    several.iter().map(|p| format!("line {}: {}", p.line, p.remedy)).collect::<Vec<_>>().join("; ")
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(policy: &Policy, file: &str) -> String {
        policy.cache_control.of(file).to_str().expect("ASCII").to_owned()
    }

    #[test]
    fn the_example_is_the_default_plus_its_rules() {
        let example = Policy::parse(EXAMPLE).expect("the example is valid");
        let default = Policy::default();
        for file in ["index.html", "docs/a.htm", "assets/app-DiwrgTda.js", "robots.txt", "page-DiwrgTda.html"] {
            assert_eq!(of(&example, file), of(&default, file), "{file}");
        }
        assert_eq!(example.cache_control.not_found, default.cache_control.not_found);
        assert_eq!(example.tags.header, default.tags.header);
        assert_eq!(example.tags.defaults, default.tags.defaults);
        assert_eq!(example.precompressed, default.precompressed);
        assert!(!example.cache_control.overrides.is_empty() && !example.tags.rules.is_empty());
    }

    #[test]
    fn kinds_and_overrides() {
        let policy = Policy::parse(
            r#"
            [cache_control]
            html = "no-cache"
            [[cache_control.override]]
            path = "/live/*"
            value = "no-store"
            [[cache_control.override]]
            extension = "JSON"
            value = "max-age=5"
            "#,
        )
        .expect("valid");
        for (file, expected) in [
            ("index.html", "no-cache"),
            ("page-DiwrgTda.html", "no-cache"),
            ("live/index.html", "no-store"),
            ("live/feed.json", "no-store"),
            ("live/deep/feed.json", "max-age=5"),
            ("feed-DiwrgTda.json", "max-age=5"),
            ("assets/a-DiwrgTda.js", "public, max-age=31536000, immutable"),
            ("assets/a-DiwrgTda/x.js", "public, max-age=300"),
            ("json", "public, max-age=300"),
        ] {
            assert_eq!(of(&policy, file), expected, "{file}");
        }
    }
}
