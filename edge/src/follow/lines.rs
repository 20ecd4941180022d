//! A stream cut into lines.

use bytes::{Bytes, BytesMut};

/// The lines of a stream, each of at most so many bytes.
#[derive(Debug)]
pub(super) struct Lines {
    buffer: BytesMut,
    /// Bytes of the buffer that hold no end of a line.
    searched: usize,
    most: usize,
}

/// A line is longer than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

impl Lines {
    pub(super) fn new(most: usize) -> Self {
        Self { buffer: BytesMut::new(), searched: 0, most }
    }

    pub(super) fn push(&mut self, part: &[u8]) {
        self.buffer.extend_from_slice(part);
    }

    /// The next whole line, without its end.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, TooLong> {
        let Some(end) = memchr::memchr(b'\n', &self.buffer[self.searched..]) else {
            self.searched = self.buffer.len();
            return if self.searched > self.most { Err(TooLong) } else { Ok(None) };
        };
        let mut line = self.buffer.split_to(self.searched + end + 1);
        self.searched = 0;
        line.truncate(line.len() - 1);
        if line.len() > self.most { Err(TooLong) } else { Ok(Some(line.freeze())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        let mut lines = Lines::new(5);
        let mut got = Vec::new();
        for part in ["a", "b\n", "\nc", "", "d\nefghi\n", "j"] {
            lines.push(part.as_bytes());
            while let Some(line) = lines.next().expect("short lines") {
                got.push(String::from_utf8_lossy(&line).into_owned());
            }
        }
        assert_eq!(got, ["ab", "", "cd", "efghi"]);
        lines.push(b"klmnop");
        assert_eq!(lines.next(), Err(TooLong));
        let mut lines = Lines::new(5);
        lines.push(b"abcdef\n");
        assert_eq!(lines.next(), Err(TooLong));
    }
}
