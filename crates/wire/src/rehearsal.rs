//! What would be done if somebody asked for it now, in our own shape (`/api/v2`).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{HoldView, Key};

/// What a takeover or a recovery would do now, or why it would do nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// The server that it is about: the primary that hands over, or the one that failed.
    pub subject: Key,
    /// Its cluster.
    pub cluster: String,
    /// The alias of its cluster.
    pub cluster_alias: String,
    /// It heads its cluster.
    pub is_primary: bool,
    /// It answers.
    pub answers: bool,
    /// The diagnosis, such as `DeadMaster`; `NoProblem` when nothing is wrong.
    pub code: String,
    /// The same in a sentence.
    pub title: String,
    /// Who would take its place; null when nothing would be done.
    pub successor: Option<Key>,
    /// Why nothing would be done; null when something would.
    pub hold: Option<HoldView>,
    /// The uid of the recovery that runs, where that is the reason.
    pub running: Option<String>,
    /// Nothing would be done, and the primary can be replaced by force.
    pub can_be_forced: bool,
    /// Every candidate, best first, as if nobody was named.
    pub candidates: Vec<CandidateWord>,
    /// The proof about data loss; null where no primary is replaced.
    pub certificate: Option<Value>,
    /// What would be done.
    pub steps: Vec<PlannedStep>,
    /// Replicas that would be left behind.
    pub lost: Vec<LeftBehind>,
    /// For how long writes may wait, in milliseconds; null where no living primary is closed.
    pub write_block_ms: Option<u64>,
    /// What one should know of it, in sentences.
    pub notes: Vec<String>,
}

/// A server that may take the place of another one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidateWord {
    /// The server.
    pub instance: Key,
    /// It is the best that can be promoted.
    pub best: bool,
    /// It can be promoted.
    pub eligible: bool,
    /// Why it cannot, or who is preferred to it and why; empty for the best.
    pub why: String,
}

/// A replica that would be left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftBehind {
    /// The replica.
    pub instance: Key,
    /// Why.
    pub why: String,
}

/// A step of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Its number, from 1.
    pub number: u32,
    /// Steps of one stage run side by side.
    pub stage: u32,
    /// If it fails, the plan ends.
    pub required: bool,
    /// What it does, in words.
    pub action: String,
    /// Writes wait while it is done.
    pub writes_wait: bool,
}

/// What an action would do to one server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// Which server.
    pub instance: Key,
    /// Statements that it gets, in this order.
    pub statements: Vec<String>,
    /// What else is done or follows, in sentences.
    pub does: Vec<String>,
    /// What one should know before.
    pub beware: Vec<String>,
    /// It may hurt somebody.
    pub danger: bool,
    /// Why it cannot be done; null where it can.
    pub why_not: Option<String>,
}

/// A replaced primary, as a list shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnedRow {
    /// The replaced primary.
    pub instance: Key,
    /// The cluster that it belongs to: that of who took over.
    pub cluster_alias: String,
    /// Who took over from it.
    pub replaced_by: Key,
    /// The recovery that replaced it.
    pub recovery: String,
    /// When it was replaced.
    pub since: String,
    /// It answers.
    pub answers: bool,
    /// `writable`, `read_only` or `super_read_only`, as it was last read.
    pub writes: String,
    /// `held`: it stays as it is; `attaching`: something is done, or will be in a moment; `settled`.
    pub state: String,
    /// Why it stays as it is, as a word that does not change, such as `divergent`; empty where it does not.
    pub kind: String,
    /// Why it stays as it is, or why it is settled.
    pub why: String,
    /// Number of the record of what it has beyond its successor; null for none.
    pub divergence: Option<i64>,
}

/// What a replaced primary has beyond its successor, as a list shows it; `v2/divergences` has the rows too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DivergenceRow {
    /// Number.
    pub id: i64,
    /// The replaced primary.
    pub instance: Key,
    /// The primary that has not got it.
    pub primary: Key,
    /// When it was found.
    pub found: String,
    /// The transactions.
    pub gtids: String,
    /// How many.
    pub transactions: u64,
    /// How many changes they made.
    pub changes: u64,
    /// Changes by table and kind.
    pub tables: Value,
    /// Where all of them are, on `node`.
    pub file: String,
    /// The node that has the file.
    pub node: String,
    /// What is missing from it; empty when nothing is.
    pub note: String,
}
