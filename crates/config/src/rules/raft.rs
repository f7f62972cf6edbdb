//! Rules between the raft keys. None of them matters while `RaftEnabled` is off.

use std::collections::BTreeMap;

use super::Judge;
use crate::address;
use crate::findings::doubtful;
use crate::settings::Value;
use crate::table::Id;

/// The files of which all or none are given.
const TLS_FILES: [Id; 3] = [Id::RaftTLSCertFile, Id::RaftTLSPrivateKeyFile, Id::RaftTLSCAFile];

impl Judge<'_> {
    pub(super) fn raft(&mut self) {
        if self.raw.text(Id::RaftAdvertise).is_empty() {
            let bind = self.raw.text(Id::RaftBind).to_owned();
            self.now.adjust(Id::RaftAdvertise, Value::Text(bind));
        }
        if !self.raw.bool(Id::RaftEnabled) {
            return;
        }
        if self.raw.text(Id::RaftDataDir).trim().is_empty() {
            let message = "RaftEnabled needs RaftDataDir: set it to a directory";
            self.refuse(&[Id::RaftEnabled, Id::RaftDataDir], message.to_owned());
        }
        let advertise = self.raft_addresses();
        let nodes = self.raft_nodes();
        if let Some(advertise) = advertise
            && nodes.len() > 1
        {
            self.raft_advertise(&advertise, &nodes);
        }
        self.raft_security(nodes.len());
        self.raft_reach();
    }

    /// Returns this node's address as the others are told, where it is one.
    fn raft_addresses(&mut self) -> Option<String> {
        let (bind, advertise) = (Id::RaftBind, Id::RaftAdvertise);
        if self.raw.text(bind).is_empty() {
            let message = "RaftEnabled needs RaftBind: set it to the host[:port] to listen on";
            self.refuse(&[bind, Id::RaftEnabled], message.to_owned());
            return None;
        }
        let binds_at = self.raft_address(bind, self.raw.text(bind));
        if self.raw.text(advertise).is_empty() {
            binds_at
        } else {
            self.raft_address(advertise, self.raw.text(advertise))
        }
    }

    fn raft_address(&mut self, id: Id, text: &str) -> Option<String> {
        match address::normalise(text, self.default_raft_port()) {
            Ok(address) => Some(address),
            Err(reason) => {
                self.refuse(&[id], format!("{}: expected host[:port], found \"{text}\": {reason}", id.name()));
                None
            }
        }
    }

    /// Returns the nodes that are named, in one form; tells those that are no addresses, and those that are named twice.
    fn raft_nodes(&mut self) -> BTreeMap<String, String> {
        let mut nodes = BTreeMap::new();
        for text in self.raw.list(Id::RaftNodes) {
            let Some(node) = self.raft_address(Id::RaftNodes, text) else { continue };
            if let Some(earlier) = nodes.insert(node.clone(), text.clone()) {
                let message = if earlier == *text {
                    format!("RaftNodes: \"{text}\" is there twice")
                } else {
                    format!("RaftNodes: \"{earlier}\" and \"{text}\" are the same node, {node}: keep one")
                };
                self.refuse(&[Id::RaftNodes], message);
            }
        }
        nodes
    }

    /// Looks at what this node tells the others among several.
    fn raft_advertise(&mut self, advertise: &str, nodes: &BTreeMap<String, String>) {
        if address::is_unspecified(advertise) {
            let message = format!(
                "the other nodes cannot reach this one at {advertise}: set RaftAdvertise to its address as RaftNodes has it"
            );
            self.refuse(&[Id::RaftAdvertise, Id::RaftBind], message);
        } else if !nodes.contains_key(advertise) {
            let id = if self.raw.text(Id::RaftAdvertise).is_empty() { Id::RaftBind } else { Id::RaftAdvertise };
            let message = format!(
                "RaftNodes does not have this node, {advertise}: set RaftAdvertise to what RaftNodes calls it (names are \
                 compared as they are written), unless it is to be added to a running cluster"
            );
            self.findings.push(doubtful(self.raw, id, message));
        }
    }

    fn raft_security(&mut self, nodes: usize) {
        let has_secret = !self.raw.text(Id::RaftSharedSecret).is_empty();
        let (given, missing): (Vec<Id>, Vec<Id>) =
            TLS_FILES.into_iter().partition(|id| !self.raw.text(*id).trim().is_empty());
        match (has_secret, given.as_slice(), missing.as_slice()) {
            (true, [first, ..], _) => {
                let message = format!("RaftSharedSecret and {} exclude each other: choose one way", first.name());
                self.refuse(&[Id::RaftSharedSecret, *first], message);
            }
            (false, [first, ..], [_, ..]) => {
                let missing: Vec<&str> = missing.iter().map(|id| id.name()).collect();
                let message = format!("{} needs {}: set all three", first.name(), missing.join(" and "));
                self.refuse(&[*first], message);
            }
            (false, [], _) if nodes > 1 => {
                let message = "whoever reaches the raft ports can read and command these nodes: set RaftSharedSecret to the \
                               same text on every node (openssl rand -hex 32 makes one), or RaftTLSCertFile, \
                               RaftTLSPrivateKeyFile and RaftTLSCAFile";
                self.findings.push(doubtful(self.raw, Id::RaftNodes, message.to_owned()));
            }
            _ => {}
        }
    }

    /// Followers send writes to the API of whoever leads.
    fn raft_reach(&mut self) {
        if !self.raw.text(Id::ListenSocket).is_empty() && self.raw.text(Id::HTTPAdvertise).is_empty() {
            let message = "with ListenSocket the other raft nodes cannot reach this one's API: set HTTPAdvertise to where they \
                           can";
            self.findings.push(doubtful(self.raw, Id::ListenSocket, message.to_owned()));
        }
    }

    fn default_raft_port(&self) -> u16 {
        // A number that is none of a port is told by its own rule.
        u16::try_from(self.raw.whole(Id::DefaultRaftPort)).unwrap_or(u16::MAX)
    }
}
