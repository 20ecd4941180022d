//! The token that a purge is sent with.

use crate::admin::bearer;
use crate::clock;
use crate::target::Scope;
use edge::config::{Fleet, SecretError, SecretSource, TokenRole, TokenSpec};
use std::fmt;
use std::path::PathBuf;
use thiserror::Error;

/// What a token is needed for.
#[derive(Debug, Clone, Copy)]
pub enum Need<'s> {
    /// To purge this.
    Purge(&'s Scope),
    /// To rule the log: an admin's.
    Rule,
    /// To read only: any.
    Read,
}

/// The environment variable that is looked at first, unless another place is named.
pub const DEFAULT_ENV: &str = "TIDEWALL_TOKEN";

/// Where the token is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenPlace {
    /// In [`DEFAULT_ENV`]; if that is not set, among the tokens of the fleet file.
    Anywhere,
    /// There, and nowhere else.
    Named(SecretSource),
}

impl TokenPlace {
    /// The place that `--token-env` or `--token-file` names. Not both.
    pub fn new(env: Option<&str>, file: Option<PathBuf>) -> Option<Self> {
        match (env, file) {
            (Some(_), Some(_)) => None,
            (Some(name), None) => Some(Self::Named(SecretSource::Env(name.to_owned()))),
            (None, Some(path)) => Some(Self::Named(SecretSource::File(path))),
            (None, None) => Some(Self::Anywhere),
        }
    }
}

/// A token, and where it comes from. It is never shown.
pub struct Token {
    /// What is sent.
    pub secret: String,
    /// Where it was found, for messages.
    pub origin: Origin,
}

/// Where a token comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    source: SecretSource,
    by: By,
}

/// Why it was looked for there.
#[derive(Debug, Clone, PartialEq, Eq)]
enum By {
    /// `--token-env` or `--token-file` says so.
    Option,
    /// It is [`DEFAULT_ENV`].
    Default,
    /// The fleet file's token of this name says so.
    Fleet(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            SecretSource::Env(name) => write!(f, "the environment variable {name}")?,
            SecretSource::File(path) => write!(f, "the file {}", path.display())?,
        }
        match (&self.by, &self.source) {
            (By::Option, SecretSource::Env(_)) => f.write_str(", as --token-env says"),
            (By::Option, SecretSource::File(_)) => f.write_str(", as --token-file says"),
            (By::Default, _) => Ok(()),
            (By::Fleet(id), _) => write!(f, ", as the fleet file says of token {id}"),
        }
    }
}

impl Origin {
    /// The variable that `--token-env` names.
    pub fn named_env(name: &str) -> Self {
        Self { source: SecretSource::Env(name.to_owned()), by: By::Option }
    }

    /// What to do if the home doesn't accept it.
    pub fn advice(&self) -> String {
        let other = match (&self.by, &self.source) {
            (By::Option, SecretSource::Env(name)) => {
                format!("set {name} to another token's secret, or name another variable with --token-env")
            }
            (By::Option, SecretSource::File(_)) => {
                "write another token's secret there, or name another file with --token-file".to_owned()
            }
            (By::Default, _) => format!(
                "set {DEFAULT_ENV} to another token's secret, or unset it to have the fleet file's tokens looked for"
            ),
            (By::Fleet(_), _) => {
                "give this program and the home the same fleet file and secrets, or name another token \
                                  with --token-env or --token-file"
                    .to_owned()
            }
        };
        format!("the token is from {self}: {other}")
    }

    /// What to do if it can't be had.
    fn remedy(&self, cause: &SecretError) -> &'static str {
        match (cause, &self.by) {
            (SecretError::TooShort(_), _) => "`openssl rand -hex 32` makes a good one; the home must have the same",
            (_, By::Option) if matches!(self.source, SecretSource::Env(_)) => {
                "export it, or name another variable with --token-env"
            }
            (_, By::Option) => "it must hold the secret and be readable by this user; --token-file names another one",
            (_, By::Default | By::Fleet(_)) => "export it, or name its place with --token-env or --token-file",
        }
    }

    fn fetch(self) -> Result<Token, TokenError> {
        match self.source.fetch() {
            Ok(secret) => Ok(Token { secret, origin: self }),
            Err(cause) => Err(TokenError::NotThere { origin: self, cause }),
        }
    }
}

/// No token.
#[derive(Debug, Error)]
pub enum TokenError {
    /// It is not where it was said to be.
    #[error("no token: {}\n    hint: {}", plain(cause), origin.remedy(cause))]
    NotThere {
        /// Where that is.
        origin: Origin,
        /// What is wrong there.
        cause: SecretError,
    },
    /// It is nowhere.
    #[error("no token: {DEFAULT_ENV} is not set, and the fleet file leads to none{}\n    hint: export {DEFAULT_ENV}, or name its place with --token-env or --token-file", listed(tried, *reads))]
    Nowhere {
        /// Where it was looked for in vain.
        tried: Vec<String>,
        /// Whether any would have done.
        reads: bool,
    },
    /// It can't be sent.
    #[error(
        "the token from {0} has a character that no HTTP field may have\n    hint: a token is made of visible ASCII characters"
    )]
    NotSendable(Origin),
}

/// What is wrong, without what to do.
fn plain(cause: &SecretError) -> String {
    match cause {
        SecretError::NoEnv(name) => format!("the environment variable {name} is not set"),
        SecretError::NoFile { path, cause } => format!("{}: can't be read: {cause}", path.display()),
        SecretError::TooShort(_) => {
            let text = cause.to_string();
            text.split_once("\n    hint: ").map_or(text.as_str(), |(what, _)| what).to_owned()
        }
    }
}

fn listed(tried: &[String], reads: bool) -> String {
    if tried.is_empty() {
        let which = if reads { "that has not expired" } else { "with role = \"admin\" or role = \"purge\"" };
        return format!(": it has no token {which}");
    }
    tried.iter().map(|line| format!("\n    {line}")).collect()
}

/// Finds the token that is needed.
///
/// In the fleet file the first token wins that may do all of it and whose secret can be had here; if there is none, the first
/// other one with a right to purge: it is for the nodes to refuse it.
///
/// # Errors
/// [`TokenError`]: there is none, and where it was looked for.
pub fn find(place: &TokenPlace, fleet: &Fleet, need: Need<'_>) -> Result<Token, TokenError> {
    let token = match place {
        TokenPlace::Named(source) => Origin { source: source.clone(), by: By::Option }.fetch()?,
        TokenPlace::Anywhere if std::env::var_os(DEFAULT_ENV).is_some() => {
            Origin { source: SecretSource::Env(DEFAULT_ENV.to_owned()), by: By::Default }.fetch()?
        }
        TokenPlace::Anywhere => of_fleet(fleet, need)?,
    };
    if bearer(&token.secret).is_none() { Err(TokenError::NotSendable(token.origin)) } else { Ok(token) }
}

fn of_fleet(fleet: &Fleet, need: Need<'_>) -> Result<Token, TokenError> {
    let mut tried = Vec::new();
    for spec in by_right(&fleet.tokens, need) {
        match spec.secret.fetch() {
            Ok(secret) => {
                let origin = Origin { source: spec.secret.clone(), by: By::Fleet(spec.id.to_string()) };
                return Ok(Token { secret, origin });
            }
            Err(cause) => tried.push(format!("token {}: {}", spec.id, plain(&cause))),
        }
    }
    Err(TokenError::Nowhere { tried, reads: matches!(need, Need::Read) })
}

/// The tokens that may do it and have not expired: first those that may do all of it, then the others, each in the file's
/// order. To read, those come first that see the purges of all tokens.
fn by_right<'t>(tokens: &'t [TokenSpec], need: Need<'_>) -> Vec<&'t TokenSpec> {
    let rank = |role: &TokenRole| match (role, need) {
        (TokenRole::Admin, _) => Some(0),
        (TokenRole::Read, Need::Read) => Some(1),
        (TokenRole::Read, _) => None,
        (TokenRole::Purge(theirs), Need::Purge(Scope::Sites(sites))) => {
            Some(if sites.iter().all(|site| theirs.contains(site)) { 0 } else { 2 })
        }
        (TokenRole::Purge(_), _) => Some(2),
    };
    let now = clock::now_as_date();
    let good = tokens.iter().filter(|token| !token.has_expired(now));
    let mut ranked: Vec<(u8, &TokenSpec)> = good.filter_map(|token| Some((rank(&token.role)?, token))).collect();
    // It keeps the order of the file among equals.
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, token)| token).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use edge::config::Quota;
    use edge::core::id::{SiteId, TokenId};

    fn sites(names: &[&str]) -> Vec<SiteId> {
        names.iter().map(|name| SiteId::new(name).expect("a name")).collect()
    }

    #[test]
    fn tokens_by_right() {
        let spec = |id: &str, role| TokenSpec {
            id: TokenId::new(id).expect("a name"),
            role,
            secret: SecretSource::Env("NONE".to_owned()),
            expires: (id == "old").then_some(clock::now_as_date()),
            quota: Quota::default(),
        };
        let tokens = [
            spec("read", TokenRole::Read),
            spec("old", TokenRole::Admin),
            spec("docs", TokenRole::Purge(sites(&["docs"]))),
            spec("both", TokenRole::Purge(sites(&["shop", "docs"]))),
            spec("admin", TokenRole::Admin),
        ];
        let check = |need: Need<'_>, want: &[&str]| {
            let got: Vec<&str> = by_right(&tokens, need).into_iter().map(|spec| spec.id.as_str()).collect();
            assert_eq!(got, want, "{need:?}");
        };
        check(Need::Purge(&Scope::Sites(sites(&["docs"]))), &["docs", "both", "admin"]);
        check(Need::Purge(&Scope::Sites(sites(&["docs", "shop"]))), &["both", "admin", "docs"]);
        check(Need::Purge(&Scope::Everything), &["admin", "docs", "both"]);
        check(Need::Rule, &["admin", "docs", "both"]);
        check(Need::Read, &["admin", "read", "docs", "both"]);
    }

    #[test]
    fn advice_fits_where_the_token_is_from() {
        let env = |name: &str| SecretSource::Env(name.to_owned());
        for (source, by, want) in [
            (
                env("MINE"),
                By::Option,
                "the token is from the environment variable MINE, as --token-env says: set MINE to another token's secret, \
                 or name another variable with --token-env",
            ),
            (
                SecretSource::File("mine".into()),
                By::Option,
                "the token is from the file mine, as --token-file says: write another token's secret there, or name \
                 another file with --token-file",
            ),
            (
                env(DEFAULT_ENV),
                By::Default,
                "the token is from the environment variable TIDEWALL_TOKEN: set TIDEWALL_TOKEN to another token's secret, \
                 or unset it to have the fleet file's tokens looked for",
            ),
            (
                env("DEPLOY"),
                By::Fleet("deploy".to_owned()),
                "the token is from the environment variable DEPLOY, as the fleet file says of token deploy: give this \
                 program and the home the same fleet file and secrets, or name another token with --token-env or \
                 --token-file",
            ),
        ] {
            assert_eq!(Origin { source, by }.advice(), want);
        }
    }

    #[test]
    fn one_place_at_most() {
        assert_eq!(TokenPlace::new(None, None), Some(TokenPlace::Anywhere));
        let env = TokenPlace::Named(SecretSource::Env("A".into()));
        assert_eq!(TokenPlace::new(Some("A"), None), Some(env));
        assert_eq!(TokenPlace::new(Some("A"), Some("f".into())), None);
    }
}
