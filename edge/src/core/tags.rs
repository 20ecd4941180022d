//! Surrogate tags as origins send them: `Surrogate-Key` separates them by spaces, `Cache-Tag` by commas. Both are
//! read the same way here, so a site may name either (or another field) and use either separator.

use super::id::{Tag, TagError};
use http::{HeaderMap, HeaderName};
use thiserror::Error;

/// How many tags one response may carry.
pub const MAX_TAGS: usize = 512;

/// Why the tags of a response can't all be kept. Such a response is not stored: a purge by the lost tag would miss it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TagsError {
    /// There are more than [`MAX_TAGS`].
    #[error("more than {MAX_TAGS} tags")]
    TooMany,
    /// One of them is no tag.
    #[error("{0}")]
    Bad(#[from] TagError),
}

/// The tags in the named fields, each once, sorted.
///
/// # Errors
/// [`TagsError`] if one of them can't be kept.
pub fn read_tags(headers: &HeaderMap, fields: &[HeaderName]) -> Result<Vec<Tag>, TagsError> {
    let mut tags = Vec::new();
    for value in fields.iter().flat_map(|field| headers.get_all(field)) {
        let text = value.to_str().map_err(|_| TagError::BadCharacter)?;
        for word in text.split([' ', '\t', ',']).filter(|word| !word.is_empty()) {
            if tags.len() >= MAX_TAGS {
                return Err(TagsError::TooMany);
            }
            tags.push(Tag::new(word)?);
        }
    }
    tags.sort();
    tags.dedup();
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn check(lines: &[(&'static str, &[u8])], want: Result<&[&str], TagsError>) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let value = HeaderValue::from_bytes(value).expect("a legal field value");
            headers.append(HeaderName::from_static(name), value);
        }
        let fields = [HeaderName::from_static("surrogate-key"), HeaderName::from_static("cache-tag")];
        let got = read_tags(&headers, &fields);
        let got = got.as_ref().map(|tags| tags.iter().map(Tag::as_str).collect::<Vec<_>>());
        assert_eq!(got, want.as_ref().map(|tags| tags.to_vec()), "{lines:?}");
    }

    #[test]
    fn tags_of_all_lines_and_both_separators() {
        check(&[], Ok(&[]));
        check(&[("surrogate-key", b"b a"), ("cache-tag", b"c,a , d")], Ok(&["a", "b", "c", "d"]));
        check(&[("surrogate-key", b"  "), ("surrogate-key", b"x")], Ok(&["x"]));
        check(&[("x-other", b"y")], Ok(&[]));
    }

    #[test]
    fn tags_that_cannot_be_kept() {
        check(&[("surrogate-key", b"a \xff")], Err(TagError::BadCharacter.into()));
        let long = [b'x'; 300];
        check(&[("surrogate-key", &long)], Err(TagError::TooLong(300).into()));
        let many = (0..=MAX_TAGS).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        check(&[("surrogate-key", many.as_bytes())], Err(TagsError::TooMany));
    }
}
