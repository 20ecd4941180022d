//! What happens to the world by itself: requests, purges, faults.

use super::entry::Entry;
use super::home::{Session, Stage};
use super::operator::Operator;
use super::process::Kept;
use super::serve::{Asker, Form, Serve};
use super::sweep::Sweep;
use super::url::Key;
use super::world::{Kind, ProcId, Step, TaskId, World};
use super::write::Write;
use edge::core::log::{Member, Position};
use edge::core::purge::{Fence, Mark, Mode, Selector};
use edge::core::reuse::PurgeMark;
use edge::core::rules::{self, Rule};
use std::sync::Arc;

/// Something planned.
#[derive(Debug, Clone)]
pub(super) enum Event {
    Request {
        node: usize,
        key: Key,
        form: Form,
    },
    /// An unsafe request.
    Write {
        node: usize,
        key: Key,
    },
    Purge {
        number: u64,
        deploys: Option<Key>,
        mode: Mode,
        selectors: Vec<Selector>,
        not_in_fleet: Option<usize>,
    },
    /// The tags of an object change, and nothing else.
    Retag {
        key: Key,
    },
    /// The entry goes from memory, or from the disk as well.
    Evict {
        node: usize,
        key: Key,
        from_disk: bool,
    },
    /// The entry is written to the disk, with its mark.
    Keep {
        node: usize,
        key: Key,
    },
    Sweep {
        node: usize,
    },
    OriginFails {
        lasts: Step,
    },
    /// A process ends; another one starts later, in the same folder or with an empty one.
    Crash {
        node: usize,
        lasts: Step,
        loses_disk: bool,
    },
    /// A process starts though another one runs as this node.
    SecondBoot {
        node: usize,
        lasts: Step,
    },
    Boot {
        node: usize,
    },
    EndSecond {
        proc: ProcId,
    },
    /// An operator, or the process, says that it has ended.
    Leaves {
        member: Member,
    },
    /// An operator wants a node to be a member no longer, whatever it does.
    Forget {
        node: usize,
    },
    /// Its leases have ended; or the home has crashed since, and is to be told again.
    Forgotten {
        member: Member,
        crashes: u64,
    },
    /// A process stands still.
    Pause {
        node: usize,
        lasts: Step,
    },
    CutHome {
        node: usize,
        lasts: Step,
    },
    CutTier {
        node: usize,
        lasts: Step,
    },
    HomeCrashes {
        lasts: Step,
    },
    HomeCrashesInAppend {
        at: Stage,
    },
    /// The home comes back from a backup that lacks the last records.
    HomeRestored {
        lacks: usize,
        lasts: Step,
    },
    LogTruncated {
        records: usize,
    },
    /// The home is sealed; soon after the log goes on elsewhere, and some nodes hear of that later than others.
    HomeSealed {
        moves_after: Step,
        lasts: Step,
    },
    HomeMoves {
        lasts: Step,
    },
    /// A node hears where the home is.
    Reloads {
        node: usize,
    },
}

impl Event {
    /// Whether it can happen: no record is half written, and one can be, if that is needed.
    pub(super) fn ready(&self, world: &World) -> bool {
        let home = &world.home;
        let idle = home.core.as_ref().filter(|_| !home.is_appending);
        let numbers = idle.is_some_and(|core| core.next().is_ok());
        match self {
            Self::LogTruncated { .. } | Self::HomeMoves { .. } => idle.is_some(),
            Self::Leaves { .. } | Self::Forget { .. } | Self::HomeSealed { .. } => numbers,
            Self::Forgotten { member, crashes } => {
                numbers && (home.crashes != *crashes || home.is_over(member, world.now))
            }
            _ => true,
        }
    }

    pub(super) fn happen(self, id: TaskId, world: &mut World) {
        match self {
            Self::Request { node, key, form } => {
                let proc = world.nodes[node].proc;
                if world.procs[proc].alive {
                    world.spawn(id, Kind::Serve(Serve::new(proc, key, Asker::Client(form), None, world.now)));
                }
            }
            Self::Write { node, key } => {
                let proc = world.nodes[node].proc;
                if world.procs[proc].alive && world.procs[proc].is_serving {
                    world.spawn(id, Kind::Write(Write::new(proc, key)));
                }
            }
            Self::Purge { number, deploys, mode, selectors, not_in_fleet } => {
                world.spawn(id, Kind::Operator(Operator::new(number, deploys, mode, selectors, not_in_fleet)));
            }
            Self::Retag { key } => world.origin.retagged[key] += 1,
            Self::Evict { node, key, from_disk } => evict(world, node, key, from_disk),
            Self::Keep { node, key } => keep(world, node, key),
            Self::Sweep { node } => {
                let proc = world.nodes[node].proc;
                if world.procs[proc].alive {
                    world.spawn(id, Kind::Sweep(Sweep::new(proc)));
                }
            }
            Self::OriginFails { lasts } => world.origin.down_until = world.now + lasts,
            Self::Crash { node, lasts, loses_disk } => crash(id, world, node, lasts, loses_disk),
            Self::SecondBoot { node, lasts } => second_boot(id, world, node, lasts),
            Self::Boot { node } => {
                if !world.procs[world.nodes[node].proc].alive {
                    world.boot(node, "disk");
                }
            }
            Self::EndSecond { proc } => {
                world.crash(proc);
                let member = world.procs[proc].member.clone();
                world.plan(id, world.now, Event::Leaves { member });
            }
            Self::Leaves { member } => world.home.leaves(&member, world.now),
            Self::Forget { node } => {
                let members = world.home.stop(&world.nodes[node].name);
                let (now, crashes) = (world.now, world.home.crashes);
                for member in members {
                    world.plan(id, now, Event::Forgotten { member, crashes });
                }
            }
            Self::Forgotten { member, crashes } if crashes != world.home.crashes => {
                let node = world.nodes.iter().position(|node| node.name == member.node.as_str());
                node.into_iter().for_each(|node| Self::Forget { node }.happen(id, world));
            }
            Self::Forgotten { member, .. } => {
                let name = member.to_string();
                world.note(id, "operator", || format!("{name} is a member no longer"));
                world.cover.count("members removed that may run");
                let node = world.nodes.iter_mut().find(|node| node.name == member.node.as_str());
                node.into_iter().for_each(|node| node.is_forgotten = true);
                let now = world.now;
                world.home.forgets(&member, now);
            }
            Self::Pause { node, lasts } => {
                let proc = world.nodes[node].proc;
                world.procs[proc].paused_until = world.now + lasts;
                world.cover.count("pauses");
            }
            Self::CutHome { node, lasts } => {
                world.nodes[node].home_cut_until = world.now + lasts;
                let proc = world.nodes[node].proc;
                if let Some(session) = world.procs[proc].session {
                    world.close(session);
                }
                world.cover.count("links cut: home");
            }
            Self::CutTier { node, lasts } => {
                world.cut_tier(node, world.now + lasts);
                world.cover.count("links cut: tier");
            }
            Self::HomeCrashes { lasts } => {
                world.crash_home(world.now + lasts);
                world.cover.count("home: crashes");
            }
            Self::HomeCrashesInAppend { at } => world.home.crash_at = Some(at),
            Self::HomeRestored { lacks, lasts } => {
                world.crash_home(world.now + lasts);
                let left = world.home.disk.len().saturating_sub(lacks);
                world.home.disk.truncate(left);
                // Without leases whoever has proven a purge knows of it, and the home finds out.
                let grants = world.nodes.iter().any(|node| node.is_strict);
                world.home.is_restored = grants && rules::on(Rule::RestoredBeginsEpoch);
                let applied = world.procs.iter().filter(|process| process.alive).map(|process| process.applied().log());
                if world.monitor.knows_unheard(applied.max().unwrap_or_default()) {
                    world.cover.count("home: restored, and a proven purge is known to it alone");
                }
                world.monitor.restored();
                world.cover.count("home: restored from a backup");
                world.note(id, "home", || format!("restored without its last {lacks} records"));
            }
            Self::HomeSealed { moves_after, lasts } => {
                let now = world.now;
                world.home.seal(now);
                world.note(id, "home", || "is sealed".to_owned());
                world.plan(id, now + moves_after, Self::HomeMoves { lasts });
            }
            Self::HomeMoves { lasts } => {
                let drawn: Vec<Step> = (0..world.nodes.len()).map(|_| world.roll(id, 3 * lasts)).collect();
                world.move_home(|node| Some(drawn[node]).filter(|&lasts_on| lasts_on < lasts));
                world.cover.count("home: moves");
                world.note(id, "home", || "goes on elsewhere".to_owned());
                for (node, lasts_on) in drawn.into_iter().enumerate().filter(|(_, lasts_on)| *lasts_on < lasts) {
                    world.plan(id, world.now + lasts_on, Self::Reloads { node });
                }
            }
            Self::Reloads { node } => {
                let of_node = |session: &Session| world.procs[session.proc].node == node;
                if let Some(former) = &mut world.former {
                    former.sessions.retain(|_, session| !of_node(session));
                }
            }
            Self::LogTruncated { records } => {
                world.home.truncate(records);
                world.cover.count("home: log truncated");
            }
        }
    }
}

fn evict(world: &mut World, node: usize, key: Key, from_disk: bool) {
    let proc = world.nodes[node].proc;
    world.procs[proc].store.remove(&key);
    let Some(disk) = &mut world.nodes[node].disk else { return };
    if from_disk {
        disk.entries.remove(&key);
    } else if let Some(kept) = disk.entries.get(&key) {
        // From memory alone: the next look-up finds what was kept, with the mark that was kept.
        let mark = Mark::restored(kept.valid, kept.soft_since);
        let entry: Arc<Entry> = Arc::new(kept.entry.with_mark(mark));
        if world.procs[proc].alive && disk.applied.is_some() {
            world.procs[proc].store.insert(key, entry);
        }
    }
}

fn keep(world: &mut World, node: usize, key: Key) {
    let process = &world.procs[world.nodes[node].proc];
    let Some(entry) = process.store.get(&key).filter(|_| process.alive).cloned() else { return };
    let Some(disk) = &mut world.nodes[node].disk else { return };
    let Some((applied, _)) = disk.applied else { return };
    let valid = entry.mark.valid();
    let soft_since = match entry.mark.verdict() {
        PurgeMark::Soft { since } => Some(since),
        PurgeMark::Valid | PurgeMark::Hard => None,
    };
    // A mark never says more than what the disk says was applied, in either order.
    let own = (0..disk.invalidated.len()).fold(Position::ZERO, |own, _| own.next());
    let valid = valid.meet(Fence::new(applied, own));
    let is_older = disk.entries.get(&key).is_some_and(|kept| !entry.fence.reaches(kept.entry.fence));
    if !is_older {
        disk.entries.insert(key, Kept { entry, valid, soft_since });
        world.cover.count("entries kept on disk");
    }
}

fn crash(id: TaskId, world: &mut World, node: usize, lasts: Step, loses_disk: bool) {
    let proc = world.nodes[node].proc;
    if !world.procs[proc].alive {
        return;
    }
    world.crash(proc);
    world.cover.count("crashes");
    if loses_disk && let Some(disk) = &mut world.nodes[node].disk {
        *disk = super::process::Disk::default();
    }
    world.plan(id, world.now + lasts, Event::Boot { node });
}

/// Another process with another folder; the home refuses it for as long as the first is a member.
fn second_boot(id: TaskId, world: &mut World, node: usize, lasts: Step) {
    let first = world.nodes[node].proc;
    if !world.procs[first].alive || !world.procs[first].is_serving {
        return;
    }
    world.boot(node, "other");
    let second = world.nodes[node].proc;
    world.nodes[node].proc = first;
    world.cover.count("second boots");
    let requests = 1 + world.roll(id, 3);
    for _ in 0..requests {
        let key = world.roll(id, world.keys as u64) as Key;
        world.spawn(id, Kind::Serve(Serve::new(second, key, Asker::Client(Form::Get), None, world.now)));
    }
    world.plan(id, world.now + lasts, Event::EndSecond { proc: second });
}
