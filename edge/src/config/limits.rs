//! The store, and limits and timeouts towards clients. The defaults are safe for a node on the open internet.

use super::quantity::ByteSize;
use super::reader::Section;
use std::time::Duration;

/// The memory store of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreConfig {
    /// How many bytes of responses (heads, bodies and their bookkeeping) a node holds.
    pub memory: ByteSize,
    /// Larger bodies are delivered but not stored.
    pub max_object: ByteSize,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { memory: ByteSize::mib(512), max_object: ByteSize::mib(64) }
    }
}

/// What a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLimits {
    /// Connections open at once; more wait in the kernel's queue.
    pub connections: usize,
    /// Bytes of a request line; a longer one gets 414.
    pub request_line: usize,
    /// Bytes of a request head; a longer one gets 431.
    pub head: usize,
    /// Fields of a request head; more get 431.
    pub fields: usize,
    /// Bytes of a request body; more get 413.
    pub body: u64,
    /// Requests on one connection; then it is closed.
    pub requests_per_connection: u32,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            request_line: 8 << 10,
            head: 32 << 10,
            fields: 100,
            body: 64 << 20,
            requests_per_connection: 10_000,
        }
    }
}

/// How long a client may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a whole request head, from its first byte.
    pub head: Duration,
    /// Between two requests of a connection, and before the first.
    pub keepalive: Duration,
    /// Between two reads of a request body.
    pub body: Duration,
    /// For one write of a response to make progress.
    pub write: Duration,
    /// For requests in flight to finish after SIGTERM.
    pub drain: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            keepalive: Duration::from_secs(60),
            body: Duration::from_secs(30),
            write: Duration::from_secs(30),
            drain: Duration::from_secs(30),
        }
    }
}

pub(super) fn read_store(root: &Section<'_>) -> StoreConfig {
    let default = StoreConfig::default();
    let Some(store) = root.section("store") else { return default };
    let memory = store.size("memory");
    let max_object = store.size("max_object");
    let read = StoreConfig {
        memory: memory.as_ref().map_or(default.memory, |at| at.value),
        max_object: max_object.as_ref().map_or(default.max_object, |at| at.value),
    };
    if let Some(at) = max_object.filter(|at| at.value > read.memory) {
        store.reject(&at, format!("is more than the whole store ({})", read.memory), "make it smaller than memory");
    }
    store.finish();
    read
}

pub(super) fn read_limits(root: &Section<'_>) -> ClientLimits {
    let default = ClientLimits::default();
    let Some(limits) = root.section("limits") else { return default };
    let number = |key, range, default: usize| limits.integer(key, range).map_or(default, |n| n as usize);
    let size = |key, default: usize| limits.size(key).map_or(default, |at| at.value.bytes() as usize);
    let request_line = limits.size("request_line");
    let read = ClientLimits {
        connections: number("connections", 1..=1_000_000, default.connections),
        request_line: request_line.as_ref().map_or(default.request_line, |at| at.value.bytes() as usize),
        head: size("head", default.head),
        fields: number("fields", 1..=200, default.fields),
        body: limits.size("body").map_or(default.body, |at| at.value.bytes()),
        requests_per_connection: limits
            .integer("requests_per_connection", 1..=u64::from(u32::MAX))
            .map_or(default.requests_per_connection, |n| n as u32),
    };
    if !(256..=512 << 10).contains(&read.head) {
        let at = super::reader::At { value: (), key: format!("{}.head", limits.path), span: limits.span.clone() };
        limits.reject(&at, "is out of range", "choose 256 B to 512 KiB");
    } else if read.request_line < 64 {
        if let Some(at) = request_line {
            limits.reject(&at, "is too short for any request", "choose 64 B or more");
        }
    } else if read.request_line > read.head {
        let hint = "a request line is part of the head: make it no longer than head";
        if let Some(at) = request_line {
            limits.reject(&at, "is more than limits.head", hint);
        }
    }
    limits.finish();
    read
}

pub(super) fn read_timeouts(root: &Section<'_>) -> Timeouts {
    let default = Timeouts::default();
    let Some(timeouts) = root.section("timeouts") else { return default };
    let positive = |key: &'static str, default: Duration| match timeouts.duration(key) {
        Some(Duration::ZERO) => {
            let at =
                super::reader::At { value: (), key: format!("{}.{key}", timeouts.path), span: timeouts.span.clone() };
            timeouts.reject(&at, "is zero, so that nothing would be answered", "write a duration above zero");
            default
        }
        duration => duration.unwrap_or(default),
    };
    let read = Timeouts {
        head: positive("head", default.head),
        keepalive: positive("keepalive", default.keepalive),
        body: positive("body", default.body),
        write: positive("write", default.write),
        drain: timeouts.duration("drain").unwrap_or(default.drain),
    };
    timeouts.finish();
    read
}
