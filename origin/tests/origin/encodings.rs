//! Precompressed siblings (RFC 9110 §12.5.3).

use crate::harness::Origin;

#[test]
fn the_client_chooses() {
    let origin = Origin::with(&[
        ("all.js", "plain"),
        ("all.js.br", "brotli"),
        ("all.js.gz", "gzip"),
        ("gz.js", "plain"),
        ("gz.js.gz", "gzip"),
    ]);
    let plain_etag = origin.get("/all.js").expect(200).field("etag").map(ToOwned::to_owned);
    let mut connection = origin.connect();
    for (path, accepted, encoding, body) in [
        ("/all.js", "", None, "plain"),
        ("/all.js", "gzip, deflate, br", Some("br"), "brotli"),
        ("/all.js", "br;q=0.1, gzip;q=0.9", Some("gzip"), "gzip"),
        ("/all.js", "br;q=0, gzip", Some("gzip"), "gzip"),
        ("/all.js", "identity;q=0, *", Some("br"), "brotli"),
        ("/all.js", "identity, br;q=0.5", None, "plain"),
        ("/gz.js", "br, gzip", Some("gzip"), "gzip"),
        ("/gz.js", "br", None, "plain"),
    ] {
        let fields = [("Accept-Encoding", accepted)];
        let response = connection.request("GET", path, &fields, "").expect("a response").expect(200);
        assert_eq!((response.field("content-encoding"), response.text()), (encoding, body), "{path} {accepted}");
        assert_eq!(response.field("content-type"), Some("text/javascript; charset=utf-8"));
        assert_eq!(response.field("vary"), Some("Accept-Encoding"), "{path} {accepted}");
        let digest = format!("\"{}\"", &blake3::hash(body.as_bytes()).to_hex()[..32]);
        assert_eq!(response.field("etag"), Some(digest.as_str()));
        assert_eq!(response.field("etag") == plain_etag.as_deref(), body == "plain");
    }
}

#[test]
fn refused_codings() {
    let origin = Origin::with(&[
        ("all.js", "plain"),
        ("all.js.br", "brotli"),
        ("plain.js", "plain"),
        ("404.html", "lost"),
        ("404.html.br", "lost in brotli"),
    ]);
    let refused = origin.get_with("/all.js", "Accept-Encoding", "identity;q=0").expect(406);
    assert_eq!(refused.field("vary"), Some("Accept-Encoding"));
    let only_one = origin.get_with("/plain.js", "Accept-Encoding", "identity;q=0").expect(200);
    assert_eq!((only_one.field("vary"), only_one.text()), (None, "plain"));
    let lost = origin.get_with("/nope", "Accept-Encoding", "br").expect(404);
    assert_eq!((lost.field("content-encoding"), lost.text()), (Some("br"), "lost in brotli"));
    let lost = origin.get_with("/nope", "Accept-Encoding", "*;q=0").expect(404);
    assert_eq!((lost.field("vary"), lost.text()), (Some("Accept-Encoding"), "lost"));
}

#[test]
fn a_compressed_file_is_a_file_too() {
    let origin = Origin::with(&[("data.tar.gz", "tar"), ("app.js", "app"), ("app.js.gz", "gzip")]);
    for (path, body) in [("/data.tar.gz", "tar"), ("/app.js.gz", "gzip")] {
        let response = origin.get_with(path, "Accept-Encoding", "gzip").expect(200);
        assert_eq!((response.text(), response.field("content-encoding")), (body, None));
        assert_eq!(response.field("vary"), None);
        assert_eq!(response.field("content-type"), Some("application/gzip"));
    }
}
