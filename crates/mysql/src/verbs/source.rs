//! Whom a server replicates from.

use topology::{BinlogCoordinates, Channel, GtidSet, InstanceKey, ThreadState, TlsProfile};

use crate::access::Secret;
use crate::dialect::{Position, Repoint};
use crate::error::{Error, ErrorKind, number};
use crate::quote::literal;
use crate::server::Server;

/// An account to replicate with.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name.
    pub user: String,
    /// Its password.
    pub password: Secret,
}

/// A new source for a channel. What is not named here stays on the server as it is: credentials, TLS, delay, filters.
#[derive(Clone, Debug)]
pub struct SourceChange {
    /// The channel; empty for the default one.
    pub channel: String,
    /// The new source.
    pub to: InstanceKey,
    /// An account to set; only for a server that has none, such as an old primary.
    pub account: Option<Account>,
    /// How to connect to the new source; only for a server that has no channel yet, which keeps nothing.
    pub tls: Option<TlsProfile>,
    /// The server wrote transactions itself (an old primary): MariaDB goes on from all it has rather than from what it
    /// replicated. Without meaning on MySQL.
    pub was_primary: bool,
    /// Go on although received transactions are not applied: the change throws them away, and the new source must have
    /// them. Without it such a change is refused.
    pub discard_unapplied: bool,
}

impl SourceChange {
    /// Returns the change of the default channel to `to`, with all that the server has.
    pub fn to(to: InstanceKey) -> Self {
        Self { channel: String::new(), to, account: None, tls: None, was_primary: false, discard_unapplied: false }
    }
}

impl Server {
    /// Returns what a channel received and did not apply: what a change of its source, or on MariaDB a start from rest,
    /// throws away.
    ///
    /// # Errors
    /// As [`Server::channels`].
    pub async fn unapplied_relay_log(&mut self, channel: &str) -> Result<GtidSet, Error> {
        // Received first: what is applied between the two questions must not look unapplied for ever, only for once.
        let received = self.channel(channel).await?.map(|channel| channel.retrieved).unwrap_or_default();
        Ok(received.subtract(&self.executed().await?))
    }

    /// Points a channel to another source, by GTID, and leaves it stopped. Does nothing when it already points there and
    /// no account is given.
    ///
    /// The channel's threads are stopped first. The heartbeat period is set again, because naming a host resets it.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] when received transactions would be lost (the channel is stopped then); any failure of
    /// the connection or the server.
    pub async fn change_source(&mut self, change: &SourceChange) -> Result<(), Error> {
        let doing = format!("change the source to {}", change.to);
        let current = self.channel(&change.channel).await?;
        let there = |channel: &Channel| channel.source == change.to && channel.auto_position;
        if current.as_ref().is_some_and(there) && change.account.is_none() {
            return Ok(());
        }
        self.stop_replication(&change.channel).await?;
        if !change.discard_unapplied {
            self.refuse_to_discard(&doing, &change.channel).await?;
        }
        let heartbeat = self.heartbeat(&change.channel).await?;
        let repoint = Repoint {
            to: Some(&change.to),
            account: change.account.as_ref().map(|account| (account.user.as_str(), &account.password)),
            position: if change.was_primary { Position::Demoted } else { Position::Gtid },
            heartbeat: heartbeat.as_deref(),
            // A new account may be cached nowhere yet: without TLS it needs the source's public key.
            get_public_key: change.account.is_some() && change.tls.as_ref().is_none_or(|tls| !tls.enabled),
            tls: change.tls.as_ref(),
        };
        self.repoint(&doing, &change.channel, &repoint).await
    }

    /// Points a channel to a place in the log of another source, not by GTID, and leaves it stopped. What it received and did
    /// not apply is thrown away.
    ///
    /// # Errors
    /// Any failure of the connection or the server.
    pub async fn change_source_at(
        &mut self,
        channel: &str,
        to: &InstanceKey,
        at: &BinlogCoordinates,
    ) -> Result<(), Error> {
        let doing = format!("change the source to {to} at {at}");
        self.stop_replication(channel).await?;
        let heartbeat = self.heartbeat(channel).await?;
        let heartbeat = heartbeat.as_deref();
        let repoint = Repoint { to: Some(to), position: Position::At(at), heartbeat, ..Repoint::default() };
        self.repoint(&doing, channel, &repoint).await
    }

    /// Detaches a channel: its source becomes `//host`, which nobody can connect to, so that it can be seen and undone.
    /// Both threads are stopped. Does nothing when it is detached, or when there is no source.
    ///
    /// # Errors
    /// As [`Server::change_source`], which also says what `discard_unapplied` means.
    pub async fn detach_source(&mut self, channel: &str, discard_unapplied: bool) -> Result<(), Error> {
        let rename = |source: &InstanceKey| source.detached();
        self.rename_source("detach the source", channel, discard_unapplied, rename).await
    }

    /// Undoes [`Server::detach_source`] and leaves the channel stopped. Does nothing when it is not detached.
    ///
    /// # Errors
    /// Any failure of the connection or the server.
    pub async fn reattach_source(&mut self, channel: &str) -> Result<(), Error> {
        let rename = |source: &InstanceKey| source.reattached();
        self.rename_source("reattach the source", channel, true, rename).await
    }

    async fn rename_source(
        &mut self,
        doing: &str,
        channel: &str,
        discard_unapplied: bool,
        rename: impl FnOnce(&InstanceKey) -> InstanceKey,
    ) -> Result<(), Error> {
        let Some(current) = self.channel(channel).await? else { return Ok(()) };
        let to = rename(&current.source);
        if to == current.source {
            return Ok(());
        }
        self.stop_replication(channel).await?;
        if !discard_unapplied {
            self.refuse_to_discard(doing, channel).await?;
        }
        // Stopped, its position is final.
        let Some(current) = self.channel(channel).await? else { return Ok(()) };
        let heartbeat = self.heartbeat(channel).await?;
        let position = if current.auto_position { Position::Keep } else { Position::At(&current.executed) };
        let repoint = Repoint { to: Some(&to), position, heartbeat: heartbeat.as_deref(), ..Repoint::default() };
        self.repoint(doing, channel, &repoint).await
    }

    async fn refuse_to_discard(&mut self, doing: &str, channel: &str) -> Result<(), Error> {
        let unapplied = self.unapplied_relay_log(channel).await?;
        if unapplied.is_empty() {
            return Ok(());
        }
        let why = format!("received and not applied, and would be thrown away: {unapplied}");
        Err(self.error(doing, ErrorKind::Unsupported(why)))
    }

    /// Stops a channel and removes its configuration: the server is no replica any more. On MariaDB `gtid_slave_pos`
    /// stays. Does nothing when there is no such channel.
    ///
    /// # Errors
    /// Any failure of the connection or the server.
    pub async fn reset_replication(&mut self, channel: &str) -> Result<(), Error> {
        self.stop_replication(channel).await?;
        let gone = [number::BAD_SLAVE, number::MARIADB_NO_SUCH_CONNECTION, number::SLAVE_CHANNEL_DOES_NOT_EXIST];
        let sql = self.dialect().reset(channel);
        self.run("reset replication", &sql, &gone).await
    }

    /// Asks the server by `query` for the account to replicate with: user, password, and up to three files of TLS (CA,
    /// certificate, key). None where it gives no user.
    ///
    /// # Errors
    /// Any failure of the connection or the query.
    pub async fn queried_account(&mut self, query: &str) -> Result<Option<(Account, [String; 3])>, Error> {
        let rows = self.rows("ask for the replication account", query).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let text = |index| row.get(index).unwrap_or_default().to_owned();
        let account = Account { user: text(0), password: Secret::new(text(1)) };
        Ok(Some((account, [text(2), text(3), text(4)])).filter(|(account, _)| !account.user.is_empty()))
    }

    /// Returns the account that the server replicates with, from its own tables; none where it stores none there
    /// (MariaDB, or a server that was never a replica).
    ///
    /// # Errors
    /// Any failure of the connection; error 1142 when our account may not read the table.
    pub async fn stored_account(&mut self, channel: &str) -> Result<Option<Account>, Error> {
        if self.dialect().is_mariadb() {
            return Ok(None);
        }
        let sql = "select channel_name, user_name, user_password from mysql.slave_master_info";
        let rows = self.rows("read the replication account", sql).await?;
        let row = rows.iter().find(|row| row.text(&["channel_name"]).unwrap_or_default() == channel);
        Ok(row.and_then(|row| {
            let user = row.text(&["user_name"]).filter(|user| !user.is_empty())?.to_owned();
            Some(Account { user, password: Secret::new(row.text_or_empty(&["user_password"])) })
        }))
    }

    pub(super) async fn repoint(&mut self, doing: &str, channel: &str, repoint: &Repoint<'_>) -> Result<(), Error> {
        let change = self.dialect().change_source(channel, repoint);
        // Literals with a backslash need a session that reads backslashes as escapes.
        let mode = "set session sql_mode=replace(@@session.sql_mode, 'NO_BACKSLASH_ESCAPES', '')";
        let sql = if change.contains('\\') { format!("{mode}; {change}") } else { change };
        let outcome = self.run(doing, &sql, &[]).await;
        let secret = repoint.account.map_or("", |(_, password)| password.expose());
        outcome.map_err(|error| error.hiding(literal(secret).trim_matches('\'')).hiding(secret))
    }

    /// Returns the heartbeat period of a channel in seconds, as the server writes it; nothing where it cannot be read,
    /// which leaves the server to its default.
    async fn heartbeat(&mut self, channel: &str) -> Result<Option<String>, Error> {
        for sql in self.dialect().heartbeats() {
            let rows = match self.rows("read the heartbeat period", sql).await {
                Ok(rows) => rows,
                Err(error) if error.is_fatal() => return Err(error),
                Err(_) => continue,
            };
            let names = ["channel_name", "connection_name"];
            let row = rows.iter().find(|row| row.text(&names).unwrap_or_default() == channel);
            let period = row.and_then(|row| row.text(&["heartbeat_interval", "slave_heartbeat_period"]));
            if let Some(period) = period.filter(|text| text.parse::<f64>().is_ok()) {
                return Ok(Some(period.to_owned()));
            }
        }
        Ok(None)
    }

    /// True when the server replicates or tries to, on any channel.
    ///
    /// # Errors
    /// As [`Server::channels`].
    pub async fn is_replicating(&mut self) -> Result<bool, Error> {
        let runs =
            |channel: &Channel| channel.receiver != ThreadState::Stopped || channel.applier != ThreadState::Stopped;
        Ok(self.channels().await?.iter().any(runs))
    }
}
