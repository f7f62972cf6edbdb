//! Numbers of replication errors, from their texts.
//!
//! The array of instances has texts only, so that this is the one place where a text decides. Servers word these errors
//! in English: the sentence around is the server's own, what the source or the network said stands inside it.

/// Phrases of receivers' errors, in lower case, with the number that goes with each. The first that fits counts: what the
/// source answered stands behind the words that tell of connecting.
const RECEIVER: &[(&str, u32)] = &[
    ("access denied", 1045),
    ("too many connections", 1040),
    ("max_user_connections", 1203),
    ("has exceeded the", 1226),
    ("is not allowed to connect", 1130),
    ("many connection errors", 1129),
    ("requires secure connection", 2061),
    ("authentication plugin", 2059),
    ("ssl connection error", 2026),
    ("tls/ssl error", 2026),
    ("shutdown in progress", 1053),
    ("unknown mysql server host", 2005),
    ("unknown server host", 2005),
    ("unknown host", 2005),
    ("through socket", 2002),
    ("can't connect to", 2003),
    ("connection refused", 2003),
    ("no route to host", 2003),
    ("connection timed out", 2003),
    ("(111)", 2003),
    ("(110)", 2003),
    ("(113)", 2003),
    ("lost connection", 2013),
    ("gone away", 2006),
    ("error reading communication packets", 1158),
    ("timeout reading communication packets", 1159),
    ("fatal error 1236", 1236),
    ("equal mysql server ids", 1593),
    ("equal mysql server uuids", 1593),
    ("fatal error", 1593),
];

/// Phrases that a receiver begins with when it cannot connect.
const CONNECTING: &[&str] = &["error connecting to", "error reconnecting to", "error re-connecting to"];

/// An error that has a text and no number that we know: the source spoke, for all we can tell.
const UNKNOWN: u32 = 1105;

/// Returns `Last_IO_Errno` of this `Last_IO_Error`; 0 for none.
pub(super) fn of_receiver(text: &str) -> u32 {
    let text = plain(text);
    if text.trim().is_empty() {
        return 0;
    }
    let phrase = || RECEIVER.iter().find(|(phrase, _)| text.contains(phrase)).map(|(_, number)| *number);
    let connecting = || is_of_connecting(&text).then_some(2003);
    named(&text).or_else(phrase).or_else(connecting).unwrap_or(UNKNOWN)
}

/// Returns `Last_SQL_Errno` of this `Last_SQL_Error`; 0 for none.
pub(super) fn of_applier(text: &str) -> u32 {
    let text = plain(text);
    if text.trim().is_empty() { 0 } else { named(&text).unwrap_or(UNKNOWN) }
}

/// True when a receiver that shows this text could not connect, whatever kept it from doing so.
pub(super) fn is_of_connecting(text: &str) -> bool {
    let text = plain(text);
    CONNECTING.iter().any(|phrase| text.contains(phrase))
}

/// Older versions escape texts as if they were regular expressions.
fn plain(text: &str) -> String {
    text.replace('\\', "").to_ascii_lowercase()
}

/// Returns the number that the text itself names. Numbers of the operating system are smaller than MySQL's.
fn named(text: &str) -> Option<u32> {
    let marks =
        ["error_code:", "error code:", "server_errno=", "server_errno:", "errno=", "errno:", "error_code=", "my-"];
    marks.iter().find_map(|mark| {
        let digits = text.split(mark).nth(1)?.trim_start().trim_start_matches("my-").trim_start_matches('0');
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        digits[..end].parse().ok().filter(|number| (1000..100_000).contains(number))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receivers_errors_have_their_numbers() {
        for (text, number) in [
            ("", 0),
            (
                "Error connecting to source 'repl@127.0.1.1:21101'. This was attempt 3/10, with a delay of 1 seconds between attempts. Message: Can't connect to MySQL server on '127.0.1.1:21101' (111)",
                2003,
            ),
            (
                "error connecting to master 'repl@db1:3306' - retry-time: 60 maximum-retries: 100000 message: Can't connect to server on 'db1' (111 \"Connection refused\")",
                2003,
            ),
            ("error reconnecting to master 'repl@db1:3306' - retry-time: 60  retries: 2", 2003),
            (
                r"error reconnecting to master 'repl@db1:3306' - retry-time: 1  retries: 2 message: Can't connect to MySQL server on 'db1' \(110\)",
                2003,
            ),
            (
                "error connecting to master 'repl@//db1:3306' - retry-time: 1 message: Unknown MySQL server host '//db1' (-2)",
                2005,
            ),
            (
                "error connecting to source 'repl@db1:3306'. Message: Access denied for user 'repl'@'db2' (using password: YES)",
                1045,
            ),
            ("error connecting to master 'repl@db1:3306' message: Too many connections", 1040),
            (
                "error connecting to master 'repl@db1:3306' message: Host 'db2' is not allowed to connect to this MySQL server",
                1130,
            ),
            (
                "Error connecting to source 'r@db1:3306'. Message: Authentication plugin 'caching_sha2_password' reported error: Authentication requires secure connection.",
                2061,
            ),
            (
                "Error reading packet from server for channel '': Lost connection to MySQL server during query (server_errno=2013)",
                2013,
            ),
            ("Got fatal error 1236 from source when reading data from binary log: 'could not find next log'", 1236),
            (
                "Fatal error: The replica I/O thread stops because source and replica have equal MySQL server UUIDs",
                1593,
            ),
            ("Der Quellserver antwortet nicht", 1105),
        ] {
            assert_eq!(of_receiver(text), number, "{text}");
        }
    }

    #[test]
    fn numbers_of_appliers_are_read_where_they_stand() {
        assert_eq!(of_applier(""), 0);
        assert_eq!(of_applier("Error 'Duplicate entry' on query. Error_code: 1062; handler error"), 1062);
        assert_eq!(
            of_applier("Could not execute Write_rows event on table a.b; Duplicate entry '1', Error_code: MY-001062"),
            1062
        );
        assert_eq!(of_applier("Relay log read failure (errno: 2 - No such file)"), 1105);
    }
}
