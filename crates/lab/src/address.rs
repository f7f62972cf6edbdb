//! Blocks of addresses, one per fleet, so that fleets of several processes do not collide.

use std::fs::File;
use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use anyhow::{Context, Result, bail};

use crate::paths::{run_dir, try_lock};

/// How many fleets can run on a machine at one time.
const BLOCKS: u8 = 200;

/// The place of the first manager in a block; servers come before it.
pub(crate) const FIRST_MANAGER: u8 = 100;

/// Where the addresses of a fleet come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    /// `127.77.BLOCK.n`, all on this host.
    Loopback,
    /// `198.18.BLOCK.n`, from the range that is set aside for tests of networks: each in a namespace of its own.
    Namespaces,
}

/// The right to a block of addresses, and to the folder of that number. The kernel takes it back when we end, however we
/// end: it is a listening socket with a name in no file system, which no other process in this network can have at the
/// same time, and a locked file, for those who share the folder from another network (a container).
#[derive(Debug)]
pub(crate) struct Block {
    /// The number, from 1.
    pub(crate) number: u8,
    _addresses: UnixListener,
    _folder: File,
}

impl Block {
    /// Claims the block `number`; nothing when another process has it.
    pub(crate) fn claim(number: u8) -> Result<Option<Self>> {
        let name = SocketAddr::from_abstract_name(format!("orchestrator-lab-block-{number}"))
            .context("cannot name a claim on addresses")?;
        let addresses = match UnixListener::bind_addr(&name) {
            Ok(addresses) => addresses,
            Err(error) if error.kind() == ErrorKind::AddrInUse => return Ok(None),
            Err(error) => return Err(error).context("cannot claim addresses"),
        };
        let folder = try_lock(&run_dir()?.join(format!("{number}.lock")))?;
        Ok(folder.map(|folder| Self { number, _addresses: addresses, _folder: folder }))
    }

    /// Claims the first free block.
    pub(crate) fn claim_any() -> Result<Self> {
        for number in 1..=BLOCKS {
            if let Some(block) = Self::claim(number)? {
                return Ok(block);
            }
        }
        bail!("all {BLOCKS} blocks of addresses are taken: end a few fleets first")
    }

    /// Returns the address of the host `index`, counted from 0.
    pub(crate) fn address(&self, range: Range, index: u8) -> String {
        let network = match range {
            Range::Loopback => "127.77",
            Range::Namespaces => "198.18",
        };
        format!("{network}.{}.{}", self.number, index + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_one_owner_until_it_is_dropped() {
        let block = Block::claim_any().unwrap();
        assert!(Block::claim(block.number).unwrap().is_none());
        let number = block.number;
        let other = Block::claim_any().unwrap();
        assert_ne!(other.number, number);
        drop(block);
    }

    #[test]
    fn addresses_stay_in_their_range() {
        let block = Block::claim_any().unwrap();
        assert!(block.address(Range::Loopback, 0).starts_with("127.77."));
        assert!(block.address(Range::Namespaces, 2).ends_with(".3"));
    }
}
