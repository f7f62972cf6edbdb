//! How answers become lines.

use serde_json::Value;

use crate::failure::Failure;
use crate::options::{Options, Program};

/// An answer to show.
pub(crate) struct Answer<'a> {
    /// All of it.
    pub(crate) value: &'a Value,
    /// What was asked.
    pub(crate) options: &'a Options,
    /// Who shows it.
    pub(crate) program: Program,
    /// How many recoveries were acknowledged; for the commands that count them.
    pub(crate) counted: usize,
}

/// Lines of a result.
pub(crate) type Lines = Result<Vec<String>, Failure>;

impl<'a> Answer<'a> {
    /// Returns the part of an envelope that programs read.
    pub(crate) fn details(&self) -> &'a Value {
        &self.value["Details"]
    }

    /// Returns the items of a list; none of `null`.
    pub(crate) fn items(&self) -> &'a [Value] {
        self.value.as_array().map_or(&[], Vec::as_slice)
    }

    /// Returns the instance as it was given, for the commands that only repeat it.
    pub(crate) fn given_instance(&self) -> String {
        let given = topology::InstanceKey::parse(&self.options.instance, self.options.default_port);
        given.map_or_else(|_| self.options.instance.clone(), |key| key.to_string())
    }
}

/// Returns `host:port` of a key.
pub(crate) fn key(value: &Value) -> String {
    let host = text(&value["Hostname"]);
    let port = value["Port"].as_u64().unwrap_or_default();
    if host.contains(':') && !host.starts_with("//") { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Returns a text; empty for anything else.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Returns the value on one line, with a space between its parts.
pub(crate) fn spaced(value: &Value) -> String {
    let mut line = String::new();
    for part in format!("{value:#}").lines() {
        let separator = if line.is_empty() { "" } else { " " };
        line.push_str(&format!("{separator}{}", part.trim_start()));
    }
    line
}

/// Shows nothing.
pub(crate) fn nothing(_answer: &Answer<'_>) -> Lines {
    Ok(Vec::new())
}

/// Shows the key in the details.
pub(crate) fn key_of_details(answer: &Answer<'_>) -> Lines {
    Ok(vec![key(answer.details())])
}

/// Shows the key of the instance in the details.
pub(crate) fn key_of_instance_in_details(answer: &Answer<'_>) -> Lines {
    Ok(vec![key(&answer.details()["Key"])])
}

/// Shows the text in the details.
pub(crate) fn text_of_details(answer: &Answer<'_>) -> Lines {
    Ok(vec![text(answer.details()).to_owned()])
}

/// Shows the keys of a list of instances.
pub(crate) fn keys_of_instances(answer: &Answer<'_>) -> Lines {
    Ok(answer.items().iter().map(|instance| key(&instance["Key"])).collect())
}

/// Shows a list of keys.
pub(crate) fn keys(answer: &Answer<'_>) -> Lines {
    Ok(answer.items().iter().map(key).collect())
}

/// Shows a list of texts.
pub(crate) fn texts(answer: &Answer<'_>) -> Lines {
    Ok(answer.items().iter().map(|item| text(item).to_owned()).collect())
}

/// Shows the key of an instance.
pub(crate) fn key_of_instance(answer: &Answer<'_>) -> Lines {
    Ok(vec![key(&answer.value["Key"])])
}
