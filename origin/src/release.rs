//! A release: the files of one built site, indexed once and never changed.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::SystemTime;

use http::HeaderValue;

use crate::conditional::Validators;
use crate::content::Content;
use crate::encoding::Coding;
use crate::release_name::ReleaseName;
use crate::site_path::SitePath;

/// The page for 404 responses, if the site has one.
const NOT_FOUND_PAGE: &str = "404.html";
/// What a folder's URL serves.
const FOLDER_PAGE: &str = "index.html";

/// The files of one built site.
#[derive(Debug)]
pub struct Release {
    /// Its name.
    pub name: ReleaseName,
    /// Its folder, absolute and without symbolic links.
    pub root: PathBuf,
    /// By path within the folder.
    pub assets: HashMap<String, Asset>,
    /// The sizes of all files together.
    pub total_bytes: u64,
    /// Entries of the folder that are not served though not hidden: links that lead out, odd names, devices.
    pub skipped: u64,
    /// BLAKE3 over all paths and entity tags, in hex: equal for equal content.
    pub digest: String,
    /// When it was loaded.
    pub loaded_at: SystemTime,
}

/// One file, in all the codings that it has.
#[derive(Clone, Debug)]
pub struct Asset {
    /// By extension.
    pub content_type: HeaderValue,
    /// By policy.
    pub cache_control: HeaderValue,
    /// By policy; none when no rule gives it a tag.
    pub tags: Option<HeaderValue>,
    /// The file itself.
    pub identity: Representation,
    /// Its `.br` sibling.
    pub brotli: Option<Representation>,
    /// Its `.gz` sibling.
    pub gzip: Option<Representation>,
}

/// One sequence of bytes with its validators (RFC 9110 §8).
#[derive(Clone, Debug)]
pub struct Representation {
    /// The bytes.
    pub content: Content,
    /// How many there are.
    pub length_bytes: u64,
    /// What conditional requests compare.
    pub validators: Validators,
}

impl Asset {
    /// Whether `Accept-Encoding` decides what is sent: then every response says so in `Vary`.
    pub const fn is_negotiated(&self) -> bool {
        self.brotli.is_some() || self.gzip.is_some()
    }

    /// The representation in a coding, if there is one.
    pub const fn representation(&self, coding: Coding) -> Option<&Representation> {
        match coding {
            Coding::Identity => Some(&self.identity),
            Coding::Brotli => self.brotli.as_ref(),
            Coding::Gzip => self.gzip.as_ref(),
        }
    }
}

/// What a path comes to within a release.
#[derive(Debug)]
pub enum Lookup<'a> {
    /// A file.
    Found(&'a Asset),
    /// A folder with a page, asked for without its slash.
    NeedsSlash {
        /// The folder, with the slash.
        folder: String,
        /// Its page.
        page: &'a Asset,
    },
    /// Nothing that is served.
    Missing,
}

impl Release {
    /// Finds the file for a request's path.
    pub fn find(&self, path: &str) -> Lookup<'_> {
        match SitePath::parse(path) {
            Some(SitePath::File(file)) => match self.assets.get(&file) {
                Some(asset) => Lookup::Found(asset),
                None => {
                    let folder = file + "/";
                    self.page_of(&folder).map_or(Lookup::Missing, |page| Lookup::NeedsSlash { folder, page })
                }
            },
            Some(SitePath::Folder(folder)) => self.page_of(&folder).map_or(Lookup::Missing, Lookup::Found),
            None => Lookup::Missing,
        }
    }

    /// The site's own page for 404 responses.
    pub fn not_found_page(&self) -> Option<&Asset> {
        self.assets.get(NOT_FOUND_PAGE)
    }

    fn page_of(&self, folder: &str) -> Option<&Asset> {
        self.assets.get(&format!("{folder}{FOLDER_PAGE}"))
    }
}
