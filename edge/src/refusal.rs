//! Layer 4: the answers that the node makes itself, in one place: a status, what is wrong, and what to do.

use crate::core::cache_status::{CacheStatus, Handling};
use crate::core::proxy_status::{ProxyError, ProxyStatus};
use http::StatusCode;

/// Why a request gets no response from a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// What is wrong, in words for whoever sent the request.
    pub what: &'static str,
    /// A word for logs, metrics and Cache-Status.
    pub reason: &'static str,
    /// What Proxy-Status calls it.
    pub error: ProxyError,
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $status:ident, $reason:literal, $what:literal $(, $error:ident)?;)*) => {
        impl Refusal {
            $($(#[$doc])* pub const $name: Self =
                Self { status: StatusCode::$status, what: $what, reason: $reason, error: error!($($error)?) };)*
        }
    };
}

/// Most refusals are the request's fault, and a 4xx.
macro_rules! error {
    () => {
        ProxyError::HttpRequestError
    };
    ($error:ident) => {
        ProxyError::$error
    };
}

refusals! {
    /// The head can't be parsed.
    MALFORMED = BAD_REQUEST, "malformed-head", "The request head is malformed.";
    /// Host is absent.
    NO_HOST = BAD_REQUEST, "no-host", "The request has no Host field; it needs one.";
    /// Host is there more than once, or differs from the target's authority.
    TWO_HOSTS = BAD_REQUEST, "two-hosts", "The request names its host more than once.";
    /// Host is no host.
    BAD_HOST = BAD_REQUEST, "bad-host", "The Host field holds no host name.";
    /// Connection names what doesn't concern the connection alone, or too much, or something that is no name.
    BAD_CONNECTION = BAD_REQUEST, "bad-connection",
        "The Connection field names a field that every recipient needs, more than it may, or something that is no name.";
    /// Content-Length can't be read, or there are several.
    BAD_LENGTH = BAD_REQUEST, "bad-content-length", "The Content-Length field is not one number.";
    /// Content-Length and Transfer-Encoding contradict each other, or the encoding is not chunked at its end.
    BAD_FRAMING = BAD_REQUEST, "bad-framing", "The request's body is framed in a way that can be read in two ways.";
    /// A transfer coding that is not understood.
    BAD_CODING = NOT_IMPLEMENTED, "unknown-transfer-coding",
        "The only transfer coding understood here is chunked.", HttpRequestDenied;
    /// Another version of HTTP.
    BAD_VERSION = HTTP_VERSION_NOT_SUPPORTED, "http-version",
        "This listener speaks HTTP/1.0 and HTTP/1.1.", HttpRequestDenied;
    /// The request line is too long.
    LONG_TARGET = URI_TOO_LONG, "request-line-too-long", "The request line is too long.";
    /// The head is too large, or has too many fields.
    LARGE_HEAD = REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large", "The request head is too large.";
    /// The body is too large.
    LARGE_BODY = PAYLOAD_TOO_LARGE, "body-too-large", "The request body is too large.";
    /// The head took too long.
    SLOW_HEAD = REQUEST_TIMEOUT, "head-timeout", "The request head took too long to arrive.";
    /// The body took too long.
    SLOW_BODY = REQUEST_TIMEOUT, "body-timeout", "The request body took too long to arrive.";
    /// The body can't be read.
    BAD_BODY = BAD_REQUEST, "malformed-body", "The request body is malformed, or ends early.";
    /// No site has this host.
    UNKNOWN_HOST = MISDIRECTED_REQUEST, "unknown-host", "No site with this host is served here.", DestinationNotFound;
    /// The method is not served on the public listener.
    BAD_METHOD = METHOD_NOT_ALLOWED, "method-not-allowed",
        "This method is not served here; purges go to the admin server.";
    /// The target is not one that a site can answer.
    BAD_TARGET = BAD_REQUEST, "bad-target", "The request target is not a path.";
    /// The origin, or the tier above, can't be reached or broke off.
    BAD_GATEWAY = BAD_GATEWAY, "upstream-failed",
        "The origin could not be reached, or broke off its response.", DestinationUnavailable;
    /// The origin, or the tier above, took too long.
    GATEWAY_TIMEOUT = GATEWAY_TIMEOUT, "upstream-timeout", "The origin took too long to answer.", ConnectionReadTimeout;
    /// The client asked for a stored response, and there is none.
    ONLY_IF_CACHED = GATEWAY_TIMEOUT, "only-if-cached", "Nothing is stored for this request.", ProxyInternalResponse;
    /// The request has been here before.
    LOOP = LOOP_DETECTED, "loop",
        "The request came back to this CDN: an origin's address leads to one of its nodes.", ProxyLoopDetected;
    /// The node does not know yet what was purged.
    STARTING = SERVICE_UNAVAILABLE, "starting",
        "The node has just started and is not ready.", ProxyInternalResponse;
    /// Something failed within the node.
    INTERNAL = INTERNAL_SERVER_ERROR, "internal", "The node failed to answer.", ProxyInternalError;
}

impl Refusal {
    /// For a failure of the origin, or of the tier above: the status that RFC 9209 §2.3 recommends, or 502 where it
    /// recommends 503, which would have clients think that it is we who are overloaded.
    pub fn of_upstream(error: ProxyError) -> Self {
        let refusal = match error {
            ProxyError::ProxyInternalError => Self::INTERNAL,
            _ if error.is_timeout() => Self::GATEWAY_TIMEOUT,
            _ => Self::BAD_GATEWAY,
        };
        Self { error, ..refusal }
    }

    /// The node's member of Proxy-Status. `received_status`: what the next hop had answered, if it had.
    pub fn proxy_status<'a>(&self, node: &'a str, received_status: Option<u16>) -> ProxyStatus<'a> {
        // The other types say it all; these two say only that it was the request.
        let details = match self.error {
            ProxyError::HttpRequestError | ProxyError::HttpRequestDenied => Some(self.reason),
            _ => None,
        };
        ProxyStatus { proxy: node, error: Some(self.error), received_status, details }
    }

    /// The node's member of Cache-Status.
    pub fn cache_status<'a>(&self, node: &'a str, handling: Handling) -> CacheStatus<'a> {
        CacheStatus { cache: node, handling, ttl_secs: None, key: None, detail: Some(self.reason) }
    }

    /// The body: plain text, for a person.
    pub fn body(&self, node: &str, request_id: Option<&str>) -> String {
        let mut body = format!("{}\n\n{}\n\nnode: {node}\n", self.status, self.what);
        if let Some(id) = request_id {
            body.push_str(&format!("request id: {id}\n"));
        }
        body
    }

    /// The whole response as HTTP/1.1 bytes, after which the connection is closed. `head_only`: it answers HEAD.
    pub fn http1(&self, node: &str, now: crate::core::time::Timestamp, head_only: bool) -> Vec<u8> {
        let body = self.body(node, None);
        let mut head = format!(
            "HTTP/1.1 {}\r\nDate: {}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nCache-Status: {}\r\nProxy-Status: {}\r\nConnection: close\r\n",
            self.status,
            crate::core::time::format_http_date(now),
            body.len(),
            self.cache_status(node, Handling::Refused).to_member(),
            self.proxy_status(node, None).to_member(),
        );
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            head.push_str("Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n");
        }
        head.push_str("\r\n");
        if !head_only {
            head.push_str(&body);
        }
        head.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_upstream(error: ProxyError, want: &Refusal) {
        let refusal = Refusal::of_upstream(error);
        assert_eq!((refusal.status, refusal.reason, refusal.error), (want.status, want.reason, error));
    }

    #[test]
    fn failures_of_the_next_hop() {
        check_upstream(ProxyError::ConnectionRefused, &Refusal::BAD_GATEWAY);
        check_upstream(ProxyError::DnsError, &Refusal::BAD_GATEWAY);
        check_upstream(ProxyError::DestinationUnavailable, &Refusal::BAD_GATEWAY);
        check_upstream(ProxyError::DnsTimeout, &Refusal::GATEWAY_TIMEOUT);
        check_upstream(ProxyError::ConnectionReadTimeout, &Refusal::GATEWAY_TIMEOUT);
        check_upstream(ProxyError::ProxyInternalError, &Refusal::INTERNAL);
    }

    /// A node's name need not be a token of a structured field.
    #[test]
    fn the_head_is_well_formed() {
        for (node, name) in [("fra-1", "fra-1"), ("9-fra", "\"9-fra\"")] {
            let bytes = Refusal::NO_HOST.http1(node, crate::core::time::Timestamp::EPOCH, true);
            let head = String::from_utf8(bytes).unwrap();
            let told = format!("\r\nProxy-Status: {name};error=http_request_error;details=\"no-host\"\r\n");
            assert!(head.contains(&format!("\r\nCache-Status: {name};detail=\"no-host\"\r\n")), "{head}");
            assert!(head.contains(&told), "{head}");
        }
    }
}
