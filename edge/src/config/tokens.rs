//! Tokens of the admin API and other secrets: named in the fleet file, kept outside it.

use super::nodes::{Unique, checked};
use super::reader::{At, Section};
use super::sites::Site;
use crate::core::id::{SiteId, TokenId};
use crate::core::time::Timestamp;
use std::path::{Path, PathBuf};

/// Shortest secret that is taken, in bytes.
pub const MIN_SECRET_BYTES: usize = 16;

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In an environment variable.
    Env(String),
    /// In a file; white space around it is dropped.
    File(PathBuf),
}

/// A secret that can't be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The environment variable is not set.
    #[error("the environment variable {0} is not set\n    hint: export it before the start, or name a file instead")]
    NoEnv(String),
    /// The file can't be read.
    #[error("{}: can't be read: {cause}\n    hint: it must hold the secret and be readable by this user", path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// The secret is too short to be one.
    #[error(
        "the secret in {0} is shorter than {MIN_SECRET_BYTES} bytes\n    hint: `openssl rand -hex 32` makes a good one"
    )]
    TooShort(String),
}

impl SecretSource {
    /// Fetches the secret.
    ///
    /// # Errors
    /// [`SecretError`]: not there, not readable, or too short.
    pub fn fetch(&self) -> Result<String, SecretError> {
        let (secret, place) = match self {
            Self::Env(name) => {
                let secret = std::env::var(name).map_err(|_| SecretError::NoEnv(name.clone()))?;
                (secret, format!("the environment variable {name}"))
            }
            Self::File(path) => {
                let secret =
                    std::fs::read_to_string(path).map_err(|cause| SecretError::NoFile { path: path.clone(), cause })?;
                (secret, path.display().to_string())
            }
        };
        let secret = secret.trim().to_owned();
        if secret.len() < MIN_SECRET_BYTES { Err(SecretError::TooShort(place)) } else { Ok(secret) }
    }
}

/// What a token allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenRole {
    /// To read statistics.
    Read,
    /// To read, and to purge within these sites.
    Purge(Vec<SiteId>),
    /// Everything.
    Admin,
}

/// A token of the admin API.
#[derive(Debug, Clone)]
pub struct TokenSpec {
    /// Its name, for the audit record.
    pub id: TokenId,
    /// What it allows.
    pub role: TokenRole,
    /// Where its secret is.
    pub secret: SecretSource,
    /// From when it is not accepted any more.
    pub expires: Option<Timestamp>,
    /// What it may purge in a minute. Those with role = "admin" are not bounded.
    pub quota: Quota,
}

impl TokenSpec {
    /// Whether it is not accepted any more.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// How much may be purged in a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Purges, however large.
    pub purges: u64,
    /// Targets of purges.
    pub targets: u64,
}

impl Default for Quota {
    fn default() -> Self {
        Self { purges: 600, targets: 100_000 }
    }
}

pub(super) fn read_tokens(root: &Section<'_>, sites: &[Site], folder: &Path) -> Vec<TokenSpec> {
    let mut names = Unique::new("token");
    let sections = root.sections("tokens");
    if sections.is_empty() {
        root.missing("tokens", "write at least one [[tokens]] with id, role and env or file");
    }
    sections.into_iter().filter_map(|token| read_token(token, sites, &mut names, folder)).collect()
}

fn read_token(token: Section<'_>, sites: &[Site], names: &mut Unique, folder: &Path) -> Option<TokenSpec> {
    let id = token.needed("id", "name the token, as in id = \"deploy\"");
    let id =
        id.and_then(|at| checked(&token, &at, TokenId::new)).inspect(|(id, at)| names.add(&token, id.as_str(), at));
    let for_sites: Option<Vec<SiteId>> = token.distinct("sites", str::to_owned).map(|list| {
        if list.is_empty() {
            token.reject(
                &token.at("sites"),
                "names no site",
                "say which sites the token may purge, as in sites = [\"docs\"]",
            );
        }
        let known = |at: &At<&str>| {
            let site = sites.iter().find(|site| site.id.as_str() == at.value);
            if site.is_none() {
                token.reject(at, "is no site of this file", "name one of [[sites]]");
            }
            site.map(|site| site.id.clone())
        };
        list.iter().filter_map(known).collect()
    });
    let role = token.needed("role", "write role = \"read\", \"purge\" or \"admin\"").and_then(|at| match at.value {
        "read" | "admin" => {
            if for_sites.is_some() {
                let what = format!("does not bound what a token with role = {:?} may do", at.value);
                token.reject(&token.at("sites"), what, "remove it, or write role = \"purge\"");
            }
            Some(if at.value == "read" { TokenRole::Read } else { TokenRole::Admin })
        }
        "purge" if for_sites.is_some() => for_sites.clone().map(TokenRole::Purge),
        "purge" => {
            token.missing("sites", "say which sites the token may purge, as in sites = [\"docs\"]");
            None
        }
        _ => {
            token.reject(&at, "is no role", "write \"read\", \"purge\" or \"admin\"");
            None
        }
    });
    let secret = read_secret(&token, "env", "file", folder);
    let expires = token.time("expires");
    let usual = Quota::default();
    let quota = Quota {
        purges: token.integer("purges_per_minute", 1..=1_000_000).unwrap_or(usual.purges),
        targets: token.integer("targets_per_minute", 1..=1_000_000_000).unwrap_or(usual.targets),
    };
    for key in ["purges_per_minute", "targets_per_minute"] {
        if token.has(key) && !matches!(role, Some(TokenRole::Purge(_)) | None) {
            token.reject(&token.at(key), "bounds nothing", "remove it, or write role = \"purge\"");
        }
    }
    token.finish();
    Some(TokenSpec { id: id?.0, role: role?, secret: secret?, expires, quota })
}

/// Reads where a secret is kept: one of two keys.
pub(super) fn read_secret(
    section: &Section<'_>,
    env: &'static str,
    file: &'static str,
    folder: &Path,
) -> Option<SecretSource> {
    match (section.text(env), section.text(file)) {
        (Some(name), None) => Some(SecretSource::Env(name.value.to_owned())),
        (None, Some(path)) => Some(SecretSource::File(folder.join(path.value))),
        (Some(_), Some(second)) => {
            section.reject(&second, format!("the secret has two places, {env} and {file}"), "keep one of them");
            None
        }
        (None, None) => {
            section.missing(env, &format!("say where the secret is: {env} = \"VARIABLE\" or {file} = \"path\""));
            None
        }
    }
}
