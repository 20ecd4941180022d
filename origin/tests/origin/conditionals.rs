//! Conditional requests (RFC 9110 §13).

use crate::harness::Origin;

const EARLY: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

#[test]
fn outcomes() {
    let origin = Origin::with(&[("index.html", "home")]);
    let whole = origin.get("/").expect(200);
    let etag = whole.field("etag").expect("an etag");
    let weak = format!("W/{etag}");
    let date = whole.field("last-modified").expect("a date");
    for (fields, status) in [
        (&[("If-None-Match", etag)][..], 304),
        (&[("If-None-Match", weak.as_str())], 304),
        (&[("If-None-Match", "*")], 304),
        (&[("If-None-Match", "\"x\"")], 200),
        (&[("If-None-Match", "\"x\""), ("If-None-Match", etag)], 304),
        (&[("If-None-Match", "\"x\""), ("If-Modified-Since", date)], 200),
        (&[("If-Modified-Since", date)], 304),
        (&[("If-Modified-Since", EARLY)], 200),
        (&[("If-Modified-Since", "not a date")], 200),
        (&[("If-Match", etag)], 200),
        (&[("If-Match", "*")], 200),
        (&[("If-Match", "\"x\"")], 412),
        (&[("If-Match", weak.as_str())], 412),
        (&[("If-Match", etag), ("If-None-Match", etag)], 304),
        (&[("If-Match", "\"x\""), ("If-None-Match", etag)], 412),
        (&[("If-Unmodified-Since", date)], 200),
        (&[("If-Unmodified-Since", EARLY)], 412),
        (&[("If-Match", etag), ("If-Unmodified-Since", EARLY)], 200),
    ] {
        for method in ["GET", "HEAD"] {
            let response = origin.request(method, "/", fields).expect(status);
            assert_eq!(response.field("x-release"), Some("v1"));
            let body = if status == 200 && method == "GET" { "home" } else { response.text() };
            assert!(status == 412 || response.text() == body || method == "HEAD", "{method} {fields:?}");
        }
    }
}

#[test]
fn a_304_carries_what_caches_update() {
    let files = [("app.js", "app"), ("app.js.br", "br")];
    let origin = Origin::with(&files);
    let whole = origin.get_with("/app.js", "Accept-Encoding", "br").expect(200);
    let etag = whole.field("etag").expect("an etag");
    let fields = [("If-None-Match", etag), ("Accept-Encoding", "br")];
    let mut connection = origin.connect();
    let fresh = connection.request("GET", "/app.js", &fields, "").expect("a response").expect(304);
    for name in ["etag", "cache-control", "vary", "last-modified", "surrogate-key", "x-release"] {
        assert!(fresh.field(name).is_some(), "{name}");
        assert_eq!(fresh.field(name), whole.field(name), "{name}");
    }
    for name in ["content-type", "content-encoding", "content-length", "transfer-encoding"] {
        assert_eq!(fresh.field(name), None, "{name}");
    }
    // Another coding has another tag: the condition doesn't hold for it.
    connection.request("GET", "/app.js", &[("If-None-Match", etag)], "").expect("a response").expect(200);
}
