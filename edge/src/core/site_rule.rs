//! Site rules: which requests and responses they match, and what they change.
//!
//! The rules of a site are asked in order, and each that matches adds to the outcome; where two set the same thing the
//! later one wins. Rules that look at the response (content type) can only change what is decided after the response
//! head is there: lifetimes and headers towards the client.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::time::Duration;

/// What a rule looks at. All conditions that are set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Match {
    /// The path, with `*` for any run of characters.
    pub path: Option<Glob>,
    /// The extension of the path's last segment, without the dot, in lower case: one of these.
    pub extensions: Vec<String>,
    /// A cookie of this name is there.
    pub cookie: Option<String>,
    /// The response's media type, with `*` for any run of characters (`image/*`).
    pub content_type: Option<Glob>,
}

/// A header change: set to a value, or removed.
pub type HeaderChange = (HeaderName, Option<HeaderValue>);

/// What a rule sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Set {
    /// Whether the request goes past the cache.
    pub pass: Option<bool>,
    /// The lifetime, whatever the origin says, unless it forbids storing.
    pub ttl: Option<Duration>,
    /// Whether Cookie is dropped from the request and Set-Cookie from the response.
    pub strip_cookies: Option<bool>,
    /// Whether a response that sets cookies may be stored, with its Set-Cookie, which everybody who is answered with it
    /// gets then.
    pub store_cookies: Option<bool>,
    /// Header changes towards the origin.
    pub request_headers: Vec<HeaderChange>,
    /// Header changes towards the client.
    pub response_headers: Vec<HeaderChange>,
}

/// One rule of a site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SiteRule {
    /// When it applies.
    pub matches: Match,
    /// What it changes.
    pub set: Set,
}

impl SiteRule {
    fn matches_request(&self, path: &str, headers: &HeaderMap) -> bool {
        let matches = &self.matches;
        matches.path.as_ref().is_none_or(|glob| glob.matches(path) || glob.matches(&plain_path(path)))
            && (matches.extensions.is_empty() || extension(path).is_some_and(|ext| matches.extensions.contains(&ext)))
            && matches.cookie.as_ref().is_none_or(|name| has_cookie(headers, name))
    }

    fn matches_response(&self, headers: &HeaderMap) -> bool {
        self.matches.content_type.as_ref().is_none_or(|glob| {
            let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
            glob.matches(&value.split(';').next().unwrap_or("").trim().to_ascii_lowercase())
        })
    }
}

/// The outcome for a request, before its response is known. Conditions on the response are taken to fail.
pub fn for_request(rules: &[SiteRule], path: &str, request: &HeaderMap) -> Set {
    merge(rules.iter().filter(|rule| rule.matches.content_type.is_none() && rule.matches_request(path, request)))
}

/// The outcome for a request and its response.
pub fn for_response(rules: &[SiteRule], path: &str, request: &HeaderMap, response: &HeaderMap) -> Set {
    merge(rules.iter().filter(|rule| rule.matches_request(path, request) && rule.matches_response(response)))
}

fn merge<'a>(rules: impl Iterator<Item = &'a SiteRule>) -> Set {
    rules.fold(Set::default(), |mut all, SiteRule { set, .. }| {
        all.pass = set.pass.or(all.pass);
        all.ttl = set.ttl.or(all.ttl);
        all.strip_cookies = set.strip_cookies.or(all.strip_cookies);
        all.store_cookies = set.store_cookies.or(all.store_cookies);
        all.request_headers.extend(set.request_headers.iter().cloned());
        all.response_headers.extend(set.response_headers.iter().cloned());
        all
    })
}

/// Applies header changes in order.
pub fn apply_changes(headers: &mut HeaderMap, changes: &[HeaderChange]) {
    for (name, value) in changes {
        match value {
            Some(value) => {
                headers.insert(name, value.clone());
            }
            None => {
                headers.remove(name);
            }
        }
    }
}

/// The path as most origins read it: percent-encodings decoded, empty and dot segments taken out (RFC 3986 §6.2.2). A
/// rule matches either form, so that `/%61ccount/` or `/x/../account/` does not get around a rule for `/account/*`.
fn plain_path(path: &str) -> String {
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split(['/', '\\']) {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let ends_open = decoded.ends_with(['/', '\\']) || decoded.ends_with("/.") || decoded.ends_with("/..");
    let slash = if ends_open && !segments.is_empty() { "/" } else { "" };
    format!("/{}{slash}", segments.join("/"))
}

fn extension(path: &str) -> Option<String> {
    let name = path.rsplit('/').next()?;
    let (stem, extension) = name.rsplit_once('.')?;
    (!stem.is_empty() && !extension.is_empty()).then(|| extension.to_ascii_lowercase())
}

fn has_cookie(headers: &HeaderMap, name: &str) -> bool {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .any(|pair| pair.split('=').next().is_some_and(|found| found.trim() == name))
}

/// A pattern in which `*` stands for any run of characters, the empty one and `/` included. Everything else stands for
/// itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// Takes a pattern.
    pub fn new(pattern: &str) -> Self {
        Self(pattern.to_owned())
    }

    /// Whether the whole text matches. Linear in the text for each `*`.
    pub fn matches(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or("");
        let Some(mut rest) = text.strip_prefix(first) else { return false };
        let mut parts = parts.peekable();
        if parts.peek().is_none() {
            return rest.is_empty();
        }
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return rest.ends_with(part);
            }
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (pattern, text, want) in [
            ("/api/*", "/api/x/y", true),
            ("/api/*", "/api", false),
            ("*", "", true),
            ("*.jpg", "/a/b.jpg", true),
            ("*.jpg", "/a/b.jpeg", false),
            ("/a", "/a", true),
            ("/a", "/ab", false),
            ("/*/b/*c", "/x/b/yc", true),
            ("/*/b/*c", "/x/b", false),
            ("a*a", "a", false),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), want, "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn equivalent_paths_do_not_get_around_a_rule() {
        let rule = SiteRule {
            matches: Match { path: Some(Glob::new("/account/*")), ..Match::default() },
            set: Set { pass: Some(true), ..Set::default() },
        };
        for (path, want) in [
            ("/account/me", true),
            ("/%61ccount/me", true),
            ("/x/../account/me", true),
            ("/x/%2e%2E/account/me", true),
            ("//account//me", true),
            ("/./account/", true),
            ("/account", false),
            ("/accounts/me", false),
            ("/../../account/me", true),
        ] {
            let set = for_request(std::slice::from_ref(&rule), path, &HeaderMap::new());
            assert_eq!(set.pass == Some(true), want, "{path}");
        }
    }

    #[test]
    fn later_rules_win_and_content_type_waits_for_the_response() {
        let rule = |path: Option<&str>, content_type: Option<&str>, ttl: u64, pass| SiteRule {
            matches: Match { path: path.map(Glob::new), content_type: content_type.map(Glob::new), ..Match::default() },
            set: Set { ttl: Some(Duration::from_secs(ttl)), pass, ..Set::default() },
        };
        let rules =
            [rule(None, None, 1, Some(true)), rule(Some("/a*"), None, 2, None), rule(None, Some("image/*"), 3, None)];
        let mut response = HeaderMap::new();
        response.insert(header::CONTENT_TYPE, HeaderValue::from_static("Image/PNG; q=1"));
        let none = HeaderMap::new();
        assert_eq!(for_request(&rules, "/a", &none).ttl, Some(Duration::from_secs(2)));
        assert_eq!(for_request(&rules, "/a", &none).pass, Some(true));
        assert_eq!(for_request(&rules, "/b", &none).ttl, Some(Duration::from_secs(1)));
        assert_eq!(for_response(&rules, "/a", &none, &response).ttl, Some(Duration::from_secs(3)));
        assert_eq!(for_response(&rules, "/a", &none, &none).ttl, Some(Duration::from_secs(2)));
    }

    #[test]
    fn extensions_and_cookies() {
        let by_extension =
            SiteRule { matches: Match { extensions: vec!["jpg".into()], ..Match::default() }, set: Set::default() };
        for (path, want) in [("/a.JPG", true), ("/a.jpg/b", false), ("/.jpg", false), ("/a.", false), ("/a", false)] {
            assert_eq!(by_extension.matches_request(path, &HeaderMap::new()), want, "{path}");
        }
        let by_cookie =
            SiteRule { matches: Match { cookie: Some("session".into()), ..Match::default() }, set: Set::default() };
        for (cookies, want) in [("a=b; session=x", true), ("session", true), ("xsession=1", false), ("", false)] {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_static(cookies));
            assert_eq!(by_cookie.matches_request("/", &headers), want, "{cookies:?}");
        }
    }
}
