//! What a replaced primary has beyond its successor: listed, kept, and shown with what it changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mysql::{Cell, Change, Effect, Image, Wanted};
use planner::Beyond;
use serde_json::{Map, Value, json};
use store::{Command, Divergence, NewDivergence};
use tokio::io::AsyncWriteExt;
use topology::{Demoted, Instance, InstanceKey, Timestamp};

use crate::hub::{Hub, View};
use crate::{Error, audit};

/// How much of what was changed is kept in a file, in bytes.
const LARGEST_FILE: usize = 64 << 20;

/// How many changes are kept in the database, for every node to show.
const SAMPLE: usize = 50;

/// And how large they may be together, in bytes.
const LARGEST_SAMPLE: usize = 32 << 10;

/// Returns the record of what `server` has beyond another one, if there is one.
pub(crate) fn find(hub: &Hub, server: &Instance, beyond: &Beyond) -> Result<Option<Divergence>, Error> {
    let gtids = beyond.to_string();
    let is_it = |record: &Divergence| {
        let found = &record.found;
        found.gtids == gtids && found.uuid == server.uuid && (server.uuid.is_some() || found.key == server.key)
    };
    Ok(hub.store.divergences(true)?.into_iter().find(is_it))
}

/// Puts on record what `key` has beyond `primary`, and keeps what it changed in a file.
pub(crate) async fn keep(
    hub: &Arc<Hub>,
    view: &View,
    key: &InstanceKey,
    demoted: &Demoted,
    primary: &InstanceKey,
) -> Result<(), Error> {
    let both = view.snapshot.instance(key).zip(view.snapshot.instance(primary));
    let Some((server, primary)) = both else { return Ok(()) };
    let Some(beyond) = Beyond::of(server, primary) else { return Ok(()) };
    let gtids = beyond.to_string();
    let mut kept = Kept::default();
    let mut note = read(hub, server, primary, &beyond, &mut kept).await;
    let at = hub.now();
    let path = directory(hub).join(format!("{}_{}-{}.jsonl", file_name(&key.host), key.port, at.0));
    let head = json!({ "server": key.to_string(), "primary": primary.key.to_string(), "gtids": gtids, "note": note });
    let file = match write(&path, &head, &kept.lines).await {
        Ok(()) => path.display().to_string(),
        Err(error) => {
            note = format!(
                "{note}{}the file {} cannot be written: {error}",
                if note.is_empty() { "" } else { "; " },
                path.display()
            );
            String::new()
        }
    };
    let transactions = match beyond.written.is_empty() {
        true => beyond.gtids.count(),
        false => kept.transactions.len() as u64,
    };
    let cluster = view.graph.cluster_of(&primary.key);
    hub.declare(Command::RecordDivergence(NewDivergence {
        key: key.clone(),
        uuid: server.uuid.clone(),
        primary: primary.key.clone(),
        cluster_name: cluster.map(|cluster| cluster.name.clone()).unwrap_or_default(),
        recovery_uid: demoted.recovery_uid.clone(),
        at,
        gtids: gtids.clone(),
        transactions,
        changes: kept.changes,
        tables: json!(kept.tables).to_string(),
        sample: Value::Array(kept.sample).to_string(),
        file: file.clone(),
        node: hub.node.hostname.clone(),
        note,
    }))
    .await?;
    let (primary, changes) = (&primary.key, kept.changes);
    tracing::error!(instance = %key, %primary, %gtids, transactions, changes, file, "A REPLACED PRIMARY HAS TRANSACTIONS THAT ITS SUCCESSOR HAS NOT");
    let message =
        format!("has {transactions} transactions that {primary} has not: {gtids}; {changes} changes are in {file}");
    audit::record(hub, "divergence", Some(key), "", &message).await;
    Ok(())
}

/// Reads what was changed. Returns what is missing, in words.
async fn read(hub: &Hub, server: &Instance, primary: &Instance, beyond: &Beyond, kept: &mut Kept) -> String {
    let wanted = Wanted {
        gtids: beyond.gtids.clone(),
        known: primary.gtid.executed.union(&server.gtid.purged),
        written: beyond.written.clone(),
    };
    let mut verbs = hub.reach.server(server.key.clone(), hub.settings().acting.clone(), &server.version);
    let outcome = verbs.changes_of(&wanted, &mut |change| kept.take(change)).await;
    let purged = beyond.gtids.intersect(&server.gtid.purged);
    let missing = [
        outcome.err().map(|error| format!("what they changed could not be read: {error}")),
        kept.is_full.then(|| format!("cut after {} changes: the file would be too large", kept.changes)),
        (!purged.is_empty()).then(|| format!("purged from its binary log: {purged}")),
    ];
    missing.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// What was read so far.
#[derive(Default)]
struct Kept {
    lines: Vec<u8>,
    sample: Vec<Value>,
    sample_bytes: usize,
    tables: BTreeMap<String, BTreeMap<&'static str, u64>>,
    transactions: BTreeSet<String>,
    changes: u64,
    is_full: bool,
}

impl Kept {
    /// Takes one change; false when there is no room for more.
    fn take(&mut self, change: Change) -> bool {
        let (table, kind) = match &change.effect {
            Effect::Rows { table, kind, .. } => (table.clone(), *kind),
            Effect::Statement { schema, .. } => (schema.clone(), "statement"),
        };
        let shown = shown(&change);
        let line = shown.to_string();
        if self.lines.len() + line.len() > LARGEST_FILE {
            self.is_full = true;
            return false;
        }
        self.changes += 1;
        *self.tables.entry(table).or_default().entry(kind).or_default() += 1;
        self.transactions.insert(change.gtid);
        self.sample_bytes += line.len();
        if self.sample.len() < SAMPLE && self.sample_bytes <= LARGEST_SAMPLE {
            self.sample.push(shown);
        }
        self.lines.extend_from_slice(line.as_bytes());
        self.lines.push(b'\n');
        true
    }
}

fn shown(change: &Change) -> Value {
    let mut object = Map::new();
    object.insert("gtid".to_owned(), json!(change.gtid));
    if change.at > 0 {
        let at = Timestamp::from_secs(i64::try_from(change.at).unwrap_or(i64::MAX));
        object.insert("at".to_owned(), json!(crate::calendar::date_time(at)));
    }
    match &change.effect {
        Effect::Rows { table, kind, before, after } => {
            object.insert("table".to_owned(), json!(table));
            object.insert("kind".to_owned(), json!(kind));
            for (name, image) in [("before", before), ("after", after)] {
                if let Some(image) = image {
                    object.insert(name.to_owned(), row(image));
                }
            }
        }
        Effect::Statement { schema, text } => {
            object.insert("schema".to_owned(), json!(schema));
            object.insert("statement".to_owned(), json!(text));
        }
    }
    Value::Object(object)
}

fn row(image: &Image) -> Value {
    let value = |cell: &Cell| match cell {
        Cell::Null => Value::Null,
        Cell::Bare(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        Cell::Text(text) => json!(text),
        Cell::Hex(text) => json!({ "hex": text }),
    };
    Value::Object(image.iter().map(|(name, cell)| (name.clone(), value(cell))).collect())
}

/// Returns where such files go: where the operator wants them, or beside the database.
fn directory(hub: &Hub) -> PathBuf {
    if let Some(directory) = &hub.config().recovery.divergence_directory {
        return directory.clone();
    }
    let beside = hub.store.path().parent().filter(|folder| !folder.as_os_str().is_empty());
    beside.map_or_else(std::env::temp_dir, Path::to_owned).join("divergence")
}

/// Returns a host name as a part of a file name.
fn file_name(host: &str) -> String {
    host.chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-') { letter } else { '_' })
        .collect()
}

async fn write(path: &Path, head: &Value, lines: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder).await?;
    }
    let mut options = tokio::fs::OpenOptions::new();
    let mut file = options.create(true).truncate(true).write(true).mode(0o640).open(path).await?;
    file.write_all(format!("{head}\n").as_bytes()).await?;
    file.write_all(lines).await?;
    file.sync_all().await
}
