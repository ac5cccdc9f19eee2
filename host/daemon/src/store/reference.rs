//! What a module in a registry is called: `oci://HOST/REPOSITORY:TAG@sha256:DIGEST`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Digest;

pub(crate) const SCHEME: &str = "oci://";

/// A module in a registry. A tag can be made to mean another module at any time, a digest cannot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reference {
    /// Host, and its port when it is not the usual one.
    pub(crate) registry: String,
    /// Path in the registry.
    pub(crate) repository: String,
    /// The name of a version.
    pub(crate) tag: Option<String>,
    /// That of the manifest, which has that of the component.
    pub(crate) digest: Option<Digest>,
}

/// A text that is no reference, and what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a module in a registry: {problem}; write `oci://HOST/REPOSITORY:TAG`")]
pub(crate) struct ParseReferenceError {
    text: String,
    problem: String,
}

impl ParseReferenceError {
    /// What is wrong with it.
    pub(crate) fn problem(&self) -> &str {
        &self.problem
    }
}

impl Reference {
    /// The same module, by this digest.
    pub(crate) fn pinned(&self, digest: Digest) -> Self {
        Self {
            digest: Some(digest),
            ..self.clone()
        }
    }

    /// What it is called whatever it is.
    pub(crate) fn without_digest(&self) -> Self {
        Self {
            digest: None,
            ..self.clone()
        }
    }

    /// Whether both are versions of one module.
    pub(crate) fn is_version_of(&self, other: &Self) -> bool {
        self.registry == other.registry && self.repository == other.repository
    }

    /// Whether the registry is on this host, where nobody else can listen or answer.
    pub(crate) fn is_on_loopback(&self) -> bool {
        let host = self.registry.rsplit_once(':');
        let host = host.map_or(self.registry.as_str(), |(host, _)| host);
        host == "localhost"
            || host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }

    /// As `oci_client` has it. Without tag and digest it is what everybody calls `latest`.
    pub(crate) fn to_oci(&self) -> oci_client::Reference {
        let (registry, repository) = (self.registry.clone(), self.repository.clone());
        match &self.digest {
            Some(digest) => {
                oci_client::Reference::with_digest(registry, repository, digest.to_string())
            }
            None => {
                let tag = self.tag.clone().unwrap_or_else(|| "latest".to_owned());
                oci_client::Reference::with_tag(registry, repository, tag)
            }
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for Reference {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, ParseReferenceError> {
        parse(text).map_err(|problem| ParseReferenceError {
            text: text.to_owned(),
            problem,
        })
    }
}

fn parse(text: &str) -> Result<Reference, String> {
    let Some(rest) = text.strip_prefix(SCHEME) else {
        return Err("it does not begin with `oci://`".to_owned());
    };
    let (name, digest) = match rest.split_once('@') {
        Some((name, digest)) => (
            name,
            Some(digest.parse().map_err(|error| format!("{error}"))?),
        ),
        None => (rest, None),
    };
    // Other tools take a name without a host for one of Docker's registry.
    let has_host = name
        .split_once('/')
        .is_some_and(|(host, _)| host == "localhost" || host.contains(['.', ':']));
    if !has_host {
        return Err("it names no host".to_owned());
    }
    let parsed: oci_client::Reference = name
        .parse()
        .map_err(|_| "a repository is in lower case, and has one tag at most".to_owned())?;
    let is_tagged = name.rsplit('/').next().is_some_and(|end| end.contains(':'));
    Ok(Reference {
        registry: parsed.registry().to_owned(),
        repository: parsed.repository().to_owned(),
        tag: parsed.tag().filter(|_| is_tagged).map(ToOwned::to_owned),
        digest,
    })
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn references_are_written_as_they_are_read() {
        for (text, registry, repository, tag) in [
            ("oci://reg.lan/queue", "reg.lan", "queue", None),
            (
                "oci://reg.lan:5000/a/b:1.2",
                "reg.lan:5000",
                "a/b",
                Some("1.2"),
            ),
            ("oci://localhost/queue:1", "localhost", "queue", Some("1")),
            (
                "oci://192.0.2.1:5000/queue",
                "192.0.2.1:5000",
                "queue",
                None,
            ),
        ] {
            for end in [String::new(), format!("@{DIGEST}")] {
                let text = format!("{text}{end}");
                let reference: Reference = text.parse().unwrap();
                assert_eq!(reference.registry, registry);
                assert_eq!(reference.repository, repository);
                assert_eq!(reference.tag.as_deref(), tag);
                assert_eq!(reference.digest.is_some(), !end.is_empty());
                assert_eq!(reference.to_string(), text);
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, problem) in [
            ("reg.lan/queue:1", "it does not begin with `oci://`"),
            ("oci://queue:1", "it names no host"),
            ("oci://checks/queue", "it names no host"),
            ("oci://reg.lan/", "a repository is in lower case"),
            ("oci://reg.lan/Queue", "a repository is in lower case"),
            ("oci://reg.lan/queue@sha256:12", "64 hexadecimal digits"),
            ("oci://reg.lan/queue:1:2", "a repository is in lower case"),
        ] {
            let error = text.parse::<Reference>().unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
            assert!(
                error.ends_with("write `oci://HOST/REPOSITORY:TAG`"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_registry_on_this_host_is_known() {
        for (text, expected) in [
            ("oci://localhost/queue", true),
            ("oci://localhost:5000/queue", true),
            ("oci://127.0.0.2:5000/queue", true),
            ("oci://192.0.2.1:5000/queue", false),
            ("oci://localhost.example.com/queue", false),
            ("oci://127.0.0.1.example.com/queue", false),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.is_on_loopback(), expected, "{text}");
        }
    }
}
