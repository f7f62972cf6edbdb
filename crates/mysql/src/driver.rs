//! The seam to the driver: its options from ours, its errors as ours.

use std::net::IpAddr;
use std::time::Duration;

use mysql_async::{ClientIdentity, DriverError, IoError, Opts, OptsBuilder, SslOpts};
use topology::InstanceKey;

use crate::access::{Access, TlsOptions};
use crate::error::ErrorKind;

/// Largest answer we accept, in bytes. GTID sets and status rows are far smaller.
const MAX_PACKET: usize = 64 << 20;

/// Silence after which the kernel asks whether the peer still lives.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// Returns the driver's options for one connection.
pub(crate) fn options(key: &InstanceKey, ips: Vec<IpAddr>, access: &Access, tls: Option<&TlsOptions>) -> Opts {
    OptsBuilder::default()
        .ip_or_hostname(key.host.clone())
        .resolved_ips(Some(ips))
        .tcp_port(key.port)
        .user(Some(access.user.clone()))
        .pass(Some(access.password.expose()))
        .ssl_opts(tls.map(tls_options))
        .tcp_keepalive(Some(KEEPALIVE))
        .tcp_nodelay(true)
        // A Unix socket would hide what we are here to see: whether the server can be reached over the network.
        .prefer_socket(false)
        // Set here, or the driver asks the server for them: one more round trip per connection.
        .max_allowed_packet(Some(MAX_PACKET))
        .wait_timeout(Some(28_800))
        .stmt_cache_size(0)
        .into()
}

fn tls_options(options: &TlsOptions) -> SslOpts {
    let identity = match (&options.cert, &options.key) {
        (Some(cert), Some(key)) => Some(ClientIdentity::new(cert.clone().into(), key.clone().into())),
        _ => None,
    };
    SslOpts::default()
        .with_root_certs(options.ca.iter().map(|ca| ca.clone().into()).collect())
        .with_disable_built_in_roots(options.ca.is_some())
        .with_danger_accept_invalid_certs(options.skip_verify)
        .with_danger_skip_domain_validation(options.skip_verify)
        .with_client_identity(identity)
}

/// Returns what a driver's error means.
pub(crate) fn kind_of(error: mysql_async::Error) -> ErrorKind {
    match error {
        mysql_async::Error::Server(error) => {
            ErrorKind::Server { number: error.code, state: error.state, message: error.message }
        }
        mysql_async::Error::Io(IoError::Tls(error)) => ErrorKind::Tls(error.to_string()),
        mysql_async::Error::Io(IoError::Io(error)) => of_io(error),
        mysql_async::Error::Driver(error) => of_driver(error),
        other => ErrorKind::Protocol(other.to_string()),
    }
}

fn of_io(error: std::io::Error) -> ErrorKind {
    use std::io::ErrorKind as K;
    if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
        return ErrorKind::Tls(error.to_string());
    }
    match error.kind() {
        // The driver's decoder reports what it cannot read as one of these; the kernel reports none of them.
        K::InvalidData | K::InvalidInput | K::Other => ErrorKind::Protocol(error.to_string()),
        _ => ErrorKind::Io(error),
    }
}

fn of_driver(error: DriverError) -> ErrorKind {
    match error {
        DriverError::ConnectionClosed => ErrorKind::Io(std::io::ErrorKind::UnexpectedEof.into()),
        DriverError::NoClientSslFlagFromServer => ErrorKind::Tls("the server offers no TLS".to_owned()),
        DriverError::NoKeyFound => ErrorKind::Tls("no private key in the key file".to_owned()),
        DriverError::UnknownAuthPlugin { .. }
        | DriverError::MysqlOldPasswordDisabled
        | DriverError::CleartextPluginDisabled
        | DriverError::InvalidParsecSalt => ErrorKind::Authentication(error.to_string()),
        // Not its text: it may show bytes of the packet.
        DriverError::UnexpectedPacket { .. } => ErrorKind::Protocol("unexpected packet".to_owned()),
        other => ErrorKind::Protocol(other.to_string()),
    }
}
