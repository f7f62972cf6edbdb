//! A manager of a thousand servers that exist only in this process, with its pages and its API: to see what many servers
//! and many viewers cost.
//!
//! `cargo run -p orchestrator-server --example thousand -- 127.0.0.1:3900 [servers]`. The primary commits all the time, each
//! replica follows; nothing ever fails. Polls, views, diagnoses, the store and the pages are the service's own.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use config::{Config, SourceFile};
use consensus::Consensus;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use manager::reach::{Probing, Pulse, Reach, Tell, Verbs};
use manager::{Clock, Manager, Mode, World};
use mysql::{Access, Fenced, HeldLine, Probe, ProbeSettings, PulseEvent};
use store::Store;
use tokio::time::sleep;
use topology::{
    Binlog, BinlogCoordinates, BinlogFormat, Channel, Gtid, GtidMode, GtidSet, Instance, InstanceKey, Labels,
    Observation, Placement, ServerUuid, ThreadState, Timestamp, Version, WritePolicy,
};

/// Servers directly below the primary; the others are below these.
const MIDDLE: usize = 24;
/// What a server takes to answer.
const ANSWER: Duration = Duration::from_millis(2);
const CONFIGURATION: &str = r#"{
    "HostnameResolveMethod": "none", "MySQLHostnameResolveMethod": "none", "InstancePollSeconds": 5,
    "RecoverMasterClusterFilters": ["*"]
}"#;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let address = words.next().unwrap_or_else(|| "127.0.0.1:3900".to_owned());
    let servers = words.next().map_or(Ok(1_000), |word| word.parse()).context("the number of servers is no number")?;
    let file = SourceFile { name: "thousand.json".to_owned(), text: CONFIGURATION.to_owned() };
    let config =
        config::parse(&[file], &config::NoSurroundings).map_err(|errors| anyhow::anyhow!("{errors:?}"))?.config;
    let folder = tempfile::tempdir()?;
    let consensus = Consensus::alone(Store::open(folder.path().join("store"), store::Mode::Own)?);
    let clock = Clock::start();
    let farm = Farm { servers, started: clock.now() };
    let world = World { seat: Arc::new(consensus.clone()), reach: Arc::new(farm), clock };
    let reload = Arc::new(|_: &Config, _: Option<&std::path::Path>| Err(Vec::new()));
    let manager = Manager::start_in(world, config, consensus, Mode::Service, reload).await?;
    manager.discover(&key(0)).await?;
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("{servers} servers at http://{address}/web/cluster/{}", key(0));
    axum::serve(listener, api::router(manager, api::Metrics::install())).await?;
    Ok(())
}

fn key(number: usize) -> InstanceKey {
    InstanceKey::new(format!("db{number}.example.com"), 3306)
}

/// Servers by number: the primary, those in the middle, the others.
#[derive(Clone, Copy)]
struct Farm {
    servers: usize,
    started: Timestamp,
}

impl Farm {
    fn number(self, key: &InstanceKey) -> Option<usize> {
        let number = key.host.strip_prefix("db")?.strip_suffix(".example.com")?.parse().ok()?;
        (number < self.servers).then_some(number)
    }

    fn source(number: usize) -> Option<usize> {
        match number {
            0 => None,
            1..=MIDDLE => Some(0),
            _ => Some(1 + number % MIDDLE),
        }
    }

    fn instance(self, number: usize, now: Timestamp) -> Instance {
        let committed = 1_000_000 + now.since(self.started).as_millis() / 5;
        let uuid = |number: usize| ServerUuid::new(&format!("00000000-0000-0000-0000-{number:012}"));
        let executed =
            GtidSet::parse(&format!("00000000-0000-0000-0000-000000000000:1-{committed}")).unwrap_or_default();
        let at =
            |file: &str| BinlogCoordinates { file: file.to_owned(), pos: u64::try_from(committed).unwrap_or(0) * 300 };
        let channel = Self::source(number).map(|source| Channel {
            source: key(source),
            source_uuid: uuid(source),
            user: "replication".to_owned(),
            receiver: ThreadState::Running,
            applier: ThreadState::Running,
            read: at("bin.000007"),
            executed: at("bin.000007"),
            relay: at("relay.000003"),
            retrieved: executed.clone(),
            auto_position: true,
            lag_secs: Some(0),
            ..Channel::default()
        });
        let data_center = ["ams", "fra", "lon"][number % 3].to_owned();
        Instance {
            key: key(number),
            uuid: uuid(number),
            server_id: u32::try_from(number + 1).unwrap_or(u32::MAX),
            version: Version::parse("8.4.5", "MySQL Community Server - GPL"),
            uptime_secs: 86_400 + now.since(self.started).as_secs(),
            writes: if number == 0 { WritePolicy::Writable } else { WritePolicy::SuperReadOnly },
            binlog: Binlog {
                enabled: true,
                format: BinlogFormat::Row,
                row_image: "FULL".to_owned(),
                logs_replica_updates: true,
                coordinates: at("bin.000007"),
                is_braked: false,
            },
            gtid: Gtid { mode: GtidMode::On, executed, ..Gtid::default() },
            channels: channel.into_iter().collect(),
            replicas: (1..self.servers).filter(|other| Self::source(*other) == Some(number)).map(key).collect(),
            placement: Placement { data_center, ..Placement::default() },
            labels: Labels { cluster_alias: "thousand".to_owned(), ..Labels::default() },
            ..Instance::default()
        }
    }
}

struct Probes {
    farm: Farm,
    key: InstanceKey,
}

impl Probing for Probes {
    fn probe(&mut self, clock: Clock) -> BoxFuture<'_, Probe> {
        async move {
            let began = clock.now();
            sleep(ANSWER).await;
            let ended = clock.now();
            let outcome = self.farm.number(&self.key).map(|number| self.farm.instance(number, began));
            let outcome = outcome.ok_or_else(|| topology::ProbeFailure {
                kind: topology::Unreachable::Refused,
                message: "no such server in this farm".to_owned(),
                partial: false,
            });
            let observation = Observation { key: self.key.clone(), began, ended, outcome };
            Probe { observation, reported: None, replicas: Vec::new(), notes: Vec::new(), fresh: false }
        }
        .boxed()
    }
}

/// A server that nobody ever asks for anything.
struct Idle(InstanceKey);

impl Verbs for Idle {
    fn key(&self) -> &InstanceKey {
        &self.0
    }
}

impl Reach for Farm {
    fn prober(&self, key: InstanceKey, _: Access, _: ProbeSettings) -> Box<dyn Probing> {
        Box::new(Probes { farm: *self, key })
    }

    fn server(&self, key: InstanceKey, _: Access, _: &Version) -> Box<dyn Verbs> {
        Box::new(Idle(key))
    }

    fn pulse<'a>(&self, _: Pulse, clock: Clock, mut tell: Box<Tell<'a>>) -> BoxFuture<'a, ()> {
        async move {
            tell(PulseEvent::Up { at: clock.now() });
            futures::future::pending().await
        }
        .boxed()
    }

    fn fence(&self, _: Option<HeldLine>, _: InstanceKey, _: Access) -> BoxFuture<'static, Fenced> {
        async { Fenced::Fenced }.boxed()
    }

    fn knock(&self, _: InstanceKey, _: Duration) -> BoxFuture<'static, std::io::Result<()>> {
        async { Ok(()) }.boxed()
    }
}
