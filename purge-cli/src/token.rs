//! The token that a purge is sent with.

use crate::admin::bearer;
use crate::clock;
use crate::target::Scope;
use edge::config::{Fleet, SecretError, SecretSource, TokenRole, TokenSpec};
use std::path::PathBuf;
use thiserror::Error;

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
    pub origin: String,
}

/// No token.
#[derive(Debug, Error)]
pub enum TokenError {
    /// It is not where it was said to be.
    #[error("no token: {0}")]
    NotThere(#[from] SecretError),
    /// It is nowhere.
    #[error("no token: {DEFAULT_ENV} is not set, and the fleet file leads to none{}\n    hint: export {DEFAULT_ENV}, or name its place with --token-env or --token-file", listed(.0))]
    Nowhere(Vec<String>),
    /// It can't be sent.
    #[error(
        "the token from {0} has a character that no HTTP field may have\n    hint: a token is made of visible ASCII characters"
    )]
    NotSendable(String),
}

fn listed(tried: &[String]) -> String {
    if tried.is_empty() {
        return ": it has no token with role = \"admin\" or role = \"purge\"".to_owned();
    }
    tried.iter().map(|line| format!("\n    {line}")).collect()
}

/// Finds the token for a purge of `scope`.
///
/// In the fleet file the first token wins that may purge all of `scope` and whose secret can be had here; if there is
/// none, the first other one with a right to purge: it is for the nodes to refuse it.
///
/// # Errors
/// [`TokenError`]: there is none, and where it was looked for.
pub fn find(place: &TokenPlace, fleet: &Fleet, scope: &Scope) -> Result<Token, TokenError> {
    let token = match place {
        TokenPlace::Named(source) => fetch(source)?,
        TokenPlace::Anywhere if std::env::var_os(DEFAULT_ENV).is_some() => {
            fetch(&SecretSource::Env(DEFAULT_ENV.to_owned()))?
        }
        TokenPlace::Anywhere => of_fleet(fleet, scope)?,
    };
    if bearer(&token.secret).is_none() { Err(TokenError::NotSendable(token.origin)) } else { Ok(token) }
}

fn fetch(source: &SecretSource) -> Result<Token, SecretError> {
    let origin = match source {
        SecretSource::Env(name) => format!("the environment variable {name}"),
        SecretSource::File(path) => path.display().to_string(),
    };
    Ok(Token { secret: source.fetch()?, origin })
}

fn of_fleet(fleet: &Fleet, scope: &Scope) -> Result<Token, TokenError> {
    let mut tried = Vec::new();
    for spec in by_right(&fleet.tokens, scope) {
        match fetch(&spec.secret) {
            Ok(token) => {
                let origin = format!("{} (the fleet file's token {})", token.origin, spec.id);
                return Ok(Token { origin, ..token });
            }
            Err(error) => tried.push(format!("token {}: {error}", spec.id)),
        }
    }
    Err(TokenError::Nowhere(tried))
}

/// The tokens that may purge and have not expired: first those that may purge all of `scope`, then the others, each in the file's order.
fn by_right<'t>(tokens: &'t [TokenSpec], scope: &Scope) -> Vec<&'t TokenSpec> {
    let right = |role: &TokenRole| match (role, scope) {
        (TokenRole::Read, _) => None,
        (TokenRole::Admin, _) => Some(true),
        (TokenRole::Purge(_), Scope::Everything) => Some(false),
        (TokenRole::Purge(theirs), Scope::Sites(sites)) => Some(sites.iter().all(|site| theirs.contains(site))),
    };
    let now = clock::now_as_date();
    let good = tokens.iter().filter(move |token| !token.has_expired(now));
    let with = |wanted| good.clone().filter(move |token| right(&token.role) == Some(wanted));
    with(true).chain(with(false)).collect()
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
        let check = |scope: Scope, want: &[&str]| {
            let got: Vec<&str> = by_right(&tokens, &scope).into_iter().map(|spec| spec.id.as_str()).collect();
            assert_eq!(got, want, "{scope:?}");
        };
        check(Scope::Sites(sites(&["docs"])), &["docs", "both", "admin"]);
        check(Scope::Sites(sites(&["docs", "shop"])), &["both", "admin", "docs"]);
        check(Scope::Everything, &["admin", "docs", "both"]);
    }

    #[test]
    fn one_place_at_most() {
        assert_eq!(TokenPlace::new(None, None), Some(TokenPlace::Anywhere));
        let env = TokenPlace::Named(SecretSource::Env("A".into()));
        assert_eq!(TokenPlace::new(Some("A"), None), Some(env));
        assert_eq!(TokenPlace::new(Some("A"), Some("f".into())), None);
    }
}
