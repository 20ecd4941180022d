//! Purges between tiers: what a node asks of the tier above, what that one does, and what its answer is worth.
//!
//! It does not matter which of the two hears of a purge first. A request says what its node has applied; the tier above
//! answers with nothing that is only known to be valid up to less, and says up to where its answer is.

use crate::core::log::Position;
use crate::core::purge::Fence;
use crate::core::rules::{self, Rule};

/// What a request to the tier above says of purges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// What the answer must be valid up to: what the node that asks has applied, or what it was asked itself.
    pub valid_to: Position,
    /// No stored response and no fetch under way may answer: the origin is to be asked.
    pub past_caches: bool,
}

/// What a node does with a request from the tier below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It answers with what it has.
    Serve,
    /// It waits a moment for the records that it lacks, and asks again.
    CatchUp,
    /// It fetches for this request alone, and stores nothing.
    GoPast,
}

/// What a node does with a request from the tier below, which asks for this, when it has applied so much. `has_waited`
/// says whether it has waited for records already.
pub fn turn(asked: Asked, applied: Position, has_waited: bool) -> Turn {
    match () {
        () if !rules::on(Rule::AskedIsHeeded) => Turn::Serve,
        () if asked.past_caches => Turn::GoPast,
        () if applied >= asked.valid_to => Turn::Serve,
        () if has_waited => Turn::GoPast,
        () => Turn::CatchUp,
    }
}

/// What a node that has applied `own` asks of the tier above, for a request that it was `asked` itself.
pub fn upward(own: Position, asked: Option<Asked>, past_caches: bool) -> Asked {
    let of_below = asked.map_or(Position::ZERO, |asked| asked.valid_to);
    Asked { valid_to: own.max(of_below), past_caches: past_caches || asked.is_some_and(|asked| asked.past_caches) }
}

/// The fence of a fetch from an origin: sampled as `applied` before its first byte is written, for a request that was
/// `asked`. Whoever asked had applied that much before; so what the origin sends now is as new as that.
#[must_use]
pub fn fence_of_origin(applied: Fence, asked: Option<Asked>) -> Fence {
    let log = asked.map_or(applied.log(), |asked| asked.valid_to.max(applied.log()));
    applied.answered_at(log)
}

/// What an answer from the tier above is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is valid up to this fence, which is its fill's.
    Valid(Fence),
    /// It is less than what was asked for, or says nothing: it answers nobody. The same is asked again, past all caches.
    AskAgain,
    /// That was done already: there is no answer.
    Useless,
}

/// What an answer is worth that says to be valid up to `replied`. `fence` was sampled before the question was sent.
///
/// It is worth what was asked for, however far the tier above is. What that one knows beyond it this node is yet to hear,
/// and then has to look for itself: the records may be lost with the log's home, and others take their numbers; and a 304
/// says what the tier above thinks of its own response, not of the one that is stored here.
pub fn answer(asked: Asked, replied: Option<Position>, fence: Fence) -> Answer {
    match replied {
        Some(replied) if replied >= asked.valid_to || !rules::on(Rule::ReplyBelowDiscarded) => {
            let worth = if rules::on(Rule::WorthWhatWasAsked) { asked.valid_to } else { replied };
            Answer::Valid(fence.answered_at(worth))
        }
        Some(_) | None if asked.past_caches => Answer::Useless,
        Some(_) | None => Answer::AskAgain,
    }
}

/// [`answer`], to a node that has no lease where the site asks for one: what it stores answers nothing, nor what another
/// one has stored that may have missed as much. `is_vouched` is what the tier above says: it held a lease when the question
/// had arrived, or has asked the origin since.
pub fn answer_without_lease(asked: Asked, replied: Option<Position>, is_vouched: bool, fence: Fence) -> Answer {
    match is_vouched || asked.past_caches {
        true => answer(asked, replied, fence),
        false => Answer::AskAgain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seq: u64) -> Position {
        Position::new(1, seq)
    }

    fn asks(seq: u64, past_caches: bool) -> Asked {
        Asked { valid_to: at(seq), past_caches }
    }

    #[test]
    fn a_tier_that_has_not_heard_serves_nothing() {
        assert_eq!(turn(asks(5, false), at(5), false), Turn::Serve);
        assert_eq!(turn(asks(5, false), at(6), false), Turn::Serve);
        assert_eq!(turn(asks(5, false), at(4), false), Turn::CatchUp);
        assert_eq!(turn(asks(5, false), at(4), true), Turn::GoPast);
        assert_eq!(turn(asks(5, true), at(9), false), Turn::GoPast);
        assert_eq!(turn(asks(5, false), Position::new(2, 1), false), Turn::Serve, "a later epoch is later");
    }

    #[test]
    fn what_is_asked_grows_on_the_way_up() {
        assert_eq!(upward(at(3), None, false), asks(3, false));
        assert_eq!(upward(at(3), Some(asks(5, false)), false), asks(5, false));
        assert_eq!(upward(at(7), Some(asks(5, true)), false), asks(7, true));
    }

    #[test]
    fn an_answer_is_worth_what_it_says() {
        let fence = Fence::new(at(5), Position::new(0, 2));
        let valid_to = |seq| Answer::Valid(Fence::new(at(seq), Position::new(0, 2)));
        assert_eq!(answer(asks(5, false), Some(at(5)), fence), valid_to(5));
        assert_eq!(answer(asks(5, false), Some(at(9)), fence), valid_to(5), "no more than was asked for");
        assert_eq!(answer(asks(5, false), Some(at(4)), fence), Answer::AskAgain);
        assert_eq!(answer(asks(5, false), None, fence), Answer::AskAgain);
        assert_eq!(answer(asks(5, true), Some(at(4)), fence), Answer::Useless);
        assert_eq!(answer_without_lease(asks(5, false), Some(at(9)), false, fence), Answer::AskAgain);
        assert_eq!(answer_without_lease(asks(5, false), Some(at(9)), true, fence), valid_to(5));
        assert_eq!(answer_without_lease(asks(5, false), Some(at(4)), true, fence), Answer::AskAgain);
        assert_eq!(answer_without_lease(asks(5, true), Some(at(5)), false, fence), valid_to(5), "it is the origin's");
        assert_eq!(fence_of_origin(fence, Some(asks(8, true))).log(), at(8));
        assert_eq!(fence_of_origin(fence, Some(asks(4, true))), fence);
        assert_eq!(fence_of_origin(fence, None), fence);
    }
}
