//! How a URL is brought into the one form that keys, purge selectors and upstream requests share.
//!
//! Host: lower case, without a trailing dot and without a default port. Path: as received; an empty one becomes `/`.
//! Percent-encodings and dot segments are left alone, since an origin may tell them apart: what it can tell apart must
//! not share a key. Query: as the site's [`QueryRule`] says; the origin is asked with the normalised query, so that
//! nothing that a response may depend on is outside the key.

use super::id::SiteId;
use super::key::CacheKey;
use thiserror::Error;

/// Longest host name, in bytes (RFC 1035 §2.3.4).
pub const MAX_HOST_BYTES: usize = 253;

/// The scheme that the client used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Cleartext.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Reads `http` or `https`, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Http, Self::Https].into_iter().find(|s| s.as_str().eq_ignore_ascii_case(text))
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A host that is not one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HostError {
    /// There is no character in it.
    #[error("the host is empty")]
    Empty,
    /// It is longer than [`MAX_HOST_BYTES`].
    #[error("the host is longer than {MAX_HOST_BYTES} bytes")]
    TooLong,
    /// It has a character that no host has.
    #[error("the host has the character {0:?}")]
    BadCharacter(char),
    /// What follows the colon is not a port number.
    #[error("the port is not a number from 1 to 65535")]
    BadPort,
}

/// Brings the value of a Host field or `:authority` into its one form (RFC 9110 §4.2.3): lower case, no trailing dot,
/// no port when it is the scheme's own. IPv6 literals keep their brackets.
///
/// # Errors
/// [`HostError`] for what is no `host [":" port]`.
pub fn normalise_host(authority: &str, scheme: Scheme) -> Result<String, HostError> {
    let (host, port) = split_port(authority)?;
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.is_empty() {
        return Err(HostError::Empty);
    }
    if host.len() > MAX_HOST_BYTES {
        return Err(HostError::TooLong);
    }
    let literal = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let allowed = |c: char| match literal {
        Some(_) => c.is_ascii_hexdigit() || matches!(c, ':' | '.'),
        None => c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'),
    };
    if let Some(bad) = literal.unwrap_or(host).chars().find(|&c| !allowed(c)) {
        return Err(HostError::BadCharacter(bad));
    }
    let mut out = host.to_ascii_lowercase();
    if let Some(port) = port.filter(|&p| p != scheme.default_port()) {
        out.push(':');
        out.push_str(&port.to_string());
    }
    Ok(out)
}

/// A host in its one form without its port; `None` if it has none.
pub fn without_port(host: &str) -> Option<&str> {
    let (name, port) = host.rsplit_once(':')?;
    (!port.contains(']')).then_some(name)
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), HostError> {
    let after_literal = authority.rfind(']').map_or(0, |at| at + 1);
    match authority.get(after_literal..).and_then(|rest| rest.rfind(':')) {
        None => Ok((authority, None)),
        Some(at) => {
            let (host, port) = authority.split_at(after_literal + at);
            let port = &port[1..];
            if port.is_empty() {
                return Ok((host, None));
            }
            if !port.bytes().all(|b| b.is_ascii_digit()) {
                return Err(HostError::BadPort);
            }
            match port.parse::<u16>() {
                Ok(port) if port > 0 => Ok((host, Some(port))),
                _ => Err(HostError::BadPort),
            }
        }
    }
}

/// Which query parameters count, and in which order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueryRule {
    /// Order the parameters by name (equal names keep their order).
    pub sort: bool,
    /// If set, only these names are kept. A name may end in `*`.
    pub keep: Option<Vec<String>>,
    /// These names are dropped. A name may end in `*`.
    pub drop: Vec<String>,
}

impl QueryRule {
    /// Whether the rule leaves every query as it is.
    pub fn is_identity(&self) -> bool {
        !self.sort && self.keep.is_none() && self.drop.is_empty()
    }

    /// The query in its one form, without the `?`; `None` if there is none (an empty query stays one: `/a?` and `/a`
    /// are two URLs to an origin) or nothing is left of it.
    pub fn apply(&self, query: Option<&str>) -> Option<String> {
        let query = query?;
        if self.is_identity() {
            return Some(query.to_owned());
        }
        let name_of = |pair: &str| pair.split('=').next().unwrap_or("").to_owned();
        let listed = |list: &[String], name: &str| list.iter().any(|pattern| name_matches(pattern, name));
        let mut pairs: Vec<(String, &str)> = query
            .split('&')
            .map(|pair| (name_of(pair), pair))
            .filter(|(name, pair)| {
                !pair.is_empty()
                    && self.keep.as_ref().is_none_or(|keep| listed(keep, name))
                    && !listed(&self.drop, name)
            })
            .collect();
        if self.sort {
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
        }
        let kept: Vec<&str> = pairs.into_iter().map(|(_, pair)| pair).collect();
        if kept.is_empty() { None } else { Some(kept.join("&")) }
    }
}

fn name_matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    }
}

/// A URL of a site in its one form: what keys and selectors are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteUrl {
    /// The site that the host belongs to.
    pub site: SiteId,
    /// The client-facing scheme.
    pub scheme: Scheme,
    /// The host in its one form.
    pub host: String,
    /// The path, beginning with `/` (or `*` for OPTIONS).
    pub path: String,
    /// The query in its one form, without the `?`.
    pub query: Option<String>,
}

impl SiteUrl {
    /// The key that a response to this URL is stored under, before Vary.
    pub fn cache_key(&self) -> CacheKey {
        CacheKey::new(&self.site, self.scheme, &self.host, &self.path, self.query.as_deref())
    }

    /// Path and query as an origin is asked for them.
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }
}

impl std::fmt::Display for SiteUrl {
    /// As an absolute URL.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}{}", self.scheme.as_str(), self.host, self.target())
    }
}

/// The authority of a request target in absolute form (RFC 9112 §3.2.2); `None` for other forms.
pub fn target_authority(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    Scheme::parse(scheme)?;
    rest.split(['/', '?', '#']).next()
}

/// Path and query of a request target in origin form, each in its one form (RFC 3986 §6.2.2.1, §6.2.2.2): what needs no
/// percent-encoding has none, and the others have upper-case digits. URLs that differ in no more are one URL, to the key, to
/// purges and to the origin. Dots in a path stay, since what they mean is the origin's business.
pub fn normal_target(target: &str) -> (String, Option<String>) {
    let (path, query) = split_target(target);
    (normal_escapes(path), query.map(normal_escapes))
}

/// A text with a `%` that begins no escape is no URL's, and stays as it is: taking out the escapes beside it could make new
/// ones.
fn normal_escapes(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut out = String::with_capacity(text.len());
    out.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let Some((byte, rest)) = escaped(piece) else { return text.to_owned() };
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out.push_str(rest);
    }
    out
}

/// The byte that two hexadecimal digits stand for, and what follows them.
fn escaped(piece: &str) -> Option<(u8, &str)> {
    let digits = piece.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    Some((u8::from_str_radix(digits, 16).ok()?, &piece[2..]))
}

/// Splits a request target in origin form into path and query; drops a fragment, which no client should send.
fn split_target(target: &str) -> (&str, Option<&str>) {
    let target = target.split('#').next().unwrap_or("");
    match target.split_once('?') {
        Some((path, query)) => (if path.is_empty() { "/" } else { path }, Some(query)),
        None => (if target.is_empty() { "/" } else { target }, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let check = |authority: &str, scheme, want: Result<&str, HostError>| {
            assert_eq!(normalise_host(authority, scheme), want.map(str::to_owned), "{authority:?}");
        };
        check("Example.COM", Scheme::Http, Ok("example.com"));
        check("example.com.", Scheme::Http, Ok("example.com"));
        check("example.com:80", Scheme::Http, Ok("example.com"));
        check("example.com:443", Scheme::Https, Ok("example.com"));
        check("example.com:80", Scheme::Https, Ok("example.com:80"));
        check("example.com:", Scheme::Http, Ok("example.com"));
        check("127.0.0.1:8080", Scheme::Http, Ok("127.0.0.1:8080"));
        check("[::1]:8080", Scheme::Http, Ok("[::1]:8080"));
        check("[::1]", Scheme::Http, Ok("[::1]"));
        check("", Scheme::Http, Err(HostError::Empty));
        check(".", Scheme::Http, Err(HostError::Empty));
        check("a b", Scheme::Http, Err(HostError::BadCharacter(' ')));
        check("a@b", Scheme::Http, Err(HostError::BadCharacter('@')));
        check("a/b", Scheme::Http, Err(HostError::BadCharacter('/')));
        check("a:b", Scheme::Http, Err(HostError::BadPort));
        check("a:0", Scheme::Http, Err(HostError::BadPort));
        check("a:99999", Scheme::Http, Err(HostError::BadPort));
        check("[::1", Scheme::Http, Err(HostError::BadCharacter('[')));
        check(&"x".repeat(254), Scheme::Http, Err(HostError::TooLong));
    }

    #[test]
    fn ports() {
        for (host, want) in
            [("a.example:8080", Some("a.example")), ("a.example", None), ("[::1]:8080", Some("[::1]")), ("[::1]", None)]
        {
            assert_eq!(without_port(host), want, "{host}");
        }
    }

    #[test]
    fn queries() {
        let check = |rule: &QueryRule, query: Option<&str>, want: Option<&str>| {
            assert_eq!(rule.apply(query).as_deref(), want, "{query:?}");
        };
        let as_is = QueryRule::default();
        check(&as_is, None, None);
        check(&as_is, Some(""), Some(""));
        check(&as_is, Some("b=2&a=1"), Some("b=2&a=1"));
        let sorted = QueryRule { sort: true, keep: None, drop: vec!["utm_*".into(), "fbclid".into()] };
        check(&sorted, Some("b=2&a=1&utm_source=x&fbclid=y&a=0"), Some("a=1&a=0&b=2"));
        check(&sorted, Some("utm_source=x"), None);
        check(&sorted, Some("&&"), None);
        let kept = QueryRule { sort: false, keep: Some(vec!["page".into()]), drop: vec![] };
        check(&kept, Some("x=1&page=2"), Some("page=2"));
    }

    #[test]
    fn equivalent_urls_are_one() {
        let check = |target: &str, want: (&str, Option<&str>)| {
            let (path, query) = normal_target(target);
            assert_eq!((path.as_str(), query.as_deref()), want, "{target:?}");
        };
        check("/%7Eu/%61?%62=%63", ("/~u/a", Some("b=c")));
        check("/a%2fb%2Fc%20d", ("/a%2Fb%2Fc%20d", None));
        check("/%25%36%31", ("/%2561", None));
        check("/%2561", ("/%2561", None));
        check("/100%?x=%61&y=%4", ("/100%", Some("x=%61&y=%4")));
        check("/%%61", ("/%%61", None));
        check("/%+1/%\u{e4}x", ("/%+1/%\u{e4}x", None));
        check("/a/%2e%2E/b", ("/a/../b", None));
        check("/%C3%a4#%61", ("/%C3%A4", None));
        // What it makes is what it makes of that.
        for target in ["/%25%36%31", "/%%36%31", "/%7E%2f?%3d", "/%2%35"] {
            let once = normal_escapes(target);
            assert_eq!(normal_escapes(&once), once, "{target}");
        }
    }

    #[test]
    fn targets() {
        for (target, want) in [
            ("/a?b=c", ("/a", Some("b=c"))),
            ("/a?", ("/a", Some(""))),
            ("?x", ("/", Some("x"))),
            ("", ("/", None)),
            ("/a#f?x", ("/a", None)),
        ] {
            assert_eq!(split_target(target), want, "{target:?}");
        }
    }
}
