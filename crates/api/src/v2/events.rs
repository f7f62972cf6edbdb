//! What changes, told as it changes: one stream of server-sent events.
//!
//! Each topic is a set of things with keys. The first event of a topic is all of it, later ones are what changed and what
//! is gone; who connects again begins again with all. Four times a second at most it is looked what changed, once for all who
//! watch the same, and only what changed is sent, so that a farm at rest costs a heartbeat, and a viewer next to nothing.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use futures::stream::{self, Stream};
use manager::View;
use serde::Serialize;
use store::{Page, RecoveryFilter, Store};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use topology::Cluster;

use crate::app::Api;
use crate::call::Call;
use crate::lookup;
use crate::route::{Access, Place, Route, RouteInfo, Verb};
use crate::v2::looks::{LOOK, Scope, Things, Topics};
use crate::v2::verb::unstored;
use crate::v2::{farm, findings, history, nodes, returned};

/// After this time without a change a heartbeat is sent, so that a lost connection is noticed.
const BEAT: Duration = Duration::from_secs(3);
/// Recoveries that are told of: the newest.
const RECOVERIES: u32 = 20;

/// Set when this process ends.
static ENDING: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(false));

/// Ends every stream of events of this process: it stops, and does not wait for who only watches.
pub fn end_streams() {
    ENDING.send_replace(true);
}

pub(super) fn routes() -> Vec<Route> {
    let handler = get(|State(api): State<Api>, call: Call| {
        let feed = Feed::new(api, call.query("cluster"));
        async move { unstored(Sse::new(feed.events()).into_response()) }
    });
    let info =
        RouteInfo { path: "/api/v2/events".to_owned(), verb: Verb::Get, access: Access::Read, place: Place::Here };
    vec![Route { info, handler }]
}

/// One who watches.
struct Feed {
    api: Api,
    /// What all are told, and, if a cluster is watched, what those are told who watch it.
    scopes: Vec<Scope>,
    /// What was told last, by topic.
    told: BTreeMap<&'static str, Arc<Things>>,
    waiting: VecDeque<Event>,
    looks: Interval,
    /// The first look is at once.
    begun: bool,
    spoke: Instant,
}

impl Feed {
    fn new(api: Api, cluster: &str) -> Self {
        let mut scopes = vec![api.looks.scope("")];
        if !cluster.is_empty() {
            scopes.push(api.looks.scope(cluster));
        }
        // All look at the same moments: the first of them does it, the others find it done.
        let mut looks = interval_at(api.looks.next(), LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let told = BTreeMap::new();
        Self { api, scopes, told, waiting: VecDeque::new(), looks, begun: false, spoke: Instant::now() }
    }

    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut feed| async move {
            let mut ending = ENDING.subscribe();
            let next = tokio::select! {
                _ = ending.wait_for(|ending| *ending) => None,
                event = feed.next() => Some(event),
            };
            next.map(|event| (Ok(event), feed))
        })
    }

    async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                self.spoke = Instant::now();
                return event;
            }
            if std::mem::replace(&mut self.begun, true) {
                self.looks.tick().await;
            }
            self.look().await;
            if self.waiting.is_empty() && self.spoke.elapsed() >= BEAT {
                self.waiting.push_back(Event::default().event("beat").data("{}"));
            }
        }
    }

    async fn look(&mut self) {
        for scope in self.scopes.clone() {
            let (api, cluster) = (self.api.clone(), scope.cluster().to_owned());
            let ask = || self.api.ask(move |store| seen(&api, &cluster, store));
            let Ok(topics) = scope.look(ask).await else {
                // It is told again when the store can be read again; the page sees beats meanwhile.
                return;
            };
            for (topic, things) in topics.iter() {
                self.tell(topic, things);
            }
        }
    }

    fn tell(&mut self, topic: &'static str, things: &Arc<Things>) {
        let before = self.told.get(topic);
        if before.is_some_and(|before| Arc::ptr_eq(before, things)) {
            return;
        }
        if let Some(change) = change(before.map(Arc::as_ref), things) {
            self.waiting.push_back(Event::default().event(topic).data(change));
        }
        self.told.insert(topic, Arc::clone(things));
    }
}

/// Returns what is told of by topic: of one cluster, or what does not belong to one.
fn seen(api: &Api, cluster: &str, store: &Store) -> Result<Topics, store::Error> {
    let view = api.view();
    let topics = if cluster.is_empty() {
        vec![
            ("nodes", thing("nodes", &steady(nodes::nodes(&api.outlook.status(), api.outlook.lease())))),
            ("recoveries", recoveries(store)?),
            ("clusters", clusters(api, &view)),
            ("findings", found(api, &view)),
            ("returned", returned(api, &view)),
            ("divergences", divergences(store)?),
            ("settings", thing("recoveries_enabled", &!view.snapshot.declared.recoveries_disabled)),
        ]
    } else {
        let followed = followed(api, &view, cluster);
        vec![
            ("shown", followed.map_or_else(Things::new, |cluster| thing("cluster", &cluster.name))),
            ("instances", followed.map_or_else(Things::new, |cluster| instances(api, &view, cluster))),
        ]
    };
    Ok(topics.into_iter().map(|(topic, things)| (topic, Arc::new(things))).collect())
}

/// What counts on by itself would make a change of every look.
fn steady(mut nodes: wire::Nodes) -> wire::Nodes {
    nodes.lease_ms = nodes.lease_ms.map(|_| 0);
    for member in &mut nodes.members {
        member.heard_ms = member.heard_ms.map(|_| 0);
    }
    nodes
}

fn clusters(api: &Api, view: &View) -> Things {
    let readiness = api.manager.readiness();
    let scene = api.scene(view);
    let config = api.config();
    let policy = api.manager.policy();
    let card = |cluster: &Cluster| {
        let mut card = farm::card(&scene, cluster);
        card.readiness = readiness.iter().find(|known| known.cluster.name == cluster.name).and_then(farm::if_it_died);
        let own = analysis::diagnose_one(&view.snapshot, &view.graph, &policy, &cluster.head);
        card.automatic = own.is_some_and(|own| own.facts.recovers_primary);
        (cluster.name.clone(), json(&card))
    };
    let shown = |cluster: &&Cluster| !config.problems.ignore.matches(&cluster.head.host, cluster.head.port);
    let mut cards: Things = view.graph.clusters().iter().filter(shown).map(card).collect();
    cards.retain(|_, text| !text.is_empty());
    cards
}

fn found(api: &Api, view: &View) -> Things {
    let held = api.manager.holds();
    view.diagnoses
        .iter()
        .map(|diagnosis| {
            let own = held.iter().find(|held| held.instance == diagnosis.subject);
            let is_held = diagnosis.facts.is_primary && diagnosis.code != analysis::Code::NoProblem;
            let explained = is_held.then(|| api.manager.explain(&diagnosis.facts.cluster_name)).flatten();
            (diagnosis.subject.to_string(), json(&findings::finding(diagnosis, own, explained.as_ref())))
        })
        .collect()
}

/// Returns the cluster that `hint` means now: who watches a primary that is replaced goes on with its successor.
fn followed<'v>(api: &Api, view: &'v View, hint: &str) -> Option<&'v Cluster> {
    let mut cluster = lookup::cluster_of_hint(api, view, hint).ok()?;
    let scene = api.scene(view);
    // At most one step for each that was replaced, so that it ends also if they replaced each other.
    for _ in 0..view.snapshot.declared.demoted.len() {
        let Some(successor) = farm::successor(&scene, &cluster.head) else { break };
        cluster = view.graph.cluster_of(successor)?;
    }
    Some(cluster)
}

/// Returns the members of `cluster`, and with them those that were left behind when its primaries were replaced.
fn instances(api: &Api, view: &View, cluster: &Cluster) -> Things {
    let scene = api.scene(view);
    let left_behind = view.snapshot.replaced().filter_map(|key| {
        let successor = farm::successor(&scene, key)?;
        cluster.members.contains(successor).then(|| view.graph.cluster_of(key))?
    });
    std::iter::once(cluster)
        .chain(left_behind)
        .flat_map(|cluster| farm::rows(&scene, cluster))
        .map(|(key, row)| (key, json(&row)))
        .collect()
}

fn recoveries(store: &Store) -> Result<Things, store::Error> {
    let newest = store.recoveries(RecoveryFilter::default(), Page { number: 0, size: RECOVERIES })?;
    newest.iter().map(|row| Ok((row.uid.clone(), json(&history::recovery(store, row)?)))).collect()
}

fn returned(api: &Api, view: &View) -> Things {
    // Who cannot be told of now is told of at the next look.
    returned::rows(api, view).unwrap_or_default().iter().map(|(key, row)| (key.to_string(), json(row))).collect()
}

fn divergences(store: &Store) -> Result<Things, store::Error> {
    let open = store.divergences(false)?;
    Ok(open.iter().map(|row| (row.id.to_string(), json(&returned::divergence(row)))).collect())
}

fn thing(key: &str, value: &impl Serialize) -> Things {
    Things::from([(key.to_owned(), json(value))])
}

fn json(value: &impl Serialize) -> Arc<str> {
    // All of them have strings for keys, so that writing them cannot fail.
    serde_json::to_string(value).unwrap_or_default().into()
}

/// Returns what changed since `before`, as JSON; all of it where nothing was told yet.
fn change(before: Option<&Things>, now: &Things) -> Option<String> {
    let is_new = |(key, value): &(&String, &Arc<str>)| before.and_then(|before| before.get(*key)) != Some(*value);
    let set: Vec<String> = now.iter().filter(is_new).map(|(key, value)| format!("[{},{value}]", json(key))).collect();
    let gone: Vec<&String> = before.into_iter().flat_map(Things::keys).filter(|key| !now.contains_key(*key)).collect();
    if before.is_some() && set.is_empty() && gone.is_empty() {
        return None;
    }
    Some(format!(r#"{{"all":{},"set":[{}],"gone":{}}}"#, before.is_none(), set.join(","), json(&gone)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn things(pairs: &[(&str, &str)]) -> Things {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), Arc::from(*value))).collect()
    }

    #[test]
    fn all_is_told_first_then_what_changed_and_what_is_gone() {
        let before = things(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let now = things(&[("a", "1"), ("b", "4"), ("d\"", "5")]);
        assert_eq!(change(None, &things(&[])).expect("all"), r#"{"all":true,"set":[],"gone":[]}"#);
        assert_eq!(
            change(Some(&before), &now).expect("a change"),
            r#"{"all":false,"set":[["b",4],["d\"",5]],"gone":["c"]}"#
        );
        assert_eq!(change(Some(&now), &now), None);
    }
}
