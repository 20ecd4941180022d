//! An origin that answers as it is told, on real TCP, and remembers what it was asked.

use super::gate::Gate;
use super::script::{Script, Step};
use super::{SOON, within};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// How often what is endless is sent.
const REPEAT_EVERY: Duration = Duration::from_millis(100);

/// A request as the origin received it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The value of a field that is there once.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is there more than once: {:?}", self.fields);
        value
    }
}

/// A certificate authority, and a certificate of its for one name.
pub(crate) struct Identity {
    /// The authority, as PEM.
    pub(crate) authority: String,
    config: Arc<ServerConfig>,
}

impl Identity {
    /// For a name or an IP address.
    pub(crate) fn of(name: &str) -> Self {
        let authority_key = rcgen::KeyPair::generate().expect("a key");
        let mut authority = rcgen::CertificateParams::new(Vec::new()).expect("good parameters");
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority_certificate = authority.self_signed(&authority_key).expect("a certificate");
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("a good name");
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = tokio_rustls::rustls::crypto::ring::default_provider();
        let config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .expect("known versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .expect("a usable certificate");
        Self { authority: authority_certificate.pem(), config: Arc::new(config) }
    }
}

/// A running origin. What it does with a target is said by [`Origin::on`] and [`Origin::next`]; targets that it knows
/// nothing of are answered with 404 and `no-store`. It ends when it is dropped.
pub(crate) struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    targets: Mutex<HashMap<String, Seen>>,
    connections: AtomicUsize,
    changed: watch::Sender<()>,
}

/// What concerns one target.
#[derive(Default)]
struct Seen {
    always: Option<Script>,
    next: VecDeque<Script>,
    requests: Vec<Request>,
    answered: usize,
    broken: usize,
}

impl Shared {
    fn targets(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        self.targets.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn change<T>(&self, target: &str, change: impl FnOnce(&mut Seen) -> T) -> T {
        let value = change(self.targets().entry(target.to_owned()).or_default());
        self.changed.send_replace(());
        value
    }

    fn look<T>(&self, target: &str, look: impl FnOnce(&Seen) -> T) -> T {
        look(self.targets().entry(target.to_owned()).or_default())
    }
}

impl Origin {
    /// Starts one that speaks HTTP/1.1 in cleartext.
    pub(crate) async fn start() -> Self {
        Self::listen(None, None).await
    }

    /// Starts one that speaks it over TLS, and answers no handshake before the gate is open.
    pub(crate) async fn start_tls(identity: &Identity, gate: &Gate) -> Self {
        Self::listen(Some(TlsAcceptor::from(identity.config.clone())), Some(gate.clone())).await
    }

    async fn listen(tls: Option<TlsAcceptor>, gate: Option<Gate>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let accepting = tokio::spawn(accept(listener, tls, gate, shared.clone()));
        Self { address, shared, accepting }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers a target like this from now on.
    pub(crate) fn on(&self, target: &str, script: Script) {
        self.shared.change(target, |seen| seen.always = Some(script));
    }

    /// Answers the next request for a target like this, once.
    pub(crate) fn next(&self, target: &str, script: Script) {
        self.shared.change(target, |seen| seen.next.push_back(script));
    }

    /// How many requests for a target have arrived.
    pub(crate) fn count(&self, target: &str) -> usize {
        self.shared.look(target, |seen| seen.requests.len())
    }

    /// The requests for a target.
    pub(crate) fn requests(&self, target: &str) -> Vec<Request> {
        self.shared.look(target, |seen| seen.requests.clone())
    }

    /// The last request for a target.
    pub(crate) fn last(&self, target: &str) -> Request {
        self.requests(target).pop().unwrap_or_else(|| panic!("nobody asked for {target}"))
    }

    /// Waits until so many requests for a target have arrived.
    pub(crate) async fn arrived(&self, target: &str, requests: usize) {
        self.until(&format!("{requests} requests for {target}"), target, |seen| seen.requests.len() >= requests).await;
    }

    /// Waits until so many answers for a target have been sent whole.
    pub(crate) async fn answered(&self, target: &str, answers: usize) {
        self.until(&format!("{answers} answers to {target}"), target, |seen| seen.answered >= answers).await;
    }

    /// Waits until so many answers for a target could not be sent, because the node was gone.
    pub(crate) async fn broken(&self, target: &str, answers: usize) {
        self.until(&format!("{answers} broken answers to {target}"), target, |seen| seen.broken >= answers).await;
    }

    /// Waits until so many connections have been opened in all.
    pub(crate) async fn connected(&self, connections: usize) {
        let opened = |_: &Seen| self.shared.connections.load(Ordering::Relaxed) >= connections;
        self.until(&format!("{connections} connections"), "", opened).await;
    }

    async fn until(&self, what: &str, target: &str, condition: impl Fn(&Seen) -> bool) {
        let mut changed = self.shared.changed.subscribe();
        within(what, async {
            while !self.shared.look(target, &condition) {
                let _ = changed.changed().await;
            }
        })
        .await;
    }

    /// Ends it: connections break, and new ones are refused.
    pub(crate) async fn stop(&mut self) {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, gate: Option<Gate>, shared: Arc<Shared>) {
    // The connections end with this task.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        shared.connections.fetch_add(1, Ordering::Relaxed);
        shared.changed.send_replace(());
        let (shared, tls, gate) = (shared.clone(), tls.clone(), gate.clone());
        connections.spawn(async move {
            if let Some(gate) = gate {
                gate.pass().await;
            }
            match tls {
                None => serve(stream, &shared).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, &shared).await;
                    }
                }
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, shared: &Shared) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream).await {
        let target = request.target.clone();
        let script = shared.change(&target, |seen| {
            seen.requests.push(request.clone());
            seen.next.pop_front().or_else(|| seen.always.clone())
        });
        let unknown = || Script::ok("nothing here").status(404).field("Cache-Control", "no-store");
        let mut ended = false;
        let mut sent = Ok(());
        for step in script.unwrap_or_else(unknown).answer(&request) {
            match step {
                Step::Wait(gate) => sent = wait(&mut stream, &gate).await,
                Step::Send(bytes) => {
                    sent = stream.write_all(&bytes).await;
                    if sent.is_ok() {
                        sent = stream.flush().await;
                    }
                }
                Step::Repeat(bytes) => sent = repeat(&mut stream, &bytes).await,
                Step::Close => ended = true,
            }
            if sent.is_err() {
                break;
            }
        }
        shared.change(&target, |seen| match sent {
            Ok(()) => seen.answered += 1,
            Err(_) => seen.broken += 1,
        });
        if ended || sent.is_err() {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

/// Sends the same until the other side has gone.
async fn repeat(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    loop {
        stream.write_all(bytes).await?;
        stream.flush().await?;
        tokio::time::sleep(REPEAT_EVERY).await;
    }
}

/// Waits for a gate, or notices that the other side has gone.
async fn wait(stream: &mut BufReader<impl AsyncRead + AsyncWrite + Unpin>, gate: &Gate) -> std::io::Result<()> {
    tokio::select! {
        () = gate.pass() => Ok(()),
        // Nothing more is sent on a connection before its answer, so what can be read is its end.
        read = stream.fill_buf() => Err(read.err().unwrap_or_else(|| std::io::ErrorKind::ConnectionAborted.into())),
    }
}

async fn read_request(stream: &mut BufReader<impl AsyncRead + AsyncWrite + Unpin>) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        stream.read_until(b'\n', &mut line).await.ok()?;
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r\n")?).into_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let mut words = lines.first()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let field = |line: &String| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
    let fields: Vec<_> = lines[1..].iter().filter_map(field).collect();
    let mut request = Request { method, target, fields, body: Vec::new() };
    if request.field("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.ok()?;
        stream.flush().await.ok()?;
    }
    if request.field("transfer-encoding").is_some() {
        request.body = read_chunks(stream).await?;
    } else if let Some(length) = request.field("content-length") {
        request.body = vec![0; length.parse().ok()?];
        stream.read_exact(&mut request.body).await.ok()?;
    }
    Some(request)
}

async fn read_chunks(stream: &mut BufReader<impl AsyncRead + Unpin>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let size = usize::from_str_radix(line.trim(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        tokio::time::timeout(SOON, stream.read_exact(&mut chunk)).await.ok()?.ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(&chunk[..size]);
    }
}
