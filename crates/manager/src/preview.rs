//! What would be done to one server, told before it is done.

use std::str::FromStr;

use mysql::{Dialect, Thread};
use planner::Reception;
use topology::{Instance, InstanceKey, ThreadState, WritePolicy};

use crate::hub::{Hub, View};
use crate::{Error, returning};

/// Something that a person may want done to one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It shall refuse writes.
    ReadOnly,
    /// It shall take writes.
    Writable,
    /// Its replication shall run.
    StartReplication,
    /// Its replication shall stand still.
    StopReplication,
    /// Both, one after the other.
    RestartReplication,
    /// Its problems are expected for a while.
    Downtime,
    /// It is left out of diagnoses for a while.
    Maintenance,
    /// How welcome it is as a primary.
    PromotionRule,
    /// It shall not be watched any more.
    Forget,
    /// A replaced primary shall be attached below its successor.
    Rejoin,
    /// A replaced primary shall become another server's copy, if it does not fit.
    Rebuild,
}

impl Deed {
    /// Every deed, with its name.
    pub const ALL: &[(&str, Self)] = &[
        ("read-only", Self::ReadOnly),
        ("writable", Self::Writable),
        ("start-replication", Self::StartReplication),
        ("stop-replication", Self::StopReplication),
        ("restart-replication", Self::RestartReplication),
        ("downtime", Self::Downtime),
        ("maintenance", Self::Maintenance),
        ("promotion-rule", Self::PromotionRule),
        ("forget", Self::Forget),
        ("rejoin", Self::Rejoin),
        ("rebuild", Self::Rebuild),
    ];
}

impl FromStr for Deed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, deed)| *deed);
        let names = || Self::ALL.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        named.ok_or_else(|| format!("{text:?} is none of: {}", names()))
    }
}

/// What a deed would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// Statements that the server gets, in this order.
    pub statements: Vec<String>,
    /// What else is done or follows, in sentences.
    pub does: Vec<String>,
    /// What one should know before.
    pub beware: Vec<String>,
    /// It may hurt somebody.
    pub is_dangerous: bool,
    /// Why it cannot be done; none where it can.
    pub why_not: Option<String>,
}

/// Returns what `deed` would do to `key`, as far as is known now.
pub(crate) fn of(hub: &Hub, key: &InstanceKey, deed: Deed) -> Result<Preview, Error> {
    let view = hub.view();
    if view.snapshot.get(key).is_none() && view.graph.cluster_of(key).is_none() {
        return Err(Error::Unknown(key.clone()));
    }
    let known = view.snapshot.instance(key);
    match (deed, known) {
        (Deed::Rejoin | Deed::Rebuild, _) => return returned(hub, key, deed == Deed::Rebuild),
        (Deed::Downtime | Deed::Maintenance | Deed::PromotionRule | Deed::Forget, _) => {}
        (_, None) => return Ok(Preview { why_not: Some("it never answered".to_owned()), ..Preview::default() }),
        (deed, Some(server)) if is_about_replication(deed) && server.channel().is_none() => {
            return Ok(Preview { why_not: Some("it is no replica".to_owned()), ..Preview::default() });
        }
        _ => {}
    }
    let place = Place::of(&view, key);
    let mut preview = match deed {
        Deed::ReadOnly => read_only(&place, hub.config().candidates.use_super_read_only),
        Deed::Writable => writable(&view, key, &place),
        Deed::StartReplication | Deed::StopReplication | Deed::RestartReplication => replication(deed, &place),
        Deed::Downtime => downtime(&place),
        Deed::Maintenance => maintenance(&place),
        Deed::PromotionRule => promotion_rule(),
        _ => forget(view.graph.replicas(key).len()),
    };
    if let Some(server) = known {
        preview.statements = statements(deed, server, hub.config().candidates.use_super_read_only);
    }
    Ok(preview)
}

fn is_about_replication(deed: Deed) -> bool {
    matches!(deed, Deed::StartReplication | Deed::StopReplication | Deed::RestartReplication)
}

/// Returns the statements, as this very server gets them.
fn statements(deed: Deed, server: &Instance, use_super: bool) -> Vec<String> {
    let dialect = Dialect::of(&server.version);
    let channel = server.channel().map(|channel| channel.name.as_str()).unwrap_or_default();
    let (start, stop) = (dialect.start(Thread::Both, channel), dialect.stop(Thread::Both, channel));
    let closed = if use_super { WritePolicy::SuperReadOnly } else { WritePolicy::ReadOnly };
    match deed {
        Deed::ReadOnly => vec![dialect.accept_writes(closed).to_owned()],
        Deed::Writable => vec![dialect.accept_writes(WritePolicy::Writable).to_owned()],
        Deed::StartReplication => vec![start],
        Deed::StopReplication => vec![stop],
        Deed::RestartReplication => vec![stop, start],
        _ => Vec::new(),
    }
}

/// Where a server stands.
struct Place<'v> {
    server: Option<&'v Instance>,
    source: Option<InstanceKey>,
    /// The alias of the cluster that it heads.
    heads: Option<String>,
}

impl<'v> Place<'v> {
    fn of(view: &'v View, key: &InstanceKey) -> Self {
        let server = view.snapshot.instance(key);
        let heads = view.graph.cluster_of(key).filter(|cluster| cluster.head == *key || view.graph.is_co_primary(key));
        Self {
            server,
            source: server.and_then(Instance::source).cloned(),
            heads: heads.map(|cluster| cluster.alias.clone()),
        }
    }

    fn acknowledges(&self) -> bool {
        self.server.is_some_and(|server| server.semi_sync.replica.active)
    }

    /// MariaDB throws what it received and did not apply away when its receiver starts.
    fn must_apply_first(&self) -> bool {
        let rests = |server: &Instance| server.channel().is_some_and(|own| own.applier != ThreadState::Running);
        self.server.is_some_and(|server| server.version.is_mariadb() && rests(server))
    }
}

fn read_only(place: &Place<'_>, use_super: bool) -> Preview {
    let who = if use_super { "Every account" } else { "Every account without a right to write nevertheless" };
    let beware = place.heads.iter();
    Preview {
        does: vec![
            format!("{who} is refused writes from then on. Commits under way are waited for."),
            "It stays so until somebody makes it writable, or its configuration at a restart.".to_owned(),
        ],
        beware: beware.map(|alias| format!("It is the primary of {alias}: applications cannot write.")).collect(),
        is_dangerous: place.heads.is_some(),
        ..Preview::default()
    }
}

fn writable(view: &View, key: &InstanceKey, place: &Place<'_>) -> Preview {
    let demoted = view.snapshot.demotion_at(key);
    let source = place.source.iter().filter(|_| place.heads.is_none());
    let apart = |source: &InstanceKey| {
        format!(
            "It replicates from {source}. What is written here exists nowhere else: the data of the two drift apart."
        )
    };
    let successor = demoted.map(|demoted| {
        format!("{} took over from it: two servers of the cluster would take writes side by side.", demoted.successor)
    });
    let beware: Vec<String> = source.map(apart).chain(successor).collect();
    let mut does = vec!["Applications can write to it from then on.".to_owned()];
    if demoted.is_some() {
        does.push("The record that it was replaced is taken back: it is not closed again.".to_owned());
    }
    Preview { does, is_dangerous: !beware.is_empty(), beware, ..Preview::default() }
}

fn replication(deed: Deed, place: &Place<'_>) -> Preview {
    let from = place.source.as_ref().map(|source| format!(", from {source}")).unwrap_or_default();
    let mut preview = Preview::default();
    if deed != Deed::StartReplication {
        preview.does.push("Receiver and applier end; what was received stays.".to_owned());
    }
    if deed != Deed::StopReplication {
        if place.must_apply_first() {
            preview.does.push("What was received is applied before the receiver starts.".to_owned());
        }
        preview.does.push(format!("Receiver and applier go on from where they stopped{from}."));
    }
    if deed == Deed::StopReplication {
        preview.is_dangerous = true;
        preview.beware.push("It falls behind until somebody starts it again.".to_owned());
    }
    if deed != Deed::StartReplication && place.acknowledges() {
        let until = if deed == Deed::RestartReplication { " until it is back" } else { "" };
        preview
            .beware
            .push(format!("It acknowledges commits (semi-sync): the primary may wait for another replica{until}."));
    }
    preview
}

fn downtime(place: &Place<'_>) -> Preview {
    let beware = place.heads.iter();
    Preview {
        does: vec![
            "Its problems are expected: no automatic recovery begins because of this server until then.".to_owned(),
            "Nothing is changed on the server itself.".to_owned(),
        ],
        beware: beware.map(|_| "It is the primary: if it dies in that time, nobody replaces it.".to_owned()).collect(),
        ..Preview::default()
    }
}

fn maintenance(place: &Place<'_>) -> Preview {
    let beware = place.heads.iter();
    Preview {
        does: vec![
            "Locks the server: it is left out of all diagnoses until then.".to_owned(),
            "Nothing is changed on the server itself.".to_owned(),
        ],
        beware: beware.map(|_| "It is the primary: its death would not be diagnosed.".to_owned()).collect(),
        ..Preview::default()
    }
}

fn promotion_rule() -> Preview {
    let does = "Decides how welcome it is as the next primary. Nothing is changed on the server itself.";
    Preview { does: vec![does.to_owned()], ..Preview::default() }
}

fn forget(replicas: usize) -> Preview {
    let beware = match replicas {
        0 => Vec::new(),
        1 => vec!["1 replica of it stays without a known source.".to_owned()],
        many => vec![format!("{many} replicas of it stay without a known source.")],
    };
    Preview {
        does: vec![
            "The managers stop watching it, and what is known of it is deleted. Nothing is changed on the server itself."
                .to_owned(),
            "It is found again if a server that is watched still leads to it.".to_owned(),
        ],
        beware,
        is_dangerous: true,
        ..Preview::default()
    }
}

/// A replaced primary that a person wants back.
fn returned(hub: &Hub, key: &InstanceKey, rebuild: bool) -> Result<Preview, Error> {
    Ok(match returning::if_asked(hub, key, rebuild)? {
        Reception::Settled(why) => {
            Preview { does: vec![format!("Nothing but its record is changed: {why}.")], ..Preview::default() }
        }
        Reception::Stay(stay) => Preview { why_not: Some(stay.to_string()), ..Preview::default() },
        Reception::Act(plan) => {
            let is_lost = plan
                .steps
                .iter()
                .any(|step| matches!(&step.action, planner::Action::Return(planner::Homecoming::Rebuild { .. })));
            let beware = is_lost.then(|| {
                "All data of it are replaced. What it has and the primary has not is then only in the file on record."
                    .to_owned()
            });
            Preview {
                does: plan.steps.iter().map(|step| capitalised(&step.action.to_string())).collect(),
                beware: beware.into_iter().collect(),
                is_dangerous: is_lost,
                ..Preview::default()
            }
        }
    })
}

fn capitalised(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
