//! `Cache-Status`: what each cache on the way did with a request (RFC 9211).
//!
//! The field is a list whose first member is the cache nearest to the origin. A stored response keeps the members of
//! the tiers above; a node adds its own at the end of each answer.

use super::member::{self, key, name, printable, string, token};
use http::header::{HeaderMap, HeaderName};
use sfv::{Integer, ListSerializer};

/// The field's name, in lower case.
pub static CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What one cache did with one request: a member of `Cache-Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheStatus<'a> {
    /// The cache's name, for instance the node's.
    pub cache: &'a str,
    /// Whether it answered from what it had stored, or went forward.
    pub handling: Handling,
    /// Remaining freshness in seconds; negative when stale (§2.4).
    pub ttl_secs: Option<i64>,
    /// The cache key, where the site shows it (§2.7).
    pub key: Option<&'a str>,
    /// Whatever else explains the outcome (§2.8).
    pub detail: Option<&'a str>,
}

/// Whether a request was answered from the cache: `hit` and `fwd` exclude each other (RFC 9211 §2.1, §2.2), and like
/// all parameters both are optional (§2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// `hit`: answered without going forward.
    Hit,
    /// `fwd`: it went forward.
    Forwarded(Forwarded),
    /// Neither: it was refused before the cache was asked, and went nowhere.
    Refused,
}

/// How a request went forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forwarded {
    /// Why (§2.2).
    pub reason: FwdReason,
    /// The status that came back, where it isn't the one that is sent on, as in a 304 (§2.3).
    pub status: Option<u16>,
    /// The response was stored (§2.5).
    pub stored: bool,
    /// The request was collapsed with others (§2.6).
    pub collapsed: bool,
}

impl Forwarded {
    /// Went forward for this reason, and nothing else to tell.
    pub const fn new(reason: FwdReason) -> Self {
        Self { reason, status: None, stored: false, collapsed: false }
    }
}

/// Why a request went forward (RFC 9211 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FwdReason {
    /// The cache was configured not to handle it.
    Bypass,
    /// Its method's semantics require it.
    Method,
    /// Nothing is stored under its URI.
    UriMiss,
    /// What is stored under its URI varies from it.
    VaryMiss,
    /// Nothing usable is stored, and it isn't known which of the two above it is.
    Miss,
    /// What is stored is fresh, but the request's own directives ask for more.
    Request,
    /// What is stored is stale.
    Stale,
    /// What is stored is a part that doesn't cover what was asked for.
    Partial,
}

impl FwdReason {
    /// The token of the registry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Miss => "miss",
            Self::Request => "request",
            Self::Stale => "stale",
            Self::Partial => "partial",
        }
    }
}

impl CacheStatus<'_> {
    /// Writes the member at the end of `out`, well formed whatever the texts hold: what a structured field can't
    /// express becomes `?`, and long texts are cut.
    pub fn write_member(&self, out: &mut String) {
        let mut list = ListSerializer::with_buffer(out);
        let cache = printable(self.cache);
        let mut member = list.bare_item(name(&cache));
        match self.handling {
            Handling::Hit => member = member.parameter(key("hit"), true),
            Handling::Forwarded(forwarded) => {
                member = member.parameter(key("fwd"), token(forwarded.reason.as_str()));
                if let Some(status) = forwarded.status {
                    member = member.parameter(key("fwd-status"), Integer::from(status));
                }
                if forwarded.stored {
                    member = member.parameter(key("stored"), true);
                }
                if forwarded.collapsed {
                    member = member.parameter(key("collapsed"), true);
                }
            }
            Handling::Refused => {}
        }
        if let Some(ttl) = self.ttl_secs {
            let within = ttl.clamp(i64::from(Integer::MIN), i64::from(Integer::MAX));
            member = member.parameter(key("ttl"), Integer::try_from(within).unwrap_or(Integer::ZERO));
        }
        if let Some(text) = self.key {
            member = member.parameter(key("key"), string(&printable(text)));
        }
        if let Some(text) = self.detail {
            member = member.parameter(key("detail"), string(&printable(text)));
        }
        let _ = member.finish();
    }

    /// The member alone, as text.
    pub fn to_member(&self) -> String {
        let mut text = String::new();
        self.write_member(&mut text);
        text
    }

    /// Puts the member behind those that the tiers above left in `headers`, as one line (RFC 9211 §2). What is there
    /// and is no list is dropped: it would make the whole field unreadable.
    pub fn append_to(&self, headers: &mut HeaderMap) {
        member::append(headers, &CACHE_STATUS, &self.to_member());
    }
}

/// The members that the tiers above left, from all lines, as one well-formed list; `None` when there are none.
///
/// For those who write heads themselves: check once when the response is stored, and later write this, `", "` and
/// [`CacheStatus::write_member`].
pub fn inherited(headers: &HeaderMap) -> Option<String> {
    member::inherited(headers, &CACHE_STATUS)
}

#[cfg(test)]
mod tests;
