//! A primary is replaced because a person says so, whatever is wrong with it or nothing.

use std::sync::Arc;
use std::time::Duration;

use analysis::{Code, Diagnosis};
use planner::{Hold, Request};
use topology::{Cluster, InstanceKey};

use crate::hub::{Hub, View};
use crate::recovery::{self, Recovered};
use crate::{Error, nodes, suspicion, watcher};

/// What came of it.
#[derive(Clone, Debug)]
pub struct Forced {
    /// What was recovered from, as it stood.
    pub diagnosis: Diagnosis,
    /// How it ended.
    pub recovered: Recovered,
}

/// How often, and how long between, evidence is gathered anew while replicas believe in a primary that is silent here: their
/// receivers are being restarted.
const LOOKS: u32 = 12;
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// Replaces the primary of the cluster of this name, if it is `meant` where somebody is.
///
/// # Errors
/// [`Error::Held`], [`Error::Refused`] and [`Error::Consensus`] as with any recovery; [`Error::Ambiguous`] when the cluster
/// has no primary, or several, or another one than is meant.
pub(crate) async fn replace(
    hub: &Arc<Hub>,
    cluster: &str,
    meant: Option<&InstanceKey>,
    request: Request,
) -> Result<Forced, Error> {
    let mandate = hub.office.mandate()?;
    let mut looks = 0;
    loop {
        looks += 1;
        let view = hub.view();
        let found = view.graph.cluster(cluster).ok_or_else(|| Error::Ambiguous(format!("no cluster {cluster}")))?;
        let primary = primary_of(&view, found)?;
        if meant.is_some_and(|meant| *meant != primary) {
            return Err(Error::Ambiguous(format!("{primary} is the primary of {cluster}, and would be replaced")));
        }
        watcher::probe_anew(hub, &primary).await;
        tokio::join!(suspicion::ask_replicas(hub, &primary), nodes::ask(hub, &primary, nodes::PATIENT));
        let view = hub.examine();
        let mut diagnosis = analysis::diagnose_one(&view.snapshot, &view.graph, &hub.policy(), &primary)
            .ok_or_else(|| Error::Unknown(primary.clone()))?;
        diagnosis.code = if diagnosis.facts.is_co_primary { Code::DeadCoPrimary } else { Code::DeadPrimary };
        // In a task of its own: a recovery goes on when the caller hangs up.
        let (hub_of_task, under, snapshot) = (Arc::clone(hub), mandate.clone(), view.snapshot);
        let (about, request) = (diagnosis.clone(), request.clone());
        let recovery = async move { recovery::consider(&hub_of_task, &under, &snapshot, &about, &request).await };
        match hub.recover(&mandate, recovery).await {
            Err(Error::Held(Hold::CannotBeClosed { .. })) if looks < LOOKS && !diagnosis.facts.is_valid => {
                suspicion::suspect(hub, &primary);
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
            outcome => return outcome.map(|recovered| Forced { diagnosis, recovered }),
        }
    }
}

/// Returns the primary of a cluster: its head or, of co-primaries, the one that takes writes.
fn primary_of(view: &View, cluster: &Cluster) -> Result<InstanceKey, Error> {
    let heads = |key: &&InstanceKey| view.graph.depth(key) == 0 || view.graph.is_co_primary(key);
    let heads: Vec<&InstanceKey> = cluster.members.iter().filter(heads).collect();
    if let [only] = heads.as_slice() {
        return Ok((*only).clone());
    }
    let is_writable =
        |key: &&&InstanceKey| view.snapshot.instance(key).is_some_and(|server| server.writes.is_writable());
    match heads.iter().filter(is_writable).collect::<Vec<_>>().as_slice() {
        [only] => Ok((**only).clone()),
        several => Err(Error::Ambiguous(format!(
            "Cannot deduce cluster master for {}. Found {} potential masters, {} of them writeable",
            cluster.name,
            heads.len(),
            several.len()
        ))),
    }
}
