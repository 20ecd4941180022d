//! Layer 4: the task by which a node follows the purge log, from the log's home.

use crate::clock;
use crate::data_folder::Known;
use crate::follow::{End, Ended, NodeSide, SILENCE, WAITING, attend};
use crate::node::NodeState;
use crate::wire::admin::ErrorReply;
use crate::wire::follow::PATH;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Request, StatusCode, header};
use futures_util::stream;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

/// How long a node that starts waits for the home before it passes everything.
const PATIENCE: Duration = Duration::from_secs(3);

/// Between two attempts to reach the home: doubled each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A stream that lasted so long was good: the next pause is the first again.
const LASTED: Duration = Duration::from_secs(5);

/// Longest refusal of the home that is read, in bytes.
const MAX_REFUSAL_BYTES: usize = 64 << 10;

/// For telling the home that the node has drained.
const FAREWELL: Duration = Duration::from_secs(1);

/// Follows the purge log until `stop`, and then says that the node has drained.
pub(crate) async fn run(node: Arc<NodeState>, mut stop: watch::Receiver<bool>) {
    let known = node.known();
    let mut side = NodeSide::new(node.member.clone(), *known.borrow(), node.snapshot().fleet.purge_log.lease);
    let writing = tokio::spawn(write_down(node.clone(), known));
    let waiting = tokio::spawn({
        let node = node.clone();
        async move {
            sleep(PATIENCE).await;
            node.gives_up_waiting();
        }
    });
    let mut pause = FIRST_PAUSE;
    let mut told = String::new();
    let mut reloads = node.reloads();
    loop {
        let began = clock::monotonic();
        reloads.mark_unchanged();
        let home = address(&node);
        let ended = match connect(&node).await {
            Ok(mut end) => tokio::select! {
                ended = side.follow(&mut end, node.as_ref()) => ended,
                () = moves(&node, &mut reloads, home.as_deref()) => Ended::Moved,
                () = has_come(&mut stop) => {
                    NodeSide::drained(&end, FAREWELL).await;
                    break;
                }
            },
            Err(ended) => ended,
        };
        side.lost(node.as_ref());
        // The same trouble is told once.
        let text = ended.to_string();
        if text != told {
            tracing::warn!("{text}");
            told = text;
        }
        if began.elapsed() >= LASTED {
            pause = FIRST_PAUSE;
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = has_come(&mut stop) => break,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    waiting.abort();
    writing.abort();
    let known = *node.known().borrow();
    if let Err(error) = node.keep(known) {
        tracing::warn!("{error}");
    }
}

/// Waits until the home is at another address.
async fn moves(node: &NodeState, reloads: &mut watch::Receiver<()>, from: Option<&str>) {
    while reloads.changed().await.is_ok() {
        if address(node).as_deref() != from {
            return;
        }
    }
    std::future::pending().await
}

/// Where the home is.
fn address(node: &NodeState) -> Option<String> {
    node.snapshot().fleet.home().map(|home| home.admin.clone())
}

/// Waits for the end; who can't be told any more has reached it.
async fn has_come(end: &mut watch::Receiver<bool>) {
    let _ = end.wait_for(|stop| *stop).await;
}

/// Writes down how far the log is known, off the way of acknowledgements: what is stored in memory goes with the process,
/// so nothing depends on it but how much is sent again.
async fn write_down(node: Arc<NodeState>, mut known: watch::Receiver<Known>) {
    while known.changed().await.is_ok() {
        let now = *known.borrow_and_update();
        let node = node.clone();
        let written = tokio::task::spawn_blocking(move || node.keep(now)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!("{error}");
            sleep(LONGEST_PAUSE).await;
        }
    }
}

/// Opens a stream to the home: within the process, if this node is it.
async fn connect(node: &Arc<NodeState>) -> Result<End, Ended> {
    if let Some(home) = &node.log_home {
        let (ours, theirs) = End::pair();
        tokio::spawn(attend(home.clone(), theirs));
        return Ok(ours);
    }
    let snapshot = node.snapshot();
    let (Some(address), Some(token)) = (address(node), &snapshot.follow_token) else {
        return Err(Ended::Nonsense("the fleet file has no home, or no tier secret".to_owned()));
    };
    let tcp = timeout(SILENCE, TcpStream::connect(&address)).await.map_err(|_| Ended::Gone)?;
    let tcp = tcp.map_err(|error| Ended::Unreachable { address: address.clone(), cause: error.to_string() })?;
    let _ = tcp.set_nodelay(true);
    timeout(SILENCE, open(tcp, &address, token)).await.map_err(|_| Ended::Gone)?
}

async fn open(tcp: TcpStream, address: &str, token: &str) -> Result<End, Ended> {
    let broken = |cause: String| Ended::Unreachable { address: address.to_owned(), cause };
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(tcp)).await.map_err(|error| broken(error.to_string()))?;
    tokio::spawn(connection);
    let (outgoing, body) = body_of();
    let request = Request::post(PATH)
        .header(header::HOST, address)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(body)
        .map_err(|error| Ended::Nonsense(error.to_string()))?;
    let response = sender.send_request(request).await.map_err(|error| broken(error.to_string()))?;
    let (head, body) = response.into_parts();
    if head.status != StatusCode::OK {
        return Err(refusal(head.status, body).await);
    }
    Ok(End { incoming: parts_of(body), outgoing })
}

async fn refusal(status: StatusCode, mut body: Incoming) -> Ended {
    let mut bytes = Vec::new();
    while bytes.len() < MAX_REFUSAL_BYTES
        && let Some(Ok(frame)) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await
    {
        bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |part| part));
    }
    match serde_json::from_slice(&bytes) {
        Ok(ErrorReply { error, hint }) => Ended::Refused { error, hint: hint.unwrap_or_default() },
        Err(_) => Ended::Nonsense(format!("status {status}")),
    }
}

/// A body that is sent piece by piece; it ends when the sender is dropped.
pub(crate) fn body_of() -> (mpsc::Sender<Bytes>, Body) {
    let (sender, receiver) = mpsc::channel::<Bytes>(WAITING);
    let pieces = stream::unfold(receiver, async |mut receiver| {
        let piece = receiver.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(piece), receiver))
    });
    (sender, Body::from_stream(pieces))
}

/// The pieces of a body as they come; it is read as long as somebody takes them.
pub(crate) fn parts_of<B>(mut body: B) -> mpsc::Receiver<Bytes>
where
    B: HttpBody<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Send,
{
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        loop {
            let frame = tokio::select! {
                frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)) => frame,
                () = sender.closed() => return,
            };
            let Some(Ok(frame)) = frame else { return };
            let Ok(part) = frame.into_data() else { continue };
            if sender.send(part).await.is_err() {
                return;
            }
        }
    });
    receiver
}
