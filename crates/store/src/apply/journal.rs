//! The journal of a recovery: begin, resume, steps, end; and the epochs that fence old executors off.

use rusqlite::{Connection, OptionalExtension, params};
use topology::{InstanceKey, Timestamp};

use crate::error::Fault;
use crate::sql::{join_keys, one, run};
use crate::{Applied, Ending, NewRecovery, NodeId, Refusal, StepOutcome, moment};

pub(super) fn raise_epoch(db: &Connection, cluster: &str) -> Result<Applied, Fault> {
    let epoch = epoch_of(db, cluster)? + 1;
    run(db, "REPLACE INTO cluster_epoch (cluster_name, epoch) VALUES (?, ?)", params![cluster, epoch])?;
    Ok(Applied::Epoch(epoch.unsigned_abs()))
}

fn epoch_of(db: &Connection, cluster: &str) -> rusqlite::Result<i64> {
    Ok(one(db, "SELECT epoch FROM cluster_epoch WHERE cluster_name = ?", [cluster])?.unwrap_or(0))
}

/// Opens the journal. A uid that is on record already is the same command once more, and answered as such.
pub(super) fn begin(db: &Connection, new: &NewRecovery) -> Result<Applied, Fault> {
    let known = one(db, "SELECT recovery_id FROM topology_recovery WHERE uid = ?", [&new.uid])?;
    if let Some(id) = known {
        return Ok(Applied::Recovery { id, fresh: false });
    }
    let running = "SELECT uid FROM recovery_plan WHERE state = 'running' AND ? IN (cluster_name, current_cluster_name)
                    ORDER BY uid LIMIT 1";
    if let Some(uid) = one(db, running, [&new.cluster_name])? {
        return Err(Refusal::ClusterBusy { cluster: new.cluster_name.clone(), uid }.into());
    }
    fence(&new.cluster_name, new.epoch, epoch_of(db, &new.cluster_name)?)?;
    let id = insert_recovery(db, new)?;
    let epoch = new.epoch.cast_signed();
    run(
        db,
        "INSERT INTO recovery_plan (uid, cluster_name, current_cluster_name, kind, first_epoch, epoch, node_hostname,
           node_token, parent, plan, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'running')",
        params![
            new.uid,
            new.cluster_name,
            new.cluster_name,
            new.kind,
            epoch,
            epoch,
            new.node.hostname,
            new.node.token,
            new.parent,
            new.plan
        ],
    )?;
    Ok(Applied::Recovery { id, fresh: true })
}

fn insert_recovery(db: &Connection, new: &NewRecovery) -> rusqlite::Result<i64> {
    run(
        db,
        "INSERT INTO topology_recovery (uid, hostname, port, in_active_period, start_active_period,
           start_active_period_us, end_active_period_unixtime, processing_node_hostname, processcing_node_token,
           analysis, cluster_name, cluster_alias, count_affected_slaves, slave_hosts, participating_instances,
           lost_slaves, all_errors, acknowledged, last_detection_id)
         VALUES (?, ?, ?, 1, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, '', '', '', 0, ?)",
        params![
            new.uid,
            new.key.host,
            new.key.port,
            moment::text(new.at),
            new.at.0,
            new.node.hostname,
            new.node.token,
            new.code,
            new.cluster_name,
            new.cluster_alias,
            new.replicas.len() as i64,
            join_keys(&new.replicas),
            new.detection_id
        ],
    )?;
    Ok(db.last_insert_rowid())
}

/// Refuses what an executor says whose epoch is over.
fn fence(cluster: &str, epoch: u64, current: i64) -> Result<(), Refusal> {
    let current = current.unsigned_abs();
    if epoch >= current { Ok(()) } else { Err(Refusal::StaleEpoch { cluster: cluster.to_owned(), epoch, current }) }
}

/// Checks that the recovery runs and that `epoch` is not over under either of its cluster's names, nor the one of an
/// executor that took it over.
fn check_executor(db: &Connection, uid: &str, epoch: u64) -> Result<(), Fault> {
    let plan = db
        .prepare_cached("SELECT state, epoch, cluster_name, current_cluster_name FROM recovery_plan WHERE uid = ?")?
        .query_row([uid], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?, row.get::<_, String>(3)?))
        })
        .optional()?;
    let Some((state, taken_over_at, first_name, name)) = plan else {
        return Err(Refusal::UnknownRecovery { uid: uid.to_owned() }.into());
    };
    let current = taken_over_at.max(epoch_of(db, &first_name)?).max(epoch_of(db, &name)?);
    fence(&name, epoch, current)?;
    if state == "running" { Ok(()) } else { Err(Refusal::RecoveryEnded { uid: uid.to_owned() }.into()) }
}

pub(super) fn resume(db: &Connection, uid: &str, epoch: u64, node: &NodeId) -> Result<(), Fault> {
    check_executor(db, uid, epoch)?;
    let sql = "UPDATE recovery_plan SET epoch = ?, node_hostname = ?, node_token = ? WHERE uid = ?";
    run(db, sql, params![epoch.cast_signed(), node.hostname, node.token, uid])?;
    let sql = "UPDATE topology_recovery SET processing_node_hostname = ?, processcing_node_token = ? WHERE uid = ?";
    run(db, sql, params![node.hostname, node.token, uid])?;
    Ok(())
}

pub(super) fn replace_plan(db: &Connection, uid: &str, epoch: u64, plan: &str) -> Result<(), Fault> {
    check_executor(db, uid, epoch)?;
    run(db, "UPDATE recovery_plan SET plan = ? WHERE uid = ?", [plan, uid])?;
    Ok(())
}

pub(super) fn step_started(
    db: &Connection,
    (uid, number): (&str, u32),
    epoch: u64,
    at: Timestamp,
) -> Result<(), Fault> {
    check_executor(db, uid, epoch)?;
    if matches!(step_state(db, uid, number)?.as_deref(), Some("done" | "skipped")) {
        return Err(Refusal::StepFinished { uid: uid.to_owned(), number }.into());
    }
    run(
        db,
        "REPLACE INTO recovery_plan_step (uid, number, epoch, state, started, started_us, message)
         VALUES (?, ?, ?, 'started', ?, ?, '')",
        params![uid, number, epoch.cast_signed(), moment::text(at), at.0],
    )?;
    Ok(())
}

/// Journals an outcome. The same outcome once more changes nothing; a step that was never begun (skipped, found done)
/// gets a row without a start.
pub(super) fn step_finished(
    db: &Connection,
    (uid, number): (&str, u32),
    epoch: u64,
    (outcome, message): (StepOutcome, &str),
    at: Timestamp,
) -> Result<(), Fault> {
    check_executor(db, uid, epoch)?;
    let state = state_word(outcome);
    match step_state(db, uid, number)?.as_deref() {
        Some(known) if known == state => return Ok(()),
        Some("done" | "skipped") => return Err(Refusal::StepFinished { uid: uid.to_owned(), number }.into()),
        Some(_) => {}
        None => {
            let sql = "INSERT INTO recovery_plan_step (uid, number, epoch, state, message) VALUES (?, ?, ?, '', '')";
            run(db, sql, params![uid, number, epoch.cast_signed()])?;
        }
    }
    run(
        db,
        "UPDATE recovery_plan_step SET state = ?, message = ?, finished = ?, finished_us = ?, epoch = ?
          WHERE uid = ? AND number = ?",
        params![state, message, moment::text(at), at.0, epoch.cast_signed(), uid, number],
    )?;
    Ok(())
}

fn step_state(db: &Connection, uid: &str, number: u32) -> rusqlite::Result<Option<String>> {
    one(db, "SELECT state FROM recovery_plan_step WHERE uid = ? AND number = ?", params![uid, number])
}

fn state_word(outcome: StepOutcome) -> &'static str {
    match outcome {
        StepOutcome::Done => "done",
        StepOutcome::Skipped => "skipped",
        StepOutcome::Failed => "failed",
    }
}

pub(super) fn note(db: &Connection, uid: &str, message: &str, at: Timestamp) -> Result<(), Fault> {
    run(
        db,
        "INSERT INTO topology_recovery_steps (recovery_uid, audit_at, message, audit_at_us) VALUES (?, ?, ?, ?)",
        params![uid, moment::text(at), message, at.0],
    )?;
    Ok(())
}

/// Closes the journal. A recovery that changed no server stops blocking later ones at once.
pub(super) fn end(db: &Connection, ending: &Ending) -> Result<(), Fault> {
    check_executor(db, &ending.uid, ending.epoch)?;
    let state = if ending.successful { "done" } else { "failed" };
    run(db, "UPDATE recovery_plan SET state = ? WHERE uid = ?", [state, &ending.uid])?;
    let successor = ending.successor.as_ref();
    run(
        db,
        "UPDATE topology_recovery SET is_successful = ?, successor_hostname = ?, successor_port = ?,
           successor_alias = ?, lost_slaves = ?, participating_instances = ?, all_errors = ?, certificate = ?,
           end_recovery = ?, end_recovery_us = ? WHERE uid = ?",
        params![
            ending.successful,
            successor.map(|key| key.host.as_str()),
            successor.map(|key: &InstanceKey| key.port),
            ending.successor_alias,
            join_keys(&ending.lost),
            join_keys(&ending.participating),
            ending.errors.join("\n"),
            ending.certificate,
            moment::text(ending.at),
            ending.at.0,
            ending.uid
        ],
    )?;
    if !ending.mutated {
        let sql = "UPDATE topology_recovery SET in_active_period = 0, end_active_period_unixtime = ?
                    WHERE uid = ? AND in_active_period = 1";
        run(db, sql, params![ending.at.secs(), ending.uid])?;
    }
    Ok(())
}
