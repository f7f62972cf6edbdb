//! A network of hosts that can be cut off: one network namespace per server, all on one bridge.
//!
//! `cut` takes the link down, so that packets vanish: nobody answers with a reset, as when a host loses power. The lab
//! itself stands on the bridge and sees what another host in the network would see.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::process::run;

/// The last part of the bridge's own address.
const BRIDGE_HOST: u8 = 254;

/// The bridge and namespaces of one block of addresses. Dropping it removes them.
#[derive(Debug)]
pub(crate) struct Network {
    block: u8,
}

impl Network {
    /// Makes the bridge of a block. What an earlier process left of it must have been removed.
    pub(crate) fn create(block: u8) -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            bail!("network namespaces need root: run as root, or build the fleet on loopback addresses");
        }
        run("ip", &["-V"]).context("network namespaces need the program `ip` (Debian package iproute2)")?;
        let network = Self { block };
        let bridge = bridge(block);
        let address = format!("198.18.{block}.{BRIDGE_HOST}/24");
        run("ip", &["link", "add", &bridge, "type", "bridge"])
            .context("no right to make network devices: run with the capability NET_ADMIN")?;
        run("ip", &["address", "add", &address, "dev", &bridge])?;
        run("ip", &["link", "set", &bridge, "up"])?;
        Ok(network)
    }

    /// Makes the namespace of the server `index`, with its address, on the bridge.
    pub(crate) fn add_host(&self, index: u8, address: &str) -> Result<()> {
        let (space, port) = (namespace(self.block, index), port(self.block, index));
        run("ip", &["netns", "add", &space])?;
        run("ip", &["link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &space])?;
        run("ip", &["link", "set", &port, "master", &bridge(self.block), "up"])?;
        run("ip", &["-n", &space, "address", "add", &format!("{address}/24"), "dev", "eth0"])?;
        run("ip", &["-n", &space, "link", "set", "eth0", "up"])?;
        run("ip", &["-n", &space, "link", "set", "lo", "up"]).map(drop)
    }

    /// Returns the words that run a program as the host `index`.
    pub(crate) fn enter(&self, index: u8) -> Vec<String> {
        vec!["nsenter".to_owned(), format!("--net=/run/netns/{}", namespace(self.block, index)), "--".to_owned()]
    }

    /// Lets all packets from and to the host `index` vanish, or pass again.
    pub(crate) fn set_cut(&self, index: u8, cut: bool) -> Result<()> {
        let state = if cut { "down" } else { "up" };
        run("ip", &["link", "set", &port(self.block, index), state]).map(drop)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Err(error) = remove(self.block) {
            tracing::warn!(%error, "network namespaces may be left over: run `lab clean`");
        }
    }
}

fn bridge(block: u8) -> String {
    format!("olab{block}br")
}

fn port(block: u8, index: u8) -> String {
    format!("olab{block}h{index}")
}

fn namespace(block: u8, index: u8) -> String {
    format!("{}{index}", namespace_prefix(block))
}

fn namespace_prefix(block: u8) -> String {
    format!("orchestrator-lab-{block}-")
}

/// Removes the namespaces and devices of a block, whoever made them. A namespace takes its end of a link with it, and
/// that takes the other end.
pub(crate) fn remove(block: u8) -> Result<()> {
    let prefix = namespace_prefix(block);
    for space in spaces().iter().filter(|space| space.starts_with(&prefix)) {
        run("ip", &["netns", "delete", space])?;
    }
    let bridge = bridge(block);
    if Path::new("/sys/class/net").join(&bridge).exists() {
        run("ip", &["link", "delete", &bridge])?;
    }
    Ok(())
}

/// Returns the blocks that have namespaces.
pub(crate) fn blocks() -> Vec<u8> {
    let number = |space: &String| space.strip_prefix("orchestrator-lab-")?.split('-').next()?.parse().ok();
    spaces().iter().filter_map(number).collect()
}

fn spaces() -> Vec<String> {
    let entries = std::fs::read_dir("/run/netns").into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}
