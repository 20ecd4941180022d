//! What must never be served.

use crate::harness::{Origin, Site};

#[test]
fn no_path_leads_out_or_to_hidden_files() {
    let outside = Site::new(&[("secret.txt", "SECRET"), ("site/index.html", "home"), ("site/docs/a.html", "a")]);
    outside.write("site/.env", b"SECRET");
    outside.write("site/.vite/manifest.json", b"SECRET");
    outside.write("site/docs/.draft.html", b"SECRET");
    let site = outside.path().join("site");
    std::os::unix::fs::symlink("../secret.txt", site.join("link.txt")).expect("linked");
    std::os::unix::fs::symlink("..", site.join("up")).expect("linked");
    std::os::unix::fs::symlink("/etc", site.join("etc")).expect("linked");
    std::os::unix::fs::symlink(".env", site.join("env.txt")).expect("linked");
    std::os::unix::fs::symlink("docs/a.html", site.join("good.html")).expect("linked");
    let origin = Origin::start(&site.display().to_string(), &[]);

    assert_eq!(origin.get("/good.html").expect(200).text(), "a");
    for path in [
        "/../secret.txt",
        "/docs/../../secret.txt",
        "/docs/../index.html",
        "/./index.html",
        "//index.html",
        "/docs//a.html",
        "/%2e%2e/secret.txt",
        "/%2E./secret.txt",
        "/..%2fsecret.txt",
        "/..%2Fsecret.txt",
        "/%252e%252e/secret.txt",
        "/..%5csecret.txt",
        "/..%c0%afsecret.txt",
        "/index.html%00",
        "/index.html%00.txt",
        "/secret.txt%00.html",
        "/docs%2fa.html",
        "/index.html%0d%0aX-Injected:%201",
        "/link.txt",
        "/up/secret.txt",
        "/etc/passwd",
        "/env.txt",
        "/.env",
        "/%2eenv",
        "/.vite/manifest.json",
        "/.vite/",
        "/.vite",
        "/docs/.draft.html",
        "//evil.example/docs",
        "//evil.example/%2e%2e",
        "/docs/",
    ] {
        let response = origin.get(path).expect(404);
        assert_eq!(response.text(), "not found\n", "{path}");
        assert_eq!((response.field("location"), response.field("x-injected")), (None, None), "{path}");
    }
}

#[test]
fn malformed_requests_are_refused() {
    let origin = Origin::with(&[("index.html", "home")]);
    for request in [
        "GET /..\\..\\etc\\passwd HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET index.html HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        "garbage\r\n\r\n",
    ] {
        let mut connection = origin.connect();
        connection.send(request.as_bytes());
        if let Ok(started) = connection.start(true) {
            let response = started.finish();
            assert!((400..500).contains(&response.status), "{request:?}: {}", response.status);
        }
    }
    origin.get("/").expect(200);
}
