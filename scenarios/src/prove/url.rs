//! What there is to ask for, and what purges may select of it: the monitors' own reading of a selector, without hashes.

use edge::core::id::{SiteId, Tag};
use edge::core::purge::{Selector, Subject};
use edge::core::url::{Scheme, SiteUrl};
use std::collections::BTreeSet;

/// Which object.
pub(super) type Key = usize;

/// The paths of the objects.
const PATHS: [&str; 3] = ["/a/x", "/a/y", "/b/z"];

const HOST: &str = "docs.test";

fn site() -> SiteId {
    SiteId::new("docs").expect("a good name")
}

/// The tags of a response: of all, of the object, of the version, and one that comes and goes without a new version.
pub(super) fn tags(key: Key, version: u64, retagged: u64) -> BTreeSet<String> {
    let parity = if version.is_multiple_of(2) { "even" } else { "odd" };
    let mut tags: BTreeSet<String> = ["all".to_owned(), format!("k{key}"), parity.to_owned()].into();
    if retagged % 2 == 1 {
        tags.insert("season".to_owned());
    }
    tags
}

/// The object as purges see it, with these tags.
pub(super) fn subject<'t>(key: Key, tags: impl IntoIterator<Item = &'t String>) -> Subject {
    let url =
        SiteUrl { site: site(), scheme: Scheme::Http, host: HOST.into(), path: PATHS[key].to_owned(), query: None };
    let tags: Vec<Tag> = tags.into_iter().map(|tag| Tag::new(tag).expect("a good tag")).collect();
    Subject::new(&url, &tags)
}

/// What an unsafe request of an object makes invalid.
pub(super) fn of(key: Key) -> Selector {
    Selector::Url { site: site(), host: HOST.to_owned(), path: PATHS[key].to_owned(), query: None }
}

/// The tag of an object: a purge by tag is found out only when the head of a fetch is there.
pub(super) fn tag_of(key: Key) -> Selector {
    Selector::Tag { site: site(), tag: Tag::new(&format!("k{key}")).expect("a good tag") }
}

/// A selector for an object, by a number.
pub(super) fn selector(key: Key, by: u64) -> Selector {
    let tag = |text: &str| Selector::Tag { site: site(), tag: Tag::new(text).expect("a good tag") };
    let url = |path: &str| Selector::Url { site: site(), host: HOST.to_owned(), path: path.to_owned(), query: None };
    let prefix = |path: &str| Selector::Prefix { site: site(), host: HOST.to_owned(), path: path.to_owned() };
    match by % 16 {
        0..=3 => url(PATHS[key]),
        4 | 5 => tag_of(key),
        6 => tag("all"),
        7 => tag("odd"),
        8 | 9 => tag("season"),
        10 => prefix(&PATHS[key][..3]),
        11 => Selector::Host { site: site(), host: HOST.to_owned() },
        12 => Selector::Site { site: site() },
        13 => Selector::Everything,
        14 => url("/unrelated"),
        _ => tag(&format!("nobody{by}")),
    }
}

/// Whether a selector selects the object with these tags.
pub(super) fn selects(selector: &Selector, key: Key, tags: &BTreeSet<String>) -> bool {
    match selector {
        Selector::Url { path, .. } => path == PATHS[key],
        Selector::Prefix { path, .. } => PATHS[key].starts_with(path.as_str()),
        Selector::Tag { tag, .. } => tags.contains(tag.as_str()),
        Selector::Group { .. } => false,
        Selector::Host { .. } | Selector::Site { .. } | Selector::Everything => true,
    }
}
