//! Who replicates from a server, as the server knows it: pure.

use std::collections::BTreeSet;

use topology::{InstanceKey, ServerUuid};

use crate::row::Row;

/// A replica that its source named.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoundReplica {
    /// Its address: as it reported itself, or else the host it connects from with the likeliest port.
    pub key: InstanceKey,
    /// Its identity, where the list has it.
    pub uuid: Option<ServerUuid>,
    /// The account it replicates with; empty when the list does not tell.
    pub user: String,
    /// True when it reported its own address, false when the address is inferred from its connection.
    pub reported: bool,
}

/// Returns the replicas of a server that listens on `own_port`, sorted, each address once.
///
/// `listed` are the rows of `SHOW REPLICAS`, `dumping` those of the process list (`user`, `host`). A listed replica that
/// reports its host is taken at its word. Connections count only where the list does not cover them: when it names fewer
/// than all, or nothing at all. The port of such a replica is the one that the list gives for those without a host, or
/// else `own_port`. With `trust_list` a list that names anyone is complete.
pub fn replicas_from(listed: &[Row], dumping: &[Row], own_port: u16, trust_list: bool) -> Vec<FoundReplica> {
    let mut found: Vec<FoundReplica> = listed.iter().filter_map(reported).collect();
    let complete = !found.is_empty() && (trust_list || found.len() == listed.len());
    if !complete {
        let port = port_of_the_silent(listed).unwrap_or(own_port);
        let hosts: BTreeSet<String> = found.iter().map(|replica| replica.key.host.clone()).collect();
        found
            .extend(dumping.iter().filter_map(|row| connected(row, port)).filter(|one| !hosts.contains(&one.key.host)));
    }
    found.sort();
    found.dedup_by(|one, two| one.key == two.key);
    found
}

fn reported(row: &Row) -> Option<FoundReplica> {
    let key = InstanceKey::new(row.text(&["Host"])?.trim(), row.number(&["Port"])?);
    let uuid = row.text(&["Replica_UUID", "Slave_UUID"]).and_then(ServerUuid::new);
    key.is_valid().then(|| FoundReplica { key, uuid, user: row.text_or_empty(&["User"]), reported: true })
}

/// The port that all listed replicas without a host agree on.
fn port_of_the_silent(listed: &[Row]) -> Option<u16> {
    let silent = listed.iter().filter(|row| row.text(&["Host"]).unwrap_or_default().trim().is_empty());
    let ports: BTreeSet<u16> = silent.filter_map(|row| row.number(&["Port"])).filter(|port| *port > 0).collect();
    if ports.len() == 1 { ports.first().copied() } else { None }
}

/// A connection that reads the log, as `host:port` of its client end. One over a Unix socket is no replica that could
/// be reached.
fn connected(row: &Row, port: u16) -> Option<FoundReplica> {
    let client = row.text(&["host"])?.trim();
    let host = match client.rsplit_once(':') {
        Some((host, tail)) if tail.parse::<u16>().is_ok() => host,
        _ => client,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let key = InstanceKey::new(host, port);
    let user = row.text_or_empty(&["user"]);
    (key.is_valid() && host != "localhost").then_some(FoundReplica { key, uuid: None, user, reported: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(columns: &[&str], rows: &[&[&str]]) -> Vec<Row> {
        let columns: std::sync::Arc<[String]> = columns.iter().map(|name| (*name).to_owned()).collect();
        let row = |values: &&[&str]| {
            Row::new(columns.clone(), values.iter().map(|value| Some((*value).to_owned())).collect())
        };
        rows.iter().map(row).collect()
    }

    fn listed(hosts: &[(&str, &str)]) -> Vec<Row> {
        let values: Vec<[&str; 4]> = hosts.iter().map(|(host, port)| ["7", *host, *port, "AB-CD"]).collect();
        let values: Vec<&[&str]> = values.iter().map(<[&str; 4]>::as_slice).collect();
        rows(&["Server_Id", "Host", "Port", "Replica_UUID"], &values)
    }

    fn dumping(hosts: &[&str]) -> Vec<Row> {
        let values: Vec<[&str; 2]> = hosts.iter().map(|host| ["repl", *host]).collect();
        let values: Vec<&[&str]> = values.iter().map(<[&str; 2]>::as_slice).collect();
        rows(&["USER", "HOST"], &values)
    }

    fn keys(found: &[FoundReplica]) -> Vec<String> {
        found.iter().map(|replica| replica.key.to_string()).collect()
    }

    #[test]
    fn replicas_that_report_themselves_are_believed() {
        let found =
            replicas_from(&listed(&[("db2", "3307"), ("db3", "3308")]), &dumping(&["10.0.0.2:51000"]), 3306, false);
        assert_eq!(keys(&found), ["db2:3307", "db3:3308"]);
        assert_eq!(found[0].uuid, ServerUuid::new("ab-cd"));
    }

    #[test]
    fn a_replica_without_report_host_is_found_by_its_connection() {
        let listed = listed(&[("db2", "3307"), ("", "3310")]);
        let dumping = dumping(&["db2:40000", "10.0.0.3:51000"]);
        assert_eq!(keys(&replicas_from(&listed, &dumping, 3306, false)), ["10.0.0.3:3310", "db2:3307"]);
        assert_eq!(keys(&replicas_from(&listed, &dumping, 3306, true)), ["db2:3307"]);
    }

    #[test]
    fn without_a_list_connections_are_all_there_is() {
        let dumping = dumping(&["10.0.0.3:51000", "10.0.0.3:51001", "2001:db8::1:52000", "localhost", ""]);
        assert_eq!(keys(&replicas_from(&[], &dumping, 3306, false)), ["10.0.0.3:3306", "[2001:db8::1]:3306"]);
    }

    #[test]
    fn nonsense_in_the_list_names_nobody() {
        let listed = listed(&[("db2", "0"), ("db3", "port"), ("//db4", "3306")]);
        assert_eq!(keys(&replicas_from(&listed, &[], 3306, true)), [""; 0]);
    }
}
