//! The syntax that field values share (RFC 9110 §5.6), and the fields that concern one hop only (§7.6.1).
//!
//! Values are bytes: a header map admits obs-text, and a stranger's header may hold anything.

use http::HeaderValue;
use http::header::{self, HeaderMap, HeaderName};

/// One member of a list-based field: the bytes between two commas, without the whitespace around them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// The member's bytes; never empty but in [`line_parts`].
    pub bytes: &'a [u8],
    /// Whether its quotes pair up. An unpaired quote is read as an ordinary byte, so that what is behind it is still
    /// seen; whoever gives permission from a member must look here first.
    pub quoting: Quoting,
}

/// Whether the quoted strings of a field line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quoting {
    /// Each opening quote has its closing one.
    Closed,
    /// The line ends inside a quoted string.
    Unclosed,
}

/// The members of a list-based field, from all its lines in order (RFC 9110 §5.3, §5.6.1). Commas inside quoted
/// strings don't separate, empty members are skipped. The work is linear in the bytes, which the limit on a message's
/// head bounds.
pub fn list_members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = Member<'a>> {
    headers.get_all(name).iter().flat_map(|line| line_members(line.as_bytes()))
}

/// The members of one line of a list-based field.
pub fn line_members(line: &[u8]) -> impl Iterator<Item = Member<'_>> {
    line_parts(line).filter(|member| !member.bytes.is_empty())
}

/// What stands between the commas of one line, nothing included.
pub fn line_parts(line: &[u8]) -> impl Iterator<Item = Member<'_>> {
    let quoting = quoting_of(line);
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let (part, behind) = split_at_comma(rest?, quoting);
        rest = behind;
        Some(Member { bytes: trim_ows(part), quoting })
    })
}

/// Removes spaces and tabs at both ends (OWS, RFC 9110 §5.6.3).
pub fn trim_ows(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// Whether a byte may stand in a token (RFC 9110 §5.6.2).
pub const fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

/// Whether `bytes` is a token: one or more of [`is_tchar`].
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().copied().all(is_tchar)
}

/// Reads digits as a number, at most `u64::MAX`; `None` when there is no digit or something else than digits.
pub fn parse_digits(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = |so_far: u64, digit: &u8| so_far.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(bytes.iter().fold(0, value))
}

/// The bytes of a quoted string without its quotes and escapes (RFC 9110 §5.6.4); `None` when `bytes` is not exactly
/// one quoted string.
pub fn unquote(bytes: &[u8]) -> Option<Vec<u8>> {
    let [b'"', inner @ .., b'"'] = bytes else { return None };
    let mut text = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => return None,
            b'\\' => text.push(*bytes.next()?),
            _ => text.push(byte),
        }
    }
    Some(text)
}

/// Removes what may not be passed on or stored by whoever received it: `Connection`, the fields that it names, and
/// the other fields of one hop (RFC 9110 §7.6.1); the proxy's own authentication fields (RFC 9111 §3.1); and
/// `Trailer`, because trailers are not kept.
///
/// A `Connection` that names a field of the message itself (its framing, coding or caching) is wrong (§7.6.1: "a
/// sender MUST NOT"), and such a name is ignored: taking away `Cache-Control` or `Content-Encoding` would change what
/// the message means.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    for name in named_in_connection(headers).into_iter().filter(|name| !is_inseparable(name)) {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(*name);
    }
}

/// Removes from a request what does not go up with it: as [`remove_hop_by_hop`], but whatever `Connection` names.
pub fn remove_hop_by_hop_of_request(headers: &mut HeaderMap) {
    for name in named_in_connection(headers) {
        headers.remove(name);
    }
    for name in HOP_BY_HOP.iter().chain(&["http2-settings"]) {
        headers.remove(*name);
    }
}

/// The fields that `Connection` names.
pub fn named_in_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    list_members(headers, &header::CONNECTION).filter_map(|member| HeaderName::from_bytes(member.bytes).ok()).collect()
}

/// Whether a field concerns one connection, and so is neither stored nor merged nor passed on.
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(&name.as_str())
}

/// Fields without which the rest of a response means something else: they can't be left out alone, neither because
/// `Connection` names them nor because `private="…"` or `no-cache="…"` does.
pub fn is_inseparable(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("content-")
        || matches!(name, "age" | "cache-control" | "cdn-cache-control" | "date" | "expires" | "location" | "vary")
}

/// Sets a field to one value, or leaves it alone when the bytes can't be one.
pub(crate) fn set_text(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

fn quoting_of(line: &[u8]) -> Quoting {
    let mut quoted = false;
    let mut bytes = line.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => {
                bytes.next();
            }
            _ => {}
        }
    }
    if quoted { Quoting::Unclosed } else { Quoting::Closed }
}

fn split_at_comma(line: &[u8], quoting: Quoting) -> (&[u8], Option<&[u8]>) {
    let mut quoted = false;
    let mut at = 0;
    while let Some(&byte) = line.get(at) {
        match byte {
            b',' if !quoted => return (&line[..at], Some(&line[at + 1..])),
            b'"' if quoting == Quoting::Closed => quoted = !quoted,
            b'\\' if quoted => at += 1,
            _ => {}
        }
        at += 1;
    }
    (line, None)
}

/// Any field value that a header map admits: for tests that feed rubbish to readers.
#[cfg(test)]
pub(crate) fn any_value() -> impl proptest::strategy::Strategy<Value = HeaderValue> {
    use proptest::prelude::*;
    let byte = prop_oneof![Just(b'\t'), Just(b','), Just(b'"'), 0x20u8..=0x7e, 0x80u8..=0xff];
    prop::collection::vec(byte, 0..40).prop_filter_map("not a field value", |bytes| HeaderValue::try_from(bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(line: &str, expected: &[&str]) {
        let members: Vec<_> = line_members(line.as_bytes()).map(|m| String::from_utf8_lossy(m.bytes)).collect();
        assert_eq!(members, expected, "{line:?}");
    }

    #[test]
    fn lists() {
        check("", &[]);
        check(" , ,\t,", &[]);
        check("a, b ,c", &["a", "b", "c"]);
        check(r#"a="x, y", b"#, &[r#"a="x, y""#, "b"]);
        check(r#"a="x\", y", b"#, &[r#"a="x\", y""#, "b"]);
        check(r#"a="x, no-store"#, &[r#"a="x"#, "no-store"]);
        check(r"a\, b", &[r"a\", "b"]);
    }

    #[test]
    fn quoted_strings() {
        assert_eq!(unquote(br#""a\"b""#).as_deref(), Some(&br#"a"b"#[..]));
        assert_eq!(unquote(br#""""#).as_deref(), Some(&b""[..]));
        for text in [&b"a"[..], b"\"", br#""a"b""#, br#""a\""#, b""] {
            assert_eq!(unquote(text), None, "{text:?}");
        }
    }

    #[test]
    fn connection_names_fields_but_not_those_of_the_message() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONNECTION, HeaderValue::from_static("close, X-Hop, Cache-Control"));
        headers.insert("x-hop", HeaderValue::from_static("1"));
        headers.insert("keep-alive", HeaderValue::from_static("timeout=5"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        remove_hop_by_hop(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["cache-control"]);
    }

    proptest! {
        #[test]
        fn any_line_is_survived(line in any_value()) {
            let line = line.as_bytes();
            let total: usize = line_members(line).map(|member| member.bytes.len()).sum();
            prop_assert!(total <= line.len());
            let _ = (unquote(line), parse_digits(line));
        }
    }
}
