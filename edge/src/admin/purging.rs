//! `POST /purges` and `POST /log/follow`: what the home of the purge log is asked by who purges, and by who follows.

use super::proof::{Proof, Times};
use super::{Denied, authenticate, limits, permit, places, select};
use crate::clock;
use crate::config::{TokenRole, TokenSpec};
use crate::core::log::{Purge, RecordId, Refusal};
use crate::core::purge::Selector;
use crate::follow::{End, attend};
use crate::following::{body_of, parts_of};
use crate::log_home::{AppendError, Entry, LogHome};
use crate::node::NodeState;
use crate::snapshot::Snapshot;
use crate::wire::admin::ErrorReply;
use crate::wire::line_of;
use crate::wire::purge::{DEFAULT_WAIT_MS, LINES_TYPE, MAX_WAIT_MS, PurgeLine, PurgeRequest, Target, Wait};
use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::time::Instant;

/// Records a purge, and waits until it is proven. Who accepts lines is told of each node as soon as it is.
///
/// Whatever becomes of it is in the node's own log: who asked for what, and why it was refused.
pub(super) async fn purge(State(node): State<Arc<NodeState>>, request: Request) -> Result<Response, Denied> {
    let began = clock::monotonic();
    let snapshot = node.snapshot();
    let (head, body) = request.into_parts();
    let token = match authenticate(&snapshot, &head.headers) {
        Ok(token) => token,
        Err(denied) => {
            tracing::warn!(error = denied.error, "a purge is refused");
            return Err(denied);
        }
    };
    let recorded = record(&node, &snapshot, &head, body, token, began).await;
    let Recorded { proof, wait, patience, share } = recorded.inspect_err(|denied| {
        tracing::warn!(token = %token.id, status = denied.status.as_u16(), error = denied.error, "a purge is refused");
    })?;
    let until = (wait == Wait::All).then(|| Instant::from_std(began) + patience);
    let takes_lines = |value: &HeaderValue| value.to_str().is_ok_and(|value| value.contains(LINES_TYPE));
    if !head.headers.get_all(header::ACCEPT).iter().any(takes_lines) {
        return Ok(Json(proof.wait(until, None).await).into_response());
    }
    let (lines, answer) = body_of();
    tokio::spawn(async move {
        let line = PurgeLine::Done(proof.wait(until, Some(&lines)).await);
        let _ = lines.send(line_of(&line).into()).await;
        drop(share);
    });
    let mut response = answer.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(LINES_TYPE));
    response.extensions_mut().insert(KeepsPlace);
    Ok(response)
}

/// A purge that has its number.
struct Recorded {
    proof: Proof,
    wait: Wait,
    patience: Duration,
    share: Option<limits::Share>,
}

async fn record(
    node: &Arc<NodeState>,
    snapshot: &Arc<Snapshot>,
    head: &Parts,
    body: Body,
    token: &TokenSpec,
    began: std::time::Instant,
) -> Result<Recorded, Denied> {
    if token.role == TokenRole::Read {
        return Err(Denied::forbidden(format!("token {} may read, not purge", token.id)));
    }
    let home = home_of(node, snapshot)?;
    let (body, share) = body_in_turn(head, body, token).await?;
    let request: PurgeRequest = serde_json::from_slice(&body.bytes).map_err(|error| {
        Denied::bad_request(
            format!("the body is not a purge: {error}"),
            "see `purge-cli --help`, which sends good ones",
        )
    })?;
    drop(body);
    let selectors = select(snapshot, &request.targets)?;
    for selector in &selectors {
        permit(token, selector)?;
    }
    if let TokenRole::Purge(_) = token.role {
        // A retry of what is recorded already costs what it takes to say so.
        let id = request.id.as_deref().and_then(RecordId::new);
        let is_retry = id.is_some_and(|id| home.find(&id, Some(&token.id)).is_some());
        let cost = if is_retry { 0 } else { cost(&request.targets) };
        let taken = node.quotas.take(token, cost, clock::monotonic());
        taken.map_err(|over| Denied::over_quota(over.to_string(), over.wait))?;
    }
    let (targets, wait) = (selectors.len(), request.wait);
    let patience = Duration::from_millis(request.timeout_ms.unwrap_or(DEFAULT_WAIT_MS).min(MAX_WAIT_MS));
    let purge = record_of(node, snapshot, token, request, selectors)?;
    let appended = home.append(Entry::Purge(purge)).await.map_err(|error| denied(error, snapshot))?;
    let (node, snapshot) = (node.clone(), snapshot.clone());
    let proof = Proof { node, snapshot, home, appended, targets, began, times: Times::new() };
    Ok(Recorded { proof, wait, patience, share })
}

/// The body of a request, within the limits of who sends it and of the admin server.
pub(super) async fn body_in_turn(
    head: &Parts,
    body: Body,
    token: &TokenSpec,
) -> Result<(limits::Received, Option<limits::Share>), Denied> {
    let place = head.extensions.get::<Arc<places::Place>>();
    let share = match token.role {
        TokenRole::Admin => None,
        TokenRole::Purge(_) | TokenRole::Read => Some(limits::Share::take(&token.id)?),
    };
    place.inspect(|place| place.wait_for_body());
    let body = limits::read_body(&head.headers, body, share.as_ref()).await?;
    if place.is_some_and(|place| !place.has_request()) {
        return Err(Denied::busy("the admin server has as many connections as it takes".into()));
    }
    Ok((body, share))
}

pub(super) fn home_of(node: &NodeState, snapshot: &Snapshot) -> Result<Arc<dyn LogHome>, Denied> {
    node.log_home.clone().ok_or_else(|| {
        let home = snapshot.fleet.home();
        let hint = home.map_or_else(String::new, |home| format!("send it to {} at {}", home.id, home.admin));
        let error = "this node is not the home of the purge log".to_owned();
        Denied::new(StatusCode::MISDIRECTED_REQUEST, error, Some(hint))
    })
}

/// The record of a purge that may be recorded.
fn record_of(
    node: &NodeState,
    snapshot: &Snapshot,
    token: &TokenSpec,
    request: PurgeRequest,
    selectors: Vec<Selector>,
) -> Result<Purge, Denied> {
    let id = match &request.id {
        Some(id) => RecordId::new(id).ok_or_else(|| {
            Denied::bad_request(format!("the id {id:?} is none"), "write 1 to 64 of A-Z a-z 0-9 - _ . :")
        })?,
        None => RecordId::new(&node.request_id()).ok_or_else(|| Denied::bad_request("no id".into(), "send one"))?,
    };
    // Of what was sent, in whatever order: what becomes of it here is another matter, and may be another one tomorrow.
    let mut targets: Vec<Vec<u8>> = request.targets.iter().map(line_of).collect();
    targets.sort_unstable();
    let asked = serde_json::to_vec(&(request.mode, &targets)).unwrap_or_default();
    let mut digest = [0; 16];
    digest.copy_from_slice(&blake3::hash(&asked).as_bytes()[..16]);
    let rules = snapshot.rules_of(&selectors);
    Ok(Purge { id, digest, by: token.id.clone(), mode: request.mode.into(), selectors, rules })
}

/// What targets take of a token's quota: one each, and one more for so many bytes. The log keeps them, and sends them to
/// every node.
fn cost(targets: &[Target]) -> u64 {
    const BYTES_OF_ONE: usize = 256;
    targets.iter().map(|target| 1 + (target.text_bytes() / BYTES_OF_ONE) as u64).sum()
}

/// Why the log did not take something, in HTTP's words.
pub(super) fn denied(error: AppendError, snapshot: &Snapshot) -> Denied {
    let home = || snapshot.fleet.home().map_or("?", |home| home.id.as_str());
    let (status, hint) = match &error {
        AppendError::Refused(Refusal::Sealed) => {
            (StatusCode::MISDIRECTED_REQUEST, format!("name its new home in [purge_log] home, in place of {}", home()))
        }
        AppendError::Refused(Refusal::NoMember(_)) => {
            (StatusCode::NOT_FOUND, "`purge-cli ping` shows those that are".to_owned())
        }
        AppendError::Refused(Refusal::IdReused(_)) => (
            StatusCode::CONFLICT,
            "send the same as the first time, or another purge under an id of its own".to_owned(),
        ),
        AppendError::Refused(Refusal::RetryTooLate(_)) => {
            (StatusCode::CONFLICT, "if it is to be purged once more, send it under another id".to_owned())
        }
        AppendError::Refused(Refusal::MayHoldLease(_)) => {
            (StatusCode::CONFLICT, "it runs, and comes again: stop it first, then forget it".to_owned())
        }
        AppendError::Refused(Refusal::TooManyMembers) => {
            (StatusCode::SERVICE_UNAVAILABLE, "`purge-cli forget` those that are gone".to_owned())
        }
        AppendError::Refused(
            Refusal::NotOpened | Refusal::NoEpochs | Refusal::NoSuchEpoch(_) | Refusal::NodeTaken(_),
        ) => (StatusCode::SERVICE_UNAVAILABLE, "look at the log of the purge log's home".to_owned()),
        AppendError::Log(_) => (StatusCode::SERVICE_UNAVAILABLE, String::new()),
    };
    let ErrorReply { error, hint: own } = ErrorReply::read(&error.to_string());
    Denied::new(status, error, own.or(Some(hint)))
}

/// A response whose connection is in use for as long as its body is.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeepsPlace;

/// Lets a node follow the log.
pub(super) async fn follow(State(node): State<Arc<NodeState>>, request: Request) -> Result<Response, Denied> {
    let snapshot = node.snapshot();
    let (head, body) = request.into_parts();
    if !is_node(&snapshot, &head.headers) {
        let error = "only nodes of this fleet follow its purge log".to_owned();
        let hint = "give all nodes the same tier secret".to_owned();
        return Err(Denied::new(StatusCode::UNAUTHORIZED, error, Some(hint)));
    }
    let home = home_of(&node, &snapshot)?;
    // It is one of the fleet's own, and stays: it takes no place of those who come and go.
    let place = head.extensions.get::<Arc<places::Place>>();
    let seat = limits::Follower::take().ok_or_else(|| Denied::busy("as many nodes follow the log as may".into()))?;
    place.inspect(|place| place.give_up());
    let (outgoing, answer) = body_of();
    tokio::spawn(async move {
        attend(home, End { incoming: parts_of(body), outgoing }).await;
        drop(seat);
    });
    let mut response = answer.into_response();
    response.extensions_mut().insert(KeepsPlace);
    Ok(response)
}

fn is_node(snapshot: &Snapshot, headers: &HeaderMap) -> bool {
    let said = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = said.and_then(|said| said.strip_prefix("Bearer "));
    let known = snapshot.follow_token.as_deref();
    secret.zip(known).is_some_and(|(secret, known)| bool::from(secret.as_bytes().ct_eq(known.as_bytes())))
}
