//! The bytes of a representation, wherever they are.
//!
//! **Invariant: never a short success.** A body either has exactly the announced bytes, as they were when the release
//! was indexed, or it fails, and the server closes the connection before the message is complete.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use crate::noise::Noise;

/// How much is read, or made, at a time: large enough to spare system calls, small enough for ten thousand bodies.
const CHUNK_BYTES: u64 = 64 * 1024;

/// Where the bytes come from.
#[derive(Clone, Debug)]
pub enum Content {
    /// Held since the release was indexed.
    Memory(Bytes),
    /// Read again for each response.
    Disk(DiskFile),
    /// Made up.
    Noise(Noise),
}

/// A file as it was when the release was indexed.
#[derive(Clone, Debug)]
pub struct DiskFile {
    /// Absolute, without symbolic links.
    pub path: Arc<Path>,
    /// What it looked like.
    pub stamp: Stamp,
}

/// What changes when a file changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its size.
    pub length_bytes: u64,
    /// When it was last modified, as precisely as the file system says.
    pub modified: SystemTime,
}

impl Stamp {
    /// The stamp of an open file.
    pub fn of(metadata: &std::fs::Metadata) -> io::Result<Self> {
        Ok(Self { length_bytes: metadata.len(), modified: metadata.modified()? })
    }
}

/// Content that can't be sent.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The file is gone or can't be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is another one by now.
    #[error("{} changed on disk since the release was loaded", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

impl Content {
    /// A body of these bytes. An error here means that nothing has been sent yet.
    pub async fn body(&self, range: Range<u64>) -> Result<Body, ContentError> {
        match self {
            Self::Memory(bytes) => Ok(Body::from(slice(bytes, &range))),
            Self::Disk(file) => disk_body(file, range).await,
            Self::Noise(noise) => Ok(noise_body(noise.clone(), range)),
        }
    }
}

fn slice(bytes: &Bytes, range: &Range<u64>) -> Bytes {
    let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(at(range.start)..at(range.end))
}

fn noise_body(noise: Noise, range: Range<u64>) -> Body {
    Body::from_stream(stream::unfold((noise, range), |(noise, mut left)| async move {
        let size = CHUNK_BYTES.min(left.end - left.start);
        if size == 0 {
            return None;
        }
        let mut chunk = BytesMut::zeroed(size as usize);
        noise.fill(left.start, &mut chunk);
        left.start += size;
        Some((Ok::<_, io::Error>(chunk.freeze()), (noise, left)))
    }))
}

async fn disk_body(file: &DiskFile, range: Range<u64>) -> Result<Body, ContentError> {
    let unreadable = |source| ContentError::Unreadable { path: file.path.to_path_buf(), source };
    let mut open = File::open(&file.path).await.map_err(unreadable)?;
    let stamp = Stamp::of(&open.metadata().await.map_err(unreadable)?).map_err(unreadable)?;
    if stamp != file.stamp {
        return Err(ContentError::Changed { path: file.path.to_path_buf() });
    }
    if range.start > 0 {
        open.seek(io::SeekFrom::Start(range.start)).await.map_err(unreadable)?;
    }
    let reading = Reading { open, left_bytes: range.end - range.start, stamp };
    Ok(Body::from_stream(stream::try_unfold(reading, Reading::next)))
}

struct Reading {
    open: File,
    left_bytes: u64,
    stamp: Stamp,
}

impl Reading {
    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        if self.left_bytes == 0 {
            return Ok(None);
        }
        let mut chunk = BytesMut::with_capacity(self.left_bytes.min(CHUNK_BYTES) as usize);
        let read = (&mut self.open).take(CHUNK_BYTES.min(self.left_bytes)).read_buf(&mut chunk).await? as u64;
        self.left_bytes -= read;
        let is_last = self.left_bytes == 0;
        // Before the last bytes go out, not after: a message that is complete can't be taken back.
        if read == 0 || (is_last && Stamp::of(&self.open.metadata().await?)? != self.stamp) {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file changed while it was being sent"));
        }
        Ok(Some((chunk.freeze(), self)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    async fn collect(body: Body) -> Result<Vec<u8>, axum::Error> {
        body.collect().await.map(|collected| collected.to_bytes().to_vec())
    }

    fn on_disk(dir: &Path, bytes: &[u8]) -> DiskFile {
        let path = dir.join("file");
        std::fs::write(&path, bytes).expect("written");
        let stamp = Stamp::of(&std::fs::metadata(&path).expect("metadata")).expect("a stamp");
        DiskFile { path: path.into(), stamp }
    }

    #[tokio::test]
    async fn all_kinds_give_the_same_ranges() {
        let noise = Noise::new([b"x".as_slice()]);
        let mut bytes = vec![0; CHUNK_BYTES as usize * 2 + 17];
        noise.fill(0, &mut bytes);
        let dir = tempfile::tempdir().expect("a folder");
        let kinds = [
            Content::Memory(Bytes::from(bytes.clone())),
            Content::Disk(on_disk(dir.path(), &bytes)),
            Content::Noise(noise),
        ];
        for content in kinds {
            for range in [0..bytes.len(), 0..0, 0..1, 5..5, 7..CHUNK_BYTES as usize + 9, bytes.len() - 1..bytes.len()] {
                let body = content.body(range.start as u64..range.end as u64).await.expect("a body");
                assert_eq!(collect(body).await.expect("all bytes"), bytes[range.clone()], "{content:?} {range:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_changed_file_is_refused_before_the_first_byte() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = on_disk(dir.path(), &[1; 100]);
        std::fs::write(&file.path, [1; 99]).expect("written");
        assert!(matches!(Content::Disk(file.clone()).body(0..100).await, Err(ContentError::Changed { .. })));
        std::fs::remove_file(&file.path).expect("removed");
        assert!(matches!(Content::Disk(file).body(0..100).await, Err(ContentError::Unreadable { .. })));
    }

    #[tokio::test]
    async fn a_file_that_shrinks_or_changes_under_way_fails_the_body() {
        for new_length in [CHUNK_BYTES, CHUNK_BYTES * 8, CHUNK_BYTES * 9] {
            let dir = tempfile::tempdir().expect("a folder");
            let file = on_disk(dir.path(), &vec![1; CHUNK_BYTES as usize * 8]);
            let mut body = Content::Disk(file.clone()).body(0..CHUNK_BYTES * 8).await.expect("a body");
            body.frame().await.expect("a frame").expect("the first chunk");
            let change = std::fs::OpenOptions::new().write(true).open(&file.path).expect("open");
            change.set_len(new_length).expect("resized");
            change.set_modified(SystemTime::UNIX_EPOCH).expect("dated");
            assert!(collect(body).await.is_err(), "{new_length}");
        }
    }
}
