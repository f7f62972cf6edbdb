//! Options and statements that differ between MySQL and MariaDB.

use mysql::literal;
use topology::InstanceKey;

use crate::product::{Accounts, Product};

/// Options that every server gets: GTIDs, row-based binary logs of everything, closed to writes until somebody opens it,
/// and as little memory as it can live with.
pub(crate) fn options(product: Product) -> Vec<&'static str> {
    let mut all = vec![
        "--skip-name-resolve",
        "--secure-file-priv=",
        "--log-bin=binlog",
        "--relay-log=relay",
        "--relay-log-recovery=ON",
        "--read-only=1",
        "--innodb-log-buffer-size=2M",
        "--innodb-buffer-pool-load-at-startup=OFF",
        "--innodb-buffer-pool-dump-at-shutdown=OFF",
        "--key-buffer-size=64K",
        "--max-connections=150",
        "--table-open-cache=200",
        "--table-definition-cache=400",
        "--performance-schema=ON",
        "--performance-schema-digests-size=100",
        "--performance-schema-events-stages-history-long-size=10",
        "--performance-schema-events-statements-history-long-size=10",
        "--performance-schema-events-transactions-history-long-size=10",
        "--performance-schema-events-waits-history-long-size=10",
        "--performance-schema-max-digest-length=128",
        "--performance-schema-max-sql-text-length=128",
        "--performance-schema-accounts-size=20",
        "--performance-schema-hosts-size=20",
        "--performance-schema-users-size=20",
        "--performance-schema-max-table-instances=200",
        "--performance-schema-max-table-handles=200",
        "--performance-schema-max-thread-instances=300",
    ];
    all.extend(if product.is_mariadb() {
        &["--binlog-format=ROW", "--log-slave-updates=ON", "--gtid-strict-mode=ON", "--loose-feedback=OFF"][..]
    } else {
        &[
            "--super-read-only=1",
            "--gtid-mode=ON",
            "--enforce-gtid-consistency=ON",
            "--log-replica-updates=ON",
            "--mysqlx=OFF",
            "--temptable-max-ram=2M",
            "--performance-schema-error-size=50",
            "--host-cache-size=0",
        ]
    });
    all
}

/// Options that open a server to writes from its start.
pub(crate) fn open_options(product: Product) -> &'static [&'static str] {
    if product.is_mariadb() { &["--read-only=0"] } else { &["--super-read-only=0", "--read-only=0"] }
}

/// Options by which a server can take part in semi-synchronous replication, as a replica from the start.
pub(crate) fn semi_sync_options(product: Product) -> &'static [&'static str] {
    if product.is_mariadb() {
        &[
            "--rpl-semi-sync-slave-enabled=ON",
            "--rpl-semi-sync-master-wait-point=AFTER_SYNC",
            "--rpl-semi-sync-master-timeout=4294967295",
        ]
    } else {
        &[
            "--plugin-load-add=semisync_source.so",
            "--plugin-load-add=semisync_replica.so",
            "--rpl-semi-sync-replica-enabled=ON",
            "--rpl-semi-sync-source-wait-point=AFTER_SYNC",
            // Longer than any test: losing the replicas must block commits, not drop the promise.
            "--rpl-semi-sync-source-timeout=4294967295",
        ]
    }
}

/// Makes the server wait for so many replicas before a commit is acknowledged. MariaDB always waits for one.
pub(crate) fn require_acknowledgements(product: Product, count: u16) -> String {
    if product.is_mariadb() {
        "SET GLOBAL rpl_semi_sync_master_enabled=ON".to_owned()
    } else {
        format!(
            "SET GLOBAL rpl_semi_sync_source_wait_for_replica_count={count}; SET GLOBAL rpl_semi_sync_source_enabled=ON"
        )
    }
}

/// Points the server at its source by GTID, starting with all that it does not have.
pub(crate) fn replicate_from(product: Product, source: &InstanceKey) -> String {
    let (user, password) = Accounts::REPLICATION;
    let (host, user, password) = (literal(&source.host), literal(user), literal(password));
    let port = source.port;
    if product.is_mariadb() {
        format!(
            "CHANGE MASTER TO MASTER_HOST={host}, MASTER_PORT={port}, MASTER_USER={user}, MASTER_PASSWORD={password}, \
             MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1"
        )
    } else {
        format!(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST={host}, SOURCE_PORT={port}, SOURCE_USER={user}, \
             SOURCE_PASSWORD={password}, SOURCE_AUTO_POSITION=1, SOURCE_CONNECT_RETRY=1, SOURCE_RETRY_COUNT=86400, \
             GET_SOURCE_PUBLIC_KEY=1"
        )
    }
}

/// A former primary has its position in its binary log; MariaDB must be told that it replicates from there on.
pub(crate) fn adopt_own_binlog(product: Product) -> Option<&'static str> {
    product.is_mariadb().then_some("SET GLOBAL gtid_slave_pos=@@GLOBAL.gtid_current_pos")
}

/// Returns the word for a replica in statements about threads.
pub(crate) fn replica_word(product: Product) -> &'static str {
    if product.is_mariadb() { "SLAVE" } else { "REPLICA" }
}

/// Closes the server to writes.
pub(crate) fn read_only(product: Product) -> &'static str {
    if product.is_mariadb() { "SET GLOBAL read_only=1" } else { "SET GLOBAL super_read_only=1" }
}

/// Opens the server to writes.
pub(crate) fn writable(product: Product) -> &'static str {
    if product.is_mariadb() { "SET GLOBAL read_only=0" } else { "SET GLOBAL super_read_only=0; SET GLOBAL read_only=0" }
}

/// Asks whether anything closes the server to writes: one row, one number.
pub(crate) fn closed_query(product: Product) -> &'static str {
    if product.is_mariadb() {
        "SELECT @@GLOBAL.read_only AS closed"
    } else {
        "SELECT @@GLOBAL.read_only OR @@GLOBAL.super_read_only AS closed"
    }
}

/// Asks what the server has executed, as a GTID set.
pub(crate) fn executed_query(product: Product) -> &'static str {
    if product.is_mariadb() {
        "SELECT @@GLOBAL.gtid_current_pos AS executed"
    } else {
        "SELECT @@GLOBAL.gtid_executed AS executed"
    }
}

/// Waits until the server has executed a GTID set: one row, one number, 0 when it has.
pub(crate) fn wait_for(product: Product, executed: &str, seconds: f64) -> String {
    let (function, executed) =
        (if product.is_mariadb() { "MASTER_GTID_WAIT" } else { "WAIT_FOR_EXECUTED_GTID_SET" }, literal(executed));
    format!("SELECT {function}({executed}, {seconds}) AS outcome")
}
