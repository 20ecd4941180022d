//! A client that sees a response byte by byte.

use super::{HOST, within};
use bytes::{Buf, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// One request on a connection of its own, and its response.
pub(crate) struct Exchange {
    stream: TcpStream,
    received: BytesMut,
    left: Left,
}

/// What is left of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// The head has not been read.
    All,
    Bytes(u64),
    /// Of the current chunk so many; then more chunks.
    Chunks(u64),
    Nothing,
}

/// The connection ended before the response did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken;

impl Exchange {
    /// Sends the bytes of a request.
    pub(crate) async fn send(address: SocketAddr, request: &str) -> Self {
        Self::send_from(TcpSocket::new_v4().expect("a socket"), address, request).await
    }

    /// Sends a GET request.
    pub(crate) async fn get(address: SocketAddr, target: &str) -> Self {
        Self::send(address, &get_request(target)).await
    }

    /// Sends a GET request, by way of a connection that takes little that isn't read.
    pub(crate) async fn get_slowly(address: SocketAddr, target: &str) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        Self::send_from(socket, address, &get_request(target)).await
    }

    async fn send_from(socket: TcpSocket, address: SocketAddr, request: &str) -> Self {
        let mut stream = within("a connection", socket.connect(address)).await.expect("the node listens");
        stream.write_all(request.as_bytes()).await.expect("the node reads");
        Self { stream, received: BytesMut::new(), left: Left::All }
    }

    /// Reads the head: status and fields.
    pub(crate) async fn head(&mut self) -> Result<(u16, HeaderMap), Broken> {
        assert_eq!(self.left, Left::All, "the head was read already");
        let end = loop {
            match self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(at) => break at,
                None => self.more().await?,
            }
        };
        let head = self.received.split_to(end + 4);
        let head = std::str::from_utf8(&head[..end]).expect("text");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let status: u16 = status.expect("a status line");
        let mut fields = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").expect("a field line");
            fields.append(
                HeaderName::from_bytes(name.as_bytes()).expect("a field name"),
                HeaderValue::from_str(value).expect("a field value"),
            );
        }
        let length = fields.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        self.left = match length {
            _ if fields.contains_key(TRANSFER_ENCODING) => Left::Chunks(0),
            Some(bytes) if !matches!(status, 204 | 304) => Left::Bytes(bytes),
            _ => Left::Nothing,
        };
        Ok((status, fields))
    }

    /// Reads some more of the body; nothing at its end.
    pub(crate) async fn part(&mut self) -> Result<Vec<u8>, Broken> {
        self.part_of(usize::MAX).await
    }

    async fn part_of(&mut self, most: usize) -> Result<Vec<u8>, Broken> {
        if self.left == Left::Chunks(0) {
            self.next_chunk().await?;
        }
        let left = match self.left {
            Left::All => panic!("read the head first"),
            Left::Nothing | Left::Bytes(0) => return Ok(Vec::new()),
            Left::Bytes(left) | Left::Chunks(left) => left,
        };
        if self.received.is_empty() {
            self.more().await?;
        }
        let take = self.received.len().min(usize::try_from(left).unwrap_or(usize::MAX)).min(most);
        let part = self.received.split_to(take).to_vec();
        let left = left - take as u64;
        if let Left::Bytes(_) = self.left {
            self.left = Left::Bytes(left);
        } else {
            self.left = Left::Chunks(left);
            if left == 0 {
                self.skip_line().await?;
            }
        }
        Ok(part)
    }

    /// Reads so many bytes of the body.
    pub(crate) async fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Broken> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            let part = self.part_of(count - bytes.len()).await?;
            assert!(!part.is_empty(), "the body has only {} bytes", bytes.len());
            bytes.extend(part);
        }
        Ok(bytes)
    }

    /// Reads the head and so many bytes of the body.
    pub(crate) async fn bytes_after_head(&mut self, count: usize) {
        assert_eq!(self.head().await.expect("a head").0, 200);
        self.bytes(count).await.expect("the beginning of the body");
    }

    /// Sends more of the request.
    pub(crate) async fn send_more(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.expect("the node reads");
    }

    /// Reads the head that follows an interim response.
    pub(crate) async fn next_head(&mut self) -> Result<(u16, HeaderMap), Broken> {
        self.left = Left::All;
        self.head().await
    }

    /// Reads the body to its end.
    pub(crate) async fn rest(&mut self) -> Result<Vec<u8>, Broken> {
        let mut bytes = Vec::new();
        loop {
            let part = self.part().await?;
            if part.is_empty() {
                return Ok(bytes);
            }
            bytes.extend(part);
        }
    }

    /// Reads a whole response: status and body.
    pub(crate) async fn whole(mut self) -> Result<(u16, Vec<u8>), Broken> {
        let (status, _) = self.head().await?;
        Ok((status, self.rest().await?))
    }

    async fn next_chunk(&mut self) -> Result<(), Broken> {
        let line = self.skip_line().await?;
        let size = std::str::from_utf8(&line).ok().and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
        match size.expect("the size of a chunk") {
            0 => {
                self.skip_line().await?;
                self.left = Left::Nothing;
            }
            size => self.left = Left::Chunks(size),
        }
        Ok(())
    }

    async fn skip_line(&mut self) -> Result<Vec<u8>, Broken> {
        loop {
            if let Some(at) = self.received.iter().position(|&byte| byte == b'\n') {
                let line = self.received.split_to(at).to_vec();
                self.received.advance(1);
                return Ok(line);
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Result<(), Broken> {
        match within("more of a response", self.stream.read_buf(&mut self.received)).await {
            Ok(0) | Err(_) => Err(Broken),
            Ok(_) => Ok(()),
        }
    }
}

fn get_request(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}
