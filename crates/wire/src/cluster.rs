//! Clusters, and what operators declared or did.

use serde::{Deserialize, Serialize};

use crate::Key;

/// A cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ClusterInfo {
    /// Its name: `host:port` of its primary.
    pub cluster_name: String,
    /// Its alias; the name where it has none.
    pub cluster_alias: String,
    /// Its domain; empty where unknown.
    pub cluster_domain: String,
    /// Number of members.
    pub count_instances: u64,
    /// Always 0.
    pub heuristic_lag: i64,
    /// Its primary is replaced without asking.
    pub has_automated_master_recovery: bool,
    /// Its intermediate sources are replaced without asking.
    pub has_automated_intermediate_master_recovery: bool,
}

/// The filters that decide which clusters are recovered without asking, as configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AutomatedRecoveryFilters {
    /// `RecoverIntermediateMasterClusterFilters`.
    pub recover_intermediate_master_cluster_filters: Vec<String>,
    /// `RecoverMasterClusterFilters`.
    pub recover_master_cluster_filters: Vec<String>,
    /// `RecoveryIgnoreHostnameFilters`.
    pub recovery_ignore_hostname_filters: Vec<String>,
}

/// An instance in a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolEntry {
    /// Name of its cluster.
    pub cluster: String,
    /// Alias of that.
    pub alias: String,
    /// The pool.
    pub pool: String,
    /// The instance.
    pub instance: Key,
}

/// A promotion rule, as lists of all of them show it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PromotionRuleEntry {
    /// Host of the instance.
    pub hostname: String,
    /// Its port.
    pub port: u16,
    /// The rule.
    pub promotion_rule: String,
    /// When it was last given.
    pub last_suggested_string: String,
    /// When it ends unless it is given again.
    pub promotion_rule_expiry: String,
}

/// A lock on an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Maintenance {
    /// Row id.
    pub maintenance_id: i64,
    /// The instance.
    pub key: Key,
    /// Since when.
    pub begin_timestamp: String,
    /// Since how many seconds.
    pub seconds_elapsed: u64,
    /// Always true: ended ones are not shown.
    pub is_active: bool,
    /// Who.
    pub owner: String,
    /// Why.
    pub reason: String,
}

/// That somebody did something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Audit {
    /// Row id.
    pub audit_id: i64,
    /// When.
    pub audit_timestamp: String,
    /// What, such as `begin-downtime`.
    pub audit_type: String,
    /// To which instance; no instance where it concerned none.
    pub audit_instance_key: Key,
    /// In words.
    pub message: String,
}
