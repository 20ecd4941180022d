//! What is said of a purge to people: a line per node, then a summary. Lines of success go to `out`, what
//! went wrong to `err`. The text carries ANSI colours; who owns the streams takes them out where they don't belong.

mod json;

pub use json::JsonReport;

use crate::admin::printable;
use crate::batch::Manner;
use crate::exit::Exit;
use crate::fanout::{HomeError, Member, NodeOutcome, Outcome};
use crate::target::Targets;
use anstyle::{AnsiColor, Style};
use edge::config::{Fleet, Role};
use edge::wire::purge::{Mode, Wait};
use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::io::Write;
use std::time::Duration;

const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default();

/// The report for people. A stream that is closed early (`| head -1`) does not change how the run ends.
pub struct TextReport<O, E> {
    out: O,
    err: E,
    quiet: bool,
    pop_width: usize,
    node_width: usize,
    told: BTreeSet<(String, Option<String>)>,
}

impl<O: Write, E: Write> TextReport<O, E> {
    /// A report on the nodes of `fleet`. If `quiet`, nothing goes to `out`.
    pub fn new(out: O, err: E, quiet: bool, fleet: &Fleet) -> Self {
        let width = |name: fn(&Fleet) -> Option<usize>| name(fleet).unwrap_or(0);
        Self {
            out,
            err,
            quiet,
            pop_width: width(|fleet| fleet.pops.iter().map(|pop| pop.id.as_str().len()).max()),
            node_width: width(|fleet| fleet.nodes().map(|(_, node)| node.id.as_str().len()).max()),
            told: BTreeSet::new(),
        }
    }

    /// The line of a node, or of one of its processes; a success is told once.
    pub fn node(&mut self, outcome: &NodeOutcome) {
        let Member { pop, node, role, .. } = &outcome.member;
        let (pop, role) = (pop.as_deref().unwrap_or("?"), role.map_or("?", Role::as_str));
        let (pop_width, node_width) = (self.pop_width, self.node_width);
        let columns = format!("{pop:pop_width$}  {node:node_width$}  {role:6}");
        match &outcome.result {
            Ok(reply) if !self.quiet && self.told.insert((node.clone(), reply.boot_id.clone())) => {
                let state = match (&reply.boot_id, &reply.applied) {
                    (None, _) => "does not run".to_owned(),
                    (Some(_), Some(applied)) => format!("at {}", printable(applied)),
                    (Some(_), None) => "began later".to_owned(),
                };
                let state = match reply.ms {
                    Some(ms) if ms.is_finite() && ms >= 0.0 => {
                        format!("{state} after {}", Took(Duration::from_secs_f64(ms.min(1e9) / 1e3)))
                    }
                    _ => state,
                };
                let _ = writeln!(self.out, "{GOOD}ok{GOOD:#}        {columns}  {state}");
                let _ = self.out.flush();
            }
            Ok(_) => {}
            Err(error) => {
                let _ = writeln!(self.err, "{BAD}unproven{BAD:#}  {columns}  {error}");
            }
        }
    }

    /// The summary. `token_origin` is told if the home refused the token.
    pub fn summary(&mut self, targets: &Targets, manner: &Manner, outcome: &Outcome, token_origin: &str) {
        let took = Took(outcome.elapsed);
        let done = match manner.mode {
            Mode::Hard => format!("purge of {targets}"),
            Mode::Soft => format!("soft purge of {targets}"),
        };
        let reply = match &outcome.reply {
            Ok(reply) => reply,
            Err(error) => {
                let _ = self.not_recorded(error, &manner.id, token_origin);
                return;
            }
        };
        let position = printable(&reply.position);
        let again = if reply.is_new { "" } else { " (recorded before)" };
        let all = outcome.nodes.len();
        let nodes = if all == 1 { "node" } else { "nodes" };
        let _ = match outcome.exit() {
            Exit::Proven if self.quiet => Ok(()),
            Exit::Proven if manner.wait == Wait::None => {
                writeln!(
                    self.out,
                    "accepted: {done} is recorded at {position}{again} in {took}; no node was waited for"
                )
            }
            Exit::Proven => {
                writeln!(self.out, "proven: {done} at {position}{again} is applied on {all} {nodes} in {took}")
            }
            _ => {
                let proven = outcome.proven();
                let done = format!("{done} at {position}{again} is proven on only {proven} of {all} {nodes} in {took}");
                self.unproven(&done, outcome)
            }
        };
        let _ = self.out.flush();
    }

    fn unproven(&mut self, done: &str, outcome: &Outcome) -> std::io::Result<()> {
        let err = &mut self.err;
        writeln!(err, "{BAD}error{BAD:#}: {done}; the others may still serve what they had before")?;
        let pop_of = |member: &Member| member.pop.clone().unwrap_or_else(|| "no PoP of this fleet file".to_owned());
        for (pop, nodes) in grouped(outcome.failures().map(|(member, _)| (pop_of(member), member))) {
            writeln!(err, "    not in {pop}: {nodes}")?;
        }
        for (hint, nodes) in grouped(outcome.failures().map(|(member, error)| (error.hint().to_owned(), member))) {
            writeln!(err, "    {HINT}hint{HINT:#}: {nodes}: {hint}")?;
        }
        writeln!(
            err,
            "    {HINT}hint{HINT:#}: they apply it as soon as they reach the home; run the same command again to see"
        )
    }

    fn not_recorded(&mut self, error: &HomeError, id: &str, token_origin: &str) -> std::io::Result<()> {
        let err = &mut self.err;
        writeln!(err, "{BAD}error{BAD:#}: {error}")?;
        if error.batches_recorded > 0 {
            writeln!(err, "    batches recorded before: {}", error.batches_recorded)?;
        }
        writeln!(err, "    {HINT}hint{HINT:#}: {}", error.error.hint())?;
        if error.error.is_about_token() {
            writeln!(err, "    {HINT}hint{HINT:#}: the token was taken from {token_origin}")?;
        }
        writeln!(err, "    {HINT}hint{HINT:#}: then run the same command again, with --id {id}: it is recorded once")
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
    use crate::fanout::{NodeError, outcomes};
    use edge::config::Fleet;
    use edge::wire::admin::ErrorReply;
    use edge::wire::purge::{NodeReply, PurgeReply};
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
        Outcome { nodes: outcomes(fleet, &nodes), reply: Ok(reply), elapsed: Duration::from_millis(31) }
    }

    fn check(quiet: bool, mode: Mode, wait: Wait, outcome: impl Fn(&Fleet) -> Outcome, out: &str, err: &str) {
        let fleet = Fleet::parse(FLEET, "fleet.toml", Path::new("")).expect("a fleet");
        let outcome = outcome(&fleet);
        let (mut got_out, mut got_err) = (Vec::new(), Vec::new());
        let plain = |stream| anstream::StripStream::new(stream);
        let mut report = TextReport::new(plain(&mut got_out), plain(&mut got_err), quiet, &fleet);
        for node in &outcome.nodes {
            report.node(node);
        }
        let manner = Manner { mode, id: "v41".to_owned(), wait, timeout: Duration::from_secs(10) };
        report.summary(&Targets::everything(), &manner, &outcome, "a file");
        assert_eq!(String::from_utf8_lossy(&got_out), out);
        assert_eq!(String::from_utf8_lossy(&got_err), err);
    }

    #[test]
    fn a_purge_that_is_proven() {
        let all = |fleet: &Fleet| outcome(fleet, [true; 3]);
        let lines = "ok        shield-fra  shield-1  shield  at 1.7 after 31 ms\n\
                     ok        sin         sin-1     edge    at 1.7 after 31 ms\n\
                     ok        sin         sin-2     edge    at 1.7 after 31 ms\n";
        let done = "at 1.7 is applied on 3 nodes in 31 ms\n";
        let hard = format!("{lines}proven: purge of everything {done}");
        check(false, Mode::Hard, Wait::All, all, &hard, "");
        let soft = format!("{lines}proven: soft purge of everything {done}");
        check(false, Mode::Soft, Wait::All, all, &soft, "");
        check(true, Mode::Hard, Wait::All, all, "", "");
        let accepted = "accepted: purge of everything is recorded at 1.7 in 31 ms; no node was waited for\n";
        check(false, Mode::Hard, Wait::None, |fleet| Outcome { nodes: Vec::new(), ..all(fleet) }, accepted, "");
    }

    #[test]
    fn a_purge_that_is_not_proven_everywhere() {
        let why = "has not acknowledged it in time; the last that it acknowledged is 1.5";
        let err = format!(
            "unproven  sin         sin-1     edge    {why}\n\
             unproven  sin         sin-2     edge    {why}\n\
             error: purge of everything at 1.7 is proven on only 1 of 3 nodes in 31 ms; the others may still serve what \
             they had before\n    \
             not in sin: sin-1, sin-2\n    \
             hint: sin-1, sin-2: {}\n    \
             hint: they apply it as soon as they reach the home; run the same command again to see\n",
            NodeError::Unproven { applied: None }.hint()
        );
        check(true, Mode::Hard, Wait::All, |fleet| outcome(fleet, [true, false, false]), "", &err);
    }

    #[test]
    fn a_home_that_refused() {
        let refused = |_: &Fleet| {
            let said = ErrorReply { error: "not yours".to_owned(), hint: Some("ask".to_owned()) };
            let error = AdminError::Forbidden(said);
            let error = HomeError { home: "shield-1".to_owned(), error, batches_recorded: 0 };
            Outcome { reply: Err(error), nodes: Vec::new(), elapsed: Duration::ZERO }
        };
        let err = "error: shield-1, the home of the purge log, has not recorded the purge: 403: not yours\n    \
                   hint: ask\n    \
                   hint: the token was taken from a file\n    \
                   hint: then run the same command again, with --id v41: it is recorded once\n";
        check(true, Mode::Hard, Wait::All, refused, "", err);
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
