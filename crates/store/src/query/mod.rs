//! Questions to the store. Each runs on a connection that only reads and sees one state.

mod audit;
mod divergence;
mod facts;
mod recovery;

use rusqlite::ToSql;
use rusqlite::types::Value;

use crate::Page;

/// A `WHERE` clause that grows by what a filter asks for.
#[derive(Default)]
struct Condition {
    parts: Vec<&'static str>,
    values: Vec<Value>,
}

impl Condition {
    fn and(&mut self, part: &'static str, values: impl IntoIterator<Item = Value>) {
        self.parts.push(part);
        self.values.extend(values);
    }

    fn and_if(&mut self, wanted: bool, part: &'static str) {
        if wanted {
            self.parts.push(part);
        }
    }

    fn and_some<T: Into<Value>>(&mut self, part: &'static str, value: Option<T>) {
        if let Some(value) = value {
            self.and(part, [value.into()]);
        }
    }

    fn and_key(&mut self, part: &'static str, key: Option<topology::InstanceKey>) {
        if let Some(key) = key {
            self.and(part, [key.host.into(), i64::from(key.port).into()]);
        }
    }

    /// Returns `sql WHERE … ORDER BY order LIMIT … OFFSET …`.
    fn select(&mut self, sql: &str, order: &str, page: Page) -> String {
        let filter = if self.parts.is_empty() { "1 = 1".to_owned() } else { self.parts.join(" AND ") };
        self.values.push(i64::from(page.size).into());
        self.values.push((i64::from(page.size) * i64::from(page.number)).into());
        format!("{sql} WHERE {filter} ORDER BY {order} LIMIT ? OFFSET ?")
    }

    fn values(&self) -> Vec<&dyn ToSql> {
        self.values.iter().map(|value| value as &dyn ToSql).collect()
    }
}
