//! Lists of targets: the arguments, and `--from FILE`.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Largest list that is read, in bytes: [`crate::target::MAX_TARGETS`] long URLs.
pub const MAX_LIST_BYTES: u64 = 64 << 20;

/// A target as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The text.
    pub text: String,
    /// Where it stands, as in `urls.txt:3`; `None` if it is an argument.
    pub place: Option<String>,
}

impl From<String> for Word {
    fn from(text: String) -> Self {
        Self { text, place: None }
    }
}

/// A list that can't be read.
#[derive(Debug, Error)]
pub enum ListError {
    /// It can't be opened or read.
    #[error("{file}: can't be read: {cause}\n    hint: check the path given with --from; - stands for standard input")]
    Unreadable {
        /// Its name.
        file: String,
        /// Why not.
        cause: io::Error,
    },
    /// It is larger than [`MAX_LIST_BYTES`].
    #[error("{0}: is larger than 64 MiB\n    hint: purge a prefix, a tag or the site instead")]
    TooLarge(String),
    /// It is not text.
    #[error("{file}:{line}: is not UTF-8\n    hint: write one target per line, URLs percent-encoded")]
    NotText {
        /// Its name.
        file: String,
        /// The line, counted from 1.
        line: usize,
    },
}

/// Where a list comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListSource {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl From<&Path> for ListSource {
    /// `-` is standard input.
    fn from(path: &Path) -> Self {
        if path == Path::new("-") { Self::Stdin } else { Self::File(path.to_owned()) }
    }
}

impl ListSource {
    /// Reads the list: one target per line; empty lines and those that begin with `#` don't count.
    ///
    /// # Errors
    /// [`ListError`]: unreadable, too large, or not text.
    pub fn read(&self) -> Result<Vec<Word>, ListError> {
        let (file, bytes) = match self {
            Self::Stdin => ("standard input".to_owned(), read_bounded(io::stdin().lock())),
            Self::File(path) => (path.display().to_string(), std::fs::File::open(path).and_then(read_bounded)),
        };
        match bytes {
            Ok(bytes) if bytes.len() as u64 > MAX_LIST_BYTES => Err(ListError::TooLarge(file)),
            Ok(bytes) => words(&file, &bytes),
            Err(cause) => Err(ListError::Unreadable { file, cause }),
        }
    }
}

/// One byte more than allowed shows that there is more.
fn read_bounded(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(MAX_LIST_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn words(file: &str, bytes: &[u8]) -> Result<Vec<Word>, ListError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|&&b| b == b'\n').count() + 1;
        ListError::NotText { file: file.to_owned(), line }
    })?;
    // Editors on Windows begin a text with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().map(str::trim).enumerate();
    let counted = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    Ok(counted.map(|(at, line)| Word { text: line.to_owned(), place: Some(format!("{file}:{}", at + 1)) }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let check = |text: &[u8], want: &[(&str, &str)]| {
            let got = words("l", text).expect("a list");
            let want: Vec<Word> =
                want.iter().map(|&(text, place)| Word { text: text.into(), place: Some(place.into()) }).collect();
            assert_eq!(got, want, "{text:?}");
        };
        check(b"", &[]);
        check(b"# nothing\n\n  # yet\n", &[]);
        check(b"a\r\n\n b # c \nd", &[("a", "l:1"), ("b # c", "l:3"), ("d", "l:4")]);
        check(b"\xef\xbb\xbfa\n", &[("a", "l:1")]);
        check(b"http://h/#f\n", &[("http://h/#f", "l:1")]);
    }

    #[test]
    fn what_is_no_list() {
        assert!(matches!(words("l", b"a\nb\xff\n"), Err(ListError::NotText { line: 2, .. })));
        let missing = ListSource::from(Path::new("no/such/list"));
        assert!(matches!(missing.read(), Err(ListError::Unreadable { .. })));
        assert_eq!(ListSource::from(Path::new("-")), ListSource::Stdin);
    }
}
