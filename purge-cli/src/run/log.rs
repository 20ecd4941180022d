//! The purge log itself: `log`, `log seal`, `log backup` and `status`.

use super::members::{self, ask, write_nodes};
use super::{RunError, ask_first, write_json};
use crate::admin::printable;
use crate::cli::Options;
use crate::exit::Exit;
use edge::wire::backup::{BadBackup, Check, MAX_LINE_BYTES};
use edge::wire::log::{EventLine, LeavingLine, MemberLine, RecordLine, SelectorLine};
use edge::wire::purge::Mode;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// Selectors of a purge that a line shows.
const SHOWN: usize = 3;

/// Shows the records behind a number.
pub(super) fn show(options: &Options, since: u64) -> Result<Exit, RunError> {
    let mut out = anstream::AutoStream::auto(io::stdout());
    let (mut since, mut all) = (since, Vec::new());
    loop {
        let reply = ask(options, async |client, home, token| client.records(home, token, since).await)?;
        let done = reply.is_all || reply.last <= since;
        since = reply.last;
        if options.json {
            all.extend(reply.records);
        } else if !options.quiet {
            for record in &reply.records {
                match writeln!(out, "{}", line(record)) {
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Exit::Proven),
                    written => written.map_err(RunError::Output)?,
                }
            }
        }
        if done {
            if options.json {
                let document = serde_json::json!({ "head": reply.head, "records": all });
                write_json(&document).map_err(RunError::Output)?;
            }
            return Ok(Exit::Proven);
        }
    }
}

/// Shows one purge.
pub(super) fn status(options: &Options, purge: &str) -> Result<Exit, RunError> {
    let status = ask(options, async |client, home, token| client.status(home, token, purge).await)?;
    let exit = if status.proven { Exit::Proven } else { Exit::Partial };
    let told = if options.json {
        write_json(&status)
    } else if options.quiet {
        Ok(())
    } else {
        let mut out = anstream::AutoStream::auto(io::stdout());
        let word = if status.proven { "proven" } else { "not proven" };
        writeln!(out, "{word}: {}", line(&status.record)).and_then(|()| write_nodes(&mut out, &status.nodes))
    };
    told.map_err(RunError::Output)?;
    Ok(exit)
}

/// Ends the log at its home.
pub(super) fn seal(options: &Options, yes: bool) -> Result<Exit, RunError> {
    if !yes {
        if !io::stdin().is_terminal() {
            return Err(RunError::NobodyToAskOfSeal);
        }
        ask_first(
            "This ends the purge log at its home: nothing can be purged until it goes on elsewhere (edge restore).",
        )?;
    }
    let log = ask(options, async |client, home, token| client.seal(home, token).await)?;
    members::show(options, &log).map_err(RunError::Output)
}

/// Writes the whole log to a file, or to standard output if that is `-`. It is checked as it comes, and a file is there whole
/// or not at all.
pub(super) fn back_up(options: &Options, file: &Path) -> Result<Exit, RunError> {
    let failed = |cause| RunError::File { path: file.to_owned(), cause };
    let to_stdout = file == Path::new("-");
    let beside = file.with_added_extension("part");
    let mut out: Box<dyn Write + Send> = match to_stdout {
        true => Box::new(io::stdout()),
        false => Box::new(File::create(&beside).map_err(failed)?),
    };
    let mut receiver = Receiver::default();
    let mut written = Ok(());
    let asked = ask(options, async |client, home, token| {
        let mut told = |part: &[u8]| {
            receiver.take(part);
            if written.is_ok() {
                written = out.write_all(part);
            }
        };
        client.back_up(home, token, &mut told).await
    });
    let whole = asked.and_then(|()| receiver.end().map_err(RunError::Backup));
    let done = whole.and_then(|records| written.and_then(|()| out.flush()).map(|()| records).map_err(failed));
    drop(out);
    if to_stdout {
        return done.map(|_| Exit::Proven);
    }
    let done = done.and_then(|records| {
        let synced = File::open(&beside).and_then(|file| file.sync_all()).and_then(|()| fs::rename(&beside, file));
        synced.map(|()| records).map_err(failed)
    });
    if done.is_err() {
        let _ = fs::remove_file(&beside);
    }
    let records = done?;
    if !options.quiet {
        let mut out = anstream::AutoStream::auto(io::stdout());
        let told = match options.json {
            true => writeln!(out, "{}", serde_json::json!({ "file": file, "records": records })),
            false => writeln!(out, "{}: {records} records", file.display()),
        };
        told.map_err(RunError::Output)?;
    }
    Ok(Exit::Proven)
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

/// A record for people: where it is, when, what, and by whom.
fn line(record: &RecordLine) -> String {
    let at = UNIX_EPOCH.checked_add(Duration::from_millis(record.issued_at_ms));
    // Years of more digits than four can't be written.
    let at = at.filter(|_| record.issued_at_ms < 253_402_300_800_000);
    let at = at.map_or_else(|| "?".to_owned(), |at| humantime::format_rfc3339_millis(at).to_string());
    let what = match &record.event {
        EventLine::Epoch { .. } => "an epoch begins: all that was stored is hidden".to_owned(),
        EventLine::Purge { id, by, mode, selectors, .. } => {
            let mode = if *mode == Mode::Soft { "soft purge" } else { "purge" };
            let shown: Vec<String> = selectors.iter().take(SHOWN).map(selector).collect();
            let more = selectors.len().saturating_sub(SHOWN);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{mode} of {}{more}  by {by}  id {id}", shown.join(", "))
        }
        EventLine::Join { member } => format!("{} joins", member_name(member)),
        EventLine::Leave { member, why } => {
            let why = match why {
                LeavingLine::Drained => "it has drained",
                LeavingLine::Replaced => "its next process has found it gone",
                LeavingLine::Forgotten => "forgotten",
            };
            format!("{} leaves: {why}", member_name(member))
        }
        EventLine::Gone { node } => format!("{node} does not run: forgotten"),
        EventLine::Seal {} => "the log is sealed: it goes on elsewhere".to_owned(),
    };
    printable(&format!("{:>6}  {at}  {what}", record.position))
}

fn member_name(member: &MemberLine) -> String {
    format!("{}, boot {},", member.node, member.boot)
}

fn selector(selector: &SelectorLine) -> String {
    match selector {
        SelectorLine::Url { host, path, query: Some(query), .. } => format!("url {host}{path}?{query}"),
        SelectorLine::Url { host, path, query: None, .. } => format!("url {host}{path}"),
        SelectorLine::Prefix { host, path, .. } => format!("prefix {host}{path}"),
        SelectorLine::Tag { site, tag } => format!("tag {tag} of {site}"),
        SelectorLine::Group { host, group, .. } => format!("group {group} of {host}"),
        SelectorLine::Host { host, .. } => format!("host {host}"),
        SelectorLine::Site { site } => format!("site {site}"),
        SelectorLine::Everything {} => "everything".to_owned(),
    }
}
