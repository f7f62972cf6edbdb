//! The tables behind [`topology::Declared`], read part by part.
//!
//! A value that cannot be read (a host name that somebody wiped, a rule that no program knows) is left out: one odd row
//! must not keep the manager from knowing the others.

use std::sync::Arc;

use rusqlite::{Connection, Row};
use topology::{
    Declared, Demoted, Downtime, InstanceKey, Maintenance, PromotionRule, RegisteredRule, ServerUuid, Timestamp,
};

use crate::moment;
use crate::sql::{all, key, named_key, one, text};

/// A part of [`Declared`], by the commands that change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Section {
    Downtimes,
    Maintenance,
    PromotionRules,
    AliasOverrides,
    Demoted,
    Forgotten,
    Watched,
    Tags,
    RecoveriesDisabled,
    Recovering,
}

/// Every section.
pub(crate) const EVERYTHING: &[Section] = &[
    Section::Downtimes,
    Section::Maintenance,
    Section::PromotionRules,
    Section::AliasOverrides,
    Section::Demoted,
    Section::Forgotten,
    Section::Watched,
    Section::Tags,
    Section::RecoveriesDisabled,
    Section::Recovering,
];

/// Reads `section` anew into `declared`.
pub(crate) fn refresh(db: &Connection, declared: &mut Declared, section: Section) -> rusqlite::Result<()> {
    match section {
        Section::Downtimes => declared.downtimes = by_key(db, "database_instance_downtime", downtime)?,
        Section::Maintenance => {
            declared.maintenance =
                by_key(db, "database_instance_maintenance WHERE maintenance_active = 1", maintenance)?;
        }
        Section::PromotionRules => declared.promotion_rules = by_key(db, "candidate_database_instance", rule)?,
        Section::AliasOverrides => {
            let sql = "SELECT cluster_name, alias FROM cluster_alias_override";
            declared.alias_overrides = all(db, sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().collect();
        }
        Section::Demoted => {
            declared.demoted = by_key(db, "demoted_instance WHERE left_closed = 0", demoted)?;
            declared.left_closed = by_key(db, "demoted_instance WHERE left_closed = 1", demoted)?;
        }
        Section::Forgotten => {
            declared.forgotten = by_key(db, "forgotten_instance", |row| moment::read(row, "forgotten_until"))?;
        }
        Section::Watched => {
            let sql = "SELECT hostname, port FROM watched_instance";
            declared.watched = Arc::new(all(db, sql, [], key)?.into_iter().collect());
        }
        Section::Tags => {
            declared.tags.clear();
            let sql = "SELECT hostname, port, tag_name, tag_value FROM database_instance_tags";
            for (key, name, value) in
                all(db, sql, [], |row| Ok((key(row)?, text(row, "tag_name")?, text(row, "tag_value")?)))?
            {
                declared.tags.entry(key).or_default().insert(name, value);
            }
        }
        Section::RecoveriesDisabled => {
            let sql = "SELECT 1 FROM global_recovery_disable WHERE disable_recovery = 1";
            declared.recoveries_disabled = one::<i64>(db, sql, [])?.is_some();
        }
        Section::Recovering => {
            // Under its first name and under its present one: a snapshot may show either.
            let sql = "SELECT cluster_name FROM recovery_plan WHERE state = 'running'
                       UNION SELECT current_cluster_name FROM recovery_plan WHERE state = 'running'";
            declared.recovering = all(db, sql, [], |row| row.get(0))?.into_iter().collect();
        }
    }
    Ok(())
}

fn by_key<T>(
    db: &Connection,
    from: &str,
    read: fn(&Row<'_>) -> rusqlite::Result<Option<T>>,
) -> rusqlite::Result<std::collections::BTreeMap<InstanceKey, T>> {
    let rows = all(db, &format!("SELECT * FROM {from}"), [], |row| Ok((key(row)?, read(row)?)))?;
    Ok(rows.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
}

fn downtime(row: &Row<'_>) -> rusqlite::Result<Option<Downtime>> {
    let Some(ends) = moment::read(row, "end_timestamp")? else { return Ok(None) };
    let begins = moment::read(row, "begin_timestamp")?.unwrap_or_default();
    Ok(Some(Downtime { owner: text(row, "owner")?, reason: text(row, "reason")?, begins, ends }))
}

/// Reads a lock. One without an end (a program that does not know ends wrote it) lasts until somebody ends it.
pub(crate) fn maintenance(row: &Row<'_>) -> rusqlite::Result<Option<Maintenance>> {
    Ok(Some(Maintenance {
        id: row.get("database_instance_maintenance_id")?,
        owner: text(row, "owner")?,
        reason: text(row, "reason")?,
        begins: moment::read(row, "begin_timestamp")?.unwrap_or_default(),
        ends: moment::read(row, "end_timestamp")?.unwrap_or(Timestamp(i64::MAX)),
    }))
}

fn rule(row: &Row<'_>) -> rusqlite::Result<Option<RegisteredRule>> {
    let rule = text(row, "promotion_rule")?.parse::<PromotionRule>().ok();
    let at = moment::read(row, "last_suggested")?;
    Ok(rule.zip(at).map(|(rule, at)| RegisteredRule { rule, at }))
}

fn demoted(row: &Row<'_>) -> rusqlite::Result<Option<Demoted>> {
    Ok(Some(Demoted {
        key: key(row)?,
        uuid: ServerUuid::new(&text(row, "server_uuid")?),
        server_id: row.get("server_id")?,
        successor: named_key(row, "successor_hostname", "successor_port")?,
        recovery_uid: text(row, "recovery_uid")?,
        at: moment::read(row, "demoted_at")?.unwrap_or_default(),
    }))
}
