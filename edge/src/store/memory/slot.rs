//! What is in a place of the store.

use crate::core::key::CacheKey;
use crate::core::purge::Fence;
use crate::core::vary::VaryRule;
use crate::store::entry::{Entry, OVERHEAD_BYTES};
use arc_swap::ArcSwapOption;
use std::sync::Arc;

/// Weights are counted in units of this many bytes: moka's are u32, which then reach 256 GiB for one entry.
pub(super) const UNIT_BYTES: u64 = 64;

/// What moka holds in a place: a response, or by what the responses to this URL vary.
#[derive(Debug, Clone)]
pub(super) struct Slot(Arc<Held>);

#[derive(Debug)]
struct Held {
    content: What,
    /// The fence of the fetch that it comes from.
    fence: Fence,
    units: u32,
}

#[derive(Debug)]
enum What {
    /// `None` once it has left the store. moka frees by epochs, which any thread that stands still holds up; the
    /// response, with its body, is let go at once.
    Entry(ArcSwapOption<Entry>),
    /// A response that is in this other place.
    Also(CacheKey),
    Varies(Varies),
}

/// By what the responses to a URL vary, under the URL's key. They need not all vary by the same: each way has variants of
/// its own, and the newest way stands first.
#[derive(Debug, Clone)]
pub(super) struct Varies(Arc<[Way]>);

/// How many ways are remembered. A response that varies in a new one makes the oldest one's variants unreachable.
const MAX_WAYS: usize = 4;

/// One of the ways in which the responses to a URL vary.
#[derive(Debug, Clone)]
pub(super) struct Way {
    pub(super) rule: VaryRule,
    /// Part of the variants' keys. A marker that was lost, and made anew, has another one: variants that nobody could see
    /// meanwhile, and which may have become invalid unseen, don't come back.
    pub(super) generation: u64,
}

impl Varies {
    /// The newest way first.
    pub(super) fn ways(&self) -> &[Way] {
        &self.0
    }

    /// With `rule` as the newest way; `next` gives it a generation if it has none yet.
    pub(super) fn with(before: Option<&Self>, rule: &VaryRule, next: impl FnOnce() -> u64) -> Self {
        let before = before.map_or(&[][..], Self::ways);
        let generation = before.iter().find(|way| way.rule == *rule).map_or_else(next, |way| way.generation);
        let others = before.iter().filter(|way| way.rule != *rule).cloned();
        Self(std::iter::once(Way { rule: rule.clone(), generation }).chain(others).take(MAX_WAYS).collect())
    }
}

/// What is found in a place.
#[derive(Debug)]
pub(super) enum Content {
    Entry(Arc<Entry>),
    Also(CacheKey),
    Varies(Varies),
}

impl Slot {
    pub(super) fn of(entry: &Arc<Entry>) -> Self {
        let content = What::Entry(ArcSwapOption::new(Some(entry.clone())));
        Self(Arc::new(Held { content, fence: entry.fence, units: units(entry.bytes()) }))
    }

    /// Another place where what is stored in an entry's place is found: that entry, or what has taken its place.
    pub(super) fn also(entry: &Arc<Entry>) -> Self {
        let content = What::Also(entry.key);
        Self(Arc::new(Held { content, fence: entry.fence, units: units(OVERHEAD_BYTES) }))
    }

    pub(super) fn varies(varies: Varies, fence: Fence) -> Self {
        let fields = varies.ways().iter().map(|way| 1 + way.rule.fields().len()).sum::<usize>();
        let bytes = OVERHEAD_BYTES + 64 * fields as u64;
        Self(Arc::new(Held { content: What::Varies(varies), fence, units: units(bytes) }))
    }

    /// What it takes, in [`UNIT_BYTES`].
    pub(super) fn units(&self) -> u32 {
        self.0.units
    }

    pub(super) fn fence(&self) -> Fence {
        self.0.fence
    }

    /// Whether it holds this very entry.
    pub(super) fn holds(&self, entry: &Arc<Entry>) -> bool {
        match &self.0.content {
            What::Entry(held) => held.load().as_ref().is_some_and(|held| Arc::ptr_eq(held, entry)),
            What::Also(_) | What::Varies(_) => false,
        }
    }

    /// What it holds; `None` if it has left the store.
    pub(super) fn content(&self) -> Option<Content> {
        match &self.0.content {
            What::Entry(held) => held.load_full().map(Content::Entry),
            What::Also(key) => Some(Content::Also(*key)),
            What::Varies(varies) => Some(Content::Varies(varies.clone())),
        }
    }

    /// It leaves the store.
    pub(super) fn let_go(&self) {
        if let What::Entry(held) = &self.0.content {
            held.store(None);
        }
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}
