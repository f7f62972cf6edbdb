//! Stories about the store.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so best by panicking")]

mod ageing;
mod changelog;
mod crash;
mod damage;
mod determinism;
mod divergence;
mod journal;
mod observed;
mod operators;
mod takeover;
mod threads;

use std::time::Duration;

use topology::{Downtime, InstanceKey, Timestamp};

use crate::{Applied, Command, Ending, Mode, NewDetection, NewRecovery, NodeId, Store};

const HOUR: Duration = Duration::from_secs(3600);

fn memory() -> Store {
    Store::open(":memory:", Mode::Own).expect("memory is always there")
}

/// Noon of some day, and that many seconds.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_795_348_800 + seconds)
}

fn db(number: u16) -> InstanceKey {
    InstanceKey::new(format!("db{number}"), 3306)
}

fn node(number: u16) -> NodeId {
    NodeId { hostname: format!("manager{number}"), token: format!("token{number}") }
}

fn downtime(begins: Timestamp, ends: Timestamp) -> Downtime {
    Downtime { owner: "ops".to_owned(), reason: "new disk".to_owned(), begins, ends }
}

fn detection(key: InstanceKey, code: &str, when: Timestamp) -> NewDetection {
    NewDetection {
        key,
        uuid: None,
        code: code.to_owned(),
        cluster_name: "db1:3306".to_owned(),
        cluster_alias: "shop".to_owned(),
        replicas: vec![db(2), db(3)],
        actionable: true,
        at: when,
        node: node(1),
        block: HOUR,
    }
}

fn recovery(uid: &str, cluster: &str, epoch: u64, when: Timestamp) -> NewRecovery {
    NewRecovery {
        uid: uid.to_owned(),
        detection_id: 1,
        key: db(1),
        code: "DeadMaster".to_owned(),
        cluster_name: cluster.to_owned(),
        cluster_alias: "shop".to_owned(),
        replicas: vec![db(2), db(3)],
        kind: "failover".to_owned(),
        at: when,
        node: node(1),
        epoch,
        plan: r#"{"steps":[]}"#.to_owned(),
        parent: None,
    }
}

fn ending(uid: &str, epoch: u64, when: Timestamp) -> Ending {
    Ending {
        uid: uid.to_owned(),
        epoch,
        successful: true,
        mutated: true,
        successor: Some(db(2)),
        successor_alias: "two".to_owned(),
        lost: vec![db(3)],
        participating: vec![db(1), db(2)],
        errors: vec![],
        certificate: Some(r#"{"lost":""}"#.to_owned()),
        at: when,
    }
}

/// Applies a command that is expected to work.
fn apply(store: &Store, command: Command) -> Applied {
    store.apply(command.clone()).unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Keeps the writer busy until the returned function is called: what is queued meanwhile shares a transaction.
fn hold_writer(store: &Store) -> impl FnOnce() + use<> {
    let (tell, entered) = std::sync::mpsc::channel();
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let held = store.clone();
    let holder = std::thread::spawn(move || {
        held.on_writer("waiting", move |_| {
            tell.send(()).expect("somebody waits to be told");
            assert!(gate.recv().is_err(), "nothing is ever sent");
            Ok(())
        })
    });
    entered.recv().expect("the writer gets to it");
    move || {
        drop(release);
        holder.join().expect("it only waits").expect("it only waits");
    }
}

/// Returns one command of every sort, in an order in which all of them work.
fn one_of_each() -> Vec<Command> {
    use crate::{AckScope, MaintenanceRef, NodeReport, Retention, StepOutcome};
    let (uid, cluster, when) = (|| "r1".to_owned(), || "db1:3306".to_owned(), at(5));
    let text = str::to_owned;
    let demoted = topology::Demoted {
        key: db(1),
        uuid: topology::ServerUuid::new("3e11fa47-71ca-11e1-9e33-c80aa9429562"),
        server_id: None,
        successor: db(2),
        recovery_uid: uid(),
        at: when,
    };
    let report = NodeReport { node: node(1), active: true, started: at(0), at: when, ..NodeReport::default() };
    vec![
        Command::BeginDowntime { key: db(1), downtime: downtime(at(0), at(600)) },
        Command::EndDowntime { key: db(1) },
        Command::BeginMaintenance { key: db(1), owner: text("o"), reason: text("r"), begins: at(0), ends: at(9) },
        Command::EndMaintenance { which: MaintenanceRef::Key(db(1)), at: when },
        Command::RegisterCandidate { key: db(1), rule: topology::PromotionRule::Prefer, at: when },
        Command::Watch { keys: vec![db(1), db(2)], at: when },
        Command::Forget { keys: vec![db(1)], at: when, until: at(9) },
        Command::Remember { keys: vec![db(1)] },
        Command::SetClusterAlias { cluster: cluster(), alias: text("a") },
        Command::PutClusterAlias { cluster: cluster(), alias: text("b"), at: when },
        Command::PutClusterDomain { cluster: cluster(), domain: text("d"), at: when },
        Command::PutTag { key: db(1), name: text("n"), value: text("v"), at: when },
        Command::DeleteTag { key: db(1), name: text("n") },
        Command::DisableRecoveries { by: text("o"), at: when },
        Command::EnableRecoveries,
        Command::RegisterDetection(detection(db(1), "DeadMaster", when)),
        Command::RegisterDetection(detection(db(1), "UnreachableMaster", when)),
        Command::RaiseEpoch { cluster: cluster() },
        Command::BeginRecovery(recovery("r1", "db1:3306", 9, when)),
        Command::ResumeRecovery { uid: uid(), epoch: 10, node: node(2), at: when },
        Command::ReplacePlan { uid: uid(), epoch: 10, plan: text("{}"), at: when },
        Command::StepStarted { uid: uid(), epoch: 10, number: 1, at: when },
        Command::StepFinished {
            uid: uid(),
            epoch: 10,
            number: 1,
            outcome: StepOutcome::Done,
            message: text("m"),
            at: when,
        },
        Command::Note { uid: uid(), message: text("m"), at: when },
        Command::RenameCluster { from: cluster(), to: text("db2:3306"), at: when },
        Command::EndRecovery(ending("r1", 10, when)),
        Command::Demote(demoted.clone()),
        Command::LeaveClosed(demoted),
        Command::Reinstate { key: db(1) },
        Command::BlockRecovery {
            key: db(1),
            cluster: cluster(),
            code: text("DeadMaster"),
            blocking_recovery_id: 1,
            at: when,
        },
        Command::UnblockRecovery { key: db(1) },
        Command::AcknowledgeRecoveries { scope: AckScope::All, owner: text("o"), comment: text("c"), at: when },
        Command::RecordDivergence(crate::NewDivergence {
            key: db(1),
            primary: db(2),
            gtids: text("0-1-5"),
            at: when,
            ..crate::NewDivergence::default()
        }),
        Command::AcknowledgeDivergence { id: 1, owner: text("o"), comment: text("c"), at: when },
        Command::PutKeyValue { key: text("k"), value: text("v"), at: when },
        Command::Audit { kind: text("k"), key: Some(db(1)), cluster: cluster(), message: text("m"), at: when },
        Command::RegisterNode(report),
        Command::PutHostnameResolve { from: text("f"), to: text("t"), at: when },
        Command::Expire { now: when, retention: Retention::default() },
    ]
}

/// Returns every row of every table, as text; without the file's own history of deployments.
fn dump(store: &Store) -> String {
    store
        .on_writer("dumping", |db| {
            let mut out = String::new();
            let names = "SELECT name FROM sqlite_master WHERE type = 'table'
                           AND name <> 'orchestrator_db_deployments' ORDER BY name";
            for table in crate::sql::all(db, names, [], |row| row.get::<_, String>(0))? {
                let mut statement = db.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2"))?;
                let width = statement.column_count();
                let mut rows = statement.query([])?;
                while let Some(row) = rows.next()? {
                    let mut cells = Vec::new();
                    for cell in 0..width {
                        cells.push(match row.get_ref(cell)? {
                            rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                            other => format!("{other:?}"),
                        });
                    }
                    out += &format!("{table}: {}\n", cells.join(" | "));
                }
            }
            Ok(out)
        })
        .expect("a dump only reads")
}
