//! Requests that the lane may answer.

/// Lines of `Accept-Encoding` that a plain request may have.
const MOST_ENCODINGS: usize = 2;

/// A request for a response as it is stored: a GET or HEAD in HTTP/1.1, for a path in the one form that URLs are kept in,
/// without a body, without conditions or a range, without credentials, without directives, and from nobody's tier.
/// By where its parts are in the bytes of its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plain {
    /// Whether it asks for the head alone.
    pub(super) is_head: bool,
    /// Whether its connection ends with it.
    pub(super) closes: bool,
    pub(super) target: Span,
    pub(super) host: Span,
    encodings: [Span; MOST_ENCODINGS],
}

/// A part of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Where `part` is in `whole`, of which it is a part.
    fn of(part: &[u8], whole: &[u8]) -> Option<Self> {
        let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
        let end = start + part.len();
        (end <= whole.len()).then_some(Self { start: u32::try_from(start).ok()?, end: u32::try_from(end).ok()? })
    }

    /// The part; empty if the head is another one.
    pub(super) fn within(self, head: &[u8]) -> &[u8] {
        head.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

impl Plain {
    /// What the lane needs of a request, if it is plain. `request` was parsed from `bytes`.
    pub(crate) fn of(request: &httparse::Request<'_, '_>, bytes: &[u8]) -> Option<Self> {
        let is_head = match request.method? {
            "GET" => false,
            "HEAD" => true,
            _ => return None,
        };
        let target = request.path?;
        if request.version != Some(1) || !is_normal(target.as_bytes()) {
            return None;
        }
        let mut plain = Self {
            is_head,
            closes: false,
            target: Span::of(target.as_bytes(), bytes)?,
            host: Span::default(),
            encodings: [Span::default(); MOST_ENCODINGS],
        };
        let mut encodings = 0;
        for field in request.headers.iter() {
            match kind(field.name) {
                Kind::Other => {}
                Kind::Unplain => return None,
                Kind::Host => plain.host = Span::of(field.value, bytes)?,
                Kind::Connection => plain.closes |= closes(field.value)?,
                Kind::AcceptEncoding => {
                    *plain.encodings.get_mut(encodings)? = Span::of(field.value, bytes)?;
                    encodings += 1;
                }
            }
        }
        Some(plain)
    }

    /// The lines of its `Accept-Encoding`; empty ones say nothing.
    pub(super) fn encodings<'b>(&self, head: &'b [u8]) -> impl Iterator<Item = &'b [u8]> + use<'b> {
        self.encodings.into_iter().map(move |span| span.within(head))
    }
}

/// Whether a target is a path, maybe with a query, that is kept as it is written.
fn is_normal(target: &[u8]) -> bool {
    let is_plain = |b: &u8| b.is_ascii_alphanumeric() || b"-._~/?!$&'()*+,;:@=".contains(b);
    target.first() == Some(&b'/') && target.iter().all(is_plain)
}

enum Kind {
    Host,
    Connection,
    AcceptEncoding,
    /// It asks for something that the lane does not do.
    Unplain,
    /// It selects nothing, or not more than a variant, which is looked at with what is stored.
    Other,
}

fn kind(name: &str) -> Kind {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    match name.len() {
        2 if is("te") => Kind::Unplain,
        4 if is("host") => Kind::Host,
        5 if is("range") => Kind::Unplain,
        6 if is("expect") || is("pragma") => Kind::Unplain,
        7 if is("upgrade") || is("trailer") => Kind::Unplain,
        8 if is("if-match") || is("if-range") || is("cdn-loop") => Kind::Unplain,
        10 if is("connection") => Kind::Connection,
        13 if is("if-none-match") || is("cache-control") || is("authorization") => Kind::Unplain,
        13 if is(crate::core::tier::TIER_FIELD) => Kind::Unplain,
        14 if is("content-length") => Kind::Unplain,
        15 if is("accept-encoding") => Kind::AcceptEncoding,
        17 if is("if-modified-since") || is("transfer-encoding") => Kind::Unplain,
        19 if is("if-unmodified-since") => Kind::Unplain,
        _ => Kind::Other,
    }
}

/// Whether a `Connection` field says `close`; `None` if it says anything but that and `keep-alive`.
fn closes(value: &[u8]) -> Option<bool> {
    match value {
        _ if value.eq_ignore_ascii_case(b"keep-alive") => Some(false),
        _ if value.eq_ignore_ascii_case(b"close") => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(head: &str) -> Option<Plain> {
        let mut fields = [httparse::EMPTY_HEADER; 20];
        let mut request = httparse::Request::new(&mut fields);
        assert!(request.parse(head.as_bytes()).expect("a head").is_complete(), "{head:?}");
        Plain::of(&request, head.as_bytes())
    }

    #[test]
    fn what_browsers_send_is_plain() {
        let head = "GET /a/b-c_d.js?x=1&y HTTP/1.1\r\nHost: www.example\r\nUser-Agent: x\r\nAccept: */*\r\nCookie: a=b; c\r\n\
                    accept-encoding: gzip, br\r\nAccept-Language: de\r\nConnection: Keep-Alive\r\nReferer: https://x/\r\n\r\n";
        let found = plain(head).expect("it is plain");
        assert_eq!(found.target.within(head.as_bytes()), b"/a/b-c_d.js?x=1&y");
        assert_eq!(found.host.within(head.as_bytes()), b"www.example");
        assert_eq!(found.encodings(head.as_bytes()).collect::<Vec<_>>(), [&b"gzip, br"[..], b""]);
        assert!(!found.closes && !found.is_head);
        let last = plain("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("it is plain");
        assert!(last.closes && last.is_head);
    }

    #[test]
    fn whatever_asks_for_more_is_not() {
        for line in ["POST / HTTP/1.1", "GET / HTTP/1.0", "get / HTTP/1.1", "GET http://a/ HTTP/1.1", "GET * HTTP/1.1"]
        {
            assert_eq!(plain(&format!("{line}\r\nHost: a\r\n\r\n")), None, "{line}");
        }
        for target in ["/%41", "/a#b", "/a|b", "/\u{e4}", "/a\"", "/[", "/a^", "/\\"] {
            assert_eq!(plain(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")), None, "{target}");
        }
        for field in [
            "Range: bytes=0-1",
            "IF-NONE-MATCH: *",
            "If-Modified-Since: x",
            "If-Match: x",
            "If-Unmodified-Since: x",
            "If-Range: x",
            "Authorization: x",
            "Cache-Control: no-cache",
            "Pragma: no-cache",
            "Expect: 100-continue",
            "Content-Length: 0",
            "Transfer-Encoding: chunked",
            "Upgrade: websocket",
            "TE: trailers",
            "Trailer: x",
            "Connection: close, x",
            "Connection: Cookie",
            "CDN-Loop: x",
            "Tidewall-Tier: x",
            "Accept-Encoding: a\r\nAccept-Encoding: b\r\nAccept-Encoding: c",
        ] {
            assert_eq!(plain(&format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n")), None, "{field}");
        }
    }
}
