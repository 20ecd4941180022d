//! What a purge selects.

use super::truth::{FOLDERS, GROUPS, HOST, SITE, Truth, tag};
use rand::Rng;
use std::collections::BTreeSet;

/// What a purge selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Selection {
    /// Pages by their URLs.
    Urls(Vec<usize>),
    /// The pages of a folder.
    Folder(usize),
    /// The pages that carry the tag of a group.
    Group(usize),
    /// All pages of the site.
    Site,
    /// All that the fleet holds.
    Everything,
}

impl Selection {
    /// Any of those that a token for purges may ask for; most often some URLs.
    pub(super) fn draw(rng: &mut impl Rng, truth: &Truth) -> Self {
        match rng.random_range(0..100) {
            0..50 => {
                let count = rng.random_range(1..=3);
                let pages: BTreeSet<usize> = (0..count).map(|_| rng.random_range(0..truth.pages.len())).collect();
                Self::Urls(pages.into_iter().collect())
            }
            50..70 => Self::Group(rng.random_range(0..GROUPS)),
            70..90 => Self::Folder(rng.random_range(0..FOLDERS.len())),
            _ => Self::Site,
        }
    }

    /// The pages that it selects.
    pub(super) fn pages(&self, truth: &Truth) -> Vec<usize> {
        let pages = truth.pages.iter().enumerate();
        let selected = pages.filter(|(at, page)| match self {
            Self::Urls(pages) => pages.contains(at),
            Self::Folder(folder) => page.folder == *folder,
            Self::Group(group) => page.group == *group,
            Self::Site | Self::Everything => true,
        });
        selected.map(|(at, _)| at).collect()
    }

    /// As `purge-cli` is told.
    pub(super) fn arguments(&self, truth: &Truth) -> Vec<String> {
        let url = |path: &str| format!("http://{HOST}{path}");
        match self {
            Self::Urls(pages) => {
                let urls = pages.iter().map(|page| url(&truth.pages[*page].path));
                ["url".to_owned()].into_iter().chain(urls).collect()
            }
            Self::Folder(folder) => vec!["prefix".to_owned(), url(&format!("/{}/", FOLDERS[*folder]))],
            Self::Group(group) => vec!["tag".to_owned(), tag(*group)],
            Self::Site => vec!["site".to_owned(), SITE.to_owned()],
            Self::Everything => vec!["all".to_owned(), "--yes".to_owned()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections_select() {
        let truth = Truth::new();
        for (selection, paths) in [
            (Selection::Urls(vec![0, 5]), vec!["/a/0", "/b/1"]),
            (Selection::Folder(2), vec!["/c/0", "/c/1", "/c/2", "/c/3"]),
            (Selection::Group(1), vec!["/a/1", "/b/1", "/c/1"]),
        ] {
            let pages: Vec<&str> =
                selection.pages(&truth).into_iter().map(|page| truth.pages[page].path.as_str()).collect();
            assert_eq!(pages, paths, "{selection:?}");
        }
        assert_eq!(Selection::Site.pages(&truth).len(), truth.pages.len());
        assert_eq!(Selection::Folder(0).arguments(&truth), ["prefix", "http://www.shop.example/a/"]);
    }
}
