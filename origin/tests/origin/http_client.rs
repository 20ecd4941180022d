//! An HTTP/1.1 client that sends what it's told and says exactly how a response ended.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Only a broken server takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With the last byte that the head promised.
    Complete,
    /// The server closed the connection before.
    CutShort,
    /// The server reset the connection.
    Reset,
}

/// A response as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) ended: Ended,
}

impl Response {
    /// The value of a field that stands at most once.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} stands twice: {:?}", self.fields);
        value
    }

    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The response, if it is complete and has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(
            (self.status, self.ended),
            (status, Ended::Complete),
            "{:?} {:?}",
            self.fields,
            self.body.get(..200)
        );
        self
    }
}

/// One connection.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

/// A response whose head has been read.
pub(crate) struct Started<'a> {
    connection: &'a mut Connection,
    response: Response,
    has_body: bool,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).expect("sent");
    }

    pub(crate) fn send_request(&mut self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: origin.test\r\n");
        for (name, value) in fields {
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        self.send(format!("{head}\r\n{body}").as_bytes());
    }

    pub(crate) fn request(
        &mut self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> io::Result<Response> {
        self.send_request(method, path, fields, body);
        Ok(self.start(method != "HEAD")?.finish())
    }

    /// Reads a response's head.
    pub(crate) fn start(&mut self, has_body: bool) -> io::Result<Started<'_>> {
        let status_line = self.line()?;
        let status =
            status_line.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or(io::ErrorKind::InvalidData)?;
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
        let response = Response { status, fields, body: Vec::new(), ended: Ended::Complete };
        let has_body = has_body && status != 204 && status != 304;
        Ok(Started { connection: self, response, has_body })
    }

    /// Whether the server has closed the connection, all told.
    pub(crate) fn is_closed(&mut self) -> bool {
        matches!(self.stream.fill_buf(), Ok([]) | Err(_))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let line = line.strip_suffix("\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(line.to_owned())
    }

    /// Reads so many bytes, or as many as come.
    fn read_into(&mut self, body: &mut Vec<u8>, size: u64) -> io::Result<()> {
        let read = (&mut self.stream).take(size).read_to_end(body)? as u64;
        if read < size { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    fn read_chunks(&mut self, body: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let size = u64::from_str_radix(&self.line()?, 16).map_err(io::Error::other)?;
            self.read_into(body, size)?;
            self.line()?;
            if size == 0 {
                return Ok(());
            }
        }
    }
}

impl Started<'_> {
    pub(crate) const fn head(&self) -> &Response {
        &self.response
    }

    pub(crate) fn finish(mut self) -> Response {
        let length = self.response.field("content-length").map(|value| value.parse().expect("a length"));
        let is_chunked = self.response.field("transfer-encoding") == Some("chunked");
        let body = &mut self.response.body;
        let outcome = match length {
            _ if !self.has_body => Ok(()),
            Some(length) => self.connection.read_into(body, length),
            None if is_chunked => self.connection.read_chunks(body),
            None => self.connection.read_into(body, u64::MAX).or(Ok(())),
        };
        self.response.ended = match outcome {
            Ok(()) => Ended::Complete,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ended::Reset,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{error}");
                Ended::CutShort
            }
        };
        self.response
    }
}
