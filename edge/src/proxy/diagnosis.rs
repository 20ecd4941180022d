//! What went wrong with an exchange: Pingora's errors in the words of RFC 9209.

use super::upstreaming::UNKNOWN_CODING;
use crate::core::proxy_status::ProxyError;
use crate::upstream::PeerError;
use pingora::{Error, ErrorType};

/// What was wrong with an exchange: an error, a response that is not used, or one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Fault {
    pub(super) error: Option<ProxyError>,
    /// The status that the next hop had answered with.
    pub(super) received_status: Option<u16>,
}

impl Fault {
    /// `received_status`: the status of the head that was read before the error, if one was.
    pub(super) fn of(error: &Error, received_status: Option<u16>) -> Self {
        // A response that is taken for an error comes as one, before its head has been through the hooks.
        let received_status = match error.etype() {
            ErrorType::HTTPStatus(status) => Some(*status),
            _ => received_status,
        };
        Self { error: diagnose(error, received_status), received_status }
    }
}

/// Which of the registered errors one of the exchange with the next hop is. `received_status`: what had come before it,
/// if a head had. `None`: it is no error of ours, but a response that the next hop made and that is not used.
pub(super) fn diagnose(error: &Error, received_status: Option<u16>) -> Option<ProxyError> {
    Some(match error.etype() {
        ErrorType::HTTPStatus(_) => return None,
        ErrorType::ConnectRefused => ProxyError::ConnectionRefused,
        ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => ProxyError::ConnectionTimeout,
        ErrorType::ConnectNoRoute => ProxyError::DestinationIpUnroutable,
        ErrorType::ConnectError | ErrorType::ConnectProxyFailure => unresolved(error),
        // No port or no socket was left: that is nothing of the origin's.
        ErrorType::BindError | ErrorType::SocketError | ErrorType::InternalError => ProxyError::ProxyInternalError,
        ErrorType::InvalidCert => ProxyError::TlsCertificateError,
        ErrorType::TLSHandshakeFailure | ErrorType::TLSWantX509Lookup => {
            tls(&error.to_string()).unwrap_or(ProxyError::TlsProtocolError)
        }
        ErrorType::ReadTimedout => ProxyError::ConnectionReadTimeout,
        ErrorType::WriteTimedout => ProxyError::ConnectionWriteTimeout,
        ErrorType::ReadError | ErrorType::WriteError | ErrorType::ConnectionClosed => {
            let closed = match received_status {
                Some(_) => ProxyError::HttpResponseIncomplete,
                None => ProxyError::ConnectionTerminated,
            };
            tls(&error.to_string()).unwrap_or(closed)
        }
        // The names are Pingora's, which keeps the constants to itself.
        ErrorType::Custom("PrematureBodyEnd") => ProxyError::HttpResponseIncomplete,
        ErrorType::Custom("InvalidChunk" | "InvalidTrailerEnd") => ProxyError::HttpResponseTransferCoding,
        etype if *etype == UNKNOWN_CODING => ProxyError::HttpResponseTransferCoding,
        ErrorType::InvalidHTTPHeader if is_large(&error.to_string()) => ProxyError::HttpResponseHeaderSectionSize,
        _ => ProxyError::HttpProtocolError,
    })
}

/// Why there was nothing to connect to, if a name had to be resolved.
fn unresolved(error: &Error) -> ProxyError {
    match error.root_cause().downcast_ref::<PeerError>() {
        Some(PeerError::Unresolved { cause, .. }) if cause.kind() == std::io::ErrorKind::TimedOut => {
            ProxyError::DnsTimeout
        }
        Some(PeerError::Unresolved { .. }) => ProxyError::DnsError,
        None => ProxyError::DestinationUnavailable,
    }
}

/// Of an error of TLS, Pingora hands on nothing but its text, which rustls writes. A peer who could put these words
/// into it would mislead about nobody but itself.
fn tls(text: &str) -> Option<ProxyError> {
    if text.contains("invalid peer certificate") {
        Some(ProxyError::TlsCertificateError)
    } else if text.contains("received fatal alert") {
        Some(ProxyError::TlsAlertReceived)
    } else {
        None
    }
}

/// As for [`tls`]: Pingora's words, and those of httparse.
fn is_large(text: &str) -> bool {
    text.contains("Response header larger than") || text.contains("too many headers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, ErrorKind};

    #[track_caller]
    fn check(error: &Error, received_status: Option<u16>, want: Option<ProxyError>) {
        assert_eq!(diagnose(error, received_status), want, "{error}");
    }

    #[test]
    fn by_type() {
        for (etype, want) in [
            (ErrorType::ConnectRefused, ProxyError::ConnectionRefused),
            (ErrorType::ConnectTimedout, ProxyError::ConnectionTimeout),
            (ErrorType::TLSHandshakeTimedout, ProxyError::ConnectionTimeout),
            (ErrorType::ConnectNoRoute, ProxyError::DestinationIpUnroutable),
            (ErrorType::ConnectError, ProxyError::DestinationUnavailable),
            (ErrorType::SocketError, ProxyError::ProxyInternalError),
            (ErrorType::InvalidCert, ProxyError::TlsCertificateError),
            (ErrorType::TLSHandshakeFailure, ProxyError::TlsProtocolError),
            (ErrorType::ReadTimedout, ProxyError::ConnectionReadTimeout),
            (ErrorType::WriteTimedout, ProxyError::ConnectionWriteTimeout),
            (ErrorType::ConnectionClosed, ProxyError::ConnectionTerminated),
            (ErrorType::ReadError, ProxyError::ConnectionTerminated),
            (ErrorType::Custom("PrematureBodyEnd"), ProxyError::HttpResponseIncomplete),
            (ErrorType::Custom("InvalidChunk"), ProxyError::HttpResponseTransferCoding),
            (ErrorType::InvalidHTTPHeader, ProxyError::HttpProtocolError),
            (ErrorType::UnknownError, ProxyError::HttpProtocolError),
        ] {
            check(&Error::new_up(etype), None, Some(want));
        }
        check(&Error::new_up(ErrorType::HTTPStatus(503)), Some(503), None);
        check(&Error::new_up(ErrorType::ConnectionClosed), Some(200), Some(ProxyError::HttpResponseIncomplete));
    }

    #[test]
    fn by_text() {
        for (etype, text, want) in [
            (
                ErrorType::TLSHandshakeFailure,
                "invalid peer certificate: UnknownIssuer",
                ProxyError::TlsCertificateError,
            ),
            (ErrorType::TLSHandshakeFailure, "received fatal alert: HandshakeFailure", ProxyError::TlsAlertReceived),
            (ErrorType::ReadError, "received fatal alert: CertificateRequired", ProxyError::TlsAlertReceived),
            (
                ErrorType::InvalidHTTPHeader,
                "Response header larger than 1048575",
                ProxyError::HttpResponseHeaderSectionSize,
            ),
            (ErrorType::InvalidHTTPHeader, "too many headers", ProxyError::HttpResponseHeaderSectionSize),
        ] {
            check(&Error::explain(etype, text).more_context("upstream a:1"), None, Some(want));
        }
    }

    #[test]
    fn names_that_do_not_resolve() {
        for (kind, want) in [(ErrorKind::TimedOut, ProxyError::DnsTimeout), (ErrorKind::Other, ProxyError::DnsError)] {
            let cause = PeerError::Unresolved { address: "a:1".into(), cause: io::Error::from(kind) };
            let error = Error::because(ErrorType::ConnectError, "no address", cause).more_context("more");
            check(&error, None, Some(want));
        }
    }
}
