//! A network of hosts that can be cut off from each other: one network namespace per host, each on a link of its own to
//! a namespace that routes.
//!
//! A cut is a rule of the router, from one address to another, and so it is exact: one direction alone, one pair alone.
//! What it meets vanishes: nobody is sent a reset or a word of the router, as when a host loses power. The lab stands
//! outside, with two addresses: [`Party::CLIENT`], from which its clients connect and which can be cut off like any host,
//! and the vantage point, from which it asks managers and which no cut between parties concerns.
//!
//! ```text
//!   lab (.253 client, .254 vantage) ── router ─┬─ .1 first server
//!                                              ├─ .2 …
//!                                              └─ .101 first manager
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};

use crate::process::{run, run_with_input};

/// The last part of the router's own address.
const ROUTER: u8 = 250;
/// The last part of the lab's address that is never cut off.
const VANTAGE: u8 = 254;
/// Rules with this preference are cuts: before all that routes.
const PREFERENCE: u8 = 50;

/// Who can be cut off: a host, by the last part of its address, or the lab's clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Party(u8);

impl Party {
    /// Writer and watcher: they reach what they are not cut off from.
    pub const CLIENT: Self = Self(253);

    /// The host with the number `index`, counted from 0.
    pub(crate) fn host(index: u8) -> Self {
        Self(index + 1)
    }
}

impl fmt::Display for Party {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::CLIENT { out.write_str("clients") } else { write!(out, ".{}", self.0) }
    }
}

/// Packets that vanish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cut {
    /// From the one to the other.
    OneWay(Party, Party),
    /// All that a party sends, to the lab's vantage point as well.
    Sent(Party),
    /// All that is sent to a party, from the lab's vantage point as well.
    Received(Party),
}

impl Cut {
    /// Returns how the router selects these packets.
    fn selector(self, block: u8) -> String {
        let address = |party: Party| address(block, party.0);
        match self {
            Self::OneWay(from, to) => format!("from {} to {}", address(from), address(to)),
            Self::Sent(from) => format!("from {}", address(from)),
            Self::Received(to) => format!("to {}", address(to)),
        }
    }
}

/// The router and the hosts of one block of addresses. Dropping it removes them.
#[derive(Debug)]
pub(crate) struct Network {
    block: u8,
    cuts: Mutex<BTreeSet<Cut>>,
}

impl Network {
    /// Makes the router of a block. What an earlier process left of it must have been removed.
    pub(crate) fn create(block: u8) -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            bail!("network namespaces need root: run as root, or build the fleet on loopback addresses");
        }
        run("ip", &["-V"]).context("network namespaces need the program `ip` (Debian package iproute2)")?;
        let network = Self { block, cuts: Mutex::default() };
        let (router, uplink) = (router(block), uplink(block));
        run("ip", &["netns", "add", &router])
            .context("no right to make networks: run with the capability NET_ADMIN")?;
        network.let_the_router_forward()?;
        run("ip", &["link", "add", &uplink, "type", "veth", "peer", "name", "lab", "netns", &router])?;
        network.in_router(&format!(
            "link set lo up\naddress add {own}/32 dev lo\nlink set lab up\n\
             route add {client}/32 dev lab\nroute add {vantage}/32 dev lab\n",
            own = address(block, ROUTER),
            client = address(block, Party::CLIENT.0),
            vantage = address(block, VANTAGE),
        ))?;
        batch(
            &[],
            &format!(
                "address add {client}/32 dev {uplink}\naddress add {vantage}/32 dev {uplink}\nlink set {uplink} up\n\
                 route add 198.18.{block}.0/24 via {router} dev {uplink} onlink src {client}\n",
                client = address(block, Party::CLIENT.0),
                vantage = address(block, VANTAGE),
                router = address(block, ROUTER),
            ),
        )?;
        Ok(network)
    }

    /// Packets pass in each direction by itself: the router may not ask whether their sender could be answered.
    fn let_the_router_forward(&self) -> Result<()> {
        let settings = "echo 1 > /proc/sys/net/ipv4/ip_forward; \
                        for filter in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $filter; done";
        let space = format!("--net=/run/netns/{}", router(self.block));
        run("nsenter", &[&space, "--", "sh", "-ec", settings]).context("the router cannot forward").map(drop)
    }

    /// Makes the namespace of the host `index`, with its address, on a link to the router.
    pub(crate) fn add_host(&self, index: u8, address: &str) -> Result<()> {
        let (space, port, router) = (namespace(self.block, index), format!("h{index}"), router(self.block));
        run("ip", &["netns", "add", &space])?;
        run("ip", &["-n", &router, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &space])?;
        self.in_router(&format!("link set {port} up\nroute add {address}/32 dev {port}\n"))?;
        let gateway = self::address(self.block, ROUTER);
        batch(
            &["-n", &space],
            &format!(
                "link set lo up\naddress add {address}/32 dev eth0\nlink set eth0 up\n\
                 route add default via {gateway} dev eth0 onlink\n"
            ),
        )
    }

    /// Returns the words that run a program as the host `index`.
    pub(crate) fn enter(&self, index: u8) -> Vec<String> {
        vec!["nsenter".to_owned(), format!("--net=/run/netns/{}", namespace(self.block, index)), "--".to_owned()]
    }

    /// Returns the lab's address from which everybody is reached whatever is cut between parties.
    pub(crate) fn vantage(&self) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.block, VANTAGE)
    }

    /// Lets all packets from and to the host `index` vanish, or pass again; the lab does not reach it either.
    pub(crate) fn set_cut(&self, index: u8, cut: bool) -> Result<()> {
        let both = [Cut::Sent(Party::host(index)), Cut::Received(Party::host(index))];
        if cut { self.begin(both) } else { self.end(both) }
    }

    /// Lets all packets from one of `from` to one of `to` vanish, from now on. What passes already passes no more.
    pub(crate) fn cut_one_way(&self, from: &[Party], to: &[Party]) -> Result<()> {
        self.begin(pairs(from, to))
    }

    /// Lets all packets pass again.
    pub(crate) fn heal(&self) -> Result<()> {
        let all = self.lock().clone();
        self.end(all)
    }

    fn begin(&self, cuts: impl IntoIterator<Item = Cut>) -> Result<()> {
        let mut known = self.lock();
        let new: Vec<Cut> = cuts.into_iter().filter(|cut| known.insert(*cut)).collect();
        self.change_rules("add", &new)
    }

    fn end(&self, cuts: impl IntoIterator<Item = Cut>) -> Result<()> {
        let mut known = self.lock();
        let old: Vec<Cut> = cuts.into_iter().filter(|cut| known.remove(cut)).collect();
        self.change_rules("delete", &old)
    }

    fn change_rules(&self, verb: &str, cuts: &[Cut]) -> Result<()> {
        let rule = |cut: &Cut| format!("rule {verb} {} pref {PREFERENCE} blackhole\n", cut.selector(self.block));
        let rules: String = cuts.iter().map(rule).collect();
        if rules.is_empty() { Ok(()) } else { self.in_router(&rules) }
    }

    fn in_router(&self, commands: &str) -> Result<()> {
        batch(&["-n", &router(self.block)], commands)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<Cut>> {
        self.cuts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Err(error) = remove(self.block) {
            tracing::warn!(%error, "network namespaces may be left over: run `lab clean`");
        }
    }
}

/// Runs many commands of `ip` in one process: a cut of many pairs is one moment.
fn batch(options: &[&str], commands: &str) -> Result<()> {
    let words: Vec<&str> = options.iter().copied().chain(["-batch", "-"]).collect();
    run_with_input("ip", &words, commands).with_context(|| format!("in:\n{commands}"))
}

/// Returns each of `from` with each of `to`, but nobody with itself.
fn pairs(from: &[Party], to: &[Party]) -> Vec<Cut> {
    let with_all = |from: &Party| to.iter().filter(move |to| *to != from).map(|to| (*from, *to)).collect::<Vec<_>>();
    from.iter().flat_map(with_all).map(|(from, to)| Cut::OneWay(from, to)).collect()
}

fn address(block: u8, last: u8) -> String {
    format!("198.18.{block}.{last}")
}

/// The lab's end of its link to the router.
fn uplink(block: u8) -> String {
    format!("olab{block}")
}

fn router(block: u8) -> String {
    format!("{}router", namespace_prefix(block))
}

fn namespace(block: u8, index: u8) -> String {
    format!("{}{index}", namespace_prefix(block))
}

fn namespace_prefix(block: u8) -> String {
    format!("orchestrator-lab-{block}-")
}

/// Removes the namespaces and the link of a block, whoever made them. A namespace takes its ends of links with it, and
/// these the other ends.
pub(crate) fn remove(block: u8) -> Result<()> {
    let prefix = namespace_prefix(block);
    for space in spaces().iter().filter(|space| space.starts_with(&prefix)) {
        run("ip", &["netns", "delete", space])?;
    }
    // A namespace goes when the kernel has time; the next one with this number wants the name at once.
    let uplink = uplink(block);
    if Path::new("/sys/class/net").join(&uplink).exists() && run("ip", &["link", "delete", &uplink]).is_err() {
        tracing::debug!(uplink, "the kernel was faster");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_cut_pair_by_pair_and_nobody_from_itself() {
        let (one, two) = (Party::host(0), Party::host(1));
        assert_eq!(pairs(&[one], &[one, two, Party::CLIENT]).len(), 2);
        assert_eq!(Cut::OneWay(one, Party::CLIENT).selector(7), "from 198.18.7.1 to 198.18.7.253");
    }
}
