//! Layer 3b: a node's data folder: what must outlive its process.
//!
//! The folder belongs to one process at a time, by a lock that the system takes back when the process ends, however it
//! ends. So whoever has the folder knows that no earlier process of the node that had it still runs.

use crate::clock;
use crate::config::Fleet;
use crate::core::id::NodeId;
use crate::core::log::{Chain, Position, RecordId};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

const LOCK: &str = "lock";
const ID: &str = "id";
const STATE: &str = "state.json";
const LOG: &str = "purge-log.redb";

/// A folder that can't be used.
#[derive(Debug, Error)]
pub enum DataError {
    /// Another process has it.
    #[error(
        "{}: another process of this node is running\n    hint: stop it first, or give this node a folder of its own: \
         [data] folder, or --data", .0.display()
    )]
    Taken(PathBuf),
    /// It can't be read or written.
    #[error("{}: can't be {doing}: {cause}\n    hint: {}", path.display(), hint(cause))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// `made`, `read` or `written`.
        doing: &'static str,
        /// Why not.
        cause: io::Error,
    },
    /// What is in it is not what was written.
    #[error("{}: is damaged: {what}\n    hint: remove this file; the node then hides all that it has stored", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

fn hint(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on the disk",
        io::ErrorKind::ReadOnlyFilesystem => {
            "its disk is mounted read-only: [data] folder or --data names another place"
        }
        _ => "the folder must be writable by the user that the node runs as; [data] folder or --data names another one",
    }
}

/// A node's data folder, locked.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    id: RecordId,
    /// Held for as long as the process lives.
    _lock: File,
}

/// How far a node knew the purge log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Up to here,
    pub at: Position,
    /// where the chain is this.
    pub chain: Chain,
}

impl Known {
    /// Nothing of it.
    pub const NOTHING: Self = Self { at: Position::ZERO, chain: Chain::START };
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    at: String,
    chain: String,
}

impl DataFolder {
    /// Takes a folder, which is made if it isn't there.
    ///
    /// # Errors
    /// [`DataError`]: another process has it, or it can't be read or written.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let failed = |path: &Path, doing| {
            let path = path.to_owned();
            move |cause| DataError::Io { path, doing, cause }
        };
        make_durably(path).map_err(failed(path, "made"))?;
        let lock_path = path.join(LOCK);
        let lock = File::create(&lock_path).map_err(failed(&lock_path, "made"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DataError::Taken(path.to_owned())),
            Err(TryLockError::Error(cause)) => return Err(failed(&lock_path, "made")(cause)),
        }
        let id_path = path.join(ID);
        let known = match fs::read_to_string(&id_path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(cause) => return Err(failed(&id_path, "read")(cause)),
        };
        let id = match known {
            Some(text) => {
                let (id, place) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
                let damaged = || DataError::Damaged { path: id_path.clone(), what: "it holds no id".to_owned() };
                let id = RecordId::new(id).ok_or_else(damaged)?;
                let is_here = place_of(&id_path).map_err(failed(&id_path, "read"))? == place;
                Some(id).filter(|_| is_here)
            }
            None => None,
        };
        let id = match id {
            Some(id) => id,
            None => make_id(path, &id_path).map_err(failed(&id_path, "written"))?,
        };
        Ok(Self { path: path.to_owned(), id, _lock: lock })
    }

    /// Takes the folder of a node: below `data`, or else below the one that the fleet file names.
    ///
    /// # Errors
    /// [`DataError`], as [`DataFolder::open`].
    pub fn of_node(fleet: &Fleet, node: &NodeId, data: Option<&Path>) -> Result<Self, DataError> {
        Self::open(&data.unwrap_or(&fleet.data_folder).join(node.as_str()))
    }

    /// Its name for itself, which no other folder has.
    pub const fn id(&self) -> &RecordId {
        &self.id
    }

    /// Where the purge log is, if this node is its home.
    pub fn log_path(&self) -> PathBuf {
        self.path.join(LOG)
    }

    /// How far the node knew the purge log when it last said so.
    ///
    /// # Errors
    /// [`DataError`]: unreadable, or damaged.
    pub fn known(&self) -> Result<Known, DataError> {
        let path = self.path.join(STATE);
        let damaged = |what: String| DataError::Damaged { path: path.clone(), what };
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Known::NOTHING),
            Err(cause) => return Err(DataError::Io { path, doing: "read", cause }),
        };
        let state: State = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        let known = Position::parse(&state.at).zip(Chain::parse(&state.chain));
        known.map(|(at, chain)| Known { at, chain }).ok_or_else(|| damaged("it holds no position".to_owned()))
    }

    /// Keeps how far the node knows the purge log. It is on the disk when this returns.
    ///
    /// # Errors
    /// [`DataError`]: it can't be written; what was there before is there still.
    pub fn keep(&self, known: Known) -> Result<(), DataError> {
        let path = self.path.join(STATE);
        let state = State { at: known.at.to_string(), chain: known.chain.to_string() };
        let text = serde_json::to_vec(&state)
            .map_err(|error| DataError::Damaged { path: path.clone(), what: error.to_string() })?;
        write_durably(&path, |_| Ok(text)).map_err(|cause| DataError::Io { path, doing: "written", cause })
    }
}

/// Gives a folder a name for itself, and writes it down with where that is: a copy of the folder is another one, although
/// it holds the same, since the process that has the first may run.
fn make_id(path: &Path, id_path: &Path) -> io::Result<RecordId> {
    let id = new_id(path);
    // What a file is called is no part of its place: it gets its own name when it is written.
    write_durably(id_path, |beside| Ok(format!("{id} {}", place_of(beside)?).into_bytes()))?;
    Ok(id)
}

/// Where a file is: what of it a copy does not have. Names of devices are left out, since they change when a machine starts.
fn place_of(path: &Path) -> io::Result<String> {
    let file = fs::metadata(path)?;
    let made = file.created().ok().map(|made| crate::core::time::Timestamp::from_system_time(made).as_millis());
    Ok(format!("{}-{}", file.ino(), made.unwrap_or(0)))
}

/// Another one each time.
fn new_id(path: &Path) -> RecordId {
    // A millisecond is long enough for two of them.
    let moment = (clock::now().as_millis(), clock::boot_time().as_nanos());
    let seed = format!("{moment:?} {} {}", std::process::id(), path.display());
    let hex = blake3::hash(seed.as_bytes()).to_hex();
    RecordId::new(&hex[..16]).unwrap_or_else(|| unreachable!("hexadecimal digits make an id"))
}

/// Writes a file whole or not at all. `content` is told where the file is until then.
fn write_durably(path: &Path, content: impl FnOnce(&Path) -> io::Result<Vec<u8>>) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(&content(&beside)?)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    sync_entry(path)
}

/// Makes a folder, and those above it, so that they outlive a power cut.
fn make_durably(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
        make_durably(above)?;
    }
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        made => made?,
    }
    sync_entry(path)
}

/// Makes durable that a file or folder is where it is.
///
/// # Errors
/// If the folder that it is in can't be opened or synchronised.
pub fn sync_entry(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time_and_the_same_id_each_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a/b");
        let first = DataFolder::open(&path).expect("a folder");
        let error = DataFolder::open(&path).expect_err("it is taken").to_string();
        assert!(error.contains("another process") && error.contains("hint: "), "{error}");
        let id = first.id().clone();
        drop(first);
        assert_eq!(*DataFolder::open(&path).expect("it is free again").id(), id);
        let other = DataFolder::open(&folder.path().join("other")).expect("a folder");
        assert_ne!(*other.id(), id);
        let copy = folder.path().join("copy");
        fs::create_dir(&copy).expect("a folder");
        fs::copy(path.join(ID), copy.join(ID)).expect("a copy");
        let copied = DataFolder::open(&copy).expect("a folder").id().clone();
        assert_ne!(copied, id, "the process that has the first may run");
        assert_eq!(*DataFolder::open(&copy).expect("a folder").id(), copied);
        fs::write(copy.join(ID), "a b c").expect("a file");
        assert_ne!(*DataFolder::open(&copy).expect("a folder").id(), copied, "it says where something else is");
        fs::write(copy.join(ID), "").expect("a file");
        assert!(matches!(DataFolder::open(&copy), Err(DataError::Damaged { .. })));
    }

    #[test]
    fn what_is_known_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = DataFolder::open(folder.path()).expect("a folder");
        assert_eq!(data.known().expect("nothing"), Known::NOTHING);
        for seq in [1, 2] {
            let at = Position::new(1, seq);
            let known = Known { at, chain: Chain::START.with(at, b"x") };
            data.keep(known).expect("it is written");
            assert_eq!(data.known().expect("it is read"), known);
        }
        for text in ["", "{}", r#"{"at":"1","chain":"00"}"#] {
            fs::write(folder.path().join(STATE), text).expect("a file");
            let error = data.known().expect_err("damaged").to_string();
            assert!(error.contains("state.json: is damaged"), "{error}");
        }
    }

    #[test]
    fn a_folder_that_can_not_be_made_says_why() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "x").expect("a file");
        let error = DataFolder::open(&file.join("below")).expect_err("a file is no folder").to_string();
        assert!(error.contains("file/below: can't be made") && error.contains("--data"), "{error}");
    }
}
