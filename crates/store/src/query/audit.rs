//! What was done, and which locks are on.

use topology::InstanceKey;

use super::Condition;
use crate::rows::{AuditRow, MaintenanceRow, Page};
use crate::sql::{all, key, text};
use crate::{Error, Store, declared, moment};

impl Store {
    /// Returns audit rows, of one instance or of all, newest first.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn audit(&self, instance: Option<&InstanceKey>, page: Page) -> Result<Vec<AuditRow>, Error> {
        let instance = instance.cloned();
        self.query(move |db| {
            let mut condition = Condition::default();
            condition.and_key("hostname = ? AND port = ?", instance);
            let sql = condition.select("SELECT * FROM audit", "audit_id DESC", page);
            all(db, &sql, condition.values().as_slice(), |row| {
                let key = key(row)?;
                Ok(AuditRow {
                    id: row.get("audit_id")?,
                    at: moment::read(row, "audit_timestamp")?.unwrap_or_default(),
                    kind: text(row, "audit_type")?,
                    key: (!key.host.is_empty()).then_some(key),
                    cluster_name: text(row, "cluster_name")?,
                    message: text(row, "message")?,
                })
            })
        })
    }

    /// Returns the locks that nobody ended, oldest first. One may be past its end until the next
    /// [`crate::Command::Expire`].
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn maintenance(&self) -> Result<Vec<MaintenanceRow>, Error> {
        self.query(|db| {
            let sql = "SELECT * FROM database_instance_maintenance WHERE maintenance_active = 1
                        ORDER BY database_instance_maintenance_id";
            let rows = all(db, sql, [], |row| Ok((key(row)?, declared::maintenance(row)?)))?;
            Ok(rows.into_iter().filter_map(|(key, lock)| Some(MaintenanceRow { key, maintenance: lock? })).collect())
        })
    }
}
