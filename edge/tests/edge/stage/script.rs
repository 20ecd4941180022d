//! What a scripted origin does with a request.

use super::gate::Gate;
use super::origin::Request;
use bytes::Bytes;
use std::fmt::Write as _;

/// How the body is framed.
#[derive(Debug, Clone, Copy)]
enum Framing {
    /// Content-Length, of so many bytes whatever the body is.
    Length(usize),
    Chunked,
    /// The connection ends with the body.
    UntilClose,
}

/// One answer.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    status: u16,
    fields: Vec<(String, String)>,
    body: Bytes,
    framing: Framing,
    before_head: Option<Gate>,
    pauses: Vec<(usize, Gate)>,
    cut: Option<usize>,
    raw: Option<Bytes>,
    validates: bool,
    ranges: bool,
    interim: Option<Bytes>,
    is_endless: bool,
}

/// What is to be done, one after the other.
#[derive(Debug)]
pub(super) enum Step {
    Wait(Gate),
    Send(Bytes),
    /// Sends this again and again.
    Repeat(Bytes),
    /// Ends the connection.
    Close,
}

/// Bodies are sent in parts of at most this size.
const PART_BYTES: usize = 64 << 10;

impl Script {
    /// 200 with a body of known length.
    pub(crate) fn ok(body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self {
            status: 200,
            fields: Vec::new(),
            framing: Framing::Length(body.len()),
            body,
            before_head: None,
            pauses: Vec::new(),
            cut: None,
            raw: None,
            validates: false,
            ranges: false,
            interim: None,
            is_endless: false,
        }
    }

    /// 200, fresh for an hour.
    pub(crate) fn cached(body: impl Into<Bytes>) -> Self {
        Self::ok(body).field("Cache-Control", "max-age=3600")
    }

    /// 200 that was fresh for a minute, and is two minutes old when it arrives. `more` is put into Cache-Control.
    pub(crate) fn stale(body: impl Into<Bytes>, more: &str) -> Self {
        Self::ok(body).field("Cache-Control", &format!("max-age=60{more}")).field("Age", "120")
    }

    /// A 304.
    pub(crate) fn not_modified() -> Self {
        Self::ok("").status(304)
    }

    /// Bytes that need not be HTTP; then the connection ends.
    pub(crate) fn raw(bytes: impl Into<Bytes>) -> Self {
        Self { raw: Some(bytes.into()), ..Self::ok("") }
    }

    /// No answer at all, and the connection stays open until the gate opens.
    pub(crate) fn hang(until: &Gate) -> Self {
        Self::raw("").after(until)
    }

    /// Sends a 103 with this field first, before it waits for anything.
    pub(crate) fn hinting(self, name: &str, value: &str) -> Self {
        let head = format!("HTTP/1.1 103 Early Hints\r\n{name}: {value}\r\n\r\n");
        Self { interim: Some(head.into()), ..self }
    }

    /// Sends the body, or else what comes first, again and again, ten times a second, without an end.
    pub(crate) fn endless(self) -> Self {
        Self { is_endless: true, ..self }
    }

    pub(crate) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// Adds a field.
    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn chunked(self) -> Self {
        Self { framing: Framing::Chunked, ..self }
    }

    /// The body's end is the connection's end.
    pub(crate) fn until_close(self) -> Self {
        Self { framing: Framing::UntilClose, ..self }
    }

    /// Answers 304 to those who name its ETag.
    pub(crate) fn validated(self) -> Self {
        Self { validates: true, ..self }
    }

    /// Answers those who ask for one range with that, or with 416.
    pub(crate) fn ranged(self) -> Self {
        Self { ranges: true, ..self }
    }

    /// Sends nothing before the gate is open.
    pub(crate) fn after(self, gate: &Gate) -> Self {
        Self { before_head: Some(gate.clone()), ..self }
    }

    /// Sends so many bytes of the body, and the rest once the gate is open.
    pub(crate) fn pause_at(mut self, bytes: usize, gate: &Gate) -> Self {
        self.pauses.push((bytes, gate.clone()));
        self
    }

    /// Ends the connection after so many bytes of the body, which announced more.
    pub(crate) fn cut_at(self, bytes: usize) -> Self {
        Self { cut: Some(bytes), ..self }
    }

    fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} Scripted\r\n", self.status);
        for (name, value) in &self.fields {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        match self.framing {
            _ if matches!(self.status, 204 | 304) => {}
            Framing::Length(bytes) => head += &format!("Content-Length: {bytes}\r\n"),
            Framing::Chunked => head += "Transfer-Encoding: chunked\r\n",
            Framing::UntilClose => head += "Connection: close\r\n",
        }
        head + "\r\n"
    }

    /// What to do with a request.
    pub(super) fn answer(&self, request: &Request) -> Vec<Step> {
        let etag = self.fields.iter().find(|(name, _)| name == "ETag").map(|(_, value)| value.as_str());
        if self.validates && etag.is_some() && request.field("if-none-match") == etag {
            return self.clone().status(304).steps(false);
        }
        let holds = request.field("if-range").is_none_or(|condition| etag == Some(condition));
        match request.field("range").filter(|_| self.ranges && holds && request.method == "GET") {
            Some(range) => self.part(range).steps(false),
            None => self.steps(request.method == "HEAD"),
        }
    }

    /// One range of the body, as in `bytes=2-4`.
    fn part(&self, range: &str) -> Self {
        let total = self.body.len();
        let (first, last) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')).expect("one range");
        let (start, end) = match (first.parse::<usize>(), last.parse::<usize>()) {
            (Ok(first), Ok(last)) => (first, (last + 1).min(total)),
            (Ok(first), Err(_)) => (first, total),
            (Err(_), last) => (total - last.expect("a number").min(total), total),
        };
        if start >= end {
            let none = Self { body: Bytes::new(), framing: Framing::Length(0), ..self.clone() };
            return none.status(416).field("Content-Range", &format!("bytes */{total}"));
        }
        let framing = match self.framing {
            Framing::Length(_) => Framing::Length(end - start),
            framing => framing,
        };
        let part = Self { body: self.body.slice(start..end), framing, ..self.clone() };
        part.status(206).field("Content-Range", &format!("bytes {start}-{}/{total}", end - 1))
    }

    fn steps(&self, to_head: bool) -> Vec<Step> {
        if let Some(interim) = self.interim.clone().filter(|_| self.is_endless) {
            return vec![Step::Repeat(interim)];
        }
        let mut steps: Vec<Step> = self.interim.iter().cloned().map(Step::Send).collect();
        steps.extend(self.before_head.iter().cloned().map(Step::Wait));
        if let Some(raw) = &self.raw {
            steps.extend([Step::Send(raw.clone()), Step::Close]);
            return steps;
        }
        steps.push(Step::Send(self.head().into()));
        if to_head || matches!(self.status, 204 | 304) {
            return steps;
        }
        if self.is_endless {
            let part = if matches!(self.framing, Framing::Chunked) { chunk(&self.body) } else { self.body.clone() };
            steps.push(Step::Repeat(part));
            return steps;
        }
        let end = self.cut.unwrap_or(self.body.len());
        let mut pauses = self.pauses.iter().peekable();
        let mut at = 0;
        loop {
            while let Some((_, gate)) = pauses.next_if(|(bytes, _)| *bytes <= at) {
                steps.push(Step::Wait(gate.clone()));
            }
            if at == end {
                break;
            }
            let until = pauses.peek().map_or(end, |(bytes, _)| *bytes).min(end).min(at + PART_BYTES);
            let part = self.body.slice(at..until);
            steps.push(Step::Send(if matches!(self.framing, Framing::Chunked) { chunk(&part) } else { part }));
            at = until;
        }
        match (self.framing, self.cut) {
            (_, Some(_)) | (Framing::UntilClose, None) => steps.push(Step::Close),
            (Framing::Chunked, None) => steps.push(Step::Send("0\r\n\r\n".into())),
            (Framing::Length(_), None) => {}
        }
        steps
    }
}

fn chunk(part: &Bytes) -> Bytes {
    let size = format!("{:x}\r\n", part.len());
    [size.as_bytes(), part, b"\r\n"].concat().into()
}
