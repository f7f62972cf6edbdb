//! What applies now, as the object that `dump-config` prints.

use std::fmt;

use crate::Config;
use crate::table::{Id, KEYS};

impl Config {
    /// Returns the effective configuration as an indented JSON object: every key, in the order of the table, after all
    /// rules; secrets as `***`.
    pub fn dump_json(&self) -> String {
        let object = KEYS.iter().map(|key| (key.name.to_owned(), self.value(key.id))).collect();
        format!("{:#}", serde_json::Value::Object(object))
    }

    /// Returns the effective value of one key as JSON, a secret as `***`. For showing; code reads the typed fields.
    pub fn value(&self, id: Id) -> serde_json::Value {
        self.effective.shown(id)
    }

    /// Returns whether a file gave this key.
    pub fn is_given(&self, id: Id) -> bool {
        self.raw.is_given(id)
    }
}

impl fmt::Debug for Config {
    /// Shows the effective values, secrets as `***`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(KEYS.iter().map(|key| (key.name, self.value(key.id)))).finish()
    }
}
