//! The rules by which a node makes keys of URLs and reads the tags of responses, in one word: two nodes that differ in it
//! may take one purge for two things.
//!
//! So a purge carries the rules by which its selectors were made, and a request to the tier above those of its URL. Who has
//! others hides more, or goes past what is stored.

use super::id::SiteId;
use super::key::{Framed, parse_digits};
use super::url::QueryRule;
use http::HeaderName;
use std::fmt;

/// Goes up when the node itself makes other keys or reads tags in another way: [`super::url`], [`super::key`],
/// [`super::tags`].
const VERSION: &[u8] = b"tidewall key rules 1";

/// A digest of the rules of one site, or of several: 128 bits of BLAKE3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct KeyRules([u8; 16]);

impl KeyRules {
    /// Those of a site with these hosts, whose queries are normalised like this and whose tags are in these fields.
    pub fn of_site(site: &SiteId, hosts: &[String], query: &QueryRule, tag_fields: &[HeaderName]) -> Self {
        let QueryRule { sort, keep, drop } = query;
        let mut hash = Framed::new(VERSION);
        hash.part(site.as_str().as_bytes());
        hash.part(&[u8::from(*sort), u8::from(keep.is_some())]);
        let fields: Vec<&str> = tag_fields.iter().map(HeaderName::as_str).collect();
        for list in [texts(hosts), texts(keep.as_deref().unwrap_or_default()), texts(drop), fields] {
            // A set: in which order they are written down says nothing.
            let mut list = list;
            list.sort_unstable();
            hash.part(&(list.len() as u64).to_le_bytes());
            list.iter().for_each(|text| hash.part(text.as_bytes()));
        }
        Self(hash.finish())
    }

    /// Those of several sites, in their order; a site that is not known has none.
    pub fn of_sites<'s>(sites: impl IntoIterator<Item = (&'s SiteId, Option<Self>)>) -> Self {
        let mut hash = Framed::new(VERSION);
        for (site, rules) in sites {
            hash.part(site.as_str().as_bytes());
            hash.optional(rules.as_ref().map(|rules| rules.0.as_slice()));
        }
        Self(hash.finish())
    }

    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        parse_digits(text).map(Self)
    }
}

fn texts(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

impl fmt::Display for KeyRules {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(site: &str, hosts: &[&str], keep: Option<&[&str]>, drop: &[&str], fields: &[&'static str]) -> KeyRules {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let query = QueryRule { sort: false, keep: keep.map(owned), drop: owned(drop) };
        let fields: Vec<HeaderName> = fields.iter().map(|name| HeaderName::from_static(name)).collect();
        KeyRules::of_site(&SiteId::new(site).expect("a good name"), &owned(hosts), &query, &fields)
    }

    #[test]
    fn whatever_makes_a_key_counts_and_the_order_of_lists_does_not() {
        let one = rules("docs", &["a", "b"], None, &["x"], &["cache-tag"]);
        assert_eq!(one, rules("docs", &["b", "a"], None, &["x"], &["cache-tag"]));
        for other in [
            rules("shop", &["a", "b"], None, &["x"], &["cache-tag"]),
            rules("docs", &["a"], None, &["x"], &["cache-tag"]),
            rules("docs", &["a", "b"], Some(&[]), &["x"], &["cache-tag"]),
            rules("docs", &["a", "b"], Some(&["x"]), &[], &["cache-tag"]),
            rules("docs", &["a", "b"], None, &[], &["cache-tag"]),
            rules("docs", &["a", "b"], None, &["x"], &["surrogate-key"]),
            rules("docs", &["a", "b", "x"], None, &[], &["cache-tag"]),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn several_sites_and_texts() {
        let site = SiteId::new("docs").expect("a good name");
        let one = rules("docs", &["a"], None, &[], &[]);
        let (known, unknown) = (KeyRules::of_sites([(&site, Some(one))]), KeyRules::of_sites([(&site, None)]));
        assert_ne!(known, unknown);
        assert_ne!(known, KeyRules::of_sites([]));
        for rules in [one, known, unknown, KeyRules::default()] {
            assert_eq!(KeyRules::parse(&rules.to_string()), Some(rules));
        }
        for text in ["", "00", "+0000000000000000000000000000000"] {
            assert_eq!(KeyRules::parse(text), None, "{text:?}");
        }
    }
}
