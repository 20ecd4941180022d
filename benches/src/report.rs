//! What a bench leaves behind: a table, and the figures behind it.

use anyhow::{Context, Result};
use serde_json::Value;
use std::path::Path;

/// Prints a table in Markdown; and if there is a file for it, keeps it there, and the figures in a `.json` beside it.
pub(crate) fn keep(out: Option<&Path>, table: &str, figures: &Value) -> Result<()> {
    println!("{table}");
    let Some(out) = out else { return Ok(()) };
    if let Some(folder) = out.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
    }
    std::fs::write(out, table).with_context(|| format!("can't write {}", out.display()))?;
    let file = out.with_extension("json");
    std::fs::write(&file, format!("{figures:#}\n")).with_context(|| format!("can't write {}", file.display()))
}
