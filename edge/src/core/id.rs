//! Checked names: a PoP, a node, a site, an origin; a surrogate tag.

use std::fmt;
use thiserror::Error;

/// Longest name that a fleet file may give to a PoP, node, site, origin or token, in bytes.
pub const MAX_NAME_BYTES: usize = 63;

/// Longest surrogate tag, in bytes. The limit of the field's other CDNs is 1,024 per tag; 256 keeps an index bounded
/// in memory and is beyond what sites use.
pub const MAX_TAG_BYTES: usize = 256;

/// A name that is not made as names must be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// The name has no character.
    #[error("a name can't be empty")]
    Empty,
    /// The name is longer than [`MAX_NAME_BYTES`].
    #[error("a name has at most {MAX_NAME_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// The name has a character outside `a-z 0-9 - _ .`, or does not begin with a letter or digit.
    #[error("{0:?} can't stand in a name: use a-z, 0-9, '-', '_' and '.', beginning with a letter or digit")]
    BadCharacter(char),
}

fn checked_name(text: &str) -> Result<Box<str>, NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > MAX_NAME_BYTES {
        return Err(NameError::TooLong(text.len()));
    }
    for (at, c) in text.chars().enumerate() {
        let ok = c.is_ascii_lowercase() || c.is_ascii_digit() || (at > 0 && matches!(c, '-' | '_' | '.'));
        if !ok {
            return Err(NameError::BadCharacter(c));
        }
    }
    Ok(text.into())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks and takes a name: 1 to [`MAX_NAME_BYTES`] bytes of `a-z 0-9 - _ .`.
            ///
            /// # Errors
            /// [`NameError`] says what is wrong with it.
            pub fn new(text: &str) -> Result<Self, NameError> {
                checked_name(text).map(Self)
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The name of a point of presence, such as `fra`.
    PopId
);
name!(
    /// The name of a node, unique in the fleet, such as `fra-1`.
    NodeId
);
name!(
    /// The name of a site, such as `docs`.
    SiteId
);
name!(
    /// The name of an origin that sites are fetched from.
    OriginId
);
name!(
    /// The name of a token (never its secret).
    TokenId
);

/// A tag that can't be kept.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TagError {
    /// The tag has no character.
    #[error("a tag can't be empty")]
    Empty,
    /// The tag is longer than [`MAX_TAG_BYTES`].
    #[error("a tag has at most {MAX_TAG_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// The tag has a byte that is not visible ASCII, or a comma (which separates tags).
    #[error("a tag is made of visible ASCII characters without spaces and commas")]
    BadCharacter,
}

/// A surrogate tag (also called surrogate key or cache tag): visible ASCII without space and comma, compared
/// case-sensitively.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Box<str>);

impl Tag {
    /// Checks and takes a tag of 1 to [`MAX_TAG_BYTES`] bytes.
    ///
    /// # Errors
    /// [`TagError`] says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, TagError> {
        if text.is_empty() {
            return Err(TagError::Empty);
        }
        if text.len() > MAX_TAG_BYTES {
            return Err(TagError::TooLong(text.len()));
        }
        if !text.bytes().all(|b| b.is_ascii_graphic() && b != b',') {
            return Err(TagError::BadCharacter);
        }
        Ok(Self(text.into()))
    }

    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (text, want) in [
            ("fra-1", Ok(())),
            ("a", Ok(())),
            ("9_x.y", Ok(())),
            ("", Err(NameError::Empty)),
            ("-a", Err(NameError::BadCharacter('-'))),
            ("Fra", Err(NameError::BadCharacter('F'))),
            ("a b", Err(NameError::BadCharacter(' '))),
        ] {
            assert_eq!(NodeId::new(text).map(|_| ()), want, "{text:?}");
        }
        assert_eq!(NodeId::new(&"x".repeat(64)), Err(NameError::TooLong(64)));
    }

    #[test]
    fn tags() {
        for (text, want) in [
            ("release:v1", Ok(())),
            ("Dir/α", Err(TagError::BadCharacter)),
            ("a b", Err(TagError::BadCharacter)),
            ("a,b", Err(TagError::BadCharacter)),
            ("", Err(TagError::Empty)),
        ] {
            assert_eq!(Tag::new(text).map(|_| ()), want, "{text:?}");
        }
    }
}
