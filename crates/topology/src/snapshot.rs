//! All that one node knows at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Declared, Instance, InstanceKey, Ledger, NodeView, ProbeFailure, PromotionRule, Timestamp};

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
