//! Another server takes the place of one, because a person asks for it: what that would do, and doing it.
//!
//! One address each: GET tells what POST would do now, on fresh evidence.

use std::time::Duration;

use axum::http::StatusCode;
use config::Config;
use manager::{Reason, Rehearsed};
use planner::{Action, Choice, Decision, Hold, HookList, Plan, Request, Step, Wish};
use serde::Deserialize;
use serde_json::{Value, json};
use topology::InstanceKey;
use wire::{CandidateWord, Key, LeftBehind, PlannedStep, Rehearsal};

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::error::Error;
use crate::lookup;
use crate::route::Route;
use crate::v2::overview::view_of;
use crate::v2::servers::{Address, named};
use crate::v2::verb::{asked, get, plain_problem, post};

pub(super) fn routes() -> Vec<Route> {
    vec![
        get("v2/clusters/{cluster}/takeover", rehearse_takeover).at_leader(),
        post("v2/clusters/{cluster}/takeover", take_over),
        get("v2/instances/{host}/{port}/recover", rehearse_recovery).at_leader(),
        post("v2/instances/{host}/{port}/recover", recover),
    ]
}

/// How it is asked for.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Asked {
    /// Who is to take over; the best where nobody is named.
    candidate: Option<Address>,
    skip_hooks: bool,
    /// Recoveries: the primary is replaced whatever is wrong with it.
    force: bool,
}

/// The same, with the candidate as it is known.
struct Terms {
    candidate: Option<InstanceKey>,
    skip_hooks: bool,
    force: bool,
}

impl Terms {
    /// As a body says it.
    fn of_body(api: &Api, body: Value) -> Result<Self, Error> {
        let Asked { candidate, skip_hooks, force } = asked(body)?;
        let given = candidate.map(|address| address.key()).transpose()?;
        Ok(Self { candidate: given.map(|given| known(api, given)), skip_hooks, force })
    }

    /// As a query says it: `?candidate=HOST:PORT&skip_hooks=true&force=true`.
    fn of_query(api: &Api, call: &Call) -> Result<Self, Error> {
        let port = api.config().topology_access.default_port;
        let given = match call.query("candidate") {
            "" => None,
            text => Some(InstanceKey::parse(text, port).map_err(|error| Error::BadParameter(error.to_string()))?),
        };
        let is = |name| call.query(name) == "true";
        let (skip_hooks, force) = (is("skip_hooks"), is("force"));
        Ok(Self { candidate: given.map(|given| known(api, given)), skip_hooks, force })
    }

    fn request(&self) -> Request {
        let command = match (self.force, &self.candidate) {
            (false, _) => "",
            (true, None) => "force-master-failover",
            (true, Some(_)) => "force-master-takeover",
        };
        let (candidate, skip_hooks) = (self.candidate.clone(), self.skip_hooks);
        Request { candidate, skip_hooks, forced: true, command: command.to_owned() }
    }
}

fn known(api: &Api, given: InstanceKey) -> InstanceKey {
    lookup::instance_to_change(api, &api.view(), given)
}

async fn rehearse_takeover(api: Api, call: Call) -> Answer {
    let view = api.fresh_view();
    let primary = lookup::cluster(&api, &view, &call)?.head.clone();
    let terms = Terms::of_query(&api, &call)?;
    let wish = Wish { designated: terms.candidate, auto: true };
    let rehearsed = api.manager.rehearse_takeover(&primary, &wish, terms.skip_hooks).await?;
    Reply::bare(&shown(&rehearsed, &api.config()))
}

async fn take_over(api: Api, call: Call, body: Value) -> Answer {
    let view = api.fresh_view();
    let primary = lookup::cluster(&api, &view, &call)?.head.clone();
    let terms = Terms::of_body(&api, body)?;
    let wish = Wish { designated: terms.candidate, auto: true };
    let ended = api.manager.take_over(&primary, wish, terms.skip_hooks).await?.recovered;
    match ended.successor {
        Some(successor) => told(&primary, &successor, &ended.uid),
        None => {
            let why = format!("not done, and what was begun is undone: {}", ended.errors.join("; "));
            Ok(plain_problem(StatusCode::CONFLICT, "not_done", &why))
        }
    }
}

async fn rehearse_recovery(api: Api, call: Call) -> Answer {
    let key = named(&api, &call)?;
    let terms = Terms::of_query(&api, &call)?;
    let rehearsed = api.manager.rehearse_recovery(&key, &terms.request()).await?;
    Reply::bare(&shown(&rehearsed, &api.config()))
}

async fn recover(api: Api, call: Call, body: Value) -> Answer {
    let key = named(&api, &call)?;
    let terms = Terms::of_body(&api, body)?;
    let recovered = if terms.force {
        api.manager.replace_this_primary(&headed_by(&api, &key)?, &key, terms.request()).await?.recovered
    } else {
        api.manager.recover(&key, terms.request()).await?
    };
    match recovered.successor {
        Some(successor) => told(&key, &successor, &recovered.uid),
        None => {
            let why = format!("nobody was promoted: {}", recovered.errors.join("; "));
            Ok(plain_problem(StatusCode::CONFLICT, "not_done", &why))
        }
    }
}

/// Returns the cluster whose primary `key` is: no other server is replaced by force.
fn headed_by(api: &Api, key: &InstanceKey) -> Result<String, Error> {
    let view = api.fresh_view();
    let cluster = view.graph.cluster_of(key).ok_or_else(|| Error::UnknownInstance(key.clone()))?;
    if cluster.head != *key && !view.graph.is_co_primary(key) {
        return Err(Error::BadParameter(format!("{key} is no primary: only such is replaced by force")));
    }
    Ok(cluster.name.clone())
}

fn told(from: &InstanceKey, successor: &InstanceKey, uid: &str) -> Answer {
    Reply::bare(&json!({
        "message": format!("{successor} took over from {from}"),
        "successor": Key::from(successor),
        "uid": uid,
    }))
}

fn shown(rehearsed: &Rehearsed, config: &Config) -> Rehearsal {
    let Rehearsed { diagnosis, choice, decision, can_be_forced } = rehearsed;
    let facts = &diagnosis.facts;
    let mut shown = Rehearsal {
        subject: Key::from(&diagnosis.subject),
        cluster: facts.cluster_name.clone(),
        cluster_alias: facts.cluster_alias.clone(),
        is_primary: facts.is_primary,
        answers: facts.is_valid,
        code: diagnosis.code.compat().to_owned(),
        title: diagnosis.code.description().to_owned(),
        can_be_forced: *can_be_forced,
        candidates: candidates(choice),
        ..Rehearsal::default()
    };
    match decision {
        Decision::Hold(hold) => {
            if let Hold::Running { uid } = hold {
                shown.running = Some(uid.clone());
            }
            shown.hold = Some(view_of(&Reason::Hold(hold.clone()), &diagnosis.subject));
        }
        Decision::Act(plan) => put_plan(&mut shown, plan, config),
    }
    shown
}

fn put_plan(shown: &mut Rehearsal, plan: &Plan, config: &Config) {
    shown.successor = Some(Key::from(&plan.successor));
    shown.certificate = plan.certificate.as_ref().map(|certificate| json!(certificate));
    shown.steps = planned(&plan.steps);
    for (word, step) in shown.steps.iter_mut().zip(&plan.steps) {
        if matches!(&step.action, Action::RunHooks(list) if count(list, config) == 0) {
            word.action.push_str(": none configured");
        }
    }
    shown.lost =
        plan.lost.iter().map(|lost| LeftBehind { instance: Key::from(&lost.key), why: lost.why.clone() }).collect();
    shown.write_block_ms = plan.steps.iter().find_map(|step| match &step.action {
        Action::Freeze { budget, .. } => u64::try_from(budget.as_millis()).ok(),
        _ => None,
    });
    shown.notes = plan.steps.iter().filter_map(|step| note(plan, &step.action)).collect();
    shown.notes.extend(hooks(plan, config));
}

fn candidates(choice: &Choice) -> Vec<CandidateWord> {
    let word = |candidate: &planner::Candidate| CandidateWord {
        instance: Key::from(&candidate.key),
        best: choice.chosen.as_ref() == Some(&candidate.key),
        eligible: candidate.rejections.is_empty(),
        why: candidate.why_not().unwrap_or_default(),
    };
    choice.candidates.iter().map(word).collect()
}

/// Returns `steps` in words. Writes wait from the stage that closes a living primary to the one that opens its successor.
pub(crate) fn planned(steps: &[Step]) -> Vec<PlannedStep> {
    let stage_of = |is: fn(&Action) -> bool| steps.iter().find(|step| is(&step.action)).map(|step| step.stage);
    let closed = stage_of(|action| matches!(action, Action::Freeze { .. }));
    let opened = stage_of(|action| matches!(action, Action::Promote { .. }));
    let waits = |stage: u32| closed.zip(opened).is_some_and(|(from, to)| (from..=to).contains(&stage));
    let word = |step: &Step| PlannedStep {
        number: step.number,
        stage: step.stage,
        required: step.required,
        action: step.action.to_string(),
        // What shares the stage of the opening is done beside it.
        writes_wait: waits(step.stage),
    };
    steps.iter().map(word).collect()
}

/// Returns what one should know of a step beforehand.
fn note(plan: &Plan, action: &Action) -> Option<String> {
    let (old, new) = (&plan.failed, &plan.successor);
    Some(match action {
        Action::Freeze { budget, .. } => format!(
            "Sessions whose transactions hold up the closing of {old} are ended. If {new} does not take writes within {} \
             from then on, all is taken back, and {old} takes them again.",
            spelt(*budget)
        ),
        Action::Approach { within, .. } if is_first_approach(plan, action) => format!(
            "No write waits until {new} is but a moment behind. If it lags, commits on {old} are slowed down a little; \
             that is given up after {}.",
            spelt(*within)
        ),
        Action::Ready { acks: Some(acks), .. } => {
            let lossless = if acks.lossless { "" } else { ", not lossless" };
            let replicas =
                if acks.wait_count == 1 { "1 replica".to_owned() } else { format!("{} replicas", acks.wait_count) };
            format!(
                "Commits on {new} wait for {replicas} as those on {old} did (semi-sync{lossless}): it is opened when those are connected."
            )
        }
        Action::Subordinate { start: true, .. } => format!("{old} goes on as a read-only replica of {new}."),
        _ => return None,
    })
}

fn is_first_approach(plan: &Plan, action: &Action) -> bool {
    let first = plan.steps.iter().map(|step| &step.action).find(|action| matches!(action, Action::Approach { .. }));
    // They are all alike: one sentence is enough, and it stands with the first.
    first.is_some_and(|first| std::ptr::eq(first, action))
}

/// Returns how many of the operator's programs are in `list`.
fn count(list: &HookList, config: &Config) -> usize {
    match list {
        HookList::PreGracefulTakeover => config.hooks.pre_graceful_takeover.len(),
        HookList::PreFailover => config.hooks.pre_failover.len(),
        HookList::PostMasterFailover => config.hooks.post_primary_failover.len(),
        HookList::PostIntermediateFailover => config.hooks.post_intermediate_failover.len(),
        HookList::PostFailover => config.hooks.post_failover.len(),
        HookList::PostGracefulTakeover => config.hooks.post_graceful_takeover.len(),
        HookList::PostUnsuccessfulFailover | HookList::OnFailureDetection => 0,
    }
}

/// Returns which of the operator's programs run.
fn hooks(plan: &Plan, config: &Config) -> Vec<String> {
    let lists = plan.steps.iter().filter_map(|step| match &step.action {
        Action::RunHooks(list) => Some(list),
        _ => None,
    });
    let hooks = |number: usize| if number == 1 { "1 hook".to_owned() } else { format!("{number} hooks") };
    let line = |list: &HookList| match (count(list, config), list.can_refuse()) {
        (0, _) => None,
        (number, true) => {
            Some(format!("{} of {} may refuse it before anything is changed.", hooks(number), list.key()))
        }
        (number, false) => Some(format!("{} of {} run afterwards.", hooks(number), list.key())),
    };
    lists.filter_map(line).collect()
}

fn spelt(span: Duration) -> String {
    let ms = span.as_millis();
    if ms.is_multiple_of(1000) { format!("{} s", ms / 1000) } else { format!("{ms} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_wait_from_the_closing_to_the_opening() {
        let key = |host: &str| InstanceKey::new(host, 3306);
        let step = |number, stage, action| Step { number, stage, required: true, action };
        let budget = Duration::from_secs(5);
        let freeze = Action::Freeze { server: key("old"), uuid: None, budget, was_writable: true };
        let promote = Action::Promote { server: key("new"), writable: true, semi_sync: false, was_writable: false };
        let steps = [
            step(1, 1, Action::RunHooks(HookList::PreFailover)),
            step(2, 2, freeze),
            step(3, 3, Action::FollowToEnd { candidate: key("new"), primary: key("old") }),
            step(4, 4, promote),
            step(5, 5, Action::Publish { primary: key("new") }),
        ];
        let waits = |steps: &[Step]| -> Vec<bool> { planned(steps).iter().map(|step| step.writes_wait).collect() };
        assert_eq!(waits(&steps), [false, true, true, true, false]);
        // Of a dead primary nothing is closed: writes wait anyway.
        assert_eq!(waits(&steps[2..]), [false, false, false]);
        assert_eq!(spelt(budget), "5 s");
        assert_eq!(spelt(Duration::from_millis(1500)), "1500 ms");
    }
}
