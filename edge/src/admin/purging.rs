//! `POST /purges` and `POST /log/follow`: what the home of the purge log is asked.

use super::proof::{Proof, line_of, nodes};
use super::{Denied, authenticate, limits, permit, places, select};
use crate::clock;
use crate::config::TokenRole;
use crate::core::id::{NodeId, TokenId};
use crate::core::log::{Purge, RecordId};
use crate::core::purge::Selector;
use crate::follow::{End, attend};
use crate::following::{body_of, parts_of};
use crate::log_home::{AppendError, Entry, LogHome};
use crate::node::NodeState;
use crate::snapshot::Snapshot;
use crate::wire::log::SelectorLine;
use crate::wire::purge::{
    DEFAULT_WAIT_MS, ForgetRequest, LINES_TYPE, LogReply, MAX_WAIT_MS, PurgeLine, PurgeRequest, Wait,
};
use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::time::Instant;

/// Records a purge, and waits until it is proven. Who accepts lines is told of each node as soon as it is.
pub(super) async fn purge(State(node): State<Arc<NodeState>>, request: Request) -> Result<Response, Denied> {
    let began = clock::monotonic();
    let snapshot = node.snapshot();
    let (head, body) = request.into_parts();
    let (token, role) = authenticate(&snapshot, &head.headers)?;
    if *role == TokenRole::Read {
        return Err(Denied::forbidden(format!("token {token} may read, not purge")));
    }
    let home = home_of(&node, &snapshot)?;
    let (body, share) = body_in_turn(&head, body, token, role).await?;
    let request: PurgeRequest = serde_json::from_slice(&body.bytes).map_err(|error| {
        Denied::bad_request(
            format!("the body is not a purge: {error}"),
            "see `purge-cli --help`, which sends good ones",
        )
    })?;
    drop(body);
    let selectors = select(&snapshot, &request.targets)?;
    for selector in &selectors {
        permit(role, token, selector)?;
    }
    let (targets, wait) = (selectors.len(), request.wait);
    let patience = Duration::from_millis(request.timeout_ms.unwrap_or(DEFAULT_WAIT_MS).min(MAX_WAIT_MS));
    let purge = record_of(&node, token, request, selectors)?;
    let appended = home.append(Entry::Purge(purge)).await.map_err(denied)?;
    let proof = Proof::new(node.clone(), snapshot, home, appended, targets, began);
    let until = (wait == Wait::All).then(|| Instant::from_std(began) + patience);
    let takes_lines = |value: &HeaderValue| value.to_str().is_ok_and(|value| value.contains(LINES_TYPE));
    if !head.headers.get_all(header::ACCEPT).iter().any(takes_lines) {
        return Ok(Json(proof.wait(until, None).await).into_response());
    }
    let (lines, answer) = body_of();
    tokio::spawn(async move {
        let line = PurgeLine::Done(proof.wait(until, Some(&lines)).await);
        let _ = lines.send(line_of(&line)).await;
        drop(share);
    });
    let mut response = answer.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(LINES_TYPE));
    response.extensions_mut().insert(KeepsPlace);
    Ok(response)
}

/// The body of a request, within the limits of who sends it and of the admin server.
async fn body_in_turn(
    head: &Parts,
    body: Body,
    token: &TokenId,
    role: &TokenRole,
) -> Result<(limits::Received, Option<limits::Share>), Denied> {
    let place = head.extensions.get::<Arc<places::Place>>();
    let share = match role {
        TokenRole::Admin => None,
        TokenRole::Purge(_) | TokenRole::Read => Some(limits::Share::take(token)?),
    };
    place.inspect(|place| place.wait_for_body());
    let body = limits::read_body(&head.headers, body, share.as_ref()).await?;
    if place.is_some_and(|place| !place.has_request()) {
        return Err(Denied::busy("the admin server has as many connections as it takes".into()));
    }
    Ok((body, share))
}

/// Tells of the log and of who follows it.
pub(super) async fn log(State(node): State<Arc<NodeState>>, headers: HeaderMap) -> Result<Json<LogReply>, Denied> {
    let snapshot = node.snapshot();
    authenticate(&snapshot, &headers)?;
    let home = home_of(&node, &snapshot)?;
    Ok(Json(log_reply(&node, &snapshot, home.as_ref())))
}

fn log_reply(node: &NodeState, snapshot: &Snapshot, home: &dyn LogHome) -> LogReply {
    let ledger = home.ledger();
    LogReply {
        node: node.info.node.clone(),
        head: ledger.position.to_string(),
        sealed: ledger.sealed,
        nodes: nodes(snapshot, home, ledger.position, &BTreeMap::new()),
    }
}

/// Takes an operator's word that a node does not run any more: it is waited for no longer.
pub(super) async fn forget(State(node): State<Arc<NodeState>>, request: Request) -> Result<Json<LogReply>, Denied> {
    let snapshot = node.snapshot();
    let (head, body) = request.into_parts();
    let (token, role) = authenticate(&snapshot, &head.headers)?;
    if *role != TokenRole::Admin {
        return Err(Denied::forbidden(format!("token {token} may not say who runs: that takes an admin's")));
    }
    let home = home_of(&node, &snapshot)?;
    let (body, _share) = body_in_turn(&head, body, token, role).await?;
    let request: ForgetRequest = serde_json::from_slice(&body.bytes).map_err(|error| {
        Denied::bad_request(format!("the body names no node: {error}"), "see `purge-cli forget --help`")
    })?;
    let name = NodeId::new(&request.node)
        .map_err(|error| Denied::bad_request(format!("node {:?}: {error}", request.node), "see `purge-cli ping`"))?;
    home.append(Entry::Forget(name)).await.map_err(denied)?;
    tracing::warn!(node = %request.node, %token, "a node is forgotten");
    Ok(Json(log_reply(&node, &snapshot, home.as_ref())))
}

fn home_of(node: &NodeState, snapshot: &Snapshot) -> Result<Arc<dyn LogHome>, Denied> {
    node.log_home.clone().ok_or_else(|| {
        let home = snapshot.fleet.purge_log.home.as_ref().and_then(|home| snapshot.fleet.node(home));
        let home = home.map_or_else(String::new, |(_, home)| format!("send it to {} at {}", home.id, home.admin));
        Denied {
            status: StatusCode::MISDIRECTED_REQUEST,
            error: "this node is not the home of the purge log".into(),
            hint: Some(home),
        }
    })
}

/// The record of a purge that may be recorded.
fn record_of(
    node: &NodeState,
    token: &TokenId,
    request: PurgeRequest,
    selectors: Vec<Selector>,
) -> Result<Purge, Denied> {
    let id = match &request.id {
        Some(id) => RecordId::new(id).ok_or_else(|| {
            Denied::bad_request(format!("the id {id:?} is none"), "write 1 to 64 of A-Z a-z 0-9 - _ . :")
        })?,
        None => RecordId::new(&node.request_id()).ok_or_else(|| Denied::bad_request("no id".into(), "send one"))?,
    };
    let lines: Vec<SelectorLine> = selectors.iter().map(SelectorLine::from).collect();
    let asked = serde_json::to_vec(&(request.mode, &lines)).unwrap_or_default();
    let mut digest = [0; 16];
    digest.copy_from_slice(&blake3::hash(&asked).as_bytes()[..16]);
    Ok(Purge { id, digest, by: token.clone(), mode: request.mode.into(), selectors })
}

fn denied(error: AppendError) -> Denied {
    let status = match &error {
        AppendError::Refused(_) => StatusCode::CONFLICT,
        AppendError::Log(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let text = error.to_string();
    let (error, hint) = text.split_once("\n    hint: ").unwrap_or((&text, "send another purge under an id of its own"));
    Denied { status, error: error.to_owned(), hint: Some(hint.to_owned()) }
}

/// A response whose connection is in use for as long as its body is.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeepsPlace;

/// Lets a node follow the log.
pub(super) async fn follow(State(node): State<Arc<NodeState>>, request: Request) -> Result<Response, Denied> {
    let snapshot = node.snapshot();
    let (head, body) = request.into_parts();
    if !is_node(&snapshot, &head.headers) {
        return Err(Denied {
            status: StatusCode::UNAUTHORIZED,
            error: "only nodes of this fleet follow its purge log".into(),
            hint: Some("give all nodes the same tier secret".into()),
        });
    }
    let home = home_of(&node, &snapshot)?;
    let (outgoing, answer) = body_of();
    tokio::spawn(attend(home, End { incoming: parts_of(body), outgoing }));
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
