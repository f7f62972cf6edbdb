//! The few lines of HTTP that talking to a manager under test takes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);
/// The longest answer that is read: more than any API of a lab fleet has.
const LONGEST: usize = 64 << 20;

/// From where and how patiently to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The address to ask from; nothing for whichever the system chooses.
    pub from: Option<Ipv4Addr>,
    /// How long connecting and answering may take together.
    pub limit: Duration,
}

impl Default for Caller {
    /// From any address, ten seconds.
    fn default() -> Self {
        Self { from: None, limit: LIMIT }
    }
}

impl Caller {
    /// Fetches `http://HOST:PORT/PATH` and returns the status code with the body.
    ///
    /// # Errors
    /// When nobody answers within the limit, or not in HTTP.
    pub async fn get(self, url: &str) -> Result<(u16, String)> {
        let answer = tokio::time::timeout(self.limit, async {
            let rest = url.strip_prefix("http://").context("only http:// is spoken here")?;
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            Connection::open(host, self.from).await?.get(&format!("/{path}")).await
        });
        answer
            .await
            .with_context(|| format!("no answer from {url} within {:?}", self.limit))?
            .with_context(|| format!("cannot get {url}"))
    }

    /// Fetches a JSON document.
    ///
    /// # Errors
    /// As [`Caller::get`]; when the status is not a success; when the body is not JSON.
    pub async fn get_json(self, url: &str) -> Result<serde_json::Value> {
        let (status, body) = self.get(url).await?;
        if !(200..300).contains(&status) {
            bail!("{url} answers {status}: {body}");
        }
        serde_json::from_str(&body).with_context(|| format!("{url} answers what is not JSON: {body}"))
    }
}

/// Fetches a document as the default [`Caller`].
///
/// # Errors
/// As [`Caller::get`].
pub async fn get(url: &str) -> Result<(u16, String)> {
    Caller::default().get(url).await
}

/// Fetches a JSON document as the default [`Caller`].
///
/// # Errors
/// As [`Caller::get_json`].
pub async fn get_json(url: &str) -> Result<serde_json::Value> {
    Caller::default().get_json(url).await
}

/// A connection that takes one request after the other.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
    host: String,
}

impl Connection {
    /// Connects to `HOST:PORT`, from this address if one is given.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn open(host: &str, from: Option<Ipv4Addr>) -> Result<Self> {
        let stream = match from {
            None => TcpStream::connect(host).await,
            Some(from) => {
                let target: SocketAddr = host.parse().with_context(|| format!("{host} is no address with a port"))?;
                let socket = TcpSocket::new_v4().context("no socket")?;
                socket.bind((IpAddr::V4(from), 0).into()).with_context(|| format!("cannot ask from {from}"))?;
                socket.connect(target).await
            }
        };
        let stream = stream.context("cannot connect")?;
        stream.set_nodelay(true).context("cannot set up the connection")?;
        Ok(Self { stream: BufReader::new(stream), host: host.to_owned() })
    }

    /// Fetches a path and returns the status code with the body. After an error, or when it is cancelled, the connection
    /// is of no further use.
    ///
    /// # Errors
    /// When the connection ends, or what comes is not HTTP.
    pub async fn get(&mut self, path: &str) -> Result<(u16, String)> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\n\r\n", self.host);
        self.stream.get_mut().write_all(request.as_bytes()).await.context("cannot send")?;
        let status = status(&self.line().await?)?;
        let (mut length, mut chunked) = (None, false);
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.trim().parse().context("a length is a number")?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = value.trim().eq_ignore_ascii_case("chunked");
            }
        }
        let body = match length {
            _ if chunked => self.chunks().await?,
            Some(length) => self.bytes(length).await?,
            // Without a length the answer ends with the connection.
            None => {
                let mut rest = Vec::new();
                self.stream.read_to_end(&mut rest).await.context("cannot read")?;
                rest
            }
        };
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    async fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await.context("cannot read")? == 0 {
            bail!("the connection ended");
        }
        Ok(line.trim_end().to_owned())
    }

    async fn bytes(&mut self, count: usize) -> Result<Vec<u8>> {
        if count > LONGEST {
            bail!("an answer of {count} bytes is too long");
        }
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).await.context("cannot read")?;
        Ok(bytes)
    }

    async fn chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = usize::from_str_radix(self.line().await?.trim(), 16).context("a chunk begins with its size")?;
            body.extend(self.bytes(size).await?);
            self.line().await?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
}

fn status(line: &str) -> Result<u16> {
    let mut words = line.split_whitespace();
    let status = match (words.next(), words.next()) {
        (Some(version), Some(code)) if version.starts_with("HTTP/") => code.parse().ok(),
        _ => None,
    };
    status.with_context(|| format!("the answer begins with {line:?}"))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Answers each connection with these bytes and ends it.
    async fn server(answer: &'static str) -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/path", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut asked = [0; 1024];
                let count = stream.read(&mut asked).await.unwrap();
                assert!(asked[..count].starts_with(b"GET /path HTTP/1.1\r\n"));
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        url
    }

    #[tokio::test]
    async fn a_body_is_as_long_as_it_says_or_as_its_chunks_or_as_the_connection() {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na\nb and more",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\na\n\r\n1\r\nb\r\n0\r\n\r\n",
            "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\na\nb",
        ] {
            assert_eq!(get(&server(answer).await).await.unwrap(), (200, "a\nb".to_owned()), "{answer}");
        }
    }

    #[tokio::test]
    async fn a_status_that_is_no_success_is_no_document() {
        let url = server("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno").await;
        assert_eq!(get(&url).await.unwrap().0, 404);
        assert!(get_json(&url).await.unwrap_err().to_string().contains("answers 404: no"));
    }

    #[test]
    fn what_is_not_http_is_an_error() {
        for line in ["", "garbage", "HTTP/1.1", "SSH-2.0-x", "HTTP/1.1 abc"] {
            assert!(status(line).is_err(), "{line:?}");
        }
    }
}
