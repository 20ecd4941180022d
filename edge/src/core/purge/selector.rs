//! What a purge selects, and what of a stored response it is matched against.

use crate::core::id::{SiteId, Tag};
use crate::core::key::Framed;
use crate::core::rules::{self, Rule};
use crate::core::url::{Scheme, SiteUrl};
use std::fmt;
use thiserror::Error;

/// Longest path prefix that a purge may name, in bytes.
pub const MAX_PREFIX_BYTES: usize = 2048;

/// What becomes of the responses that a purge selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Never serve them again.
    Hard,
    /// Take them for stale from now on: they may be served while they are revalidated, within the site's bound.
    Soft,
}

impl Mode {
    /// `hard` or `soft`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
        }
    }
}

/// A prefix that no purge can name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SelectorError {
    /// A path or prefix does not begin with `/`.
    #[error("a path begins with \"/\", this one is {0:?}")]
    NotAPath(String),
    /// A prefix is longer than [`MAX_PREFIX_BYTES`].
    #[error("a prefix has at most {MAX_PREFIX_BYTES} bytes, this one has {0}")]
    TooLong(usize),
}

/// What a purge selects. Hosts, paths and queries are in the form that [`crate::core::url`] gives them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Selector {
    /// One URL: every scheme, every variant.
    Url {
        /// The site that the host belongs to.
        site: SiteId,
        /// The host.
        host: String,
        /// The path.
        path: String,
        /// The query, without the `?`.
        query: Option<String>,
    },
    /// Every URL of a host whose path begins with this; queries don't matter.
    Prefix {
        /// The site that the host belongs to.
        site: SiteId,
        /// The host.
        host: String,
        /// What the path begins with.
        path: String,
    },
    /// Every response of a site that was stored with this tag.
    Tag {
        /// The site.
        site: SiteId,
        /// The tag.
        tag: Tag,
    },
    /// Every response of an origin, as RFC 9110 §4.3.1 defines one, that was stored with this group (RFC 9875).
    Group {
        /// The site that the host belongs to.
        site: SiteId,
        /// The scheme.
        scheme: Scheme,
        /// The host.
        host: String,
        /// The group.
        group: String,
    },
    /// Every URL of a host.
    Host {
        /// The site that the host belongs to.
        site: SiteId,
        /// The host.
        host: String,
    },
    /// Every URL of every host of a site.
    Site {
        /// The site.
        site: SiteId,
    },
    /// Everything that the node holds.
    Everything,
}

/// A selector and what it is looked up by. Making one takes longer than all else of its way into an index, so it is done
/// before the index is held.
#[derive(Debug, Clone, Copy)]
pub struct Hashed<'s> {
    pub(super) site: &'s SiteId,
    pub(super) id: SelectorId,
    /// The length of the prefix, if it is one.
    pub(super) prefix_bytes: Option<usize>,
}

impl<'s> Hashed<'s> {
    /// Hashes a selector; `None` for [`Selector::Everything`], which has a place of its own in an index.
    pub fn new(selector: &'s Selector) -> Option<Self> {
        let prefix_bytes = match selector {
            Selector::Prefix { path, .. } => Some(path.len()),
            _ => None,
        };
        Some(Self { site: selector.site()?, id: selector.id()?, prefix_bytes })
    }
}

/// Selectors are looked up by hash: 128 bits of BLAKE3, so that nobody can make two of them meet.
pub(super) type SelectorId = [u8; 16];

fn id(kind: &'static [u8], site: &SiteId, parts: &[&[u8]]) -> SelectorId {
    let mut hash = Framed::new(b"tidewall selector 1");
    hash.part(kind);
    hash.part(site.as_str().as_bytes());
    for part in parts {
        hash.part(part);
    }
    hash.finish()
}

fn url_id(site: &SiteId, host: &str, path: &str, query: Option<&str>) -> SelectorId {
    match query {
        Some(query) => id(b"url?", site, &[host.as_bytes(), path.as_bytes(), query.as_bytes()]),
        None => id(b"url", site, &[host.as_bytes(), path.as_bytes()]),
    }
}

pub(super) fn prefix_id(site: &SiteId, host: &str, prefix: &[u8]) -> SelectorId {
    id(b"prefix", site, &[host.as_bytes(), prefix])
}

fn host_id(site: &SiteId, host: &str) -> SelectorId {
    id(b"host", site, &[host.as_bytes()])
}

fn site_id(site: &SiteId) -> SelectorId {
    id(b"site", site, &[])
}

fn group_id(site: &SiteId, scheme: Scheme, host: &str, group: &str) -> SelectorId {
    id(b"group", site, &[scheme.as_str().as_bytes(), host.as_bytes(), group.as_bytes()])
}

fn tag_id(site: &SiteId, tag: &Tag) -> SelectorId {
    id(b"tag", site, &[tag.as_str().as_bytes()])
}

impl Selector {
    /// A prefix selector, checked.
    ///
    /// # Errors
    /// [`SelectorError`] if the prefix does not begin with `/` or is too long.
    pub fn prefix(site: SiteId, host: String, path: String) -> Result<Self, SelectorError> {
        if !path.starts_with('/') {
            return Err(SelectorError::NotAPath(path));
        }
        if path.len() > MAX_PREFIX_BYTES {
            return Err(SelectorError::TooLong(path.len()));
        }
        Ok(Self::Prefix { site, host, path })
    }

    /// The site that the selector is confined to; `None` for [`Selector::Everything`].
    pub fn site(&self) -> Option<&SiteId> {
        match self {
            Self::Url { site, .. }
            | Self::Prefix { site, .. }
            | Self::Tag { site, .. }
            | Self::Group { site, .. }
            | Self::Host { site, .. }
            | Self::Site { site } => Some(site),
            Self::Everything => None,
        }
    }

    /// `None` for [`Selector::Everything`], which has a place of its own in the index.
    pub(super) fn id(&self) -> Option<SelectorId> {
        Some(match self {
            Self::Url { site, host, path, query } => url_id(site, host, path, query.as_deref()),
            Self::Prefix { site, host, path } => prefix_id(site, host, path.as_bytes()),
            Self::Tag { site, tag } => tag_id(site, tag),
            Self::Group { site, scheme, host, group } => group_id(site, *scheme, host, group),
            Self::Host { site, host } => host_id(site, host),
            Self::Site { site } => site_id(site),
            Self::Everything => return None,
        })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { site, host, path, query } => {
                write!(f, "url {host}{path}")?;
                if let Some(query) = query {
                    write!(f, "?{query}")?;
                }
                write!(f, " of site {site}")
            }
            Self::Prefix { site, host, path } => write!(f, "prefix {host}{path} of site {site}"),
            Self::Tag { site, tag } => write!(f, "tag {tag} of site {site}"),
            Self::Group { site, scheme, host, group } => {
                write!(f, "group {group:?} of {}://{host} of site {site}", scheme.as_str())
            }
            Self::Host { site, host } => write!(f, "host {host} of site {site}"),
            Self::Site { site } => write!(f, "site {site}"),
            Self::Everything => f.write_str("everything"),
        }
    }
}

/// What of a response purges are matched against: its URL, its tags and its groups. Made once, when the response is stored.
#[derive(Debug, Clone)]
pub struct Subject {
    site: SiteId,
    host: Box<str>,
    path: Box<str>,
    url: SelectorId,
    host_id: SelectorId,
    site_id: SelectorId,
    /// Its own tags and groups, and after them those of the response that it was validated from.
    tags: Box<[SelectorId]>,
    own_tags: usize,
}

impl Subject {
    /// The subject of a response to `url` with these tags.
    pub fn new(url: &SiteUrl, tags: &[Tag]) -> Self {
        Self {
            url: url_id(&url.site, &url.host, &url.path, url.query.as_deref()),
            host_id: host_id(&url.site, &url.host),
            site_id: site_id(&url.site),
            tags: tags.iter().map(|tag| tag_id(&url.site, tag)).collect(),
            own_tags: tags.len(),
            site: url.site.clone(),
            host: url.host.as_str().into(),
            path: url.path.as_str().into(),
        }
    }

    /// This subject in these groups as well (RFC 9875), which belong to the origin of `url`.
    #[must_use]
    pub fn in_groups(mut self, url: &SiteUrl, groups: &[String]) -> Self {
        let groups = groups.iter().map(|group| group_id(&url.site, url.scheme, &url.host, group));
        self.tags = self.tags[..self.own_tags].iter().copied().chain(groups).collect();
        self.own_tags = self.tags.len();
        self
    }

    /// This subject with the own tags of `before` as well: a response that a 304 has validated may carry other tags than
    /// before, and a purge by an old one that landed while the 304 was on its way must still hide it.
    #[must_use]
    pub fn covering(mut self, before: &Self) -> Self {
        let own = &self.tags[..self.own_tags];
        let counts = |tag: &&SelectorId| rules::on(Rule::OldTagsCount) && !own.contains(*tag);
        let old = before.tags[..before.own_tags].iter().filter(counts);
        self.tags = own.iter().chain(old).copied().collect();
        self
    }

    /// The site of the response.
    pub fn site(&self) -> &SiteId {
        &self.site
    }

    /// The host in its one form.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The path, beginning with `/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Heap bytes that the subject holds.
    pub fn heap_bytes(&self) -> usize {
        self.site.as_str().len() + self.host.len() + self.path.len() + self.tags.len() * size_of::<SelectorId>()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &SelectorId> {
        [&self.url, &self.host_id, &self.site_id].into_iter().chain(self.tags.iter())
    }
}
