//! What the other nodes of ours see, and what this one shows them.

use std::sync::{Arc, Weak};
use std::time::Duration;

use analysis::Quorum;
use consensus::{Local, Peer};
use futures::future::{BoxFuture, FutureExt};
use mysql::ProbeSettings;
use topology::{InstanceKey, NodeSays, NodeView, ProbeFailure, Sight, Unreachable};

use crate::hub::{Hub, lock};
use crate::mandate::Mandate;
use crate::{audit, recovery, settings};

/// How long a look for another node may take.
const LOOK: Duration = Duration::from_secs(1);

/// How long the others are waited for at first. One that is cut off does not answer at all, and must not keep a majority
/// waiting that had its answer from the kernel.
const BRIEF: Duration = Duration::from_millis(150);

/// How long they are waited for when that did not decide: a look, and the way there and back.
pub(crate) const PATIENT: Duration = Duration::from_millis(1500);

/// Looks for other nodes.
pub(crate) struct Lookout {
    pub(crate) hub: Weak<Hub>,
}

impl Local for Lookout {
    fn look(&self, key: InstanceKey) -> BoxFuture<'static, Sight> {
        let hub = self.hub.clone();
        async move {
            match hub.upgrade() {
                Some(hub) => look(&hub, key).await,
                None => {
                    let message = "this node is stopping".to_owned();
                    // No kind that says anything of the server.
                    let failure = ProbeFailure { kind: Unreachable::NotMySql, message, partial: false };
                    Sight { node: String::new(), at: topology::Timestamp::default(), failure: Some(failure) }
                }
            }
        }
        .boxed()
    }
}

/// Probes `key` on a connection of its own.
async fn look(hub: &Hub, key: InstanceKey) -> Sight {
    let settings = hub.settings();
    let connect = settings.probing.connect_timeout.min(LOOK);
    let access = settings.probing.clone().with_timeouts(connect, LOOK);
    let questions = ProbeSettings { deadline: LOOK, ..settings::probe_settings(&settings.config) };
    let at = hub.now();
    let probe = hub.reach.prober(key, access, questions).probe(hub.clock).await;
    let node = hub.consensus.status().node.address;
    Sight { node, at, failure: probe.observation.outcome.err() }
}

/// Asks the other voters what they see of `key`, puts it on the evidence, and hands leadership over if it is this node
/// that is blind. Does nothing on a manager that stands alone or only watches, nor while the answers at hand decide.
pub(crate) async fn ask(hub: &Arc<Hub>, key: &InstanceKey, limit: Duration) {
    let Ok(mandate) = hub.office.mandate() else { return };
    if hub.office.seat().voters() < 2 || has_word(hub, key) {
        return;
    }
    let asked = hub.now();
    let Some(answers) = mandate.run(hub.office.seat().ask_others(key.clone(), limit)).await else { return };
    let answered = hub.now();
    let views = answers.iter().map(|(peer, answer)| NodeView {
        node: peer.address.clone(),
        asked,
        answered,
        says: match answer {
            Ok(Sight { failure: None, .. }) => NodeSays::Reached,
            Ok(Sight { failure: Some(failure), .. }) => NodeSays::Failed(failure.clone()),
            Err(why) => NodeSays::Nothing(why.clone()),
        },
    });
    hub.observatory.seen_elsewhere(key, views.collect());
    let peers: Vec<Peer> = answers.into_iter().map(|(peer, _)| peer).collect();
    yield_to_who_sees(hub, &mandate, key, &peers).await;
}

fn quorum(hub: &Hub, key: &InstanceKey) -> Option<Quorum> {
    let watched = hub.observatory.get(key)?;
    Some(Quorum::of(&watched, hub.office.seat().voters(), hub.now()))
}

/// Returns how long the others are to be waited for: briefly, unless what they said by then did not decide.
pub(crate) fn patience(hub: &Hub, key: &InstanceKey) -> Duration {
    let was_asked = hub.observatory.get(key).is_some_and(|watched| !watched.elsewhere.is_empty());
    let decided = quorum(hub, key).is_some_and(|quorum| quorum.is_witnessed() || quorum.is_seen());
    if was_asked && !decided { PATIENT } else { BRIEF }
}

/// True when what the others said a moment ago decides.
fn has_word(hub: &Hub, key: &InstanceKey) -> bool {
    const A_MOMENT: Duration = Duration::from_secs(1);
    let Some(watched) = hub.observatory.get(key) else { return true };
    let now = hub.now();
    let is_new = !watched.elsewhere.is_empty() && watched.elsewhere.iter().all(|view| now.since(view.asked) < A_MOMENT);
    is_new && quorum(hub, key).is_some_and(|quorum| quorum.is_witnessed() || quorum.is_seen())
}

/// Hands leadership to a node that reaches `key`, if this one cannot and a majority can. Not again and again: a node that
/// sees this primary may be blind for another one.
async fn yield_to_who_sees(hub: &Arc<Hub>, mandate: &Mandate, key: &InstanceKey, peers: &[Peer]) {
    const AT_MOST_EVERY: Duration = Duration::from_secs(30);
    let Some(quorum) = quorum(hub, key) else { return };
    // Without a confirmed failure of our own nothing is certain yet.
    if quorum.affirm == 0 || !quorum.is_seen() {
        return;
    }
    let (seen, voters) = (quorum.seen_by.len(), quorum.voters);
    if recovery::is_news(hub, key, "seen by others") {
        let by = quorum.seen_by.join(", ");
        tracing::warn!(instance = %key, by, "cannot be reached from here, and {seen} of {voters} nodes reach it: left alone");
    }
    let Some(peer) = peers.iter().find(|peer| quorum.seen_by.contains(&peer.address)) else { return };
    if !quorum.is_seen_by_majority() || !lock(&hub.recovering).is_empty() {
        return;
    }
    {
        let mut handed_over = lock(&hub.handed_over);
        let now = hub.now();
        if handed_over.is_some_and(|last| now.since(last) < AT_MOST_EVERY) {
            return;
        }
        *handed_over = Some(now);
    }
    let sentence =
        format!("hands over leadership to {}: cannot see {key} that {seen} of {voters} nodes see", peer.address);
    tracing::warn!(instance = %key, "{sentence}");
    mandate.run(audit::record(hub, "hand-over-leadership", Some(key), "", &sentence)).await;
    if let Err(error) = hub.office.seat().transfer(peer.clone()).await {
        tracing::warn!(%error, "leadership was not handed over");
    }
}
