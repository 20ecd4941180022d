//! What a response to an unsafe request makes invalid (RFC 9111 §4.4, RFC 9875 §3).

use super::cache_groups::{CACHE_GROUP_INVALIDATION, Groups, read_groups};
use super::purge::Selector;
use super::reference::same_origin_target;
use super::store_rule::ResponseHead;
use super::url::{QueryRule, SiteUrl};
use http::Method;
use http::header::{self, HeaderMap, HeaderName};

/// Whether a method is known to be safe (RFC 9110 §9.2.1, and the registry that it founds). Whatever else is sent may
/// change something.
pub fn is_safe(method: &Method) -> bool {
    matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PROPFIND" | "REPORT" | "SEARCH" | "QUERY")
}

/// What becomes invalid because `method` was answered so: the URL itself, and those of the same origin that `Location`
/// and `Content-Location` name; and the groups of `Cache-Group-Invalidation`. Empty for a safe method, and unless the
/// response is "a non-error response", 2xx or 3xx.
///
/// Every scheme and variant of a URL is selected. With more groups than are read, everything of the host is.
pub fn invalidated(method: &Method, url: &SiteUrl, response: ResponseHead<'_>, query: &QueryRule) -> Vec<Selector> {
    if is_safe(method) || !(response.status.is_success() || response.status.is_redirection()) {
        return Vec::new();
    }
    let mut selectors = vec![selector(url, url.path.clone(), url.query.clone())];
    for field in [header::LOCATION, header::CONTENT_LOCATION] {
        if let Some((path, named)) = sole(response.headers, &field).and_then(|value| same_origin_target(url, value)) {
            let named = selector(url, path, query.apply(named.as_deref()));
            if !selectors.contains(&named) {
                selectors.push(named);
            }
        }
    }
    match read_groups(response.headers, &CACHE_GROUP_INVALIDATION) {
        Groups::Named(names) => selectors.extend(names.into_iter().map(|group| Selector::Group {
            site: url.site.clone(),
            scheme: url.scheme,
            host: url.host.clone(),
            group,
        })),
        Groups::TooMany => selectors.push(Selector::Host { site: url.site.clone(), host: url.host.clone() }),
    }
    selectors
}

fn selector(url: &SiteUrl, path: String, query: Option<String>) -> Selector {
    Selector::Url { site: url.site.clone(), host: url.host.clone(), path, query }
}

/// The value of a field that may occur once.
fn sole<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut lines = headers.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none()).map(|line| line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::id::SiteId;
    use crate::core::url::Scheme;
    use http::{HeaderValue, StatusCode};

    #[track_caller]
    fn check(method: &str, status: u16, fields: &[(&'static str, &'static str)], want: &[&str]) {
        let url = SiteUrl {
            site: SiteId::new("docs").expect("a good name"),
            scheme: Scheme::Http,
            host: "a.example".into(),
            path: "/a/b".into(),
            query: Some("x".into()),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let status = StatusCode::from_u16(status).expect("a status");
        let query = QueryRule { drop: vec!["utm_*".into()], ..QueryRule::default() };
        let got = invalidated(&method, &url, ResponseHead::new(status, &headers), &query);
        let got: Vec<String> = got.iter().map(|selector| selector.to_string()).collect();
        let want: Vec<String> = want.iter().map(|want| format!("{want} of site docs")).collect();
        assert_eq!(got, want, "{method} {status} {fields:?}");
    }

    #[test]
    fn unsafe_methods_that_succeed_invalidate_their_url() {
        for method in ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "FROBNICATE"] {
            check(method, 200, &[], &["url a.example/a/b?x"]);
            check(method, 303, &[], &["url a.example/a/b?x"]);
            check(method, 404, &[], &[]);
            check(method, 500, &[], &[]);
        }
        for method in ["GET", "HEAD", "OPTIONS", "PROPFIND", "QUERY"] {
            check(method, 200, &[("location", "/c"), ("cache-group-invalidation", "\"g\"")], &[]);
        }
    }

    #[test]
    fn and_what_the_response_names_of_the_same_origin() {
        let url = "url a.example/a/b?x";
        check(
            "POST",
            201,
            &[("location", "c?utm_source=y"), ("content-location", "http://a.example/d")],
            &[url, "url a.example/a/c", "url a.example/d"],
        );
        check("POST", 201, &[("location", "http://b.example/c"), ("content-location", "https://a.example/d")], &[url]);
        check("POST", 200, &[("content-location", "/a/b?x")], &[url]);
        check("POST", 200, &[("location", "/c"), ("location", "/d")], &[url]);
    }

    #[test]
    fn and_groups() {
        let url = "url a.example/a/b?x";
        check(
            "POST",
            200,
            &[("cache-group-invalidation", r#""a", "b""#)],
            &[url, r#"group "a" of http://a.example"#, r#"group "b" of http://a.example"#],
        );
        check("POST", 200, &[("cache-group-invalidation", "a")], &[url]);
    }
}
