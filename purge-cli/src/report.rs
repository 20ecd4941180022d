//! What is said of a purge to people: a line per node as it answers, then a summary. Lines of success go to `out`, what
//! went wrong to `err`. The text carries ANSI colours; who owns the streams takes them out where they don't belong.

mod json;

pub use json::JsonReport;

use crate::exit::Exit;
use crate::fanout::{Failure, Member, NodeOutcome, Outcome};
use crate::target::Targets;
use anstyle::{AnsiColor, Style};
use edge::config::{Fleet, Role};
use edge::wire::purge::Mode;
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
        }
    }

    /// The line of a node.
    pub fn node(&mut self, outcome: &NodeOutcome) {
        let Member { pop, node, role, .. } = &outcome.member;
        let (pop, node, role) = (pop.as_str(), node.as_str(), role.as_str());
        let (pop_width, node_width) = (self.pop_width, self.node_width);
        let took = Took(outcome.elapsed).to_string();
        let columns = format!("{pop:pop_width$}  {node:node_width$}  {role:6}  {took:>8}");
        match &outcome.result {
            Ok(reply) if !self.quiet => {
                let _ = writeln!(self.out, "{GOOD}ok{GOOD:#}      {columns}  seq {}", reply.applied_seq);
                let _ = self.out.flush();
            }
            Ok(_) => {}
            Err(failure) => {
                let _ = writeln!(self.err, "{BAD}failed{BAD:#}  {columns}  {}", Why(failure));
            }
        }
    }

    /// The summary. `token_origin` is told if a node refused the token.
    pub fn summary(&mut self, targets: &Targets, mode: Mode, outcome: &Outcome, token_origin: &str) {
        let (applied, all) = (outcome.applied(), outcome.nodes.len());
        let took = Took(outcome.elapsed);
        let nodes = if all == 1 { "node" } else { "nodes" };
        let done = match mode {
            Mode::Hard => format!("purged {targets}"),
            Mode::Soft => format!("marked {targets} stale"),
        };
        if outcome.exit() == Exit::Applied {
            if !self.quiet {
                let _ = writeln!(self.out, "{done} on {applied} of {all} {nodes} in {took}");
                let _ = self.out.flush();
            }
            return;
        }
        let _ =
            self.failed_summary(&format!("{done} on only {applied} of {all} {nodes} in {took}"), outcome, token_origin);
    }

    fn failed_summary(&mut self, done: &str, outcome: &Outcome, token_origin: &str) -> std::io::Result<()> {
        let err = &mut self.err;
        writeln!(err, "{BAD}error{BAD:#}: {done}; the others may still serve what they had before")?;
        for (pop, nodes) in grouped(outcome.failures().map(|(member, _)| (member.pop.to_string(), member))) {
            writeln!(err, "    not in {pop}: {nodes}")?;
        }
        if outcome.failures().any(|(member, _)| member.role == Role::Shield) {
            writeln!(
                err,
                "    a shield is among them: until it has applied the purge, edges may get old responses from it"
            )?;
        }
        for (hint, nodes) in grouped(outcome.failures().map(|(member, failure)| (failure.error.hint(), member))) {
            writeln!(err, "    {HINT}hint{HINT:#}: {nodes}: {hint}")?;
        }
        if outcome.exit() == Exit::Refused {
            writeln!(err, "    {HINT}hint{HINT:#}: the token was taken from {token_origin}")?;
        }
        writeln!(err, "    {HINT}hint{HINT:#}: then run the same command again: to purge twice does no harm")
    }
}

/// Names of nodes by something that they share, each group in the order of its first node.
fn grouped<'m>(pairs: impl Iterator<Item = (String, &'m Member)>) -> Vec<(String, String)> {
    let mut groups: Vec<(String, String)> = Vec::new();
    for (by, member) in pairs {
        match groups.iter_mut().find(|(known, _)| *known == by) {
            Some((_, nodes)) => {
                nodes.push_str(", ");
                nodes.push_str(member.node.as_str());
            }
            None => groups.push((by, member.node.to_string())),
        }
    }
    groups
}

/// Why a node failed, and how far it got.
struct Why<'f>(&'f Failure);

impl Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.batches_applied {
            0 => write!(f, "{}", self.0.error),
            some => write!(f, "after {some} batch{}: {}", if some == 1 { "" } else { "es" }, self.0.error),
        }
    }
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
    use crate::fanout::NodeError;
    use edge::config::Fleet;
    use edge::wire::admin::ErrorReply;
    use edge::wire::purge::PurgeReply;
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

    /// The outcome of a purge of everything: per node either the number applied, or the error.
    fn outcome(fleet: &Fleet, results: Vec<Result<u64, NodeError>>) -> Outcome {
        let node = |((pop, node), result): ((&edge::config::Pop, &edge::config::Node), Result<u64, NodeError>)| {
            let name = node.id.to_string();
            NodeOutcome {
                member: Member {
                    pop: pop.id.clone(),
                    node: node.id.clone(),
                    role: node.role,
                    admin: node.admin.clone(),
                },
                elapsed: Duration::from_micros(3140),
                result: result
                    .map(|applied_seq| PurgeReply { node: name, boot_id: "b".to_owned(), applied_seq, targets: 1 })
                    .map_err(|error| Failure { error, batches_applied: 0 }),
            }
        };
        Outcome { nodes: fleet.nodes().zip(results).map(node).collect(), elapsed: Duration::from_millis(31) }
    }

    fn check(quiet: bool, mode: Mode, results: Vec<Result<u64, NodeError>>, out: &str, err: &str) {
        let fleet = Fleet::parse(FLEET, "fleet.toml", Path::new("")).expect("a fleet");
        let outcome = outcome(&fleet, results);
        let (mut got_out, mut got_err) = (Vec::new(), Vec::new());
        let plain = |stream| anstream::StripStream::new(stream);
        let mut report = TextReport::new(plain(&mut got_out), plain(&mut got_err), quiet, &fleet);
        for node in &outcome.nodes {
            report.node(node);
        }
        report.summary(&Targets::everything(), mode, &outcome, "a file");
        assert_eq!(String::from_utf8_lossy(&got_out), out);
        assert_eq!(String::from_utf8_lossy(&got_err), err);
    }

    fn other_node() -> NodeError {
        NodeError::OtherNode { addr: "127.0.0.1:4".to_owned(), answered: "x".to_owned() }
    }

    #[test]
    fn a_purge_that_worked() {
        let all = || vec![Ok(7), Ok(8), Ok(1000)];
        let lines = "ok      shield-fra  shield-1  shield    3.1 ms  seq 7\n\
                     ok      sin         sin-1     edge      3.1 ms  seq 8\n\
                     ok      sin         sin-2     edge      3.1 ms  seq 1000\n";
        check(false, Mode::Hard, all(), &format!("{lines}purged everything on 3 of 3 nodes in 31 ms\n"), "");
        check(false, Mode::Soft, all(), &format!("{lines}marked everything stale on 3 of 3 nodes in 31 ms\n"), "");
        check(true, Mode::Hard, all(), "", "");
    }

    #[test]
    fn a_purge_that_did_not_reach_all() {
        let err = "failed  sin         sin-1     edge      3.1 ms  127.0.0.1:4 is the admin address of \"x\"\n\
                   failed  sin         sin-2     edge      3.1 ms  127.0.0.1:4 is the admin address of \"x\"\n\
                   error: purged everything on only 1 of 3 nodes in 31 ms; the others may still serve what they had before\n    \
                   not in sin: sin-1, sin-2\n    \
                   hint: sin-1, sin-2: correct `admin` of this node in the fleet file\n    \
                   hint: then run the same command again: to purge twice does no harm\n";
        check(true, Mode::Hard, vec![Ok(7), Err(other_node()), Err(other_node())], "", err);
    }

    #[test]
    fn a_shield_that_refused() {
        let said = ErrorReply { error: "not yours".to_owned(), hint: Some("ask".to_owned()) };
        let refused = NodeError::Admin(AdminError::Forbidden(said));
        let err = "failed  shield-fra  shield-1  shield    3.1 ms  403: not yours\n\
                   error: purged everything on only 2 of 3 nodes in 31 ms; the others may still serve what they had before\n    \
                   not in shield-fra: shield-1\n    \
                   a shield is among them: until it has applied the purge, edges may get old responses from it\n    \
                   hint: shield-1: ask\n    \
                   hint: the token was taken from a file\n    \
                   hint: then run the same command again: to purge twice does no harm\n";
        check(true, Mode::Hard, vec![Err(refused), Ok(1), Ok(1)], "", err);
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
