//! The machine that a figure was measured on, and the processor time of a process.

use anyhow::{Context, Result};
use std::fs;
use std::time::Duration;

/// `USER_HZ` of Linux, in which `/proc/PID/stat` counts on every architecture.
const TICKS_PER_SECOND: u64 = 100;

/// Processor model, cores and kernel, in one line.
pub(crate) fn describe() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split(':').nth(1)).unwrap_or("?");
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{}, {cores} cores, Linux {}", model.trim(), kernel.trim())
}

/// User and system time of a process and its children (nginx's worker is a child of its master).
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let mut ticks = own_ticks(pid)?;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let children = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
            ticks += own_ticks(child)?;
        }
    }
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

fn own_ticks(pid: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid} is gone"))?;
    // The command's name may hold anything, so fields are counted from its closing parenthesis.
    let (_, fields) = stat.rsplit_once(')').context("an unreadable /proc/PID/stat")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let field = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    Ok(field(11) + field(12))
}
