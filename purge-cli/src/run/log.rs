//! The purge log itself: `log` and `log seal`.

use super::home::Home;
use super::nodes::LogReport;
use super::{RunError, ask_first, out, print_json};
use crate::admin::{AdminClient, printable};
use crate::cli::Options;
use crate::exit::Exit;
use edge::wire::log::{EventLine, LeavingLine, MemberLine, RecordLine, SelectorLine};
use edge::wire::purge::Mode;
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, UNIX_EPOCH};

/// Selectors of a purge that a line shows.
const SHOWN: usize = 3;

/// Shows the records behind a number.
pub(super) fn show(options: &Options, since: u64) -> Result<Exit, RunError> {
    let home = Home::to_read(options)?;
    let mut out = out();
    let (mut since, mut all) = (since, Vec::new());
    loop {
        let page = async |client: AdminClient, at: &str, token: &str| client.records(at, token, since).await;
        let reply = home.ask(options.timeout, page)?;
        let done = reply.is_all || reply.last <= since;
        since = reply.last;
        if options.json {
            all.extend(reply.records);
        } else if !options.quiet {
            for record in &reply.records {
                match writeln!(out, "{}", line(record)) {
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Exit::Success),
                    written => written.map_err(RunError::Output)?,
                }
            }
        }
        if done {
            if options.json {
                print_json(&Records { ok: true, exit_code: Exit::Success.code(), head: &reply.head, records: &all })?;
            }
            return Ok(Exit::Success);
        }
    }
}

/// The records, for programs.
#[derive(Serialize)]
struct Records<'r> {
    ok: bool,
    exit_code: u8,
    head: &'r str,
    records: &'r [RecordLine],
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
    let home = Home::to_rule(options)?.in_doubt("`purge-cli ping` shows whether it is sealed");
    let log = home.ask(options.timeout, async |client, at, token| client.seal(at, token).await)?;
    LogReport::new(&home.fleet, &log).show(options)?;
    Ok(Exit::Success)
}

/// A record for people: where it is, when, what, and by whom.
pub(super) fn line(record: &RecordLine) -> String {
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
