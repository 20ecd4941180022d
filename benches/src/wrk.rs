//! One run of wrk, and what it says.

use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::process::Command;

const HINT: &str = "can't run wrk\nhint: apt-get install wrk (Debian, Ubuntu)";

/// What wrk asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asks<'a> {
    /// One URL, again and again.
    One { host: &'a str, target: &'a str },
    /// URLs that a script makes of these words.
    Script { file: &'a Path, words: &'a [String] },
}

/// A server under load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) asks: Asks<'a>,
    pub(crate) connections: u32,
    pub(crate) duration: Duration,
}

/// What wrk measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) requests: u64,
    pub(crate) requests_per_second: f64,
    pub(crate) p99: Duration,
}

/// Fails where wrk can't be run.
pub(crate) async fn find() -> Result<()> {
    // It says its version, and then that it wants a URL.
    Command::new("wrk").arg("--version").output().await.map(drop).context(HINT)
}

/// Runs wrk on core 1.
pub(crate) async fn run(load: Load<'_>) -> Result<Outcome> {
    let mut command = Command::new("taskset");
    command.args(["-c", "1", "wrk", "-t1", "--latency"]).kill_on_drop(true);
    command.arg(format!("-c{}", load.connections)).arg(format!("-d{}s", load.duration.as_secs().max(1)));
    match load.asks {
        Asks::One { host, target } => {
            command.arg("-H").arg(format!("Host: {host}")).arg(format!("http://{}{target}", load.address))
        }
        Asks::Script { file, words } => {
            command.arg("-s").arg(file).arg(format!("http://{}/", load.address)).arg("--").args(words)
        }
    };
    let output = command.output().await.context(HINT)?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("wrk failed: {text}{}", String::from_utf8_lossy(&output.stderr));
    }
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        bail!("not every request succeeded, so the figures say nothing:\n{text}");
    }
    parse(&text).with_context(|| format!("wrk said something else than expected:\n{text}"))
}

fn parse(text: &str) -> Option<Outcome> {
    let word_after =
        |label: &str| text.lines().find_map(|line| line.trim().strip_prefix(label)?.split_whitespace().next());
    let total = text.lines().find(|line| line.contains(" requests in "))?;
    Some(Outcome {
        requests: total.split_whitespace().next()?.parse().ok()?,
        requests_per_second: word_after("Requests/sec:")?.parse().ok()?,
        p99: parse_latency(word_after("99%")?)?,
    })
}

fn parse_latency(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit);
    let micros = match unit {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        _ => return None,
    };
    Some(Duration::from_nanos((number.parse::<f64>().ok()? * micros * 1e3) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_wrk_prints() {
        let text = "Running 5s test @ http://127.0.0.1:1/\n  Latency Distribution\n     50%  361.00us\n     99%    1.04ms\n  766014 requests in 5.10s, 1.01GB read\nRequests/sec: 150200.10\nTransfer/sec:    203.10MB\n";
        let outcome = parse(text).expect("it is what wrk prints");
        assert_eq!((outcome.requests, outcome.p99), (766_014, Duration::from_micros(1040)));
        assert!((outcome.requests_per_second - 150_200.1).abs() < 1e-6);
        assert!(parse("").is_none());
    }
}
