//! One row of a result, as text.

use std::fmt;
use std::sync::Arc;

/// One row of a result set. Columns are found by name in any case, by the first of several names that the row has:
/// servers renamed columns between versions and do not agree on case.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    columns: Arc<[String]>,
    values: Vec<Option<String>>,
}

impl Row {
    /// Returns the row with these column names and values; `None` is SQL's NULL. Missing values are NULL.
    pub fn new(columns: Arc<[String]>, mut values: Vec<Option<String>>) -> Self {
        values.resize(columns.len(), None);
        Self { columns, values }
    }

    /// Returns the value at `index`, or nothing when it is NULL or there is no such column.
    pub fn get(&self, index: usize) -> Option<&str> {
        self.values.get(index)?.as_deref()
    }

    /// True when the row has a column of one of these names, NULL or not.
    pub fn has(&self, names: &[&str]) -> bool {
        self.position(names).is_some()
    }

    /// Returns the value of the first of `names` that is a column; nothing when there is none or it is NULL.
    pub fn text(&self, names: &[&str]) -> Option<&str> {
        self.get(self.position(names)?)
    }

    /// Like [`Row::text`], with an empty text for NULL and for a missing column.
    pub fn text_or_empty(&self, names: &[&str]) -> String {
        self.text(names).unwrap_or_default().to_owned()
    }

    /// Returns the value as a number; nothing when it is NULL, missing or not a number of this type. A negative number
    /// is nothing for an unsigned type.
    pub fn number<T: std::str::FromStr>(&self, names: &[&str]) -> Option<T> {
        self.text(names)?.trim().parse().ok()
    }

    /// Returns the value as an unsigned number; a decimal part is cut off.
    pub fn u64(&self, names: &[&str]) -> Option<u64> {
        let text = self.text(names)?.trim();
        text.split('.').next()?.parse().ok()
    }

    /// Returns whether the value says yes: `Yes`, `ON`, `TRUE` or `1`, in any case; nothing when it is NULL, empty or
    /// the column is missing.
    pub fn yes(&self, names: &[&str]) -> Option<bool> {
        let text = self.text(names)?.trim();
        (!text.is_empty()).then(|| ["yes", "on", "true", "1"].iter().any(|word| text.eq_ignore_ascii_case(word)))
    }

    /// Returns every column name with its value, in the order of the result.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.columns.iter().map(String::as_str).zip(self.values.iter().map(Option::as_deref))
    }

    fn position(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.columns.iter().position(|column| column.eq_ignore_ascii_case(name)))
    }
}

impl fmt::Debug for Row {
    /// Writes column names only: a value may be a password (`ReplicationCredentialsQuery`).
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Row{:?}", self.columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        let columns = ["Source_Host", "Lag", "Enabled", "Delay"].map(str::to_owned);
        let values = [Some("db1"), None, Some("ON"), Some("2.75")].map(|value| value.map(str::to_owned));
        Row::new(columns.into(), values.into())
    }

    #[test]
    fn columns_are_found_in_any_case_and_by_alternatives() {
        let row = row();
        assert_eq!(row.text(&["Master_Host", "source_host"]), Some("db1"));
        assert_eq!(row.text(&["Master_Host"]), None);
        assert_eq!(row.get(0), Some("db1"));
        assert_eq!(row.get(9), None);
    }

    #[test]
    fn null_missing_and_ill_typed_are_nothing() {
        let row = row();
        assert!(row.has(&["lag"]));
        assert_eq!(row.u64(&["lag"]), None);
        assert_eq!(row.u64(&["source_host"]), None);
        assert_eq!(row.u64(&["delay"]), Some(2));
        assert_eq!(row.yes(&["enabled"]), Some(true));
        assert_eq!(row.yes(&["source_host"]), Some(false));
        assert_eq!(row.yes(&["lag"]), None);
    }

    #[test]
    fn a_short_row_has_nulls() {
        let row = Row::new(["a".to_owned(), "b".to_owned()].into(), vec![Some("1".to_owned())]);
        assert_eq!((row.text(&["a"]), row.text(&["b"])), (Some("1"), None));
    }

    #[test]
    fn debug_shows_no_values() {
        assert!(!format!("{:?}", row()).contains("db1"));
    }
}
