//! The machine that a figure was measured on, and the processor time of a process.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::time::Duration;
use tokio::process::Command;

/// `USER_HZ` of Linux, in which `/proc/PID/stat` counts on every architecture.
const TICKS_PER_SECOND: u64 = 100;

/// Processor model, cores, kernel, and how many others want the processor, in one line.
pub(crate) fn describe() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split(':').nth(1)).unwrap_or("?");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().nth(1).unwrap_or("?");
    format!("{}, {} cores, Linux {}, load of the last five minutes {load}", model.trim(), cores(), kernel.trim())
}

/// How many cores there are, whether or not this process may use them.
fn cores() -> usize {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    cpuinfo.lines().filter(|line| line.starts_with("processor")).count()
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

/// Has all threads of a process run on one core, or on any.
pub(crate) async fn pin(pid: u32, core: Option<u32>) -> Result<()> {
    let cores = core.map_or_else(|| format!("0-{}", cores().max(1) - 1), |core| core.to_string());
    let output = Command::new("taskset").args(["-a", "-p", "-c", &cores, &pid.to_string()]).output().await;
    let output = output.context("can't run taskset\nhint: apt-get install util-linux")?;
    ensure!(output.status.success(), "taskset: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn own_ticks(pid: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid} is gone"))?;
    // The command's name may hold anything, so fields are counted from its closing parenthesis.
    let (_, fields) = stat.rsplit_once(')').context("an unreadable /proc/PID/stat")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let field = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    Ok(field(11) + field(12))
}
