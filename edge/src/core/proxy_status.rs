//! `Proxy-Status`: what went wrong at each intermediary on the way of a response (RFC 9209).
//!
//! The field is a list whose first member is the intermediary nearest to the origin. Its members speak of one response
//! "and its associated request" (§2), so they are never stored: a hit tells nothing of the errors of the exchange that
//! filled it. Those that arrive with a response are passed on with that response, and this node's own stands behind
//! them.
//!
//! `next-hop` (§2.1.2) is left out on purpose: it would tell everybody where the origin is (§4).

use super::member::{self, key, name, printable, string, token};
use http::header::{HeaderMap, HeaderName};
use sfv::{Integer, ListSerializer};

/// The field's name, in lower case.
pub static PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// What one intermediary has to say about a response: a member of `Proxy-Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyStatus<'a> {
    /// The intermediary's name: the node's.
    pub proxy: &'a str,
    /// What went wrong when it tried to get a response (§2.1.1).
    pub error: Option<ProxyError>,
    /// The status that the next hop answered with, where another one is sent instead (§2.1.4).
    pub received_status: Option<u16>,
    /// Whatever else explains the outcome (§2.1.5).
    pub details: Option<&'a str>,
}

/// What can go wrong on the way of a response: those of the registered types (RFC 9209 §2.3) that a node can meet with.
///
/// Most of them say that the intermediary made the response itself. That holds for a stale response that stands in for
/// an error, too: it was not forwarded, it is the cache that generates it (RFC 9111 §4.2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyError {
    /// Resolving the next hop's name took too long (§2.3.1).
    DnsTimeout,
    /// The next hop's name does not resolve (§2.3.2).
    DnsError,
    /// Nothing says which next hop the request is for (§2.3.3).
    DestinationNotFound,
    /// The next hop can't be reached, or is known not to work (§2.3.4).
    DestinationUnavailable,
    /// There is no route to the next hop's address (§2.3.6).
    DestinationIpUnroutable,
    /// The next hop refused the connection (§2.3.7).
    ConnectionRefused,
    /// The connection was closed before the response (§2.3.8).
    ConnectionTerminated,
    /// The connection took too long to open (§2.3.9).
    ConnectionTimeout,
    /// Nothing came for too long (§2.3.10).
    ConnectionReadTimeout,
    /// Nothing could be sent for too long (§2.3.11).
    ConnectionWriteTimeout,
    /// TLS with the next hop failed (§2.3.13).
    TlsProtocolError,
    /// The next hop's certificate was not accepted (§2.3.14).
    TlsCertificateError,
    /// The next hop sent a TLS alert (§2.3.15).
    TlsAlertReceived,
    /// The request is at fault: a 4xx in the origin's name (§2.3.16).
    HttpRequestError,
    /// The request is one that the intermediary does not serve by its configuration (§2.3.17).
    HttpRequestDenied,
    /// The response began and did not end (§2.3.18).
    HttpResponseIncomplete,
    /// The response's head is too large (§2.3.19).
    HttpResponseHeaderSectionSize,
    /// The response's transfer coding can't be decoded (§2.3.24).
    HttpResponseTransferCoding,
    /// The next hop does not keep to HTTP in some other way (§2.3.28).
    HttpProtocolError,
    /// The intermediary answered by itself, and asked nobody (§2.3.29).
    ProxyInternalResponse,
    /// Something failed within the intermediary (§2.3.30).
    ProxyInternalError,
    /// The request came back to the intermediary (§2.3.32).
    ProxyLoopDetected,
}

impl ProxyError {
    /// All of them, in the order of the RFC.
    pub const ALL: [Self; 22] = [
        Self::DnsTimeout,
        Self::DnsError,
        Self::DestinationNotFound,
        Self::DestinationUnavailable,
        Self::DestinationIpUnroutable,
        Self::ConnectionRefused,
        Self::ConnectionTerminated,
        Self::ConnectionTimeout,
        Self::ConnectionReadTimeout,
        Self::ConnectionWriteTimeout,
        Self::TlsProtocolError,
        Self::TlsCertificateError,
        Self::TlsAlertReceived,
        Self::HttpRequestError,
        Self::HttpRequestDenied,
        Self::HttpResponseIncomplete,
        Self::HttpResponseHeaderSectionSize,
        Self::HttpResponseTransferCoding,
        Self::HttpProtocolError,
        Self::ProxyInternalResponse,
        Self::ProxyInternalError,
        Self::ProxyLoopDetected,
    ];

    /// The token of the registry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DnsTimeout => "dns_timeout",
            Self::DnsError => "dns_error",
            Self::DestinationNotFound => "destination_not_found",
            Self::DestinationUnavailable => "destination_unavailable",
            Self::DestinationIpUnroutable => "destination_ip_unroutable",
            Self::ConnectionRefused => "connection_refused",
            Self::ConnectionTerminated => "connection_terminated",
            Self::ConnectionTimeout => "connection_timeout",
            Self::ConnectionReadTimeout => "connection_read_timeout",
            Self::ConnectionWriteTimeout => "connection_write_timeout",
            Self::TlsProtocolError => "tls_protocol_error",
            Self::TlsCertificateError => "tls_certificate_error",
            Self::TlsAlertReceived => "tls_alert_received",
            Self::HttpRequestError => "http_request_error",
            Self::HttpRequestDenied => "http_request_denied",
            Self::HttpResponseIncomplete => "http_response_incomplete",
            Self::HttpResponseHeaderSectionSize => "http_response_header_section_size",
            Self::HttpResponseTransferCoding => "http_response_transfer_coding",
            Self::HttpProtocolError => "http_protocol_error",
            Self::ProxyInternalResponse => "proxy_internal_response",
            Self::ProxyInternalError => "proxy_internal_error",
            Self::ProxyLoopDetected => "proxy_loop_detected",
        }
    }

    /// Whether the next hop took too long: 504 rather than 502 is recommended for these (§2.3).
    pub const fn is_timeout(self) -> bool {
        matches!(
            self,
            Self::DnsTimeout | Self::ConnectionTimeout | Self::ConnectionReadTimeout | Self::ConnectionWriteTimeout
        )
    }
}

impl<'a> ProxyStatus<'a> {
    /// Nothing but a name: it handled the response, and nothing went wrong here.
    pub const fn of(proxy: &'a str) -> Self {
        Self { proxy, error: None, received_status: None, details: None }
    }

    /// The member alone, as text; well formed whatever the texts hold: what a structured field can't express becomes
    /// `?`, and long texts are cut.
    pub fn to_member(&self) -> String {
        let mut text = String::new();
        let mut list = ListSerializer::with_buffer(&mut text);
        let proxy = printable(self.proxy);
        let mut member = list.bare_item(name(&proxy));
        if let Some(error) = self.error {
            member = member.parameter(key("error"), token(error.as_str()));
        }
        if let Some(status) = self.received_status {
            member = member.parameter(key("received-status"), Integer::from(status));
        }
        if let Some(text) = self.details {
            member = member.parameter(key("details"), string(&printable(text)));
        }
        let _ = member.finish();
        text
    }

    /// Puts the member behind those that the tiers above left in `headers`, as one line (§2). What is there and is no
    /// list is dropped: it would make the whole field unreadable.
    pub fn append_to(&self, headers: &mut HeaderMap) {
        member::append(headers, &PROXY_STATUS, &self.to_member());
    }
}

/// The members that came with a response, from all lines, as one well-formed list; `None` when there are none.
pub fn inherited(headers: &HeaderMap) -> Option<String> {
    member::inherited(headers, &PROXY_STATUS)
}

#[cfg(test)]
mod tests;
