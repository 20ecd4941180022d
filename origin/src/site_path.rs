//! From a request's path to the name of a file within the site.
//!
//! The name is only ever looked up in the release's index, never joined to a folder, so there is nothing to traverse.
//! What could be meant as a traversal, or could be read two ways by two servers, is refused all the same.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// What RFC 3986 §3.3 doesn't let stand in a path segment, without `/`.
const NOT_IN_PATH: &AsciiSet = &CONTROLS
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

/// A decoded path that may name a file: relative, `/`-separated, no empty, dot or hidden segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SitePath {
    /// `/docs/guide.html` is `docs/guide.html`.
    File(String),
    /// `/docs/` is `docs/`; `/` is the empty string.
    Folder(String),
}

impl SitePath {
    /// Decodes a request's path. None when it can't name anything that is served.
    pub fn parse(path: &str) -> Option<Self> {
        let encoded = path.strip_prefix('/')?;
        // An encoded slash would be one segment to a cache and two to a file system.
        if encoded.to_ascii_lowercase().contains("%2f") {
            return None;
        }
        let decoded = percent_decode_str(encoded).decode_utf8().ok()?;
        let (folder, is_folder) = match decoded.strip_suffix('/') {
            Some(folder) => (folder, true),
            None => (decoded.as_ref(), decoded.is_empty()),
        };
        let names_something = decoded.is_empty() || folder.split('/').all(is_servable_segment);
        names_something.then(|| match is_folder {
            true => Self::Folder(decoded.into_owned()),
            false => Self::File(decoded.into_owned()),
        })
    }
}

/// Whether a file or folder of this name is served: hidden ones never are.
pub fn is_servable_segment(segment: &str) -> bool {
    !segment.is_empty() && !segment.starts_with('.') && !segment.contains(|c: char| c == '\\' || c.is_control())
}

/// The path of a URL for a file or folder of the site, with the leading slash.
pub fn url_path(site_path: &str) -> String {
    format!("/{}", utf8_percent_encode(site_path, NOT_IN_PATH))
}

/// The top-level folder of a file, if it is in one.
pub fn top_level_folder(file: &str) -> Option<&str> {
    file.split_once('/').map(|(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let file = |text: &str| Some(SitePath::File(text.to_owned()));
        let folder = |text: &str| Some(SitePath::Folder(text.to_owned()));
        for (path, expected) in [
            ("/", folder("")),
            ("/a.js", file("a.js")),
            ("/docs", file("docs")),
            ("/docs/", folder("docs/")),
            ("/docs/a%20b.html", file("docs/a b.html")),
            ("/d%C3%A9j%C3%A0.html", file("déjà.html")),
            ("/%61.js", file("a.js")),
            ("/a..b", file("a..b")),
            ("/%zz", file("%zz")),
            ("*", None),
            ("", None),
            ("a.js", None),
            ("//", None),
            ("//evil.example/", None),
            ("/docs//a.html", None),
            ("/docs/a.html//", None),
            ("/..", None),
            ("/../etc/passwd", None),
            ("/docs/../../etc/passwd", None),
            ("/docs/./a.html", None),
            ("/%2e%2e/etc/passwd", None),
            ("/%2E%2e/etc/passwd", None),
            ("/docs/..%2fetc", None),
            ("/docs%2Fa.html", None),
            ("/..%5c..%5cetc", None),
            ("/a\\b", None),
            ("/a%00.html", None),
            ("/a%0d%0ab", None),
            ("/%ff", None),
            ("/.vite/manifest.json", None),
            ("/assets/.hidden", None),
            ("/%2egit/config", None),
        ] {
            assert_eq!(SitePath::parse(path), expected, "{path}");
        }
    }

    #[test]
    fn a_url_path_comes_back_as_it_was() {
        for name in ["a b#c?.html", "déjà/vu.html", "100%/x", "a[1]{2}|^`\"<>.js", "docs/"] {
            let url = url_path(name);
            assert!(url.parse::<http::Uri>().is_ok(), "{url}");
            let (SitePath::File(back) | SitePath::Folder(back)) = SitePath::parse(&url).expect(&url);
            assert_eq!(back, name);
        }
    }

    #[test]
    fn top_level() {
        assert_eq!(top_level_folder("a/b/c"), Some("a"));
        assert_eq!(top_level_folder("a"), None);
    }
}
