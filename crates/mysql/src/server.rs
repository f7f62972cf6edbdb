//! One server as the target of verbs.

use std::time::Duration;

use topology::{Channel, GtidSet, InstanceKey, Version};

use crate::access::Access;
use crate::dialect::Dialect;
use crate::error::{Error, ErrorKind};
use crate::read::{self, Variables};
use crate::row::Row;
use crate::session::Session;

/// A server and the session to change it with. Verbs are methods (see `verbs.rs`): each is idempotent, has a deadline,
/// and its errors say what we were doing on whom.
///
/// Cancel safety: a verb that is dropped may have taken effect; run it again, or look.
#[derive(Debug)]
pub struct Server {
    key: InstanceKey,
    access: Access,
    dialect: Dialect,
    limit: Duration,
    session: Option<Session>,
}

impl Server {
    /// Connects to a server and asks for its version.
    ///
    /// # Errors
    /// Any failure of the connection.
    pub async fn connect(key: &InstanceKey, access: &Access) -> Result<Self, Error> {
        let mut session = Session::connect(key, access).await?;
        let rows = session.rows("select @@global.version, @@global.version_comment").await?;
        let text = |index| rows.first().and_then(|row: &Row| row.get(index)).unwrap_or_default();
        let version = Version::parse(text(0), text(1));
        let mut server = Self::new(key.clone(), access.clone(), &version);
        server.session = Some(session);
        Ok(server)
    }

    /// Returns a server of a known version; the session is opened when it is first needed. A verb may take as long as
    /// `access.read_timeout`.
    pub fn new(key: InstanceKey, access: Access, version: &Version) -> Self {
        let limit = access.read_timeout;
        Self { key, access, dialect: Dialect::of(version), limit, session: None }
    }

    /// Returns the same with another deadline per verb.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Returns the address.
    pub fn key(&self) -> &InstanceKey {
        &self.key
    }

    /// Returns what the server understands.
    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Returns the name of our account.
    pub(crate) fn user(&self) -> String {
        self.access.user.clone()
    }

    /// Opens a session beside the kept one.
    pub(crate) async fn fresh_session(&self) -> Result<Session, Error> {
        Session::connect(&self.key, &self.access).await
    }

    /// Returns the channels as they are now.
    ///
    /// # Errors
    /// Any failure of the connection; a set of GTIDs that cannot be read.
    pub async fn channels(&mut self) -> Result<Vec<Channel>, Error> {
        let doing = "read the replication status";
        let rows = self.rows(doing, self.dialect.replica_status()).await?;
        read::channels(self.dialect.version().flavor, &rows)
            .map_err(|error| self.error(doing, ErrorKind::Unexpected(error.to_string())))
    }

    /// Returns the channel of this name as it is now, if there is one.
    ///
    /// # Errors
    /// As [`Server::channels`].
    pub async fn channel(&mut self, name: &str) -> Result<Option<Channel>, Error> {
        Ok(self.channels().await?.into_iter().find(|channel| channel.name == name))
    }

    /// Returns what the server has executed as of now (see `topology::Gtid::executed`).
    ///
    /// # Errors
    /// Any failure of the connection; a set of GTIDs that cannot be read.
    pub async fn executed(&mut self) -> Result<GtidSet, Error> {
        let doing = "read the executed transactions";
        let mariadb = self.dialect.is_mariadb();
        let sql = match mariadb {
            true => "select @@global.gtid_slave_pos, @@global.gtid_binlog_pos",
            false => "select @@global.gtid_executed, ''",
        };
        let rows = self.rows(doing, sql).await?;
        let text = |index| rows.first().and_then(|row| row.get(index)).unwrap_or_default();
        let parse = if mariadb { GtidSet::parse_mariadb } else { GtidSet::parse_mysql };
        match (parse(text(0)), parse(text(1))) {
            (Ok(one), Ok(two)) => Ok(one.union(&two)),
            (Err(error), _) | (_, Err(error)) => {
                Err(self.error(doing, ErrorKind::Unexpected(format!("the set cannot be read: {error}"))))
            }
        }
    }

    /// Returns the global variables of these names that the server has.
    ///
    /// # Errors
    /// Any failure of the connection.
    pub async fn variables(&mut self, names: &[&str]) -> Result<Variables, Error> {
        let names: Vec<String> = names.iter().map(|name| crate::literal(name)).collect();
        let sql = format!("show global variables where variable_name in ({})", names.join(", "));
        Ok(Variables::of_list(&self.rows("read the variables", &sql).await?))
    }

    /// Runs one statement and returns its rows.
    pub(crate) async fn rows(&mut self, doing: &str, sql: &str) -> Result<Vec<Row>, Error> {
        let limit = self.limit;
        Ok(self.results(doing, sql, limit).await?.into_iter().next().unwrap_or_default())
    }

    /// Runs statements for their effect. An error of one of the numbers in `fine` says that the wish is fulfilled; later
    /// statements are not run then.
    pub(crate) async fn run(&mut self, doing: &str, sql: &str, fine: &[u16]) -> Result<(), Error> {
        let limit = self.limit;
        match self.results(doing, sql, limit).await {
            Err(error) if error.number().is_some_and(|number| fine.contains(&number)) => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    /// Runs statements within `limit`. A kept session that turns out to be dead is replaced once: all that is run here
    /// may be run twice.
    pub(crate) async fn results(&mut self, doing: &str, sql: &str, limit: Duration) -> Result<Vec<Vec<Row>>, Error> {
        let kept = self.session.take().filter(|session| !session.is_broken());
        let was_kept = kept.is_some();
        let mut session = match kept {
            Some(session) => session,
            None => Session::connect(&self.key, &self.access).await.map_err(|error| error.while_doing(doing))?,
        };
        let mut outcome = session.results_within(sql, limit).await;
        let died = outcome.as_ref().is_err_and(|error| matches!(error.kind, ErrorKind::Io(_)));
        if was_kept && died {
            session = Session::connect(&self.key, &self.access).await?;
            outcome = session.results_within(sql, limit).await;
        }
        if !session.is_broken() {
            self.session = Some(session);
        }
        outcome.map_err(|error| error.while_doing(doing))
    }

    pub(crate) fn error(&self, doing: &str, kind: ErrorKind) -> Error {
        Error::new(doing, &self.key, kind)
    }
}
