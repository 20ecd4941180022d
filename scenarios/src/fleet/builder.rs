//! Describes a fleet.

use super::document;
use super::error::FleetError;
use super::plan::Plan;
use super::running::Fleet;
use edge::config::Role;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::Arc;
use toml::Table;

/// A change to a fleet file.
pub(super) type Edit = Arc<dyn Fn(&mut Table) -> Result<(), FleetError> + Send + Sync>;

/// Describes a fleet. Nothing happens before [`FleetBuilder::start`] or [`FleetBuilder::reserve`].
#[derive(Clone, Default)]
pub struct FleetBuilder {
    pub(super) pops: Vec<PopSpec>,
    pub(super) origins: Vec<OriginEntry>,
    pub(super) sites: Vec<SiteSpec>,
    pub(super) edits: Vec<Edit>,
    pub(super) arguments: Vec<OsString>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) without_readiness: bool,
}

#[derive(Debug, Clone)]
pub(super) struct PopSpec {
    pub(super) id: String,
    pub(super) region: String,
    pub(super) latitude: f64,
    pub(super) longitude: f64,
    pub(super) nodes: Vec<NodeSpec>,
}

#[derive(Debug, Clone)]
pub(super) struct NodeSpec {
    pub(super) id: String,
    pub(super) role: Role,
}

#[derive(Debug, Clone)]
pub(super) struct OriginEntry {
    pub(super) id: String,
    pub(super) address: SocketAddr,
}

#[derive(Debug, Clone)]
pub(super) struct SiteSpec {
    pub(super) id: String,
    pub(super) hosts: Vec<String>,
    pub(super) origin: String,
}

impl FleetBuilder {
    /// A fleet of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a PoP with one edge node, `ID-1`.
    #[must_use]
    pub fn pop(self, id: &str, latitude: f64, longitude: f64) -> Self {
        self.node(id, &format!("{id}-1"), Role::Edge, latitude, longitude)
    }

    /// Adds another edge node to a PoP that is there already.
    #[must_use]
    pub fn edge(self, pop: &str, id: &str) -> Self {
        self.node(pop, id, Role::Edge, 0.0, 0.0)
    }

    /// Adds a shield in a PoP of the same name, in Frankfurt.
    #[must_use]
    pub fn shield(self, id: &str) -> Self {
        self.node(id, id, Role::Shield, 50.11, 8.68)
    }

    /// Adds a node to a PoP, which is made if it isn't there.
    #[must_use]
    pub fn node(mut self, pop: &str, id: &str, role: Role, latitude: f64, longitude: f64) -> Self {
        let node = NodeSpec { id: id.to_owned(), role };
        match self.pops.iter_mut().find(|known| known.id == pop) {
            Some(known) => known.nodes.push(node),
            None => self.pops.push(PopSpec {
                id: pop.to_owned(),
                region: pop.to_owned(),
                latitude,
                longitude,
                nodes: vec![node],
            }),
        }
        self
    }

    /// Says what people call the region of a PoP that is there already.
    #[must_use]
    pub fn region(mut self, pop: &str, region: &str) -> Self {
        if let Some(known) = self.pops.iter_mut().find(|known| known.id == pop) {
            known.region = region.to_owned();
        }
        self
    }

    /// Adds a site, and an origin of the same name at this address.
    #[must_use]
    pub fn site(self, id: &str, hosts: &[&str], origin: SocketAddr) -> Self {
        self.origin(id, origin).site_of(id, hosts, id)
    }

    /// Adds an origin.
    #[must_use]
    pub fn origin(mut self, id: &str, address: SocketAddr) -> Self {
        self.origins.push(OriginEntry { id: id.to_owned(), address });
        self
    }

    /// Adds a site of an origin that has been added by itself.
    #[must_use]
    pub fn site_of(mut self, id: &str, hosts: &[&str], origin: &str) -> Self {
        let hosts = hosts.iter().map(|&host| host.to_owned()).collect();
        self.sites.push(SiteSpec { id: id.to_owned(), hosts, origin: origin.to_owned() });
        self
    }

    /// Merges a piece of TOML into the fleet file: tables key by key, lists of tables by `id` (so that
    /// `[[sites]]` with the id of a site adds to it); other values replace.
    #[must_use]
    pub fn toml_extra(self, text: &str) -> Self {
        let text = text.to_owned();
        self.push_edit(Arc::new(move |table| {
            document::merge(table, document::parse(&text)?);
            Ok(())
        }))
    }

    /// Changes the fleet file in any way.
    #[must_use]
    pub fn edit(self, change: impl Fn(&mut Table) + Send + Sync + 'static) -> Self {
        self.push_edit(Arc::new(move |table| {
            change(table);
            Ok(())
        }))
    }

    /// Adds a command-line argument to every `edge run`.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets an environment variable of every node.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes the fleet for started as soon as its nodes listen, ready or not.
    #[must_use]
    pub fn without_readiness(mut self) -> Self {
        self.without_readiness = true;
        self
    }

    /// Gives every node its address. Nothing runs yet.
    ///
    /// # Errors
    /// If no addresses are free, or the scratch folder can't be written.
    pub fn reserve(self) -> Result<Plan, FleetError> {
        Plan::new(self)
    }

    /// Starts the fleet and waits until every node is ready.
    ///
    /// # Errors
    /// If that does not happen; with the end of what the node logged.
    pub async fn start(self) -> Result<Fleet, FleetError> {
        self.reserve()?.start().await
    }

    fn push_edit(mut self, edit: Edit) -> Self {
        self.edits.push(edit);
        self
    }
}
