//! Layer 3b: what a fleet file means for one node, with its secrets and certificates fetched. Requests take the current
//! snapshot once and keep it; a reload swaps it whole, or not at all.

use crate::config::{Fleet, Node, Origin, Pop, SecretError, Site, TokenSpec};
use crate::core::freshness::{LifetimePolicy, SMaxageStale};
use crate::core::id::{NodeId, SiteId, TokenId};
use crate::core::key_rules::KeyRules;
use crate::core::purge::Selector;
use crate::core::reuse::ReusePolicy;
use crate::core::store_rule::StorePolicy;
use crate::core::tier::TierKey;
use crate::core::url::without_port;
use crate::telemetry::{Counters, Telemetry};
use crate::upstream::tls;
use http::StatusCode;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use subtle::ConstantTimeEq;

/// One node's view of the fleet.
#[derive(Debug)]
pub struct Snapshot {
    /// Another one for each snapshot of this process.
    pub id: u64,
    /// The fleet file.
    pub fleet: Fleet,
    /// The node's PoP.
    pub pop: Pop,
    /// The node.
    pub node: Node,
    hosts: HashMap<String, Arc<SiteRuntime>>,
    key_rules: BTreeMap<SiteId, KeyRules>,
    /// The key of the tiers' words about requests; `None` in a fleet of one tier.
    pub tier_key: Option<TierKey>,
    /// What nodes show to the home of the purge log.
    pub follow_token: Option<String>,
    tokens: Vec<Token>,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A site as requests use it.
#[derive(Debug)]
pub struct SiteRuntime {
    /// Its configuration.
    pub site: Site,
    /// Where it is fetched from.
    pub origin: Arc<OriginRuntime>,
    /// What may be stored, and for how long.
    pub store: StorePolicy,
    /// What may be reused.
    pub reuse: ReusePolicy,
    /// The rules by which its keys are made and its tags are read.
    pub key_rules: KeyRules,
    /// Its counters.
    pub counters: Arc<Counters>,
}

/// An origin as requests use it.
#[derive(Debug)]
pub struct OriginRuntime {
    /// Its configuration.
    pub origin: Origin,
    /// The authorities to trust instead of the system's.
    pub authorities: Option<tls::Authorities>,
}

#[derive(Debug)]
struct Token {
    spec: TokenSpec,
    secret: String,
}

/// A snapshot that can't be made.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The fleet file has no such node.
    #[error("the fleet file has no node {name:?}\n    hint: it has {known}")]
    NoSuchNode {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A token's secret can't be had.
    #[error("token {id}: {cause}")]
    Token {
        /// The token's name.
        id: TokenId,
        /// Why not.
        cause: SecretError,
    },
    /// Two tokens have the same secret, so that who used it can't be told.
    #[error("tokens {0} and {1} have the same secret\n    hint: give each its own")]
    SameSecret(TokenId, TokenId),
    /// The tier secret can't be had.
    #[error("the tier secret: {0}")]
    Tier(SecretError),
    /// An origin's certificates can't be had.
    #[error("origin {origin}: {cause}")]
    Authorities {
        /// The origin's name.
        origin: String,
        /// Why not.
        cause: tls::AuthoritiesError,
    },
}

impl Snapshot {
    /// What `fleet` means for the node `name`.
    ///
    /// # Errors
    /// [`SnapshotError`]: no such node, or a secret or certificate can't be had.
    pub fn new(fleet: Fleet, name: &NodeId, telemetry: &Telemetry) -> Result<Self, SnapshotError> {
        let (pop, node) = fleet.node(name).map(|(pop, node)| (pop.clone(), node.clone())).ok_or_else(|| {
            let known = fleet.nodes().map(|(_, node)| node.id.to_string()).collect::<Vec<_>>().join(", ");
            SnapshotError::NoSuchNode { name: name.to_string(), known }
        })?;
        let tokens = fetch_tokens(&fleet.tokens)?;
        let secret =
            fleet.tier_secret.as_ref().map(|source| source.fetch()).transpose().map_err(SnapshotError::Tier)?;
        let origins = fetch_origins(&fleet)?;
        let (mut hosts, mut key_rules) = (HashMap::new(), BTreeMap::new());
        for site in &fleet.sites {
            let Some(origin) = origins.iter().find(|origin| origin.origin.id == site.origin) else { continue };
            let rules = KeyRules::of_site(&site.id, &site.hosts, &site.query, &site.tag_fields);
            key_rules.insert(site.id.clone(), rules);
            let runtime = Arc::new(SiteRuntime {
                key_rules: rules,
                origin: origin.clone(),
                store: store_policy(site, fleet.store.max_object.bytes()),
                reuse: ReusePolicy::default(),
                counters: telemetry.site(&site.id),
                site: site.clone(),
            });
            hosts.extend(site.hosts.iter().map(|host| (host.clone(), runtime.clone())));
        }
        let tier_key = secret.map(|secret| TierKey::derive(secret.as_bytes()));
        let follow_token = tier_key.as_ref().map(TierKey::follow_token);
        Ok(Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            hosts,
            key_rules,
            tier_key,
            follow_token,
            tokens,
            pop,
            node,
            fleet,
        })
    }

    /// The site of a host in its one form, and the host as the site lists it: [`Fleet::site_of_host`] by one or two
    /// look-ups.
    pub fn site(&self, host: &str) -> Option<(&str, &Arc<SiteRuntime>)> {
        let listed = self.hosts.get_key_value(host).or_else(|| self.hosts.get_key_value(without_port(host)?));
        listed.map(|(host, site)| (host.as_str(), site))
    }

    /// The rules of the sites that selectors name: see [`crate::core::key_rules`].
    pub fn rules_of(&self, selectors: &[Selector]) -> KeyRules {
        let sites: BTreeSet<&SiteId> = selectors.iter().filter_map(Selector::site).collect();
        KeyRules::of_sites(sites.into_iter().map(|site| (site, self.key_rules.get(site).copied())))
    }

    /// The sites whose rules are others than in an earlier snapshot, or that are in one of the two alone.
    pub fn changed_key_rules<'s>(&'s self, earlier: &'s Self) -> BTreeSet<&'s SiteId> {
        let all = self.key_rules.keys().chain(earlier.key_rules.keys());
        all.filter(|site| self.key_rules.get(*site) != earlier.key_rules.get(*site)).collect()
    }

    /// Whose secret this is. The comparison takes the same time wherever a wrong secret differs, and all are compared.
    pub fn token(&self, secret: &str) -> Option<&TokenSpec> {
        let mut found = None;
        for token in &self.tokens {
            if bool::from(token.secret.as_bytes().ct_eq(secret.as_bytes())) {
                found = Some(&token.spec);
            }
        }
        found
    }

    /// Whether another snapshot can take this one's place while the node runs: its listeners are where they are.
    ///
    /// # Errors
    /// What differs, in words.
    pub fn accepts(&self, next: &Self) -> Result<(), String> {
        let differs = |what: &str| Err(format!("{what} of node {} differs\n    hint: restart the node", self.node.id));
        if self.node.listen != next.node.listen {
            return differs("the public address");
        }
        if self.node.admin_listen != next.node.admin_listen {
            return differs("the admin address");
        }
        if self.node.role != next.node.role {
            return differs("the role");
        }
        if self.fleet.data_folder != next.fleet.data_folder {
            return differs("data.folder");
        }
        let is_home = |snapshot: &Self| snapshot.fleet.purge_log.home.as_ref() == Some(&self.node.id);
        if self.fleet.purge_log.lease != next.fleet.purge_log.lease {
            return differs("purge_log.mode or purge_log.lease");
        }
        let kept = |snapshot: &Self| (snapshot.fleet.purge_log.keep_for, snapshot.fleet.purge_log.keep_records);
        if is_home(self) && kept(self) != kept(next) {
            return differs("purge_log.keep_for or purge_log.keep_records");
        }
        if is_home(self) != is_home(next) {
            return differs("whether purge_log.home is that");
        }
        if self.memory_bytes() != next.memory_bytes() || self.fleet.store != next.fleet.store {
            return differs("the size of the store");
        }
        if self.fleet.limits.connections != next.fleet.limits.connections || self.fleet.h2c != next.fleet.h2c {
            return differs("limits.connections or listen.h2c");
        }
        Ok(())
    }

    /// The size of the node's store, in bytes.
    pub fn memory_bytes(&self) -> u64 {
        self.node.memory.unwrap_or(self.fleet.store.memory).bytes()
    }
}

fn fetch_tokens(specs: &[TokenSpec]) -> Result<Vec<Token>, SnapshotError> {
    let mut tokens: Vec<Token> = Vec::new();
    for spec in specs {
        let secret = spec.secret.fetch().map_err(|cause| SnapshotError::Token { id: spec.id.clone(), cause })?;
        if let Some(twin) = tokens.iter().find(|token| token.secret == secret) {
            return Err(SnapshotError::SameSecret(twin.spec.id.clone(), spec.id.clone()));
        }
        tokens.push(Token { spec: spec.clone(), secret });
    }
    Ok(tokens)
}

fn fetch_origins(fleet: &Fleet) -> Result<Vec<Arc<OriginRuntime>>, SnapshotError> {
    let fetch = |origin: &Origin| {
        let read = |path: &Path| tls::read_authorities(path);
        let authorities = origin.ca_file.as_deref().map(read).transpose();
        let authorities =
            authorities.map_err(|cause| SnapshotError::Authorities { origin: origin.id.to_string(), cause })?;
        Ok(Arc::new(OriginRuntime { origin: origin.clone(), authorities }))
    };
    fleet.origins.iter().map(fetch).collect()
}

fn store_policy(site: &Site, max_object_bytes: u64) -> StorePolicy {
    let negative = site.negative_ttl.iter();
    StorePolicy {
        lifetime: LifetimePolicy {
            target_list: site.targeted_fields.clone(),
            default_ttl: site.default_ttl,
            negative_ttls: negative.filter_map(|(code, ttl)| Some((StatusCode::from_u16(*code).ok()?, *ttl))).collect(),
            max_ttl: Some(site.max_ttl),
            default_stale_while_revalidate: site.stale_while_revalidate,
            default_stale_if_error: site.stale_if_error,
            s_maxage_stale: match site.stale_despite_s_maxage {
                true => SMaxageStale::YieldsToStatedWindows,
                false => SMaxageStale::Forbids,
            },
            ..LifetimePolicy::default()
        },
        client_directives: site.client_directives,
        max_object_bytes: Some(max_object_bytes),
        ..StorePolicy::default()
    }
}
