//! `status`: one purge, in all of its parts.

use super::home::Home;
use super::log::line;
use super::nodes::{Asked, JsonNode, unknown_of, write_nodes};
use super::{RunError, err, out, print_json, printed};
use crate::admin::{AdminClient, AdminError};
use crate::batch::{is_part, part_id};
use crate::cli::{Options, is_number};
use crate::exit::Exit;
use crate::outcome::{NodeError, State, Tally, nodes, outcomes};
use crate::report::{BAD, HINT};
use crate::target::MAX_TARGETS;
use edge::config::Fleet;
use edge::core::log::Position;
use edge::wire::log::{EventLine, RecordLine};
use edge::wire::purge::{Mode, NodeReply, StatusReply};
use serde::Serialize;
use std::io::{self, Write};

/// Shows one purge. By its id, all that it was sent in.
pub(super) fn show(options: &Options, purge: &str) -> Result<Exit, RunError> {
    let home = Home::to_read(options)?;
    let found = home.ask(options.timeout, async |client, at, token| gather(client, at, token, purge).await)?;
    let report = Report::new(&home.fleet, purge, &found);
    match options.json {
        true => print_json(&report)?,
        false if options.quiet => {}
        false => printed(report.write(&mut out()))?,
    }
    if let (Some(error), Some(hint)) = (&report.error, &report.hint) {
        let _ = writeln!(err(), "{BAD}error{BAD:#}: {error}\n    {HINT}hint{HINT:#}: {hint}");
    }
    Ok(report.exit())
}

/// What the home has of a purge.
struct Found {
    /// Its parts, but for the last of them.
    before: Vec<StatusReply>,
    /// The last one that is recorded.
    last: StatusReply,
    /// Whether no other one was to follow.
    is_whole: bool,
}

impl Found {
    const fn alone(last: StatusReply) -> Self {
        Self { before: Vec::new(), last, is_whole: true }
    }

    fn parts(&self) -> impl Iterator<Item = &StatusReply> {
        self.before.iter().chain([&self.last])
    }
}

/// The last request of a purge has its id, and those before it that id with their numbers.
async fn gather(client: AdminClient, at: &str, token: &str, purge: &str) -> Result<Found, AdminError> {
    let named = match client.status(at, token, purge).await {
        Ok(reply) => Ok(reply),
        Err(error) if error.is_not_found() => Err(error),
        Err(error) => return Err(error),
    };
    if is_number(purge) || is_part(purge) {
        return named.map(Found::alone);
    }
    let mut parts = Vec::new();
    for number in 1..=MAX_TARGETS {
        match client.status(at, token, &part_id(purge, number)).await {
            Ok(reply) => parts.push(reply),
            Err(error) if error.is_not_found() => break,
            Err(error) => return Err(error),
        }
    }
    match (named, parts.pop()) {
        (Ok(last), part) => {
            parts.extend(part);
            Ok(Found { before: parts, last, is_whole: true })
        }
        (Err(_), Some(last)) => Ok(Found { before: parts, last, is_whole: false }),
        (Err(error), None) => Err(error),
    }
}

/// What is said of it.
#[derive(Serialize)]
struct Report<'r> {
    /// Whether all nodes have applied all of it.
    ok: bool,
    /// As it was asked for.
    purge: &'r str,
    /// The home.
    node: &'r str,
    state: State,
    /// Whether no node serves what was purged.
    proven: bool,
    /// Whether all nodes have applied all of it, or serve nothing that they would have to apply it to.
    applied_by_all: bool,
    exit_code: u8,
    error: Option<String>,
    hint: Option<String>,
    /// The last of its records, which is applied after the others.
    record: &'r RecordLine,
    /// All of them.
    records: Vec<&'r RecordLine>,
    nodes: Vec<JsonNode<'r>>,
    #[serde(skip)]
    parts: Vec<Part<'r>>,
    #[serde(skip)]
    replies: &'r [NodeReply],
    #[serde(skip)]
    asked: Asked,
    /// Nodes of the fleet file that the home does not know.
    unknown: Vec<&'r str>,
}

/// One record of it, and how many nodes have applied it.
struct Part<'r> {
    record: &'r RecordLine,
    is_hard: bool,
    tally: Tally,
}

impl<'r> Part<'r> {
    fn new(fleet: &Fleet, reply: &'r StatusReply) -> Self {
        let Asked { at, mode } = asked_of(&reply.record);
        let nodes = outcomes(fleet, &reply.nodes, at, || NodeError::Unknown);
        Self { record: &reply.record, is_hard: mode == Mode::Hard, tally: Tally::of(&nodes) }
    }

    /// The home knows of its own nodes alone; the fleet file may have more.
    const fn is_applied(&self) -> bool {
        self.tally.failed == 0
    }
}

/// The purge that a record is of. What is no hard purge promises nothing.
fn asked_of(record: &RecordLine) -> Asked {
    let mode = match record.event {
        EventLine::Purge { mode, .. } => mode,
        _ => Mode::Soft,
    };
    Asked { at: Position::parse(&record.position), mode }
}

impl<'r> Report<'r> {
    fn new(fleet: &'r Fleet, purge: &'r str, found: &'r Found) -> Self {
        let parts: Vec<Part<'r>> = found.parts().map(|reply| Part::new(fleet, reply)).collect();
        let last = &found.last;
        let applied_by_all = found.is_whole && parts.iter().all(Part::is_applied);
        let state = match applied_by_all && parts.iter().all(|part| part.is_hard) {
            true => State::Proven,
            false if found.is_whole => State::Accepted,
            false => State::PartlyRecorded,
        };
        let asked = asked_of(&last.record);
        let exit = if applied_by_all { Exit::Success } else { Exit::Partial };
        let broke_off = (!found.is_whole).then(|| match parts.len() {
            1 => format!("{purge}: 1 batch of this purge is recorded, and not the last one"),
            more => format!("{purge}: {more} batches of this purge are recorded, and not the last one"),
        });
        let again = format!("send the same purge again with --id {purge}: it takes up where it ended");
        Self {
            ok: applied_by_all,
            purge,
            node: &last.node,
            state,
            proven: state == State::Proven,
            applied_by_all,
            exit_code: exit.code(),
            hint: broke_off.is_some().then_some(again),
            error: broke_off,
            record: &last.record,
            records: found.parts().map(|reply| &reply.record).collect(),
            nodes: last.nodes.iter().map(|node| JsonNode::new(node, Some(asked))).collect(),
            replies: &last.nodes,
            asked,
            unknown: unknown_of(fleet, &last.nodes),
            parts,
        }
    }

    const fn exit(&self) -> Exit {
        if self.applied_by_all { Exit::Success } else { Exit::Partial }
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        for part in &self.parts {
            let word = match (part.is_hard, part.is_applied()) {
                (true, true) => "proven".to_owned(),
                (true, false) => "not proven".to_owned(),
                (false, true) => {
                    format!("accepted: applied by {}{}", part.tally.who_applied(), part.tally.others())
                }
                (false, false) => {
                    let Tally { applied, all, .. } = part.tally;
                    format!("accepted: applied by {applied} of {}{}", nodes(all), part.tally.others())
                }
            };
            writeln!(out, "{word}: {}", line(part.record))?;
        }
        write_nodes(out, self.replies, &self.unknown, Some(self.asked))
    }
}
