//! A client that sends bytes as they are, and reads responses by the rules.

use super::within;
use bytes::{Buf as _, BytesMut};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// Most fields that a response is read with.
const MOST_FIELDS: usize = 64;

/// A response.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The value of a field, if it is there.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether the node says that the connection ends with this response.
    pub(crate) fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// A connection.
pub(crate) struct Client {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    buffer: BytesMut,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let tcp = within("a connection", TcpStream::connect(address)).await;
        Self::over(tcp.unwrap_or_else(|error| panic!("{address}: {error}")))
    }

    pub(crate) fn over(tcp: TcpStream) -> Self {
        tcp.set_nodelay(true).expect("a TCP connection");
        let (read, write) = tcp.into_split();
        Self { read, write, buffer: BytesMut::new() }
    }

    /// Sends all of these bytes.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.expect("the node reads what is sent");
    }

    /// Sends these bytes, as far as the other side reads them.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        within("the node to read", self.write.write_all(bytes.as_ref())).await
    }

    /// Sends these bytes and reads one response, which may come before the last byte is sent.
    pub(crate) async fn exchange(&mut self, bytes: impl AsRef<[u8]>) -> Reply {
        let bytes = bytes.as_ref();
        let head_only = bytes.starts_with(b"HEAD ");
        let Self { read, write, buffer } = self;
        // A node that has answered need not read the rest.
        let send = async { drop(write.write_all(bytes).await) };
        let (_, reply) = within("a response", async { tokio::join!(send, read_reply(read, buffer, head_only)) }).await;
        reply.unwrap_or_else(|error| panic!("no response to {}: {error}", excerpt(bytes)))
    }

    /// Reads one response to a request other than HEAD.
    pub(crate) async fn reply(&mut self) -> Reply {
        self.try_reply().await.expect("a response")
    }

    /// Reads one response to a HEAD request.
    pub(crate) async fn reply_to_head(&mut self) -> Reply {
        within("a response", read_reply(&mut self.read, &mut self.buffer, true)).await.expect("a response")
    }

    /// Reads one response to a request other than HEAD, if it comes whole.
    pub(crate) async fn try_reply(&mut self) -> io::Result<Reply> {
        within("a response", read_reply(&mut self.read, &mut self.buffer, false)).await
    }

    /// Reads so many bytes of whatever comes.
    pub(crate) async fn bytes(&mut self, count: usize) -> Vec<u8> {
        match self.try_bytes(count).await {
            Some(bytes) => bytes,
            None => panic!("ended before {count} bytes, after {}", excerpt(&self.buffer)),
        }
    }

    /// Reads so many bytes of whatever comes, unless the connection ends before.
    pub(crate) async fn try_bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        let enough = async {
            while self.buffer.len() < count {
                if !matches!(self.read.read_buf(&mut self.buffer).await, Ok(1..)) {
                    return false;
                }
            }
            true
        };
        within("bytes", enough).await.then(|| self.buffer.split_to(count).to_vec())
    }

    /// Whether nothing has come that is not read yet, and the connection is open.
    pub(crate) fn is_silent(&mut self) -> bool {
        let nothing = self.read.try_read_buf(&mut self.buffer);
        self.buffer.is_empty() && nothing.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Reads to the end of the connection, and says what came before it.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let rest = async { while matches!(self.read.read_buf(&mut self.buffer).await, Ok(1..)) {} };
        within("the connection to end", rest).await;
        self.buffer.split().to_vec()
    }

    /// Says that nothing more will be sent, and reads to the end of the connection.
    pub(crate) async fn rest_after_end(&mut self) -> Vec<u8> {
        // The node may have closed it already.
        let _ = self.write.shutdown().await;
        self.rest().await
    }

    /// Waits until the node has closed the connection, and checks that it sent nothing more.
    pub(crate) async fn closed(&mut self) {
        let rest = self.rest().await;
        assert!(rest.is_empty(), "more came before the end: {}", excerpt(&rest));
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn end_writing(&mut self) {
        self.write.shutdown().await.expect("an open connection");
    }

    /// Breaks the connection off: whatever is in flight is lost on both sides.
    pub(crate) fn reset(self) {
        let tcp = self.read.reunite(self.write).expect("two halves of one connection");
        tcp.set_zero_linger().expect("a TCP connection");
    }
}

/// The beginning of some bytes, for a message.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    let shown = bytes[..bytes.len().min(300)].escape_ascii();
    if bytes.len() > 300 { format!("\"{shown}\"… ({} bytes)", bytes.len()) } else { format!("\"{shown}\"") }
}

async fn read_reply(read: &mut OwnedReadHalf, buffer: &mut BytesMut, head_only: bool) -> io::Result<Reply> {
    let mut reply = loop {
        if let Some(head) = take_head(buffer)? {
            break head;
        }
        more(read, buffer).await?;
    };
    if head_only || matches!(reply.status, ..200 | 204 | 304) {
        return Ok(reply);
    }
    if reply.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        loop {
            let size = line(read, buffer).await?;
            let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16);
            let size = size.map_err(|error| broken(&format!("a chunk's size: {error}")))?;
            if size == 0 {
                while !line(read, buffer).await?.is_empty() {}
                return Ok(reply);
            }
            exactly(read, buffer, size, &mut reply.body).await?;
            line(read, buffer).await?;
        }
    }
    match reply.header("content-length").map(str::parse::<usize>) {
        Some(Ok(length)) => exactly(read, buffer, length, &mut reply.body).await?,
        Some(Err(error)) => return Err(broken(&format!("Content-Length: {error}"))),
        None => {
            while read.read_buf(buffer).await? > 0 {}
            reply.body.extend_from_slice(&buffer.split());
        }
    }
    Ok(reply)
}

fn take_head(buffer: &mut BytesMut) -> io::Result<Option<Reply>> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let parsed = response.parse(buffer);
    let parsed = parsed.map_err(|error| broken(&format!("{error} in {}", excerpt(buffer))))?;
    let httparse::Status::Complete(end) = parsed else { return Ok(None) };
    let status = response.code.unwrap_or(0);
    let text =
        |field: &httparse::Header<'_>| (field.name.to_owned(), String::from_utf8_lossy(field.value).into_owned());
    let fields = response.headers.iter().map(text).collect();
    buffer.advance(end);
    Ok(Some(Reply { status, fields, body: Vec::new() }))
}

async fn more(read: &mut OwnedReadHalf, buffer: &mut BytesMut) -> io::Result<()> {
    match read.read_buf(buffer).await? {
        0 => Err(io::Error::new(ErrorKind::UnexpectedEof, format!("ended after {}", excerpt(buffer)))),
        _ => Ok(()),
    }
}

async fn line(read: &mut OwnedReadHalf, buffer: &mut BytesMut) -> io::Result<String> {
    loop {
        if let Some(end) = buffer.iter().position(|&byte| byte == b'\n') {
            let line = buffer.split_to(end + 1);
            return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
        }
        more(read, buffer).await?;
    }
}

async fn exactly(read: &mut OwnedReadHalf, buffer: &mut BytesMut, count: usize, body: &mut Vec<u8>) -> io::Result<()> {
    while buffer.len() < count {
        more(read, buffer).await?;
    }
    body.extend_from_slice(&buffer.split_to(count));
    Ok(())
}

fn broken(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what.to_owned())
}
