//! `/log`: what the home of the purge log is asked about the log itself.

use super::proof::{Times, all_proven, nodes};
use super::purging::{KeepsPlace, body_in_turn, denied, home_of};
use super::{Denied, authenticate, permit};
use crate::config::{TokenRole, TokenSpec};
use crate::core::id::NodeId;
use crate::core::log::{Event, Position, Record, RecordId, Refusal};
use crate::following::body_of;
use crate::log_home::{AppendError, Entry, LogError, LogHome};
use crate::node::NodeState;
use crate::snapshot::Snapshot;
use crate::wire::admin::ErrorReply;
use crate::wire::log::{RecordLine, decode};
use crate::wire::purge::{ForgetRequest, LINES_TYPE, LogReply, RecordsReply, StatusReply};
use axum::Json;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::sync::Arc;

/// Records that are told at once, in bytes.
const RECORDS_BYTES: usize = 1 << 20;

/// How often it is waited for the leases of a node that comes again and again.
const MAX_FORGETS: usize = 3;

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
        nodes: nodes(snapshot, home, ledger.position, &Times::new()),
    }
}

/// Takes an operator's word that a node does not run any more: it is waited for no longer.
pub(super) async fn forget(State(node): State<Arc<NodeState>>, request: Request) -> Result<Json<LogReply>, Denied> {
    let snapshot = node.snapshot();
    let (head, body) = request.into_parts();
    let token = authenticate(&snapshot, &head.headers)?;
    rules(token, "say who runs")?;
    let home = home_of(&node, &snapshot)?;
    let (body, _share) = body_in_turn(&head, body, token).await?;
    let request: ForgetRequest = serde_json::from_slice(&body.bytes).map_err(|error| {
        Denied::bad_request(format!("the body names no node: {error}"), "see `purge-cli forget --help`")
    })?;
    let name = NodeId::new(&request.node)
        .map_err(|error| Denied::bad_request(format!("node {:?}: {error}", request.node), "see `purge-cli ping`"))?;
    if !home.ledger().has_member(&name) && snapshot.fleet.node(&name).is_none() {
        return Err(denied(Refusal::NoMember(name.to_string()).into(), &snapshot));
    }
    // To the end, whoever listens: its leases end with this.
    let forgotten = tokio::spawn({
        let home = home.clone();
        async move { forgets(home.as_ref(), &name).await }
    });
    let forgotten = forgotten.await.map_err(|error| Denied::busy(error.to_string()))?;
    forgotten.map_err(|error| denied(error, &snapshot))?;
    tracing::warn!(node = %request.node, token = %token.id, "a node is forgotten");
    Ok(Json(log_reply(&node, &snapshot, home.as_ref())))
}

/// Forgets a node once nothing that it serves under a lease can be from before what is proven without it. If it has come
/// again meanwhile, since another operator was faster, it has a new lease, which is waited for as well.
async fn forgets(home: &dyn LogHome, name: &NodeId) -> Result<(), AppendError> {
    let mut tries = 0;
    loop {
        tokio::time::sleep(home.ends_leases(name)).await;
        match home.append(Entry::Forget(name.clone())).await {
            Err(AppendError::Refused(Refusal::MayHoldLease(_))) if tries < MAX_FORGETS => tries += 1,
            Err(error) => {
                home.keeps_leases(name);
                return Err(error);
            }
            Ok(_) => return Ok(()),
        }
    }
}

/// Ends the log here: it goes on elsewhere.
pub(super) async fn seal(State(node): State<Arc<NodeState>>, headers: HeaderMap) -> Result<Json<LogReply>, Denied> {
    let snapshot = node.snapshot();
    let token = authenticate(&snapshot, &headers)?;
    rules(token, "seal the purge log")?;
    let home = home_of(&node, &snapshot)?;
    home.append(Entry::Seal).await.map_err(|error| denied(error, &snapshot))?;
    tracing::warn!(token = %token.id, "the purge log is sealed");
    Ok(Json(log_reply(&node, &snapshot, home.as_ref())))
}

/// Gives the whole log away.
pub(super) async fn back_up(State(node): State<Arc<NodeState>>, headers: HeaderMap) -> Result<Response, Denied> {
    let snapshot = node.snapshot();
    let token = authenticate(&snapshot, &headers)?;
    rules(token, "have the whole purge log")?;
    let home = home_of(&node, &snapshot)?;
    let (lines, answer) = body_of();
    tokio::spawn(async move {
        if let Err(error) = home.back_up(lines).await {
            // Without its last line it is no backup.
            tracing::warn!(%error, "a backup broke off");
        }
    });
    let mut response = answer.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(LINES_TYPE));
    response.extensions_mut().insert(KeepsPlace);
    Ok(response)
}

/// Which records are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Since {
    /// Those behind this number; all that are kept, without one.
    #[serde(default)]
    since: u64,
}

/// Tells of records, the oldest first. Of purges only those are told that the token might have asked for itself.
pub(super) async fn records(
    State(node): State<Arc<NodeState>>,
    query: Result<Query<Since>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Json<RecordsReply>, Denied> {
    let snapshot = node.snapshot();
    let token = authenticate(&snapshot, &headers)?;
    let home = home_of(&node, &snapshot)?;
    let Query(Since { since }) =
        query.map_err(|error| Denied::bad_request(error.to_string(), "as in /log/records?since=42"))?;
    let head = home.ledger().position;
    let kept = home.read(Position::new(0, since), RECORDS_BYTES).await.map_err(unreadable)?;
    let last = kept.last().map_or(head, |kept| kept.position);
    let mut records = Vec::new();
    for kept in &kept {
        let record = decode(&kept.bytes).map_err(|error| Denied::busy(error.to_string()))?;
        if may_see(token, &record) {
            records.push(RecordLine::from(&record));
        }
    }
    Ok(Json(RecordsReply { head: head.to_string(), last: last.seq(), is_all: last == head, records }))
}

fn may_see(token: &TokenSpec, record: &Record) -> bool {
    match (&token.role, &record.event) {
        (TokenRole::Purge(_), Event::Purge(purge)) => purge.selectors.iter().all(|it| permit(token, it).is_ok()),
        (TokenRole::Purge(_), _) => false,
        (TokenRole::Admin | TokenRole::Read, _) => true,
    }
}

/// Tells of one purge, by its position, its number or its id: what it was, and where it is proven.
pub(super) async fn purge(
    State(node): State<Arc<NodeState>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<StatusReply>, Denied> {
    let snapshot = node.snapshot();
    let token = authenticate(&snapshot, &headers)?;
    let home = home_of(&node, &snapshot)?;
    let none = |what: &str| {
        let hint = "`purge-cli log` shows those that there are; the oldest are not kept".to_owned();
        Denied::new(StatusCode::NOT_FOUND, format!("{name:?}: {what}"), Some(hint))
    };
    let by_number = name.parse().ok().or_else(|| Position::parse(&name).map(Position::seq));
    // Ids are each token's own; who sees all purges finds them under any.
    let by = matches!(token.role, TokenRole::Purge(_)).then_some(&token.id);
    let by_id = || RecordId::new(&name).and_then(|id| home.find(&id, by)).map(Position::seq);
    let seq = match by_number {
        Some(seq) => seq,
        None => by_id().ok_or_else(|| none("there is no purge of this id"))?,
    };
    let kept = home.record(seq).await.map_err(unreadable)?.ok_or_else(|| none("there is no such record"))?;
    let record = decode(&kept.bytes).map_err(|error| Denied::busy(error.to_string()))?;
    if Position::parse(&name).is_some_and(|asked| asked != record.position) {
        return Err(none("there is no such record, or not any more: the log was restored from a backup"));
    }
    if !may_see(token, &record) {
        return Err(Denied::forbidden(format!("token {} may not see this record", token.id)));
    }
    if !matches!(record.event, Event::Purge(_)) {
        return Err(none("this record is not of a purge"));
    }
    let nodes = nodes(&snapshot, home.as_ref(), record.position, &Times::new());
    let proven = all_proven(&nodes);
    Ok(Json(StatusReply { node: node.info.node.clone(), record: RecordLine::from(&record), proven, nodes }))
}

fn rules(token: &TokenSpec, what: &str) -> Result<(), Denied> {
    match token.role {
        TokenRole::Admin => Ok(()),
        _ => Err(Denied::forbidden(format!("token {} may not {what}: that takes an admin's", token.id))),
    }
}

fn unreadable(error: LogError) -> Denied {
    let ErrorReply { error, hint } = ErrorReply::read(&error.to_string());
    let hint = hint.unwrap_or_else(|| "look at the node's log".to_owned());
    Denied::new(StatusCode::SERVICE_UNAVAILABLE, error, Some(hint))
}
