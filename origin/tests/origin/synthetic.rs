//! Synthetic objects.

use origin::noise::Noise;
use origin::synthetic::body;

use crate::harness::{Origin, Site};

fn origin() -> Origin {
    Origin::with(&[])
}

fn bytes(noise: &Noise, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    noise.fill(0, &mut bytes);
    bytes
}

#[test]
fn bodies_are_exact_and_come_again() {
    let origin = origin();
    for length in [0, 1, 1000, 65_536, 65_537, 5_000_000] {
        let response = origin.get(&format!("/_synthetic/{length}/hero.jpg")).expect(200);
        assert_eq!(response.field("content-length"), Some(length.to_string().as_str()));
        assert!(response.body == bytes(&body("hero.jpg", []), length), "{length}");
        assert_eq!(response.field("cache-control"), Some("public, max-age=60"));
        assert_eq!(response.field("content-type"), Some("application/octet-stream"));
    }
    let other = origin.get("/_synthetic/1000/other.jpg").expect(200);
    assert_ne!(other.body, bytes(&body("hero.jpg", []), 1000));
}

#[test]
fn the_query_says_how() {
    let origin = origin();
    for (query, name, value) in [
        (
            "max-age=5&swr=2&sie=9",
            "cache-control",
            Some("public, max-age=5, stale-while-revalidate=2, stale-if-error=9"),
        ),
        ("cache-control=private", "cache-control", Some("private")),
        ("cache-control=", "cache-control", None),
        ("tags=a,b:c", "surrogate-key", Some("a b:c")),
        ("", "surrogate-key", None),
        ("vary=Accept-Language", "vary", Some("Accept-Language")),
        ("vary=*", "vary", Some("*")),
        ("etag=0", "etag", None),
        ("last_modified=784111777", "last-modified", Some("Sun, 06 Nov 1994 08:49:37 GMT")),
        ("", "last-modified", None),
        ("type=image/jpeg", "content-type", Some("image/jpeg")),
        ("chunked=1", "content-length", None),
        ("chunked=1", "transfer-encoding", Some("chunked")),
        ("delay_ms=1", "content-length", Some("100")),
    ] {
        let response = origin.get(&format!("/_synthetic/100/a?{query}")).expect(200);
        assert_eq!(response.field(name), value, "{query}");
        let varied = (query == "vary=Accept-Language").then_some(("accept-language", b"".as_slice()));
        assert_eq!(response.body, bytes(&body("a", varied), 100), "{query}");
        let head = origin.request("HEAD", &format!("/_synthetic/100/a?{query}"), &[]).expect(200);
        let value = value.filter(|_| name != "transfer-encoding");
        assert_eq!(head.field(name), value, "HEAD {query}");
    }
    for status in [204, 301, 404, 410, 500, 503] {
        let response = origin.get(&format!("/_synthetic/100/a?status={status}")).expect(status);
        assert_eq!(response.body.len(), if status == 204 { 0 } else { 100 });
    }
}

#[test]
fn validators_and_ranges_work_as_for_files() {
    let origin = origin();
    let path = "/_synthetic/100000/a?last_modified=784111777&tags=t";
    let whole = origin.get(path).expect(200);
    let etag = whole.field("etag").expect("an etag");
    assert_ne!(Some(etag), origin.get("/_synthetic/100001/a").field("etag"));
    assert_ne!(Some(etag), origin.get("/_synthetic/100000/b").field("etag"));
    let fresh = origin.get_with(path, "If-None-Match", etag).expect(304);
    for name in ["etag", "cache-control", "last-modified", "surrogate-key"] {
        assert_eq!(fresh.field(name), whole.field(name), "{name}");
    }
    origin.get_with(path, "If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT").expect(304);
    origin.get_with(path, "If-Match", "\"x\"").expect(412);
    let part = origin.get_with(path, "Range", "bytes=70000-").expect(206);
    assert_eq!(part.field("content-range"), Some("bytes 70000-99999/100000"));
    assert!(part.body == whole.body[70_000..]);
    origin.get_with("/_synthetic/10/a?status=404", "If-None-Match", "*").expect(404);
}

#[test]
fn vary_varies_the_bytes() {
    let origin = origin();
    let path = "/_synthetic/50/a?vary=Accept-Language";
    let german = origin.get_with(path, "Accept-Language", "de").expect(200);
    let none = origin.get(path).expect(200);
    assert_eq!(german.body, bytes(&body("a", [("accept-language", b"de".as_slice())]), 50));
    assert_eq!(none.body, bytes(&body("a", [("accept-language", b"".as_slice())]), 50));
    assert_ne!(german.field("etag"), none.field("etag"));
}

#[test]
fn responses_are_numbered_and_unique_ones_differ() {
    let origin = origin();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let response = origin.get("/_synthetic/50/a?unique=1").expect(200);
        seen.push((response.field("etag").map(ToOwned::to_owned), response.body.clone()));
        assert_eq!(response.field("x-origin-sequence"), Some(seen.len().to_string().as_str()));
    }
    seen.dedup();
    assert_eq!(seen.len(), 3);
    origin.control("POST", "/_origin/stats/reset", "").expect(200);
    assert_eq!(origin.get("/_synthetic/1/a").field("x-origin-sequence"), Some("4"));
}

#[test]
fn bad_values_are_refused_with_a_reason() {
    let origin = origin();
    for (path, cause) in [
        ("/_synthetic/1073741825/a", "bytes: \"1073741825\" is not a whole number from 0 to 1073741824"),
        ("/_synthetic/x/a", "bytes: \"x\" is not a whole number"),
        ("/_synthetic/1/a%20b", "id: \"a b\" is not"),
        ("/_synthetic/1/a?delay_ms=60001", "delay_ms: \"60001\" is not a whole number from 0 to 60000"),
        ("/_synthetic/1/a?colour=blue", "unknown field `colour`"),
        ("/_synthetic/1/a?status=99&etag=x", "status: \"99\" is not a status from 200 to 599 other than 206; etag: "),
        ("/_synthetic/9/a?fault=fire", "fault: \"fire\" is none of"),
    ] {
        let failure = origin.get(path).expect(400).json();
        assert!(failure["error"].as_str().is_some_and(|error| error.contains(cause)), "{path}: {failure}");
        assert!(failure["hint"].is_string());
    }
    origin.request("POST", "/_synthetic/1/a", &[]).expect(405);
    origin.get("/_synthetic/1").expect(404);
}

#[test]
fn they_can_be_turned_off() {
    let site = Site::new(&[("_synthetic/1/a", "file"), ("index.html", "home")]);
    let origin = Origin::start(&site.root(), &["--no-synthetic"]);
    for path in ["/_synthetic/1/a", "/_synthetic/1/a?fault=reset"] {
        assert!(origin.get(path).expect(404).json()["hint"].is_string());
    }
}
