//! What a body is about.

use std::fmt;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const GIB: usize = 1024 * MIB;

/// What a body is about. The transport knows no more of it than where it goes and how large it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Who are you?
    Hello,
    /// Would you vote for me?
    PreVote,
    /// Vote for me.
    Vote,
    /// Entries of the log; without any, a heartbeat.
    Append,
    /// The whole state.
    Snapshot,
    /// Commands for the leader.
    Declare,
    /// Probe an instance.
    Look,
    /// Stand for election now.
    Campaign,
}

impl Kind {
    /// Every kind.
    pub(crate) const ALL: [Kind; 8] = [
        Kind::Hello,
        Kind::PreVote,
        Kind::Vote,
        Kind::Append,
        Kind::Snapshot,
        Kind::Declare,
        Kind::Look,
        Kind::Campaign,
    ];

    /// Returns the last segment of the path.
    pub(crate) fn segment(self) -> &'static str {
        match self {
            Kind::Hello => "hello",
            Kind::PreVote => "pre-vote",
            Kind::Vote => "vote",
            Kind::Append => "append",
            Kind::Snapshot => "snapshot",
            Kind::Declare => "declare",
            Kind::Look => "look",
            Kind::Campaign => "campaign",
        }
    }

    /// Returns the kind whose path is `path`.
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        let segment = path.strip_prefix(PREFIX)?;
        Self::ALL.into_iter().find(|kind| kind.segment() == segment)
    }

    /// Returns the path of requests of this kind.
    pub(crate) fn path(self) -> String {
        format!("{PREFIX}{}", self.segment())
    }

    /// True when any number of these may be wanted at once, such as when a rack is gone: they wait for each other, so that
    /// they do not take all connections that a peer allows. The core sends the others one or two at a time.
    pub(crate) fn takes_turns(self) -> bool {
        self == Kind::Look
    }

    /// Returns the size in bytes above which a body is refused.
    pub(crate) fn largest(self) -> usize {
        match self {
            Kind::Append | Kind::Declare => 64 * MIB,
            Kind::Snapshot => GIB,
            _ => 64 * KIB,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.segment())
    }
}

/// What all paths begin with.
const PREFIX: &str = "/raft/v1/";
