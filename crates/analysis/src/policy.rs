//! What operators configured, as far as diagnosing and deciding need it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use topology::{Cluster, InstanceKey};

/// A filter that somebody configured, on whatever it is asked about.
pub struct Filter<T>(Arc<dyn Fn(&T) -> bool + Send + Sync>);

/// A filter on instances.
pub type KeyFilter = Filter<InstanceKey>;

/// A filter on clusters.
pub type ClusterFilter = Filter<Cluster>;

impl<T> Filter<T> {
    /// Returns the filter that `holds` decides.
    pub fn new(holds: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(holds))
    }

    /// True when `subject` is meant.
    pub fn holds(&self, subject: &T) -> bool {
        (self.0)(subject)
    }
}

impl<T> Default for Filter<T> {
    /// Returns the filter that means nobody.
    fn default() -> Self {
        Self::new(|_| false)
    }
}

impl<T> Clone for Filter<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Filter<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Filter")
    }
}

/// What to do where it is not proved that a promotion loses no acknowledged transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataLoss {
    /// Promote all the same.
    #[default]
    Allow,
    /// Wait so long from the failure for the proof, then promote all the same.
    Wait(Duration),
    /// Leave it to a person.
    Refuse,
}

/// What operators configured. Defaults are the configuration's.
#[derive(Clone, Debug)]
pub struct Policy {
    /// `ReasonableReplicationLagSeconds`.
    pub reasonable_lag: Duration,
    /// `RecoveryIgnoreHostnameFilters`: left out of analysis.
    pub ignores: KeyFilter,
    /// `RecoverMasterClusterFilters`: recovered without asking.
    pub recovers_primary: ClusterFilter,
    /// `RecoverIntermediateMasterClusterFilters`.
    pub recovers_intermediate: ClusterFilter,
    /// `RecoverNonWriteableMaster`.
    pub recover_non_writable: bool,
    /// `ReasonableLockedSemiSyncMasterSeconds`, or the lag where that is 0: how long a primary without enough semi-sync
    /// replicas may stand still before it is taken for locked.
    pub locked_semi_sync_after: Duration,
    /// `EnforceExactSemiSyncReplicas`.
    pub exact_semi_sync: bool,
    /// `RecoverLockedSemiSyncMaster`.
    pub unlock_semi_sync: bool,
    /// `CoMasterRecoveryMustPromoteOtherCoMaster`.
    pub only_other_co_primary: bool,
    /// `ReduceReplicationAnalysisCount`: leave healthy leaves out.
    pub reduce_analysis: bool,
    /// `PromotionIgnoreHostnameFilters`: never promoted.
    pub never_promote: KeyFilter,
    /// `CandidateInstanceExpireMinutes`: how long a registered promotion rule lasts.
    pub rule_expires_after: Duration,
    /// `RecoveryPeriodBlockSeconds`: how long after a recovery the same kind is not repeated on a cluster.
    pub cooldown: Duration,
    /// `PrimaryRestartGraceSeconds`: how long a dead primary may take to come back by itself.
    pub restart_grace: Duration,
    /// `ReceiverRestartAfterSeconds`: how long a primary is unreachable before receivers that believe in it are asked.
    pub receiver_restart_after: Duration,
    /// `PreventCrossDataCenterMasterFailover`.
    pub same_data_center: bool,
    /// `PreventCrossRegionMasterFailover`.
    pub same_region: bool,
    /// `FailMasterPromotionOnLagMinutes`; none when 0.
    pub max_promotion_lag: Option<Duration>,
    /// `FailMasterPromotionIfSQLThreadNotUpToDate`.
    pub refuse_unapplied: bool,
    /// `DataLossPolicy`.
    pub data_loss: DataLoss,
    /// `PromotionDrainTimeoutSeconds`: how long a candidate may take to apply what it received.
    pub drain_timeout: Duration,
    /// `DetachLostReplicasAfterMasterFailover`.
    pub detach_lost: bool,
    /// `MasterFailoverDetachReplicaMasterHost`.
    pub detach_promoted: bool,
    /// `PostponeReplicaRecoveryOnLagMinutes`; none when 0.
    pub postpone_above_lag: Option<Duration>,
    /// `MasterFailoverLostInstancesDowntimeMinutes`; a year when 0.
    pub lost_downtime: Duration,
    /// `ApplyMySQLPromotionAfterMasterFailover`: make the promoted server writable.
    pub apply_promotion: bool,
    /// `MaxConcurrentReplicaOperations`.
    pub parallel_moves: usize,
    /// `ReasonableMaintenanceReplicationLagSeconds`: a replica that lags more takes over from nobody.
    pub takeover_lag: Duration,
    /// `TakeoverWriteBlockSeconds`: how long a takeover may keep writes waiting before it is undone.
    pub write_block: Duration,
    /// `ReturnedPrimaryPolicy`: what becomes of a replaced primary that came back.
    pub returned_primary: ReturnedPrimary,
}

/// What becomes of a replaced primary that came back. It is closed to writes in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReturnedPrimary {
    /// It is left for a person.
    #[default]
    Off,
    /// It is attached below its successor if that has all it has.
    Subset,
    /// Likewise, and rebuilt from a replica if not, after what it has beyond was put on record.
    Clone,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            reasonable_lag: Duration::from_secs(10),
            ignores: KeyFilter::default(),
            recovers_primary: ClusterFilter::default(),
            recovers_intermediate: ClusterFilter::default(),
            recover_non_writable: false,
            locked_semi_sync_after: Duration::from_secs(10),
            exact_semi_sync: false,
            unlock_semi_sync: false,
            only_other_co_primary: true,
            reduce_analysis: true,
            never_promote: KeyFilter::default(),
            rule_expires_after: Duration::from_secs(3600),
            cooldown: Duration::from_secs(3600),
            restart_grace: Duration::ZERO,
            receiver_restart_after: Duration::from_secs(1),
            same_data_center: false,
            same_region: false,
            max_promotion_lag: None,
            refuse_unapplied: false,
            data_loss: DataLoss::Allow,
            drain_timeout: Duration::from_secs(60),
            detach_lost: true,
            detach_promoted: false,
            postpone_above_lag: None,
            lost_downtime: Duration::from_secs(365 * 86_400),
            apply_promotion: true,
            parallel_moves: 5,
            returned_primary: ReturnedPrimary::Off,
            takeover_lag: Duration::from_secs(20),
            write_block: Duration::from_secs(5),
        }
    }
}
