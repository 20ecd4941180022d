//! Which release the bytes of a response are from.

use super::release::{Release, other_url_of, url_of};
use std::collections::HashMap;

/// The contents that each URL has had, by release.
#[derive(Debug, Clone)]
pub struct SiteHistory {
    names: Vec<String>,
    /// Per URL path, the digest of each release's file; `None` where it has none.
    contents: HashMap<String, Vec<Option<blake3::Hash>>>,
}

impl SiteHistory {
    /// Knows these releases, in the order of their deployment.
    pub fn new(releases: &[Release]) -> Self {
        let mut contents: HashMap<String, Vec<Option<blake3::Hash>>> = HashMap::new();
        for (number, release) in releases.iter().enumerate() {
            for (path, file) in &release.files {
                for url in std::iter::once(url_of(path)).chain(other_url_of(path)) {
                    contents.entry(url).or_insert_with(|| vec![None; releases.len()])[number] = Some(file.digest);
                }
            }
        }
        Self { names: releases.iter().map(|release| release.name.clone()).collect(), contents }
    }

    /// The names of the releases whose file at this URL path has this content. None: it is no release's.
    pub fn releases_of(&self, url: &str, body: &[u8]) -> Vec<&str> {
        let Some(digests) = self.contents.get(url) else { return Vec::new() };
        let digest = blake3::hash(body);
        let same = digests.iter().zip(&self.names).filter(|(known, _)| **known == Some(digest));
        same.map(|(_, name)| name.as_str()).collect()
    }

    /// Whether some release has no file at this URL path, so that a 404 is in order at some time.
    pub fn may_be_missing(&self, url: &str) -> bool {
        self.contents.get(url).is_none_or(|digests| digests.contains(&None))
    }

    /// Whether a release has a file at this URL path.
    pub fn has(&self, release: &str, url: &str) -> bool {
        let number = self.names.iter().position(|name| name == release);
        number.zip(self.contents.get(url)).is_some_and(|(number, digests)| digests[number].is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::SiteFile;
    use std::path::PathBuf;

    #[test]
    fn bytes_tell_their_release() {
        let release = |name: &str, files: &[(&str, &str)]| Release {
            name: name.to_owned(),
            root: PathBuf::new(),
            files: files
                .iter()
                .map(|(path, text)| {
                    ((*path).to_owned(), SiteFile { digest: blake3::hash(text.as_bytes()), bytes: text.len() as u64 })
                })
                .collect(),
        };
        let history = SiteHistory::new(&[
            release("v1", &[("a/index.html", "one"), ("same.txt", "same"), ("gone", "x")]),
            release("v2", &[("a/index.html", "two"), ("same.txt", "same")]),
        ]);
        for (url, body, want) in [
            ("/a/", "one", &["v1"][..]),
            ("/a/index.html", "two", &["v2"]),
            ("/same.txt", "same", &["v1", "v2"]),
            ("/a/", "three", &[]),
            ("/nowhere", "one", &[]),
            ("/gone", "x", &["v1"]),
        ] {
            assert_eq!(history.releases_of(url, body.as_bytes()), want, "{url} {body}");
        }
        assert!(history.may_be_missing("/gone") && history.may_be_missing("/nowhere"));
        assert!(!history.may_be_missing("/a/"));
        assert!(history.has("v1", "/gone") && !history.has("v2", "/gone") && !history.has("v9", "/a/"));
    }
}
