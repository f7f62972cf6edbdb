//! How the API is asked.

use std::fmt;
use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use crate::TransportError;

/// Something that answers requests to the API.
pub trait Transport: Sync {
    /// True when there is no service behind it, only a picture of a farm: nothing can be changed.
    fn is_snapshot(&self) -> bool {
        false
    }

    /// Asks for a path below `/api`, with its query. Returns status and body.
    ///
    /// # Errors
    /// Nobody answers.
    fn get(&self, path_and_query: &str) -> impl Future<Output = Result<(u16, Vec<u8>), TransportError>> + Send;
}

/// What a service is shown of the caller.
#[derive(Clone, Default)]
pub struct Credentials {
    /// User and password of basic authentication.
    pub basic: Option<(String, String)>,
    /// A whole header, `Name: value`, for a service that trusts its proxy.
    pub header: Option<String>,
}

impl fmt::Debug for Credentials {
    /// Shows whether there are any.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |given: bool| if given { "***" } else { "" };
        out.debug_struct("Credentials")
            .field("basic", &shown(self.basic.is_some()))
            .field("header", &shown(self.header.is_some()))
            .finish()
    }
}

/// A running service.
#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
    url: String,
    credentials: Credentials,
}

/// How long a service may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a service may take to say how it is.
const CHECK: Duration = Duration::from_secs(2);

impl Http {
    /// Returns the service at `url`: scheme, host and port, with or without `/api`. Nothing is asked yet.
    ///
    /// # Errors
    /// [`TransportError::BadUrl`].
    pub fn new(url: &str, credentials: Credentials) -> Result<Self, TransportError> {
        let bad = |why: String| TransportError::BadUrl { url: url.to_owned(), why };
        let trimmed = url.trim().trim_end_matches('/');
        let whole = if trimmed.ends_with("/api") { trimmed.to_owned() } else { format!("{trimmed}/api") };
        if !whole.starts_with("http://") && !whole.starts_with("https://") {
            return Err(bad("it begins with neither http:// nor https://".to_owned()));
        }
        install_tls_provider();
        let client =
            reqwest::Client::builder().connect_timeout(CONNECT).build().map_err(|error| bad(error.to_string()))?;
        Ok(Self { client, url: whole, credentials })
    }

    /// True when a service answers there at all.
    pub async fn answers(&self) -> bool {
        self.status_of("lb-check").await.is_ok()
    }

    /// Returns the address of its API, without credentials.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the status of the answer to `path`, for which the service has [`CHECK`].
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn status_of(&self, path: &str) -> Result<u16, String> {
        match self.request(path).timeout(CHECK).send().await {
            Ok(response) => Ok(response.status().as_u16()),
            Err(error) if error.is_timeout() => Err(format!("no answer within {} s", CHECK.as_secs())),
            Err(error) => Err(innermost(&error.without_url())),
        }
    }

    fn request(&self, path_and_query: &str) -> reqwest::RequestBuilder {
        let mut request = self.client.get(format!("{}/{}", self.url, path_and_query.trim_start_matches('/')));
        if let Some((user, password)) = &self.credentials.basic {
            request = request.basic_auth(user, Some(password));
        }
        if let Some((name, value)) = self.credentials.header.as_deref().and_then(|header| header.split_once(':')) {
            request = request.header(name.trim(), value.trim());
        }
        request
    }
}

impl Transport for Http {
    async fn get(&self, path_and_query: &str) -> Result<(u16, Vec<u8>), TransportError> {
        let unreachable = |error: reqwest::Error| TransportError::Unreachable {
            url: self.url.clone(),
            why: innermost(&error.without_url()),
        };
        let response = self.request(path_and_query).send().await.map_err(unreachable)?;
        let status = response.status().as_u16();
        if status == 401 {
            return Err(TransportError::Unauthorised { url: self.url.clone() });
        }
        let body = response.bytes().await.map_err(unreachable)?;
        Ok((status, body.to_vec()))
    }
}

/// Returns the cause that says most, such as "Connection refused".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// Chooses the implementation of TLS, once in a process. Where another part of it already did, that one stays.
fn install_tls_provider() {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    INSTALLED.get_or_init(|| rustls::crypto::ring::default_provider().install_default().is_ok());
}
