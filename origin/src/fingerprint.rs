//! Recognises file names that carry a digest of their content, such as `index-DiwrgTda.css` or `app.3f2b1c9d.js`.
//!
//! A name taken for hashed is cached for a year, so a false positive is far worse than a miss: a miss costs some
//! revalidations, and a policy override mends either. The digest is the last run after a `-` or `.`, just before the
//! extensions, of 8 to 64 characters from `[A-Za-z0-9_-]`, and it has to look random rather than written by a person:
//! `hello-world-2024`, `Paris2024` and `of-Paris` don't.

/// Digests shorter than this are not told from words. Vite, Rollup, esbuild, Parcel and webpack emit 8 or more.
const MIN_DIGEST_CHARS: usize = 8;
/// A BLAKE3 or SHA-256 digest in hex; nothing in use is longer.
const MAX_DIGEST_CHARS: usize = 64;
/// `app-DIGEST.js.map.br` is the longest pile of extensions that build tools make.
const MAX_EXTENSIONS: usize = 3;
/// `webmanifest` is the longest extension in common use.
const MAX_EXTENSION_CHARS: usize = 12;

/// Whether the file's name carries a digest of its content.
pub fn is_fingerprinted(file_name: &str) -> bool {
    let mut stem = file_name;
    for _ in 0..MAX_EXTENSIONS {
        let Some((rest, extension)) = stem.rsplit_once('.') else { return false };
        if !is_extension(extension) {
            return false;
        }
        stem = rest;
        if ends_in_digest(stem) {
            return true;
        }
    }
    false
}

fn is_extension(text: &str) -> bool {
    text.len() <= MAX_EXTENSION_CHARS
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric())
}

fn ends_in_digest(stem: &str) -> bool {
    stem.char_indices()
        .filter(|&(at, c)| at > 0 && matches!(c, '-' | '.'))
        .any(|(at, _)| stem.get(at + 1..).is_some_and(is_digest))
}

fn is_digest(run: &str) -> bool {
    (MIN_DIGEST_CHARS..=MAX_DIGEST_CHARS).contains(&run.len())
        && run.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        && (is_hex(run) || is_base32(run) || is_base64url(run))
}

/// Lower-case hex of letters and digits both: digits alone are more often a date or a number than a digest.
fn is_hex(run: &str) -> bool {
    run.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        && run.bytes().any(|b| b.is_ascii_digit())
        && run.bytes().any(|b| b.is_ascii_alphabetic())
}

/// esbuild's digests are exactly 8 characters of `A-Z2-7`.
fn is_base32(run: &str) -> bool {
    run.len() == MIN_DIGEST_CHARS
        && run.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'7'))
        && run.bytes().any(|b| b.is_ascii_uppercase())
}

/// Mixed case and digits in an order that words don't have. A run of several words has more chances to look odd
/// (`to-use-iPhone`), so that one needs two oddities, unless it's exactly as long as Vite's digests.
fn is_base64url(run: &str) -> bool {
    let oddities: usize = run.split(['-', '_']).map(count_oddities).sum();
    let has_separator = run.contains(['-', '_']);
    oddities >= if has_separator && run.len() > MIN_DIGEST_CHARS { 2 } else { 1 }
}

/// Steps from lower to upper case, and from a digit to a letter: `Paris2024` has none, `DiwrgTda` and `3f2b` have.
fn count_oddities(word: &str) -> usize {
    word.as_bytes()
        .windows(2)
        .filter(|pair| match pair {
            [a, b] => {
                (a.is_ascii_lowercase() && b.is_ascii_uppercase()) || (a.is_ascii_digit() && b.is_ascii_alphabetic())
            }
            _ => false,
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let hashed = [
            "index-DiwrgTda.css",
            "app.3f2b1c9d.js",
            "app.3f2b1c9d.min.js",
            "app-DiwrgTda.js.map",
            "app-DiwrgTda.js.br",
            "index-B-1x_9Za.js",
            "index-a1B2-c3D4_e5.js",
            "chunk-LQ3SMZBC.js",
            "chunk-ABCDEFGH.js",
            "inter-v12-latin.0a1b2c3d4e5f60718293.woff2",
            "my-page.BxK3_9sd.webmanifest",
        ];
        let plain = [
            "index.html",
            "robots.txt",
            "DiwrgTda.css",
            "-DiwrgTda.css",
            "index-DiwrgTda",
            "app-3f2b1c9.js",
            "app-abcdefgh.js",
            "hello-world-2024.png",
            "article-about-things-2024.html",
            "report-20240131.pdf",
            "photo-of-Paris.jpg",
            "photo-Paris2024.jpg",
            "how-to-use-iPhone.png",
            "jquery-3.7.1.min.js",
            "logo-Bluebird.png",
            "app-DiwrgTda.j s",
            "app-Diwrg$Tda1x.js",
            "ünï-cödé-Naïve12x.js",
            "",
            ".",
            "..",
            "-.-",
        ];
        for (names, expected) in [(&hashed[..], true), (&plain[..], false)] {
            for name in names {
                assert_eq!(is_fingerprinted(name), expected, "{name}");
            }
        }
    }

    #[test]
    fn digest_lengths_are_bounded() {
        let longest = "3f".repeat(MAX_DIGEST_CHARS / 2);
        assert!(is_fingerprinted(&format!("a-{longest}.js")));
        assert!(!is_fingerprinted(&format!("a-{longest}3.js")));
    }
}
