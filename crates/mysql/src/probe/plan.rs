//! Which statements, in which round trip.

use tokio::time::Instant;

use super::{Answers, Note, Prober, Slow, Variables, is_answer, left, version_of};
use crate::Dialect;
use crate::error::{Error, ErrorKind};
use crate::replicas::replicas_from;
use crate::row::Row;
use crate::session::Session;

/// Variables that say what kind of server it is.
const STATIC: &[&str] = &[
    "version",
    "version_comment",
    "hostname",
    "report_host",
    "performance_schema",
    "log_bin",
    "log_replica_updates",
    "log_slave_updates",
    "binlog_format",
    "binlog_row_image",
    "group_replication_group_name",
    "group_replication_single_primary_mode",
];

/// Variables that a failover changes, or that tell one server from another: read with every probe, where they exist.
const CHANGING: &[&str] = &[
    "server_id",
    "server_uuid",
    "read_only",
    "super_read_only",
    "gtid_mode",
    "gtid_executed",
    "gtid_purged",
    "gtid_slave_pos",
    "gtid_binlog_pos",
    "gtid_binlog_state",
    "binlog_group_commit_sync_delay",
    "binlog_commit_wait_count",
    "rpl_semi_sync_master_enabled",
    "rpl_semi_sync_master_timeout",
    "rpl_semi_sync_master_wait_for_slave_count",
    "rpl_semi_sync_master_wait_no_slave",
    "rpl_semi_sync_master_wait_point",
    "rpl_semi_sync_slave_enabled",
    "rpl_semi_sync_source_enabled",
    "rpl_semi_sync_source_timeout",
    "rpl_semi_sync_source_wait_for_replica_count",
    "rpl_semi_sync_source_wait_no_replica",
    "rpl_semi_sync_source_wait_point",
    "rpl_semi_sync_replica_enabled",
];

/// Status counters; those of semi-sync exist only with its plugin.
const STATUS: &[&str] = &[
    "Uptime",
    "Rpl_semi_sync_master_clients",
    "Rpl_semi_sync_master_no_tx",
    "Rpl_semi_sync_master_status",
    "Rpl_semi_sync_master_wait_sessions",
    "Rpl_semi_sync_master_yes_tx",
    "Rpl_semi_sync_slave_status",
    "Rpl_semi_sync_source_clients",
    "Rpl_semi_sync_source_no_tx",
    "Rpl_semi_sync_source_status",
    "Rpl_semi_sync_source_wait_sessions",
    "Rpl_semi_sync_source_yes_tx",
    "Rpl_semi_sync_replica_status",
];

const GROUP_MEMBERS: &str = "select member_id, member_host, member_port, member_state, member_role \
                             from performance_schema.replication_group_members";

/// On MySQL credentials that a restart finds again stand in this table.
const CREDENTIALS: &str = "select count(*) > 0 and max(user_name) <> '' from mysql.slave_master_info";

/// What a statement of a round trip is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Channels,
    Variables,
    Binlog,
    Status,
    Group,
    Listed,
    Dumping,
}

impl About {
    fn as_str(self) -> &'static str {
        match self {
            Self::Channels => "replication status",
            Self::Variables => "variables",
            Self::Binlog => "binary log status",
            Self::Status => "global status",
            Self::Group => "group members",
            Self::Listed => "list of replicas",
            Self::Dumping => "process list",
        }
    }

    /// Without these there is no picture that a decision could rest on.
    fn is_essential(self) -> bool {
        matches!(self, Self::Channels | Self::Variables)
    }
}

impl Prober {
    /// Reads what changes slowly: one round trip, and one more for each query that fails.
    pub(super) async fn read_slow(&mut self, session: &mut Session, deadline: Instant) -> Result<Slow, Error> {
        let mut statements = vec![show("variables", STATIC.iter().chain(CHANGING)), show("status", STATUS)];
        statements.push(CREDENTIALS.to_owned());
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        let mut answers = session.each(&statements, left(deadline)).await?.into_iter();
        let mut next = || answers.next().unwrap_or_else(|| Ok(Vec::new()));
        let variables = Variables::of_list(&next().map_err(|error| error.while_doing("read the variables"))?);
        if !variables.has("version") {
            return Err(self.error(ErrorKind::Unexpected("the server names no version".to_owned())));
        }
        let status = Variables::of_list(&next().map_err(|error| error.while_doing("read the status"))?);
        let credentials_available = next().is_ok_and(|rows| rows.first().and_then(|row| row.get(0)) == Some("1"));
        let dialect = Dialect::of(&version_of(&variables));
        Ok(Slow { read_at: Instant::now(), dialect, variables, status, credentials_available, of_replica: false })
    }

    /// Reads what changes fast, in one round trip; with the list of replicas when that is due.
    pub(super) async fn read_fast(
        &mut self,
        session: &mut Session,
        slow: &Slow,
        deadline: Instant,
    ) -> Result<Answers, Error> {
        let list = self.listed_at.is_none_or(|at| at.elapsed() >= self.settings.replicas_every);
        let plan = fast_plan(slow, list);
        let statements: Vec<&str> = plan.iter().map(|(_, sql)| sql.as_str()).collect();
        let outcomes = session.each(&statements, left(deadline)).await?;
        let mut answers =
            Answers { variables: slow.variables.clone(), status: slow.status.clone(), ..Answers::default() };
        if !plan.iter().any(|(about, _)| *about == About::Status) {
            answers.status = Variables::default();
        }
        let (mut listed, mut dumping) = (None, None);
        for ((about, _), outcome) in plan.iter().zip(outcomes) {
            let rows = match outcome {
                Ok(rows) => rows,
                Err(error) if about.is_essential() || !is_answer(&error) => {
                    return Err(error.while_doing(&format!("read the {}", about.as_str())));
                }
                Err(error) => {
                    self.notes.push(Note { about: about.as_str(), why: error.to_string() });
                    continue;
                }
            };
            match about {
                About::Channels => answers.channels = rows,
                About::Variables => answers.variables.update(rows.first().map(Variables::of_row).unwrap_or_default()),
                About::Binlog => answers.binlog = rows,
                About::Status => answers.status = Variables::of_list(&rows),
                About::Group => answers.group = rows,
                About::Listed => listed = Some(rows),
                About::Dumping => dumping = Some(rows),
            }
        }
        if list {
            self.take_replicas(listed, dumping);
        }
        Ok(answers)
    }

    /// Takes over a new list, unless neither question was answered: no answer is not "no replicas".
    fn take_replicas(&mut self, listed: Option<Vec<Row>>, dumping: Option<Vec<Row>>) {
        if listed.is_some() || dumping.is_some() {
            let (listed, dumping) = (listed.unwrap_or_default(), dumping.unwrap_or_default());
            let trust = self.settings.discover_by_show_replicas;
            self.found = replicas_from(&listed, &dumping, self.key.port, trust);
        }
        self.listed_at = Some(Instant::now());
    }
}

fn fast_plan(slow: &Slow, list: bool) -> Vec<(About, String)> {
    let (dialect, variables) = (&slow.dialect, &slow.variables);
    let on = |name: &str| variables.text(&[name]) == "ON" || variables.text(&[name]) == "1";
    let changing: Vec<String> =
        CHANGING.iter().filter(|name| variables.has(name)).map(|name| format!("@@global.{name} as {name}")).collect();
    let mut plan = vec![
        (About::Channels, dialect.replica_status().to_owned()),
        (About::Variables, format!("select {}", changing.join(", "))),
    ];
    if on("log_bin") {
        plan.push((About::Binlog, dialect.binlog_status().to_owned()));
    }
    if variables.has("rpl_semi_sync_master_enabled") || variables.has("rpl_semi_sync_source_enabled") {
        plan.push((About::Status, show("status", STATUS)));
    }
    // Roles came with 8.0: on 5.7 the primary cannot be told this way.
    if variables.has("group_replication_group_name") && dialect.version().is_mysql_at_least(8, 0, 2) {
        plan.push((About::Group, GROUP_MEMBERS.to_owned()));
    }
    if list {
        plan.push((About::Listed, dialect.replica_list().to_owned()));
        plan.push((About::Dumping, dialect.dump_threads(on("performance_schema"))));
    }
    plan
}

fn show<'a>(what: &str, names: impl IntoIterator<Item = &'a &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("'{name}'")).collect();
    format!("show global {what} where variable_name in ({})", names.join(", "))
}
