//! What a page looks like: nothing but its path and its version, over and over.

use crate::client::Reply;
use std::fmt::Write as _;

/// The length of a line, in bytes.
pub(super) const LINE_BYTES: usize = 32;
/// Lines of a page.
pub(super) const LINES: usize = 64;

/// The validator of a version.
pub(super) fn etag_of(path: &str, version: u64) -> String {
    format!("\"{path}@{version}\"")
}

/// The body of a version.
pub(super) fn body_of(path: &str, version: u64) -> String {
    let mut body = String::with_capacity(LINES * LINE_BYTES);
    for _ in 0..LINES {
        // Writing to a string does not fail.
        let _ = writeln!(body, "{path:<15} {version:015}");
    }
    body
}

/// What a response shows of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shown {
    /// This version.
    Version(u64),
    /// Parts of several versions or pages.
    Torn(String),
    /// No page, as in an error.
    Nothing,
}

/// Reads a response to a request for a page.
pub(super) fn read(path: &str, reply: &Reply) -> Shown {
    if !matches!(reply.status.as_u16(), 200 | 206 | 304) {
        return Shown::Nothing;
    }
    let etag = reply.header("etag").unwrap_or("");
    let named = etag.trim_matches('"').split_once('@').filter(|(of, _)| *of == path);
    let Some(named) = named.and_then(|(_, version)| version.parse::<u64>().ok()) else {
        return Shown::Torn(format!("it has the ETag {etag:?}"));
    };
    let line = format!("{path:<15} {named:015}\n");
    match reply.body.chunks(LINE_BYTES).find(|part| *part != line.as_bytes()) {
        None => Shown::Version(named),
        Some(part) => {
            Shown::Torn(format!("its ETag is {etag}, and in its body stands {:?}", String::from_utf8_lossy(part)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::HeaderMap;
    use hyper::header::ETAG;

    fn reply(status: u16, etag: &str, body: &str) -> Reply {
        let headers = HeaderMap::from_iter([(ETAG, etag.parse().unwrap())]);
        Reply { status: status.try_into().unwrap(), headers, body: body.to_owned().into() }
    }

    #[test]
    fn pages_are_read() {
        let (tag, body) = (etag_of("/a/0", 7), body_of("/a/0", 7));
        assert_eq!(body.len(), LINES * LINE_BYTES);
        let other = body_of("/a/0", 6);
        for (reply, want) in [
            (reply(200, &tag, &body), Some(7)),
            (reply(206, &tag, &body[LINE_BYTES..LINE_BYTES * 3]), Some(7)),
            (reply(304, &tag, ""), Some(7)),
            (reply(200, &tag, &other), None),
            (reply(200, &tag, &format!("{}{}", &body[..LINE_BYTES], &other[LINE_BYTES..])), None),
            (reply(200, &etag_of("/a/1", 7), &body), None),
            (reply(200, &tag, &body[..40]), None),
        ] {
            let shown = read("/a/0", &reply);
            assert_eq!(matches!(shown, Shown::Version(7)), want.is_some(), "{shown:?}");
            assert_eq!(matches!(shown, Shown::Torn(_)), want.is_none(), "{shown:?}");
        }
        assert_eq!(read("/a/0", &reply(503, &tag, "")), Shown::Nothing);
    }
}
