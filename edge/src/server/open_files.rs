//! The limit of open files: each connection is one.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Files that a node has open besides its clients' connections: those to origins and shields (a pool of 512 and what
/// is in use), listeners, and the runtime's own.
const OTHER_FILES: u64 = 1024;

/// Raises the soft limit of open files to the hard one, which is what it is there for; and says so if that is too
/// little for so many clients.
pub(super) fn raise_limit(connections: usize) {
    let mut limit = getrlimit(Resource::Nofile);
    let soft = limit.current;
    limit.current = limit.maximum;
    if soft != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, limit)
    {
        tracing::debug!(%error, "can't raise the limit of open files");
        limit.current = soft;
    }
    let needed = connections as u64 + OTHER_FILES;
    if let Some(files) = limit.current.filter(|files| *files < needed) {
        tracing::warn!(
            files,
            connections,
            "more clients are let in than files can be open; \
             hint: raise the limit (`ulimit -Hn`, LimitNOFILE in systemd), or lower limits.connections"
        );
    }
}
