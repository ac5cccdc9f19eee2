//! `authentication`: how the nodes of an instance know each other's advertisements.

use std::num::NonZeroU8;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use vrrp::{Authentication, Hmac, Key, KeyId, Mode, Version};

use super::key::{Key as FileKey, Keys, Kind, Text, words};
use super::reader::{Field, Table};
use super::report::Diagnostic;
use super::secret::{ReadPassword, SECRET_FILE, SecretFiles};
use super::suggest::list;

pub(super) const AUTHENTICATION: Keys = Keys::new(&[
    FileKey::optional(
        "keys",
        Kind::Named(
            Text::new("a number from 1 to 255, the same on every node").pattern("^[1-9][0-9]{0,2}$"),
            &SECRET_FILE,
        ),
        "the entry is about a `password-file`",
        "The keys by number, each in a file with 32 to 64 bytes, as hexadecimal digits or as they are. Every advertisement then has an \
         HMAC-SHA256 and the time, so the clocks of all nodes have to agree.",
    )
    .example("{ 1 = \"/etc/vrrp-host/vrrp-1.key\" }")
    .source("draft-cassen-vrrp-auth-hmac"),
    FileKey::optional(
        "active-key",
        Kind::Number(KEY_ID),
        "the only one of `keys`",
        "The number of the key to sign with, when there are several.",
    )
    .example("2"),
    FileKey::default(
        "mode",
        Kind::Choice(&words(&MODES)),
        "\"enforce\"",
        "What is done without a good signature: `\"enforce\"` discards it; `\"permissive\"` accepts, counts and tells it; `\"receive-only\"` does \
         the same and does not sign. For a running cluster, in three reloads: receive-only, permissive, enforce.",
    )
    .example("\"permissive\""),
    FileKey::optional(
        "time-window",
        Kind::Duration(WINDOW),
        "three times `advertisement-interval`, from `5s` to `5m`",
        "What was signed further than this from the time of this host is discarded.",
    )
    .example("\"30s\""),
    FileKey::optional(
        "password-file",
        SECRET_FILE,
        "the entry is about `keys`",
        "The password of version 2, for peers that ask for one (`auth_type PASS`). Everybody on the link can read it, and only its first 8 bytes count.",
    )
    .example("\"/etc/vrrp-host/vrrp.pass\"")
    .source("RFC 2338 §5.3.10"),
])
.one_of(&["keys", "password-file"]);
const MODES: [(&str, Mode); 3] = [
    ("receive-only", Mode::ReceiveOnly),
    ("permissive", Mode::Permissive),
    ("enforce", Mode::Enforce),
];
const KEY_ID: RangeInclusive<i64> = 1..=255;
/// What says nothing about a password.
const OF_KEYS: [&str; 3] = ["active-key", "mode", "time-window"];

const EXAMPLE: &str = "authentication = { keys = { 1 = \"/etc/vrrp-host/vrrp.key\" } }";
const KEYS_EXAMPLE: &str = "{ 1 = \"/etc/vrrp-host/vrrp.key\" }";
const WINDOW: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(300);

/// An `authentication` table as far as it could be read.
#[derive(Debug)]
pub(super) struct AuthenticationDraft {
    pub(super) authentication: Authentication,
    /// Where a password is named of which not all bytes count.
    pub(super) cut_password: Option<Range<usize>>,
}

impl AuthenticationDraft {
    /// Without an `authentication` table.
    pub(super) const NONE: Self = Self {
        authentication: Authentication::None,
        cut_password: None,
    };

    pub(super) fn read(
        field: &Field<'_>,
        version: Option<Version>,
        advertisement_interval: Option<Duration>,
        files: SecretFiles<'_>,
    ) -> Option<Self> {
        let table = field.table("`authentication`", EXAMPLE, AUTHENTICATION)?;
        match (table.get("keys"), table.get("password-file")) {
            (Some(keys), None) => {
                let hmac = read_hmac(&table, &keys, advertisement_interval, files)?;
                Some(Self {
                    authentication: Authentication::Hmac(hmac),
                    cut_password: None,
                })
            }
            (None, Some(password)) => read_password(&table, &password, version, files),
            (Some(_), Some(password)) => {
                password.error(
                    "an instance has keys or a password, not both",
                    "leave out `password-file`: a password can be read by everybody on the link",
                );
                None
            }
            (None, None) => {
                if !table.misspells(&["keys", "password-file"]) {
                    field.push(
                        Diagnostic::missing(field.span(), "`authentication` has no `keys`")
                            .help(what_to_write(version)),
                    );
                }
                None
            }
        }
    }
}

fn what_to_write(version: Option<Version>) -> String {
    let password = match version {
        Some(Version::V2) => {
            "; a password for older peers has a file of its own: `password-file = \"/etc/vrrp-host/vrrp.pass\"`"
        }
        Some(Version::V3) | None => "",
    };
    format!("write, for example, `{EXAMPLE}`{password}")
}

fn read_password(
    table: &Table<'_>,
    field: &Field<'_>,
    version: Option<Version>,
    files: SecretFiles<'_>,
) -> Option<AuthenticationDraft> {
    let mut is_good = true;
    for key in OF_KEYS {
        if let Some(field) = table.get(key) {
            field.push(
                Diagnostic::error(
                    field.key_span(),
                    format!("`{key}` is about keys, and a password has none"),
                )
                .help("leave it out"),
            );
            is_good = false;
        }
    }
    if version == Some(Version::V3) {
        field.error(
            "version 3 has no passwords",
            format!(
                "write `keys = {KEYS_EXAMPLE}`, or `version = 2` where all peers ask for a password"
            ),
        );
        is_good = false;
    }
    let ReadPassword { password, is_cut } = files.password(field)?;
    is_good.then(|| AuthenticationDraft {
        authentication: Authentication::Password(password),
        cut_password: is_cut.then(|| field.span()),
    })
}

fn read_hmac(
    table: &Table<'_>,
    keys: &Field<'_>,
    advertisement_interval: Option<Duration>,
    files: SecretFiles<'_>,
) -> Option<Hmac> {
    let mode = table.read("mode", Mode::Enforce, |field| field.choice(&MODES));
    let default = Authentication::default_window(advertisement_interval.unwrap_or_default());
    let window = table.read("time-window", default, |field| {
        field.duration(&WINDOW, "5s")
    });
    let named = keys.named(KEYS_EXAMPLE)?;
    if named.is_empty() {
        keys.error(
            "`keys` has no key",
            format!("write `keys = {KEYS_EXAMPLE}`"),
        );
        return None;
    }
    // Each is read before the first bad one ends it.
    let read: Vec<_> = named
        .iter()
        .map(|field| (key_id(field), files.key(field)))
        .collect();
    let ids: Option<Vec<KeyId>> = read.iter().map(|(id, _)| *id).collect();
    let active_key = active_key(table, keys, &ids?);
    let keys: Option<Vec<(KeyId, Key)>> = read
        .into_iter()
        .map(|(id, key)| Some((id?, key?)))
        .collect();
    Some(Hmac {
        mode: mode?,
        keys: keys?,
        active_key: active_key?,
        window: window?,
    })
}

fn key_id(field: &Field<'_>) -> Option<KeyId> {
    // No sign and no leading zero: one key, one way to write its number.
    let number = field.key().parse().ok();
    let id = number.filter(|id: &NonZeroU8| id.to_string() == field.key());
    if id.is_none() {
        field.push(
            Diagnostic::error(
                field.key_span(),
                format!("`{}` is not the number of a key", field.key()),
            )
            .help("write a number from 1 to 255, the same on every node"),
        );
    }
    id.map(KeyId)
}

fn active_key(table: &Table<'_>, keys: &Field<'_>, ids: &[KeyId]) -> Option<KeyId> {
    let Some(field) = table.get("active-key") else {
        let [only] = ids else {
            if !table.misspells(&["active-key"]) {
                let message = "there are several keys, and none is the one to sign with";
                let example = format!("add, for example, `active-key = {}`", ids[0].0);
                keys.push(Diagnostic::missing(keys.span(), message).help(example));
            }
            return None;
        };
        return Some(*only);
    };
    let number = field.number(KEY_ID, 1)?;
    let found = ids.iter().find(|id| i64::from(id.0.get()) == number);
    if found.is_none() {
        let known: Vec<_> = ids.iter().map(|id| id.0.to_string()).collect();
        field.error(
            format!("`keys` has no key {number}"),
            format!("write one of {}, or add the key to `keys`", list(&known)),
        );
    }
    found.copied()
}
