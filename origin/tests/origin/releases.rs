//! Switching releases while requests are in flight.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::harness::{Origin, Site, wait_for};
use crate::http_client::Ended;

/// Larger than all buffers between the two programs.
const LARGE_BYTES: usize = 32 * 1024 * 1024;

#[test]
fn a_switch_changes_everything_at_once() {
    let first = Site::new(&[("index.html", "one"), ("only-first.html", "1")]);
    let second = Site::new(&[("index.html", "two"), ("404.html", "lost"), ("only-second.html", "2")]);
    let origin = Origin::serve(first);
    assert_eq!(origin.ready["release"], "v1");
    let before = origin.control("GET", "/_origin/release", "").expect(200).json();
    assert_eq!((&before["release"], &before["files"], &before["bytes"]), (&"v1".into(), &2.into(), &4.into()));
    let etag = origin.get("/").expect(200).field("etag").expect("an etag").to_owned();

    let report = origin.switch(second.path(), "v2").expect(200).json();
    assert_eq!((&report["release"], &report["previous"]), (&"v2".into(), &"v1".into()));
    assert_ne!(report["digest"], before["digest"]);
    let mut now = origin.control("GET", "/_origin/release", "").expect(200).json();
    now["previous"] = "v1".into();
    assert_eq!(now, report);

    let response = origin.get_with("/", "If-None-Match", &etag).expect(200);
    assert_eq!((response.text(), response.field("x-release")), ("two", Some("v2")));
    assert_eq!(response.field("surrogate-key"), Some("release:v2 dir:root type:html"));
    assert_eq!(origin.get("/only-first.html").expect(404).text(), "lost");
    origin.get("/only-second.html").expect(200);
}

#[test]
fn a_failed_switch_keeps_the_release() {
    let site = Site::new(&[("index.html", "home")]);
    let empty = Site::new(&[]);
    let many = Site::new(&[("a", ""), ("b", ""), ("c", "")]);
    let file = site.path().join("index.html");
    let origin = Origin::serve_with(site, &["--max-entries", "2"]);
    for (root, status, cause) in [
        (empty.path().join("nope"), 422, "cannot open"),
        (file, 422, "is not a folder"),
        (empty.path().to_owned(), 422, "holds no files"),
        (many.path().to_owned(), 422, "more than 2 files"),
        ("relative/folder".into(), 400, "not an absolute path"),
    ] {
        let failure = origin.switch(&root, "v2").expect(status).json();
        assert!(failure["error"].as_str().is_some_and(|error| error.contains(cause)), "{failure}");
        assert!(failure["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{failure}");
    }
    for body in ["", "{", "[]", r#"{"root":"/"}"#, r#"{"root":"/","name":"a b"}"#, r#"{"root":"/","name":"x","y":1}"#] {
        let response = origin.control("POST", "/_origin/release", body);
        assert!((400..500).contains(&response.status), "{body}: {}", response.status);
        assert!(response.json()["hint"].is_string(), "{body}");
    }
    assert_eq!(origin.get("/").expect(200).field("x-release"), Some("v1"));
}

#[test]
fn a_request_in_flight_finishes_with_the_old_release() {
    let first = Site::new(&[]);
    first.write("large.bin", &vec![b'1'; LARGE_BYTES]);
    let second = Site::new(&[("large.bin", "2")]);
    let origin = Origin::serve(first);
    let mut connection = origin.connect();
    connection.send_request("GET", "/large.bin", &[], "");
    let started = connection.start(true).expect("a head");
    origin.switch(second.path(), "v2").expect(200);
    assert_eq!(origin.get("/large.bin").expect(200).text(), "2");
    let response = started.finish().expect(200);
    assert_eq!(response.field("x-release"), Some("v1"));
    assert!(response.body.len() == LARGE_BYTES && response.body.iter().all(|&b| b == b'1'));
    let after = connection.request("GET", "/large.bin", &[], "").expect("a response").expect(200);
    assert_eq!(after.field("x-release"), Some("v2"));
}

#[test]
fn no_response_mixes_releases_under_load() {
    const CLIENTS: usize = 4;
    const SWITCHES: usize = 30;
    let name = |n: usize| if n.is_multiple_of(2) { "v1" } else { "v2" };
    let sites =
        [0, 1].map(|n| Site::new(&[("a/index.html", name(n)), ("a/index.html.br", &format!("{}-br", name(n)))]));
    let origin = Origin::start(&sites[0].root(), &["--control-token-env", crate::harness::TOKEN_VARIABLE]);
    let is_over = AtomicBool::new(false);
    let served = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut connection = origin.connect();
                while !is_over.load(Ordering::Relaxed) {
                    let fields = [("Accept-Encoding", "br")];
                    let response = connection.request("GET", "/a/", &fields, "").expect("a response").expect(200);
                    let release = response.field("x-release").expect("a release");
                    assert_eq!(response.text(), format!("{release}-br"));
                    assert_eq!(
                        response.field("surrogate-key"),
                        Some(format!("release:{release} dir:a type:html").as_str())
                    );
                    let etag = format!("\"{}\"", &blake3::hash(&response.body).to_hex()[..32]);
                    assert_eq!(response.field("etag"), Some(etag.as_str()));
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for n in 1..=SWITCHES {
            let before = served.load(Ordering::Relaxed);
            origin.switch(sites[n % 2].path(), name(n)).expect(200);
            assert_eq!(origin.get("/a/").expect(200).field("x-release"), Some(name(n)));
            wait_for(|| (served.load(Ordering::Relaxed) > before).then_some(()));
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_file_that_changed_on_disk_is_no_success() {
    let site = Site::new(&[("small.txt", "small")]);
    for name in ["shrunk.bin", "grown.bin", "rewritten.bin", "gone.bin", "cut.bin"] {
        site.write(name, &vec![b'x'; LARGE_BYTES]);
    }
    let origin = Origin::start(&site.root(), &[]);

    let mut connection = origin.connect();
    connection.send_request("GET", "/cut.bin", &[], "");
    let started = connection.start(true).expect("a head");
    assert_eq!(started.head().field("content-length"), Some(LARGE_BYTES.to_string().as_str()));
    let resize = |name: &str, size: usize| {
        let file = std::fs::File::options().write(true).open(site.path().join(name)).expect("open");
        file.set_len(size as u64).expect("resized");
    };
    resize("cut.bin", 100);
    let response = started.finish();
    assert_eq!((response.status, response.ended), (200, Ended::CutShort));
    assert!(response.body.len() < LARGE_BYTES);

    resize("shrunk.bin", 2_000_000);
    resize("grown.bin", LARGE_BYTES + 1);
    site.write("rewritten.bin", &vec![b'y'; LARGE_BYTES]);
    std::fs::remove_file(site.path().join("gone.bin")).expect("removed");
    site.write("small.txt", b"other");
    for path in ["/shrunk.bin", "/grown.bin", "/rewritten.bin", "/gone.bin"] {
        let response = origin.get(path).expect(500);
        assert!(response.json()["hint"].is_string());
        assert_eq!(response.field("cache-control"), Some("no-store"));
    }
    // What is held in memory stays what it was.
    assert_eq!(origin.get("/small.txt").expect(200).text(), "small");
}
