//! Origins: where sites are fetched from.

use super::nodes::{Unique, checked, host_port};
use super::reader::Section;
use crate::core::id::OriginId;
use crate::core::url::{Scheme, normalise_host};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An HTTP server that sites are fetched from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Its name.
    pub id: OriginId,
    /// How it is spoken to.
    pub scheme: Scheme,
    /// Where it is reached: `host:port`.
    pub address: String,
    /// The Host that it is asked for; `None` to pass on the client's.
    pub host: Option<String>,
    /// The name that its certificate is asked for and checked against.
    pub sni: String,
    /// Certificates of the authorities to trust instead of the system's, as a PEM file.
    pub ca_file: Option<PathBuf>,
    /// Whether its certificate is checked.
    pub verify: bool,
    /// How long a connection may take to open.
    pub connect_timeout: Duration,
    /// How long the first byte of a response may take, and each pause within it.
    pub first_byte_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
}

/// The origins, and the names of all, the wrong ones included: a site that names one of those makes no mistake of its
/// own.
pub(super) fn read_origins(root: &Section<'_>, folder: &Path) -> (Vec<Origin>, Vec<OriginId>) {
    let mut names = Unique::new("origin");
    let sections = root.sections("origins");
    if sections.is_empty() {
        root.missing("origins", "write at least one [[origins]] with id and url");
    }
    let mut named = Vec::new();
    let read = |origin| read_origin(origin, &mut names, &mut named, folder);
    (sections.into_iter().filter_map(read).collect(), named)
}

fn read_origin(origin: Section<'_>, names: &mut Unique, named: &mut Vec<OriginId>, folder: &Path) -> Option<Origin> {
    let id = origin.needed("id", "name the origin, as in id = \"www\"");
    let id =
        id.and_then(|at| checked(&origin, &at, OriginId::new)).inspect(|(id, at)| names.add(&origin, id.as_str(), at));
    named.extend(id.as_ref().map(|(id, _)| id.clone()));
    let url = origin.needed("url", "write where it is, as in url = \"https://origin.example.com\"").and_then(|at| {
        let parsed = parse_url(at.value);
        if parsed.is_none() {
            origin.reject(
                &at,
                "is not an origin's URL",
                "write http://host[:port] or https://host[:port], without a path",
            );
        }
        parsed
    });
    let host = origin.text("host").and_then(|at| match normalise_host(at.value, Scheme::Http) {
        Ok(_) => Some(at.value.to_owned()),
        Err(error) => {
            origin.reject(&at, error.to_string(), "write the Host that the origin expects, as in \"www.example.com\"");
            None
        }
    });
    let sni = origin.text("sni").map(|at| at.value.to_owned());
    let ca_file = origin.text("ca_file").map(|at| folder.join(at.value));
    let verify = origin.boolean("verify").unwrap_or(true);
    check_tls(&origin, url.as_ref().map(|(scheme, ..)| *scheme), verify);
    let timeout = |key, default| origin.duration(key).unwrap_or(Duration::from_secs(default));
    let connect_timeout = timeout("connect_timeout", 2);
    let first_byte_timeout = timeout("first_byte_timeout", 30);
    let idle_timeout = timeout("idle_timeout", 60);
    origin.finish();
    let (scheme, address, name) = url?;
    Some(Origin {
        id: id?.0,
        scheme,
        sni: sni.unwrap_or(name),
        address,
        host,
        ca_file,
        verify,
        connect_timeout,
        first_byte_timeout,
        idle_timeout,
    })
}

/// Finds what has no effect in how a certificate is checked.
fn check_tls(origin: &Section<'_>, scheme: Option<Scheme>, verify: bool) {
    if scheme == Some(Scheme::Http) {
        for key in ["sni", "ca_file", "verify"].into_iter().filter(|key| origin.has(key)) {
            origin.reject(
                &origin.at(key),
                "has no effect: an http origin has no certificate",
                "write https in url, or remove it",
            );
        }
    } else if !verify && origin.has("ca_file") {
        let what = "has no effect beside verify = false, by which every certificate is taken";
        origin.reject(&origin.at("ca_file"), what, "keep one of them");
    }
}

/// Scheme, `host:port`, host.
fn parse_url(url: &str) -> Option<(Scheme, String, String)> {
    let (scheme, authority) = url.split_once("://")?;
    let scheme = Scheme::parse(scheme)?;
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let default = if scheme == Scheme::Http { 80 } else { 443 };
    let address = host_port(&if has_port { authority.to_owned() } else { format!("{authority}:{default}") })?;
    let (name, _) = address.rsplit_once(':')?;
    let name = name.to_owned();
    Some((scheme, address, name))
}
