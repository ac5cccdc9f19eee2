//! Built in as `file`: judges a file by its being there, its age, its text, or the number in it.

use std::time::Duration;

use vrrp_sdk::prelude::*;

/// What keepalived reads of a tracked file, in bytes, and more than any number takes.
const NUMBER_MAX: u32 = 127;
/// Where text is looked for, in bytes.
const TEXT_MAX: u32 = 1024 * 1024;
/// From this weight on a number is a fault, as with keepalived: nothing is left of any priority.
const FAULT: i64 = -254;
/// More than this cannot be added to a priority.
const WEIGHT_MAX: i64 = 253;

/// A file is there, is recent, has a text, or says a number that is added to the priority.
///
/// ```toml
/// path = "/run/app/healthy"
/// max-age = "60s"
/// ```
#[vrrp_sdk::check]
#[derive(Debug, PartialEq, Eq)]
pub struct File {
    /// The file, such as "/run/app/healthy".
    path: AbsolutePath,
    /// Whether it has to be there; with false it must not be, as a switch for maintenance.
    #[serde(default = "yes")]
    exists: bool,
    /// How long ago it may have been modified, such as "60s".
    max_age: Option<TimeSpan>,
    /// Text that it has to contain.
    expect: Option<String>,
    /// The file says a number, which is multiplied by this and added to the priority, as by keepalived's
    /// track_file: without the file it is 0, and from -254 down the check fails. With 0, any number but 0 fails.
    weight: Option<i16>,
}

fn yes() -> bool {
    true
}

impl Check for File {
    fn plan(&self) -> Plan {
        let path = self.path.as_str();
        Plan::new()
            .needs(Need::read(path))
            .trigger(Trigger::PathChanged(path.to_owned()))
    }

    fn validate(&self, errors: &mut ConfigErrors) {
        if self
            .max_age
            .is_some_and(|age| age.0 < Duration::from_millis(1))
        {
            errors.at(["max-age"], "no file is that new: write \"60s\"");
        }
        if self.expect.as_deref() == Some("") {
            errors.at(["expect"], "every file contains nothing: write some text");
        }
        if self
            .weight
            .is_some_and(|weight| !(-254..=254).contains(&weight))
        {
            errors.at(["weight"], "write a number from -254 to 254");
        }
        for (key, is_set) in [
            ("max-age", self.max_age.is_some()),
            ("expect", self.expect.is_some()),
            ("weight", self.weight.is_some()),
        ] {
            if is_set && !self.exists {
                errors.at(
                    [key],
                    "a file that must not be there has none: write exists = true",
                );
            }
        }
        if self.expect.is_some() && self.weight.is_some() {
            errors.at(
                ["expect"],
                "the file says a number: leave out expect, or weight",
            );
        }
    }

    fn run(&self, _: &RunContext) -> Result<Observation, CheckError> {
        let path = &self.path;
        let modified = match files::modified(path.as_str()) {
            Ok(modified) => modified,
            Err(files::Error::NotFound { .. }) if self.weight.is_some() => {
                return Ok(self.judge_number(0, &format!("there is no {path}")));
            }
            Err(error @ files::Error::NotFound { .. }) => {
                let summary = error.to_string();
                return Ok(if self.exists {
                    Observation::failing(summary)
                } else {
                    Observation::passing(summary)
                });
            }
            Err(error) => return Err(error.into()),
        };
        if !self.exists {
            return Ok(Observation::failing(format!("{path} is there")));
        }
        // A file from the future is new.
        let age = clock::now().duration_since(modified).unwrap_or_default();
        let age = TimeSpan(Duration::from_secs(age.as_secs()));
        if let Some(max_age) = self.max_age.filter(|max_age| age > *max_age) {
            let summary = format!("{path} is {age} old, {max_age} expected at most");
            return Ok(Observation::failing(summary).fact("age-s", age.0.as_secs()));
        }
        let observation = match (&self.expect, self.weight) {
            (Some(text), _) => self.look_for(text)?,
            (None, Some(_)) => {
                let number = self.number()?;
                self.judge_number(number, &format!("{path} says {number}"))
            }
            (None, None) => Observation::passing(format!("{path} is there")),
        };
        Ok(observation.fact("age-s", age.0.as_secs()))
    }
}

impl File {
    fn look_for(&self, text: &str) -> Result<Observation, CheckError> {
        let content = files::read(self.path.as_str(), TEXT_MAX)?;
        let path = &self.path;
        Ok(if String::from_utf8_lossy(&content).contains(text) {
            Observation::passing(format!("{path} contains {text:?}"))
        } else {
            Observation::failing(format!("{path} does not contain {text:?}"))
        })
    }

    /// An empty file says 0; what is no number is no verdict.
    fn number(&self) -> Result<i32, CheckError> {
        let content = files::read(self.path.as_str(), NUMBER_MAX)?;
        let text = String::from_utf8_lossy(&content);
        parse_number(text.trim()).ok_or_else(|| {
            let text: String = text.trim().chars().take(20).collect();
            CheckError::Unavailable(format!(
                "{} says {text:?}, which is no number such as -20",
                self.path
            ))
        })
    }

    fn judge_number(&self, number: i32, said: &str) -> Observation {
        let factor = i64::from(self.weight.unwrap_or(0));
        let weight = i64::from(number) * factor;
        let observation = if factor == 0 && number != 0 {
            Observation::failing(format!("{said}, 0 expected"))
        } else if weight <= FAULT {
            Observation::failing(format!("{said}: a fault, times {factor}"))
        } else {
            let weight = i16::try_from(weight.min(WEIGHT_MAX)).unwrap_or(i16::MAX);
            Observation::passing(said).weight(weight)
        };
        observation.fact("number", number)
    }
}

/// Decimal, or hexadecimal after `0x`. keepalived reads `010` as 8, people read it as 10: it is neither.
fn parse_number(text: &str) -> Option<i32> {
    if text.is_empty() {
        return Some(0);
    }
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) if text.starts_with('-') => (-1, digits),
        Some(digits) => (1, digits),
        None => (1, text),
    };
    let (digits, radix) = match digits.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None if digits.len() > 1 && digits.starts_with('0') => return None,
        None => (digits, 10),
    };
    // A second sign would pass as part of the number.
    if digits.starts_with(['-', '+']) {
        return None;
    }
    let number = i64::from_str_radix(digits, radix).ok()?;
    i32::try_from(sign * number).ok()
}

#[cfg(test)]
mod tests;
