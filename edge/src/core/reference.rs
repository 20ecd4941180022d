//! URI references in responses, `Location` and `Content-Location`, resolved against the URL of the request (RFC 3986
//! §5.2, RFC 9110 §8.7 and §10.2.2), as far as they stay with the same origin (RFC 9110 §4.3.1).

use super::url::{Scheme, SiteUrl, normal_target, normalise_host, without_port};

/// Longest reference that is looked at, in bytes: no request for a longer one would be let in.
pub const MAX_REFERENCE_BYTES: usize = 8 << 10;

/// Path and query of the URL that `reference` names, seen from `base`; `None` if it has another origin than `base`, or
/// can't be read. Not normalised further: apply the site's [`super::url::QueryRule`].
pub fn same_origin_target(base: &SiteUrl, reference: &[u8]) -> Option<(String, Option<String>)> {
    if reference.len() > MAX_REFERENCE_BYTES {
        return None;
    }
    let reference = std::str::from_utf8(reference).ok()?.trim_matches([' ', '\t']);
    let reference = reference.split('#').next().unwrap_or_default();
    let rest = match split_scheme(reference) {
        Some((scheme, rest)) => {
            // `http:path` is no URL that anybody means (RFC 3986 §5.2.2 allows to refuse it).
            (Scheme::parse(scheme)? == base.scheme && rest.starts_with("//")).then_some(rest)?
        }
        None => reference,
    };
    let rest = match rest.strip_prefix("//") {
        Some(behind) => {
            let end = behind.find(['/', '?']).unwrap_or(behind.len());
            let (authority, target) = behind.split_at(end);
            is_host_of(base, authority).then_some(())?;
            return Some(finish(target));
        }
        None => rest,
    };
    if rest.is_empty() {
        return Some((base.path.clone(), base.query.clone()));
    }
    if let Some(query) = rest.strip_prefix('?') {
        return Some((base.path.clone(), Some(query.to_owned())));
    }
    if rest.starts_with('/') {
        return Some(finish(rest));
    }
    let folder = base.path.rfind('/').map_or("/", |at| &base.path[..=at]);
    Some(finish(&format!("{folder}{rest}")))
}

/// The scheme of an absolute reference, and what is behind its colon.
fn split_scheme(reference: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = reference.split_once(':')?;
    let mut letters = scheme.bytes();
    let is_scheme = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    is_scheme.then_some((scheme, rest))
}

fn is_host_of(base: &SiteUrl, authority: &str) -> bool {
    normalise_host(authority, base.scheme).is_ok_and(|host| {
        // A site that lists its host without a port answers for it at every port.
        host == base.host || without_port(&host) == Some(base.host.as_str())
    })
}

fn finish(target: &str) -> (String, Option<String>) {
    let (path, query) = normal_target(target);
    (without_dot_segments(&path), query)
}

/// Takes `.` and `..` out of an absolute path (RFC 3986 §5.2.4).
fn without_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::id::SiteId;
    use proptest::prelude::*;

    fn base() -> SiteUrl {
        SiteUrl {
            site: SiteId::new("docs").expect("a good name"),
            scheme: Scheme::Http,
            host: "a.example".into(),
            path: "/b/c/d;p".into(),
            query: Some("q".into()),
        }
    }

    #[track_caller]
    fn check(reference: &str, want: Option<&str>) {
        let got = same_origin_target(&base(), reference.as_bytes());
        let got = got.map(|(path, query)| query.map_or(path.clone(), |query| format!("{path}?{query}")));
        assert_eq!(got.as_deref(), want, "{reference:?}");
    }

    #[test]
    fn the_examples_of_rfc_3986() {
        for (reference, want) in [
            ("g", "/b/c/g"),
            ("./g", "/b/c/g"),
            ("g/", "/b/c/g/"),
            ("/g", "/g"),
            ("?y", "/b/c/d;p?y"),
            ("g?y", "/b/c/g?y"),
            ("#s", "/b/c/d;p?q"),
            ("g#s", "/b/c/g"),
            (";x", "/b/c/;x"),
            ("", "/b/c/d;p?q"),
            (".", "/b/c/"),
            ("./", "/b/c/"),
            ("..", "/b/"),
            ("../g", "/b/g"),
            ("../..", "/"),
            ("../../../g", "/g"),
            ("/./g", "/g"),
            ("g;x=1/../y", "/b/c/y"),
            ("g?y/../x", "/b/c/g?y/../x"),
        ] {
            check(reference, Some(want));
        }
    }

    #[test]
    fn only_the_same_origin() {
        check("http://a.example/x?y", Some("/x?y"));
        check("HTTP://A.EXAMPLE:80", Some("/"));
        check("//a.example?y", Some("/?y"));
        check("//a.example:8080/x", Some("/x"));
        check("https://a.example/x", None);
        check("http://b.example/x", None);
        check("//user@a.example/x", None);
        check("http:x", None);
        check("mailto:a@a.example", None);
        check("data:,x", None);
    }

    proptest! {
        #[test]
        fn anything_is_survived(bytes: Vec<u8>) {
            if let Some((path, _)) = same_origin_target(&base(), &bytes) {
                prop_assert!(path.starts_with('/'));
            }
        }
    }
}
