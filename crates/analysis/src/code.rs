//! Names of what can be wrong, and Orchestrator's names for the same.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($(#[$outer:meta])* $name:ident { $($(#[doc = $doc:literal])* $variant:ident => $compat:literal, $text:literal;)* }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[doc = $doc])* $variant,)* }

        impl $name {
            /// Every one, in order of declaration.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns Orchestrator's name for it, which the API, the hooks and the audit use.
            pub fn compat(self) -> &'static str {
                match self { $(Self::$variant => $compat,)* }
            }

            /// Returns one sentence for people.
            pub fn description(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Returns the code of Orchestrator's name.
            pub fn from_compat(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.compat() == name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(self.compat())
            }
        }
    };
}

codes! {
    /// What can be wrong with an instance. At most one applies: the most urgent.
    Code {
        /// Nothing.
        NoProblem => "NoProblem", "";
        /// The primary is dead and there is nothing to promote.
        DeadPrimaryWithoutReplicas => "DeadMasterWithoutReplicas", "The primary does not answer and has no replicas";
        /// The primary is dead; all replicas answer.
        DeadPrimary => "DeadMaster", "The primary does not answer, and its replicas cannot reach it either";
        /// The primary and all its replicas do not answer: a lost site, or this node is cut off.
        DeadPrimaryAndReplicas => "DeadMasterAndReplicas", "Neither the primary nor any of its replicas answers";
        /// The primary is dead; some replicas answer.
        DeadPrimaryAndSomeReplicas => "DeadMasterAndSomeReplicas", "The primary and some of its replicas do not answer, and those that do cannot reach it";
        /// The primary accepts connections and answers nothing.
        HungPrimary => "HungMaster", "The primary accepts connections and answers nothing, but its replicas do not confirm that it is dead";
        /// The primary has no connection left for us.
        SaturatedPrimary => "SaturatedMaster", "The primary lives and refuses further connections: it has too many";
        /// The primary does not answer here; all replicas lag.
        UnreachablePrimaryWithLaggingReplicas => "UnreachableMasterWithLaggingReplicas", "The primary does not answer here, and all its replicas lag";
        /// The primary does not answer here; replicas do not confirm its death.
        UnreachablePrimary => "UnreachableMaster", "The primary does not answer here, but its replicas do not confirm that it is dead";
        /// Commits wait for acknowledgements that do not come.
        LockedSemiSyncPrimary => "LockedSemiSyncMaster", "The primary waits for more semi-synchronous replicas than are connected, and its commits stand still";
        /// The same, not for long.
        LockedSemiSyncPrimaryHypothesis => "LockedSemiSyncMasterHypothesis", "The primary waits for more semi-synchronous replicas than are connected; whether its commits stand still is not known yet";
        /// More semi-sync replicas than the primary waits for.
        PrimaryWithTooManySemiSyncReplicas => "MasterWithTooManySemiSyncReplicas", "More semi-synchronous replicas are connected to the primary than it waits for";
        /// A primary that is read-only.
        NoWritablePrimary => "NoWriteableMasterStructureWarning", "The primary is read-only while its replicas replicate from it";
        /// The primary lives; its only replica does not replicate.
        PrimarySingleReplicaNotReplicating => "MasterSingleReplicaNotReplicating", "The primary answers, but its only replica does not replicate";
        /// The primary lives; its only replica is dead.
        PrimarySingleReplicaDead => "MasterSingleReplicaDead", "The primary answers, but its only replica does not";
        /// The primary lives; no replica replicates.
        AllPrimaryReplicasNotReplicating => "AllMasterReplicasNotReplicating", "The primary answers, but none of its replicas replicates";
        /// The primary lives; no replica replicates, and some do not answer.
        AllPrimaryReplicasNotReplicatingOrDead => "AllMasterReplicasNotReplicatingOrDead", "The primary answers, but none of its replicas replicates, and some do not answer";
        /// A co-primary is dead; all its replicas answer.
        DeadCoPrimary => "DeadCoMaster", "A co-primary does not answer, and its replicas cannot reach it either";
        /// A co-primary is dead; some of its replicas answer.
        DeadCoPrimaryAndSomeReplicas => "DeadCoMasterAndSomeReplicas", "A co-primary and some of its replicas do not answer, and those that do cannot reach it";
        /// A co-primary does not answer here; its replicas do not confirm its death.
        UnreachableCoPrimary => "UnreachableCoMaster", "A co-primary does not answer here, but its replicas do not confirm that it is dead";
        /// A co-primary lives; no replica of it replicates.
        AllCoPrimaryReplicasNotReplicating => "AllCoMasterReplicasNotReplicating", "A co-primary answers, but none of its replicas replicates";
        /// An intermediate source is dead; its only replica cannot connect to it.
        DeadIntermediateWithSingleReplicaFailingToConnect => "DeadIntermediateMasterWithSingleReplicaFailingToConnect", "An intermediate source does not answer, and its only replica cannot connect to it";
        /// An intermediate source is dead; its only replica does not replicate.
        DeadIntermediateWithSingleReplica => "DeadIntermediateMasterWithSingleReplica", "An intermediate source does not answer, and its only replica does not replicate, for a reason of its own";
        /// An intermediate source is dead; all its replicas answer.
        DeadIntermediate => "DeadIntermediateMaster", "An intermediate source does not answer, and its replicas cannot reach it either";
        /// An intermediate source is dead; some of its replicas answer.
        DeadIntermediateAndSomeReplicas => "DeadIntermediateMasterAndSomeReplicas", "An intermediate source and some of its replicas do not answer, and those that do cannot reach it";
        /// An intermediate source and all its replicas do not answer.
        DeadIntermediateAndReplicas => "DeadIntermediateMasterAndReplicas", "Neither an intermediate source nor any of its replicas answers";
        /// An intermediate source does not answer here; all its replicas lag.
        UnreachableIntermediateWithLaggingReplicas => "UnreachableIntermediateMasterWithLaggingReplicas", "An intermediate source does not answer here, and all its replicas lag";
        /// An intermediate source does not answer here; its replicas do not confirm its death.
        UnreachableIntermediate => "UnreachableIntermediateMaster", "An intermediate source does not answer here, but its replicas do not confirm that it is dead";
        /// An intermediate source lives; no replica can connect to it.
        AllIntermediateReplicasFailingToConnectOrDead => "AllIntermediateMasterReplicasFailingToConnectOrDead", "An intermediate source answers, but those of its replicas that answer cannot connect to it";
        /// An intermediate source lives; no replica replicates.
        AllIntermediateReplicasNotReplicating => "AllIntermediateMasterReplicasNotReplicating", "An intermediate source answers, but none of its replicas replicates";
        /// A binlog server cannot reach its source.
        BinlogServerFailingToConnect => "BinlogServerFailingToConnectToMaster", "A binlog server cannot connect to its source";
        /// A direct replica of the primary cannot reach it.
        FirstTierReplicaFailingToConnect => "FirstTierReplicaFailingToConnectToMaster", "A direct replica of the primary cannot connect to it";
        /// A member of a replication group is dead; servers outside of the group replicate from it.
        DeadGroupMemberWithReplicas => "DeadReplicationGroupMemberWithReplicas", "A member of a replication group does not answer, and none of its replicas replicates";
        /// Two co-primaries accept writes.
        CoPrimarySplitBrain => "CoMasterSplitBrain", "More than one co-primary of the cluster accepts writes";
    }
}

impl Code {
    /// True where the life of a source is in doubt: it and its replicas are then asked again and again.
    pub fn doubts_life(self) -> bool {
        use Code::{
            DeadCoPrimary, DeadCoPrimaryAndSomeReplicas, DeadGroupMemberWithReplicas, DeadIntermediate,
            DeadIntermediateAndReplicas, DeadIntermediateAndSomeReplicas, DeadIntermediateWithSingleReplica,
            DeadIntermediateWithSingleReplicaFailingToConnect, DeadPrimary, DeadPrimaryAndReplicas,
            DeadPrimaryAndSomeReplicas,
        };
        self.is_unreachable()
            || matches!(
                self,
                DeadPrimary
                    | DeadPrimaryAndSomeReplicas
                    | DeadPrimaryAndReplicas
                    | DeadCoPrimary
                    | DeadCoPrimaryAndSomeReplicas
                    | DeadIntermediate
                    | DeadIntermediateAndSomeReplicas
                    | DeadIntermediateAndReplicas
                    | DeadIntermediateWithSingleReplica
                    | DeadIntermediateWithSingleReplicaFailingToConnect
                    | DeadGroupMemberWithReplicas
            )
    }

    /// True where no recovery exists, and people and hooks are told all the same.
    pub fn is_told(self) -> bool {
        matches!(
            self,
            Self::DeadPrimaryAndReplicas
                | Self::HungPrimary
                | Self::SaturatedPrimary
                | Self::UnreachablePrimary
                | Self::UnreachablePrimaryWithLaggingReplicas
                | Self::AllPrimaryReplicasNotReplicating
                | Self::AllPrimaryReplicasNotReplicatingOrDead
                | Self::DeadIntermediateAndReplicas
                | Self::UnreachableIntermediateWithLaggingReplicas
                | Self::CoPrimarySplitBrain
        )
    }

    /// True where the problem is in the replicas, so that it is expected while all of them are in downtime.
    pub fn is_about_replicas(self) -> bool {
        matches!(
            self,
            Self::AllPrimaryReplicasNotReplicating
                | Self::AllPrimaryReplicasNotReplicatingOrDead
                | Self::PrimarySingleReplicaDead
                | Self::AllCoPrimaryReplicasNotReplicating
                | Self::DeadIntermediateWithSingleReplica
                | Self::DeadIntermediateWithSingleReplicaFailingToConnect
                | Self::DeadIntermediateAndReplicas
                | Self::DeadIntermediateAndSomeReplicas
                | Self::AllIntermediateReplicasFailingToConnectOrDead
                | Self::AllIntermediateReplicasNotReplicating
        )
    }

    /// True where a source does not answer here, and nothing proves its death.
    pub fn is_unreachable(self) -> bool {
        matches!(
            self,
            Self::HungPrimary
                | Self::UnreachablePrimary
                | Self::UnreachablePrimaryWithLaggingReplicas
                | Self::UnreachableCoPrimary
                | Self::UnreachableIntermediate
                | Self::UnreachableIntermediateWithLaggingReplicas
        )
    }
}

codes! {
    /// Structural remarks: what would make a failure worse. Any number applies.
    Structure {
        /// Statement and mixed format side by side.
        StatementAndMixedLogging => "StatementAndMixedLoggingReplicasStructureWarning", "Replicas log in both STATEMENT and MIXED format";
        /// Statement and row format side by side.
        StatementAndRowLogging => "StatementAndRowLoggingReplicasStructureWarning", "Replicas log in both STATEMENT and ROW format";
        /// Mixed and row format side by side.
        MixedAndRowLogging => "MixedAndRowLoggingReplicasStructureWarning", "Replicas log in both MIXED and ROW format";
        /// Several release lines.
        MultipleMajorVersionsLogging => "MultipleMajorVersionsLoggingReplicasStructureWarning", "Replicas that log are of several major versions";
        /// No replica can become a source.
        NoLoggingReplicas => "NoLoggingReplicasStructureWarning", "No replica logs what it replicates, so none can be promoted over the others";
        /// GTID modes differ.
        DifferentGtidModes => "DifferentGTIDModesStructureWarning", "GTID modes differ between source and replicas";
        /// A replica has transactions that its source lacks.
        ErrantGtid => "ErrantGTIDStructureWarning", "A replica has transactions that its source does not have";
        /// No GTID: replicas could not be moved.
        NoFailoverSupport => "NoFailoverSupportStructureWarning", "Replicas do not use GTID, so they could not be moved below a new primary";
        /// The primary is read-only.
        NoWritablePrimary => "NoWriteableMasterStructureWarning", "The primary is read-only";
        /// Semi-sync fell back to asynchronous.
        NotEnoughSemiSyncReplicas => "NotEnoughValidSemiSyncReplicasStructureWarning", "Semi-synchronous replication is enabled but not in effect: too few semi-synchronous replicas";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compat_names_lead_there_and_back() {
        for code in Code::ALL {
            assert_eq!(Code::from_compat(code.compat()), Some(*code));
        }
        for code in Structure::ALL {
            assert_eq!(Structure::from_compat(code.compat()), Some(*code));
        }
        assert_eq!(Code::from_compat("NoSuchThing"), None);
    }
}
