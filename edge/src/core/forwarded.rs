//! What an intermediary tells the next hop about the way so far: `Forwarded` (RFC 7239), its older relatives
//! `X-Forwarded-*`, `Via` (RFC 9110 §7.6.3), and `CDN-Loop` (RFC 8586).

use super::cache_control::fields::{Member, Quoting, is_tchar, is_token, list_members, set_text, trim_ows};
use http::Version;
use http::header::{self, HeaderMap, HeaderName};
use std::net::IpAddr;

/// Longest value of any field written here that grows from hop to hop, in bytes; what came before is dropped when it
/// would be exceeded.
pub const MAX_TRAIL_BYTES: usize = 4096;

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");

/// What becomes of the trail that a request came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trail {
    /// Dropped, and begun anew with this hop: the sender is a client, who may write whatever it likes.
    StartAnew,
    /// Kept, and this hop appended: the sender is a tier of ours, or another proxy that the site trusts.
    Append,
}

/// The scheme of the request as this node received it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proto {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

impl Proto {
    /// The scheme's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// This node's leg of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop<'a> {
    /// The address of whoever sent the request to this node.
    pub peer: IpAddr,
    /// This node's name; it goes out as an obfuscated identifier, `_` before it (RFC 7239 §6.3).
    pub node: &'a str,
    /// The scheme by which the request came.
    pub proto: Proto,
    /// The `Host` with which it came.
    pub host: &'a str,
}

impl Hop<'_> {
    /// One element of `Forwarded`, as in `for="[2001:db8::1]";by=_fra-1;proto=https;host=example.com`
    /// (RFC 7239 §4).
    pub fn element(&self) -> String {
        let mut element = String::from("for=");
        push_value(&mut element, &node_name(self.peer));
        element.push_str(";by=");
        push_value(&mut element, &obfuscated(self.node));
        element.push_str(";proto=");
        element.push_str(self.proto.as_str());
        element.push_str(";host=");
        push_value(&mut element, self.host);
        element
    }

    /// Writes this hop into a request that goes upstream: `Forwarded`, `X-Forwarded-For`, and, where the trail begins
    /// here, `X-Forwarded-Proto` and `X-Forwarded-Host`, which speak of the client's own request.
    pub fn apply(&self, request: &mut HeaderMap, trail: Trail) {
        append(request, &header::FORWARDED, trail, &self.element());
        append(request, &X_FORWARDED_FOR, trail, &self.peer.to_canonical().to_string());
        if trail == Trail::StartAnew || !request.contains_key(&X_FORWARDED_PROTO) {
            set_text(request, X_FORWARDED_PROTO.clone(), self.proto.as_str().to_owned());
        }
        if trail == Trail::StartAnew || !request.contains_key(&X_FORWARDED_HOST) {
            request.remove(&X_FORWARDED_HOST);
            set_text(request, X_FORWARDED_HOST.clone(), self.host.to_owned());
        }
    }
}

/// One member of `Via` (RFC 9110 §7.6.3), as in `1.1 fra-1`: the version of the message as received, and a pseudonym.
/// What a token can't hold becomes `_`.
pub fn via_member(received: Version, pseudonym: &str) -> String {
    let version = match received {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    };
    format!("{version} {}", token_of(pseudonym))
}

/// Appends this node to the `Via` of a message that it passes on, request or response.
pub fn append_via(headers: &mut HeaderMap, received: Version, pseudonym: &str) {
    append(headers, &header::VIA, Trail::Append, &via_member(received, pseudonym));
}

/// Whether a request has been here before, as `CDN-Loop` tells (RFC 8586).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loop {
    /// This CDN is named at most as often as it has tiers.
    None,
    /// It is named more often: refuse the request, as with 508.
    Detected {
        /// How often this CDN is named.
        passes: usize,
    },
}

/// How often a request has passed this CDN, against how often it may. Other CDNs' members don't count, and neither do
/// parameters.
pub fn detect_loop(request: &HeaderMap, cdn: &str, most_passes: usize) -> Loop {
    let passes = list_members(request, &CDN_LOOP).filter(|member| is_of(cdn, member.bytes)).count();
    if passes > most_passes { Loop::Detected { passes } } else { Loop::None }
}

/// Whether a member of `CDN-Loop` is this CDN's.
fn is_of(cdn: &str, member: &[u8]) -> bool {
    let id = member.split(|&byte| matches!(byte, b';' | b' ' | b'\t')).next().unwrap_or_default();
    id.eq_ignore_ascii_case(cdn.as_bytes())
}

/// Whether `CDN-Loop` has this CDN's member with this word: the request has been where [`append_cdn_loop`] put it.
pub fn has_passed(request: &HeaderMap, cdn: &str, word: &str) -> bool {
    let is_word = |parameter: &[u8]| trim_ows(parameter).strip_prefix(b"w=") == Some(word.as_bytes());
    list_members(request, &CDN_LOOP)
        .any(|member| is_of(cdn, member.bytes) && member.bytes.split(|&byte| byte == b';').skip(1).any(is_word))
}

/// Appends this CDN to the `CDN-Loop` of a request that goes upstream, with a word (a token) by which whoever appends it
/// knows it again. The field is never begun anew: that is what makes loops visible (RFC 8586 §2).
pub fn append_cdn_loop(request: &mut HeaderMap, cdn: &str, word: &str) {
    append(request, &CDN_LOOP, Trail::Append, &format!("{};w={word}", token_of(cdn)));
}

/// Puts `member` behind what the field holds, as one line; or in its place, when the trail begins here or the whole
/// would be too long or can't be read as text.
fn append(headers: &mut HeaderMap, name: &HeaderName, trail: Trail, member: &str) {
    let before = match trail {
        Trail::StartAnew => None,
        Trail::Append => existing(headers, name),
    };
    let value = match before {
        Some(before) if before.len() + 2 + member.len() <= MAX_TRAIL_BYTES => format!("{before}, {member}"),
        Some(_) | None => member.to_owned(),
    };
    headers.remove(name);
    set_text(headers, name.clone(), value);
}

/// The members so far; `None` when there are none, or when what was appended to them would not stand for itself.
fn existing(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let text = |member: Member<'_>| match member.quoting {
        Quoting::Closed => std::str::from_utf8(member.bytes).ok().map(str::to_owned),
        Quoting::Unclosed => None,
    };
    let members: Option<Vec<String>> = list_members(headers, name).map(text).collect();
    members.filter(|members| !members.is_empty()).map(|members| members.join(", "))
}

/// An address as RFC 7239 §6 writes it: IPv6 in brackets.
fn node_name(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

fn obfuscated(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    std::iter::once('_').chain(name.chars().map(allowed)).collect()
}

fn token_of(name: &str) -> String {
    if name.is_empty() {
        return String::from("_");
    }
    name.chars().map(|c| if c.is_ascii() && is_tchar(c as u8) { c } else { '_' }).collect()
}

/// A parameter's value: a token, or a quoted string of what can stand in one.
fn push_value(out: &mut String, value: &str) {
    if is_token(value.as_bytes()) {
        return out.push_str(value);
    }
    out.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ => out.push('?'),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests;
