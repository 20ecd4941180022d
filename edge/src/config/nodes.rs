//! PoPs and nodes.

use super::quantity::ByteSize;
use super::reader::{At, Section};
use crate::core::id::{NodeId, PopId};
use std::collections::HashMap;
use std::net::SocketAddr;

/// A point of presence.
#[derive(Debug, Clone)]
pub struct Pop {
    /// Its name, unique in the fleet.
    pub id: PopId,
    /// The region that it serves, as people call it.
    pub region: String,
    /// Degrees north, -90 to 90.
    pub latitude: f64,
    /// Degrees east, -180 to 180.
    pub longitude: f64,
    /// Its nodes; at least one.
    pub nodes: Vec<Node>,
}

/// What a node is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Serves clients; fetches through a shield if the fleet has one.
    Edge,
    /// Serves edges; fetches from origins.
    Shield,
}

impl Role {
    /// `edge` or `shield`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Shield => "shield",
        }
    }
}

/// A node: one process.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its name, unique in the fleet.
    pub id: NodeId,
    /// What it is for.
    pub role: Role,
    /// Where clients and other nodes reach it: `host:port`.
    pub public: String,
    /// Where it listens for them; the same as `public` unless said otherwise.
    pub listen: SocketAddr,
    /// Where its admin server is reached: `host:port`.
    pub admin: String,
    /// Where its admin server listens; the same as `admin` unless said otherwise.
    pub admin_listen: SocketAddr,
    /// The size of its memory store, if other than the fleet's.
    pub memory: Option<ByteSize>,
}

pub(super) fn read_pops(root: &Section<'_>) -> Vec<Pop> {
    let mut pop_names = Unique::new("PoP");
    let mut node_names = Unique::new("node");
    let mut addresses = Unique::new("listener");
    let sections = root.sections("pops");
    if sections.is_empty() {
        root.missing("pops", "write a [[pops]] with at least one [[pops.nodes]]");
    }
    let read = |pop: Section<'_>| {
        let id = pop.needed("id", "name the PoP, as in id = \"fra\"");
        let id =
            id.and_then(|at| checked(&pop, &at, PopId::new)).inspect(|(id, at)| pop_names.add(&pop, id.as_str(), at));
        let region = pop.text("region").map(|at| at.value.to_owned()).unwrap_or_default();
        let latitude = pop.degrees("latitude", 90.0);
        let longitude = pop.degrees("longitude", 180.0);
        let nodes = pop.sections("nodes");
        if nodes.is_empty() {
            pop.missing("nodes", "write at least one [[pops.nodes]] under the PoP");
        }
        let nodes = nodes.into_iter().filter_map(|node| read_node(node, &mut node_names, &mut addresses)).collect();
        pop.finish();
        Some(Pop { id: id?.0, region, latitude: latitude?, longitude: longitude?, nodes })
    };
    sections.into_iter().filter_map(read).collect()
}

fn read_node(node: Section<'_>, names: &mut Unique, addresses: &mut Unique) -> Option<Node> {
    let id = node.needed("id", "name the node, as in id = \"fra-1\"");
    let id = id.and_then(|at| checked(&node, &at, NodeId::new)).inspect(|(id, at)| names.add(&node, id.as_str(), at));
    let role = match node.text("role") {
        None => Some(Role::Edge),
        Some(at) => match at.value {
            "edge" => Some(Role::Edge),
            "shield" => Some(Role::Shield),
            _ => {
                node.reject(&at, "is no role", "write \"edge\" or \"shield\"");
                None
            }
        },
    };
    // What others use is unique in the fleet; what is bound is, on the node's own machine.
    let mut bound = Unique::new("listener");
    let public = read_address(&node, "public", "listen", addresses, &mut bound);
    let admin = read_address(&node, "admin", "admin_listen", addresses, &mut bound);
    let memory = node.size("memory").map(|at| at.value);
    node.finish();
    let ((public, listen), (admin, admin_listen)) = (public?, admin?);
    Some(Node { id: id?.0, role: role?, public, listen, admin, admin_listen, memory })
}

/// An address that others use, and the one that the node binds.
fn read_address(
    node: &Section<'_>,
    key: &'static str,
    listen_key: &'static str,
    addresses: &mut Unique,
    listeners: &mut Unique,
) -> Option<(String, SocketAddr)> {
    let public = node.needed(key, "write the address that others use, as in \"192.0.2.7:8080\"");
    let listen = node.text(listen_key);
    let public = public?;
    let Some(name) = host_port(public.value) else {
        node.reject(&public, "is not an address", "write host:port, as in \"192.0.2.7:8080\"");
        return None;
    };
    // Port 0 is another port each time.
    let is_shared = !name.ends_with(":0") && !addresses.is_new(node, &name.to_ascii_lowercase(), &public);
    let bound = listen.as_ref().unwrap_or(&public);
    match bound.value.parse::<SocketAddr>() {
        Ok(address) => {
            // Told once that it is there twice.
            if address.port() != 0 && !(is_shared && listen.is_none()) {
                listeners.add(node, &address.to_string(), bound);
            }
            Some((name, address))
        }
        Err(_) if listen.is_some() => {
            node.reject(bound, "is not an address to bind", "write IP:port, as in \"0.0.0.0:8080\"");
            None
        }
        Err(_) => {
            let hint = format!("a name can't be bound: say which address with {listen_key} = \"0.0.0.0:8080\"");
            node.reject(bound, "is a name, not an IP address", hint);
            None
        }
    }
}

/// Checks `host:port`, the host being a name or an IP address.
pub(super) fn host_port(text: &str) -> Option<String> {
    let (host, port) = text.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':');
    (!host.is_empty() && host.chars().all(good)).then(|| text.to_owned())
}

/// Reads a name of the file.
pub(super) fn checked<'r, T>(
    section: &Section<'r>,
    at: &At<&'r str>,
    new: impl FnOnce(&str) -> Result<T, crate::core::id::NameError>,
) -> Option<(T, At<&'r str>)> {
    match new(at.value) {
        Ok(name) => Some((name, at.clone())),
        Err(error) => {
            section.reject(at, error.to_string(), "choose another name");
            None
        }
    }
}

/// Reports names that are given twice.
pub(super) struct Unique {
    what: &'static str,
    seen: HashMap<String, String>,
}

impl Unique {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, seen: HashMap::new() }
    }

    pub(super) fn add(&mut self, section: &Section<'_>, name: &str, at: &At<&str>) {
        self.is_new(section, name, at);
    }

    /// Adds a name, and says whether it was not there before.
    fn is_new(&mut self, section: &Section<'_>, name: &str, at: &At<&str>) -> bool {
        let first = self.seen.insert(name.to_owned(), at.key.clone());
        if let Some(first) = &first {
            let what = format!("there is a {} of this name already, at {first}", self.what);
            section.reject(at, what, "each needs its own");
        }
        first.is_none()
    }
}
