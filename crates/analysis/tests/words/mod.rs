//! Words that all golden scripts understand alike: names of servers, what is healthy, and the facts that are changed. The scripts
//! of `planner` share this file.

use std::error::Error;

use topology::{Binlog, Channel, Gtid, GtidMode, Instance, InstanceKey, ServerUuid, ThreadState, Version, WritePolicy};

pub(crate) type Failure = Box<dyn Error>;

pub(crate) fn key(name: &str) -> InstanceKey {
    InstanceKey::new(name, 3306)
}

/// `db3` has number 3: it is in its UUID and server id.
pub(crate) fn number(key: &InstanceKey) -> u32 {
    key.host.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(0)
}

pub(crate) fn uuid(key: &InstanceKey) -> String {
    format!("00000000-0000-0000-0000-{:012}", number(key))
}

pub(crate) fn healthy(server: &InstanceKey) -> Instance {
    Instance {
        key: server.clone(),
        uuid: ServerUuid::new(&uuid(server)),
        server_id: number(server),
        version: Version::parse("8.4.6", ""),
        binlog: Binlog { enabled: true, logs_replica_updates: true, ..Binlog::default() },
        gtid: Gtid { mode: GtidMode::On, ..Gtid::default() },
        ..Instance::default()
    }
}

pub(crate) fn channel(source: &InstanceKey) -> Channel {
    Channel {
        source: source.clone(),
        receiver: ThreadState::Running,
        applier: ThreadState::Running,
        auto_position: true,
        lag_secs: Some(0),
        ..Channel::default()
    }
}

pub(crate) fn state(value: &str) -> ThreadState {
    match value {
        "running" => ThreadState::Running,
        "connecting" => ThreadState::Connecting,
        _ => ThreadState::Stopped,
    }
}

/// Changes a fact that has this name in all scripts; false when it has none there.
pub(crate) fn set_common_fact(instance: &mut Instance, name: &str, value: &str) -> Result<bool, Failure> {
    let semi_sync = &mut instance.semi_sync;
    match name {
        "read-only" => instance.writes = if value == "true" { WritePolicy::ReadOnly } else { WritePolicy::Writable },
        "version" => instance.version = Version::parse(value, ""),
        "binlog" => instance.binlog.enabled = value.parse()?,
        "logs-updates" => instance.binlog.logs_replica_updates = value.parse()?,
        "semi-sync-status" => semi_sync.source.active = value.parse()?,
        "wait-count" => semi_sync.wait_count = value.parse()?,
        "clients" => semi_sync.clients = value.parse()?,
        "waiting-sessions" => semi_sync.waiting_sessions = Some(value.parse()?),
        "group-state" => value.clone_into(&mut instance.group.as_mut().ok_or("no member")?.state),
        "receiver" | "errno" | "delay-secs" | "auto-position" => {
            let channel = instance.channels.first_mut().ok_or("no replica")?;
            match name {
                "receiver" => channel.receiver = state(value),
                "errno" => channel.receiver_errno = value.parse()?,
                "delay-secs" => channel.delay_secs = value.parse()?,
                _ => channel.auto_position = value.parse()?,
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}
