//! All that one node knows at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Declared, Demoted, Instance, InstanceKey, Ledger, NodeView, ProbeFailure, PromotionRule, Timestamp};

/// What is known of one address, from all its probes so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// The address.
    pub key: InstanceKey,
    /// What the last good probe saw; none when there was none yet.
    pub instance: Option<Arc<Instance>>,
    /// When the last good probe began. Facts of `instance` are this old.
    pub seen: Option<Timestamp>,
    /// When the last probe of any outcome ended.
    pub checked: Option<Timestamp>,
    /// When the last probe began, finished or not.
    pub attempted: Option<Timestamp>,
    /// How the last probe failed; none when it was good.
    pub failure: Option<ProbeFailure>,
    /// When the unbroken run of failures began; none when the last probe was good.
    pub failing_since: Option<Timestamp>,
    /// How many probes of that run failed on a connection of their own, opened for them.
    pub failures: u32,
    /// How long the last good probe took, in microseconds.
    pub latency_us: u64,
    /// When the end of its binary log or the state of its semi-synchronous replication last changed, as far as good
    /// probes saw. [`Timestamp::FIRST`] where it is only known that this was long ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unchanged_since: Option<Timestamp>,
    /// When this address was first heard of.
    pub first_heard: Timestamp,
    /// When the receivers of its replicas were last restarted to see whether they can connect.
    pub receivers_restarted: Option<Timestamp>,
    /// What other nodes of ours last said of it, by their addresses; empty while nobody was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<NodeView>,
    /// What is remembered of it from probes before the last.
    #[serde(default)]
    pub ledger: Ledger,
}

impl Watched {
    /// True when the last probe was good.
    pub fn is_valid(&self) -> bool {
        self.failure.is_none() && self.seen.is_some()
    }

    /// True when the last probe was good and its facts are not older than `moment`.
    pub fn is_fresh(&self, moment: Timestamp) -> bool {
        self.is_valid() && self.seen.is_some_and(|seen| seen >= moment)
    }
}

/// All that one node knows at one moment. Immutable; cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The moment.
    pub now: Timestamp,
    /// Every watched address.
    pub watched: BTreeMap<InstanceKey, Arc<Watched>>,
    /// What was declared and decided.
    pub declared: Arc<Declared>,
    /// How many nodes of ours vote, the one whose snapshot this is included; 0 or 1 when it stands alone.
    #[serde(default)]
    pub voters: usize,
}

impl Snapshot {
    /// Returns what is known of `key`.
    pub fn get(&self, key: &InstanceKey) -> Option<&Watched> {
        self.watched.get(key).map(Arc::as_ref)
    }

    /// Returns what the last good probe of `key` saw, however old.
    pub fn instance(&self, key: &InstanceKey) -> Option<&Instance> {
        self.get(key)?.instance.as_deref()
    }

    /// Returns every instance that was ever seen, by key.
    pub fn instances(&self) -> impl Iterator<Item = (&Watched, &Instance)> {
        self.watched.values().filter_map(|watched| Some((watched.as_ref(), watched.instance.as_deref()?)))
    }

    /// Returns that this server was replaced as a primary: [`Declared::demotion`].
    pub fn demotion(&self, server: &Instance) -> Option<&Demoted> {
        self.declared.demotion(server)
    }

    /// Returns that the server at `key` was replaced as a primary. Where nothing is known of it, its address is enough.
    pub fn demotion_at(&self, key: &InstanceKey) -> Option<&Demoted> {
        match self.instance(key) {
            Some(server) => self.demotion(server),
            None => self.declared.demoted.get(key),
        }
    }

    /// Returns that a recovery closed this server, and was given up: at its address, or by its identity under another one.
    pub fn left_closed(&self, server: &Instance) -> Option<&Demoted> {
        let records = &self.declared.left_closed;
        let of_address = records.get(&server.key).filter(|record| record.may_be(server));
        of_address.or_else(|| records.values().find(|record| record.is_surely(server)))
    }

    /// Returns the server that `record` is about where it was last read since `since`: at its address, or elsewhere.
    pub fn whereabouts(&self, record: &Demoted, since: Timestamp) -> Option<&Instance> {
        let read = |watched: &Watched| watched.is_fresh(since);
        let there =
            self.get(&record.key).filter(|watched| read(watched)).and_then(|watched| watched.instance.as_deref());
        let elsewhere = || self.instances().find(|(watched, server)| read(watched) && record.is_surely(server));
        there.filter(|server| record.may_be(server)).or_else(|| elsewhere().map(|(_, server)| server))
    }

    /// Returns where replaced primaries are, as far as they are watched.
    pub fn replaced(&self) -> impl Iterator<Item = &InstanceKey> {
        let any = !self.declared.demoted.is_empty();
        self.watched.keys().filter(move |key| any && self.demotion_at(key).is_some())
    }

    /// Returns the promotion rule of `key`: what its own query says, else what was registered and has not expired.
    pub fn promotion_rule(&self, key: &InstanceKey, expires_after: std::time::Duration) -> PromotionRule {
        let queried = self.instance(key).and_then(|instance| instance.labels.promotion_rule);
        let registered = || {
            let registered = self.declared.promotion_rules.get(key)?;
            (self.now.since(registered.at) < expires_after).then_some(registered.rule)
        };
        queried.or_else(registered).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GtidSet, ServerUuid, Version};

    fn key(host: &str) -> InstanceKey {
        InstanceKey::new(host, 3306)
    }

    fn mariadb(host: &str, server_id: u32, executed: &str) -> Instance {
        let mut server = Instance { key: key(host), server_id, ..Instance::default() };
        server.version = Version::parse("11.8.2-MariaDB", "");
        server.gtid.executed = GtidSet::parse_mariadb(executed).unwrap();
        server
    }

    fn mysql(host: &str, server_id: u32, uuid: u32) -> Instance {
        let uuid = ServerUuid::new(&format!("00000000-0000-0000-0000-{uuid:012}"));
        Instance { key: key(host), server_id, uuid, version: Version::parse("9.7.0", ""), ..Instance::default() }
    }

    /// `old` was replaced at second 100; these servers were read since.
    fn farm(old: &Instance, seen: &[&Instance]) -> Snapshot {
        let (at, successor, recovery_uid) = (Timestamp::from_secs(100), key("new"), "r".to_owned());
        let demoted = Demoted { key: old.key.clone(), uuid: None, server_id: None, successor, recovery_uid, at };
        let mut declared = Declared::default();
        declared.demoted.insert(old.key.clone(), demoted.known_as(Some(old)));
        let watched = seen.iter().map(|server| {
            let (instance, seen) = (Some(Arc::new((*server).clone())), Some(Timestamp::from_secs(200)));
            let watched = Watched { key: server.key.clone(), instance, seen, ..Watched::default() };
            (server.key.clone(), Arc::new(watched))
        });
        let now = Timestamp::from_secs(200);
        Snapshot { now, watched: watched.collect(), declared: Arc::new(declared), voters: 1 }
    }

    #[test]
    fn another_server_that_has_the_address_of_a_replaced_one_is_not_meant() {
        let old = mariadb("old", 1, "0-1-100");
        let same = mariadb("old", 1, "0-1-120");
        assert!(farm(&old, &[&same]).demotion_at(&key("old")).is_some());
        let stranger = mariadb("old", 9, "0-9-5");
        assert!(farm(&old, &[&stranger]).demotion_at(&key("old")).is_none());
        assert!(farm(&old, &[]).demotion_at(&key("old")).is_some(), "nothing is known of it");

        let old = mysql("old", 1, 1);
        assert!(farm(&old, &[&mysql("old", 1, 2)]).demotion_at(&key("old")).is_none(), "it is set up alike");
        assert!(farm(&old, &[&mariadb("old", 1, "0-1-100")]).demotion_at(&key("old")).is_none());
        let renumbered = mysql("old", 7, 1);
        assert!(farm(&old, &[&renumbered]).demotion_at(&key("old")).is_some(), "its identity is what counts");
        let unread = Instance { uuid: None, ..mysql("old", 1, 1) };
        assert!(farm(&old, &[&unread]).demotion_at(&key("old")).is_some(), "in doubt it is meant");
    }

    #[test]
    fn one_that_was_left_closed_is_found_where_it_is() {
        let (old, moved) = (mysql("old", 1, 1), mysql("elsewhere", 1, 1));
        let of = |seen: &[&Instance]| {
            let mut farm = farm(&old, seen);
            let declared = Arc::make_mut(&mut farm.declared);
            std::mem::swap(&mut declared.demoted, &mut declared.left_closed);
            let record = farm.declared.left_closed[&key("old")].clone();
            let found = farm.whereabouts(&record, Timestamp::from_secs(100)).map(|server| server.key.host.clone());
            found.inspect(|_| {
                assert!(farm.watched.values().any(|one| farm.left_closed(one.instance.as_ref().unwrap()).is_some()))
            })
        };
        assert_eq!(of(&[&old]).as_deref(), Some("old"));
        assert_eq!(of(&[&moved, &mysql("old", 1, 2)]).as_deref(), Some("elsewhere"));
        assert_eq!(of(&[&mysql("old", 1, 2)]), None);
    }

    #[test]
    fn a_replaced_server_is_known_under_another_address() {
        let moved = mysql("elsewhere", 1, 1);
        assert!(farm(&mysql("old", 1, 1), &[&moved]).demotion_at(&key("elsewhere")).is_some());
        let (old, moved) = (mariadb("old", 1, "0-1-100"), mariadb("elsewhere", 1, "0-1-103"));
        assert!(farm(&old, &[&moved]).demotion_at(&key("elsewhere")).is_none(), "it may be any farm's");
    }
}
