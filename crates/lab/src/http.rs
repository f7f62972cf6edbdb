//! The few lines of HTTP that talking to a manager under test takes.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Fetches `http://HOST:PORT/PATH` and returns the status code with the body.
///
/// # Errors
/// When nobody answers within ten seconds, or not in HTTP.
pub async fn get(url: &str) -> Result<(u16, String)> {
    let answer = tokio::time::timeout(LIMIT, exchange(url)).await;
    answer
        .with_context(|| format!("no answer from {url} within {LIMIT:?}"))?
        .with_context(|| format!("cannot get {url}"))
}

/// Fetches a JSON document.
///
/// # Errors
/// As [`get`]; when the status is not a success; when the body is not JSON.
pub async fn get_json(url: &str) -> Result<serde_json::Value> {
    let (status, body) = get(url).await?;
    if !(200..300).contains(&status) {
        bail!("{url} answers {status}: {body}");
    }
    serde_json::from_str(&body).with_context(|| format!("{url} answers what is not JSON: {body}"))
}

async fn exchange(url: &str) -> Result<(u16, String)> {
    let rest = url.strip_prefix("http://").context("only http:// is spoken here")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host).await.context("cannot connect")?;
    // Version 1.0: the answer ends with the connection, and comes in one piece.
    let request = format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\nAccept: application/json\r\n\r\n");
    stream.write_all(request.as_bytes()).await.context("cannot send")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.context("cannot read")?;
    parse(&String::from_utf8_lossy(&answer))
}

fn parse(answer: &str) -> Result<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no end of headers")?;
    let mut words = head.split_whitespace();
    let status = match (words.next(), words.next()) {
        (Some(version), Some(code)) if version.starts_with("HTTP/") => code.parse().ok(),
        _ => None,
    };
    Ok((status.context("the answer has no status")?, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_body_are_read() {
        let (status, body) = parse("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\na\r\n\r\nb").unwrap();
        assert_eq!((status, body.as_str()), (200, "a\r\n\r\nb"));
    }

    #[test]
    fn what_is_not_http_is_an_error() {
        for answer in ["", "garbage", "HTTP/1.1\r\n\r\n", "SSH-2.0-x\r\n\r\n", "HTTP/1.1 abc\r\n\r\n"] {
            assert!(parse(answer).is_err(), "{answer:?}");
        }
    }
}
