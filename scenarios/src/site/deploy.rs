//! What a deploy changes, and so what must be purged and read again.

use super::release::{Release, is_page, other_url_of, redirect_to, url_of};

/// What becomes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Its content is another.
    Changed,
    /// It is gone.
    Removed,
    /// It is new. Before, its URL was answered with 404, which may have been stored.
    Added,
}

/// A file that a deploy changes while its name stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What becomes of it.
    pub kind: ChangeKind,
    /// Whether it is a page.
    pub page: bool,
    /// The URL paths that answer with it, its one form first.
    pub urls: Vec<String>,
    /// The URL path that leads to it by way of a redirect.
    pub redirect: Option<String>,
}

/// All that a deploy changes. Files whose name carries a digest of their content are not in it: a new content has a new
/// name, and the old one may stay cached for pages that still name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployPlan {
    /// The changes, by path.
    pub changes: Vec<Change>,
}

impl DeployPlan {
    /// Compares two releases. Files below `hashed` (a folder such as `assets/`) have their content in their name.
    pub fn between(old: &Release, new: &Release, hashed: &str) -> Self {
        let mut paths: Vec<&String> = old.files.keys().chain(new.files.keys()).collect();
        paths.sort();
        paths.dedup();
        let changes = paths.into_iter().filter_map(|path| {
            let is_hashed = !hashed.is_empty() && path.starts_with(hashed);
            let kind = match (old.files.get(path), new.files.get(path)) {
                (Some(before), Some(after)) if before == after => return None,
                (Some(_), Some(_)) => ChangeKind::Changed,
                _ if is_hashed => return None,
                (Some(_), None) => ChangeKind::Removed,
                (None, _) => ChangeKind::Added,
            };
            let urls = std::iter::once(url_of(path)).chain(other_url_of(path)).collect();
            Some(Change { kind, page: is_page(path), urls, redirect: redirect_to(path) })
        });
        Self { changes: changes.collect() }
    }

    /// The absolute URLs to purge.
    pub fn purge_list(&self, host: &str) -> Vec<String> {
        let paths = self.changes.iter().flat_map(|change| change.urls.iter().chain(&change.redirect));
        paths.map(|path| format!("http://{host}{path}")).collect()
    }

    /// How many files of a kind change.
    pub fn count(&self, kind: ChangeKind) -> usize {
        self.changes.iter().filter(|change| change.kind == kind).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn harbour(name: &str) -> Release {
        let sites = Path::new(env!("CARGO_MANIFEST_DIR")).join("sites/harbour");
        Release::read(name, &sites.join(name).join("dist")).unwrap()
    }

    #[test]
    fn the_deploy_of_the_harbour_site() {
        let (v1, v2) = (harbour("v1"), harbour("v2"));
        let plan = DeployPlan::between(&v1, &v2, "assets/");
        let find = |url: &str| plan.changes.iter().find(|change| change.urls.contains(&url.to_owned()));
        // Every page of the first release changes or goes, as the stylesheet they all name does.
        let kinds = |url: String| find(&url).map(|change| change.kind);
        assert!(v1.page_urls().all(|url| matches!(kinds(url), Some(ChangeKind::Changed | ChangeKind::Removed))));
        assert_eq!(v2.page_urls().count(), v1.page_urls().count() + 2 - 1);
        assert_eq!((plan.count(ChangeKind::Removed), plan.count(ChangeKind::Added)), (1, 2));
        assert_eq!(kinds("/books/weather-from-the-step/".into()), Some(ChangeKind::Removed));
        assert_eq!(kinds("/books/the-winter-moorings/".into()), Some(ChangeKind::Added));
        assert_eq!(kinds("/sw.js".into()), Some(ChangeKind::Changed));
        for same in ["/robots.txt", "/favicon.svg", "/site.webmanifest"] {
            assert_eq!(kinds(same.into()), None, "{same}");
        }
        assert!(!plan.changes.iter().any(|change| change.urls[0].starts_with("/assets/")));

        let list = plan.purge_list("www.example");
        for url in
            ["/", "/index.html", "/docs/", "/docs/index.html", "/docs", "/docs/glossary.html", "/data/catalogue.json"]
        {
            assert!(list.contains(&format!("http://www.example{url}")), "{url}");
        }
        assert!(!list.iter().any(|url| url.contains("/assets/") || url.contains("/.")), "{list:?}");
    }

    #[test]
    fn a_hashed_name_whose_content_changes_all_the_same_is_a_change() {
        let release = |files: &[(&str, &str)]| Release {
            name: String::new(),
            root: std::path::PathBuf::new(),
            files: files
                .iter()
                .map(|(path, text)| {
                    let file =
                        super::super::SiteFile { digest: blake3::hash(text.as_bytes()), bytes: text.len() as u64 };
                    ((*path).to_owned(), file)
                })
                .collect(),
        };
        let (old, new) = (release(&[("assets/a.js", "1"), ("assets/b.js", "1")]), release(&[("assets/a.js", "2")]));
        let plan = DeployPlan::between(&old, &new, "assets/");
        assert_eq!(plan.purge_list("h"), ["http://h/assets/a.js"]);
        assert_eq!(DeployPlan::between(&old, &new, "").changes.len(), 2);
    }
}
