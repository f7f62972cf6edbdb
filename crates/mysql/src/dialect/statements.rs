//! The texts.

use std::time::Duration;

use topology::{BinlogCoordinates, InstanceKey, TlsProfile, WritePolicy};

use super::{Dialect, Thread};
use crate::access::Secret;
use crate::quote::literal;

/// What to change about a channel's source. What is not named stays as it is on the server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Repoint<'a> {
    pub(crate) to: Option<&'a InstanceKey>,
    pub(crate) account: Option<(&'a str, &'a Secret)>,
    pub(crate) position: Position<'a>,
    /// Seconds. Naming a host makes both flavours fall back to their default, so it is named again.
    pub(crate) heartbeat: Option<&'a str>,
    pub(crate) get_public_key: bool,
    pub(crate) tls: Option<&'a TlsProfile>,
}

/// Where a channel goes on from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Position<'a> {
    /// As configured, by GTID.
    #[default]
    Keep,
    /// By GTID: what this server has executed.
    Gtid,
    /// By GTID, counting what the server wrote itself: a primary that becomes a replica. MySQL always does.
    Demoted,
    /// MariaDB only: by what stands in the relay log, at this place of it, which keeps that log.
    Relay(&'a BinlogCoordinates),
    /// By file and offset in the source's log.
    At(&'a BinlogCoordinates),
}

impl Dialect {
    /// Statement for the state of all channels.
    pub fn replica_status(&self) -> &'static str {
        match (self.is_mariadb(), self.says_replica()) {
            (true, _) => "show all slaves status",
            (_, true) => "show replica status",
            _ => "show slave status",
        }
    }

    /// Statement for the end of the server's own log.
    pub fn binlog_status(&self) -> &'static str {
        if self.version.is_mysql_at_least(8, 2, 0) { "show binary log status" } else { "show master status" }
    }

    /// Statement for the replicas that registered.
    pub fn replica_list(&self) -> &'static str {
        if self.says_replica() { "show replicas" } else { "show slave hosts" }
    }

    /// Statement for the connections that read the log. `performance_schema.processlist` came with 8.0.22 and is empty
    /// where the performance schema is off.
    pub fn dump_threads(&self, performance_schema: bool) -> String {
        let schema =
            if self.says_replica() && performance_schema { "performance_schema" } else { "information_schema" };
        format!("select user, host from {schema}.processlist where command in ('Binlog Dump', 'Binlog Dump GTID')")
    }

    /// Statements for the heartbeat period of each channel, the best first: an account may be allowed to read one table
    /// and not the other.
    pub fn heartbeats(&self) -> &'static [&'static str] {
        if self.is_mariadb() {
            return &["show all slaves status"];
        }
        &[
            "select channel_name, heartbeat_interval from performance_schema.replication_connection_configuration",
            "select channel_name, heartbeat as heartbeat_interval from mysql.slave_master_info",
        ]
    }

    /// Starts threads of a channel.
    pub fn start(&self, thread: Thread, channel: &str) -> String {
        self.thread("start", thread, channel)
    }

    /// Stops threads of a channel.
    pub fn stop(&self, thread: Thread, channel: &str) -> String {
        self.thread("stop", thread, channel)
    }

    fn thread(&self, verb: &str, thread: Thread, channel: &str) -> String {
        let noun = if self.says_replica() { "replica" } else { "slave" };
        let which = match thread {
            Thread::Receiver => " io_thread",
            Thread::Applier => " sql_thread",
            Thread::Both => "",
        };
        format!("{verb} {noun}{}{which}{}", self.connection(channel), self.for_channel(channel))
    }

    /// Makes the server accept writes as `policy` says. On the way between the two read-only policies it is never writable.
    pub fn accept_writes(&self, policy: WritePolicy) -> &'static str {
        match (policy, self.has_super_read_only()) {
            (WritePolicy::Writable, true) => "set global super_read_only=0; set global read_only=0",
            (WritePolicy::Writable, false) => "set global read_only=0",
            (WritePolicy::ReadOnly, true) => "set global read_only=1; set global super_read_only=0",
            (WritePolicy::SuperReadOnly, true) => "set global super_read_only=1",
            (WritePolicy::ReadOnly | WritePolicy::SuperReadOnly, false) => "set global read_only=1",
        }
    }

    /// Removes all that a channel is configured with. On MariaDB `gtid_slave_pos` stays, which is what we want.
    pub fn reset(&self, channel: &str) -> String {
        let noun = if self.says_replica() { "replica" } else { "slave" };
        format!("reset {noun}{} all{}", self.connection(channel), self.for_channel(channel))
    }

    /// Changes a channel's source, naming nothing but what changes: credentials, TLS and delay stay.
    pub(crate) fn change_source(&self, channel: &str, change: &Repoint<'_>) -> String {
        let (verb, word) = match (self.is_mariadb(), self.says_source()) {
            (true, _) => (format!("change master{}", self.connection(channel)), "master"),
            (_, true) => ("change replication source".to_owned(), "source"),
            _ => ("change master".to_owned(), "master"),
        };
        let mut parts = Vec::new();
        if let Some(to) = change.to {
            parts.push(format!("{word}_host={}, {word}_port={}", literal(&to.host), to.port));
        }
        if let Some((user, password)) = change.account {
            parts.push(format!("{word}_user={}, {word}_password={}", literal(user), literal(password.expose())));
        }
        if let Some(period) = change.heartbeat {
            parts.push(format!("{word}_heartbeat_period={period}"));
        }
        if change.get_public_key && self.says_source() {
            parts.push("get_source_public_key=1".to_owned());
        }
        if let Some(tls) = change.tls {
            parts.extend(self.tls_options(word, tls));
        }
        match (change.position, self.is_mariadb()) {
            (Position::Keep, _) => {}
            (Position::Gtid, true) => parts.push("master_use_gtid=slave_pos".to_owned()),
            (Position::Demoted, true) if self.version.number >= (10, 10, 0) => {
                parts.push("master_use_gtid=slave_pos, master_demote_to_slave=1".to_owned());
            }
            (Position::Demoted, true) => parts.push("master_use_gtid=current_pos".to_owned()),
            (Position::Gtid | Position::Demoted, false) => parts.push(format!("{word}_auto_position=1")),
            (Position::Relay(at), _) => {
                let file = literal(&at.file);
                parts.push(format!("{word}_use_gtid=no, relay_log_file={file}, relay_log_pos={}", at.pos));
            }
            (Position::At(at), _) => {
                parts.push(format!("{word}_log_file={}, {word}_log_pos={}", literal(&at.file), at.pos));
            }
        }
        format!("{verb} to {}{}", parts.join(", "), self.for_channel(channel))
    }

    /// Says in full how a channel connects: off is said too, as newer versions encrypt by themselves.
    fn tls_options(&self, word: &str, tls: &TlsProfile) -> Vec<String> {
        if !tls.enabled {
            return vec![format!("{word}_ssl=0")];
        }
        let mut parts = vec![format!("{word}_ssl=1")];
        let texts = [
            ("ssl_ca", &tls.ca_file),
            ("ssl_capath", &tls.ca_path),
            ("ssl_cert", &tls.cert),
            ("ssl_cipher", &tls.cipher),
            ("ssl_key", &tls.key),
            ("ssl_crl", &tls.crl),
            ("ssl_crlpath", &tls.crl_path),
            ("tls_version", &tls.tls_version),
        ];
        let is_mariadb = self.is_mariadb();
        let known = texts.into_iter().filter(|(name, _)| !is_mariadb || *name != "tls_version");
        let named = known.filter(|(_, text)| !text.is_empty());
        parts.extend(named.map(|(name, text)| format!("{word}_{name}={}", literal(text))));
        if let Some(verify) = tls.verify_server_cert {
            parts.push(format!("{word}_ssl_verify_server_cert={}", u8::from(verify)));
        }
        parts
    }

    /// Waits for a set of transactions to be applied: 0 when they are, else something else.
    pub fn wait_applied(&self, set: &str, limit: Duration) -> String {
        let function = if self.is_mariadb() { "master_gtid_wait" } else { "wait_for_executed_gtid_set" };
        format!("select {function}({}, {:.3})", literal(set), limit.as_secs_f64())
    }

    /// `''` is MariaDB's default connection, which must not be named: `default_master_connection` may name another.
    fn connection(&self, channel: &str) -> String {
        if self.is_mariadb() { format!(" {}", literal(channel)) } else { String::new() }
    }

    /// On MySQL a statement without a channel is about all channels.
    fn for_channel(&self, channel: &str) -> String {
        if self.has_channels() { format!(" for channel {}", literal(channel)) } else { String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use topology::Version;

    fn dialect(version: &str) -> Dialect {
        Dialect::of(&Version::parse(version, ""))
    }

    #[test]
    fn each_family_gets_words_that_it_knows() {
        for (version, status, binlog, list) in [
            ("5.7.44", "show slave status", "show master status", "show slave hosts"),
            ("8.0.21", "show slave status", "show master status", "show slave hosts"),
            ("8.0.36", "show replica status", "show master status", "show replicas"),
            ("8.2.0", "show replica status", "show binary log status", "show replicas"),
            ("8.4.3", "show replica status", "show binary log status", "show replicas"),
            ("9.7.4-2", "show replica status", "show binary log status", "show replicas"),
            ("10.11.18-MariaDB", "show all slaves status", "show master status", "show slave hosts"),
        ] {
            let dialect = dialect(version);
            assert_eq!(dialect.replica_status(), status, "{version}");
            assert_eq!(dialect.binlog_status(), binlog, "{version}");
            assert_eq!(dialect.replica_list(), list, "{version}");
        }
    }

    #[test]
    fn the_process_list_moved_in_8_0_22_and_not_before() {
        assert!(dialect("8.0.21").dump_threads(true).contains("information_schema"));
        assert!(dialect("8.0.22").dump_threads(true).contains("performance_schema"));
        assert!(dialect("8.0.22").dump_threads(false).contains("information_schema"));
        assert!(dialect("11.8.2-MariaDB").dump_threads(true).contains("information_schema"));
    }

    #[test]
    fn threads_are_named_per_channel() {
        assert_eq!(dialect("5.6.51").stop(Thread::Receiver, ""), "stop slave io_thread");
        assert_eq!(dialect("5.7.44").stop(Thread::Receiver, ""), "stop slave io_thread for channel ''");
        assert_eq!(dialect("8.4.3").start(Thread::Applier, "a'b"), "start replica sql_thread for channel 'a''b'");
        assert_eq!(dialect("10.11.18-MariaDB").start(Thread::Both, "east"), "start slave 'east'");
        assert_eq!(dialect("10.11.18-MariaDB").reset("east"), "reset slave 'east' all");
        assert_eq!(dialect("9.7.4").reset(""), "reset replica all for channel ''");
    }

    #[test]
    fn a_source_change_names_only_what_changes() {
        let to = InstanceKey::new("db2", 3307);
        let change = Repoint { to: Some(&to), position: Position::Gtid, ..Repoint::default() };
        assert_eq!(
            dialect("8.0.22").change_source("", &change),
            "change master to master_host='db2', master_port=3307, master_auto_position=1 for channel ''"
        );
        assert_eq!(
            dialect("8.4.0").change_source("", &change),
            "change replication source to source_host='db2', source_port=3307, source_auto_position=1 for channel ''"
        );
        let password = Secret::from("it's");
        let change = Repoint { account: Some(("repl", &password)), heartbeat: Some("1.500"), ..change };
        assert_eq!(
            dialect("11.8.2-MariaDB").change_source("", &change),
            "change master '' to master_host='db2', master_port=3307, master_user='repl', master_password='it''s', \
             master_heartbeat_period=1.500, master_use_gtid=slave_pos"
        );
        assert!(!format!("{change:?}").contains("it's"));
    }
}
