//! The control endpoints: who may use them, what they count.

use crate::harness::{Origin, Site, TOKEN};

const ENDPOINTS: [(&str, &str); 4] = [
    ("GET", "/_origin/release"),
    ("POST", "/_origin/release"),
    ("GET", "/_origin/stats"),
    ("POST", "/_origin/stats/reset"),
];

#[test]
fn the_token_is_needed() {
    let origin = Origin::with(&[("index.html", "home"), ("_origin/x.html", "x")]);
    let other = format!("Bearer {TOKEN}x");
    let shorter = format!("Bearer {}", &TOKEN[1..]);
    let basic = format!("Basic {TOKEN}");
    for (method, path) in ENDPOINTS {
        for fields in [
            &[][..],
            &[("Authorization", other.as_str())],
            &[("Authorization", shorter.as_str())],
            &[("Authorization", basic.as_str())],
            &[("Authorization", "Bearer")],
            &[("Authorization", "")],
        ] {
            let response = origin.request(method, path, fields).expect(401);
            assert_eq!(response.field("www-authenticate"), Some("Bearer"));
            assert_eq!(response.field("cache-control"), Some("no-store"));
            assert!(response.json()["hint"].is_string());
        }
    }
    origin.control("DELETE", "/_origin/release", "").expect(405);
    for path in ["/_origin/nope", "/_origin/x.html", "/_origin/"] {
        origin.control("GET", path, "").expect(404);
    }
}

#[test]
fn without_a_token_there_are_no_control_endpoints() {
    let site = Site::new(&[("index.html", "home"), ("_origin/release", "x")]);
    let origin = Origin::start(&site.root(), &[]);
    for (method, path) in ENDPOINTS {
        origin.request(method, path, &[]).expect(404);
        let response = origin.control(method, path, "").expect(404);
        assert!(!response.text().contains('x') || response.json()["error"].is_string());
    }
}

#[test]
fn a_token_from_a_file() {
    let site = Site::new(&[("index.html", "home")]);
    let secret = Site::new(&[("token", &format!("{TOKEN}\n"))]);
    let path = secret.path().join("token").display().to_string();
    let origin = Origin::start(&site.root(), &["--control-token-file", &path]);
    origin.control("GET", "/_origin/release", "").expect(200);
}

#[test]
fn requests_are_counted() {
    let origin = Origin::with(&[("index.html", "home"), ("docs/index.html", "docs")]);
    let mut connection = origin.connect();
    for (method, path) in
        [("GET", "/"), ("GET", "/?a=b"), ("HEAD", "/"), ("GET", "/docs"), ("GET", "/nope"), ("GET", "/_synthetic/10/a")]
    {
        connection.request(method, path, &[], "").expect("a response");
    }
    let stats = origin.wait_for_stats(|stats| stats["requests"]["in_flight"] == 0);
    assert_eq!(stats["requests"]["total"], 6);
    assert_eq!(stats["requests"]["by_status"], serde_json::json!({ "200": 4, "308": 1, "404": 1 }));
    let by_path = serde_json::json!({ "/": 3, "/docs": 1, "/nope": 1, "/_synthetic/10/a": 1 });
    assert_eq!((&stats["requests"]["by_path"], &stats["requests"]["by_path_other"]), (&by_path, &0.into()));
    let body_bytes = ["home", "home", "not found\n"].concat().len() + 10;
    assert_eq!(stats["sent"]["body_bytes"], body_bytes);
    assert!(stats["sent"]["wire_bytes"].as_u64().is_some_and(|bytes| bytes > body_bytes as u64));
    assert_eq!(stats["synthetic"]["requests"], 1);
    assert!(stats["counted_for_ms"].is_u64());

    let at_reset = origin.control("POST", "/_origin/stats/reset", "").expect(200).json();
    assert_eq!(at_reset["requests"], stats["requests"]);
    let stats = origin.stats();
    assert_eq!((&stats["requests"]["total"], &stats["sent"]["body_bytes"]), (&0.into(), &0.into()));
    assert_eq!(stats["requests"]["by_path"], serde_json::json!({}));
}
