//! `log backup`.

use super::home::Home;
use super::{RunError, out, print_json, printed};
use crate::cli::Options;
use crate::exit::Exit;
use edge::wire::backup::{BadBackup, Check, MAX_LINE_BYTES};
use serde::Serialize;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes the whole log to a file, or to standard output if that is `-`. It is checked as it comes, and a file is there whole
/// or not at all.
pub(super) fn take(options: &Options, file: &Path) -> Result<Exit, RunError> {
    if file == Path::new("-") {
        if options.json {
            return Err(RunError::TwoDocuments);
        }
        let mut stdout = io::stdout();
        receive(options, &mut stdout, RunError::Output)?;
        stdout.flush().map_err(RunError::Output)?;
        return Ok(Exit::Success);
    }
    check(file)?;
    let mut new = NewFile::beside(file)?;
    let failed = |cause| RunError::File { path: file.to_owned(), cause };
    let records = receive(options, &mut new.file, failed)?;
    new.take_its_place(file)?;
    if options.json {
        let file = file.display().to_string();
        print_json(&Taken { ok: true, exit_code: Exit::Success.code(), file, records })?;
    } else if !options.quiet {
        printed(writeln!(out(), "{}: {records} records", file.display()))?;
    }
    Ok(Exit::Success)
}

/// A backup that is there, for programs.
#[derive(Serialize)]
struct Taken {
    ok: bool,
    exit_code: u8,
    file: String,
    records: usize,
}

/// Only a regular file is replaced: a rename over a device or a link would do away with it.
fn check(file: &Path) -> Result<(), RunError> {
    let what = match fs::symlink_metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(RunError::File { path: file.to_owned(), cause }),
        Ok(found) if found.is_file() => return Ok(()),
        Ok(found) if found.is_dir() => "a folder",
        Ok(found) if found.is_symlink() => "a symbolic link",
        Ok(_) => "no regular file",
    };
    Err(RunError::NoFile { path: file.to_owned(), what })
}

/// A file that is not in its place yet. It is removed if it never gets there.
struct NewFile {
    file: File,
    path: PathBuf,
    is_in_place: bool,
}

impl NewFile {
    fn beside(place: &Path) -> Result<Self, RunError> {
        // A name that nobody has: what is there already is not followed, and not cut.
        let path = place.with_added_extension(format!("{:016x}.part", RandomState::new().hash_one(0)));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => Ok(Self { file, path, is_in_place: false }),
            Err(cause) => Err(RunError::File { path: place.to_owned(), cause }),
        }
    }

    /// It is on the disk before it has its name, and so is the name when this returns.
    fn take_its_place(mut self, place: &Path) -> Result<(), RunError> {
        let failed = |cause| RunError::File { path: place.to_owned(), cause };
        self.file.sync_all().map_err(failed)?;
        // Something may have come there since.
        check(place)?;
        fs::rename(&self.path, place).map_err(failed)?;
        self.is_in_place = true;
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_in_place {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Writes a backup as it comes. How many records it has.
fn receive(
    options: &Options,
    out: &mut (impl Write + Send),
    failed: impl FnOnce(io::Error) -> RunError,
) -> Result<usize, RunError> {
    let mut receiver = Receiver::default();
    let mut written = Ok(());
    Home::to_rule(options)?.ask(options.timeout, async |client, at, token| {
        let mut told = |part: &[u8]| {
            receiver.take(part);
            if written.is_ok() {
                written = out.write_all(part);
            }
        };
        client.back_up(at, token, &mut told).await
    })?;
    written.map_err(failed)?;
    receiver.end().map_err(RunError::Backup)
}

/// Checks a backup as it comes.
#[derive(Default)]
struct Receiver {
    check: Check,
    rest: Vec<u8>,
    records: usize,
    wrong: Option<BadBackup>,
}

impl Receiver {
    fn take(&mut self, part: &[u8]) {
        self.rest.extend_from_slice(part);
        while self.wrong.is_none()
            && let Some(end) = self.rest.iter().position(|byte| *byte == b'\n')
        {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            match self.check.line(&line[..end]) {
                Ok(record) => self.records += usize::from(record.is_some()),
                Err(wrong) => self.wrong = Some(wrong),
            }
        }
        if self.rest.len() > MAX_LINE_BYTES || self.wrong.is_some() {
            self.wrong.get_or_insert(BadBackup::BrokeOff);
            self.rest.clear();
        }
    }

    fn end(self) -> Result<usize, BadBackup> {
        match self.wrong {
            Some(wrong) => Err(wrong),
            None => self.check.end().map(|()| self.records),
        }
    }
}
