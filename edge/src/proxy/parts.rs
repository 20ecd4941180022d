//! Which part of a response a client gets: nothing if it has it already, a range, or the whole. The core decides; its
//! answers are put into Pingora's words.

use super::context::Context;
use crate::clock;
use crate::core::partial::Part;
use crate::core::range::{MAX_RANGES, RangeDecision, content_range, decide_range, unsatisfied_content_range};
use crate::core::store_rule::{RequestHead, ResponseHead};
use crate::core::validate::{Evaluator, Precondition, evaluate};
use http::{HeaderValue, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::proxy::{RangeType, Session, range_header_filter};
use std::ops::Range;

/// Whether the client has the response already (RFC 9111 §4.3.2).
pub(super) fn is_not_modified(session: &Session, response: &ResponseHeader, ctx: &Context) -> bool {
    let request = session.req_header();
    let served = ctx.lookup.as_ref().and_then(|lookup| lookup.served());
    let received = served.map_or_else(clock::now, |entry| entry.freshness.response_time);
    let request = RequestHead::new(&request.method, &request.headers);
    let response = ResponseHead::new(response.status, &response.headers);
    evaluate(request, response, received, Evaluator::Cache) == Precondition::NotModified
}

/// What of the body is sent. Makes the head that of a 206 or 416 if that is not the whole. A body whose length is not
/// known yet is sent whole.
pub(super) fn choose(session: &Session, response: &mut ResponseHeader, ctx: &Context) -> RangeType {
    let request = session.req_header();
    if let Some(entry) = ctx.lookup.as_ref().and_then(|lookup| lookup.served())
        && let Some(part) = &entry.part
    {
        if ctx.lookup.as_ref().is_some_and(|lookup| lookup.own_fill().is_some()) {
            // The origin's own answer to this very request.
            return RangeType::None;
        }
        let wanted = part.answer(RequestHead::new(&request.method, &request.headers), &entry.head);
        return wanted.map_or(RangeType::None, |wanted| choose_of_part(part, &wanted, response));
    }
    let length = response.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let Some(length) = length else { return RangeType::None };
    let head = RequestHead::new(&request.method, &request.headers);
    match decide_range(head, ResponseHead::new(response.status, &response.headers), length) {
        RangeDecision::Full(_) => RangeType::None,
        // Pingora frames them. Of what it can't frame, ranges out of order, it sends the whole.
        RangeDecision::Single(_) | RangeDecision::Multi(_) => {
            range_header_filter(request, response, Some(MAX_RANGES + 1))
        }
        RangeDecision::Unsatisfiable => {
            unsatisfiable(response, length);
            RangeType::Invalid
        }
    }
}

/// A range of the whole from a stored part of it: which of the part's own bytes are sent.
fn choose_of_part(part: &Part, wanted: &Range<u64>, response: &mut ResponseHeader) -> RangeType {
    if response.status != StatusCode::PARTIAL_CONTENT {
        // It has become a 304.
        return RangeType::None;
    }
    let _ = response.insert_header(header::CONTENT_LENGTH, wanted.end - wanted.start);
    let _ = response.insert_header(header::CONTENT_RANGE, content_range(wanted, part.total()));
    let own = part.within(wanted);
    match (usize::try_from(own.start), usize::try_from(own.end)) {
        (Ok(start), Ok(end)) if wanted != part.range() => RangeType::Single(start..end),
        _ => RangeType::None,
    }
}

fn unsatisfiable(response: &mut ResponseHeader, length: u64) {
    let _ = response.set_status(StatusCode::RANGE_NOT_SATISFIABLE);
    for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::TRANSFER_ENCODING, header::ACCEPT_RANGES] {
        response.remove_header(&name);
    }
    let _ = response.insert_header(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    let _ = response.insert_header(header::CONTENT_RANGE, unsatisfied_content_range(length));
}
