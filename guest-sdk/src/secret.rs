use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::{AbsolutePath, files};

/// Bytes of a file with a secret: more than any is long.
const FILE_MAX: u32 = 4096;

/// A text in a config that no log shows, such as a password.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// That of a config which has one key for the secret and one for a file that has it.
    ///
    /// # Errors
    /// As [`Secret::read`].
    pub fn of(
        written: Option<&Self>,
        file: Option<&AbsolutePath>,
    ) -> Result<Option<Self>, files::Error> {
        match file {
            Some(file) => Self::read(file).map(Some),
            None => Ok(written.cloned()),
        }
    }

    /// The first line of a file, which the host reads with the rights of root: nobody else has to be able to.
    ///
    /// # Errors
    /// [`files::Error::Denied`] without the need [`Need::read`](crate::Need::read); [`files::Error::Io`] when the line is
    /// empty, or no text.
    pub fn read(file: &AbsolutePath) -> Result<Self, files::Error> {
        let content = files::read(file.as_str(), FILE_MAX)?;
        let useless = |message: &str| files::Error::Io {
            path: file.to_string(),
            message: message.to_owned(),
        };
        let content = String::from_utf8(content).map_err(|_| useless("it is not UTF-8"))?;
        match content.lines().next() {
            None | Some("") => Err(useless("its first line is empty")),
            Some(line) => Ok(Self(line.to_owned())),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "writeOnly": true })
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{Need, mock};

    #[test]
    fn the_first_line_of_a_file_is_a_secret() {
        let path = AbsolutePath::try_from("/etc/app.pass".to_owned()).unwrap();
        let read = |content: &str| {
            let host = mock::Host::new().file(path.as_str(), content, SystemTime::UNIX_EPOCH);
            host.enter(|| Secret::read(&path))
        };
        for content in ["open sesame", "open sesame\n", "open sesame\r\nmore\n"] {
            let secret = read(content).unwrap();
            assert_eq!(secret.expose(), "open sesame");
            assert_eq!(format!("{secret:?}"), "Secret");
        }
        for content in ["", "\n", "\nmore"] {
            assert_eq!(
                read(content).unwrap_err().to_string(),
                "/etc/app.pass: its first line is empty"
            );
        }
        let long = "x".repeat(5000);
        assert!(matches!(read(&long), Err(files::Error::TooLarge { .. })));
        let need = Need::read("/etc/app.pass");
        let host = mock::Host::new().denies(need.clone());
        assert_eq!(
            host.enter(|| Secret::read(&path)),
            Err(files::Error::Denied(need))
        );
    }
}
