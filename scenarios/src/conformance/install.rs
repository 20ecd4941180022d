//! Installs the pinned suite, once.

use super::error::ConformanceError;
use super::program;
use super::suite::PINNED;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What npm reads: the suite's version, and the digest of everything that is installed.
const FILES: [(&str, &str); 3] = [
    ("package.json", include_str!("../../conformance/package.json")),
    ("package-lock.json", include_str!("../../conformance/package-lock.json")),
    ("unused/package.json", include_str!("../../conformance/unused/package.json")),
];
/// The package, as npm lays it out.
const PACKAGE: &str = "node_modules/http-cache-tests";
/// How long npm may take: some hundred kilobytes, and its own retries.
const INSTALL_WITHIN: Duration = Duration::from_secs(300);

/// The folder of the pinned suite, which is installed below `target` if it isn't there yet.
pub(super) async fn pinned() -> Result<PathBuf, ConformanceError> {
    let parent = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/conformance");
    let folder = parent.join(PINNED);
    let package = folder.join(PACKAGE);
    if package.is_dir() {
        return Ok(package);
    }
    let npm = program::find("npm")?;
    std::fs::create_dir_all(&parent).map_err(ConformanceError::file(&parent))?;
    // In a folder beside it, so that what is there under the version's name is always whole.
    let fresh = tempfile::Builder::new().prefix("installing-").tempdir_in(&parent);
    let fresh = fresh.map_err(ConformanceError::file(&parent))?;
    for (name, text) in FILES {
        let path = fresh.path().join(name);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        made.and_then(|()| std::fs::write(&path, text)).map_err(ConformanceError::file(&path))?;
    }
    let mut arguments = vec!["ci".into(), "--prefix".into(), fresh.path().into()];
    arguments.extend(["--ignore-scripts", "--no-audit", "--no-fund"].map(Into::into));
    let ended = program::run("npm", &npm, arguments, Vec::new(), fresh.path(), INSTALL_WITHIN).await?;
    if !ended.status.success() {
        return Err(ConformanceError::Install { status: ended.status, log: ended.log });
    }
    match std::fs::rename(fresh.path(), &folder) {
        // Another run was faster.
        Err(_) if package.is_dir() => {}
        done => done.map_err(ConformanceError::file(&folder))?,
    }
    Ok(package)
}
