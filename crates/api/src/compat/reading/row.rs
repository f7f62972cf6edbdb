//! The keys of one instance, each read as what it must be.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};
use topology::{BinlogCoordinates, GtidSet, InstanceKey, ThreadState, Timestamp};
use wire::read_time;

/// What is wrong with an instance, as the end of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem(pub(super) String);

/// What is said of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ThreadSaid {
    /// Nothing.
    Nothing,
    /// Only that it does not run, not whether it tries to.
    NotRunning,
    /// This.
    State(ThreadState),
}

/// The keys of one instance. A key that is missing or null has no value.
pub(super) struct Row<'a>(&'a Map<String, Value>);

impl<'a> Row<'a> {
    pub(super) fn of(item: &'a Value) -> Result<Self, Problem> {
        item.as_object().map(Self).ok_or_else(|| Problem(format!("it is {} and no object", shortened(item))))
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Returns a text; empty for none.
    pub(super) fn text(&self, name: &str) -> Result<&'a str, Problem> {
        self.text_or(name, "")
    }

    pub(super) fn text_or(&self, name: &str, missing: &'static str) -> Result<&'a str, Problem> {
        match self.get(name) {
            None => Ok(missing),
            Some(value) => value.as_str().ok_or_else(|| odd(name, "a text", value)),
        }
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        self.get(name).map(|value| as_flag(name, value)).transpose()
    }

    /// Returns a flag that has a new and an old name. The new one counts where they differ.
    pub(super) fn either_flag(&self, name: &str, old: &str) -> Result<Option<bool>, Problem> {
        Ok(self.flag(name)?.or(self.flag(old)?))
    }

    pub(super) fn number<T: TryFrom<u64>>(&self, name: &str) -> Result<Option<T>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_u64().and_then(|number| T::try_from(number).ok());
        number.map(Some).ok_or_else(|| odd(name, "a number that fits", value))
    }

    /// Returns a duration in nanoseconds; none of it where two clocks disagreed and it came out below zero.
    pub(super) fn elapsed(&self, name: &str) -> Result<Duration, Problem> {
        let is_negative = self.get(name).and_then(Value::as_i64).is_some_and(|number| number < 0);
        let nanos = if is_negative { None } else { self.number(name)? };
        Ok(Duration::from_nanos(nanos.unwrap_or_default()))
    }

    /// Returns a number that may be NULL; none where the key is missing. A plain number is one too.
    pub(super) fn nullable(&self, name: &str) -> Result<Option<Option<u64>>, Problem> {
        let wanted = "a number, null, or {\"Int64\": …, \"Valid\": …}";
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(value @ Value::Object(fields)) => {
                let number = fields.get("Int64").and_then(Value::as_i64).ok_or_else(|| odd(name, wanted, value))?;
                let valid = fields.get("Valid").map_or(Ok(true), |valid| as_flag(name, valid))?;
                Ok(Some(u64::try_from(number).ok().filter(|_| valid)))
            }
            Some(value) => value.as_u64().map(|number| Some(Some(number))).ok_or_else(|| odd(name, wanted, value)),
        }
    }

    pub(super) fn nullable_flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        match self.get(name) {
            Some(value @ Value::Object(fields)) => {
                let flag = fields.get("Bool").map(|flag| as_flag(name, flag)).transpose()?;
                let flag = flag.ok_or_else(|| odd(name, "{\"Bool\": …, \"Valid\": …}", value))?;
                let valid = fields.get("Valid").map_or(Ok(true), |valid| as_flag(name, valid))?;
                Ok(valid.then_some(flag))
            }
            _ => self.flag(name),
        }
    }

    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let text = self.text(name)?;
        let never = ["0001-", "0000-", "9999-"].iter().any(|year| text.starts_with(year)) || text.is_empty();
        match read_time(text) {
            None if !never => Err(Problem(format!("{name} is {text:?}; write it as 2026-11-22T17:53:17Z"))),
            moment => Ok(moment),
        }
    }

    pub(super) fn key(&self, name: &str) -> Result<Option<InstanceKey>, Problem> {
        self.get(name).map(|value| as_key(name, value)).transpose()
    }

    pub(super) fn keys(&self, name: &str) -> Result<Vec<InstanceKey>, Problem> {
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => items.iter().map(|item| as_key(name, item)).collect(),
            Some(value) => Err(odd(name, "a list of keys", value)),
        }
    }

    pub(super) fn coordinates(&self, name: &str) -> Result<BinlogCoordinates, Problem> {
        let Some(value) = self.get(name) else { return Ok(BinlogCoordinates::default()) };
        let wanted = "{\"LogFile\": …, \"LogPos\": …}";
        let fields = value.as_object().map(Self).ok_or_else(|| odd(name, wanted, value))?;
        let position = || Ok(BinlogCoordinates::new(fields.text("LogFile")?, fields.number("LogPos")?.unwrap_or(0)));
        position().map_err(|_: Problem| odd(name, wanted, value))
    }

    pub(super) fn gtid_set(&self, name: &str) -> Result<GtidSet, Problem> {
        GtidSet::parse(self.text(name)?).map_err(|error| Problem(format!("{name}: {error}")))
    }

    /// Returns how a thread is, by its state and by the two names of the flag that says whether it runs. It runs if nothing
    /// says that it does not.
    pub(super) fn thread(&self, state: &str, name: &str, old: &str) -> Result<ThreadSaid, Problem> {
        let number = match self.get(state) {
            None => None,
            Some(value) => Some(value.as_i64().ok_or_else(|| odd(state, "-1, 0, 1 or 2", value))?),
        };
        let flags = [self.flag(name)?, self.flag(old)?];
        let runs = if flags.contains(&Some(false)) { Some(false) } else { flags[0].or(flags[1]) };
        Ok(match (number, runs) {
            (None, None) => ThreadSaid::Nothing,
            (Some(0 | -1), _) => ThreadSaid::State(ThreadState::Stopped),
            (Some(1) | None, Some(false)) => ThreadSaid::NotRunning,
            (Some(1), _) | (None, Some(true)) => ThreadSaid::State(ThreadState::Running),
            (Some(_), _) => ThreadSaid::State(ThreadState::Connecting),
        })
    }

    /// Returns words: a list, or one text with commas.
    pub(super) fn words(&self, name: &str) -> Result<Vec<String>, Problem> {
        let words = match self.get(name) {
            None => Vec::new(),
            Some(Value::String(text)) => text.split(',').map(|word| word.trim().to_owned()).collect(),
            Some(value @ Value::Array(items)) => {
                let word = |item: &Value| item.as_str().map(|word| word.trim().to_owned());
                let words: Option<Vec<String>> = items.iter().map(word).collect();
                words.ok_or_else(|| odd(name, "a list of texts", value))?
            }
            Some(value) => return Err(odd(name, "a list of texts", value)),
        };
        Ok(words.into_iter().filter(|word| !word.is_empty()).collect())
    }

    /// Returns tags: an object of names and values, or words `name=value`.
    pub(super) fn tags(&self, name: &str) -> Result<BTreeMap<String, String>, Problem> {
        if let Some(value @ Value::Object(tags)) = self.get(name) {
            let tag = |(name, value): (&String, &Value)| match value {
                Value::String(text) => Some((name.clone(), text.clone())),
                Value::Null => Some((name.clone(), String::new())),
                Value::Number(_) | Value::Bool(_) => Some((name.clone(), value.to_string())),
                Value::Array(_) | Value::Object(_) => None,
            };
            let tags: Option<BTreeMap<String, String>> = tags.iter().map(tag).collect();
            return tags.ok_or_else(|| odd(name, "names with texts", value));
        }
        let tag = |word: String| match word.split_once('=') {
            Some((name, value)) => (name.trim().to_owned(), value.trim().to_owned()),
            None => (word, String::new()),
        };
        Ok(self.words(name)?.into_iter().map(tag).collect())
    }
}

fn as_flag(name: &str, value: &Value) -> Result<bool, Problem> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::Number(number) if number.as_u64() == Some(0) => Ok(false),
        Value::Number(number) if number.as_u64() == Some(1) => Ok(true),
        _ => Err(odd(name, "true or false", value)),
    }
}

fn as_key(name: &str, value: &Value) -> Result<InstanceKey, Problem> {
    let wanted = "{\"Hostname\": …, \"Port\": …}";
    match value {
        Value::String(text) => InstanceKey::parse(text, 3306).map_err(|error| Problem(format!("{name}: {error}"))),
        Value::Object(fields) => {
            let host = fields.get("Hostname").map_or(Some(""), Value::as_str);
            let port = fields.get("Port").map_or(Some(0), Value::as_u64).and_then(|port| u16::try_from(port).ok());
            let key = host.zip(port).map(|(host, port)| InstanceKey::new(host, port));
            key.ok_or_else(|| odd(name, wanted, value))
        }
        _ => Err(odd(name, wanted, value)),
    }
}

fn odd(name: &str, wanted: &str, found: &Value) -> Problem {
    Problem(format!("{name} must be {wanted}, and is {}", shortened(found)))
}

fn shortened(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= LONGEST { text } else { text.chars().take(LONGEST).chain(['…']).collect() }
}
