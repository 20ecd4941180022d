//! The Date that a client sees.
//!
//! Pingora's HTTP/1 writer overwrites Date with the moment of writing. A response from a cache must keep the Date with
//! which the origin made it: with another one, the next cache on the way reckons another lifetime from `Expires`, and
//! another age (RFC 9111 §4.2, RFC 9110 §6.6.1). So the proxy's last hook says the right one in a field of its own, and
//! the connection, through which each head passes on its way out, puts it in its place. HTTP/2 connections are written
//! by Pingora alone; their Date is the moment of writing, and `Age` makes up for it.

use crate::proxy::DATE_FIELD;
use bytes::BytesMut;

/// What was written of a head that goes out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// An interim response: the final one is still due.
    Interim,
    /// The final head.
    Final,
}

/// Appends a response head to `out`, with the Date that it brings in [`DATE_FIELD`]. `head` is one head as Pingora
/// writes it: whole, each field in a line of its own, maybe with body bytes behind it.
pub(super) fn write_head(head: &[u8], out: &mut BytesMut) -> Written {
    let status = head.get(9..12).unwrap_or_default();
    // 101 is the last head of its exchange.
    let written = if status.starts_with(b"1") && status != b"101" { Written::Interim } else { Written::Final };
    let end = memchr::memmem::find(head, b"\r\n\r\n").map_or(head.len(), |at| at + 2);
    let (lines, rest) = head.split_at(end);
    let Some(said) = lines_of(lines).find_map(|line| value_of(line, DATE_FIELD)) else {
        out.extend_from_slice(head);
        return written;
    };
    out.reserve(head.len());
    for line in lines_of(lines) {
        if value_of(line, DATE_FIELD).is_some() {
            continue;
        }
        match value_of(line, "date") {
            Some(before) => {
                out.extend_from_slice(&line[..line.len() - before.len()]);
                out.extend_from_slice(said);
            }
            None => out.extend_from_slice(line),
        }
    }
    out.extend_from_slice(rest);
    written
}

/// The lines of a head, each with its end.
fn lines_of(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split_inclusive(|&byte| byte == b'\n')
}

/// The value in a line of the field `name`, with the line's end.
fn value_of<'l>(line: &'l [u8], name: &str) -> Option<&'l [u8]> {
    let (field, value) = line.split_at_checked(name.len())?;
    let value = value.strip_prefix(b": ")?;
    field.eq_ignore_ascii_case(name.as_bytes()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &str, want: &str, written: Written) {
        let mut out = BytesMut::new();
        assert_eq!(write_head(head.as_bytes(), &mut out), written, "{head:?}");
        assert_eq!(std::str::from_utf8(&out), Ok(want), "{head:?}");
    }

    #[test]
    fn the_date_that_is_said_takes_the_place_of_the_other() {
        check(
            "HTTP/1.1 200 OK\r\na: b\r\nDate: now\r\ntidewall-date: then\r\nc: d\r\n\r\nbody tidewall-date: x",
            "HTTP/1.1 200 OK\r\na: b\r\nDate: then\r\nc: d\r\n\r\nbody tidewall-date: x",
            Written::Final,
        );
        check(
            "HTTP/1.1 200 OK\r\nTidewall-Date: then\r\ndate: now\r\n\r\n",
            "HTTP/1.1 200 OK\r\ndate: then\r\n\r\n",
            Written::Final,
        );
    }

    #[test]
    fn other_heads_are_left_alone() {
        let plain = "HTTP/1.1 200 OK\r\nDate: now\r\nx-date: y\r\n\r\n";
        check(plain, plain, Written::Final);
        check(
            "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n",
            "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n",
            Written::Interim,
        );
        let switch = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
        check(switch, switch, Written::Final);
        check("", "", Written::Final);
    }
}
