//! What certain transactions changed, as it stands in a server's binary log.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use mysql_async::binlog::events::{EventData, OptionalMetaExtractor, RowsEventData, TableMapEvent};
use mysql_async::binlog::row::BinlogRow;
use mysql_async::binlog::value::BinlogValue;
use mysql_async::{BinlogStream, BinlogStreamRequest, Sid, Value};
use tokio::time::timeout;
use topology::gtid::Written;
use topology::gtid::mariadb;
use topology::{GtidSet, InstanceKey};

use crate::access::Access;
use crate::driver;
use crate::error::{Error, ErrorKind};
use crate::row::Row;
use crate::server::Server;
use crate::session::Session;

const DOING: &str = "read what transactions changed";

/// How long the server may be silent.
const SILENCE: Duration = Duration::from_secs(10);

/// A number that no replica has: the server would take us for it and cut it off.
const READER_ID: u32 = 4_294_960_129;

/// Events that one question about a log of MariaDB brings.
const PAGE: usize = 2_000;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The transaction that made it.
    pub gtid: String,
    /// When it was made, in seconds since 1970, by the server's clock; 0 where unknown.
    pub at: u64,
    /// What it did.
    pub effect: Effect,
}

/// What a change did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It changed one row or, where images are not to be had, rows.
    Rows {
        /// `schema.table`.
        table: String,
        /// `insert`, `update` or `delete`.
        kind: &'static str,
        /// The row before; none of an insert, and where it is not known.
        before: Option<Image>,
        /// The row after; none of a delete, and where it is not known.
        after: Option<Image>,
    },
    /// It ran a statement: a definition or, with statement-based logs, any other.
    Statement {
        /// The default schema.
        schema: String,
        /// Its text.
        text: String,
    },
}

/// Columns of a row: the name, or `@1` for the first one where the log holds no names, and the value.
pub type Image = Vec<(String, Cell)>;

/// A value of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// NULL.
    Null,
    /// A number, or what else needs no quotes.
    Bare(String),
    /// A text.
    Text(String),
    /// Bytes that are no text, in hexadecimal.
    Hex(String),
}

/// Which transactions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// MySQL: these.
    pub gtids: GtidSet,
    /// MySQL: a set that has none of them and as much of the rest as possible. The server passes over what is in it.
    pub known: GtidSet,
    /// MariaDB: these.
    pub written: Vec<Written>,
}

impl Server {
    /// Hands every change of certain transactions to `take`, in the order of the binary log, until that says no. On MariaDB
    /// there are no row images, but the statements.
    ///
    /// # Errors
    /// Any failure of the connection; error 1236 when the log was purged.
    pub async fn changes_of(
        &mut self,
        wanted: &Wanted,
        take: &mut (dyn FnMut(Change) -> bool + Send),
    ) -> Result<(), Error> {
        let (key, access) = (self.key().clone(), self.access().clone());
        if wanted.written.is_empty() {
            return stream(&key, &access, (&wanted.gtids, &wanted.known), take).await;
        }
        let mut session = Session::connect(&key, &access).await?;
        let mut reading = Listing { session: &mut session, written: &wanted.written, take };
        reading.run().await
    }
}

/// Reads MySQL's log as a replica does.
async fn stream(
    key: &InstanceKey,
    access: &Access,
    (wanted, known): (&GtidSet, &GtidSet),
    take: &mut (dyn FnMut(Change) -> bool + Send),
) -> Result<(), Error> {
    let conn = Session::connect(key, access).await?.into_conn();
    let known = known.to_string();
    // One that the driver cannot word is sent by the server, and passed over here.
    let sids = known.split(',').filter_map(|part| part.trim().parse::<Sid<'_>>().ok());
    let request = BinlogStreamRequest::new(READER_ID).with_non_blocking().with_gtid().with_gtid_set(sids);
    let failed = |error| Error::new(DOING, key, driver::kind_of(error));
    let mut stream = conn.get_binlog_stream(request).await.map_err(failed)?;
    let mut gtid: Option<String> = None;
    loop {
        // The driver indexes into packets without looking.
        let next = timeout(SILENCE, AssertUnwindSafe(stream.next()).catch_unwind()).await;
        let event = match next {
            Err(_) => return Err(Error::new(DOING, key, ErrorKind::AnswerTimeout(SILENCE))),
            Ok(Err(_)) => return Err(unreadable(key)),
            Ok(Ok(None)) => return Ok(()),
            Ok(Ok(Some(event))) => event.map_err(failed)?,
        };
        let read = std::panic::catch_unwind(AssertUnwindSafe(|| event.read_data()));
        let at = u64::from(event.header().timestamp());
        let data = match read {
            Ok(Ok(Some(data))) => data,
            Ok(_) => continue,
            Err(_) => return Err(unreadable(key)),
        };
        let effects = match data {
            EventData::GtidEvent(event) => {
                let text = gtid_text(&event.sid(), event.tag().map(|tag| tag.as_str()), event.gno());
                gtid = GtidSet::parse_mysql(&text).is_ok_and(|one| wanted.contains(&one)).then_some(text);
                continue;
            }
            EventData::QueryEvent(event) if gtid.is_some() => {
                let text = event.query().into_owned();
                if matches!(text.as_str(), "BEGIN" | "COMMIT") {
                    continue;
                }
                vec![Effect::Statement { schema: event.schema().into_owned(), text }]
            }
            EventData::RowsEvent(event) if gtid.is_some() => {
                std::panic::catch_unwind(AssertUnwindSafe(|| rows_of(&stream, &event))).map_err(|_| unreadable(key))?
            }
            _ => continue,
        };
        for effect in effects {
            if !take(Change { gtid: gtid.clone().unwrap_or_default(), at, effect }) {
                return Ok(());
            }
        }
    }
}

fn unreadable(key: &InstanceKey) -> Error {
    Error::new(DOING, key, ErrorKind::Protocol("unreadable event".to_owned()))
}

/// Returns a GTID as the server prints it.
fn gtid_text(sid: &[u8; 16], tag: Option<&str>, number: u64) -> String {
    let hex: String = sid.iter().map(|byte| format!("{byte:02x}")).collect();
    let uuid = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    match tag {
        Some(tag) => format!("{uuid}:{tag}:{number}"),
        None => format!("{uuid}:{number}"),
    }
}

fn rows_of(stream: &BinlogStream, event: &RowsEventData<'_>) -> Vec<Effect> {
    let kind = match event {
        RowsEventData::WriteRowsEvent(_) | RowsEventData::WriteRowsEventV1(_) => "insert",
        RowsEventData::DeleteRowsEvent(_) | RowsEventData::DeleteRowsEventV1(_) => "delete",
        _ => "update",
    };
    let Some(map) = stream.get_tme(event.table_id()) else {
        return vec![Effect::Rows { table: format!("table {}", event.table_id()), kind, before: None, after: None }];
    };
    let table = format!("{}.{}", map.database_name(), map.table_name());
    let names = column_names(map);
    let image = |row: Option<BinlogRow>| row.map(|row| image_of(&names, row));
    let effect = |row: std::io::Result<(Option<BinlogRow>, Option<BinlogRow>)>| {
        // A row that the driver cannot read is there all the same.
        let (before, after) = row.unwrap_or((None, None));
        Effect::Rows { table: table.clone(), kind, before: image(before), after: image(after) }
    };
    event.rows(map).map(effect).collect()
}

/// Returns the names where the log holds them (`binlog_row_metadata=FULL`).
fn column_names(map: &TableMapEvent<'_>) -> Vec<String> {
    let Ok(extractor) = OptionalMetaExtractor::new(map.iter_optional_meta()) else { return Vec::new() };
    extractor.iter_column_name().filter_map(|name| Some(name.ok()?.name().into_owned())).collect()
}

fn image_of(names: &[String], mut row: BinlogRow) -> Image {
    let name = |index: usize| names.get(index).cloned().unwrap_or_else(|| format!("@{}", index + 1));
    (0..row.len()).filter_map(|index| Some((name(index), cell_of(row.take(index)?)))).collect()
}

fn cell_of(value: BinlogValue<'_>) -> Cell {
    match value {
        BinlogValue::Value(Value::NULL) => Cell::Null,
        BinlogValue::Value(Value::Bytes(bytes)) => match String::from_utf8(bytes) {
            Ok(text) => Cell::Text(text),
            Err(error) => Cell::Hex(error.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()),
        },
        BinlogValue::Value(value @ (Value::Int(_) | Value::UInt(_) | Value::Float(_) | Value::Double(_))) => {
            Cell::Bare(value.as_sql(true))
        }
        BinlogValue::Value(value) => Cell::Text(value.as_sql(true).trim_matches('\'').to_owned()),
        other => Cell::Text(format!("{other:?}")),
    }
}

/// Reads MariaDB's log as the server lists it: the driver does not know its events.
struct Listing<'a> {
    session: &'a mut Session,
    written: &'a [Written],
    take: &'a mut (dyn FnMut(Change) -> bool + Send),
}

impl Listing<'_> {
    async fn run(&mut self) -> Result<(), Error> {
        let mut files: Vec<String> =
            self.rows("show binary logs").await?.iter().filter_map(|row| Some(row.get(0)?.to_owned())).collect();
        // From the end back to the file before which none of them was written.
        let mut first = files.len();
        while first > 0 {
            first -= 1;
            if self.begins_before(&files[first]).await? {
                break;
            }
        }
        for file in files.drain(first..) {
            if !self.read(&file).await? {
                break;
            }
        }
        Ok(())
    }

    async fn rows(&mut self, sql: &str) -> Result<Vec<Row>, Error> {
        self.session.rows(sql).await.map_err(|error| error.while_doing(DOING))
    }

    /// True when the list of GTIDs at the head of the file holds none of those wanted.
    async fn begins_before(&mut self, file: &str) -> Result<bool, Error> {
        let rows = self.rows(&format!("show binlog events in {} limit 4", crate::literal(file))).await?;
        let list = rows.iter().find(|row| row.text(&["Event_type"]) == Some("Gtid_list"));
        let text = list.and_then(|row| row.text(&["Info"])).unwrap_or_default();
        let text = text.trim_matches(|letter| letter == '[' || letter == ']');
        let state = topology::BinlogState::parse(text).unwrap_or_default();
        let nothing = (topology::BinlogState::default(), mariadb::Position::default());
        let holds = |wanted: &Written| {
            state.beyond(&nothing.0, &nothing.1).iter().any(|known| {
                (known.domain, known.server) == (wanted.domain, wanted.server) && known.last >= wanted.first
            })
        };
        Ok(!self.written.iter().any(holds))
    }

    /// Reads one file; false when nothing more is to be read.
    async fn read(&mut self, file: &str) -> Result<bool, Error> {
        let (mut from, mut gtid, mut tables) = (4_u64, None, std::collections::BTreeMap::new());
        loop {
            let file = crate::literal(file);
            let rows = self.rows(&format!("show binlog events in {file} from {from} limit {PAGE}")).await?;
            for row in &rows {
                let info = row.text_or_empty(&["Info"]);
                let event = row.text_or_empty(&["Event_type"]);
                if event == "Gtid" {
                    gtid = self.wanted(&info);
                    tables.clear();
                } else if event == "Table_map"
                    && let Some((id, table)) = table_of(&info)
                {
                    tables.insert(id, table);
                } else if let Some(gtid) = &gtid
                    && let Some(effect) = listed_effect(&event, &info, &tables)
                    && !(self.take)(Change { gtid: gtid.clone(), at: 0, effect })
                {
                    return Ok(false);
                }
            }
            match rows.last().and_then(|row| row.u64(&["End_log_pos"])) {
                Some(end) if rows.len() == PAGE && end > from => from = end,
                _ => return Ok(true),
            }
        }
    }

    /// Reads `BEGIN GTID 0-1-5`.
    fn wanted(&self, info: &str) -> Option<String> {
        let text = info.split_whitespace().skip_while(|word| *word != "GTID").nth(1)?;
        let position = mariadb::Position::parse(text).ok()?;
        let gtid = position.iter().next()?;
        self.written.iter().any(|written| written.holds(&gtid)).then(|| text.to_owned())
    }
}

/// Reads `table_id: 18 (app.writes)`.
fn table_of(info: &str) -> Option<(String, String)> {
    let (id, table) = info.strip_prefix("table_id: ")?.split_once(" (")?;
    Some((id.to_owned(), table.trim_end_matches(')').to_owned()))
}

fn listed_effect(event: &str, info: &str, tables: &std::collections::BTreeMap<String, String>) -> Option<Effect> {
    let kind = match event {
        // What the client said, beside the rows that it changed.
        "Annotate_rows" | "Query" => {
            let text = info.to_owned();
            let is_frame = text.starts_with("COMMIT") || text.starts_with("BEGIN") || text.starts_with("ROLLBACK");
            return (!is_frame).then(|| Effect::Statement { schema: String::new(), text });
        }
        event if event.starts_with("Write_rows") => "insert",
        event if event.starts_with("Update_rows") => "update",
        event if event.starts_with("Delete_rows") => "delete",
        _ => return None,
    };
    let id = info.strip_prefix("table_id: ")?.split_whitespace().next()?;
    let table = tables.get(id).cloned().unwrap_or_else(|| format!("table {id}"));
    Some(Effect::Rows { table, kind, before: None, after: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gtid_is_printed_as_the_server_does() {
        let sid = [0x3e, 0x11, 0xfa, 0x47, 0x71, 0xca, 0x11, 0xe1, 0x9e, 0x33, 0xc8, 0x0a, 0xa9, 0x42, 0x95, 0x62];
        assert_eq!(gtid_text(&sid, None, 23), "3e11fa47-71ca-11e1-9e33-c80aa9429562:23");
        assert_eq!(gtid_text(&sid, Some("t"), 1), "3e11fa47-71ca-11e1-9e33-c80aa9429562:t:1");
    }

    #[test]
    fn what_mariadb_lists_is_read() {
        let (id, table) = table_of("table_id: 18 (app.writes)").unwrap();
        let tables = std::collections::BTreeMap::from([(id, table)]);
        assert_eq!(
            listed_effect("Write_rows_v1", "table_id: 18 flags: STMT_END_F", &tables),
            Some(Effect::Rows { table: "app.writes".to_owned(), kind: "insert", before: None, after: None })
        );
        let statement = |text: &str| Some(Effect::Statement { schema: String::new(), text: text.to_owned() });
        assert_eq!(listed_effect("Annotate_rows", "insert into t", &tables), statement("insert into t"));
        assert_eq!(listed_effect("Query", "COMMIT", &tables), None);
        assert_eq!(listed_effect("Xid", "COMMIT /* xid=7 */", &tables), None);
    }
}
