//! Indexes a folder as a [`Release`]: walks it, hashes every file, and settles all that responses will say.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use blake3::Hasher;
use bytes::Bytes;
use http::HeaderValue;
use walkdir::{DirEntry, WalkDir};

use crate::conditional::{Validators, sendable_date};
use crate::content::{Content, DiskFile, Stamp};
use crate::encoding::Coding;
use crate::hint::Hint;
use crate::policy::Policy;
use crate::release::{Asset, Release, Representation};
use crate::release_name::ReleaseName;
use crate::site_path::is_servable_segment;

/// What a release may take.
#[derive(Clone, Copy, Debug)]
pub struct LoadLimits {
    /// Files and folders together: the index costs about a kilobyte for each.
    pub max_entries: usize,
    /// Larger files are read from disk for each response.
    pub in_memory_file_bytes: u64,
    /// Once this much is held, further files are read from disk too. While a switch loads, there are two releases.
    pub in_memory_total_bytes: u64,
}

impl Default for LoadLimits {
    fn default() -> Self {
        Self { max_entries: 200_000, in_memory_file_bytes: 1024 * 1024, in_memory_total_bytes: 512 * 1024 * 1024 }
    }
}

/// Why a folder can't be served.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It doesn't exist, or can't be entered.
    #[error("cannot open the release folder {}", root.display())]
    Missing {
        /// The folder.
        root: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It's a file.
    #[error("{} is not a folder", root.display())]
    NotAFolder {
        /// What was given.
        root: PathBuf,
    },
    /// It has more than the index may hold.
    #[error("{} has more than {max_entries} files and folders", root.display())]
    TooMany {
        /// The folder.
        root: PathBuf,
        /// The bound.
        max_entries: usize,
    },
    /// A file in it can't be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file in it is still being written.
    #[error("{} changed while it was being read", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

impl Hint for LoadError {
    fn hint(&self) -> String {
        match self {
            Self::Missing { .. } => "build the site first, or correct the path of the folder",
            Self::NotAFolder { .. } => "give the folder that holds the built site",
            Self::TooMany { .. } => "give the folder of the built site, not one above it, such as a repository",
            Self::Unreadable { .. } => "let the user that runs the origin read all files of the release",
            Self::Changed { .. } => {
                "load the release once its build has finished; best build each one into a new folder"
            }
        }
        .to_owned()
    }
}

/// Loads a folder. Blocks; `now` is the date that no modification time may exceed.
pub fn load(
    root: &Path,
    name: ReleaseName,
    policy: &Policy,
    limits: LoadLimits,
    now: SystemTime,
) -> Result<Release, LoadError> {
    let missing = |source| LoadError::Missing { root: root.to_owned(), source };
    let canonical = root.canonicalize().map_err(missing)?;
    if !canonical.metadata().map_err(missing)?.is_dir() {
        return Err(LoadError::NotAFolder { root: root.to_owned() });
    }
    let mut indexing = Indexing { root: canonical, limits, now, in_memory_bytes: 0, skipped: 0, files: Vec::new() };
    indexing.walk()?;

    let mut digest = Hasher::new();
    for (path, file) in &indexing.files {
        let etag = file.validators.etag.as_ref().map_or(&[][..], |etag| etag.as_bytes());
        digest.update(&(path.len() as u64).to_le_bytes()).update(path.as_bytes()).update(etag);
    }
    Ok(Release {
        assets: assets(&indexing.files, &name, policy),
        total_bytes: indexing.files.iter().map(|(_, file)| file.length_bytes).sum(),
        digest: digest.finalize().to_hex().to_string(),
        name,
        root: indexing.root,
        skipped: indexing.skipped,
        loaded_at: now,
    })
}

type IndexedFile = (String, Representation);

fn assets(files: &[IndexedFile], name: &ReleaseName, policy: &Policy) -> HashMap<String, Asset> {
    let by_path: HashMap<&str, &Representation> = files.iter().map(|(path, file)| (path.as_str(), file)).collect();
    let sibling = |path: &str, coding: Coding| {
        let suffix = coding.suffix().filter(|_| policy.precompressed)?;
        by_path.get(format!("{path}{suffix}").as_str()).map(|&file| file.clone())
    };
    files
        .iter()
        .map(|(path, file)| {
            let asset = Asset {
                content_type: content_type(path),
                cache_control: policy.cache_control.of(path).clone(),
                tags: policy.tags.value(path, name),
                identity: file.clone(),
                brotli: sibling(path, Coding::Brotli),
                gzip: sibling(path, Coding::Gzip),
            };
            (path.clone(), asset)
        })
        .collect()
}

fn content_type(path: &str) -> HeaderValue {
    let known = match mime_guess::from_path(path).first_raw() {
        // RFC 9239 §6 retires the other name.
        Some("application/javascript") => "text/javascript",
        // ECMA-426: a source map is JSON.
        _ if path.ends_with(".map") => "application/json",
        Some(known) => known,
        None => "application/octet-stream",
    };
    let charset = if known.starts_with("text/") { "; charset=utf-8" } else { "" };
    HeaderValue::from_str(&format!("{known}{charset}")).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

struct Indexing {
    root: PathBuf,
    limits: LoadLimits,
    now: SystemTime,
    in_memory_bytes: u64,
    skipped: u64,
    /// Sorted by folder and name, so that the same files give the same digest.
    files: Vec<IndexedFile>,
}

impl Indexing {
    fn walk(&mut self) -> Result<(), LoadError> {
        let root = self.root.clone();
        let mut led_out = 0;
        let walk = WalkDir::new(&root).follow_links(true).sort_by_file_name().into_iter().filter_entry(|entry| {
            if is_hidden(entry) {
                return false;
            }
            let is_inside = is_inside(entry, &root);
            led_out += u64::from(!is_inside);
            is_inside
        });
        for (count, entry) in walk.enumerate() {
            if count > self.limits.max_entries {
                return Err(LoadError::TooMany { root, max_entries: self.limits.max_entries });
            }
            match entry {
                Ok(entry) if entry.file_type().is_dir() => {}
                Ok(entry) => self.index(&entry)?,
                Err(error) => self.excuse(error)?,
            }
        }
        self.skipped += led_out;
        Ok(())
    }

    /// Links that lead nowhere or in circles are passed over; all else that can't be read fails the release.
    fn excuse(&mut self, error: walkdir::Error) -> Result<(), LoadError> {
        let path = error.path().unwrap_or(&self.root).to_owned();
        if error.loop_ancestor().is_some() || path.is_symlink() {
            self.skip(&path, "a symbolic link that leads nowhere or in circles");
            return Ok(());
        }
        Err(LoadError::Unreadable { path, source: error.into() })
    }

    fn index(&mut self, entry: &DirEntry) -> Result<(), LoadError> {
        let path = entry.path();
        if !entry.file_type().is_file() {
            self.skip(path, "not a regular file");
            return Ok(());
        }
        let Some(site_path) = site_path(path, &self.root) else {
            self.skip(path, "its name can't be part of a URL's path");
            return Ok(());
        };
        let (content, digest, stamp) = self.read(path)?;
        let validators = Validators {
            etag: Some(etag(digest.as_bytes())),
            last_modified: Some(sendable_date(stamp.modified, self.now)),
        };
        self.files.push((site_path, Representation { content, length_bytes: stamp.length_bytes, validators }));
        Ok(())
    }

    fn read(&mut self, path: &Path) -> Result<(Content, blake3::Hash, Stamp), LoadError> {
        let unreadable = |source| LoadError::Unreadable { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(unreadable)?;
        let stamp = stamp(&file).map_err(unreadable)?;
        let is_small = stamp.length_bytes <= self.limits.in_memory_file_bytes
            && self.in_memory_bytes + stamp.length_bytes <= self.limits.in_memory_total_bytes;
        let (content, digest, read_bytes) = if is_small {
            let mut bytes = Vec::with_capacity(stamp.length_bytes as usize);
            (&file).take(stamp.length_bytes + 1).read_to_end(&mut bytes).map_err(unreadable)?;
            self.in_memory_bytes += stamp.length_bytes;
            let (digest, read_bytes) = (blake3::hash(&bytes), bytes.len() as u64);
            (Content::Memory(Bytes::from(bytes)), digest, read_bytes)
        } else {
            let mut hasher = Hasher::new();
            hasher.update_reader(&mut file).map_err(unreadable)?;
            let path = path.canonicalize().map_err(unreadable)?.into();
            (Content::Disk(DiskFile { path, stamp: stamp.clone() }), hasher.finalize(), hasher.count())
        };
        let is_steady = read_bytes == stamp.length_bytes && stamp == self::stamp(&file).map_err(unreadable)?;
        if is_steady { Ok((content, digest, stamp)) } else { Err(LoadError::Changed { path: path.to_owned() }) }
    }

    fn skip(&mut self, path: &Path, why: &str) {
        self.skipped += 1;
        tracing::warn!(path = %path.display(), "not served: {why}");
    }
}

fn stamp(file: &File) -> io::Result<Stamp> {
    Stamp::of(&file.metadata()?)
}

/// A strong entity tag from the first 16 bytes of the content's BLAKE3 digest.
pub fn etag(digest: &[u8]) -> HeaderValue {
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::from_str(&format!("\"{hex}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Whether an entry may be served as far as links go: what a link leads to is inside the release and isn't hidden.
fn is_inside(entry: &DirEntry, root: &Path) -> bool {
    if !entry.path_is_symlink() || entry.depth() == 0 {
        return true;
    }
    let target = entry.path().canonicalize();
    let is_inside = target.is_ok_and(|target| site_path(&target, root).is_some());
    if !is_inside {
        tracing::warn!(path = %entry.path().display(), "not served: a symbolic link that leads out of the release");
    }
    is_inside
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.depth() > 0 && entry.file_name().as_encoded_bytes().starts_with(b".")
}

/// The path within the release, if every segment of it is servable.
fn site_path(path: &Path, root: &Path) -> Option<String> {
    let relative = path.strip_prefix(root).ok()?;
    let segments: Option<Vec<&str>> =
        relative.iter().map(|segment| segment.to_str().filter(|segment| is_servable_segment(segment))).collect();
    segments.map(|segments| segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: Duration = Duration::from_secs(2_000_000_000);

    fn site(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("created");
            std::fs::write(path, text).expect("written");
        }
        dir
    }

    fn load_with(dir: &Path, limits: LoadLimits) -> Result<Release, LoadError> {
        let name = "v1".parse().expect("a name");
        load(dir, name, &Policy::default(), limits, SystemTime::UNIX_EPOCH + NOW)
    }

    fn load_it(dir: &Path) -> Release {
        load_with(dir, LoadLimits::default()).expect("loaded")
    }

    fn paths(release: &Release) -> Vec<&str> {
        let mut paths: Vec<&str> = release.assets.keys().map(String::as_str).collect();
        paths.sort_unstable();
        paths
    }

    #[test]
    fn indexes_what_may_be_served() {
        let dir = site(&[
            ("index.html", "home"),
            ("assets/app-DiwrgTda.js", "js"),
            (".vite/manifest.json", "{}"),
            ("docs/.draft.html", "draft"),
            ("docs/a b.html", "ab"),
            ("docs/back\\slash", "x"),
        ]);
        let release = load_it(dir.path());
        assert_eq!(paths(&release), ["assets/app-DiwrgTda.js", "docs/a b.html", "index.html"]);
        assert_eq!((release.skipped, release.total_bytes), (1, 8));
        let asset = &release.assets["index.html"];
        let expected = format!("\"{}\"", &blake3::hash(b"home").to_hex()[..32]);
        assert_eq!(asset.identity.validators.etag.as_ref().expect("an etag"), expected.as_str());
        assert_eq!(asset.content_type, "text/html; charset=utf-8");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_within_the_release_only() {
        use std::os::unix::fs::symlink;
        let outside = site(&[("secret.txt", "secret"), ("more/secret.txt", "secret")]);
        let dir = site(&[("a.txt", "a"), ("deep/b.txt", "b"), (".git/config", "c")]);
        let link = |target: &Path, name: &str| symlink(target, dir.path().join(name)).expect("linked");
        link(Path::new("a.txt"), "good.txt");
        link(Path::new("deep"), "good");
        link(&outside.path().join("secret.txt"), "secret.txt");
        link(&outside.path().join("more"), "more");
        link(Path::new("../../etc"), "etc");
        link(Path::new(".git"), "git");
        link(Path::new("nowhere"), "broken");
        link(Path::new("."), "deep/circle");
        link(Path::new("self"), "self");
        let release = load_it(dir.path());
        assert_eq!(paths(&release), ["a.txt", "deep/b.txt", "good.txt", "good/b.txt"]);
        assert!(release.skipped >= 6, "{}", release.skipped);

        let linked_root = outside.path().join("current");
        symlink(dir.path(), &linked_root).expect("linked");
        assert_eq!(paths(&load_it(&linked_root)), paths(&release));
    }

    #[test]
    fn siblings_are_representations_of_the_file() {
        let dir = site(&[("app.js", "plain"), ("app.js.br", "brotli"), ("app.js.gz", "gzip"), ("data.tar.gz", "tar")]);
        let release = load_it(dir.path());
        let app = &release.assets["app.js"];
        let etag = |coding| app.representation(coding).and_then(|file| file.validators.etag.clone()).expect("an etag");
        assert!(etag(Coding::Brotli) != etag(Coding::Gzip) && etag(Coding::Gzip) != etag(Coding::Identity));
        assert!(app.is_negotiated() && !release.assets["data.tar.gz"].is_negotiated());

        let plain = Policy { precompressed: false, ..Policy::default() };
        let name = "v1".parse().expect("a name");
        let release =
            load(dir.path(), name, &plain, LoadLimits::default(), SystemTime::UNIX_EPOCH + NOW).expect("loaded");
        assert!(!release.assets["app.js"].is_negotiated());
    }

    #[test]
    fn large_files_and_files_past_the_budget_stay_on_disk() {
        let dir = site(&[("a", "1234"), ("b", "12345"), ("c", "1234"), ("d", "1234"), ("e", "")]);
        let limits = LoadLimits { in_memory_file_bytes: 4, in_memory_total_bytes: 8, ..LoadLimits::default() };
        let release = load_with(dir.path(), limits).expect("loaded");
        let on_disk = |path: &&str| matches!(release.assets[*path].identity.content, Content::Disk(_));
        assert_eq!(paths(&release).into_iter().filter(on_disk).collect::<Vec<_>>(), ["b", "d"]);
        assert_eq!(release.assets["a"].identity.validators.etag, release.assets["d"].identity.validators.etag);
    }

    #[test]
    fn the_digest_tells_content_from_content() {
        let files = [("a", "1"), ("b/c", "2")];
        let digest = |files: &[(&str, &str)]| load_it(site(files).path()).digest;
        assert_eq!(digest(&files), digest(&files));
        assert_ne!(digest(&files), digest(&[("a", "1"), ("b/d", "2")]));
        assert_ne!(digest(&files), digest(&[("a", "1"), ("b/c", "3")]));
    }

    #[test]
    fn a_date_in_the_future_is_not_sent() {
        let dir = site(&[("a", "1")]);
        let file = File::options().write(true).open(dir.path().join("a")).expect("open");
        file.set_modified(SystemTime::UNIX_EPOCH + NOW * 2).expect("dated");
        let modified = load_it(dir.path()).assets["a"].identity.validators.last_modified;
        assert_eq!(modified, Some(SystemTime::UNIX_EPOCH + NOW));
    }

    #[test]
    fn errors_name_the_place_and_the_next_step() {
        let dir = site(&[("a", "1"), ("b/c", "2")]);
        let missing = load_with(&dir.path().join("nope"), LoadLimits::default());
        let file = load_with(&dir.path().join("a"), LoadLimits::default());
        let many = load_with(dir.path(), LoadLimits { max_entries: 2, ..LoadLimits::default() });
        assert!(load_with(dir.path(), LoadLimits { max_entries: 3, ..LoadLimits::default() }).is_ok());
        for (result, expected) in [(missing, "nope"), (file, "is not a folder"), (many, "more than 2 files")] {
            let error = result.expect_err(expected);
            assert!(error.to_string().contains(expected), "{error}");
            assert!(!error.hint().is_empty());
        }
    }

    #[test]
    fn content_types() {
        for (path, expected) in [
            ("a.html", "text/html; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("a.json", "application/json"),
            ("a.svg", "image/svg+xml"),
            ("a.wasm", "application/wasm"),
            ("a.woff2", "font/woff2"),
            ("a.avif", "image/avif"),
            ("a.webmanifest", "application/manifest+json"),
            ("a.js.map", "application/json"),
            ("a.xml", "text/xml; charset=utf-8"),
            ("a.webp", "image/webp"),
            ("LICENSE", "application/octet-stream"),
        ] {
            assert_eq!(content_type(path), expected, "{path}");
        }
    }
}
