//! Detections, recoveries, journals.

use rusqlite::{Connection, OptionalExtension, Row};
use topology::{InstanceKey, ServerUuid, Timestamp};

use super::Condition;
use crate::rows::{
    Acknowledgement, Blocked, Detection, DetectionFilter, Narration, Page, PlanRecord, PlanState, Recovery,
    RecoveryFilter, StepRecord,
};
use crate::sql::{all, key, named_key, split_keys, text};
use crate::{Error, NodeId, StepOutcome, Store, moment};

const DETECTIONS: &str = "SELECT d.*, (SELECT MAX(r.recovery_id) FROM topology_recovery r
                                       WHERE r.last_detection_id = d.detection_id) AS recovery_id
                            FROM topology_failure_detection d";

const RECOVERIES: &str = "SELECT r.*, p.kind, p.first_epoch, p.parent, p.current_cluster_name
                            FROM topology_recovery r LEFT JOIN recovery_plan p ON p.uid = r.uid";

impl Store {
    /// Returns detections, newest first.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn detections(&self, filter: DetectionFilter, page: Page) -> Result<Vec<Detection>, Error> {
        self.query(move |db| {
            let mut condition = Condition::default();
            condition.and_some("d.detection_id = ?", filter.id);
            condition.and_some("d.cluster_name = ?", filter.cluster_name);
            condition.and_some("d.cluster_alias = ?", filter.cluster_alias);
            condition.and_key("d.hostname = ? AND d.port = ?", filter.key);
            condition.and_if(filter.active, "d.in_active_period = 1");
            let sql = condition.select(DETECTIONS, "d.detection_id DESC", page);
            all(db, &sql, condition.values().as_slice(), detection)
        })
    }

    /// Returns recoveries, newest first.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn recoveries(&self, filter: RecoveryFilter, page: Page) -> Result<Vec<Recovery>, Error> {
        self.query(move |db| recoveries(db, filter, page))
    }

    /// Returns recoveries that may stand in the way of another one (anti-flapping), newest first: active, begun at
    /// `since` or later, and of a cluster of this name (by its name then or, while it runs, now), or with a failed
    /// instance or a successor among `members`. The caller compares like with like by [`Recovery::code`].
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn blocking_recoveries(
        &self,
        cluster: &str,
        members: &[InstanceKey],
        since: Timestamp,
    ) -> Result<Vec<Recovery>, Error> {
        let (cluster, mut members) = (cluster.to_owned(), members.to_vec());
        members.sort();
        self.query(move |db| {
            let sql = format!(
                "{RECOVERIES} WHERE r.in_active_period = 1 AND r.start_active_period >= ? ORDER BY r.recovery_id DESC"
            );
            let mut found = all(db, &sql, [moment::text(since)], |row| {
                let current = row.get::<_, Option<String>>("current_cluster_name")?;
                Ok((recovery(row)?, current))
            })?;
            let member = |key: &InstanceKey| members.binary_search(key).is_ok();
            found.retain(|(recovery, current)| {
                recovery.started >= since
                    && (recovery.cluster_name == cluster
                        || current.as_deref() == Some(&cluster)
                        || member(&recovery.key)
                        || recovery.successor.as_ref().is_some_and(member))
            });
            Ok(found.into_iter().map(|(recovery, _)| recovery).collect())
        })
    }

    /// Returns recoveries whose journal is open, oldest first: after a crash, those to go on with or to close.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn running_recoveries(&self) -> Result<Vec<Recovery>, Error> {
        self.query(|db| {
            let mut found = recoveries(db, RecoveryFilter { running: true, ..Default::default() }, Page::all())?;
            found.reverse();
            Ok(found)
        })
    }

    /// Returns the story of a recovery, oldest sentence first.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn recovery_steps(&self, uid: &str) -> Result<Vec<Narration>, Error> {
        let uid = uid.to_owned();
        self.query(move |db| {
            let sql = "SELECT * FROM topology_recovery_steps WHERE recovery_uid = ? ORDER BY recovery_step_id";
            all(db, sql, [uid], |row| {
                Ok(Narration {
                    id: row.get("recovery_step_id")?,
                    uid: text(row, "recovery_uid")?,
                    at: moment::read(row, "audit_at")?.unwrap_or_default(),
                    message: text(row, "message")?,
                })
            })
        })
    }

    /// Returns the journal of a recovery; none when there is none, as of those that Orchestrator ran.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn plan(&self, uid: &str) -> Result<Option<PlanRecord>, Error> {
        let uid = uid.to_owned();
        self.query(move |db| {
            let sql = "SELECT * FROM recovery_plan WHERE uid = ?";
            let Some(mut plan) = db.prepare_cached(sql)?.query_row([&uid], plan).optional()? else { return Ok(None) };
            let sql = "SELECT * FROM recovery_plan_step WHERE uid = ? ORDER BY number";
            plan.steps = all(db, sql, [&uid], step)?;
            Ok(Some(plan))
        })
    }

    /// Returns recoveries that were held back, of one cluster or of all, newest first.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn blocked(&self, cluster: Option<&str>) -> Result<Vec<Blocked>, Error> {
        let cluster = cluster.map(str::to_owned);
        self.query(move |db| {
            let mut condition = Condition::default();
            condition.and_some("cluster_name = ?", cluster);
            let order = "last_blocked_timestamp DESC, hostname, port";
            let sql = condition.select("SELECT * FROM blocked_topology_recovery", order, Page::all());
            all(db, &sql, condition.values().as_slice(), |row| {
                Ok(Blocked {
                    key: key(row)?,
                    cluster_name: text(row, "cluster_name")?,
                    code: text(row, "analysis")?,
                    at: moment::read_coarse(row, "last_blocked_timestamp")?,
                    recovery_id: row.get("blocking_recovery_id")?,
                })
            })
        })
    }
}

fn recoveries(db: &Connection, filter: RecoveryFilter, page: Page) -> rusqlite::Result<Vec<Recovery>> {
    let mut condition = Condition::default();
    condition.and_some("r.recovery_id = ?", filter.id);
    condition.and_some("r.uid = ?", filter.uid);
    condition.and_some("r.cluster_name = ?", filter.cluster_name);
    condition.and_some("r.cluster_alias = ?", filter.cluster_alias);
    condition.and_key("r.hostname = ? AND r.port = ?", filter.key);
    condition.and_key("r.successor_hostname = ? AND r.successor_port = ?", filter.successor);
    condition.and_if(filter.unacknowledged, "r.acknowledged = 0");
    condition.and_if(filter.running, "p.state = 'running'");
    condition.and_some("r.end_recovery >= ?", filter.ended_since.map(moment::text));
    let sql = condition.select(RECOVERIES, "r.recovery_id DESC", page);
    all(db, &sql, condition.values().as_slice(), recovery)
}

fn node(row: &Row<'_>) -> rusqlite::Result<NodeId> {
    // The column's spelling is Orchestrator's.
    Ok(NodeId { hostname: text(row, "processing_node_hostname")?, token: text(row, "processcing_node_token")? })
}

fn count(row: &Row<'_>) -> rusqlite::Result<u32> {
    let count: Option<i64> = row.get("count_affected_slaves")?;
    Ok(u32::try_from(count.unwrap_or(0)).unwrap_or(0))
}

fn detection(row: &Row<'_>) -> rusqlite::Result<Detection> {
    Ok(Detection {
        id: row.get("detection_id")?,
        key: key(row)?,
        uuid: ServerUuid::new(&text(row, "server_uuid")?),
        code: text(row, "analysis")?,
        cluster_name: text(row, "cluster_name")?,
        cluster_alias: text(row, "cluster_alias")?,
        replicas: split_keys(&text(row, "slave_hosts")?),
        replica_count: count(row)?,
        actionable: row.get("is_actionable")?,
        at: moment::read(row, "start_active_period")?.unwrap_or_default(),
        node: node(row)?,
        is_active: row.get("in_active_period")?,
        recovery_id: row.get::<_, Option<i64>>("recovery_id")?.unwrap_or(0),
    })
}

fn recovery(row: &Row<'_>) -> rusqlite::Result<Recovery> {
    let acknowledged: bool = row.get("acknowledged")?;
    let acknowledgement = Acknowledgement {
        at: moment::read(row, "acknowledged_at")?.unwrap_or_default(),
        by: text(row, "acknowledged_by")?,
        comment: text(row, "acknowledge_comment")?,
    };
    let successor = named_key(row, "successor_hostname", "successor_port")?;
    Ok(Recovery {
        id: row.get("recovery_id")?,
        uid: text(row, "uid")?,
        key: key(row)?,
        code: text(row, "analysis")?,
        kind: text(row, "kind")?,
        cluster_name: text(row, "cluster_name")?,
        cluster_alias: text(row, "cluster_alias")?,
        replicas: split_keys(&text(row, "slave_hosts")?),
        replica_count: count(row)?,
        started: moment::read(row, "start_active_period")?.unwrap_or_default(),
        ended: moment::read(row, "end_recovery")?,
        node: node(row)?,
        is_active: row.get("in_active_period")?,
        is_successful: row.get("is_successful")?,
        successor: (!successor.host.is_empty()).then_some(successor),
        successor_alias: text(row, "successor_alias")?,
        lost: split_keys(&text(row, "lost_slaves")?),
        participating: split_keys(&text(row, "participating_instances")?),
        errors: text(row, "all_errors")?.lines().map(str::to_owned).collect(),
        acknowledged: acknowledged.then_some(acknowledgement),
        detection_id: row.get::<_, Option<i64>>("last_detection_id")?.unwrap_or(0),
        epoch: row.get::<_, Option<i64>>("first_epoch")?.unwrap_or(0).unsigned_abs(),
        parent: row.get("parent")?,
        certificate: row.get("certificate")?,
    })
}

fn plan(row: &Row<'_>) -> rusqlite::Result<PlanRecord> {
    Ok(PlanRecord {
        uid: row.get("uid")?,
        cluster_name: row.get("current_cluster_name")?,
        plan: row.get("plan")?,
        epoch: row.get::<_, i64>("epoch")?.unsigned_abs(),
        node: NodeId { hostname: row.get("node_hostname")?, token: row.get("node_token")? },
        parent: row.get("parent")?,
        state: match text(row, "state")?.as_str() {
            "running" => PlanState::Running,
            "done" => PlanState::Done,
            _ => PlanState::Failed,
        },
        steps: Vec::new(),
    })
}

fn step(row: &Row<'_>) -> rusqlite::Result<StepRecord> {
    Ok(StepRecord {
        number: row.get("number")?,
        epoch: row.get::<_, i64>("epoch")?.unsigned_abs(),
        started: moment::read(row, "started")?,
        outcome: match text(row, "state")?.as_str() {
            "done" => Some(StepOutcome::Done),
            "skipped" => Some(StepOutcome::Skipped),
            "failed" => Some(StepOutcome::Failed),
            _ => None,
        },
        finished: moment::read(row, "finished")?,
        message: text(row, "message")?,
    })
}
