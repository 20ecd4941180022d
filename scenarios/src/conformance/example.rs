//! The fleet of a run: that of the shipped example file, with nothing changed but addresses and secrets.

use super::error::ConformanceError;
use crate::fleet::FleetBuilder;
use clap::ValueEnum;
use edge::config::Role;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use toml::{Table, Value};

/// The file that users begin with, so that what is measured is what they get.
const EXAMPLE: &str = include_str!("../../../edge/deploy/fleet.example.toml");

/// What stands between the suite's client and its origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Topology {
    /// An edge, which asks the origin.
    Direct,
    /// An edge, which asks a shield, which asks the origin.
    Shield,
}

impl Topology {
    /// As it is written on command lines and in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Shield => "shield",
        }
    }
}

/// One measurement: a site of the example, in one topology.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Column {
    /// The site.
    pub site: String,
    /// The topology.
    pub topology: Topology,
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.site, self.topology.as_str())
    }
}

/// The example fleet file.
#[derive(Debug, Clone)]
pub struct Example(Arc<Table>);

/// A node of the example that takes part in a run.
struct Player {
    pop: String,
    id: String,
    role: Role,
}

impl Example {
    /// Reads it.
    ///
    /// # Errors
    /// If it is not TOML.
    pub fn read() -> Result<Self, ConformanceError> {
        let table = EXAMPLE.parse().map_err(|error: toml::de::Error| ConformanceError::Example(error.to_string()))?;
        Ok(Self(Arc::new(table)))
    }

    /// The ids of its sites.
    pub fn sites(&self) -> Vec<String> {
        list(&self.0, "sites").iter().map(|site| text(site, "id")).collect()
    }

    /// The columns of some sites and topologies: of all, where none are named.
    ///
    /// # Errors
    /// If there is no such site.
    pub fn columns(&self, sites: &[String], topologies: &[Topology]) -> Result<Vec<Column>, ConformanceError> {
        let known = self.sites();
        if let Some(site) = sites.iter().find(|site| !known.contains(site)) {
            return Err(ConformanceError::UnknownSite { site: site.clone(), known: known.join(", ") });
        }
        let is_meant = |site: &&String| sites.is_empty() || sites.contains(site);
        let topologies = if topologies.is_empty() { Topology::value_variants() } else { topologies };
        let mut columns: Vec<Column> = known
            .iter()
            .filter(is_meant)
            .flat_map(|site| topologies.iter().map(|&topology| Column { site: site.clone(), topology }))
            .collect();
        columns.dedup();
        Ok(columns)
    }

    /// The fleet of a column, in front of the suite's origin; and the name of the node that its client asks.
    ///
    /// # Errors
    /// If the example has no edge, or no shield where one is needed.
    pub(super) fn fleet(
        &self,
        column: &Column,
        origin: SocketAddr,
    ) -> Result<(FleetBuilder, String), ConformanceError> {
        let players = self.players(column.topology)?;
        let edge = players.iter().find(|player| player.role == Role::Edge).map(|player| player.id.clone());
        let edge = edge.ok_or_else(|| ConformanceError::Example("it has no edge".to_owned()))?;
        let mut builder = FleetBuilder::new();
        for player in &players {
            builder = builder.node(&player.pop, &player.id, player.role, 0.0, 0.0);
        }
        for entry in list(&self.0, "origins") {
            builder = builder.origin(&text(entry, "id"), origin);
        }
        for site in list(&self.0, "sites") {
            builder = builder.site_of(&text(site, "id"), &[], &text(site, "origin"));
        }
        let (example, site, asked) = (Arc::clone(&self.0), column.site.clone(), edge.clone());
        let builder = builder.edit(move |root| {
            let planned = std::mem::replace(root, (*example).clone());
            readdress(root, &planned, &site, &asked);
        });
        Ok((builder, edge))
    }

    /// The first edge and, unless it asks the origin itself, all shields.
    fn players(&self, topology: Topology) -> Result<Vec<Player>, ConformanceError> {
        let mut players = Vec::new();
        let mut has_edge = false;
        for pop in list(&self.0, "pops") {
            for node in pop.get("nodes").and_then(Value::as_array).into_iter().flatten() {
                let role = if text(node, "role") == Role::Shield.as_str() { Role::Shield } else { Role::Edge };
                let plays = match role {
                    Role::Shield => topology == Topology::Shield,
                    Role::Edge => !std::mem::replace(&mut has_edge, true),
                };
                if plays {
                    players.push(Player { pop: text(pop, "id"), id: text(node, "id"), role });
                }
            }
        }
        let has_shield = players.iter().any(|player| player.role == Role::Shield);
        if topology == Topology::Shield && !has_shield {
            return Err(ConformanceError::Example("it has no shield".to_owned()));
        }
        Ok(players)
    }
}

/// Gives the example the addresses and secrets of a plan, and takes out the nodes that the plan does not have. The
/// suite's client sends the address that it connects to as the host, so the site under test has it among its hosts.
fn readdress(root: &mut Table, planned: &Table, site: &str, asked: &str) {
    let nodes: Vec<&Value> =
        list(planned, "pops").iter().flat_map(|pop| pop.get("nodes")?.as_array()).flatten().collect();
    let find = |id: &str| nodes.iter().find(|node| text(node, "id") == id);
    let pops = list_mut(root, "pops");
    for pop in pops.iter_mut().filter_map(Value::as_table_mut) {
        let own = list_mut(pop, "nodes");
        own.retain(|node| find(&text(node, "id")).is_some());
        for node in own.iter_mut().filter_map(Value::as_table_mut) {
            let id = node.get("id").and_then(Value::as_str).unwrap_or_default();
            if let Some(addresses) = find(id).and_then(|node| node.as_table()) {
                for key in ["public", "admin"] {
                    copy(node, addresses, key);
                }
            }
        }
    }
    pops.retain(|pop| pop.get("nodes").and_then(Value::as_array).is_some_and(|nodes| !nodes.is_empty()));
    for origin in list_mut(root, "origins").iter_mut().filter_map(Value::as_table_mut) {
        let id = origin.get("id").and_then(Value::as_str).unwrap_or_default();
        let same = list(planned, "origins").iter().find(|it| text(it, "id") == id).and_then(Value::as_table);
        if let Some(same) = same {
            copy(origin, same, "url");
        }
    }
    let address = find(asked).map(|node| text(node, "public")).unwrap_or_default();
    for entry in list_mut(root, "sites").iter_mut().filter(|it| text(it, "id") == site) {
        if let Some(hosts) = entry.as_table_mut().map(|entry| list_mut(entry, "hosts")) {
            hosts.push(address.as_str().into());
        }
    }
    for key in ["tokens", "tier"] {
        copy(root, planned, key);
    }
}

fn copy(to: &mut Table, from: &Table, key: &str) {
    if let Some(value) = from.get(key) {
        to.insert(key.to_owned(), value.clone());
    }
}

fn list<'t>(table: &'t Table, key: &str) -> &'t [Value] {
    table.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A list of the table, which is made if it isn't there.
fn list_mut<'t>(table: &'t mut Table, key: &str) -> &'t mut Vec<Value> {
    let entry = table.entry(key).or_insert_with(|| Value::Array(Vec::new()));
    if !entry.is_array() {
        *entry = Value::Array(Vec::new());
    }
    entry.as_array_mut().expect("it was just made one")
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::View;

    fn parse(text: &str) -> edge::config::Fleet {
        let folder = std::path::Path::new(".");
        edge::config::Fleet::parse(text, "fleet.toml", folder).unwrap_or_else(|problems| panic!("{problems}"))
    }

    #[test]
    fn nothing_of_the_example_changes_but_addresses_and_who_plays() {
        let origin = SocketAddr::from(([127, 0, 0, 1], 8123));
        let example = Example::read().unwrap();
        let untouched = parse(EXAMPLE);
        for column in example.columns(&[], &[]).unwrap() {
            let (builder, edge) = example.fleet(&column, origin).unwrap();
            let plan = builder.reserve().unwrap();
            let fleet = parse(&plan.fleet_file(&View::default()).unwrap());
            let roles: Vec<Role> = fleet.nodes().map(|(_, node)| node.role).collect();
            match column.topology {
                Topology::Direct => assert_eq!(roles, [Role::Edge]),
                Topology::Shield => assert_eq!(roles, [Role::Shield, Role::Edge]),
            }
            assert!(fleet.origins.iter().all(|it| it.address == origin.to_string()), "{:?}", fleet.origins);
            let asked = fleet.nodes().find(|(_, node)| node.id.as_str() == edge).unwrap().1.public.clone();
            for (site, was) in fleet.sites.iter().zip(&untouched.sites) {
                let mut was = was.clone();
                if site.id.as_str() == column.site {
                    was.hosts.push(asked.clone());
                }
                assert_eq!(format!("{site:?}"), format!("{was:?}"), "{column}");
            }
        }
    }

    #[test]
    fn columns_are_those_that_are_named() {
        let example = Example::read().unwrap();
        let site = example.sites().remove(0);
        let named = example.columns(std::slice::from_ref(&site), &[Topology::Shield]).unwrap();
        assert_eq!(named, [Column { site, topology: Topology::Shield }]);
        assert_eq!(example.columns(&[], &[]).unwrap().len(), 2 * example.sites().len());
        let error = example.columns(&["dcos".to_owned()], &[]).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("docs"), "{error}");
    }
}
