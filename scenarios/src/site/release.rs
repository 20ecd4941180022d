//! One release of a built site: its files, and the URLs that they are served at.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// The most files that a release may have. Scenarios read all of it, and ask for all of it in every region.
const MAX_FILES: usize = 10_000;

/// What a path of a URL may not have as it is (RFC 3986 §3.3), beyond controls and what isn't ASCII.
const NOT_IN_PATHS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A file of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteFile {
    /// The digest of its content.
    pub digest: blake3::Hash,
    /// Its size.
    pub bytes: u64,
}

/// A release: what is served.
#[derive(Debug, Clone)]
pub struct Release {
    /// Its name, such as `v1`.
    pub name: String,
    /// The folder.
    pub root: PathBuf,
    /// The files by path, without those that are hidden (which are not served).
    pub files: BTreeMap<String, SiteFile>,
}

/// A release that can't be read.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// A file or folder can't be read.
    #[error("the release {name} in {}: {cause}", root.display())]
    Unreadable {
        /// The release.
        name: String,
        /// Its folder.
        root: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// There is nothing to serve, or far too much.
    #[error("the release {name} in {} has {found}, and needs 1 to {MAX_FILES} files with names in UTF-8", root.display())]
    NoSite {
        /// The release.
        name: String,
        /// Its folder.
        root: PathBuf,
        /// What it has instead.
        found: &'static str,
    },
}

impl Release {
    /// Reads a release from the folder of a built site.
    ///
    /// # Errors
    /// If it can't be read, or is empty.
    pub fn read(name: &str, root: &Path) -> Result<Self, SiteError> {
        let unreadable = |cause| SiteError::Unreadable { name: name.to_owned(), root: root.to_owned(), cause };
        let no_site = |found| SiteError::NoSite { name: name.to_owned(), root: root.to_owned(), found };
        let root = std::fs::canonicalize(root).map_err(unreadable)?;
        let hidden = |entry: &walkdir::DirEntry| entry.depth() > 0 && entry.file_name().as_encoded_bytes()[0] == b'.';
        let mut files = BTreeMap::new();
        for entry in WalkDir::new(&root).into_iter().filter_entry(|entry| !hidden(entry)) {
            let entry = entry.map_err(|error| unreadable(error.into()))?;
            if !entry.file_type().is_file() {
                continue;
            }
            if files.len() == MAX_FILES {
                return Err(no_site("more"));
            }
            let path = entry.path().strip_prefix(&root).ok().and_then(Path::to_str);
            let path = path.ok_or_else(|| no_site("another name"))?.to_owned();
            let content = std::fs::read(entry.path()).map_err(unreadable)?;
            files.insert(path, SiteFile { digest: blake3::hash(&content), bytes: content.len() as u64 });
        }
        if files.is_empty() {
            return Err(no_site("none"));
        }
        Ok(Self { name: name.to_owned(), root, files })
    }

    /// The URL paths of all pages, each in its one form (`/x/` for `x/index.html`).
    pub fn page_urls(&self) -> impl Iterator<Item = String> {
        self.files.keys().filter(|path| is_page(path)).map(|path| url_of(path))
    }

    /// The URL paths of all files, each in its one form.
    pub fn urls(&self) -> impl Iterator<Item = String> {
        self.files.keys().map(|path| url_of(path))
    }
}

/// Whether a file is a page.
pub(super) fn is_page(path: &str) -> bool {
    path.ends_with(".html")
}

/// The one URL path of a file: that of its folder if it is an index page.
pub(super) fn url_of(path: &str) -> String {
    let path = match path.strip_suffix("index.html") {
        Some(folder) if folder.is_empty() || folder.ends_with('/') => folder,
        _ => path,
    };
    format!("/{}", utf8_percent_encode(path, NOT_IN_PATHS))
}

/// Further URL paths that answer with the file.
pub(super) fn other_url_of(path: &str) -> Option<String> {
    url_of(path).ends_with('/').then(|| format!("/{}", utf8_percent_encode(path, NOT_IN_PATHS)))
}

/// The URL path that leads to the file by way of a redirect.
pub(super) fn redirect_to(path: &str) -> Option<String> {
    let url = url_of(path);
    url.strip_suffix('/').filter(|bare| !bare.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_files() {
        for (path, url, other, redirect) in [
            ("index.html", "/", Some("/index.html"), None),
            ("docs/index.html", "/docs/", Some("/docs/index.html"), Some("/docs")),
            ("docs/a b.html", "/docs/a%20b.html", None, None),
            ("my-index.html", "/my-index.html", None, None),
            ("robots.txt", "/robots.txt", None, None),
        ] {
            assert_eq!(url_of(path), url);
            assert_eq!(other_url_of(path).as_deref(), other, "{path}");
            assert_eq!(redirect_to(path).as_deref(), redirect, "{path}");
        }
    }

    #[test]
    fn hidden_files_are_not_served_and_an_empty_folder_is_no_site() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".vite")).unwrap();
        std::fs::write(folder.path().join(".vite/manifest.json"), "{}").unwrap();
        assert!(matches!(Release::read("v1", folder.path()), Err(SiteError::NoSite { found: "none", .. })));
        std::fs::write(folder.path().join("index.html"), "hello").unwrap();
        let release = Release::read("v1", folder.path()).unwrap();
        assert_eq!(release.urls().collect::<Vec<_>>(), ["/"]);
        assert_eq!(release.files["index.html"].bytes, 5);
        assert!(matches!(Release::read("v1", Path::new("no/such")), Err(SiteError::Unreadable { .. })));
    }
}
