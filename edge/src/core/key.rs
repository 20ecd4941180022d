//! The cache key: 128 bits of BLAKE3 over length-framed parts, so that no two different URLs can be confused by where
//! one part ends and the next begins, and nobody can choose two that collide.

use super::id::SiteId;
use super::url::Scheme;
use std::fmt;

/// Names a stored response before Vary: site, scheme, host, path and normalised query.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CacheKey([u8; 16]);

impl CacheKey {
    /// Hashes the parts of a URL. `query` is without its `?`; no query and an empty one differ.
    pub fn new(site: &SiteId, scheme: Scheme, host: &str, path: &str, query: Option<&str>) -> Self {
        let mut hash = Framed::new(b"tidewall key 1");
        hash.part(site.as_str().as_bytes());
        hash.part(scheme.as_str().as_bytes());
        hash.part(host.as_bytes());
        hash.part(path.as_bytes());
        hash.optional(query.map(str::as_bytes));
        Self(hash.finish())
    }

    /// The key of one variant of this key's responses (RFC 9111 §4.1). Variants of different generations don't meet.
    #[must_use]
    pub fn variant(self, variant: [u8; 16], generation: u64) -> Self {
        let mut hash = Framed::new(b"tidewall variant 2");
        hash.part(&self.0);
        hash.part(&variant);
        hash.part(&generation.to_le_bytes());
        Self(hash.finish())
    }

    /// The key of a part of this key's representation. With `asked`, the `Range` of a request, it names the fetch of
    /// that range.
    #[must_use]
    pub fn part(self, asked: Option<&[u8]>) -> Self {
        let mut hash = Framed::new(b"tidewall part 1");
        hash.part(&self.0);
        hash.optional(asked);
        Self(hash.finish())
    }

    /// The 16 bytes.
    pub const fn bytes(self) -> [u8; 16] {
        self.0
    }
}

impl From<[u8; 16]> for CacheKey {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CacheKey({self})")
    }
}

/// 16 bytes, from 32 lower-case hexadecimal digits.
pub(crate) fn parse_digits(text: &str) -> Option<[u8; 16]> {
    let is_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    (text.len() == 32 && text.bytes().all(is_hex)).then_some(())?;
    Some(u128::from_str_radix(text, 16).ok()?.to_be_bytes())
}

/// BLAKE3 over parts, each preceded by its length, under a domain name of its own.
pub(crate) struct Framed(blake3::Hasher);

impl Framed {
    pub(crate) fn new(domain: &'static [u8]) -> Self {
        let mut framed = Self(blake3::Hasher::new());
        framed.part(domain);
        framed
    }

    pub(crate) fn part(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    pub(crate) fn optional(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.part(bytes),
            None => {
                self.0.update(&u64::MAX.to_le_bytes());
            }
        }
    }

    pub(crate) fn finish(&self) -> [u8; 16] {
        let mut out = [0; 16];
        out.copy_from_slice(&self.0.finalize().as_bytes()[..16]);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(host: &str, path: &str, query: Option<&str>) -> CacheKey {
        let site = SiteId::new("docs").expect("a good name");
        CacheKey::new(&site, Scheme::Http, host, path, query)
    }

    #[test]
    fn parts_do_not_run_together() {
        let keys = [
            key("a.example", "/b", None),
            key("a.example/", "b", None),
            key("a.example", "/b", Some("")),
            key("a.example", "/b?", None),
            key("a.exampl", "e/b", None),
        ];
        for (i, a) in keys.iter().enumerate() {
            for b in &keys[i + 1..] {
                assert_ne!(a, b);
            }
        }
    }

    #[test]
    fn equal_urls_share_a_key_and_variants_do_not() {
        let a = key("a.example", "/b", Some("c"));
        assert_eq!(a, key("a.example", "/b", Some("c")));
        assert_ne!(a.variant([1; 16], 0), a.variant([2; 16], 0));
        assert_ne!(a.variant([1; 16], 0), a.variant([1; 16], 1));
        assert_ne!(a.variant([0; 16], 0), a);
        let parts = [a.part(None), a.part(Some(b"")), a.part(Some(b"bytes=0-1")), a];
        assert!((1..parts.len()).all(|i| !parts[..i].contains(&parts[i])));
    }
}
