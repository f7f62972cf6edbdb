//! How long a graph and all its diagnoses take: `cargo run --release -p orchestrator-analysis --example scale -- 10000`.

use std::sync::Arc;
use std::time::Instant;

use topology::{Binlog, Channel, Graph, GtidSet, Instance, InstanceKey, Snapshot, ThreadState, Timestamp, Watched};

fn main() {
    let servers: u16 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1000);
    let mut snapshot = Snapshot { now: Timestamp::from_secs(1000), ..Snapshot::default() };
    for number in 0..servers {
        let key = InstanceKey::new(format!("db{number:05}"), 3306);
        let primary = number - number % 5;
        let executed = GtidSet::parse("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-1000000").unwrap_or_default();
        let mut instance = Instance { key: key.clone(), ..Instance::default() };
        instance.gtid.executed = executed.clone();
        instance.binlog = Binlog { enabled: true, logs_replica_updates: true, ..Binlog::default() };
        if number != primary {
            let (receiver, applier) = (ThreadState::Running, ThreadState::Running);
            let source = InstanceKey::new(format!("db{primary:05}"), 3306);
            let channel =
                Channel { source, receiver, applier, auto_position: true, retrieved: executed, ..Channel::default() };
            instance.channels.push(channel);
        }
        let (instance, seen) = (Some(Arc::new(instance)), Some(snapshot.now));
        snapshot.watched.insert(key.clone(), Arc::new(Watched { key, instance, seen, ..Watched::default() }));
    }
    let policy = analysis::Policy::default();
    for _ in 0..5 {
        let began = Instant::now();
        let graph = Graph::of(&snapshot);
        let graphed = began.elapsed();
        let found = analysis::diagnose(&snapshot, &graph, &policy).len();
        println!("{servers} servers: graph {graphed:?}, diagnoses {:?} ({found} found)", began.elapsed() - graphed);
    }
}
