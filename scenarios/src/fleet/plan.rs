//! A fleet whose addresses are known and whose processes don't run yet.

use super::address::Block;
use super::binaries::{Binary, find_binary};
use super::builder::{Edit, FleetBuilder, OriginEntry, PopSpec, SiteSpec};
use super::document::table;
use super::error::FleetError;
use super::process::ProcessSpec;
use super::running::Fleet;
use super::secrets::Secrets;
use edge::config::Role;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use toml::{Table, Value};

/// The preferred port of public listeners.
const PUBLIC_PORT: u16 = 8080;
/// The preferred port of admin listeners.
const ADMIN_PORT: u16 = 9090;

/// A node with its addresses.
#[derive(Debug, Clone)]
pub struct PlannedNode {
    /// Its name.
    pub id: String,
    /// Its PoP.
    pub pop: String,
    /// What it is for.
    pub role: Role,
    /// Where it listens for clients and other nodes.
    pub public: SocketAddr,
    /// Where its admin server listens.
    pub admin: SocketAddr,
}

/// How a fleet looks from one place: where from there others are reached, if not at their own addresses.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Public addresses by node.
    pub public: BTreeMap<String, SocketAddr>,
    /// Admin addresses by node.
    pub admin: BTreeMap<String, SocketAddr>,
    /// Addresses by origin.
    pub origins: BTreeMap<String, SocketAddr>,
}

/// A fleet whose addresses are reserved.
pub struct Plan {
    pops: Vec<PopSpec>,
    origins: Vec<OriginEntry>,
    sites: Vec<SiteSpec>,
    edits: Vec<Edit>,
    nodes: Vec<PlannedNode>,
    views: BTreeMap<String, View>,
    operator: View,
    block: Block,
    folder: TempDir,
    secrets: Secrets,
    process: ProcessSpec,
    wait_for_readiness: bool,
}

/// What a started fleet keeps of its plan.
pub(super) struct Kept {
    pub(super) nodes: Vec<PlannedNode>,
    pub(super) fleet_files: BTreeMap<String, PathBuf>,
    pub(super) fleet_file: PathBuf,
    pub(super) block: Block,
    pub(super) folder: TempDir,
    pub(super) secrets: Secrets,
}

impl Plan {
    pub(super) fn new(builder: FleetBuilder) -> Result<Self, FleetError> {
        let folder =
            tempfile::Builder::new().prefix("tidewall-fleet-").tempdir().map_err(FleetError::file("TMPDIR"))?;
        let logs = folder.path().join("logs");
        std::fs::create_dir(&logs).map_err(FleetError::file(&logs))?;
        let secrets = Secrets::create(&folder.path().join("secrets"))?;
        let mut block = Block::reserve()?;
        let mut nodes = Vec::new();
        for (pop, node) in builder.pops.iter().flat_map(|pop| pop.nodes.iter().map(move |node| (pop, node))) {
            let host = block.host()?;
            nodes.push(PlannedNode {
                id: node.id.clone(),
                pop: pop.id.clone(),
                role: node.role,
                public: block.port(host, PUBLIC_PORT)?,
                admin: block.port(host, ADMIN_PORT)?,
            });
        }
        Ok(Self {
            process: ProcessSpec {
                name: String::new(),
                program: PathBuf::new(),
                arguments: builder.arguments,
                environment: builder.environment,
                stdin: None,
                log_folder: logs,
            },
            wait_for_readiness: !builder.without_readiness,
            pops: builder.pops,
            origins: builder.origins,
            sites: builder.sites,
            edits: builder.edits,
            nodes,
            views: BTreeMap::new(),
            operator: View::default(),
            block,
            folder,
            secrets,
        })
    }

    /// All nodes, in the order in which they were added.
    pub fn nodes(&self) -> &[PlannedNode] {
        &self.nodes
    }

    /// Further addresses of the fleet's block, for links and other servers.
    pub fn block(&mut self) -> &mut Block {
        &mut self.block
    }

    /// The scratch folder. It is removed with the fleet.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder for what processes print.
    pub fn log_folder(&self) -> &Path {
        &self.process.log_folder
    }

    /// The fleet's secrets.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Sets how the nodes of a PoP see the rest of the fleet. They then have a fleet file of their own.
    pub fn view(&mut self, pop: &str, view: View) {
        self.views.insert(pop.to_owned(), view);
    }

    /// Sets how the fleet looks from where purges are issued.
    pub fn operator_view(&mut self, view: View) {
        self.operator = view;
    }

    /// The fleet file as seen from one place.
    ///
    /// # Errors
    /// If what is to be merged into it is not TOML.
    pub fn fleet_file(&self, view: &View) -> Result<String, FleetError> {
        let mut root = Table::new();
        let list = |items: Vec<Table>| Value::Array(items.into_iter().map(Value::Table).collect());
        root.insert("pops".to_owned(), list(self.pops.iter().map(|pop| self.pop_table(pop, view)).collect()));
        let origin = |origin: &OriginEntry| {
            let address = view.origins.get(&origin.id).unwrap_or(&origin.address);
            table([("id", origin.id.as_str().into()), ("url", format!("http://{address}").into())])
        };
        root.insert("origins".to_owned(), list(self.origins.iter().map(origin).collect()));
        let site = |site: &SiteSpec| {
            let hosts: Vec<Value> = site.hosts.iter().map(|host| host.as_str().into()).collect();
            table([("id", site.id.as_str().into()), ("hosts", hosts.into()), ("origin", site.origin.as_str().into())])
        };
        root.insert("sites".to_owned(), list(self.sites.iter().map(site).collect()));
        let secret = |name: &str| Value::from(self.secrets.file(name).display().to_string());
        let token = |id: &str, role: &str| table([("id", id.into()), ("role", role.into()), ("file", secret(id))]);
        let mut deploy = token("deploy", "purge");
        let sites: Vec<Value> = self.sites.iter().map(|site| site.id.as_str().into()).collect();
        deploy.insert("sites".to_owned(), sites.into());
        root.insert("tokens".to_owned(), list(vec![token("admin", "admin"), deploy, token("read", "read")]));
        root.insert("tier".to_owned(), Value::Table(table([("secret_file", secret("tier"))])));
        for edit in &self.edits {
            edit(&mut root)?;
        }
        toml::to_string(&root).map_err(|error| FleetError::BadToml(error.to_string()))
    }

    fn pop_table(&self, pop: &PopSpec, view: &View) -> Table {
        let node = |node: &PlannedNode| {
            let public = view.public.get(&node.id).unwrap_or(&node.public);
            let admin = view.admin.get(&node.id).unwrap_or(&node.admin);
            Value::Table(table([
                ("id", node.id.as_str().into()),
                ("role", node.role.as_str().into()),
                ("public", public.to_string().into()),
                ("admin", admin.to_string().into()),
            ]))
        };
        let nodes: Vec<Value> = self.nodes.iter().filter(|node| node.pop == pop.id).map(node).collect();
        table([
            ("id", pop.id.as_str().into()),
            ("region", pop.region.as_str().into()),
            ("latitude", pop.latitude.into()),
            ("longitude", pop.longitude.into()),
            ("nodes", nodes.into()),
        ])
    }

    /// Starts the processes and waits until every node is ready.
    ///
    /// # Errors
    /// If that does not happen; with the end of what the node logged.
    pub async fn start(mut self) -> Result<Fleet, FleetError> {
        self.process.program = find_binary(Binary::Edge)?;
        let folder = self.folder.path();
        let write = |name: String, view: &View| {
            let path = folder.join(name);
            std::fs::write(&path, self.fleet_file(view)?).map_err(FleetError::file(&path))?;
            Ok::<_, FleetError>(path)
        };
        let fleet_file = write("fleet.toml".to_owned(), &self.operator)?;
        let mut of_pop = BTreeMap::new();
        for pop in &self.pops {
            let view = self.views.get(&pop.id);
            let default = View::default();
            of_pop.insert(&pop.id, write(format!("fleet.{}.toml", pop.id), view.unwrap_or(&default))?);
        }
        let fleet_files: BTreeMap<String, PathBuf> =
            self.nodes.iter().map(|node| (node.id.clone(), of_pop[&node.pop].clone())).collect();
        let specs = self.nodes.iter().map(|node| {
            let mut spec = self.process.clone();
            spec.name.clone_from(&node.id);
            let file = fleet_files[&node.id].clone().into_os_string();
            let mut arguments = vec!["run".into(), "--config".into(), file, "--node".into(), node.id.clone().into()];
            arguments.append(&mut spec.arguments);
            spec.arguments = arguments;
            spec
        });
        let specs: Vec<ProcessSpec> = specs.collect();
        let Self { nodes, block, folder, secrets, wait_for_readiness, .. } = self;
        let kept = Kept { nodes, fleet_files, fleet_file, block, folder, secrets };
        Fleet::start(kept, specs, wait_for_readiness).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_place_has_its_own_correct_fleet_file() {
        let origin = SocketAddr::from(([127, 0, 0, 1], 8000));
        let mut plan = FleetBuilder::new()
            .shield("shield-1")
            .pop("fra", 50.11, 8.68)
            .pop("sin", 1.36, 103.99)
            .edge("sin", "sin-2")
            .region("sin", "Singapore")
            .site("docs", &["www.example"], origin)
            .toml_extra("[[sites]]\nid = \"docs\"\ndefault_ttl = \"10s\"\n[timeouts]\ndrain = \"1s\"")
            .edit(|root| drop(root.insert("listen".to_owned(), Value::Table(table([("h2c", true.into())])))))
            .reserve()
            .unwrap();
        let link = plan.block().address(8080).unwrap();
        let view = View {
            public: [("shield-1".to_owned(), link)].into(),
            origins: [("docs".to_owned(), link)].into(),
            admin: BTreeMap::new(),
        };
        let read = |view: &View| {
            let text = plan.fleet_file(view).unwrap();
            edge::config::Fleet::parse(&text, "fleet.toml", plan.folder())
                .unwrap_or_else(|problems| panic!("{problems}"))
        };
        let (from_sin, at_home) = (read(&view), read(&View::default()));
        let node = |fleet: &edge::config::Fleet, id: &str| {
            fleet.nodes().find(|(_, node)| node.id.as_str() == id).unwrap().1.clone()
        };
        assert_eq!(node(&from_sin, "shield-1").public, link.to_string());
        assert_eq!(from_sin.origins[0].address, link.to_string());
        assert_eq!(node(&at_home, "shield-1").public, plan.nodes()[0].public.to_string());
        assert_eq!(at_home.origins[0].address, origin.to_string());
        assert_eq!(node(&from_sin, "sin-2").role, Role::Edge);
        assert_eq!((at_home.pops.len(), at_home.pops[2].region.as_str()), (3, "Singapore"));
        assert!(at_home.h2c && at_home.sites[0].default_ttl == Some(Duration::from_secs(10)));
        for token in &at_home.tokens {
            assert_eq!(token.secret.fetch().unwrap(), plan.secrets().of_role(&token.role));
        }
    }

    #[test]
    fn what_is_merged_must_be_toml() {
        let plan = FleetBuilder::new().toml_extra("a = ").reserve().unwrap();
        assert!(matches!(plan.fleet_file(&View::default()), Err(FleetError::BadToml(_))));
    }
}
