//! Borrowed views of message heads: what the caching rules look at, whoever owns the bytes.

use http::{HeaderMap, Method, StatusCode};

/// The head of a request, as it goes upstream or is matched against a stored response.
///
/// The target is not part of it: two requests with the same cache key differ only in what is here.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    /// The method. For storing, that of the request that went upstream: a HEAD that was sent on as GET is GET.
    pub method: &'a Method,
    /// All field lines.
    pub headers: &'a HeaderMap,
}

impl<'a> RequestHead<'a> {
    /// A view of a request's method and fields.
    pub const fn new(method: &'a Method, headers: &'a HeaderMap) -> Self {
        Self { method, headers }
    }
}

/// The head of a response, as received or as stored.
#[derive(Debug, Clone, Copy)]
pub struct ResponseHead<'a> {
    /// The final status; interim ones never come here.
    pub status: StatusCode,
    /// All field lines.
    pub headers: &'a HeaderMap,
}

impl<'a> ResponseHead<'a> {
    /// A view of a response's status and fields.
    pub const fn new(status: StatusCode, headers: &'a HeaderMap) -> Self {
        Self { status, headers }
    }
}

/// Statuses that may be given a lifetime when the response states none: "heuristically cacheable" in RFC 9110 §15.1.
pub fn is_heuristically_cacheable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 206 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// Statuses whose requirements for caches this one knows and meets (RFC 9111 §3, §5.2.2.3 `must-understand`).
///
/// Not here: 304, which is not stored as it is, 401 and 407, which belong to one client, and whatever has
/// no definition in RFC 9110 or in an RFC that we have read.
pub fn is_understood(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200 | 203 | 204 | 206 | 300..=303 | 307 | 308 | 400 | 403..=406 | 409 | 410 | 413..=415 | 422 | 429 | 451 | 500..=505
    )
}
