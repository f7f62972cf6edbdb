//! Addresses of raft nodes.
//!
//! A node is known by the text of its address, so every way to write one is brought into one form: `host:port`, the host in
//! lower case, IPv6 in brackets. Names stay names; nothing is resolved.

use std::net::IpAddr;
use std::net::Ipv6Addr;

/// Returns `text` (`host[:port]`, IPv6 with or without brackets where no port follows) as `host:port`.
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub(crate) fn normalise(text: &str, default_port: u16) -> Result<String, &'static str> {
    let text = text.trim();
    let (host, port) = split(text)?;
    let port = match port {
        None => default_port,
        Some(port) => number(port)?,
    };
    let host = host.to_ascii_lowercase();
    if let Ok(address) = host.parse::<Ipv6Addr>() {
        return Ok(format!("[{address}]:{port}"));
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match host.as_str() {
        "" => Err("the host is missing"),
        host if !host.bytes().all(is_name) => Err("the host is neither a name nor an IP address"),
        host => Ok(format!("{host}:{port}")),
    }
}

/// Returns the host, without brackets, and the port if there is one.
fn split(text: &str) -> Result<(&str, Option<&str>), &'static str> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("the closing bracket is missing")?;
        host.parse::<Ipv6Addr>().map_err(|_| "between brackets stands an IPv6 address")?;
        return match (rest, rest.strip_prefix(':')) {
            ("", _) => Ok((host, None)),
            (_, Some(port)) => Ok((host, Some(port))),
            _ => Err("after the closing bracket comes :port or nothing"),
        };
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok((text, None));
    }
    match text.split_once(':') {
        None => Ok((text, None)),
        Some((_, port)) if port.contains(':') => Err("an IPv6 address with a port stands in brackets"),
        Some((host, port)) => Ok((host, Some(port))),
    }
}

fn number(port: &str) -> Result<u16, &'static str> {
    // Not `parse` alone: it would take a sign.
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(port) if is_number && port > 0 => Ok(port),
        _ => Err("the port is not a number from 1 to 65535"),
    }
}

/// Returns the host of a normalised address, in brackets where it is IPv6.
pub(crate) fn host(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

/// True when a normalised address means "every address of this host", at which nobody can be reached.
pub(crate) fn is_unspecified(address: &str) -> bool {
    let host = host(address).trim_matches(['[', ']']);
    host.parse::<IpAddr>().is_ok_and(|host| host.is_unspecified())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_way_to_write_an_address_has_one_form() {
        for (text, expected) in [
            ("orc1", "orc1:10008"),
            ("orc1:7000", "orc1:7000"),
            (" ORC1.Example.COM ", "orc1.example.com:10008"),
            ("10.0.0.1", "10.0.0.1:10008"),
            ("10.0.0.1:1", "10.0.0.1:1"),
            ("[::1]", "[::1]:10008"),
            ("[::1]:7000", "[::1]:7000"),
            ("::1", "[::1]:10008"),
            ("[2001:DB8:0::1]:7000", "[2001:db8::1]:7000"),
            ("orc_1-a", "orc_1-a:10008"),
        ] {
            assert_eq!(normalise(text, 10008), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_told_why() {
        for (text, expected) in [
            ("", "the host is missing"),
            (":10008", "the host is missing"),
            ("orc1:", "the port is not a number from 1 to 65535"),
            ("orc1:0", "the port is not a number from 1 to 65535"),
            ("orc1:65536", "the port is not a number from 1 to 65535"),
            ("orc1:+80", "the port is not a number from 1 to 65535"),
            ("2001:db8::1:1:1:1:1:1:7000", "an IPv6 address with a port stands in brackets"),
            ("[orc1]:7000", "between brackets stands an IPv6 address"),
            ("[::1", "the closing bracket is missing"),
            ("[::1]7000", "after the closing bracket comes :port or nothing"),
            ("http://orc1:3000", "an IPv6 address with a port stands in brackets"),
            ("user@orc1", "the host is neither a name nor an IP address"),
            ("orc1/x", "the host is neither a name nor an IP address"),
            ("orc 1", "the host is neither a name nor an IP address"),
        ] {
            assert_eq!(normalise(text, 10008), Err(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_form_of_a_form_is_itself(text in "[\\[\\]:0-9a-fA-F.x-]{0,20}") {
            if let Ok(form) = normalise(&text, 10008) {
                prop_assert_eq!(normalise(&form, 1), Ok(form));
            }
        }
    }
}
