//! What is said of a purge to people: a line per node, then a summary. Lines of success go to `out`, what
//! went wrong to `err`. The text carries ANSI colours; who owns the streams takes them out where they don't belong.

mod json;

pub use json::JsonReport;

use crate::admin::printable;
use crate::batch::Manner;
use crate::exit::Exit;
use crate::fanout::News;
use crate::outcome::{Done, How, Member, NodeError, NodeOutcome, Outcome, Tally, nodes};
use crate::target::Targets;
use crate::token::Origin;
use anstyle::{AnsiColor, Style};
use edge::config::{Fleet, Role};
use edge::wire::purge::{Mode, PurgeReply, Wait};
use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::io::Write;
use std::time::Duration;

const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const HINT: Style = AnsiColor::Cyan.on_default();

/// The report for people. A stream that is closed early (`| head -1`) does not change how the run ends.
pub struct TextReport<'m, O, E> {
    out: Option<O>,
    err: E,
    quiet: bool,
    manner: &'m Manner,
    nodes: usize,
    pop_width: usize,
    node_width: usize,
    told: BTreeSet<(String, Option<String>)>,
}

impl<'m, O: Write, E: Write> TextReport<'m, O, E> {
    /// A report on the nodes of `fleet`. Without an `out`, only what goes to `err` is said; if `quiet`, only what went wrong.
    pub fn new(out: Option<O>, err: E, quiet: bool, fleet: &Fleet, manner: &'m Manner) -> Self {
        let width = |name: fn(&Fleet) -> Option<usize>| name(fleet).unwrap_or(0);
        Self {
            out: out.filter(|_| !quiet),
            err,
            quiet,
            manner,
            nodes: fleet.nodes().count(),
            pop_width: width(|fleet| fleet.pops.iter().map(|pop| pop.id.as_str().len()).max()),
            node_width: width(|fleet| fleet.nodes().map(|(_, node)| node.id.as_str().len()).max()),
            told: BTreeSet::new(),
        }
    }

    /// What is told while the purge is on its way. Where it is recorded, and by which id it is known, is said before the
    /// wait: who breaks it off can ask for the rest later.
    pub fn news(&mut self, news: &News<'_>) {
        match news {
            News::Node(node) => self.node(node),
            News::Recorded { .. } if self.quiet => {}
            News::Recorded { position, batch, batches, waits_for } => {
                let part = if *batches == 1 { String::new() } else { format!(", batch {batch} of {batches}") };
                let wait = match waits_for {
                    0 => String::new(),
                    count if *count == self.nodes => format!("; waiting for {}", nodes(*count)),
                    // A node that restarts has two, and one that has not been heard of none.
                    1 => "; waiting for 1 process of a node".to_owned(),
                    more => format!("; waiting for {more} processes of nodes"),
                };
                let _ = writeln!(self.err, "recorded at {position}{part}, id {}{wait}", self.manner.id);
            }
        }
    }

    /// The line of a node, or of one of its processes; a success is told once.
    pub fn node(&mut self, outcome: &NodeOutcome) {
        let Member { pop, node, role, .. } = &outcome.member;
        let (pop, role) = (pop.as_deref().unwrap_or("?"), role.map_or("?", Role::as_str));
        let (pop_width, node_width) = (self.pop_width, self.node_width);
        let columns = format!("{pop:pop_width$}  {node:node_width$}  {role:6}");
        match (&outcome.result, &mut self.out) {
            (Ok(Done { how, reply }), Some(out)) if self.told.insert((node.clone(), reply.boot_id.clone())) => {
                let applied = printable(reply.applied.as_deref().unwrap_or("unknown"));
                let state = match how {
                    How::NotRunning => "does not run".to_owned(),
                    How::BeganLater => "began later".to_owned(),
                    How::LeaseEnded => format!("lease ended; the last that it acknowledged is {applied}"),
                    How::Applied => match reply.ms {
                        Some(ms) if ms.is_finite() && ms >= 0.0 => {
                            format!("at {applied} after {}", Took(Duration::from_secs_f64(ms.min(1e9) / 1e3)))
                        }
                        _ => format!("at {applied}"),
                    },
                };
                let _ = writeln!(out, "{GOOD}ok{GOOD:#}        {columns}  {state}");
                let _ = out.flush();
            }
            (Ok(_), _) => {}
            (Err(error), _) => {
                let word = match (error, self.manner.mode) {
                    (NodeError::NotTold, _) => "unknown",
                    (_, Mode::Hard) => "unproven",
                    (_, Mode::Soft) => "behind",
                };
                let _ = writeln!(self.err, "{BAD}{word:8}{BAD:#}  {columns}  {error}");
            }
        }
    }

    /// The summary. `token` is where the token came from that the home may have refused.
    pub fn summary(&mut self, targets: &Targets, outcome: &Outcome, token: &Origin) {
        let _ = match &outcome.reply {
            Ok(reply) => self.recorded(targets, reply, outcome),
            Err(_) => self.failed(outcome, token),
        };
    }

    fn recorded(&mut self, targets: &Targets, reply: &PurgeReply, outcome: &Outcome) -> std::io::Result<()> {
        let Manner { mode, wait, .. } = self.manner;
        let took = Took(outcome.elapsed);
        let soft = if *mode == Mode::Soft { "soft " } else { "" };
        let position = printable(&reply.position);
        let again = if reply.is_new { "" } else { " (recorded before)" };
        let tally = Tally::of(&outcome.nodes);
        let (who, others, all) = (tally.who_applied(), tally.others(), nodes(tally.all));
        let done = format!("{soft}purge of {targets} at {position}{again}");
        if outcome.exit() != Exit::Success {
            let done = match mode {
                Mode::Hard => {
                    let proven = tally.all - tally.failed;
                    format!(
                        "{done} is proven on only {proven} of {all} in {took}; the others may still serve what they had \
                         before"
                    )
                }
                Mode::Soft => format!(
                    "{done} is applied by only {} of {all} in {took}{others}; {} may still serve what they had before as \
                     fresh",
                    tally.applied, tally.failed
                ),
            };
            return self.unproven(&done, &position, outcome);
        }
        let Some(out) = &mut self.out else { return Ok(()) };
        match (mode, wait) {
            (_, Wait::None) => {
                let done = format!("{soft}purge of {targets} is recorded at {position}{again}");
                writeln!(out, "accepted: {done} in {took}; no node was waited for")?;
            }
            (Mode::Soft, Wait::All) => writeln!(out, "accepted: {done} is applied by {who} in {took}{others}")?,
            (Mode::Hard, Wait::All) => {
                writeln!(out, "proven: {done} is applied on {} in {took}{others}", nodes(tally.applied))?;
            }
        }
        out.flush()
    }

    fn unproven(&mut self, done: &str, position: &str, outcome: &Outcome) -> std::io::Result<()> {
        let err = &mut self.err;
        writeln!(err, "{BAD}error{BAD:#}: {done}")?;
        let place_of = |member: &Member| match &member.pop {
            Some(pop) => format!("not in {pop}"),
            None => "nodes that this fleet file does not have".to_owned(),
        };
        for (place, nodes) in grouped(outcome.failures().map(|(member, _)| (place_of(member), member))) {
            writeln!(err, "    {place}: {nodes}")?;
        }
        for (hint, nodes) in grouped(outcome.failures().map(|(member, error)| (error.hint().to_owned(), member))) {
            writeln!(err, "    {HINT}hint{HINT:#}: {nodes}: {hint}")?;
        }
        let tells = match self.manner.mode {
            Mode::Hard => "whether it is proven by now",
            Mode::Soft => "whether all have applied it by now",
        };
        writeln!(
            err,
            "    {HINT}hint{HINT:#}: they apply it as soon as they reach the home; `purge-cli status {position}` tells {tells}"
        )
    }

    fn failed(&mut self, outcome: &Outcome, token: &Origin) -> std::io::Result<()> {
        writeln!(self.err, "{BAD}error{BAD:#}: {}", outcome.failure().unwrap_or_default())?;
        for hint in outcome.hints(&self.manner.id, token) {
            writeln!(self.err, "    {HINT}hint{HINT:#}: {hint}")?;
        }
        Ok(())
    }
}

/// Names of nodes by something that they share, each group in the order of its first node.
fn grouped<'m>(pairs: impl Iterator<Item = (String, &'m Member)>) -> Vec<(String, String)> {
    let mut groups: Vec<(String, String)> = Vec::new();
    for (by, member) in pairs {
        match groups.iter_mut().find(|(known, _)| *known == by) {
            Some((_, nodes)) => {
                nodes.push_str(", ");
                nodes.push_str(&member.node);
            }
            None => groups.push((by, member.node.clone())),
        }
    }
    groups
}

/// A duration as people read it: `3.1 ms`, `31 ms`, `10.0 s`.
struct Took(Duration);

impl Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_secs_f64() * 1e3;
        match ms {
            ..9.95 => write!(f, "{ms:.1} ms"),
            ..9999.5 => write!(f, "{ms:.0} ms"),
            _ => write!(f, "{:.1} s", ms / 1e3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::AdminError;
    use crate::outcome::{HomeError, NodeError, outcomes};
    use edge::config::Fleet;
    use edge::core::log::Position;
    use edge::wire::admin::ErrorReply;
    use edge::wire::purge::NodeReply;
    use std::path::Path;

    const FLEET: &str = r#"
        pops = [
            { id = "shield-fra", latitude = 0.0, longitude = 0.0, nodes = [
                { id = "shield-1", role = "shield", public = "127.0.0.1:1", admin = "127.0.0.1:2" },
            ] },
            { id = "sin", latitude = 0.0, longitude = 0.0, nodes = [
                { id = "sin-1", public = "127.0.0.1:3", admin = "127.0.0.1:4" },
                { id = "sin-2", public = "127.0.0.1:5", admin = "127.0.0.1:6" },
            ] },
        ]
        origins = [{ id = "www", url = "http://127.0.0.1:8000" }]
        sites = [{ id = "docs", hosts = ["docs.example.com"], origin = "www" }]
        tokens = [{ id = "admin", role = "admin", env = "T" }]
        tier = { secret_env = "T" }
    "#;

    /// The outcome of a purge of everything: per node whether it is proven.
    fn outcome(fleet: &Fleet, proven: [bool; 3]) -> Outcome {
        let nodes: Vec<NodeReply> = fleet
            .nodes()
            .zip(proven)
            .map(|((_, node), proven)| NodeReply {
                node: node.id.to_string(),
                boot_id: Some("b".to_owned()),
                applied: Some(if proven { "1.7" } else { "1.5" }.to_owned()),
                proven,
                role: None,
                lag: None,
                lease_ms: None,
                connected: Some(true),
                ms: proven.then_some(31.0),
            })
            .collect();
        let reply = PurgeReply {
            node: "shield-1".to_owned(),
            position: "1.7".to_owned(),
            issued_at_ms: 0,
            is_new: true,
            targets: 1,
            proven: proven == [true; 3],
            nodes: nodes.clone(),
        };
        let positions = vec!["1.7".to_owned()];
        let nodes = outcomes(fleet, &nodes, Position::parse("1.7"), || NodeError::Unknown);
        let elapsed = Duration::from_millis(31);
        Outcome { reply: Ok(reply), positions, batches: 1, nodes, elapsed }
    }

    fn check(quiet: bool, mode: Mode, wait: Wait, outcome: impl Fn(&Fleet) -> Outcome, out: &str, err: &str) {
        let fleet = Fleet::parse(FLEET, "fleet.toml", Path::new("")).expect("a fleet");
        let outcome = outcome(&fleet);
        let (mut got_out, mut got_err) = (Vec::new(), Vec::new());
        let plain = |stream| anstream::StripStream::new(stream);
        let manner = Manner { mode, id: "v41".to_owned(), wait, timeout: Duration::from_secs(10) };
        let mut report = TextReport::new(Some(plain(&mut got_out)), plain(&mut got_err), quiet, &fleet, &manner);
        for node in &outcome.nodes {
            report.node(node);
        }
        report.summary(&Targets::everything(), &outcome, &Origin::named_env("T"));
        assert_eq!(String::from_utf8_lossy(&got_out), out);
        assert_eq!(String::from_utf8_lossy(&got_err), err);
    }

    #[test]
    fn a_purge_that_is_proven() {
        let all = |fleet: &Fleet| outcome(fleet, [true; 3]);
        let lines = "ok        shield-fra  shield-1  shield  at 1.7 after 31 ms\n\
                     ok        sin         sin-1     edge    at 1.7 after 31 ms\n\
                     ok        sin         sin-2     edge    at 1.7 after 31 ms\n";
        let hard = format!("{lines}proven: purge of everything at 1.7 is applied on 3 nodes in 31 ms\n");
        check(false, Mode::Hard, Wait::All, all, &hard, "");
        let soft = format!("{lines}accepted: soft purge of everything at 1.7 is applied by all 3 nodes in 31 ms\n");
        check(false, Mode::Soft, Wait::All, all, &soft, "");
        check(true, Mode::Hard, Wait::All, all, "", "");
        let accepted = "accepted: purge of everything is recorded at 1.7 in 31 ms; no node was waited for\n";
        check(false, Mode::Hard, Wait::None, |fleet| Outcome { nodes: Vec::new(), ..all(fleet) }, accepted, "");
    }

    #[test]
    fn a_purge_that_is_not_proven_everywhere() {
        let some = |fleet: &Fleet| outcome(fleet, [true, false, false]);
        let why = "has not acknowledged it in time; the last that it acknowledged is 1.5";
        let hint = NodeError::Unproven { applied: None }.hint();
        let err = format!(
            "unproven  sin         sin-1     edge    {why}\n\
             unproven  sin         sin-2     edge    {why}\n\
             error: purge of everything at 1.7 is proven on only 1 of 3 nodes in 31 ms; the others may still serve what \
             they had before\n    \
             not in sin: sin-1, sin-2\n    \
             hint: sin-1, sin-2: {hint}\n    \
             hint: they apply it as soon as they reach the home; `purge-cli status 1.7` tells whether it is proven by now\n"
        );
        check(true, Mode::Hard, Wait::All, some, "", &err);
        let soft = err.replace("unproven  ", "behind    ").replace("purge of everything", "soft purge of everything");
        let soft =
            soft.replace("is proven on only", "is applied by only").replace("had before\n", "had before as fresh\n");
        let soft = soft.replace("; the others may", "; 2 may");
        let soft = soft.replace("it is proven by now", "all have applied it by now");
        assert!(!soft.contains("proven"), "{soft}");
        check(true, Mode::Soft, Wait::All, some, "", &soft);
    }

    /// Whose lease has ended, and who does not run, has applied nothing.
    #[test]
    fn nodes_that_need_not_apply_it() {
        let others = |fleet: &Fleet| {
            let mut outcome = outcome(fleet, [true; 3]);
            let done = |node: &mut NodeOutcome, how, boot: Option<&str>, applied: Option<&str>| {
                let Ok(done) = &mut node.result else { return };
                done.how = how;
                (done.reply.boot_id, done.reply.applied) = (boot.map(str::to_owned), applied.map(str::to_owned));
            };
            done(&mut outcome.nodes[1], How::LeaseEnded, Some("b"), Some("1.5"));
            done(&mut outcome.nodes[2], How::NotRunning, None, None);
            outcome
        };
        let lines = "ok        shield-fra  shield-1  shield  at 1.7 after 31 ms\n\
                     ok        sin         sin-1     edge    lease ended; the last that it acknowledged is 1.5\n\
                     ok        sin         sin-2     edge    does not run\n";
        let told = "in 31 ms; 1 whose lease has ended; 1 does not run\n";
        let hard = format!("{lines}proven: purge of everything at 1.7 is applied on 1 node {told}");
        check(false, Mode::Hard, Wait::All, others, &hard, "");
        let soft = format!("{lines}accepted: soft purge of everything at 1.7 is applied by 1 node {told}");
        check(false, Mode::Soft, Wait::All, others, &soft, "");
    }

    #[test]
    fn a_home_that_refused() {
        let refused = |_: &Fleet| {
            let said = ErrorReply { error: "not yours".to_owned(), hint: Some("ask".to_owned()) };
            let error = AdminError::Forbidden(said);
            let reply = Err(HomeError { home: "shield-1".to_owned(), error, may_be_recorded: false });
            Outcome { reply, positions: Vec::new(), batches: 1, nodes: Vec::new(), elapsed: Duration::ZERO }
        };
        let err = format!(
            "error: shield-1, the home of the purge log, has not recorded the purge: 403: not yours\n    \
             hint: ask\n    \
             hint: {}\n",
            Origin::named_env("T").advice()
        );
        check(true, Mode::Hard, Wait::All, refused, "", &err);
    }

    #[test]
    fn where_it_is_recorded_is_told_before_the_wait() {
        let fleet = Fleet::parse(FLEET, "fleet.toml", Path::new("")).expect("a fleet");
        let manner = Manner { mode: Mode::Hard, id: "v41".to_owned(), wait: Wait::All, timeout: Duration::ZERO };
        let check = |quiet, batch, batches, waits_for, want: &str| {
            let mut err = Vec::new();
            let mut report = TextReport::new(None::<Vec<u8>>, &mut err, quiet, &fleet, &manner);
            report.news(&News::Recorded { position: "1.7", batch, batches, waits_for });
            assert_eq!(String::from_utf8_lossy(&err), want);
        };
        check(false, 1, 1, 3, "recorded at 1.7, id v41; waiting for 3 nodes\n");
        check(false, 1, 2, 0, "recorded at 1.7, batch 1 of 2, id v41\n");
        check(false, 2, 2, 1, "recorded at 1.7, batch 2 of 2, id v41; waiting for 1 process of a node\n");
        check(false, 1, 1, 4, "recorded at 1.7, id v41; waiting for 4 processes of nodes\n");
        check(true, 1, 1, 3, "");
    }

    #[test]
    fn durations() {
        for (us, want) in [
            (0, "0.0 ms"),
            (3_140, "3.1 ms"),
            (9_960, "10 ms"),
            (31_400, "31 ms"),
            (9_999_400, "9999 ms"),
            (10_000_000, "10.0 s"),
        ] {
            assert_eq!(Took(Duration::from_micros(us)).to_string(), want, "{us}");
        }
    }
}
