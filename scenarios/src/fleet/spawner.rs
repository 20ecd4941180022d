//! Starts child processes so that they don't outlive this one, however it ends.
//!
//! Linux can send a process a signal when its parent dies, but "parent" there is the *thread* that started it. So all
//! are started on one thread that lives as long as this process, and `setpriv` (of util-linux) arms the signal. If this
//! process died before that, a line of shell sees that the parent is another, and does not go on. Where there is no
//! `setpriv`, children are killed on drop only.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, mpsc};
use tokio::process::{Child, Command};

type Job = Box<dyn FnOnce() + Send>;

static SPAWNER: LazyLock<mpsc::Sender<Job>> = LazyLock::new(|| {
    let (jobs, queue) = mpsc::channel::<Job>();
    std::thread::spawn(move || queue.into_iter().for_each(|job| job()));
    jobs
});

static SETPRIV: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|folder| folder.join("setpriv")).find(|path| path.is_file())?;
    // Versions before 2.33 don't know the option.
    let armed = std::process::Command::new(&found)
        .args(["--pdeathsig", "KILL", "--", "true"])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status();
    armed.is_ok_and(|status| status.success()).then_some(found)
});

/// Becomes the program, unless the parent isn't the process it should be.
const IF_PARENT_LIVES: &str = r#"test "$PPID" = "$0" || exit 1; exec "$@""#;

/// A command for a program; what is added to it is for the program.
pub(super) fn command(program: &Path) -> Command {
    match &*SETPRIV {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--", "/bin/sh", "-c", IF_PARENT_LIVES]);
            command.arg(std::process::id().to_string()).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// Starts it. The current tokio runtime reaps it.
pub(super) async fn spawn(mut command: Command) -> io::Result<Child> {
    let (done, child) = tokio::sync::oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    let job = move || {
        let _context = runtime.enter();
        // If nobody waits any more the child is dropped, and with that killed.
        drop(done.send(command.spawn()));
    };
    let gone = |_| io::Error::other("the thread that starts processes is gone");
    SPAWNER.send(Box::new(job)).map_err(|error| gone(error.to_string()))?;
    child.await.map_err(|error| gone(error.to_string()))?
}
