//! What our nodes see together. The blind spot of one of them is no death: a primary is taken for dead when a majority of
//! the voters, the one that asks included, cannot reach it.
//!
//! A node that does not answer says nothing, neither for nor against: it may be dead itself, or cut off from the server,
//! from us, or from both.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use topology::{NodeSays, NodeView, ProbeFailure, Timestamp, Watched};

use crate::Facts;
use crate::facts::is_confirmed_dead;

/// How long an answer of another node counts, from the moment it was asked.
const COUNTS_FOR: Duration = Duration::from_secs(5);

/// How the voters see a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quorum {
    /// How many vote; 1 for a manager that stands alone.
    pub voters: usize,
    /// How many of them cannot reach it, this node included.
    pub affirm: usize,
    /// Other nodes that reach it.
    pub seen_by: Vec<String>,
    /// Other nodes that were asked and whose answer does not count: none, too old, or about something else.
    pub silent: Vec<String>,
}

impl Quorum {
    /// Returns how `voters` nodes, this one included, see `watched` at `now`.
    pub fn of(watched: &Watched, voters: usize, now: Timestamp) -> Self {
        Self::count(is_confirmed_dead(watched), &watched.elsewhere, watched.failing_since, voters, now)
    }

    fn count(
        affirmed_here: bool,
        elsewhere: &[NodeView],
        failing_since: Option<Timestamp>,
        voters: usize,
        now: Timestamp,
    ) -> Self {
        let (mut affirm, mut seen_by, mut silent) = (usize::from(affirmed_here), Vec::new(), Vec::new());
        for view in elsewhere {
            match verdict(view, failing_since, now) {
                Some(true) => seen_by.push(view.node.clone()),
                Some(false) => affirm += 1,
                None => silent.push(view.node.clone()),
            }
        }
        Self { voters: voters.max(1), affirm, seen_by, silent }
    }

    /// Returns how many voters are a majority.
    pub fn needed(&self) -> usize {
        self.voters / 2 + 1
    }

    /// True when a majority affirms that it cannot reach the server.
    pub fn is_witnessed(&self) -> bool {
        self.affirm >= self.needed()
    }

    /// True when so many nodes reach it that no majority can say it is dead, whatever the silent ones saw.
    pub fn is_seen(&self) -> bool {
        self.voters.saturating_sub(self.seen_by.len()) < self.needed()
    }

    /// True when a majority of the voters reaches it without this node.
    pub fn is_seen_by_majority(&self) -> bool {
        self.voters > 1 && self.seen_by.len() >= self.needed()
    }
}

impl Facts {
    /// Returns how the voters see the instance.
    pub fn quorum(&self) -> Quorum {
        Quorum::count(self.is_confirmed_dead, &self.elsewhere, self.failing_since, self.voters, self.at)
    }
}

/// Returns whether the node of `view` reaches the server; none where that does not count.
fn verdict(view: &NodeView, failing_since: Option<Timestamp>, now: Timestamp) -> Option<bool> {
    let is_older_than_failure = failing_since.is_none_or(|since| view.asked < since);
    if is_older_than_failure || now.since(view.asked) > COUNTS_FOR {
        return None;
    }
    match &view.says {
        NodeSays::Reached => Some(true),
        NodeSays::Failed(failure) if shows_life(failure) => Some(true),
        NodeSays::Failed(failure) if failure.kind.looks_dead() => Some(false),
        NodeSays::Failed(_) | NodeSays::Nothing(_) => None,
    }
}

/// One that answered some questions and then blocked lives, as does one that refuses the account.
fn shows_life(failure: &ProbeFailure) -> bool {
    failure.partial || failure.kind.shows_life()
}

#[cfg(test)]
mod tests {
    use super::*;
    use topology::Unreachable;

    fn view(node: &str, says: NodeSays) -> NodeView {
        let asked = Timestamp::from_secs(100);
        NodeView { node: node.to_owned(), asked, answered: asked, says }
    }

    fn failed(kind: Unreachable) -> NodeSays {
        NodeSays::Failed(ProbeFailure { kind, message: String::new(), partial: false })
    }

    fn facts(voters: usize, elsewhere: Vec<NodeView>) -> Facts {
        Facts {
            is_confirmed_dead: true,
            failing_since: Some(Timestamp::from_secs(100)),
            at: Timestamp::from_secs(101),
            voters,
            elsewhere,
            ..Facts::default()
        }
    }

    #[test]
    fn one_that_stands_alone_is_its_own_majority() {
        let quorum = facts(0, Vec::new()).quorum();
        assert!(quorum.is_witnessed() && !quorum.is_seen() && !quorum.is_seen_by_majority());
    }

    #[test]
    fn a_server_that_answers_with_an_error_is_seen() {
        let partial = NodeSays::Failed(ProbeFailure { kind: Unreachable::Hung, message: String::new(), partial: true });
        let quorum = facts(3, vec![view("n2", failed(Unreachable::AccessDenied)), view("n3", partial)]).quorum();
        assert_eq!(quorum.seen_by, ["n2", "n3"]);
        assert!(quorum.is_seen() && quorum.is_seen_by_majority());
    }

    #[test]
    fn a_node_that_cannot_even_look_says_nothing() {
        let quorum = facts(3, vec![view("n2", failed(Unreachable::UnknownHost))]).quorum();
        assert_eq!(quorum.silent, ["n2"]);
        assert!(!quorum.is_witnessed() && !quorum.is_seen());
    }

    #[test]
    fn nobody_is_both_dead_and_seen() {
        for voters in 1..=7 {
            for blind in 0..voters {
                for sees in 0..voters - blind {
                    let blind = (0..blind).map(|number| view(&format!("b{number}"), failed(Unreachable::Refused)));
                    let sees = (0..sees).map(|number| view(&format!("s{number}"), NodeSays::Reached));
                    let quorum = facts(voters, blind.chain(sees).collect()).quorum();
                    assert!(!(quorum.is_witnessed() && quorum.is_seen()), "{quorum:?}");
                }
            }
        }
    }
}
