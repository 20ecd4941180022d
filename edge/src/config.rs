//! Layer 2: the fleet file, which every node, `purge-cli` and `scenarios` read.
//!
//! [`Fleet::parse`] turns the text into a [`Fleet`] once, or lists everything that is wrong with it ([`Problems`]).
//! After that nothing needs to be checked again. Secrets are not in the file: it names the environment variable or
//! file that holds them ([`SecretSource`]).

mod fields;
mod limits;
mod nodes;
mod origins;
mod problem;
mod purge_log;
mod quantity;
mod reader;
mod rules;
mod sites;
mod tokens;

#[cfg(test)]
mod tests;

pub use limits::{ClientLimits, StoreConfig, Timeouts};
pub use nodes::{Node, Pop, Role};
pub use origins::Origin;
pub use problem::{Problem, Problems};
pub use purge_log::{DEFAULT_DATA_FOLDER, PurgeLogConfig};
pub use quantity::{ByteSize, MAX_DURATION, parse_duration, parse_time};
pub use sites::{RangeMiss, Site};
pub use tokens::{MIN_SECRET_BYTES, Quota, SecretError, SecretSource, TokenRole, TokenSpec};

use crate::core::id::{NodeId, OriginId, PopId, SiteId};
use crate::core::url::{HostError, Scheme, SiteUrl, normal_target, normalise_host, without_port};
use reader::Reader;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// Largest fleet file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 4 << 20;

/// The whole fleet, checked: names are unique, what is referred to exists, sizes and durations are in range.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// The points of presence, in the order of the file.
    pub pops: Vec<Pop>,
    /// Where sites are fetched from.
    pub origins: Vec<Origin>,
    /// The sites.
    pub sites: Vec<Site>,
    /// Who may talk to the admin servers.
    pub tokens: Vec<TokenSpec>,
    /// The secret by which nodes know each other. There if the fleet has both edges and shields.
    pub tier_secret: Option<SecretSource>,
    /// The purge log.
    pub purge_log: PurgeLogConfig,
    /// Where nodes keep what must outlive them, each in a folder of its own name.
    pub data_folder: PathBuf,
    /// The store of each node.
    pub store: StoreConfig,
    /// Limits towards clients.
    pub limits: ClientLimits,
    /// Timeouts towards clients.
    pub timeouts: Timeouts,
    /// Whether cleartext HTTP/2 with prior knowledge (RFC 9113 §3.3) is spoken on the public listener.
    pub h2c: bool,
    /// What in the file is hardly meant as it stands, though it can be used.
    pub warnings: Vec<Problem>,
}

/// A fleet file that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file can't be read.
    #[error("{}: can't be read: {cause}\n    hint: check the path given with --config", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// The file is larger than [`MAX_FILE_BYTES`].
    #[error("{}: is larger than 4 MiB\n    hint: a fleet file holds names and numbers; is this the right file?", .0.display())]
    TooLarge(PathBuf),
    /// The file has mistakes.
    #[error(transparent)]
    Wrong(#[from] Problems),
}

impl Fleet {
    /// Reads and checks a fleet file. Paths in it are taken relative to its folder.
    ///
    /// # Errors
    /// [`LoadError`]: unreadable, too large, or all its mistakes.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let unreadable = |cause| LoadError::Unreadable { path: path.to_owned(), cause };
        if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_FILE_BYTES {
            return Err(LoadError::TooLarge(path.to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self::parse(&text, &path.display().to_string(), &folder)?)
    }

    /// Checks the text of a fleet file. `file` is its name in messages; `folder` is what paths in it are relative to.
    ///
    /// # Errors
    /// [`Problems`]: every mistake, with place, key, value and remedy.
    pub fn parse(text: &str, file: &str, folder: &Path) -> Result<Self, Problems> {
        let reader = Reader::new(text);
        let (table, syntax) = DeTable::parse_recoverable(text);
        for error in &syntax {
            let span = error.span().unwrap_or(0..0);
            let hint = "see https://toml.io for how TOML is written".to_owned();
            reader.problem(span, String::new(), None, format!("is not TOML: {}", error.message()), hint);
        }
        let mut fleet = Self::read(&reader, table.get_ref(), folder);
        let (list, warnings) = reader.finish();
        fleet.warnings = warnings;
        if list.is_empty() { Ok(fleet) } else { Err(Problems { file: file.to_owned(), list }) }
    }

    fn read<'r>(reader: &'r Reader<'_>, table: &'r DeTable<'r>, folder: &Path) -> Self {
        let root = reader.root(table);
        let pops = nodes::read_pops(&root);
        let (origins, named) = origins::read_origins(&root, folder);
        let sites = sites::read_sites(&root, &named);
        let tokens = tokens::read_tokens(&root, &sites, folder);
        let tier_secret = root.section("tier").and_then(|tier| {
            let secret = tokens::read_secret(&tier, "secret_env", "secret_file", folder);
            tier.finish();
            secret
        });
        let has = |role| pops.iter().flat_map(|pop| &pop.nodes).any(|node| node.role == role);
        if tier_secret.is_none() && has(Role::Edge) && has(Role::Shield) {
            root.missing(
                "tier",
                "edges and shields know each other by a secret: write [tier] with secret_env or secret_file",
            );
        }
        if tier_secret.is_none() && pops.iter().flat_map(|pop| &pop.nodes).count() > 1 && !has(Role::Shield) {
            root.missing("tier", "nodes know each other by a secret: write [tier] with secret_env or secret_file");
        }
        let fleet = Self {
            purge_log: purge_log::read_purge_log(&root, &pops),
            data_folder: purge_log::read_data_folder(&root, folder),
            store: limits::read_store(&root),
            limits: limits::read_limits(&root),
            timeouts: limits::read_timeouts(&root),
            h2c: root.section("listen").is_some_and(|listen| {
                let h2c = listen.boolean("h2c").unwrap_or(false);
                listen.finish();
                h2c
            }),
            pops,
            origins,
            sites,
            tokens,
            tier_secret,
            warnings: Vec::new(),
        };
        root.finish();
        fleet
    }

    /// Every node with its PoP.
    pub fn nodes(&self) -> impl Iterator<Item = (&Pop, &Node)> {
        self.pops.iter().flat_map(|pop| pop.nodes.iter().map(move |node| (pop, node)))
    }

    /// The node of that name.
    pub fn node(&self, id: &NodeId) -> Option<(&Pop, &Node)> {
        self.nodes().find(|(_, node)| node.id == *id)
    }

    /// The home of the purge log. `None` only in a file that has no nodes.
    pub fn home(&self) -> Option<&Node> {
        self.node(self.purge_log.home.as_ref()?).map(|(_, home)| home)
    }

    /// The nodes with the role of a shield.
    pub fn shields(&self) -> impl Iterator<Item = &Node> {
        self.nodes().map(|(_, node)| node).filter(|node| node.role == Role::Shield)
    }

    /// The PoP of that name.
    pub fn pop(&self, id: &PopId) -> Option<&Pop> {
        self.pops.iter().find(|pop| pop.id == *id)
    }

    /// The site of that name.
    pub fn site(&self, id: &SiteId) -> Option<&Site> {
        self.sites.iter().find(|site| site.id == *id)
    }

    /// The site that serves a host, which must be in its one form, and the host as the site lists it. A host with a
    /// port that no site lists is that host without it: what port a listener has is not the site's business.
    pub fn site_of_host(&self, host: &str) -> Option<(&Site, &str)> {
        let listed = |host: &str| {
            let of = |site| Self::listed(site, host).map(|known| (site, known));
            self.sites.iter().find_map(of)
        };
        listed(host).or_else(|| listed(without_port(host)?))
    }

    fn listed<'s>(site: &'s Site, host: &str) -> Option<&'s str> {
        site.hosts.iter().find(|known| *known == host).map(String::as_str)
    }

    /// The origin of that name.
    pub fn origin(&self, id: &OriginId) -> Option<&Origin> {
        self.origins.iter().find(|origin| origin.id == *id)
    }

    /// Brings an absolute `http` or `https` URL, as a person types it, into the form that keys and purges use.
    ///
    /// # Errors
    /// [`UrlError`] says what is wrong with it, or that no site has its host.
    pub fn site_url(&self, text: &str) -> Result<SiteUrl, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or_else(|| UrlError::NotAbsolute(text.to_owned()))?;
        let scheme = Scheme::parse(scheme).ok_or_else(|| UrlError::NotAbsolute(text.to_owned()))?;
        let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(authority_end);
        if !target.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(UrlError::NotEncoded(text.to_owned()));
        }
        let host =
            normalise_host(authority, scheme).map_err(|cause| UrlError::BadHost { url: text.to_owned(), cause })?;
        let (site, host) = self.site_of_host(&host).ok_or_else(|| UrlError::UnknownHost(host.clone()))?;
        let (path, query) = normal_target(target);
        let query = site.query.apply(query.as_deref());
        Ok(SiteUrl { site: site.id.clone(), scheme, host: host.to_owned(), path, query })
    }
}

/// A URL that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// No `http://` or `https://` before it.
    #[error("{0:?} is not an absolute URL\n    hint: write it as in https://www.example.com/path")]
    NotAbsolute(String),
    /// A character that a URL must percent-encode.
    #[error("{0:?} has characters that a URL must percent-encode")]
    NotEncoded(String),
    /// Its host is none.
    #[error("{url:?}: {cause}")]
    BadHost {
        /// The URL.
        url: String,
        /// What is wrong.
        cause: HostError,
    },
    /// No site of the fleet file has this host.
    #[error("no site has the host {0:?}\n    hint: `hosts` of each [[sites]] in the fleet file lists them")]
    UnknownHost(String),
}
