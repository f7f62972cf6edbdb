//! The accounts can do what they are for, and no more.
#![allow(clippy::unwrap_used, missing_docs)]

use anyhow::Result;
use lab::{Accounts, Fleet, Product};
use mysql::{ErrorKind, Session};

/// What the manager does to servers, as far as it can be tried without harm. Each product has its own words.
fn manager_statements(product: Product) -> Vec<&'static str> {
    let mut all = vec![
        "SHOW PROCESSLIST",
        "SHOW BINARY LOGS",
        "SHOW BINLOG EVENTS LIMIT 1",
        "SET GLOBAL read_only=1",
        "FLUSH BINARY LOGS",
        "SELECT COUNT(*) FROM performance_schema.threads",
        "SELECT COUNT(*) FROM information_schema.processlist",
        // Asks for PROCESS by an error; without it, other people's sessions are just not there.
        "SELECT COUNT(*) FROM information_schema.innodb_trx",
        "PURGE BINARY LOGS BEFORE '2000-01-01 00:00:00'",
    ];
    all.extend(if product.is_mariadb() {
        &[
            "SHOW ALL SLAVES STATUS",
            "SHOW SLAVE HOSTS",
            "SHOW MASTER STATUS",
            "SHOW RELAYLOG EVENTS LIMIT 1",
            "STOP SLAVE IO_THREAD",
            "START SLAVE IO_THREAD",
            "STOP SLAVE",
            "CHANGE MASTER TO MASTER_CONNECT_RETRY=2",
            "START SLAVE",
            "SET GLOBAL rpl_semi_sync_master_enabled=0",
            "SET GLOBAL rpl_semi_sync_slave_enabled=0",
            "STOP SLAVE",
            "RESET SLAVE ALL",
            "RESET MASTER",
            "SET GLOBAL gtid_slave_pos=''",
            "SET GLOBAL read_only=0",
        ][..]
    } else {
        &[
            "SHOW REPLICA STATUS",
            "SHOW REPLICAS",
            "SHOW BINARY LOG STATUS",
            "SHOW RELAYLOG EVENTS LIMIT 1",
            "SELECT User_name FROM mysql.slave_master_info",
            "SET GLOBAL super_read_only=1",
            "STOP REPLICA IO_THREAD",
            "START REPLICA IO_THREAD",
            "STOP REPLICA",
            "CHANGE REPLICATION SOURCE TO SOURCE_CONNECT_RETRY=2",
            "START REPLICA",
            "SET GLOBAL rpl_semi_sync_source_enabled=0",
            "SET GLOBAL rpl_semi_sync_replica_enabled=0",
            "SET GLOBAL offline_mode=0",
            "STOP REPLICA",
            "RESET REPLICA ALL",
            "RESET BINARY LOGS AND GTIDS",
            "SET GLOBAL gtid_purged='00000000-0000-0000-0000-000000000001:1-5'",
            "SET gtid_next='00000000-0000-0000-0000-000000000001:6'",
            "BEGIN",
            "COMMIT",
            "SET gtid_next='AUTOMATIC'",
            "SET GLOBAL super_read_only=0",
            "SET GLOBAL read_only=0",
        ]
    });
    all
}

async fn each_account_can_do_its_own(product: Product) -> Result<()> {
    let fleet = Fleet::builder().product(product).primary_with_replicas(1).semi_sync(1).build().await?;
    let (primary, replica) = (fleet.server(0), fleet.server(1));

    let mut application = Session::connect(replica.key(), &Accounts::access(Accounts::APPLICATION)).await?;
    let error = application.execute("INSERT INTO app.writes VALUES (1, 1, 1)").await.unwrap_err();
    assert_eq!(error.number(), Some(1290), "{error}");
    assert!(application.execute("SET GLOBAL read_only=0").await.is_err());

    let mut manager = Session::connect(replica.key(), &Accounts::access(Accounts::MANAGER)).await?;
    for sql in manager_statements(product) {
        manager.rows(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    let error = manager.rows("SELECT * FROM app.writes").await.unwrap_err();
    assert_eq!(error.number(), Some(1142), "{error}");
    let victim = application.connection_id();
    manager.rows(&format!("KILL {victim}")).await?;

    let root = Session::connect(primary.key(), &Accounts::access(("root", ""))).await.unwrap_err();
    // MySQL answers an unknown account with an authentication plugin by chance, which the driver may not know.
    let refused =
        matches!(root.number(), Some(1045 | 1698 | 1130)) || matches!(root.kind, ErrorKind::Authentication(_));
    assert!(refused, "root over the network: {root}");
    Ok(())
}

/// Error numbers by which a server says that a privilege is missing.
const DENIED: [u16; 6] = [1044, 1045, 1095, 1142, 1143, 1227];

/// Returns the first statement that the manager may not run.
async fn first_denied(fleet: &Fleet, victim: u32) -> Result<Option<String>> {
    let replica = fleet.server(1);
    let mut manager = Session::connect(replica.key(), &Accounts::access(Accounts::MANAGER)).await?;
    let kill = format!("KILL {victim}");
    let statements = manager_statements(replica.product()).into_iter().chain([kill.as_str()]);
    for sql in statements {
        // Other errors come from running the same again, such as a start without a source.
        if manager.rows(sql).await.is_err_and(|error| error.number().is_some_and(|number| DENIED.contains(&number))) {
            return Ok(Some(sql.to_owned()));
        }
    }
    Ok(None)
}

/// Without any one of its privileges there is something that the manager cannot do.
async fn no_privilege_is_too_many(product: Product) -> Result<()> {
    let fleet = Fleet::builder().product(product).primary_with_replicas(1).semi_sync(1).build().await?;
    let replica = fleet.server(1);
    for privilege in Accounts::manager_privileges(product) {
        replica.set_writable(true).await?;
        replica.sql(&format!("SET sql_log_bin=0; REVOKE {privilege} ON *.* FROM 'orchestrator'@'%'")).await?;
        let victim = Session::connect(replica.key(), &Accounts::access(Accounts::APPLICATION)).await?;
        let denied = first_denied(&fleet, victim.connection_id()).await?;
        replica.set_writable(true).await?;
        replica.sql(&format!("SET sql_log_bin=0; GRANT {privilege} ON *.* TO 'orchestrator'@'%'")).await?;
        assert!(denied.is_some(), "{privilege} is not needed");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_9_7_least() -> Result<()> {
    no_privilege_is_too_many(Product::MySql97).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_10_11_least() -> Result<()> {
    no_privilege_is_too_many(Product::MariaDb1011).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_11_8_least() -> Result<()> {
    no_privilege_is_too_many(Product::MariaDb118).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_9_7() -> Result<()> {
    each_account_can_do_its_own(Product::MySql97).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_10_11() -> Result<()> {
    each_account_can_do_its_own(Product::MariaDb1011).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_11_8() -> Result<()> {
    each_account_can_do_its_own(Product::MariaDb118).await
}
