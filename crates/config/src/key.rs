//! What is known about a configuration key.

use crate::table::Id;

/// One row of the table of keys.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The key as a value.
    pub id: Id,
    /// Its name, in the case that is preferred.
    pub name: &'static str,
    /// What its value looks like.
    pub kind: Kind,
    /// Its value when no file gives one.
    pub default: Literal,
    /// The section it belongs to.
    pub group: Group,
    /// Whether it does something, and when.
    pub effect: Effect,
    /// What it means, in one or two sentences.
    pub doc: &'static str,
}

/// The shape of a value in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// Text.
    Text,
    /// Text that is never shown.
    Secret,
    /// A whole number.
    Int,
    /// A whole number that is not negative.
    Uint,
    /// A whole number of 32 bits.
    Int32,
    /// Any number.
    Float,
    /// A list of texts.
    List,
    /// An object from text to text.
    Map,
}

impl Kind {
    /// Returns how the documentation names the shape.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Bool => "bool",
            Kind::Text => "text",
            Kind::Secret => "text (secret)",
            Kind::Int | Kind::Int32 => "int",
            Kind::Uint => "uint",
            Kind::Float => "number",
            Kind::List => "[text]",
            Kind::Map => "{text: text}",
        }
    }
}

/// A default value that can stand in a constant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Literal {
    /// See [`Kind::Bool`].
    Bool(bool),
    /// See [`Kind::Text`] and [`Kind::Secret`].
    Text(&'static str),
    /// See [`Kind::Int`], [`Kind::Uint`] and [`Kind::Int32`].
    Whole(i64),
    /// See [`Kind::Float`].
    Float(f64),
    /// See [`Kind::List`].
    List(&'static [&'static str]),
    /// The empty [`Kind::Map`].
    Map,
}

/// Whether a key does something here, and when a changed value takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Has effect; a reload applies it.
    Live,
    /// Has effect; read once at start.
    Restart,
    /// Recognised, but what it asks for is not built yet.
    NotYet,
    /// Recognised for the sake of old files; nothing will ever happen.
    NoEffect,
}

/// The section of the documentation, and of the file as people write it, that a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the titles say it")]
pub enum Group {
    Process,
    TopologyAccess,
    Backend,
    MySqlBackend,
    Raft,
    Discovery,
    Resolve,
    Metadata,
    Problems,
    Audit,
    Auth,
    ServerTls,
    Recovery,
    Ours,
    PseudoGtid,
    KeyValue,
    Consul,
    Graphite,
    Agents,
}

impl Group {
    /// Returns the title of the section.
    pub fn title(self) -> &'static str {
        match self {
            Group::Process => "Process, logging, listeners",
            Group::TopologyAccess => "Access to the monitored servers",
            Group::Backend => "Backend database",
            Group::MySqlBackend => "Backend database on MySQL",
            Group::Raft => "Raft",
            Group::Discovery => "Discovery and polling",
            Group::Resolve => "Host names",
            Group::Metadata => "Metadata of instances and clusters",
            Group::Problems => "Problems, candidates, pools",
            Group::Audit => "Audit",
            Group::Auth => "Authentication",
            Group::ServerTls => "TLS of our own listener",
            Group::Recovery => "Failure detection and recovery",
            Group::Ours => "Keys that Orchestrator does not have",
            Group::PseudoGtid => "Pseudo-GTID",
            Group::KeyValue => "Key-value stores",
            Group::Consul => "Consul",
            Group::Graphite => "Graphite",
            Group::Agents => "Agents and seeding",
        }
    }
}

impl Id {
    /// Returns the row of this key.
    pub fn key(self) -> &'static Key {
        &crate::table::KEYS[self as usize]
    }

    /// Returns the key's name as it is preferred in files.
    pub fn name(self) -> &'static str {
        self.key().name
    }

    /// Returns the key of that name in any case, if there is one.
    pub fn find(name: &str) -> Option<Id> {
        crate::table::KEYS.iter().find(|key| key.name.eq_ignore_ascii_case(name)).map(|key| key.id)
    }
}
