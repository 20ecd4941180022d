//! The records of the purge log as they are kept and sent: one line of JSON each, of which the chain is made.

use super::purge::Mode;
use crate::core::id::{NodeId, SiteId, Tag, TokenId};
use crate::core::key_rules::KeyRules;
use crate::core::log::{Chain, Event, Leaving, Ledger, Member, Position, Purge, Record, RecordId};
use crate::core::purge::{MAX_PREFIX_BYTES, Selector};
use crate::core::time::Timestamp;
use crate::core::url::Scheme;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A record that can't be read.
#[derive(Debug, Error)]
pub enum BadRecord {
    /// It is no record at all.
    #[error("not a record of a purge log: {0}")]
    Json(#[from] serde_json::Error),
    /// A part of it is not made as such parts must be.
    #[error("not a record of a purge log: {what} {text:?}")]
    Part {
        /// What it should be.
        what: &'static str,
        /// What it is.
        text: String,
    },
}

fn part<T>(what: &'static str, text: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T, BadRecord> {
    read(text).ok_or_else(|| BadRecord::Part { what, text: text.to_owned() })
}

/// A record, in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordLine {
    /// Where it is, as in `1.42`: the epoch and the number.
    pub position: String,
    /// When it was numbered, in milliseconds since the Unix epoch.
    pub issued_at_ms: u64,
    /// What it says.
    pub event: EventLine,
}

/// What a record says, in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum EventLine {
    /// An epoch begins.
    Epoch {
        /// Its name.
        name: String,
    },
    /// A purge.
    Purge {
        /// By which a retry is known.
        id: String,
        /// Of what was asked for: 32 hexadecimal digits.
        digest: String,
        /// The token that allowed it.
        by: String,
        /// How.
        mode: Mode,
        /// What.
        selectors: Vec<SelectorLine>,
        /// The rules of their sites by which they were made: 32 hexadecimal digits. Without them they are nobody's, and
        /// every node hides the sites.
        #[serde(default)]
        rules: String,
    },
    /// A process becomes a member.
    Join {
        /// Which.
        member: MemberLine,
    },
    /// A process is a member no longer.
    Leave {
        /// Which.
        member: MemberLine,
        /// Why.
        why: LeavingLine,
    },
    /// A node that is no member does not run.
    Gone {
        /// Which.
        node: String,
    },
    /// The log goes on elsewhere.
    Seal {},
}

/// A member, in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberLine {
    /// The node.
    pub node: String,
    /// Which start of it.
    pub boot: String,
    /// Its data folder.
    pub folder: String,
    /// Whether it serves what it has stored under leases alone.
    #[serde(default)]
    pub strict: bool,
}

/// Why a member left, in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeavingLine {
    /// It has drained.
    Drained,
    /// The node's next process found it gone.
    Replaced,
    /// An operator said so.
    Forgotten,
}

/// A selector in the form that nodes compare, in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "see core::purge::Selector, field by field")]
pub enum SelectorLine {
    Url {
        site: String,
        host: String,
        path: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        query: Option<String>,
    },
    Prefix {
        site: String,
        host: String,
        path: String,
    },
    Tag {
        site: String,
        tag: String,
    },
    Group {
        site: String,
        scheme: String,
        host: String,
        group: String,
    },
    Host {
        site: String,
        host: String,
    },
    Site {
        site: String,
    },
    Everything {},
}

/// What records that are not kept add up to, in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerLine {
    /// Up to where.
    pub position: String,
    /// The chain there.
    pub chain: String,
    /// Whether the log goes on elsewhere.
    pub sealed: bool,
    /// The members, and where each has joined.
    pub members: Vec<(MemberLine, String)>,
    /// The nodes that are known not to run.
    #[serde(default)]
    pub gone: Vec<String>,
}

impl From<&Ledger> for LedgerLine {
    fn from(ledger: &Ledger) -> Self {
        let members = ledger.members.iter().map(|(member, joined)| (member.into(), joined.to_string()));
        Self {
            position: ledger.position.to_string(),
            chain: ledger.chain.to_string(),
            sealed: ledger.sealed,
            members: members.collect(),
            gone: ledger.gone.iter().map(ToString::to_string).collect(),
        }
    }
}

impl LedgerLine {
    /// The ledger.
    ///
    /// # Errors
    /// [`BadRecord`]: a part is not made as such parts must be.
    pub fn read(&self) -> Result<Ledger, BadRecord> {
        let position = |text: &str| part("position", text, Position::parse);
        let node = |text: &str| part("node", text, |text| NodeId::new(text).ok());
        let members = self.members.iter().map(|(member, joined)| Ok((member.read()?, position(joined)?)));
        Ok(Ledger {
            position: position(&self.position)?,
            chain: part("chain", &self.chain, Chain::parse)?,
            sealed: self.sealed,
            members: members.collect::<Result<_, BadRecord>>()?,
            gone: self.gone.iter().map(|name| node(name)).collect::<Result<_, BadRecord>>()?,
        })
    }
}

impl From<&Record> for RecordLine {
    fn from(record: &Record) -> Self {
        Self {
            position: record.position.to_string(),
            issued_at_ms: record.issued_at.as_millis(),
            event: EventLine::from(&record.event),
        }
    }
}

/// The bytes of a record.
pub fn encode(record: &Record) -> Vec<u8> {
    // Strings and numbers alone: there is nothing that JSON could not hold.
    serde_json::to_vec(&RecordLine::from(record)).unwrap_or_default()
}

/// Reads the bytes of a record.
///
/// # Errors
/// [`BadRecord`]: they are none.
pub fn decode(bytes: &[u8]) -> Result<Record, BadRecord> {
    let line: RecordLine = serde_json::from_slice(bytes)?;
    Ok(Record {
        position: part("position", &line.position, Position::parse)?,
        issued_at: Timestamp::from_millis(line.issued_at_ms),
        event: line.event.read()?,
    })
}

impl From<&Event> for EventLine {
    fn from(event: &Event) -> Self {
        match event {
            Event::Epoch { name } => Self::Epoch { name: name.clone() },
            Event::Purge(purge) => Self::Purge {
                id: purge.id.to_string(),
                digest: Chain::from_bytes(purge.digest).to_string(),
                by: purge.by.to_string(),
                mode: purge.mode.into(),
                selectors: purge.selectors.iter().map(SelectorLine::from).collect(),
                rules: purge.rules.to_string(),
            },
            Event::Join(member) => Self::Join { member: member.into() },
            Event::Leave { member, why } => Self::Leave { member: member.into(), why: (*why).into() },
            Event::Gone(node) => Self::Gone { node: node.to_string() },
            Event::Seal => Self::Seal {},
        }
    }
}

impl EventLine {
    fn read(self) -> Result<Event, BadRecord> {
        Ok(match self {
            Self::Epoch { name } => Event::Epoch { name },
            Self::Purge { id, digest, by, mode, selectors, rules } => Event::Purge(Purge {
                id: part("id", &id, RecordId::new)?,
                digest: part("digest", &digest, Chain::parse)?.bytes(),
                by: part("token", &by, |text| TokenId::new(text).ok())?,
                mode: mode.into(),
                selectors: selectors.into_iter().map(SelectorLine::read).collect::<Result<_, _>>()?,
                rules: match rules.as_str() {
                    "" => KeyRules::default(),
                    rules => part("key rules", rules, KeyRules::parse)?,
                },
            }),
            Self::Join { member } => Event::Join(member.read()?),
            Self::Leave { member, why } => Event::Leave { member: member.read()?, why: why.into() },
            Self::Gone { node } => Event::Gone(part("node", &node, |text| NodeId::new(text).ok())?),
            Self::Seal {} => Event::Seal,
        })
    }
}

impl From<&Member> for MemberLine {
    fn from(member: &Member) -> Self {
        Self {
            node: member.node.to_string(),
            boot: member.boot.to_string(),
            folder: member.folder.to_string(),
            strict: member.strict,
        }
    }
}

impl MemberLine {
    /// The member.
    ///
    /// # Errors
    /// [`BadRecord`]: a name is none.
    pub fn read(&self) -> Result<Member, BadRecord> {
        Ok(Member {
            node: part("node", &self.node, |text| NodeId::new(text).ok())?,
            boot: part("boot", &self.boot, RecordId::new)?,
            folder: part("folder", &self.folder, RecordId::new)?,
            strict: self.strict,
        })
    }
}

impl From<Leaving> for LeavingLine {
    fn from(why: Leaving) -> Self {
        match why {
            Leaving::Drained => Self::Drained,
            Leaving::Replaced => Self::Replaced,
            Leaving::Forgotten => Self::Forgotten,
        }
    }
}

impl From<LeavingLine> for Leaving {
    fn from(why: LeavingLine) -> Self {
        match why {
            LeavingLine::Drained => Self::Drained,
            LeavingLine::Replaced => Self::Replaced,
            LeavingLine::Forgotten => Self::Forgotten,
        }
    }
}

impl From<&Selector> for SelectorLine {
    fn from(selector: &Selector) -> Self {
        match selector {
            Selector::Url { site, host, path, query } => {
                Self::Url { site: site.to_string(), host: host.clone(), path: path.clone(), query: query.clone() }
            }
            Selector::Prefix { site, host, path } => {
                Self::Prefix { site: site.to_string(), host: host.clone(), path: path.clone() }
            }
            Selector::Tag { site, tag } => Self::Tag { site: site.to_string(), tag: tag.to_string() },
            Selector::Group { site, scheme, host, group } => Self::Group {
                site: site.to_string(),
                scheme: scheme.as_str().to_owned(),
                host: host.clone(),
                group: group.clone(),
            },
            Selector::Host { site, host } => Self::Host { site: site.to_string(), host: host.clone() },
            Selector::Site { site } => Self::Site { site: site.to_string() },
            Selector::Everything => Self::Everything {},
        }
    }
}

impl SelectorLine {
    /// The selector.
    ///
    /// # Errors
    /// [`BadRecord`]: a name or prefix is none.
    pub fn read(self) -> Result<Selector, BadRecord> {
        let site_id = |site: &str| part("site", site, |text| SiteId::new(text).ok());
        Ok(match self {
            Self::Url { site, host, path, query } => Selector::Url { site: site_id(&site)?, host, path, query },
            Self::Prefix { site, host, path } => {
                let what = "prefix of at most 2048 bytes that begins with /";
                let text = path.clone();
                let selector = Selector::prefix(site_id(&site)?, host, path);
                const { assert!(MAX_PREFIX_BYTES == 2048, "the message names it") };
                selector.map_err(|_| BadRecord::Part { what, text })?
            }
            Self::Tag { site, tag } => {
                Selector::Tag { site: site_id(&site)?, tag: part("tag", &tag, |text| Tag::new(text).ok())? }
            }
            Self::Group { site, scheme, host, group } => {
                Selector::Group { site: site_id(&site)?, scheme: part("scheme", &scheme, Scheme::parse)?, host, group }
            }
            Self::Host { site, host } => Selector::Host { site: site_id(&site)?, host },
            Self::Site { site } => Selector::Site { site: site_id(&site)? },
            Self::Everything {} => Selector::Everything,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::purge;

    fn site() -> SiteId {
        SiteId::new("docs").expect("a good name")
    }

    fn member() -> Member {
        let id = |text| RecordId::new(text).expect("a good id");
        Member { node: NodeId::new("fra-1").expect("a good name"), boot: id("b1"), folder: id("f1"), strict: true }
    }

    #[test]
    fn what_is_kept_is_read_back() {
        let host = || "docs.example.com".to_owned();
        let selectors = vec![
            Selector::Url { site: site(), host: host(), path: "/a".into(), query: None },
            Selector::Url { site: site(), host: host(), path: "/a".into(), query: Some(String::new()) },
            Selector::prefix(site(), host(), "/img/".into()).expect("a good prefix"),
            Selector::Tag { site: site(), tag: Tag::new("release:v1").expect("a good tag") },
            Selector::Group { site: site(), scheme: Scheme::Https, host: host(), group: "\u{e4}\" ".into() },
            Selector::Host { site: site(), host: host() },
            Selector::Site { site: site() },
            Selector::Everything,
        ];
        let purge = Purge {
            id: RecordId::new("deploy:41").expect("a good id"),
            digest: [0x0f; 16],
            by: TokenId::new("deploy").expect("a good name"),
            mode: purge::Mode::Soft,
            selectors,
            rules: KeyRules::parse(&"0f".repeat(16)).expect("key rules"),
        };
        for event in [
            Event::Epoch { name: "x".into() },
            Event::Purge(purge),
            Event::Join(member()),
            Event::Leave { member: member(), why: Leaving::Forgotten },
            Event::Seal,
        ] {
            let record = Record { position: Position::new(1, 42), issued_at: Timestamp::from_millis(7), event };
            let bytes = encode(&record);
            assert!(!bytes.contains(&b'\n'), "one line");
            assert_eq!(decode(&bytes).expect("a record"), record);
        }
    }

    #[test]
    fn what_records_add_up_to_is_read_back() {
        let record = |position, event| Record { position, issued_at: Timestamp::from_millis(7), event };
        let mut ledger = Ledger::default();
        for record in [
            record(Position::new(1, 1), Event::Epoch { name: "x".into() }),
            record(Position::new(1, 2), Event::Join(member())),
            record(Position::new(1, 3), Event::Seal),
        ] {
            ledger.add(&record, &encode(&record)).expect("it follows");
            let line = serde_json::to_string(&LedgerLine::from(&ledger)).expect("JSON");
            let read: LedgerLine = serde_json::from_str(&line).expect("a line");
            assert_eq!(read.read().expect("a ledger"), ledger);
        }
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let good = r#"{"position":"1.2","issued_at_ms":1,"event":{"kind":"epoch","name":"x"}}"#;
        assert!(decode(good.as_bytes()).is_ok());
        for bad in [
            "",
            "{}",
            r#"{"position":"1","issued_at_ms":1,"event":{"kind":"seal"}}"#,
            r#"{"position":"1.2","issued_at_ms":-1,"event":{"kind":"seal"}}"#,
            r#"{"position":"1.2","issued_at_ms":1,"event":{"kind":"seal","more":1}}"#,
            r#"{"position":"1.2","issued_at_ms":1,"event":{"kind":"unheard-of"}}"#,
            r#"{"position":"1.2","issued_at_ms":1,"event":{"kind":"join","member":{"node":"A B","boot":"b","folder":"f"}}}"#,
        ] {
            assert!(decode(bad.as_bytes()).is_err(), "{bad}");
        }
        let purge = |selector: &str| {
            let event = format!(
                r#"{{"kind":"purge","id":"i","digest":"0123456789abcdef0123456789abcdef","by":"t","mode":"hard","selectors":[{selector}],"rules":"0123456789abcdef0123456789abcdef"}}"#
            );
            decode(format!(r#"{{"position":"1.2","issued_at_ms":1,"event":{event}}}"#).as_bytes())
        };
        assert!(purge(r#"{"kind":"everything"}"#).is_ok());
        for bad in [
            r#"{"kind":"everything","site":"docs"}"#,
            r#"{"kind":"site","site":""}"#,
            r#"{"kind":"tag","site":"docs","tag":"a b"}"#,
            r#"{"kind":"prefix","site":"docs","host":"h","path":"a"}"#,
        ] {
            assert!(purge(bad).is_err(), "{bad}");
        }
    }
}
