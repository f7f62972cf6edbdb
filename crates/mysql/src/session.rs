//! One connection kept open.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use topology::InstanceKey;

use crate::access::{Access, TlsOptions};
use crate::driver;
use crate::error::{CONNECT, Error, ErrorKind, ends_session, number};
use crate::row::Row;

/// One connection to one server, kept open. Uses the text protocol, so that one round trip may carry many statements.
///
/// Cancel safe in this sense: when an operation is dropped or runs into its deadline, the session is broken and
/// refuses further use, because the next bytes on the wire would answer the old question.
pub struct Session {
    key: InstanceKey,
    conn: Conn,
    read_timeout: Duration,
    broken: bool,
}

/// The answer to one statement.
struct Answer {
    rows: Vec<Row>,
    affected: u64,
}

impl Session {
    /// Connects, authenticates and prepares a session, all within `access.connect_timeout`.
    ///
    /// # Errors
    /// Any [`ErrorKind`] of a connection. When the time is up, a TCP connection made meanwhile tells
    /// [`ErrorKind::AnswerTimeout`] (the port accepts, nobody answers) from [`ErrorKind::ConnectTimeout`].
    pub async fn connect(key: &InstanceKey, access: &Access) -> Result<Self, Error> {
        let limit = access.connect_timeout;
        let ips = match timeout(limit, resolve(key)).await {
            Ok(ips) => ips.map_err(|kind| Error::new(CONNECT, key, kind))?,
            Err(_) => return Err(Error::new(CONNECT, key, ErrorKind::UnknownHost(format!("no answer in {limit:?}")))),
        };
        let dial = dial(key, &ips, access);
        tokio::pin!(dial);
        let knock_after = limit / 2;
        let outcome = match timeout(knock_after, &mut dial).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let (outcome, accepts) =
                    tokio::join!(timeout(limit - knock_after, &mut dial), accepts(key, &ips, limit - knock_after));
                outcome.unwrap_or(Err(match accepts {
                    true => ErrorKind::AnswerTimeout(limit),
                    false => ErrorKind::ConnectTimeout(limit),
                }))
            }
        };
        let conn = match outcome {
            Ok(conn) => conn,
            // The driver says the same of a peer that hangs up and of one whose greeting is too short to be one.
            Err(kind) if kind.is_end_of_file() && greets_with_nonsense(key, &ips).await => {
                return Err(Error::new(CONNECT, key, ErrorKind::Protocol("unreadable greeting".to_owned())));
            }
            Err(kind) => return Err(Error::new(CONNECT, key, kind)),
        };
        let mut session = Self { key: key.clone(), conn, read_timeout: access.read_timeout, broken: false };
        session.prepare(limit).await.map_err(|error| Error::new(CONNECT, key, error.kind))?;
        Ok(session)
    }

    /// Returns the server's number of this connection.
    pub fn connection_id(&self) -> u32 {
        self.conn.id()
    }

    /// Returns the address of the server.
    pub fn key(&self) -> &InstanceKey {
        &self.key
    }

    /// True when the session can be used no more.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Runs one statement and returns its rows, within the read timeout.
    ///
    /// # Errors
    /// The server's error, or any failure of the connection, after which the session is broken.
    pub async fn rows(&mut self, sql: &str) -> Result<Vec<Row>, Error> {
        self.rows_within(sql, self.read_timeout).await
    }

    /// Runs one statement and returns its rows, within `limit`.
    ///
    /// # Errors
    /// As [`Session::rows`].
    pub async fn rows_within(&mut self, sql: &str, limit: Duration) -> Result<Vec<Row>, Error> {
        Ok(self.results_within(sql, limit).await?.into_iter().next().unwrap_or_default())
    }

    /// Runs several statements, separated by `;`, in one round trip, and returns the rows of each in order.
    ///
    /// # Errors
    /// As [`Session::rows`]; the first statement that fails ends them all.
    pub async fn results(&mut self, sql: &str) -> Result<Vec<Vec<Row>>, Error> {
        self.results_within(sql, self.read_timeout).await
    }

    /// As [`Session::results`], within `limit`.
    ///
    /// # Errors
    /// As [`Session::results`].
    pub async fn results_within(&mut self, sql: &str, limit: Duration) -> Result<Vec<Vec<Row>>, Error> {
        match self.answers(sql, limit).await? {
            (answers, None) => Ok(answers.into_iter().map(|answer| answer.rows).collect()),
            (_, Some(error)) => Err(error),
        }
    }

    /// Runs each statement and returns for each its rows or the server's error. Statements share round trips: there is
    /// one more for each that fails, because the server stops at an error. `limit` holds for all of them together.
    ///
    /// A statement with a `;` that is not at its end is sent alone, and its first result counts.
    ///
    /// # Errors
    /// A failure of the connection, after which the session is broken.
    pub async fn each(&mut self, statements: &[&str], limit: Duration) -> Result<Vec<Result<Vec<Row>, Error>>, Error> {
        let deadline = tokio::time::Instant::now() + limit;
        let mut outcomes = Vec::with_capacity(statements.len());
        while outcomes.len() < statements.len() {
            let batch = batch(&statements[outcomes.len()..]);
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            let (answers, error) = self.answers(&joined(batch), left).await?;
            let whole = batch.len() > 1 || answers.len() <= 1;
            // A statement that is sent alone may hold several: its first result counts.
            let answers = if whole { answers } else { answers.into_iter().take(1).collect() };
            let arrived = answers.len();
            outcomes.extend(answers.into_iter().map(|answer| Ok(answer.rows)));
            match error {
                Some(error) if error.is_fatal() => return Err(error),
                Some(error) if arrived < batch.len() => outcomes.push(Err(error)),
                _ if arrived < batch.len() => {
                    let kind = ErrorKind::Unexpected("fewer results than statements".to_owned());
                    outcomes.push(Err(self.error("run a query", kind)));
                }
                _ => {}
            }
        }
        Ok(outcomes)
    }

    /// Runs one statement and returns the number of affected rows, within the read timeout.
    ///
    /// # Errors
    /// As [`Session::rows`].
    pub async fn execute(&mut self, sql: &str) -> Result<u64, Error> {
        self.execute_within(sql, self.read_timeout).await
    }

    /// Runs statements, separated by `;`, and returns the number of rows that the last one affected, within `limit`.
    ///
    /// # Errors
    /// As [`Session::rows`].
    pub async fn execute_within(&mut self, sql: &str, limit: Duration) -> Result<u64, Error> {
        match self.answers(sql, limit).await? {
            (answers, None) => Ok(answers.last().map_or(0, |answer| answer.affected)),
            (_, Some(error)) => Err(error),
        }
    }

    /// Says goodbye, so that the server does not count an aborted connection. Dropping a session does the same in the
    /// background.
    pub async fn close(self) {
        if !self.broken {
            // Nothing to be done about a failure: the socket is closed either way.
            drop(timeout(self.read_timeout, AssertUnwindSafe(self.conn.disconnect()).catch_unwind()).await);
        }
    }

    /// Gives the driver's connection away, for what is no question and answer.
    pub(crate) fn into_conn(self) -> Conn {
        self.conn
    }

    /// Makes the session independent of the server's defaults: with `autocommit=0` a kept session would see one
    /// snapshot of the heartbeat table for ever.
    async fn prepare(&mut self, limit: Duration) -> Result<(), Error> {
        match self.execute_within("set session autocommit=1", limit).await {
            Err(error) if error.is_fatal() => Err(error),
            // An account that must first change its password may do nothing else; the next statement says so.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Sends `sql` and reads all answers; a server error comes beside the answers that arrived before it.
    async fn answers(&mut self, sql: &str, limit: Duration) -> Result<(Vec<Answer>, Option<Error>), Error> {
        if std::mem::replace(&mut self.broken, true) {
            return Err(self.error("run a query", ErrorKind::Broken));
        }
        // The driver indexes into packets without looking: a peer that sends nonsense must not take us down.
        let reading = AssertUnwindSafe(read_answers(&mut self.conn, sql)).catch_unwind();
        let (answers, error) = match timeout(limit, reading).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => return Err(self.error("run a query", ErrorKind::Protocol("unreadable packet".to_owned()))),
            Err(_) => return Err(self.error("run a query", ErrorKind::AnswerTimeout(limit))),
        };
        let error = error.map(|error| self.error("run a query", driver::kind_of(error)));
        match error {
            Some(error) if error.number().is_none_or(ends_session) => Err(error),
            error => {
                self.broken = false;
                Ok((answers, error))
            }
        }
    }

    fn error(&self, doing: &str, kind: ErrorKind) -> Error {
        Error::new(doing, &self.key, kind)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Session")
            .field("key", &self.key)
            .field("connection_id", &self.connection_id())
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

async fn resolve(key: &InstanceKey) -> Result<Vec<IpAddr>, ErrorKind> {
    if !key.is_valid() {
        return Err(ErrorKind::UnknownHost(format!("{key} names no instance")));
    }
    let found = tokio::net::lookup_host((key.host.as_str(), key.port)).await;
    let ips: Vec<IpAddr> =
        found.map_err(|error| ErrorKind::UnknownHost(error.to_string()))?.map(|addr| addr.ip()).collect();
    if ips.is_empty() { Err(ErrorKind::UnknownHost("it has no address".to_owned())) } else { Ok(ips) }
}

/// True when a TCP connection to one of `ips` comes about within `limit`.
async fn accepts(key: &InstanceKey, ips: &[IpAddr], limit: Duration) -> bool {
    let addresses: Vec<SocketAddr> = ips.iter().map(|ip| SocketAddr::new(*ip, key.port)).collect();
    // A little earlier than the driver, or both end in the same instant and the answer is lost.
    matches!(timeout(limit.mul_f32(0.9), TcpStream::connect(&*addresses)).await, Ok(Ok(_)))
}

/// True when the peer at one of `ips` sends something at once that can be neither a greeting nor an error.
async fn greets_with_nonsense(key: &InstanceKey, ips: &[IpAddr]) -> bool {
    const LENGTH_AND_SEQUENCE: usize = 4;
    const SHORTEST_GREETING: u8 = 30;
    let addresses: Vec<SocketAddr> = ips.iter().map(|ip| SocketAddr::new(*ip, key.port)).collect();
    let head = async {
        let mut head = [0; LENGTH_AND_SEQUENCE + 1];
        TcpStream::connect(&*addresses).await?.read_exact(&mut head).await?;
        io::Result::Ok(head)
    };
    match timeout(Duration::from_millis(100), head).await {
        // Protocol 10, or an error packet.
        Ok(Ok([length, 0 | 1, 0, 0, 10])) => length < SHORTEST_GREETING,
        Ok(Ok([_, 0 | 1, 0, 0, 0xff])) => false,
        Ok(Ok(_)) => true,
        _ => false,
    }
}

/// Opens the driver's connection: plain or with TLS, and once more with TLS where [`crate::Tls::Mixed`] learns that the
/// server demands it.
async fn dial(key: &InstanceKey, ips: &[IpAddr], access: &Access) -> Result<Conn, ErrorKind> {
    let tls = access.tls_for(key);
    let outcome = open(key, ips, access, tls).await;
    match outcome {
        Err(ErrorKind::Server { number: number::SECURE_TRANSPORT_REQUIRED, .. }) => match access.learn_tls(key) {
            Some(options) => open(key, ips, access, Some(options)).await,
            None => outcome,
        },
        Err(ErrorKind::Tls(_)) => {
            access.unlearn_tls(key);
            outcome
        }
        _ => outcome,
    }
}

async fn open(key: &InstanceKey, ips: &[IpAddr], access: &Access, tls: Option<&TlsOptions>) -> Result<Conn, ErrorKind> {
    let opts = driver::options(key, ips.to_vec(), access, tls);
    match AssertUnwindSafe(Conn::new(opts)).catch_unwind().await {
        Ok(outcome) => outcome.map_err(|error| match driver::kind_of(error) {
            // The kernel says neither of a connection: it is one of our own files.
            ErrorKind::Io(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) =>
            {
                ErrorKind::Tls(format!("the CA, certificate or key file cannot be read: {error}"))
            }
            kind => kind,
        }),
        Err(_) => Err(ErrorKind::Protocol("unreadable greeting".to_owned())),
    }
}

async fn read_answers(conn: &mut Conn, sql: &str) -> (Vec<Answer>, Option<mysql_async::Error>) {
    let mut answers = Vec::new();
    let mut result = match conn.query_iter(sql).await {
        Ok(result) => result,
        Err(error) => return (answers, Some(error)),
    };
    loop {
        let columns = result.columns();
        let affected = result.affected_rows();
        let rows = match result.collect::<mysql_async::Row>().await {
            Ok(rows) => rows,
            Err(error) => return (answers, Some(error)),
        };
        // Without columns there is no further result: the driver reports an error of a later statement only when asked.
        let Some(columns) = columns else { return (answers, None) };
        let names: Arc<[String]> = columns.iter().map(|column| column.name_str().into_owned()).collect();
        let rows = rows.into_iter().map(|row| row_of(&names, row)).collect();
        answers.push(Answer { rows, affected });
    }
}

fn row_of(names: &Arc<[String]>, row: mysql_async::Row) -> Row {
    let values = row.unwrap().into_iter().map(|value| match value {
        mysql_async::Value::NULL => None,
        mysql_async::Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        // The text protocol has only the two above.
        other => Some(other.as_sql(true)),
    });
    Row::new(names.clone(), values.collect())
}

/// Returns the statements at the head of `statements` that can share a round trip.
fn batch<'a, 's>(statements: &'s [&'a str]) -> &'s [&'a str] {
    let simple = statements.iter().take_while(|sql| !trimmed(sql).contains(';')).count();
    &statements[..simple.max(1).min(statements.len())]
}

fn joined(statements: &[&str]) -> String {
    // On lines of their own, so that a comment at the end of one does not swallow the next.
    statements.iter().map(|sql| trimmed(sql)).collect::<Vec<_>>().join("\n;\n")
}

fn trimmed(sql: &str) -> &str {
    sql.trim_end_matches(|letter: char| letter == ';' || letter.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_share_a_round_trip_until_one_might_be_several() {
        assert_eq!(batch(&["select 1;", "select 2 -- two", "select ';'", "select 3"]).len(), 2);
        assert_eq!(batch(&["select 1; select 2", "select 3"]).len(), 1);
        assert_eq!(joined(&["select 1; ", "select 2 -- two", "select 3"]), "select 1\n;\nselect 2 -- two\n;\nselect 3");
    }
}
