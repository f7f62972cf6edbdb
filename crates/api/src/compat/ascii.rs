//! A topology as text.
//!
//! One line for each instance, children below their source and two spaces further in. `+` marks a replica that
//! replicates and was checked lately, `-` one that does not, `‡` a secondary of a replication group.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use wire::{Instance, Key};

/// How to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Facts in brackets, which stand in one column.
    Bracketed,
    /// Facts in columns separated by `|`.
    Tabulated,
}

/// Draws the members of one cluster. A replica that lags more than `lag` is drawn as lagging.
pub(crate) fn draw(members: &[Instance], style: Style, lag: Duration) -> String {
    let rows: Vec<(String, Facts)> =
        lines(members).into_iter().map(|(name, instance)| (name, Facts::of(instance, lag))).collect();
    match style {
        Style::Bracketed => bracketed(&rows),
        Style::Tabulated => tabulated(&rows),
    }
}

/// Draws the members of one cluster in brackets, with what `beside` gives for each in brackets of its own.
pub(crate) fn draw_with(
    members: &[Instance],
    lag: Duration,
    beside: impl Fn(&topology::InstanceKey) -> String,
) -> String {
    let drawing = draw(members, Style::Bracketed, lag);
    let key = |instance: &Instance| topology::InstanceKey::new(instance.key.host.clone(), instance.key.port);
    let line = |(line, (_, instance)): (&str, (String, &Instance))| format!("{line} [{}]", beside(&key(instance)));
    drawing.lines().zip(lines(members)).map(line).collect::<Vec<_>>().join("\n")
}

/// Returns the name column, in order, with the instance of each line.
fn lines(members: &[Instance]) -> Vec<(String, &Instance)> {
    let tree = Tree::of(members);
    let mut drawn = Vec::new();
    let heads: Vec<&Instance> = members.iter().filter(|member| tree.parent(member).is_none()).collect();
    for head in &heads {
        tree.walk(head, 0, &mut drawn);
    }
    // A ring of co-primaries has no head: each of them is a branch of its own, without the others of the ring.
    if heads.is_empty() {
        for member in members.iter().filter(|member| member.is_co_master) {
            tree.walk(member, 1, &mut drawn);
        }
    }
    // A longer ring is drawn as the chain that hangs below its head.
    let mut rest: Vec<&Instance> = members.iter().collect();
    rest.sort_by_key(|member| member.replication_depth);
    for member in rest {
        tree.walk(member, 0, &mut drawn);
    }
    drawn
}

struct Tree<'a> {
    known: BTreeSet<&'a Key>,
    children: BTreeMap<&'a Key, Vec<&'a Instance>>,
}

impl<'a> Tree<'a> {
    fn of(members: &'a [Instance]) -> Self {
        let mut tree = Self { known: members.iter().map(|member| &member.key).collect(), children: BTreeMap::new() };
        for member in members {
            if let Some(parent) = tree.parent(member) {
                tree.children.entry(parent).or_default().push(member);
            }
        }
        for children in tree.children.values_mut() {
            children.sort_by_key(|child| &child.key);
        }
        tree
    }

    /// Returns what `member` is drawn below: its source or, for a secondary of a group, the group's primary.
    fn parent(&self, member: &'a Instance) -> Option<&'a Key> {
        let source = Some(&member.master_key).filter(|key| self.known.contains(key));
        let primary = Some(&member.replication_group_primary_instance_key)
            .filter(|key| member.replication_group_member_role == "SECONDARY" && self.known.contains(key));
        source.or(primary).filter(|key| **key != member.key)
    }

    fn walk(&self, instance: &'a Instance, depth: usize, drawn: &mut Vec<(String, &'a Instance)>) {
        if (instance.is_co_master && depth > 1) || drawn.iter().any(|(_, other)| other.key == instance.key) {
            return;
        }
        drawn.push((name(instance, depth), instance));
        for child in self.children.get(&instance.key).into_iter().flatten() {
            self.walk(child, depth + 1, drawn);
        }
    }
}

fn name(instance: &Instance, depth: usize) -> String {
    let mark = if depth == 0 {
        ""
    } else if instance.replication_group_member_role == "SECONDARY" {
        "‡ "
    } else if is_replicating(instance) && instance.is_last_check_valid && instance.is_recently_checked {
        "+ "
    } else {
        "- "
    };
    let indent = "  ".repeat(depth.saturating_sub(1));
    let alias =
        if instance.instance_alias.is_empty() { String::new() } else { format!(" ({})", instance.instance_alias) };
    format!("{indent}{mark}{}{alias}", key_text(&instance.key))
}

fn key_text(key: &Key) -> String {
    topology::InstanceKey::new(key.host.clone(), key.port).to_string()
}

fn is_replica(instance: &Instance) -> bool {
    instance.master_key.port > 0
}

fn is_replicating(instance: &Instance) -> bool {
    instance.slave_io_running && instance.slave_sql_running
}

/// What stands beside the name: lag, state, version, writability, log format, and the rest.
struct Facts {
    columns: [String; 5],
    extras: Vec<&'static str>,
}

impl Facts {
    fn of(instance: &Instance, lag: Duration) -> Self {
        let log = if instance.log_bin_enabled { instance.binlog_format.as_str() } else { "nobinlog" };
        let writes = if instance.read_only { "ro" } else { "rw" };
        let columns = [
            lag_text(instance),
            state(instance, lag).to_owned(),
            instance.version.clone(),
            writes.to_owned(),
            log.to_owned(),
        ];
        Self { columns, extras: extras(instance) }
    }
}

fn lag_text(instance: &Instance) -> String {
    if instance.is_detached {
        "detached".to_owned()
    } else if !instance.is_last_check_valid {
        "unknown".to_owned()
    } else if is_replica(instance) && !instance.replication_lag_seconds.valid {
        "null".to_owned()
    } else {
        format!("{}s", instance.replication_lag_seconds.value)
    }
}

fn state(instance: &Instance, lag: Duration) -> &'static str {
    let behind = u64::try_from(instance.replication_lag_seconds.value).unwrap_or_default();
    if !instance.is_last_check_valid {
        "invalid"
    } else if !instance.is_recently_checked {
        "unchecked"
    } else if is_replica(instance) && !is_replicating(instance) {
        "nonreplicating"
    } else if is_replica(instance) && behind > lag.as_secs() {
        "lag"
    } else {
        "ok"
    }
}

fn extras(instance: &Instance) -> Vec<&'static str> {
    let uses_gtid = instance.using_oracle_gtid || instance.using_mariadb_gtid || instance.supports_oracle_gtid;
    let gtid = if instance.gtid_errant.is_empty() { "GTID" } else { "GTID:errant" };
    [
        (instance.log_bin_enabled && instance.log_replication_updates_enabled, ">>"),
        (uses_gtid, gtid),
        (instance.semi_sync_master_status, "semi:master"),
        (instance.semi_sync_replica_status, "semi:replica"),
        (instance.is_downtimed, "downtimed"),
    ]
    .into_iter()
    .filter_map(|(applies, word)| applies.then_some(word))
    .collect()
}

fn bracketed(rows: &[(String, Facts)]) -> String {
    let width = rows.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    let line = |(name, facts): &(String, Facts)| {
        let words = facts.columns.iter().map(String::as_str).chain(facts.extras.iter().copied());
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        format!("{} [{}]", padded(name, width), words.join(","))
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn tabulated(rows: &[(String, Facts)]) -> String {
    let table: Vec<Vec<String>> = rows
        .iter()
        .map(|(name, facts)| {
            std::iter::once(name.clone()).chain(facts.columns.clone()).chain([facts.extras.join(",")]).collect()
        })
        .collect();
    let widths: Vec<usize> =
        (0..7).map(|column| table.iter().map(|row| width(&row[column])).max().unwrap_or(0)).collect();
    let cell = |column: usize, text: &str| {
        let wide = widths[column];
        if column == 1 { format!("{text:>wide$}") } else { padded(text, wide) }
    };
    let line = |row: &Vec<String>| {
        row.iter().enumerate().map(|(column, text)| cell(column, text)).collect::<Vec<_>>().join("|")
    };
    table.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn padded(text: &str, width: usize) -> String {
    format!("{text:<width$}")
}
