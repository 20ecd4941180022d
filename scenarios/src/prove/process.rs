//! A process of a node: its memory, which a crash takes; and the node's disk, which it leaves behind.

use super::clock::Clock;
use super::entry::Entry;
use super::home::Incoming;
use super::url::{self, Key};
use super::world::{ProcId, Step, TaskId};
use edge::core::id::NodeId;
use edge::core::log::{Chain, Event, Follower, Lease, Member, Position, Record, RecordId};
use edge::core::purge::{Fence, Index, Limits, Mark, Selector};
use edge::core::rules::{self, Rule};
use edge::core::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// From how many rules on the sweep is due, in this small world.
const LIMITS: Limits = Limits { sweep_at: 3, max_rules: 64 };

/// A node: a place for processes, one after the other.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) is_shield: bool,
    pub(super) disk: Option<Disk>,
    pub(super) boots: u64,
    /// The process that runs, or ran last.
    pub(super) proc: ProcId,
    pub(super) home_cut_until: Step,
    pub(super) tier_cut_until: Step,
    pub(super) clock: Clock,
    /// Whether it serves what it has stored under leases alone.
    pub(super) is_strict: bool,
    /// Whether the fleet file does not name it any more.
    pub(super) is_forgotten: bool,
}

/// What survives a crash of a process.
#[derive(Debug, Default)]
pub(super) struct Disk {
    /// How far the node had applied the log.
    pub(super) applied: Option<(Position, Chain)>,
    pub(super) floor: Position,
    /// The records behind the floor.
    pub(super) journal: Vec<Record>,
    pub(super) entries: BTreeMap<Key, Kept>,
    /// The node's own invalidations, in their order.
    pub(super) invalidated: Vec<Key>,
}

impl Disk {
    /// Rules up to here are not kept any more; if that is not known to be applied yet, they are.
    pub(super) fn retire(&mut self, upto: Position) {
        if let Some(at) = self.journal.iter().position(|record| record.position == upto) {
            self.floor = upto;
            self.journal.drain(..=at);
        }
    }
}

/// An entry as it is kept.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) entry: Arc<Entry>,
    pub(super) valid: Fence,
    pub(super) soft_since: Option<Timestamp>,
}

/// A fetch that others may join.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) fill: TaskId,
    /// What had been applied when it began.
    pub(super) fence: Fence,
}

/// A fetch, and what came of it.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) key: Key,
    /// Whether it may still store something.
    pub(super) is_running: bool,
    pub(super) head: Option<Result<Arc<Entry>, ()>>,
}

impl Fetched {
    pub(super) const fn new(key: Key) -> Self {
        Self { key, is_running: true, head: None }
    }
}

/// A process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) node: usize,
    pub(super) name: String,
    pub(super) member: Member,
    pub(super) alive: bool,
    pub(super) paused_until: Step,
    pub(super) is_serving: bool,
    /// Whether the node's disk is its own: not if it runs in another folder.
    pub(super) has_disk: bool,
    pub(super) index: Index,
    pub(super) follower: Follower,
    /// Records that are applied, and not on the disk yet.
    pub(super) unsaved: Vec<Record>,
    pub(super) store: BTreeMap<Key, Arc<Entry>>,
    pub(super) held: BTreeMap<Key, Held>,
    pub(super) fills: BTreeMap<TaskId, Fetched>,
    pub(super) session: Option<u64>,
    /// Whether it knows by now that it and the home know the same log.
    pub(super) is_met: bool,
    pub(super) lease: Lease,
    /// Whether it was leased when somebody last looked.
    pub(super) was_leased: bool,
    /// For the monitors: every record that it has put into its index, and up to where everything may be hidden.
    pub(super) history: Vec<Record>,
    pub(super) hides_upto: Position,
    /// What it has made invalid itself, and up to where of that everything may be hidden.
    pub(super) invalidated: Vec<Key>,
    pub(super) own_hides_upto: Position,
}

impl Process {
    /// A process that starts on this node, with what it finds on the disk.
    pub(super) fn start(node: usize, at: &mut Node, folder: &str) -> Self {
        at.boots += 1;
        let id = |text: &str| RecordId::new(text).expect("a good id");
        let member = Member {
            node: NodeId::new(&at.name).expect("a good name"),
            boot: id(&format!("boot{}", at.boots)),
            folder: id(&format!("{}-{folder}", at.name)),
            strict: at.is_strict,
        };
        let mut process = Self {
            node,
            name: format!("{}/{}", at.name, at.boots),
            member,
            alive: true,
            paused_until: 0,
            has_disk: at.disk.is_some() && folder == "disk",
            is_serving: !rules::on(Rule::CaughtUpFirst),
            index: Index::with_limits(LIMITS),
            follower: Follower::new(Position::ZERO, Chain::START),
            unsaved: Vec::new(),
            store: BTreeMap::new(),
            held: BTreeMap::new(),
            fills: BTreeMap::new(),
            session: None,
            is_met: false,
            lease: Lease::NONE,
            was_leased: false,
            history: Vec::new(),
            hides_upto: Position::ZERO,
            invalidated: Vec::new(),
            own_hides_upto: Position::ZERO,
        };
        if let Some(disk) = at.disk.as_ref().filter(|_| process.has_disk) {
            process.load(disk);
        }
        process
    }

    fn load(&mut self, disk: &Disk) {
        let Some((applied, chain)) = disk.applied else { return };
        self.index.hide_all(disk.floor);
        self.hides_upto = disk.floor;
        for record in &disk.journal {
            if let Event::Purge(purge) = &record.event {
                let selectors: Vec<&Selector> = purge.selectors.iter().collect();
                self.index.insert(record.position, &selectors, purge.mode, record.issued_at);
                self.history.push(record.clone());
            }
            self.index.publish(record.position);
        }
        for key in &disk.invalidated {
            self.index.invalidate(&[&url::of(*key)], Fence::ZERO);
        }
        self.invalidated.clone_from(&disk.invalidated);
        self.follower = Follower::new(applied, chain);
        for (key, kept) in &disk.entries {
            let mark = Mark::restored(kept.valid, kept.soft_since);
            self.store.insert(*key, Arc::new(kept.entry.with_mark(mark)));
        }
    }

    /// Whether an object is being fetched.
    pub(super) fn fetches(&self, key: Key) -> bool {
        self.fills.values().any(|fill| fill.key == key && fill.is_running)
    }

    /// The stream is gone.
    pub(super) fn forget_session(&mut self) {
        self.session = None;
        self.is_met = false;
        self.follower.lost();
    }

    pub(super) fn applied(&self) -> Fence {
        self.index.applied()
    }
}

/// Messages of the home that a process has not read yet, in order.
pub(super) type Stream = std::collections::VecDeque<Incoming>;
