//! What went wrong, on whom, while doing what.

use std::io;
use std::time::Duration;

use topology::{InstanceKey, Unreachable};

/// Error numbers that this crate acts on, by the names that the server sources give them.
pub mod number {
    #![allow(missing_docs)]
    pub const CON_COUNT_ERROR: u16 = 1040;
    pub const DBACCESS_DENIED: u16 = 1044;
    pub const ACCESS_DENIED: u16 = 1045;
    pub const SERVER_SHUTDOWN: u16 = 1053;
    pub const NORMAL_SHUTDOWN: u16 = 1077;
    pub const SHUTDOWN_COMPLETE: u16 = 1079;
    pub const PARSE_ERROR: u16 = 1064;
    pub const NO_SUCH_THREAD: u16 = 1094;
    pub const HOST_IS_BLOCKED: u16 = 1129;
    pub const HOST_NOT_PRIVILEGED: u16 = 1130;
    pub const TABLEACCESS_DENIED: u16 = 1142;
    pub const NO_SUCH_TABLE: u16 = 1146;
    pub const UNKNOWN_SYSTEM_VARIABLE: u16 = 1193;
    pub const SLAVE_MUST_STOP: u16 = 1198;
    pub const SLAVE_NOT_RUNNING: u16 = 1199;
    pub const BAD_SLAVE: u16 = 1200;
    pub const TOO_MANY_USER_CONNECTIONS: u16 = 1203;
    pub const USER_LIMIT_REACHED: u16 = 1226;
    pub const SPECIFIC_ACCESS_DENIED: u16 = 1227;
    pub const SLAVE_WAS_RUNNING: u16 = 1254;
    pub const SLAVE_WAS_NOT_RUNNING: u16 = 1255;
    pub const ACCESS_DENIED_NO_PASSWORD: u16 = 1698;
    pub const MUST_CHANGE_PASSWORD: u16 = 1820;
    pub const MUST_CHANGE_PASSWORD_LOGIN: u16 = 1862;
    pub const MARIADB_CONNECTION_KILLED: u16 = 1927;
    pub const MARIADB_CONNECTION_EXISTS: u16 = 1935;
    pub const MARIADB_NO_SUCH_CONNECTION: u16 = 1617;
    pub const SERVER_OFFLINE_MODE: u16 = 3032;
    pub const SLAVE_CHANNEL_NOT_RUNNING: u16 = 3023;
    pub const SLAVE_CHANNEL_WAS_RUNNING: u16 = 3024;
    pub const SLAVE_CHANNEL_WAS_NOT_RUNNING: u16 = 3025;
    pub const SLAVE_CHANNEL_DOES_NOT_EXIST: u16 = 3074;
    pub const ACCOUNT_LOCKED: u16 = 3118;
    pub const SECURE_TRANSPORT_REQUIRED: u16 = 3159;
    pub const SERVER_ISNT_AVAILABLE: u16 = 3168;
    pub const SESSION_WAS_KILLED: u16 = 3169;
    pub const USER_BLOCKED_BY_PASSWORD_LOCK: u16 = 3955;
    pub const CLIENT_INTERACTION_TIMEOUT: u16 = 4031;
}

/// What went wrong on a server. `Display` says what we were doing and on whom, and never holds a password.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} on {key}: {kind}")]
pub struct Error {
    /// What we were doing, as a phrase such as `stop the receiver`.
    pub doing: String,
    /// On whom.
    pub key: InstanceKey,
    /// What went wrong.
    pub kind: ErrorKind,
}

/// What went wrong, by meaning.
#[derive(Debug, thiserror::Error)]
pub enum ErrorKind {
    /// The host name does not resolve.
    #[error("the host name does not resolve: {0}")]
    UnknownHost(String),
    /// No TCP connection within the time allowed.
    #[error("no TCP connection within {0:?}")]
    ConnectTimeout(Duration),
    /// The port accepts connections, and no answer came within the time allowed.
    #[error("no answer within {0:?}")]
    AnswerTimeout(Duration),
    /// The operating system reported an error of the connection, or the peer closed it.
    #[error("{0}")]
    Io(#[source] io::Error),
    /// The server answered with an error.
    #[error("error {number} ({state}): {message}")]
    Server {
        /// MySQL's error number.
        number: u16,
        /// SQLSTATE.
        state: String,
        /// The server's text.
        message: String,
    },
    /// TLS could not be agreed.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The server asks for an authentication that we do not offer.
    #[error("authentication is not possible: {0}")]
    Authentication(String),
    /// What answers does not speak the protocol.
    #[error("what answers is not a MySQL server: {0}")]
    Protocol(String),
    /// An earlier operation was cut off, so that the next bytes may answer another question. Connect anew.
    #[error("the session was broken by an earlier failure")]
    Broken,
    /// The server answered, and the answer lacks what we need.
    #[error("unexpected answer: {0}")]
    Unexpected(String),
    /// This server cannot do it.
    #[error("not possible: {0}")]
    Unsupported(String),
}

impl Error {
    /// Returns the error of `doing` on `key`.
    pub fn new(doing: impl Into<String>, key: &InstanceKey, kind: ErrorKind) -> Self {
        Self { doing: doing.into(), key: key.clone(), kind }
    }

    /// Returns the same error with another phrase of what we were doing; what failed while connecting stays so.
    #[must_use]
    pub fn while_doing(mut self, doing: &str) -> Self {
        if self.doing != CONNECT {
            doing.clone_into(&mut self.doing);
        }
        self
    }

    /// Returns the same error with every occurrence of `secret` taken out of the server's text: the server quotes the
    /// statement it could not read.
    #[must_use]
    pub fn hiding(mut self, secret: &str) -> Self {
        if let ErrorKind::Server { message, .. } = &mut self.kind
            && !secret.is_empty()
        {
            *message = message.replace(secret, "***");
        }
        self
    }

    /// Returns the server's error number, if the server answered with an error.
    pub fn number(&self) -> Option<u16> {
        match self.kind {
            ErrorKind::Server { number, .. } => Some(number),
            _ => None,
        }
    }

    /// True when the session that gave this error is of no further use.
    pub fn is_fatal(&self) -> bool {
        match &self.kind {
            ErrorKind::Server { number, .. } => ends_session(*number),
            ErrorKind::Unexpected(_) | ErrorKind::Unsupported(_) => false,
            _ => true,
        }
    }

    /// Returns what this says about the server: by error number and operating-system error, never by text.
    pub fn unreachable(&self) -> Unreachable {
        match &self.kind {
            ErrorKind::UnknownHost(_) => Unreachable::UnknownHost,
            ErrorKind::ConnectTimeout(_) => Unreachable::NoAnswer,
            ErrorKind::AnswerTimeout(_) => Unreachable::Hung,
            ErrorKind::Io(error) => of_io(error),
            ErrorKind::Server { number, .. } => of_number(*number),
            ErrorKind::Tls(_) => Unreachable::Tls,
            ErrorKind::Authentication(_) => Unreachable::AccessDenied,
            ErrorKind::Protocol(_) => Unreachable::NotMySql,
            ErrorKind::Broken | ErrorKind::Unexpected(_) | ErrorKind::Unsupported(_) => Unreachable::Other,
        }
    }
}

impl ErrorKind {
    /// True when the peer ended the connection, or sent less than the protocol asks for.
    pub(crate) fn is_end_of_file(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof)
    }
}

/// What an error says that we were doing when no session came about.
pub(crate) const CONNECT: &str = "open a session";

/// True for errors after which the server closes the session.
pub(crate) fn ends_session(number: u16) -> bool {
    use number::{
        CLIENT_INTERACTION_TIMEOUT, MARIADB_CONNECTION_KILLED, NORMAL_SHUTDOWN, SERVER_SHUTDOWN, SESSION_WAS_KILLED,
        SHUTDOWN_COMPLETE,
    };
    matches!(
        number,
        SERVER_SHUTDOWN | NORMAL_SHUTDOWN
            ..=SHUTDOWN_COMPLETE | MARIADB_CONNECTION_KILLED | SESSION_WAS_KILLED | CLIENT_INTERACTION_TIMEOUT
    )
}

fn of_number(code: u16) -> Unreachable {
    use number as n;
    match code {
        n::ACCESS_DENIED
        | n::DBACCESS_DENIED
        | n::ACCESS_DENIED_NO_PASSWORD
        | n::ACCOUNT_LOCKED
        | n::USER_BLOCKED_BY_PASSWORD_LOCK
        | n::MUST_CHANGE_PASSWORD
        | n::MUST_CHANGE_PASSWORD_LOGIN
        | n::TABLEACCESS_DENIED
        | n::SPECIFIC_ACCESS_DENIED => Unreachable::AccessDenied,
        n::CON_COUNT_ERROR | n::TOO_MANY_USER_CONNECTIONS | n::USER_LIMIT_REACHED => Unreachable::TooManyConnections,
        n::HOST_IS_BLOCKED | n::HOST_NOT_PRIVILEGED => Unreachable::HostBlocked,
        n::SERVER_SHUTDOWN | n::NORMAL_SHUTDOWN..=n::SHUTDOWN_COMPLETE => Unreachable::ShuttingDown,
        n::SERVER_OFFLINE_MODE | n::SERVER_ISNT_AVAILABLE => Unreachable::ShuttingDown,
        n::SECURE_TRANSPORT_REQUIRED => Unreachable::Tls,
        _ => Unreachable::Other,
    }
}

fn of_io(error: &io::Error) -> Unreachable {
    use io::ErrorKind as K;
    match error.kind() {
        K::ConnectionRefused | K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::UnexpectedEof => {
            Unreachable::Refused
        }
        K::TimedOut | K::HostUnreachable | K::NetworkUnreachable | K::NetworkDown => Unreachable::NoAnswer,
        // The rest is about ourselves (no free file descriptor, no local address) and says nothing about the server.
        _ => Unreachable::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: u16) -> Error {
        let kind = ErrorKind::Server { number: code, state: "HY000".to_owned(), message: "near 'pa55'".to_owned() };
        Error::new("stop the receiver", &InstanceKey::new("db1", 3306), kind)
    }

    #[test]
    fn numbers_decide_what_an_error_means() {
        for (codes, meaning) in [
            (&[1045, 1044, 1698, 3118][..], Unreachable::AccessDenied),
            (&[1040, 1203, 1226], Unreachable::TooManyConnections),
            (&[1129, 1130], Unreachable::HostBlocked),
            (&[1053], Unreachable::ShuttingDown),
            (&[3159], Unreachable::Tls),
            (&[1064, 1158, 1193, 65535], Unreachable::Other),
        ] {
            for code in codes {
                assert_eq!(server(*code).unreachable(), meaning, "{code}");
            }
        }
    }

    #[test]
    fn the_operating_system_decides_the_rest() {
        let of = |kind: io::ErrorKind| {
            Error::new(CONNECT, &InstanceKey::new("db1", 3306), ErrorKind::Io(kind.into())).unreachable()
        };
        assert_eq!(of(io::ErrorKind::ConnectionRefused), Unreachable::Refused);
        assert_eq!(of(io::ErrorKind::UnexpectedEof), Unreachable::Refused);
        assert_eq!(of(io::ErrorKind::HostUnreachable), Unreachable::NoAnswer);
        assert_eq!(of(io::ErrorKind::AddrNotAvailable), Unreachable::Other);
    }

    #[test]
    fn texts_say_what_on_whom_and_hide_secrets() {
        let text = server(1064).hiding("pa55").to_string();
        assert_eq!(text, "cannot stop the receiver on db1:3306: error 1064 (HY000): near '***'");
    }
}
