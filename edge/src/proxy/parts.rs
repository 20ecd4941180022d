//! Which part of a response a client gets: nothing if it has it already, a range, or the whole. The core decides; its
//! answers are put into Pingora's words. Pingora's own reading of Range is not asked: it takes a suffix longer than a number
//! of its own for nothing, and a list with an empty member for none.

use super::context::Context;
use crate::clock;
use crate::core::partial::Part;
use crate::core::range::{RangeDecision, content_range, decide_range, unsatisfied_content_range};
use crate::core::store_rule::{RequestHead, ResponseHead};
use crate::core::validate::{Evaluator, Precondition, evaluate};
use http::{HeaderValue, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::proxy::{MultiRangeInfo, RangeType, Session};
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
        RangeDecision::Single(range) => choose_one(&range, length, response),
        RangeDecision::Multi(ranges) => choose_several(&ranges, length, response),
        RangeDecision::Unsatisfiable => {
            unsatisfiable(response, length);
            RangeType::Invalid
        }
    }
}

fn choose_one(range: &Range<u64>, length: u64, response: &mut ResponseHeader) -> RangeType {
    let Some(own) = in_memory(range) else { return RangeType::None };
    let _ = response.set_status(StatusCode::PARTIAL_CONTENT);
    response.remove_header(&header::ACCEPT_RANGES);
    let _ = response.insert_header(header::CONTENT_LENGTH, range.end - range.start);
    let _ = response.insert_header(header::CONTENT_RANGE, content_range(range, length));
    RangeType::Single(own)
}

/// Several ranges, which Pingora frames (RFC 9110 §15.3.7.2). It can't frame them out of order: then the whole is sent.
fn choose_several(ranges: &[Range<u64>], length: u64, response: &mut ResponseHeader) -> RangeType {
    let ascend = ranges.is_sorted_by(|before, next| before.end <= next.start);
    let own: Option<Vec<_>> = ranges.iter().map(in_memory).collect();
    let (Some(own), Ok(total)) = (own.filter(|_| ascend), usize::try_from(length)) else { return RangeType::None };
    let mut parts = MultiRangeInfo::new(own);
    parts.set_total_length(total);
    parts.content_type =
        response.headers.get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok()).map(Into::into);
    let _ = response.set_status(StatusCode::PARTIAL_CONTENT);
    response.remove_header(&header::ACCEPT_RANGES);
    let _ = response.insert_header(header::CONTENT_LENGTH, parts.calculate_multipart_length());
    let media = format!("multipart/byteranges; boundary={}", parts.boundary);
    let _ = response.insert_header(header::CONTENT_TYPE, media);
    RangeType::Multi(parts)
}

fn in_memory(range: &Range<u64>) -> Option<Range<usize>> {
    Some(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
}

/// A range of the whole from a stored part of it: which of the part's own bytes are sent.
fn choose_of_part(part: &Part, wanted: &Range<u64>, response: &mut ResponseHeader) -> RangeType {
    if response.status != StatusCode::PARTIAL_CONTENT {
        // It has become a 304.
        return RangeType::None;
    }
    let _ = response.insert_header(header::CONTENT_LENGTH, wanted.end - wanted.start);
    let _ = response.insert_header(header::CONTENT_RANGE, content_range(wanted, part.total()));
    match in_memory(&part.within(wanted)) {
        Some(own) if wanted != part.range() => RangeType::Single(own),
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
