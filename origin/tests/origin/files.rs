//! What a file is served with.

use crate::harness::{Origin, Site, policy};

const HTML: &str = "public, max-age=60, stale-while-revalidate=30";
const HASHED: &str = "public, max-age=31536000, immutable";
const OTHER: &str = "public, max-age=300";

fn site() -> Origin {
    Origin::with(&[
        ("index.html", "home"),
        ("404.html", "lost"),
        ("robots.txt", "robots"),
        ("assets/app-DiwrgTda.js", "app"),
        ("docs/index.html", "docs"),
        ("docs/a b.html", "ab"),
        ("empty.txt", ""),
    ])
}

fn etag(bytes: &[u8]) -> String {
    format!("\"{}\"", &blake3::hash(bytes).to_hex()[..32])
}

#[test]
fn fields_by_kind_of_file() {
    let origin = site();
    for (path, body, content_type, cache_control, tags) in [
        ("/", "home", "text/html; charset=utf-8", HTML, "release:v1 dir:root type:html"),
        ("/index.html", "home", "text/html; charset=utf-8", HTML, "release:v1 dir:root type:html"),
        ("/docs/", "docs", "text/html; charset=utf-8", HTML, "release:v1 dir:docs type:html"),
        ("/docs/a%20b.html?x=1", "ab", "text/html; charset=utf-8", HTML, "release:v1 dir:docs type:html"),
        ("/robots.txt", "robots", "text/plain; charset=utf-8", OTHER, "release:v1 dir:root type:asset"),
        (
            "/assets/app-DiwrgTda.js",
            "app",
            "text/javascript; charset=utf-8",
            HASHED,
            "release:v1 dir:assets type:asset",
        ),
        ("/empty.txt", "", "text/plain; charset=utf-8", OTHER, "release:v1 dir:root type:asset"),
    ] {
        let head = origin.request("HEAD", path, &[]).expect(200);
        assert!(head.body.is_empty());
        let get = origin.get(path).expect(200);
        assert_eq!(get.text(), body, "{path}");
        for response in [head, get] {
            for (name, expected) in [
                ("content-type", Some(content_type)),
                ("content-length", Some(body.len().to_string().as_str())),
                ("cache-control", Some(cache_control)),
                ("surrogate-key", Some(tags)),
                ("etag", Some(etag(body.as_bytes()).as_str())),
                ("accept-ranges", Some("bytes")),
                ("server", Some("tidewall-origin")),
                ("x-release", Some("v1")),
                ("content-encoding", None),
                ("vary", None),
            ] {
                assert_eq!(response.field(name), expected, "{name} of {path}");
            }
            let modified = response.field("last-modified").expect("a date");
            assert!(httpdate::parse_http_date(modified).is_ok(), "{modified}");
            assert!(response.field("date").is_some());
        }
    }
}

#[test]
fn a_folder_without_its_slash_is_redirected() {
    let origin = site();
    for (path, location) in [("/docs", "/docs/"), ("/docs?a=b&c", "/docs/?a=b&c")] {
        let response = origin.get(path).expect(308);
        assert_eq!(response.field("location"), Some(location));
        assert_eq!(response.field("cache-control"), Some(HTML));
        assert_eq!(response.field("surrogate-key"), Some("release:v1 dir:docs type:html"));
        assert_eq!(response.field("x-release"), Some("v1"));
        assert!(response.body.is_empty());
    }
    origin.get("/assets").expect(404);
    origin.get("/assets/").expect(404);
    origin.get("/robots.txt/").expect(404);
}

#[test]
fn the_sites_own_404_page() {
    let origin = site();
    for path in ["/nope", "/docs/nope.html", "/nope/"] {
        let response = origin.get(path).expect(404);
        assert_eq!(response.text(), "lost");
        assert_eq!(response.field("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(response.field("cache-control"), Some("public, max-age=10"));
        assert_eq!(response.field("surrogate-key"), Some("release:v1 dir:root type:html"));
        assert_eq!(response.field("x-release"), Some("v1"));
        assert_eq!((response.field("etag"), response.field("last-modified")), (None, None));
    }
    let conditional = origin.request("GET", "/nope", &[("If-None-Match", "*"), ("Range", "bytes=0-1")]).expect(404);
    assert_eq!(conditional.text(), "lost");
    assert!(origin.request("HEAD", "/nope", &[]).expect(404).body.is_empty());
    assert_eq!(origin.get("/404.html").expect(200).text(), "lost");
}

#[test]
fn a_404_without_a_page() {
    let response = Origin::with(&[("a.txt", "a")]).get("/").expect(404);
    assert_eq!(response.text(), "not found\n");
    assert_eq!(response.field("cache-control"), Some("public, max-age=10"));
}

#[test]
fn methods() {
    let origin = site();
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "FROBNICATE"] {
        let response = origin.request(method, "/", &[]).expect(405);
        assert_eq!(response.field("allow"), Some("GET, HEAD, OPTIONS"), "{method}");
    }
    for path in ["/", "/nope", "*"] {
        let response = origin.request("OPTIONS", path, &[]).expect(204);
        assert_eq!(response.field("allow"), Some("GET, HEAD, OPTIONS"), "{path}");
    }
}

#[test]
fn one_connection_carries_many_requests() {
    let origin = site();
    let mut connection = origin.connect();
    for _ in 0..3 {
        for (method, path, status) in
            [("GET", "/", 200), ("HEAD", "/", 200), ("GET", "/nope", 404), ("GET", "/docs", 308), ("PUT", "/", 405)]
        {
            connection.request(method, path, &[], "").expect("a response").expect(status);
        }
    }
    assert_eq!(origin.stats()["connections"]["accepted"], 2);
}

#[test]
fn a_policy_changes_fields() {
    let site = Site::new(&[("index.html", "home"), ("live/a.html", "a"), ("b.json", "{}"), ("b.json.gz", "gz")]);
    let (_dir, path) = policy(
        r#"
        precompressed = false
        [cache_control]
        html = "no-cache"
        not_found = "no-store"
        override = [{ path = "live/**", value = "no-store" }, { extension = "json", value = "max-age=5" }]
        [tags]
        header = "Cache-Tag"
        defaults = ["{dir}"]
        rule = [{ path = "**/*.html", tags = ["page-{release}"] }]
        "#,
    );
    let origin = Origin::start(&site.root(), &["--policy", &path.display().to_string()]);
    for (path, status, cache_control, tags) in [
        ("/", 200, "no-cache", Some("root page-v1")),
        ("/live/a.html", 200, "no-store", Some("live page-v1")),
        ("/b.json", 200, "max-age=5", Some("root")),
        ("/nope", 404, "no-store", None),
    ] {
        let response = origin.get_with(path, "Accept-Encoding", "gzip").expect(status);
        assert_eq!(response.field("cache-control"), Some(cache_control), "{path}");
        assert_eq!(response.field("cache-tag"), tags, "{path}");
        assert_eq!((response.field("surrogate-key"), response.field("content-encoding")), (None, None), "{path}");
    }
}

#[test]
fn a_modification_time_in_the_future_is_clamped() {
    let site = Site::new(&[("a.txt", "a"), ("old.txt", "old")]);
    for (name, seconds) in [("a.txt", 32_503_680_000), ("old.txt", 784_111_777)] {
        let file = std::fs::File::options().write(true).open(site.path().join(name)).expect("open");
        let date = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        file.set_modified(date).expect("dated");
    }
    let origin = Origin::serve(site);
    let response = origin.get("/a.txt").expect(200);
    let date = |name| httpdate::parse_http_date(response.field(name).expect(name)).expect(name);
    assert!(date("last-modified") <= date("date"));
    let old = origin.get("/old.txt").expect(200);
    assert_eq!(old.field("last-modified"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
}
