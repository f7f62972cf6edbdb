//! A data directory that is initialised once and copied for each server.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::paths::{create_dir, remove_dir};
use crate::process::run;
use crate::product::{Accounts, Product};
use crate::servers::Installation;

/// The folder of the template. The number rises when the accounts or options below change.
pub(crate) const NAME: &str = "template-2";

/// Options that shape files, and so must be the same when a server is initialised and when it runs.
pub(crate) fn storage_options(product: Product) -> Vec<&'static str> {
    let redo = if product.is_mariadb() { "--innodb-log-file-size=8M" } else { "--innodb-redo-log-capacity=8M" };
    vec![
        redo,
        "--innodb-buffer-pool-size=8M",
        "--innodb-data-file-path=ibdata1:5M:autoextend",
        // By default the first file grows by 64 MB at once, which each server would copy.
        "--innodb-autoextend-increment=1",
    ]
}

/// Initialises the template, unless it is there. The caller holds the lock of the product.
pub(crate) fn ensure(installation: &Installation) -> Result<()> {
    let template = &installation.template;
    if template.exists() {
        return Ok(());
    }
    let fresh = template.with_extension("new");
    remove_dir(&fresh)?;
    create_dir(&fresh)?;
    tracing::info!(product = %installation.product, "initialising a data directory");
    if installation.product.is_mariadb() {
        bootstrap(installation, &fresh)?
    } else {
        initialise(installation, &fresh)?
    }
    for file in ["auto.cnf", "ib_buffer_pool", "lab-init.sql"] {
        // Each server makes its own identity; a missing file is fine.
        drop(fs::remove_file(fresh.join(file)));
    }
    fs::rename(&fresh, template).with_context(|| format!("cannot rename {}", fresh.display()))
}

/// Copies the template to `data`, sharing blocks where the file system can.
pub(crate) fn copy(installation: &Installation, data: &Path) -> Result<()> {
    let (from, to) = (installation.template.display().to_string(), data.display().to_string());
    run("cp", &["-a", "--reflink=auto", "--", &from, &to]).map(drop)
}

fn base(installation: &Installation, data: &Path) -> Result<Command> {
    let mut words = installation.command.iter();
    let mut command = Command::new(words.next().context("an installation has a program")?);
    command.args(words).arg("--no-defaults").args(&installation.options);
    command.args(storage_options(installation.product)).arg(format!("--datadir={}", data.display()));
    if rustix::process::geteuid().is_root() {
        command.arg("--user=root");
    }
    Ok(command)
}

fn finish(mut command: Command, input: Stdio, log: &Path) -> Result<()> {
    let output = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let error = output.try_clone().context("cannot share the log file")?;
    let status = command.stdin(input).stdout(output).stderr(error).status().context("cannot run the server")?;
    if !status.success() {
        let text = fs::read_to_string(log).unwrap_or_default();
        bail!("a data directory could not be initialised; {} ends with:\n{}", log.display(), last_lines(&text, 8));
    }
    Ok(())
}

/// Returns the last `count` lines.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// MySQL initialises by itself, and reads our statements at the end.
fn initialise(installation: &Installation, data: &Path) -> Result<()> {
    let script = data.with_extension("sql");
    fs::write(&script, statements(installation.product).join("\n")).context("cannot write the accounts")?;
    let mut command = base(installation, data)?;
    command.args(["--initialize-insecure", "--skip-log-bin"]).arg(format!("--init-file={}", script.display()));
    finish(command, Stdio::null(), &data.with_extension("log"))
}

/// MariaDB's own script is a shell script around this, which wants helpers that the server package does not carry.
fn bootstrap(installation: &Installation, data: &Path) -> Result<()> {
    let share = installation.share.as_deref().context(
        "no system tables found beside the MariaDB program: its share/mysql or share/mariadb folder is needed",
    )?;
    let path = data.with_extension("sql");
    let mut script = File::create(&path).context("cannot write the bootstrap script")?;
    writeln!(script, "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;").context("cannot write")?;
    for part in ["system_tables", "performance_tables", "system_tables_data", "gis", "sys_schema"] {
        let text = fs::read(part_path(share, part)?).with_context(|| format!("cannot read {part}"))?;
        script.write_all(&text).context("cannot write the bootstrap script")?;
    }
    writeln!(
        script,
        "\nUSE mysql;\nDELETE FROM global_priv WHERE Host <> 'localhost' OR User = '';\nFLUSH PRIVILEGES;"
    )
    .context("cannot write")?;
    writeln!(script, "{}", statements(installation.product).join("\n")).context("cannot write")?;
    let mut command = base(installation, data)?;
    command.args(["--bootstrap", "--skip-log-bin", "--max-allowed-packet=8M", "--net-buffer-length=16K"]);
    command.arg("--loose-feedback=OFF");
    let input = File::open(&path).context("cannot read the bootstrap script")?;
    finish(command, input.into(), &data.with_extension("log"))
}

/// Returns the file of one part of MariaDB's system tables: the prefix changed with 11.
fn part_path(share: &Path, part: &str) -> Result<PathBuf> {
    let names = match part {
        "gis" => vec!["maria_add_gis_sp_bootstrap.sql".to_owned()],
        part => ["mariadb", "mysql"].map(|prefix| format!("{prefix}_{part}.sql")).to_vec(),
    };
    let mut paths = names.iter().map(|name| share.join(name));
    paths.find(|path| path.exists()).with_context(|| format!("no {} in {}", names.join(" or "), share.display()))
}

/// Returns the statements that create accounts and the writer's table, one per line as a bootstrap wants them.
fn statements(product: Product) -> Vec<String> {
    let mut all: Vec<String> = [Accounts::MANAGER, Accounts::REPLICATION, Accounts::APPLICATION]
        .map(|(user, password)| format!("CREATE USER '{user}'@'%' IDENTIFIED BY '{password}';"))
        .into();
    let manager = Accounts::manager_privileges(product).join(", ");
    all.extend([
        format!("GRANT {manager} ON *.* TO 'orchestrator'@'%';"),
        "GRANT SELECT ON performance_schema.* TO 'orchestrator'@'%';".to_owned(),
        "GRANT SELECT ON meta.* TO 'orchestrator'@'%';".to_owned(),
        "GRANT REPLICATION SLAVE ON *.* TO 'repl'@'%';".to_owned(),
        "CREATE DATABASE app;".to_owned(),
        "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX ON app.* TO 'app'@'%';".to_owned(),
        "CREATE TABLE app.writes (run BIGINT UNSIGNED NOT NULL, id BIGINT UNSIGNED NOT NULL, \
         worker INT UNSIGNED NOT NULL, PRIMARY KEY (run, id)) ENGINE=InnoDB;"
            .to_owned(),
    ]);
    if !product.is_mariadb() {
        all.push("GRANT SELECT ON mysql.slave_master_info TO 'orchestrator'@'%';".to_owned());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_super() {
        for product in Product::ALL {
            assert!(!statements(product).iter().any(|sql| sql.contains("SUPER") || sql.contains("ALL PRIVILEGES")));
        }
    }

    #[test]
    fn last_lines_are_the_last() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc");
        assert_eq!(last_lines("a", 2), "a");
    }
}
