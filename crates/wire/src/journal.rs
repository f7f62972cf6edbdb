//! A recovery with all that was written down of it, in our own shape (`/api/v2`).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Key, PlannedStep};

/// A recovery with its plan, its proof and its journal. Moments are UTC with microseconds: `2026-11-22T17:53:17.123456Z`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecoveryRecord {
    /// Id that is the same on every node.
    pub uid: String,
    /// `running`, `done` or `failed`; empty where an older program wrote the row.
    pub state: String,
    /// The diagnosis, such as `DeadMaster`.
    pub code: String,
    /// What sort of recovery; empty where an older program wrote the row.
    pub kind: String,
    /// Name of the cluster when it began.
    pub cluster: String,
    /// Its alias.
    pub cluster_alias: String,
    /// Name of the cluster now; null without a journal.
    pub cluster_now: Option<String>,
    /// The failed instance.
    pub failed: Key,
    /// The instance that took over.
    pub successor: Option<Key>,
    /// Replicas that were lost.
    pub lost: Vec<Key>,
    /// What went wrong.
    pub errors: Vec<String>,
    /// When it began.
    pub started: String,
    /// When it ended; null while it runs.
    pub ended: Option<String>,
    /// Who began it.
    pub begun_by: Executor,
    /// Who executes it, or did last; null without a journal.
    pub executed_by: Option<Executor>,
    /// The epoch that it began with; 0 where an older program wrote the row.
    pub first_epoch: u64,
    /// The epoch of who executes it; null without a journal.
    pub epoch: Option<u64>,
    /// The recovery that it follows.
    pub parent: Option<String>,
    /// The proof about data loss.
    pub certificate: Option<Value>,
    /// The plan as it was decided; null without a journal.
    pub plan: Option<Value>,
    /// All its steps in words, by number; empty without a journal.
    pub planned: Vec<PlannedStep>,
    /// For how long writes waited, in milliseconds: from the order to close a living primary until its successor, or it again,
    /// took them. Null where they did not, or still do.
    pub write_block_ms: Option<u64>,
    /// The steps that were begun, by number.
    pub steps: Vec<JournalStep>,
    /// The story, oldest sentence first.
    pub story: Vec<Sentence>,
}

/// A process of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executor {
    /// Its host.
    pub hostname: String,
    /// Tells this process from earlier ones on the host.
    pub token: String,
}

/// A step of a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalStep {
    /// Its number in the plan.
    pub number: u32,
    /// What it does, in words; empty where this version does not know.
    pub action: String,
    /// The epoch of who began it last.
    pub epoch: u64,
    /// When it began last.
    pub started: Option<String>,
    /// When it finished.
    pub finished: Option<String>,
    /// `done`, `skipped` or `failed`; null while it is not known.
    pub outcome: Option<String>,
    /// What a person should read about it.
    pub message: String,
}

/// A sentence of a recovery's story.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sentence {
    /// When.
    pub at: String,
    /// What.
    pub message: String,
}
