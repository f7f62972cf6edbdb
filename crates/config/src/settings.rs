//! One value per key, each with the place it came from: what lies between the files and the typed [`Config`].
//!
//! [`Config`]: crate::Config

use crate::key::{Kind, Literal};
use crate::report::Place;
use crate::table::{Id, KEYS};

/// A value of a key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    Text(String),
    Whole(i64),
    Float(f64),
    List(Vec<String>),
    /// In the order of the file.
    Map(Vec<(String, String)>),
}

impl From<Literal> for Value {
    fn from(literal: Literal) -> Self {
        match literal {
            Literal::Bool(value) => Value::Bool(value),
            Literal::Text(value) => Value::Text(value.to_owned()),
            Literal::Whole(value) => Value::Whole(value),
            Literal::Float(value) => Value::Float(value),
            Literal::List(values) => Value::List(values.iter().map(|&value| value.to_owned()).collect()),
            Literal::Map => Value::Map(Vec::new()),
        }
    }
}

impl Value {
    /// Returns the value as JSON, without masking anything.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Bool(value) => (*value).into(),
            Value::Text(value) => value.as_str().into(),
            Value::Whole(value) => (*value).into(),
            Value::Float(value) => (*value).into(),
            Value::List(values) => values.as_slice().into(),
            Value::Map(pairs) => serde_json::Value::Object(
                pairs.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect(),
            ),
        }
    }
}

/// A value and where it was written. `place` is empty for a default, so it also tells whether the key was given at all.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) value: Value,
    pub(crate) place: Option<Place>,
    /// The place of each entry of a list or map that a file gave.
    pub(crate) entries: Vec<Place>,
}

/// The values of all keys. Accessors panic on a key of another shape: the table and its readers disagree, which the
/// first construction of a default `Config` shows.
#[derive(Clone, Debug)]
pub(crate) struct Settings(Vec<Setting>);

impl Default for Settings {
    fn default() -> Self {
        let default = |literal: Literal| Setting { value: literal.into(), place: None, entries: Vec::new() };
        Self(KEYS.iter().map(|key| default(key.default)).collect())
    }
}

impl Settings {
    pub(crate) fn get(&self, id: Id) -> &Setting {
        &self.0[id as usize]
    }

    pub(crate) fn get_mut(&mut self, id: Id) -> &mut Setting {
        &mut self.0[id as usize]
    }

    /// Changes the value and keeps the place.
    pub(crate) fn adjust(&mut self, id: Id, value: Value) {
        self.get_mut(id).value = value;
    }

    pub(crate) fn value(&self, id: Id) -> &Value {
        &self.get(id).value
    }

    pub(crate) fn place(&self, id: Id) -> Option<Place> {
        self.get(id).place.clone()
    }

    /// Returns whether a file gave the key.
    pub(crate) fn is_given(&self, id: Id) -> bool {
        self.get(id).place.is_some()
    }

    /// Returns whether the value is the default, given or not.
    pub(crate) fn is_default(&self, id: Id) -> bool {
        *self.value(id) == Value::from(id.key().default)
    }

    pub(crate) fn bool(&self, id: Id) -> bool {
        match self.value(id) {
            Value::Bool(value) => *value,
            _ => unreachable!("{} is no bool", id.name()),
        }
    }

    pub(crate) fn text(&self, id: Id) -> &str {
        match self.value(id) {
            Value::Text(value) => value,
            _ => unreachable!("{} is no text", id.name()),
        }
    }

    pub(crate) fn whole(&self, id: Id) -> i64 {
        match self.value(id) {
            Value::Whole(value) => *value,
            _ => unreachable!("{} is no whole number", id.name()),
        }
    }

    pub(crate) fn float(&self, id: Id) -> f64 {
        match self.value(id) {
            Value::Float(value) => *value,
            _ => unreachable!("{} is no number", id.name()),
        }
    }

    pub(crate) fn list(&self, id: Id) -> &[String] {
        match self.value(id) {
            Value::List(values) => values,
            _ => unreachable!("{} is no list", id.name()),
        }
    }

    pub(crate) fn map(&self, id: Id) -> &[(String, String)] {
        match self.value(id) {
            Value::Map(pairs) => pairs,
            _ => unreachable!("{} is no object", id.name()),
        }
    }

    /// Returns the value as JSON as it may be shown: secrets are `***`.
    pub(crate) fn shown(&self, id: Id) -> serde_json::Value {
        match (id.key().kind, self.value(id)) {
            (Kind::Secret, Value::Text(text)) if !text.is_empty() => "***".into(),
            (_, value) => value.to_json(),
        }
    }
}
