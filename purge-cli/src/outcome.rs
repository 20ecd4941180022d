//! What became of a purge: where it is recorded, and which nodes have applied it.

mod nodes;

pub use nodes::{Done, How, Member, NodeError, NodeOutcome, Tally};
pub(crate) use nodes::{nodes, outcome_of, outcomes};

use crate::admin::AdminError;
use crate::batch::Manner;
use crate::exit::Exit;
use crate::token::Origin;
use edge::wire::purge::{Mode, PurgeReply, Wait};
use serde::Serialize;
use std::time::Duration;

/// How many positions a message lists.
const MAX_LISTED: usize = 8;

/// What became of the purge.
#[derive(Debug)]
pub struct Outcome {
    /// The home's answer to the last batch, or why there is none.
    pub reply: Result<PurgeReply, HomeError>,
    /// Where the batches are recorded, in order, as far as the home has said so.
    pub positions: Vec<String>,
    /// How many batches there are.
    pub batches: usize,
    /// Every node, in the order of the fleet file; then those that the home knows beyond it. Of an answer that has no end, as
    /// far as it goes. Empty if it is not recorded whole, or nobody was waited for.
    pub nodes: Vec<NodeOutcome>,
    /// From the first attempt to the last answer.
    pub elapsed: Duration,
}

/// The home has not answered as it should.
#[derive(Debug)]
pub struct HomeError {
    /// Its name.
    pub home: String,
    /// What went wrong.
    pub error: AdminError,
    /// Whether the batch may be recorded all the same: it was sent, and nothing that was answered says that it is not.
    pub may_be_recorded: bool,
}

/// How far a purge has come, in one word for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A hard purge that every node has applied: the promise.
    Proven,
    /// It is recorded whole, and no more than that is promised.
    Accepted,
    /// Some of its batches are recorded.
    PartlyRecorded,
    /// It may or may not be recorded.
    Unknown,
    /// It is not recorded.
    NotRecorded,
}

impl Outcome {
    /// The nodes that may still serve what was purged, for all that is known.
    pub fn failures(&self) -> impl Iterator<Item = (&Member, &NodeError)> {
        self.nodes.iter().filter_map(|node| node.result.as_ref().err().map(|error| (&node.member, error)))
    }

    /// Whether all of its batches are recorded.
    pub fn is_whole(&self) -> bool {
        self.positions.len() == self.batches
    }

    /// Whether every node has applied it, or serves nothing that it would have to apply it to; `None` if that was not waited
    /// for, or is not known.
    pub fn applied_by_all(&self, wait: Wait) -> Option<bool> {
        (wait == Wait::All && self.reply.is_ok()).then(|| self.failures().next().is_none())
    }

    /// How far it has come. Only a hard purge that all nodes were waited for is ever proven.
    pub fn state(&self, manner: &Manner) -> State {
        match &self.reply {
            Ok(_) if manner.mode == Mode::Hard && self.applied_by_all(manner.wait) == Some(true) => State::Proven,
            Ok(_) => State::Accepted,
            Err(_) if self.is_whole() => State::Accepted,
            Err(_) if !self.positions.is_empty() => State::PartlyRecorded,
            Err(failed) if failed.may_be_recorded => State::Unknown,
            Err(_) => State::NotRecorded,
        }
    }

    /// How the run ends. What is not recorded, partly recorded, or in doubt ends in three ways, whatever the reason is.
    pub fn exit(&self) -> Exit {
        match &self.reply {
            Ok(_) if self.failures().next().is_some() => Exit::Partial,
            Ok(_) => Exit::Success,
            Err(failed) if self.is_whole() || failed.may_be_recorded => Exit::Timeout,
            Err(_) if !self.positions.is_empty() => Exit::Partial,
            Err(failed) if failed.error.is_refusal() => Exit::Refused,
            Err(_) => Exit::Error,
        }
    }

    /// What that means of this purge, in one line.
    pub fn meaning(&self, manner: &Manner) -> &'static str {
        match (self.exit(), self.state(manner)) {
            (Exit::Success, State::Proven) => "proven: no node serves what was purged",
            (Exit::Success, _) if manner.wait == Wait::None => "accepted: it is recorded, and nobody was waited for",
            (Exit::Success, _) => "accepted: every node has it, and may serve as stale what it selects",
            (Exit::Partial, State::PartlyRecorded) => {
                "not recorded whole: some of its batches are, and the next one is not"
            }
            (Exit::Partial, _) => "recorded, but not acknowledged in time by all nodes, each of which is named",
            (Exit::Timeout, State::Accepted) => {
                "recorded, but the home has not said of all nodes whether they have applied it; status ID tells"
            }
            (Exit::Timeout, State::PartlyRecorded) => {
                "some of its batches are recorded, and the next one may or may not be; the same --id may be sent again"
            }
            (Exit::Timeout, _) => {
                "it may or may not be recorded: the home has not said; status ID tells, and the same --id may be sent again"
            }
            (Exit::Refused, _) => "refused by the home, and not recorded",
            (Exit::Error, _) => "not recorded: the home could not be asked, or did not take it",
            (exit @ Exit::Usage, _) => exit.meaning(),
        }
    }

    /// What went wrong at the home: what it has recorded all the same, and why not more.
    pub fn failure(&self) -> Option<String> {
        let HomeError { home, error, may_be_recorded } = self.reply.as_ref().err()?;
        let done = match (self.positions.len(), self.batches) {
            (recorded, all) if recorded == all => {
                let done = format!("has recorded the purge{}", self.places());
                match Tally::of(&self.nodes).applied {
                    0 => format!("{done}, but has not said which nodes have applied it"),
                    1 => format!("{done} and said that 1 node has applied it, but its answer has no end"),
                    more => format!("{done} and said that {more} nodes have applied it, but its answer has no end"),
                }
            }
            (_, 1) if *may_be_recorded => "may or may not have recorded the purge".to_owned(),
            (_, 1) => "has not recorded the purge".to_owned(),
            (recorded, all) => {
                let next = if *may_be_recorded { ", and may or may not have recorded the next one" } else { "" };
                format!("has recorded {recorded} of {all} batches of the purge{}{next}", self.places())
            }
        };
        Some(format!("{home}, the home of the purge log, {done}: {error}"))
    }

    /// What to do about it.
    pub fn hints(&self, id: &str, token: &Origin) -> Vec<String> {
        let Err(failed) = &self.reply else { return Vec::new() };
        let mut hints = vec![failed.error.hint()];
        if failed.error.is_about_token() {
            hints.push(token.advice());
        }
        match self.positions.last() {
            Some(last) if self.is_whole() => {
                hints.push(format!("`purge-cli status {last}` tells which nodes have applied it by now"));
                return hints;
            }
            _ if failed.may_be_recorded => hints.push(format!("`purge-cli status {id}` tells whether it is recorded")),
            _ => {}
        }
        if failed.error.may_pass() {
            let then = if self.positions.is_empty() { "it is recorded once" } else { "it takes up where it ended" };
            hints.push(format!("the same command with --id {id} may be sent again within 24 hours: {then}"));
        }
        hints
    }

    /// ` at 1.7, 1.8`, or nothing.
    fn places(&self) -> String {
        let shown = self.positions.iter().take(MAX_LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
        match self.positions.len() {
            0 => String::new(),
            1..=MAX_LISTED => format!(" at {shown}"),
            all => format!(" at {shown} and {} more", all - MAX_LISTED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Stage;
    use edge::core::log::RETRY_WINDOW;
    use edge::wire::admin::ErrorReply;
    use edge::wire::purge::NodeReply;
    use http::StatusCode;

    fn reply() -> PurgeReply {
        PurgeReply {
            node: "shield-1".to_owned(),
            position: "1.7".to_owned(),
            issued_at_ms: 0,
            is_new: true,
            targets: 1,
            proven: true,
            nodes: Vec::new(),
        }
    }

    fn node(result: Result<Done, NodeError>) -> NodeOutcome {
        NodeOutcome { member: Member { pop: None, node: "fra-1".to_owned(), role: None, admin: None }, result }
    }

    fn good() -> NodeOutcome {
        let reply = NodeReply {
            node: "fra-1".to_owned(),
            boot_id: None,
            applied: None,
            proven: true,
            role: None,
            lag: None,
            lease_ms: None,
            ms: None,
            connected: None,
        };
        node(Ok(Done { how: How::Applied, reply }))
    }

    fn late() -> NodeOutcome {
        node(Err(NodeError::Unproven { applied: None }))
    }

    fn ended(nodes: Vec<NodeOutcome>) -> Outcome {
        let positions = vec!["1.7".to_owned()];
        Outcome { reply: Ok(reply()), positions, batches: 1, nodes, elapsed: Duration::ZERO }
    }

    /// A purge of several batches, of which the home has recorded some before this happened.
    fn failed(recorded: usize, batches: usize, error: AdminError, may_be_recorded: bool) -> Outcome {
        let reply = Err(HomeError { home: "shield-1".to_owned(), error, may_be_recorded });
        let positions = (0..recorded).map(|at| format!("1.{}", 7 + at)).collect();
        Outcome { reply, positions, batches, nodes: Vec::new(), elapsed: Duration::ZERO }
    }

    fn answered(status: u16) -> AdminError {
        let body = br#"{"error":"no"}"#;
        AdminError::from_reply(StatusCode::from_u16(status).expect("a status"), body)
    }

    fn no_answer(stage: Stage) -> AdminError {
        AdminError::Timeout { addr: "x".to_owned(), after: Duration::ZERO, stage }
    }

    fn refused() -> AdminError {
        AdminError::Unreachable { addr: "x".to_owned(), cause: std::io::ErrorKind::ConnectionRefused.into() }
    }

    #[test]
    fn how_a_run_ends() {
        let check = |outcome: Outcome, want| assert_eq!(outcome.exit(), want, "{outcome:?}");
        check(ended(vec![good()]), Exit::Success);
        check(ended(vec![good(), node(Err(NodeError::Unknown))]), Exit::Partial);
        check(ended(vec![late()]), Exit::Partial);
        check(failed(0, 1, AdminError::Unauthorized(ErrorReply::read("no")), false), Exit::Refused);
        check(failed(0, 1, answered(403), false), Exit::Refused);
        check(failed(0, 1, answered(429), true), Exit::Timeout);
        check(failed(0, 3, answered(429), false), Exit::Refused);
        check(failed(1, 3, answered(429), false), Exit::Partial);
        check(failed(1, 3, answered(403), false), Exit::Partial);
        check(failed(1, 3, refused(), false), Exit::Partial);
        check(failed(1, 3, no_answer(Stage::Answer), true), Exit::Timeout);
        check(failed(1, 1, refused(), false), Exit::Timeout);
        check(failed(0, 1, answered(503), true), Exit::Timeout);
        check(failed(0, 1, no_answer(Stage::Answer), true), Exit::Timeout);
        check(failed(0, 1, refused(), false), Exit::Error);
        check(failed(0, 1, refused(), true), Exit::Timeout);
        check(failed(0, 1, AdminError::BadAddress { addr: "x".to_owned() }, false), Exit::Error);
    }

    #[test]
    fn only_hard_purges_that_were_waited_for_are_proven() {
        let check = |outcome: Outcome, mode, wait, want| {
            let manner = Manner { mode, id: "v41".to_owned(), wait, timeout: Duration::ZERO };
            assert_eq!(outcome.state(&manner), want, "{manner:?} {outcome:?}");
        };
        check(ended(vec![good()]), Mode::Hard, Wait::All, State::Proven);
        check(ended(vec![good()]), Mode::Soft, Wait::All, State::Accepted);
        check(ended(vec![good()]), Mode::Hard, Wait::None, State::Accepted);
        check(ended(vec![good(), late()]), Mode::Hard, Wait::All, State::Accepted);
        check(failed(1, 1, no_answer(Stage::Answer), true), Mode::Hard, Wait::All, State::Accepted);
        check(failed(1, 3, answered(429), false), Mode::Hard, Wait::All, State::PartlyRecorded);
        check(failed(0, 3, no_answer(Stage::Answer), true), Mode::Hard, Wait::All, State::Unknown);
        check(failed(0, 1, refused(), false), Mode::Hard, Wait::All, State::NotRecorded);
    }

    /// Nothing is said to be in doubt that is known, and nothing to be proven that is not.
    #[test]
    fn what_an_exit_code_means() {
        let check = |outcome: Outcome, mode, wait, want: &str| {
            let manner = Manner { mode, id: "v41".to_owned(), wait, timeout: Duration::ZERO };
            let meaning = outcome.meaning(&manner);
            assert!(meaning.starts_with(want), "{meaning:?} of {outcome:?}");
        };
        check(ended(vec![good()]), Mode::Hard, Wait::All, "proven: ");
        check(ended(vec![good()]), Mode::Soft, Wait::All, "accepted: every node has it");
        check(ended(vec![good()]), Mode::Hard, Wait::None, "accepted: it is recorded");
        check(ended(vec![late()]), Mode::Soft, Wait::All, "recorded, but not acknowledged");
        check(
            failed(1, 1, no_answer(Stage::Answer), true),
            Mode::Hard,
            Wait::All,
            "recorded, but the home has not said",
        );
        check(failed(1, 3, no_answer(Stage::Answer), true), Mode::Hard, Wait::All, "some of its batches are recorded");
        check(failed(1, 3, answered(429), false), Mode::Hard, Wait::All, "not recorded whole");
        check(failed(0, 1, no_answer(Stage::Answer), true), Mode::Hard, Wait::All, "it may or may not be recorded: ");
        check(failed(0, 1, answered(403), false), Mode::Hard, Wait::All, "refused by the home, and not recorded");
        check(failed(0, 1, refused(), false), Mode::Hard, Wait::All, "not recorded");
    }

    #[test]
    fn what_is_said_of_a_purge_that_failed() {
        let check = |outcome: Outcome, error: &str, hints: &[&str]| {
            let said = outcome.failure().expect("it failed");
            assert_eq!(said, format!("shield-1, the home of the purge log, {error}"));
            let own = outcome.reply.as_ref().expect_err("it failed").error.hint();
            let hints: Vec<String> = [own].into_iter().chain(hints.iter().map(|&hint| hint.to_owned())).collect();
            assert_eq!(outcome.hints("v41", &Origin::named_env("T")), hints, "{error}");
        };
        assert_eq!(RETRY_WINDOW, Duration::from_secs(24 * 3600), "the hint names it");
        let status = "`purge-cli status v41` tells whether it is recorded";
        let once = "the same command with --id v41 may be sent again within 24 hours: it is recorded once";
        let on = "the same command with --id v41 may be sent again within 24 hours: it takes up where it ended";
        let late = || no_answer(Stage::Answer);
        check(
            failed(0, 1, late(), true),
            "may or may not have recorded the purge: no answer from x within 0ns",
            &[status, once],
        );
        let unconnected = "has not recorded the purge: no connection to x within 0ns";
        check(failed(0, 1, no_answer(Stage::Connect), false), unconnected, &[once]);
        check(
            failed(1, 1, late(), true),
            "has recorded the purge at 1.7, but has not said which nodes have applied it: no answer from x within 0ns",
            &["`purge-cli status 1.7` tells which nodes have applied it by now"],
        );
        let mut some = failed(1, 1, late(), true);
        some.nodes = vec![good(), node(Err(NodeError::NotTold))];
        check(
            some,
            "has recorded the purge at 1.7 and said that 1 node has applied it, but its answer has no end: no answer from x \
             within 0ns",
            &["`purge-cli status 1.7` tells which nodes have applied it by now"],
        );
        let over = "has recorded 2 of 4 batches of the purge at 1.7, 1.8: 429: no";
        check(failed(2, 4, answered(429), false), over, &[on]);
        check(
            failed(9, 12, late(), true),
            "has recorded 9 of 12 batches of the purge at 1.7, 1.8, 1.9, 1.10, 1.11, 1.12, 1.13, 1.14 and 1 more, and may \
             or may not have recorded the next one: no answer from x within 0ns",
            &[status, on],
        );
        check(failed(0, 2, answered(409), false), "has recorded 0 of 2 batches of the purge: 409: no", &[]);
        let advice = Origin::named_env("T").advice();
        check(failed(0, 1, answered(401), false), "has not recorded the purge: 401: no", &[&advice, once]);
        check(failed(0, 1, answered(403), false), "has not recorded the purge: 403: no", &[&advice]);
    }
}
