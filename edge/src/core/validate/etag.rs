//! Entity tags and lists of them (RFC 9110 §8.8.3, §13.1.1, §13.1.2).

use crate::core::cache_control::fields::trim_ows;
use http::header::{HeaderMap, HeaderName};

/// How two entity tags are compared (RFC 9110 §8.8.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Equal, and neither is weak: byte for byte the same representation.
    Strong,
    /// Equal, weak or not: as good as the same.
    Weak,
}

/// An entity tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntityTag<'a> {
    /// `W/` stands before it.
    pub weak: bool,
    /// What is between the quotes; nothing in it is an escape.
    pub opaque: &'a [u8],
}

impl<'a> EntityTag<'a> {
    /// Reads one entity tag; `None` for anything else, as for a tag without quotes.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        match Self::take(trim_ows(value)) {
            Some((tag, [])) => Some(tag),
            Some(_) | None => None,
        }
    }

    /// Whether two tags match.
    pub fn matches(&self, other: &EntityTag<'_>, comparison: Comparison) -> bool {
        let strong_enough = comparison == Comparison::Weak || !(self.weak || other.weak);
        strong_enough && self.opaque == other.opaque
    }

    /// Reads a tag at the beginning of `bytes`, and gives what is behind it.
    fn take(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (weak, rest) = match bytes.strip_prefix(b"W/") {
            Some(rest) => (true, rest),
            None => (false, bytes),
        };
        let rest = rest.strip_prefix(b"\"")?;
        let end = rest.iter().position(|&byte| byte == b'"')?;
        let (opaque, behind) = (&rest[..end], &rest[end + 1..]);
        opaque.iter().all(|&byte| is_etagc(byte)).then_some((Self { weak, opaque }, behind))
    }
}

/// The value of `If-Match` or `If-None-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagList<'a> {
    /// `*`: whatever there is.
    Any,
    /// One of these.
    Tags(Vec<EntityTag<'a>>),
    /// It can't be read, and matches nothing: a client that asked for 304 gets the representation, one that asked for
    /// no change gets 412.
    Malformed,
}

impl<'a> TagList<'a> {
    /// Reads the field from all its lines; `None` when there is none.
    pub fn read(headers: &'a HeaderMap, name: &HeaderName) -> Option<Self> {
        let mut lines = headers.get_all(name).iter().peekable();
        let first = lines.peek()?;
        if trim_ows(first.as_bytes()) == b"*" {
            lines.next();
            return Some(if lines.next().is_none() { Self::Any } else { Self::Malformed });
        }
        let mut tags = Vec::new();
        for line in lines {
            let Some(()) = read_line(line.as_bytes(), &mut tags) else { return Some(Self::Malformed) };
        }
        Some(if tags.is_empty() { Self::Malformed } else { Self::Tags(tags) })
    }

    /// Whether the current representation, whose tag is `current`, is among these. Ask only where there is one.
    pub fn matches(&self, current: Option<&EntityTag<'_>>, comparison: Comparison) -> bool {
        match (self, current) {
            (Self::Any, _) => true,
            (Self::Tags(tags), Some(current)) => tags.iter().any(|tag| tag.matches(current, comparison)),
            (Self::Tags(_), None) | (Self::Malformed, _) => false,
        }
    }
}

/// Reads `[ tag ] *( OWS "," OWS [ tag ] )`.
fn read_line<'a>(line: &'a [u8], tags: &mut Vec<EntityTag<'a>>) -> Option<()> {
    let mut rest = trim_ows(line);
    while !rest.is_empty() {
        if let Some(behind) = rest.strip_prefix(b",") {
            rest = trim_ows(behind);
            continue;
        }
        let (tag, behind) = EntityTag::take(rest)?;
        tags.push(tag);
        rest = trim_ows(behind);
        if !rest.is_empty() && !rest.starts_with(b",") {
            return None;
        }
    }
    Some(())
}

/// `etagc`: visible characters but for the quote, and obs-text.
const fn is_etagc(byte: u8) -> bool {
    byte == 0x21 || matches!(byte, 0x23..=0x7e | 0x80..=0xff)
}
