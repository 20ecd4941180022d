//! The first look at an HTTP/1 request head: is it whole, within its limits, and can it be read in one way only? What
//! passes here is parsed again by Pingora, from the same bytes; what is refused here never gets that far.

use crate::config::ClientLimits;
use crate::core::url::{Scheme, normalise_host, target_authority};
use crate::express::Plain;
use crate::refusal::Refusal;
use std::mem::MaybeUninit;

/// What the bytes so far are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// The head has not ended yet.
    Partial,
    /// A whole head.
    Whole(Head),
    /// The preface of an HTTP/2 connection (RFC 9113 §3.4).
    Http2,
    /// A request that gets this answer, and no more requests after it.
    Refused(Refusal),
}

/// A whole head, as far as the front door needs to know it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Its bytes, up to and with the empty line.
    pub bytes: usize,
    /// The body that follows.
    pub body: Framing,
    /// What the express lane needs to know, if it may answer.
    pub plain: Option<Plain>,
}

/// How the body is framed (RFC 9112 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes; none if the head says nothing.
    Length(u64),
    /// Chunked: its end is found by reading it.
    Chunked,
    /// The request asks for another protocol on the connection, which then has no end of its own.
    Upgrade,
}

const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// More fields than [`ClientLimits::fields`] may ever allow.
const MOST_FIELDS: usize = 200;

/// Looks at the bytes received so far.
pub(super) fn look(bytes: &[u8], limits: &ClientLimits, h2c: bool) -> Look {
    if h2c && bytes.first() == Some(&b'P') {
        if bytes.starts_with(H2_PREFACE) {
            return Look::Http2;
        }
        if H2_PREFACE.starts_with(bytes) {
            return Look::Partial;
        }
    }
    // Empty lines before the request line are skipped, as RFC 9112 §2.2 advises, but they count.
    let start = bytes.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(bytes.len());
    let line = bytes[start..].iter().position(|&b| b == b'\n').unwrap_or(bytes.len() - start);
    if line > limits.request_line {
        return Look::Refused(Refusal::LONG_TARGET);
    }
    let mut fields = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, &mut fields[..limits.fields.min(MOST_FIELDS)]) {
        Ok(httparse::Status::Complete(end)) if end > limits.head => Look::Refused(Refusal::LARGE_HEAD),
        Ok(httparse::Status::Complete(end)) => match route(&request).and_then(|()| framing(&request)) {
            Ok(body) => {
                let plain = Plain::of(&request, bytes).filter(|_| body == Framing::Length(0));
                Look::Whole(Head { bytes: end, body, plain })
            }
            Err(refusal) => Look::Refused(refusal),
        },
        Ok(httparse::Status::Partial) if bytes.len() > limits.head => Look::Refused(Refusal::LARGE_HEAD),
        Ok(httparse::Status::Partial) => Look::Partial,
        Err(httparse::Error::TooManyHeaders) => Look::Refused(Refusal::LARGE_HEAD),
        Err(httparse::Error::Version) => Look::Refused(Refusal::BAD_VERSION),
        Err(_) => Look::Refused(Refusal::MALFORMED),
    }
}

/// Checks method, target and host: what the request is for must not depend on who reads it.
fn route(request: &httparse::Request<'_, '_>) -> Result<(), Refusal> {
    let method = request.method.unwrap_or_default();
    if method == "CONNECT" {
        // Its target is of a form of its own, and no tunnels are dug here.
        return Err(Refusal::BAD_METHOD);
    }
    let target = request.path.unwrap_or_default();
    let authority = target_authority(target);
    let mut hosts = values(request.headers, "host");
    let host = match (hosts.next(), authority) {
        (Some(host), _) => host,
        // HTTP/1.0 knows no Host: the target says it all (RFC 9112 §3.2.2, §3.3).
        (None, Some(authority)) if request.version == Some(0) => authority.as_bytes(),
        (None, _) => return Err(Refusal::NO_HOST),
    };
    if hosts.next().is_some() {
        return Err(Refusal::TWO_HOSTS);
    }
    if host.is_empty() {
        return Err(Refusal::NO_HOST);
    }
    let host = std::str::from_utf8(host).map_err(|_| Refusal::BAD_HOST)?;
    normalise_host(host, Scheme::Http).map_err(|_| Refusal::BAD_HOST)?;
    if target.starts_with('/') || (target == "*" && method == "OPTIONS") {
        return Ok(());
    }
    // An absolute target must name the same host.
    let authority = authority.ok_or(Refusal::BAD_TARGET)?;
    if authority.eq_ignore_ascii_case(host) { Ok(()) } else { Err(Refusal::TWO_HOSTS) }
}

/// The values of a field.
fn values<'f, 'r>(
    fields: &'f [httparse::Header<'r>],
    name: &'static str,
) -> impl Iterator<Item = &'r [u8]> + use<'f, 'r> {
    fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
}

fn framing(request: &httparse::Request<'_, '_>) -> Result<Framing, Refusal> {
    let mut lengths = values(request.headers, "content-length");
    let length = lengths.next();
    if lengths.next().is_some() {
        return Err(Refusal::BAD_LENGTH);
    }
    let mut codings = values(request.headers, "transfer-encoding");
    let body = match (codings.next(), length) {
        (None, None) => Framing::Length(0),
        (None, Some(length)) => Framing::Length(parse_length(length).ok_or(Refusal::BAD_LENGTH)?),
        (Some(_), Some(_)) => return Err(Refusal::BAD_FRAMING),
        (Some(_), None) if codings.next().is_some() || request.version != Some(1) => return Err(Refusal::BAD_FRAMING),
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Framing::Chunked,
        (Some(_), None) => return Err(Refusal::BAD_CODING),
    };
    // The one protocol that is passed on to origins.
    let upgrade = values(request.headers, "upgrade").any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"));
    Ok(if upgrade && request.version == Some(1) { Framing::Upgrade } else { body })
}

fn parse_length(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.len() <= 18 && value.iter().all(u8::is_ascii_digit);
    digits.then(|| value.iter().fold(0, |n, digit| n * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ClientLimits =
        ClientLimits { connections: 1, request_line: 40, head: 200, fields: 5, body: 1, requests_per_connection: 1 };

    fn check(text: &str, want: Look) {
        let got = match look(text.as_bytes(), &LIMITS, true) {
            Look::Whole(head) => Look::Whole(Head { plain: None, ..head }),
            other => other,
        };
        assert_eq!(got, want, "{text:?}");
    }

    fn whole(text: &str, body: Framing) {
        check(text, Look::Whole(Head { bytes: text.len(), body, plain: None }));
    }

    fn refused(text: &str, refusal: Refusal) {
        check(text, Look::Refused(refusal));
    }

    #[test]
    fn whole_heads() {
        whole("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Framing::Length(0));
        whole("\r\nGET / HTTP/1.0\r\nHost: a\r\n\r\n", Framing::Length(0));
        whole("GET http://A/b HTTP/1.1\r\nHost: a\r\n\r\n", Framing::Length(0));
        whole("GET http://a/b HTTP/1.0\r\n\r\n", Framing::Length(0));
        whole("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n", Framing::Length(12));
        whole("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", Framing::Chunked);
        whole("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", Framing::Length(0));
        whole("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\n\r\n", Framing::Upgrade);
        whole("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n", Framing::Length(0));
        whole("GET / HTTP/1.0\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", Framing::Length(0));
        let two = "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b";
        check(two, Look::Whole(Head { bytes: two.len() - 6, body: Framing::Length(0), plain: None }));
    }

    #[test]
    fn partial_heads_and_the_preface() {
        check("", Look::Partial);
        check("G", Look::Partial);
        check("GET / HTTP/1.1\r\nHost: a\r\n", Look::Partial);
        check("PRI * HTTP/2.0\r\n\r\nSM", Look::Partial);
        check("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nmore", Look::Http2);
        check("P", Look::Partial);
        whole("PUT / HTTP/1.1\r\nHost: a\r\n\r\n", Framing::Length(0));
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        assert_eq!(look(preface, &LIMITS, false), Look::Refused(Refusal::BAD_VERSION));
    }

    #[test]
    fn refusals() {
        refused(&format!("GET /{}", "x".repeat(40)), Refusal::LONG_TARGET);
        refused(&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(200)), Refusal::LARGE_HEAD);
        refused(&format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(5)), Refusal::LARGE_HEAD);
        refused("GET / HTTP/1.1\r\n\r\n", Refusal::NO_HOST);
        refused("GET / HTTP/1.1\r\nHost:\r\n\r\n", Refusal::NO_HOST);
        refused("GET / HTTP/1.0\r\n\r\n", Refusal::NO_HOST);
        refused("GET http://a/ HTTP/1.1\r\n\r\n", Refusal::NO_HOST);
        refused("GET /http://a/ HTTP/1.0\r\n\r\n", Refusal::NO_HOST);
        refused("GET http:/// HTTP/1.0\r\n\r\n", Refusal::NO_HOST);
        refused("GET http://a@b/ HTTP/1.0\r\n\r\n", Refusal::BAD_HOST);
        refused("GET http://a/ HTTP/1.0\r\nHost: b\r\n\r\n", Refusal::TWO_HOSTS);
        refused("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Refusal::TWO_HOSTS);
        refused("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::TWO_HOSTS);
        refused("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::BAD_TARGET);
        refused("GET a HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::BAD_TARGET);
        refused("GET * HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::BAD_TARGET);
        refused("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", Refusal::BAD_HOST);
        refused("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::BAD_METHOD);
        refused("GET / HTTP/3.0\r\nHost: a\r\n\r\n", Refusal::BAD_VERSION);
        refused("GET /\r\n\r\n", Refusal::MALFORMED);
        refused("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::MALFORMED);
        refused("GET / HTTP/1.1\r\nHost : a\r\n\r\n", Refusal::MALFORMED);
        refused("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", Refusal::MALFORMED);
        refused("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", Refusal::MALFORMED);
        let framed = |fields: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        refused(&framed("Content-Length: 1\r\nContent-Length: 1"), Refusal::BAD_LENGTH);
        refused(&framed("Content-Length: +1"), Refusal::BAD_LENGTH);
        refused(&framed("Content-Length: 1, 1"), Refusal::BAD_LENGTH);
        refused(&framed("Content-Length: 99999999999999999999"), Refusal::BAD_LENGTH);
        refused(&framed("Content-Length: 1\r\nTransfer-Encoding: chunked"), Refusal::BAD_FRAMING);
        refused(&framed("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), Refusal::BAD_FRAMING);
        refused(&framed("Transfer-Encoding: gzip, chunked"), Refusal::BAD_CODING);
        refused("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", Refusal::BAD_FRAMING);
    }
}
