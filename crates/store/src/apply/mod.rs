//! What each command does to the tables. Deterministic: rows depend on the rows before and on the command, on nothing
//! else; no statement here asks the database for the time or for chance.

mod declare;
mod detect;
mod divergence;
mod expire;
mod journal;
mod record;

use rusqlite::Connection;

use crate::declared::Section;
use crate::error::Fault;
use crate::{Applied, Command};

/// Carries out `command` within the transaction that is open on `db`. On a fault some of it may have been done: the
/// caller rolls back.
pub(crate) fn apply(db: &Connection, command: &Command) -> Result<Applied, Fault> {
    let done = |()| Applied::Done;
    match command {
        Command::BeginDowntime { key, downtime } => declare::begin_downtime(db, key, downtime).map(done),
        Command::EndDowntime { key } => declare::end_downtime(db, key),
        Command::BeginMaintenance { key, owner, reason, begins, ends } => {
            declare::begin_maintenance(db, key, (owner, reason), (*begins, *ends))
        }
        Command::EndMaintenance { which, at } => declare::end_maintenance(db, which, *at),
        Command::RegisterCandidate { key, rule, at } => declare::register_candidate(db, key, *rule, *at).map(done),
        Command::Watch { keys, at } => declare::watch(db, keys, *at),
        Command::Forget { keys, at, until } => declare::forget(db, keys, *at, *until),
        Command::Remember { keys } => declare::remember(db, keys),
        Command::SetClusterAlias { cluster, alias } => declare::set_cluster_alias(db, cluster, alias).map(done),
        Command::PutTag { key, name, value, at } => declare::put_tag(db, key, (name, value), *at).map(done),
        Command::DeleteTag { key, name } => declare::delete_tag(db, key, name),
        Command::DisableRecoveries { by, at } => declare::disable_recoveries(db, by, *at),
        Command::EnableRecoveries => declare::enable_recoveries(db),
        Command::PutClusterAlias { cluster, alias, at } => record::put_cluster_alias(db, cluster, alias, *at).map(done),
        Command::PutClusterDomain { cluster, domain, at } => {
            record::put_cluster_domain(db, cluster, domain, *at).map(done)
        }
        Command::RenameCluster { from, to, at } => record::rename_cluster(db, from, to, *at).map(done),
        Command::Demote(demoted) => record::demote(db, demoted).map(done),
        Command::LeaveClosed(demoted) => record::leave_closed(db, demoted).map(done),
        Command::Reinstate { key } => record::reinstate(db, key),
        Command::RecordDivergence(new) => divergence::record(db, new),
        Command::AcknowledgeDivergence { id, owner, comment, at } => {
            divergence::acknowledge(db, *id, (owner, comment), *at)
        }
        Command::PutKeyValue { key, value, at } => record::put_key_value(db, key, value, *at).map(done),
        Command::Audit { kind, key, cluster, message, at } => {
            record::audit(db, kind, key.as_ref(), (cluster, message), *at)
        }
        Command::RegisterNode(report) => record::register_node(db, report).map(done),
        Command::PutHostnameResolve { from, to, at } => record::put_resolve(db, from, to, *at).map(done),
        Command::RegisterDetection(new) => detect::register(db, new),
        Command::BlockRecovery { key, cluster, code, blocking_recovery_id, at } => {
            detect::block(db, key, (cluster, code), *blocking_recovery_id, *at).map(done)
        }
        Command::UnblockRecovery { key } => detect::unblock(db, key),
        Command::AcknowledgeRecoveries { scope, owner, comment, at } => {
            detect::acknowledge(db, scope, (owner, comment), *at)
        }
        Command::RaiseEpoch { cluster } => journal::raise_epoch(db, cluster),
        Command::BeginRecovery(new) => journal::begin(db, new),
        Command::ResumeRecovery { uid, epoch, node, at: _ } => journal::resume(db, uid, *epoch, node).map(done),
        Command::ReplacePlan { uid, epoch, plan, at: _ } => journal::replace_plan(db, uid, *epoch, plan).map(done),
        Command::StepStarted { uid, epoch, number, at } => {
            journal::step_started(db, (uid, *number), *epoch, *at).map(done)
        }
        Command::StepFinished { uid, epoch, number, outcome, message, at } => {
            journal::step_finished(db, (uid, *number), *epoch, (*outcome, message), *at).map(done)
        }
        Command::Note { uid, message, at } => journal::note(db, uid, message, *at).map(done),
        Command::EndRecovery(ending) => journal::end(db, ending).map(done),
        Command::Expire { now, retention } => expire::expire(db, *now, retention).map(Applied::Expired),
    }
}

/// Returns which parts of [`topology::Declared`] the command may change.
pub(crate) fn touches(command: &Command) -> &'static [Section] {
    match command {
        Command::BeginDowntime { .. } | Command::EndDowntime { .. } => &[Section::Downtimes],
        Command::BeginMaintenance { .. } | Command::EndMaintenance { .. } => &[Section::Maintenance],
        Command::RegisterCandidate { .. } => &[Section::PromotionRules],
        Command::Watch { .. } => &[Section::Watched],
        Command::Forget { .. } => &[Section::Forgotten, Section::Watched],
        Command::Remember { .. } => &[Section::Forgotten],
        Command::SetClusterAlias { .. } => &[Section::AliasOverrides],
        Command::PutTag { .. } | Command::DeleteTag { .. } => &[Section::Tags],
        Command::DisableRecoveries { .. } | Command::EnableRecoveries => &[Section::RecoveriesDisabled],
        Command::RenameCluster { .. } => &[Section::AliasOverrides, Section::Recovering],
        Command::Demote(_) | Command::LeaveClosed(_) | Command::Reinstate { .. } => &[Section::Demoted],
        Command::BeginRecovery(_) | Command::EndRecovery(_) => &[Section::Recovering],
        Command::Expire { .. } => {
            &[Section::Downtimes, Section::Maintenance, Section::PromotionRules, Section::Forgotten]
        }
        Command::PutClusterAlias { .. }
        | Command::PutClusterDomain { .. }
        | Command::RegisterDetection(_)
        | Command::ResumeRecovery { .. }
        | Command::ReplacePlan { .. }
        | Command::StepStarted { .. }
        | Command::StepFinished { .. }
        | Command::Note { .. }
        | Command::AcknowledgeRecoveries { .. }
        | Command::BlockRecovery { .. }
        | Command::UnblockRecovery { .. }
        | Command::RaiseEpoch { .. }
        | Command::RecordDivergence(_)
        | Command::AcknowledgeDivergence { .. }
        | Command::PutKeyValue { .. }
        | Command::Audit { .. }
        | Command::RegisterNode(_)
        | Command::PutHostnameResolve { .. } => &[],
    }
}
