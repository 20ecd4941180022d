//! Layer 3b: where a request goes when the store can't answer it: through a shield or to the origin, whichever of the
//! candidates is up.

pub mod tls;

use crate::clock;
use crate::config::Role;
use crate::core::health::{Health, HealthPolicy, Transition};
use crate::core::key::CacheKey;
use crate::core::route;
use crate::core::url::Scheme;
use crate::snapshot::{SiteRuntime, Snapshot};
use parking_lot::Mutex;
use pingora::upstreams::peer::HttpPeer;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long a resolved name is used.
const RESOLVED_FOR: Duration = Duration::from_secs(30);

/// How long resolving a name may take.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Names and upstreams that are remembered. They come from fleet files, so only reloads add to them.
const MAX_REMEMBERED: usize = 10_000;

/// An unused connection to a shield is kept this long.
const SHIELD_IDLE: Duration = Duration::from_secs(60);

/// A connection to a shield opens within this, or another one is tried.
const SHIELD_CONNECT: Duration = Duration::from_secs(2);

/// Larger than the origin's own timeouts at the shield, so that its 504 arrives.
const SHIELD_SLACK: Duration = Duration::from_secs(5);

/// Somewhere to fetch from.
#[derive(Debug, Clone)]
pub struct Target {
    /// What it is called in logs: the shield's or the origin's name.
    pub name: String,
    /// `host:port`.
    pub address: String,
    /// Whether it is a tier of this fleet.
    pub is_tier: bool,
}

/// Why no connection was even tried.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The name does not resolve.
    #[error("{address}: the name does not resolve: {cause}")]
    Unresolved {
        /// The address.
        address: String,
        /// Why not.
        cause: std::io::Error,
    },
}

/// What the node knows of those it fetches from.
#[derive(Debug, Default)]
pub struct Upstreams {
    health: Mutex<HashMap<String, Health>>,
    resolved: Mutex<HashMap<String, (Instant, SocketAddr)>>,
    policy: HealthPolicy,
}

impl Upstreams {
    /// Nothing known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where a request for `key` may go, the best first. Edges go through a shield if the fleet has one: the key ranks
    /// the shields, and those that are down come last. Shields, and edges of a fleet without one, go to the origin.
    pub fn candidates(&self, snapshot: &Snapshot, site: &SiteRuntime, key: CacheKey) -> Vec<Target> {
        let shields: Vec<_> = match snapshot.node.role {
            Role::Edge => snapshot.fleet.shields().collect(),
            Role::Shield => Vec::new(),
        };
        if shields.is_empty() {
            let origin = &site.origin.origin;
            return vec![Target { name: origin.id.to_string(), address: origin.address.clone(), is_tier: false }];
        }
        let now = clock::now();
        let health = self.health.lock();
        let mut targets: Vec<Target> = route::rank(key, shields.iter().map(|shield| shield.id.as_str()))
            .into_iter()
            .filter_map(|name| shields.iter().find(|shield| shield.id.as_str() == name))
            .map(|shield| Target { name: shield.id.to_string(), address: shield.public.clone(), is_tier: true })
            .collect();
        targets.sort_by_key(|target| health.get(&target.name).is_some_and(|h| !h.may_try(&self.policy, now)));
        targets
    }

    /// Takes the result of a request: whether the target answered at all.
    pub fn record(&self, target: &Target, ok: bool) {
        let mut health = self.health.lock();
        if health.len() >= MAX_REMEMBERED {
            health.clear();
        }
        let state = health.entry(target.name.clone()).or_default();
        match state.record(ok, &self.policy, clock::now()) {
            Transition::None => {}
            Transition::WentDown => tracing::warn!(upstream = %target.name, address = %target.address, "is down"),
            Transition::CameUp => tracing::info!(upstream = %target.name, address = %target.address, "is up again"),
        }
    }

    /// How Pingora reaches a target.
    ///
    /// # Errors
    /// [`PeerError`] if its name does not resolve.
    pub async fn peer(&self, site: &SiteRuntime, target: &Target) -> Result<HttpPeer, PeerError> {
        let address = self.resolve(&target.address).await?;
        let origin = &site.origin.origin;
        if target.is_tier {
            let mut peer = HttpPeer::new(address, false, String::new());
            peer.options.connection_timeout = Some(SHIELD_CONNECT);
            peer.options.total_connection_timeout = Some(SHIELD_CONNECT);
            peer.options.read_timeout = Some(origin.connect_timeout + origin.first_byte_timeout + SHIELD_SLACK);
            peer.options.write_timeout = Some(origin.first_byte_timeout);
            peer.options.idle_timeout = Some(SHIELD_IDLE);
            return Ok(peer);
        }
        let tls = origin.scheme == Scheme::Https;
        let mut peer = HttpPeer::new(address, tls, origin.sni.clone());
        peer.options.connection_timeout = Some(origin.connect_timeout);
        peer.options.total_connection_timeout = Some(origin.connect_timeout);
        peer.options.read_timeout = Some(origin.first_byte_timeout);
        peer.options.write_timeout = Some(origin.first_byte_timeout);
        peer.options.idle_timeout = Some(origin.idle_timeout);
        peer.options.verify_cert = origin.verify;
        peer.options.verify_hostname = origin.verify;
        peer.options.ca = site.origin.authorities.as_ref().map(|authorities| authorities.0.clone());
        Ok(peer)
    }

    async fn resolve(&self, address: &str) -> Result<SocketAddr, PeerError> {
        if let Ok(address) = address.parse() {
            return Ok(address);
        }
        let now = clock::monotonic();
        if let Some((until, found)) = self.resolved.lock().get(address)
            && now < *until
        {
            return Ok(*found);
        }
        let unresolved = |cause| PeerError::Unresolved { address: address.to_owned(), cause };
        let nothing = || std::io::Error::other("it has no address");
        let found = tokio::time::timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host(address))
            .await
            .map_err(|_| unresolved(std::io::ErrorKind::TimedOut.into()))?
            .map_err(unresolved)?
            .next()
            .ok_or_else(|| unresolved(nothing()))?;
        let mut resolved = self.resolved.lock();
        if resolved.len() >= MAX_REMEMBERED {
            resolved.clear();
        }
        resolved.insert(address.to_owned(), (now + RESOLVED_FOR, found));
        Ok(found)
    }
}
