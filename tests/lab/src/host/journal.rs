use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::Value;

use super::Host;
use crate::Result;
use crate::error::unexpected;

/// A line of a host's journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// When it was written, by the sender's own clock reading where there is one. Microseconds.
    pub at: SystemTime,
    pub message: String,
    /// What systemd says about a unit in this entry, if it is such an entry.
    pub event: Option<JournalEvent>,
    /// The program that wrote it.
    pub identifier: String,
    /// The process that wrote it, with its id on the host.
    pub pid: Option<i32>,
    pub cursor: Cursor,
}

/// A place in a host's journal, to read on from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor(String);

/// What systemd says about a unit: the message ids of `sd-messages.h` that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JournalEvent {
    Starting,
    Started,
    Stopping,
    Stopped,
    Failed,
    /// The processes of the unit have ended, and it was meant to be so.
    Deactivated,
}

impl JournalEvent {
    fn from_message_id(id: &str) -> Option<Self> {
        Some(match id {
            "7d4958e842da4a758f6c1cdc7b36dcc5" => Self::Starting,
            "39f53479d3a045ac8e11786248231fbf" => Self::Started,
            "de5b426a63be47a7b6ac3eaac82e2f6f" => Self::Stopping,
            "9d1aaa27d60140bd96365438aad20286" => Self::Stopped,
            "be02cf6855d2428ba40df7d0f022f03d" => Self::Failed,
            "7ad2d189f7e94e70a38c781354912448" => Self::Deactivated,
            _ => return None,
        })
    }
}

impl fmt::Display for JournalEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {}",
            humantime::format_rfc3339_micros(self.at),
            self.identifier,
            self.message
        )
    }
}

pub(super) fn read(
    host: &Host,
    filter: &[&str],
    after: Option<&Cursor>,
) -> Result<Vec<JournalEntry>> {
    // journald takes messages from its socket when it gets to run: without this, what a finished command has logged may
    // still be on its way.
    host.run(&["journalctl", "--sync"])?;
    let mut args = vec![
        "journalctl",
        "--no-pager",
        "--quiet",
        "--boot",
        "--output=json",
    ];
    args.extend(filter);
    if let Some(Cursor(cursor)) = after {
        args.extend(["--after-cursor", cursor]);
    }
    host.run(&args)?
        .lines()
        .map(|line| parse(line).ok_or_else(|| unexpected("a journal entry", line)))
        .collect()
}

/// The fields of `journalctl --output=json`: each a text, a list of bytes when it is not UTF-8, or a list of both when
/// the field was written more than once.
#[derive(Deserialize)]
struct Fields(BTreeMap<String, Value>);

impl Fields {
    fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Array(items) if items.iter().all(Value::is_u64) => {
                let bytes: Vec<u8> = items
                    .iter()
                    .filter_map(|item| u8::try_from(item.as_u64()?).ok())
                    .collect();
                Some(String::from_utf8_lossy(&bytes).into_owned())
            }
            Value::Array(items) => items.first()?.as_str().map(str::to_owned),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
        }
    }

    fn time(&self, name: &str) -> Option<SystemTime> {
        let micros = self.text(name)?.parse().ok()?;
        Some(SystemTime::UNIX_EPOCH + Duration::from_micros(micros))
    }
}

fn parse(line: &str) -> Option<JournalEntry> {
    let fields: Fields = serde_json::from_str(line).ok()?;
    Some(JournalEntry {
        at: fields
            .time("_SOURCE_REALTIME_TIMESTAMP")
            .or_else(|| fields.time("__REALTIME_TIMESTAMP"))?,
        message: fields.text("MESSAGE").unwrap_or_default(),
        event: fields
            .text("MESSAGE_ID")
            .and_then(|id| JournalEvent::from_message_id(&id)),
        identifier: fields
            .text("SYSLOG_IDENTIFIER")
            .or_else(|| fields.text("_COMM"))
            .unwrap_or_default(),
        pid: fields.text("_PID").and_then(|pid| pid.parse().ok()),
        cursor: Cursor(fields.text("__CURSOR")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_systemd_is_an_event() {
        let line = r#"{"__REALTIME_TIMESTAMP":"1795473396597481","_SOURCE_REALTIME_TIMESTAMP":"1795473396593921",
            "MESSAGE_ID":"39f53479d3a045ac8e11786248231fbf","SYSLOG_IDENTIFIER":"systemd","_PID":"1","__CURSOR":"s=9c",
            "MESSAGE":"Started x.service"}"#;
        let entry = parse(line).unwrap();
        assert_eq!(
            entry.at,
            SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_473_396_593_921)
        );
        assert_eq!(entry.event, Some(JournalEvent::Started));
        assert_eq!((entry.identifier.as_str(), entry.pid), ("systemd", Some(1)));
    }

    #[test]
    fn a_message_in_bytes_is_read() {
        let line = r#"{"__REALTIME_TIMESTAMP":"1","__CURSOR":"s=1","MESSAGE":[27,91,109,104,105]}"#;
        let entry = parse(line).unwrap();
        assert_eq!(entry.message, "\u{1b}[mhi");
        assert_eq!(entry.event, None);
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        for line in ["", "-- No entries --", "{}", r#"{"MESSAGE":"no time"}"#] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
