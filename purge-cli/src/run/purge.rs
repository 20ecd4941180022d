//! The commands that purge.

use super::{RunError, ask_first, err, out, print_json};
use crate::batch::{Batches, Manner};
use crate::cli::{Command, Options, Urls, WaitFor, Words};
use crate::clock;
use crate::exit::Exit;
use crate::fanout::{Fanout, News};
use crate::list::{ListError, ListSource, Word};
use crate::report::{HINT, JsonReport, TextReport, WARNING};
use crate::target::{Kind, Targets, taken_literally};
use crate::token::{self, Need, Token, TokenPlace};
use edge::config::Fleet;
use edge::wire::purge::{Mode, Wait};
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::io::{self, IsTerminal, Write};

/// How many warnings of one kind are shown.
const MAX_WARNINGS: usize = 3;

/// Checks what is to be purged, and purges it.
pub(super) fn send(options: &Options, command: Command) -> Result<Exit, RunError> {
    let mut all_hosts = false;
    let (kind, words, site, confirmed) = match command {
        Command::Url(Urls { words, all_hosts: all }) => {
            all_hosts = all;
            (Kind::Url, Some(words), None, true)
        }
        Command::Prefix(Urls { words, all_hosts: all }) => {
            all_hosts = all;
            (Kind::Prefix, Some(words), None, true)
        }
        Command::Tag { site, words } => (Kind::Tag, Some(words), site, true),
        Command::Host(words) => (Kind::Host, Some(words), None, true),
        Command::Site(words) => (Kind::Site, Some(words), None, true),
        Command::All { yes } => (Kind::Everything, None, None, yes),
        Command::Ping
        | Command::Forget { .. }
        | Command::Status { .. }
        | Command::Log { .. }
        | Command::Completions { .. } => return Ok(Exit::Success),
    };
    if !confirmed && !io::stdin().is_terminal() {
        return Err(RunError::NobodyToAsk);
    }
    let config = options.config.as_deref().ok_or(RunError::NoFleetFile)?;
    let place = TokenPlace::new(options.token_env.as_deref(), options.token_file.clone()).ok_or(RunError::TwoTokens)?;
    let fleet = Fleet::load(config)?;
    let words = words.map(read_words).transpose()?.unwrap_or_default();
    let mut targets = Targets::check(&fleet, kind, &words, site.as_deref())?;
    if all_hosts {
        targets = targets.on_all_hosts(&fleet)?;
    }
    warn_of_stars(kind, &words);
    let token = token::find(&place, &fleet, Need::Purge(&targets.scope))?;
    if !confirmed {
        confirm(&fleet)?;
    }
    send_checked(options, &fleet, &targets, &token)
}

/// The arguments, then the lines of `--from`.
fn read_words(typed: Words) -> Result<Vec<Word>, ListError> {
    let mut words: Vec<Word> = typed.words.into_iter().map(Word::from).collect();
    if let Some(from) = typed.from {
        words.extend(ListSource::from(from.as_path()).read()?);
    }
    Ok(words)
}

/// Who writes a pattern means more than one URL.
fn warn_of_stars(kind: Kind, words: &[Word]) {
    let stars: Vec<&Word> = taken_literally(kind, words).collect();
    let mut err = err();
    for Word { text, place } in stars.iter().take(MAX_WARNINGS) {
        let place = place.as_ref().map_or_else(String::new, |place| format!("{place}: "));
        let _ = writeln!(
            err,
            "{WARNING}warning{WARNING:#}: {place}{text:?}: the star is taken literally\n    \
             {HINT}hint{HINT:#}: all that begins so is purged by: purge-cli prefix {}",
            text.trim_end_matches('*')
        );
    }
    if let Some(more @ 1..) = stars.len().checked_sub(MAX_WARNINGS) {
        let _ = writeln!(err, "{WARNING}warning{WARNING:#}: {more} more targets end in a star, taken literally");
    }
}

fn confirm(fleet: &Fleet) -> Result<(), RunError> {
    let (nodes, sites) = (fleet.nodes().count(), fleet.sites.len());
    ask_first(&format!(
        "This purges everything that this fleet holds (nodes: {nodes}, sites: {sites}). The origins will be asked for \
         all of it again."
    ))
}

fn send_checked(options: &Options, fleet: &Fleet, targets: &Targets, token: &Token) -> Result<Exit, RunError> {
    let mode = if options.soft { Mode::Soft } else { Mode::Hard };
    let wait = match options.wait {
        WaitFor::All => Wait::All,
        WaitFor::None => Wait::None,
    };
    let id = options.id.clone().unwrap_or_else(new_id);
    let manner = Manner { mode, id, wait, timeout: options.timeout };
    let batches = Batches::new(&targets.list, &manner).expect("checked targets are at least one");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Runtime)?;
    let fanout = Fanout::new(options.timeout);
    // The document has standard output for itself.
    let lines = (!options.json).then(out);
    let mut report = TextReport::new(lines, err(), options.quiet, fleet, &manner);
    let told = |news: News<'_>| report.news(&news);
    let mut outcome = runtime.block_on(fanout.purge(fleet, &token.secret, &batches, told));
    if wait == Wait::None {
        // Nobody was waited for.
        outcome.nodes.clear();
    }
    // A name that is still being resolved does not hold up the end.
    runtime.shutdown_background();
    outcome.nodes.iter().for_each(|node| report.node(node));
    report.summary(targets, &outcome, &token.origin);
    if options.json {
        print_json(&JsonReport::new(targets, &manner, &outcome, &token.origin))?;
    }
    Ok(outcome.exit())
}

/// Another one each time. It begins with a letter: a number would be taken for that of a record.
fn new_id() -> String {
    let seed = format!("{:?} {}", clock::now(), std::process::id());
    let mut hash = DefaultHasher::new();
    (seed, RandomState::new().hash_one(0)).hash(&mut hash);
    format!("p{:016x}", hash.finish())
}
