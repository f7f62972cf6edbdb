//! What operators declared, and what earlier decisions left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Instance, InstanceKey, ServerUuid, Timestamp};

/// How welcome an instance is as a primary. Ordered best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PromotionRule {
    /// Only servers with this rule may be promoted, where a cluster has any.
    Must,
    /// Rather than others.
    Prefer,
    /// No opinion.
    #[default]
    Neutral,
    /// Only if there is no other.
    PreferNot,
    /// Never.
    MustNot,
}

impl PromotionRule {
    /// Returns the word that people write, such as `prefer_not`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Prefer => "prefer",
            Self::Neutral => "neutral",
            Self::PreferNot => "prefer_not",
            Self::MustNot => "must_not",
        }
    }
}

impl fmt::Display for PromotionRule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for PromotionRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Must, Self::Prefer, Self::Neutral, Self::PreferNot, Self::MustNot]
            .into_iter()
            .find(|rule| rule.as_str() == text)
            .ok_or_else(|| {
                format!("{text:?} is no promotion rule: write must, prefer, neutral, prefer_not or must_not")
            })
    }
}

/// A promotion rule that somebody registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredRule {
    /// The rule.
    pub rule: PromotionRule,
    /// When it was last registered; it expires after `CandidateInstanceExpireMinutes`.
    pub at: Timestamp,
}

/// A span in which problems of an instance are expected and lead to no recovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Downtime {
    /// Who asked for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// From when.
    pub begins: Timestamp,
    /// Until when.
    pub ends: Timestamp,
}

/// A lock that somebody put on an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Row id, as the API shows it.
    pub id: i64,
    /// Who.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub begins: Timestamp,
    /// It ends by itself then.
    pub ends: Timestamp,
}

/// A server that a recovery replaced as a primary. It must not become writable again by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demoted {
    /// Its address then.
    pub key: InstanceKey,
    /// Its identity, where it has one: an address may be given to another server.
    pub uuid: Option<ServerUuid>,
    /// Its `server_id`, where it was known: all that tells one MariaDB from another at its address.
    #[serde(default)]
    pub server_id: Option<u32>,
    /// The primary that took over.
    pub successor: InstanceKey,
    /// The recovery that did it.
    pub recovery_uid: String,
    /// When.
    pub at: Timestamp,
}

impl Demoted {
    /// Returns this with what tells `server` from others; as it is, where nothing is known of the server.
    #[must_use]
    pub fn known_as(self, server: Option<&Instance>) -> Self {
        // Another one that has its address by now is not meant.
        let is_other = |server: &&Instance| self.uuid.is_some() && server.uuid != self.uuid;
        let Some(server) = server.filter(|server| !is_other(server)) else { return self };
        let server_id = Some(server.server_id).filter(|id| *id != 0);
        Self { uuid: self.uuid.or_else(|| server.uuid.clone()), server_id, ..self }
    }

    /// True unless `server`, which has its address, is demonstrably another one.
    pub fn may_be(&self, server: &Instance) -> bool {
        match (&self.uuid, &server.uuid) {
            (Some(own), Some(other)) => own == other,
            (Some(_), None) => !server.version.is_mariadb(),
            (None, _) => self.server_id.is_none_or(|id| id == server.server_id || server.server_id == 0),
        }
    }

    /// True when `server` has the identity that is on record.
    pub fn is_surely(&self, server: &Instance) -> bool {
        self.uuid.is_some() && self.uuid == server.uuid
    }
}

/// All that was declared or decided and that analysis and planning need to know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// Downtimes by instance; expired ones may still be in it, so ask [`Declared::downtime`].
    pub downtimes: BTreeMap<InstanceKey, Downtime>,
    /// Maintenance by instance; likewise.
    pub maintenance: BTreeMap<InstanceKey, Maintenance>,
    /// Registered promotion rules; likewise.
    pub promotion_rules: BTreeMap<InstanceKey, RegisteredRule>,
    /// Cluster aliases that an operator set, by cluster name.
    pub alias_overrides: BTreeMap<String, String>,
    /// Replaced primaries by address.
    pub demoted: BTreeMap<InstanceKey, Demoted>,
    /// Primaries that a recovery closed and that nobody replaced, as it was given up, by address: until they were open again
    /// for a while. `successor` is who was to take the place.
    #[serde(default)]
    pub left_closed: BTreeMap<InstanceKey, Demoted>,
    /// Addresses that an operator had forgotten; they are not probed until that time.
    pub forgotten: BTreeMap<InstanceKey, Timestamp>,
    /// Addresses that every node watches, however it heard of them. Shared, since it is long and changes seldom.
    #[serde(default)]
    pub watched: Arc<BTreeSet<InstanceKey>>,
    /// Tags by instance, `name` to `value`.
    pub tags: BTreeMap<InstanceKey, BTreeMap<String, String>>,
    /// Pools by name, with the instances in each.
    #[serde(default)]
    pub pools: BTreeMap<String, BTreeSet<InstanceKey>>,
    /// Names of the clusters of these instances, where somebody else named them: a file that was read. Empty in a manager
    /// that watches servers.
    #[serde(default)]
    pub cluster_names: BTreeMap<InstanceKey, String>,
    /// True while an operator has disabled all automatic recoveries.
    pub recoveries_disabled: bool,
    /// Names of clusters in which a recovery is running.
    pub recovering: BTreeSet<String>,
}

impl Declared {
    /// Returns the downtime of `key` that is in effect at `now`.
    pub fn downtime(&self, key: &InstanceKey, now: Timestamp) -> Option<&Downtime> {
        self.downtimes.get(key).filter(|downtime| downtime.ends > now)
    }

    /// Returns that this server was replaced as a primary: at its address, unless it is demonstrably another one; or under
    /// another address, by its identity. A MariaDB has none, and is not known elsewhere: many farms give their servers the same
    /// `server_id` and domain, and to close a healthy primary of another farm would be worse.
    pub fn demotion(&self, server: &Instance) -> Option<&Demoted> {
        let of_address = self.demoted.get(&server.key).filter(|demoted| demoted.may_be(server));
        of_address.or_else(|| self.demoted.values().find(|demoted| demoted.is_surely(server)))
    }

    /// Returns the maintenance of `key` that is in effect at `now`.
    pub fn maintenance(&self, key: &InstanceKey, now: Timestamp) -> Option<&Maintenance> {
        self.maintenance.get(key).filter(|maintenance| maintenance.ends > now)
    }
}
