//! Stories about who acts: several managers in this process on one store, and a leadership that the test decides.

mod stage;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use consensus::{Card, Consensus, Dialer, Lease, Local, Peer, Port, Security, Settings, Standing, Timing};
use futures::future::{BoxFuture, FutureExt};
use lab::{Fleet, Watcher, Writer, WriterOptions};
use manager::{Manager, Mode, Seat};
use store::{AckScope, Command, Page, RecoveryFilter, Store};
use tokio::sync::watch;
use topology::{InstanceKey, ProbeFailure, Sight, Timestamp, Unreachable};

use crate::stage::{configuration, eventually};

/// A seat among the nodes, as the test wills.
struct Staged {
    standing: watch::Sender<Standing>,
    lease: Mutex<Option<(u64, Instant)>>,
    others: Mutex<Vec<(Peer, Result<Sight, String>)>>,
    asked: AtomicUsize,
    handed_to: Mutex<Vec<String>>,
    local: Mutex<Option<Arc<dyn Local>>>,
}

const FOR_LONG: Duration = Duration::from_secs(3600);

impl Staged {
    fn follower() -> Arc<Self> {
        Arc::new(Self {
            standing: watch::Sender::new(Standing::Follower { leader: None }),
            lease: Mutex::default(),
            others: Mutex::default(),
            asked: AtomicUsize::new(0),
            handed_to: Mutex::default(),
            local: Mutex::default(),
        })
    }

    fn lead(&self, term: u64) {
        *self.lease.lock().expect("nobody panics with it") = Some((term, Instant::now() + FOR_LONG));
        self.standing.send_replace(Standing::Leader { term });
    }

    /// The majority is out of reach: the node still takes itself for the leader, and its lease is not renewed.
    fn lose_the_majority(&self) {
        if let Some((_, until)) = &mut *self.lease.lock().expect("nobody panics with it") {
            *until = Instant::now();
        }
    }

    fn depose(&self) {
        self.standing.send_replace(Standing::Follower { leader: None });
    }

    /// Lets the manager of this seat look at `key`, as another node would ask it to.
    fn look(&self, key: &InstanceKey) -> BoxFuture<'static, Sight> {
        self.local.lock().expect("nobody panics with it").as_ref().expect("it answers").look(key.clone())
    }

    /// What the two others see from now on.
    fn others_say(&self, says: [Option<Unreachable>; 2]) {
        let answer = |(number, failure): (u64, Option<Unreachable>)| {
            let peer = Peer { id: number, address: format!("node{number}:10008") };
            let failure = failure.map(|kind| ProbeFailure { kind, message: kind.to_string(), partial: false });
            (peer.clone(), Ok(Sight { node: peer.address, at: Timestamp::default(), failure }))
        };
        *self.others.lock().expect("nobody panics with it") = (2..).zip(says).map(answer).collect();
    }
}

impl Seat for Staged {
    fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    fn lease(&self) -> Option<Lease> {
        let (term, until) = (*self.lease.lock().expect("nobody panics with it"))?;
        let rest = until.saturating_duration_since(Instant::now());
        (!rest.is_zero()).then_some(Lease { term, rest })
    }

    fn voters(&self) -> usize {
        self.others.lock().expect("nobody panics with it").len() + 1
    }

    fn ask_others(&self, _: InstanceKey, _: Duration) -> BoxFuture<'static, Vec<(Peer, Result<Sight, String>)>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let answers = self.others.lock().expect("nobody panics with it").clone();
        async move { answers }.boxed()
    }

    fn answer_with(&self, local: Arc<dyn Local>) {
        *self.local.lock().expect("nobody panics with it") = Some(local);
    }

    fn transfer(&self, to: Peer) -> BoxFuture<'static, Result<Peer, consensus::Error>> {
        self.handed_to.lock().expect("nobody panics with it").push(to.address.clone());
        // The others do not take it.
        async move { Err(consensus::Error::Impossible("it is not up to date".to_owned())) }.boxed()
    }
}

async fn start(extra: &str, mode: Mode, store: &Store, seat: Arc<Staged>) -> anyhow::Result<Manager> {
    let log = tracing_subscriber::fmt().with_test_writer().with_env_filter("info,mysql_async=warn").try_init();
    drop(log);
    let consensus = Consensus::alone(store.clone());
    Ok(Manager::start_in_seat(configuration(extra), consensus, seat, mode, Arc::new(|_, _| Err(Vec::new()))).await?)
}

/// Waits until `manager` sees `count` servers, of which those beside `primary` replicate from it.
async fn sees(manager: &Manager, primary: &InstanceKey, count: usize) {
    eventually("all servers are seen", Duration::from_secs(20), || {
        let view = manager.view();
        let seen = view.snapshot.watched.values().filter(|watched| watched.is_valid()).count();
        (seen == count && view.graph.replicas(primary).len() == count - 1).then_some(())
    })
    .await;
}

fn recoveries(store: &Store) -> Vec<store::Recovery> {
    store.recoveries(RecoveryFilter::default(), Page::all()).expect("a store that can be read")
}

fn story(store: &Store, uid: &str) -> String {
    let sentences = store.recovery_steps(uid).expect("a store that can be read");
    sentences.into_iter().map(|sentence| sentence.message + "\n").collect()
}

/// Hooks that write down under which id they ran.
fn telling_hooks(file: &Path) -> String {
    let line = format!("echo $ORC_HOOK_ID $ORC_HOOK_REPEAT >> {}", file.display());
    format!(r#", "PreFailoverProcesses": ["{line}", "{line}"], "PostFailoverProcesses": ["{line}"]"#)
}

/// The leader loses its majority in each single step of a recovery, the step done and not yet journaled, and lives on. The
/// next leader goes on; the first one does nothing more.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_loses_its_majority_in_any_step_is_followed_by_one_that_goes_on() -> anyhow::Result<()> {
    let fleet = Fleet::builder().primary_with_replicas(2).build().await?;
    let (writer, watcher) = (Writer::start(&fleet, WriterOptions::default()), Watcher::start(&fleet));
    let mut primary = fleet.server(0).key().clone();
    let hooks = std::env::temp_dir().join(format!("orchestrator-hooks-{}", std::process::id()));
    for step in 1..=11 {
        eprintln!("--- loses its majority in step {step}");
        drop(std::fs::remove_file(&hooks));
        let (extra, store) = (telling_hooks(&hooks), Store::open(":memory:", store::Mode::Own)?);
        let (seat, next_seat) = (Staged::follower(), Staged::follower());
        let first = start(&extra, Mode::Drill { halt_in_step: step }, &store, Arc::clone(&seat)).await?;
        let next = start(&extra, Mode::Service, &store, Arc::clone(&next_seat)).await?;
        seat.lead(1);
        first.discover(&primary).await?;
        sees(&first, &primary, 3).await;
        // It was told of one server only: the others are found, or declared.
        sees(&next, &primary, 3).await;

        let killed = Instant::now();
        fleet.find(&primary).expect("it is in the fleet").kill9()?;
        let uid = eventually("the step before its end", Duration::from_secs(20), || {
            let running = store.running_recoveries().ok()?.into_iter().next()?;
            let record = store.plan(&running.uid).ok()??;
            let is_open = |done: &store::StepRecord| done.number == step && done.outcome.is_none();
            record.steps.iter().any(is_open).then_some(running.uid)
        })
        .await;
        seat.lose_the_majority();
        let refused = first.stop_replication(&primary).await.expect_err("it may not act any more");
        assert!(matches!(refused, manager::Error::Consensus(consensus::Error::NotLeader { .. })), "{refused}");
        seat.depose();
        next_seat.lead(2);

        let commit = writer.commits_again(killed, Duration::from_secs(20)).await?;
        let new = fleet.server(commit.server).key().clone();
        assert_ne!(new, primary);
        let recovery = eventually("the end of the recovery", Duration::from_secs(30), || {
            recoveries(&store).into_iter().find(|recovery| recovery.ended.is_some())
        })
        .await;
        assert!(recovery.is_successful, "{recovery:?}\n{}", story(&store, &uid));
        assert_eq!((&recovery.uid, recovery.successor.as_ref()), (&uid, Some(&new)));
        assert_eq!(recoveries(&store).len(), 1, "it was done once");
        let record = store.plan(&uid)?.expect("its journal");
        assert_eq!(record.node, *next.node());
        assert!(record.steps.iter().all(|step| step.outcome.is_some()), "{record:?}");

        let told = std::fs::read_to_string(&hooks)?;
        for (list, number, its_step) in [
            ("PreFailoverProcesses", 1, 1),
            ("PreFailoverProcesses", 2, 1),
            ("PostFailoverProcesses", 1, record.steps.len() as u32),
        ] {
            let id = format!("{uid}/{list}/{number}");
            let runs: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix(id.as_str())).collect();
            let (last, before) = runs.split_last().expect("each hook runs at least once");
            assert_eq!(*last == " true", its_step == step, "{id} may only be a repeat in its step: {told}");
            // Where the first leader came to it, it said that it was the first.
            assert!(before.is_empty() || (its_step == step && before == [" false"]), "{id} in {told}");
        }
        first.stop(Duration::ZERO).await;
        next.stop(Duration::from_secs(5)).await;
        fleet.rejoin(fleet.find(&primary).expect("it is in the fleet"), &new).await?;
        primary = new;
    }
    writer.stop().await;
    let two = watcher.stop().await;
    drop(std::fs::remove_file(&hooks));
    assert!(two.is_empty(), "two writable primaries: {two:?}");
    Ok(())
}

/// The primary is dead for us and our replicas. The two other nodes say that they reach it: nothing is done, and leadership
/// is offered to one of them, once. Then one of them cannot reach it either.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_majority_sees_is_not_recovered() -> anyhow::Result<()> {
    let fleet = Fleet::builder().primary_with_replicas(2).build().await?;
    let store = Store::open(":memory:", store::Mode::Own)?;
    let seat = Staged::follower();
    seat.others_say([None, None]);
    let manager = start(r#", "AuditToBackendDB": true"#, Mode::Service, &store, Arc::clone(&seat)).await?;
    seat.lead(1);
    let primary = fleet.server(0).key().clone();
    manager.discover(&primary).await?;
    sees(&manager, &primary, 3).await;

    let sight = seat.look(&primary).await;
    assert_eq!(sight.failure, None);
    fleet.server(0).kill9()?;
    let sight = seat.look(&primary).await;
    assert_eq!(sight.failure.map(|failure| failure.kind), Some(Unreachable::Refused));
    eventually("leadership is offered", Duration::from_secs(20), || {
        (!seat.handed_to.lock().expect("nobody panics with it").is_empty()).then_some(())
    })
    .await;
    let asked = seat.asked.load(Ordering::Relaxed);
    eventually("the others are asked again and again", Duration::from_secs(20), || {
        assert!(recoveries(&store).is_empty(), "a failover that a majority contradicts");
        (seat.asked.load(Ordering::Relaxed) > asked + 2).then_some(())
    })
    .await;
    assert_eq!(*seat.handed_to.lock().expect("nobody panics with it"), ["node2:10008"]);
    let explained = manager.explain(&primary.to_string()).expect("its cluster");
    let planner::Decision::Hold(hold) = explained.decision else { panic!("it would act") };
    assert!(matches!(hold, planner::Hold::SeenByOthers { .. }), "{hold}");
    let audit = store.audit(None, Page::all())?;
    assert!(audit.iter().any(|row| row.message.contains("cannot see") && row.message.contains("2 of 3")), "{audit:?}");

    seat.others_say([None, Some(Unreachable::NoAnswer)]);
    let recovery = eventually("the recovery", Duration::from_secs(30), || {
        recoveries(&store).into_iter().find(|recovery| recovery.ended.is_some())
    })
    .await;
    assert!(recovery.is_successful, "{recovery:?}");
    let story = story(&store, &recovery.uid);
    assert!(story.contains("node node2:10008 reaches it; it fails at node node3:10008 (no answer)"), "{story}");
    manager.stop(Duration::from_secs(5)).await;
    Ok(())
}

/// A node that follows watches what the leader was told of, and stops when that is forgotten. It does nothing to servers.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_watches_and_does_not_act() -> anyhow::Result<()> {
    let fleet = Fleet::builder().primary_with_replicas(2).build().await?;
    let store = Store::open(":memory:", store::Mode::Own)?;
    let (seat, other_seat) = (Staged::follower(), Staged::follower());
    let leader = start("", Mode::Service, &store, Arc::clone(&seat)).await?;
    let follower = start("", Mode::Service, &store, Arc::clone(&other_seat)).await?;
    seat.lead(1);
    let primary = fleet.server(0).key().clone();
    leader.discover(&primary).await?;
    assert!(store.declared().watched.contains(&primary), "it is on record before the answer");
    sees(&follower, &primary, 3).await;
    eventually("all of them are declared", Duration::from_secs(10), || {
        (store.declared().watched.len() == 3).then_some(())
    })
    .await;
    let refused = follower.set_read_only(&primary).await.expect_err("it only watches");
    assert!(matches!(refused, manager::Error::Consensus(consensus::Error::NotLeader { .. })), "{refused}");
    assert!(fleet.server(0).is_writable().await?);
    let explained = follower.explain(&primary.to_string()).expect("its cluster");
    assert_eq!(explained.if_primary_died.hold, Some(planner::Hold::NotLeading { leader: None }));
    let explained = leader.explain(&primary.to_string()).expect("its cluster");
    assert_eq!(explained.if_primary_died.hold, None);

    // Nobody leads while the primary dies: nothing is done until somebody does.
    seat.depose();
    fleet.server(0).kill9()?;
    eventually("its death is seen", Duration::from_secs(10), || {
        let view = follower.view();
        view.diagnoses.iter().any(|diagnosis| diagnosis.code == analysis::Code::DeadPrimary).then_some(())
    })
    .await;
    assert!(recoveries(&store).is_empty());
    other_seat.lead(2);
    let recovery = eventually("the recovery", Duration::from_secs(30), || {
        recoveries(&store).into_iter().find(|recovery| recovery.ended.is_some())
    })
    .await;
    assert!(recovery.is_successful, "{recovery:?}");
    assert_eq!(recovery.node, *follower.node());

    follower.forget(vec![primary.clone()]).await?;
    eventually("the other stops watching it", Duration::from_secs(10), || {
        leader.view().snapshot.get(&primary).is_none().then_some(())
    })
    .await;
    leader.stop(Duration::from_secs(5)).await;
    follower.stop(Duration::from_secs(5)).await;
    Ok(())
}

/// A node of a cluster of managers.
struct Node {
    manager: Manager,
    consensus: Consensus,
}

/// Starts three managers that decide together, over their raft ports.
async fn three_managers() -> anyhow::Result<Vec<Node>> {
    let log = tracing_subscriber::fmt().with_test_writer().with_env_filter("info,mysql_async=warn").try_init();
    drop(log);
    let mut ports = Vec::new();
    for _ in 0..3 {
        ports.push(Port::bind("127.0.0.1:0", &Security::Plain).await?);
    }
    let addresses: Vec<String> = ports.iter().map(|port| port.address().to_string()).collect();
    let mut nodes = Vec::new();
    for port in ports {
        let settings = Settings {
            bind: port.address().to_string(),
            advertise: port.address().to_string(),
            nodes: addresses.clone(),
            card: Card::default(),
            timing: Timing::default(),
            seed: None,
        };
        let store = Store::open(":memory:", store::Mode::Own)?;
        let consensus = Consensus::join(settings, store, port, Dialer::new(&Security::Plain)?).await?;
        let reload: Arc<manager::Reload> = Arc::new(|_, _| Err(Vec::new()));
        let manager = Manager::start(configuration(""), consensus.clone(), Mode::Service, reload).await?;
        nodes.push(Node { manager, consensus });
    }
    Ok(nodes)
}

/// Waits until one of `nodes` leads and may act.
async fn leader(nodes: &[Node]) -> usize {
    eventually("a leader", Duration::from_secs(20), || nodes.iter().position(|node| node.consensus.lease().is_some()))
        .await
}

/// Three managers, one decision: all see the death, the leader alone recovers, on the word of all, and every node can show
/// what happened. Leadership is handed over, and the next leader recovers from the next death. A leader that ends in the
/// middle is followed by one that goes on.
#[tokio::test(flavor = "multi_thread")]
async fn three_managers_make_one_decision() -> anyhow::Result<()> {
    let fleet = Fleet::builder().primary_with_replicas(3).build().await?;
    let (writer, watcher) = (Writer::start(&fleet, WriterOptions::default()), Watcher::start(&fleet));
    let mut nodes = three_managers().await?;
    let mut primary = fleet.server(0).key().clone();
    let mut alive = 4;
    for round in 1..=2 {
        let leads = leader(&nodes).await;
        // Told to a node that does not lead: all of them watch it.
        nodes[(leads + 1) % 3].manager.discover(&primary).await?;
        for node in &nodes {
            eventually("every node sees all servers", Duration::from_secs(20), || {
                let view = node.manager.view();
                (view.graph.replicas(&primary).len() == alive - 1).then_some(())
            })
            .await;
        }
        writer.commits_again(Instant::now(), Duration::from_secs(10)).await?;

        let killed = Instant::now();
        fleet.find(&primary).expect("it is in the fleet").kill9()?;
        let commit = writer.commits_again(killed, Duration::from_secs(20)).await?;
        eprintln!("round {round}: writes again after {:?}", commit.done.duration_since(killed));
        let new = fleet.server(commit.server).key().clone();
        assert_ne!(new, primary);
        for node in &nodes {
            let store = node.manager.store();
            let recovery = eventually("every node shows the recovery", Duration::from_secs(20), || {
                recoveries(store).into_iter().find(|recovery| recovery.key == primary && recovery.ended.is_some())
            })
            .await;
            assert!(recovery.is_successful, "{recovery:?}");
            assert_eq!(recovery.node, *nodes[leads].manager.node());
            assert_eq!(recoveries(store).len(), round);
            let story = story(store, &recovery.uid);
            assert!(story.matches("it fails at node").count() >= 1, "{story}");
        }
        let next = nodes[(leads + 1) % 3].consensus.status().node;
        let led_by = nodes[leads].consensus.transfer(Some(&next)).await?;
        assert_eq!(led_by, next);
        // The next death is no flapping: somebody looked at this one.
        let (owner, comment, at) = ("ann".to_owned(), "a drill".to_owned(), nodes[leads].manager.now());
        let seen = Command::AcknowledgeRecoveries { scope: AckScope::All, owner, comment, at };
        nodes[leads].manager.declare(seen).await?;
        (primary, alive) = (new, alive - 1);
    }

    // The leader ends in the moment of the death, wherever the recovery is then.
    let leads = leader(&nodes).await;
    let killed = Instant::now();
    fleet.find(&primary).expect("it is in the fleet").kill9()?;
    let last = nodes.remove(leads);
    eventually("the leader begins", Duration::from_secs(20), || {
        (!last.manager.store().declared().recovering.is_empty()).then_some(())
    })
    .await;
    last.manager.stop(Duration::ZERO).await;
    last.consensus.stop().await;
    let commit = writer.commits_again(killed, Duration::from_secs(20)).await?;
    assert_ne!(*fleet.server(commit.server).key(), primary);
    for node in &nodes {
        let recovery = eventually("the next leader ends the recovery", Duration::from_secs(20), || {
            let all = recoveries(node.manager.store());
            all.into_iter().find(|recovery| recovery.key == primary && recovery.ended.is_some())
        })
        .await;
        assert!(recovery.is_successful, "{recovery:?}\n{}", story(node.manager.store(), &recovery.uid));
    }
    writer.stop().await;
    let two = watcher.stop().await;
    for node in nodes {
        node.manager.stop(Duration::from_secs(5)).await;
        node.consensus.stop().await;
    }
    assert!(two.is_empty(), "two writable primaries: {two:?}");
    Ok(())
}
