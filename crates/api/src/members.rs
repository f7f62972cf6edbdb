//! Which node a person means.

use consensus::{Member, Peer, Role, Status};
use topology::InstanceKey;

use crate::error::Error;

/// Whom leadership is to go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// This voter.
    Other(Peer),
    /// The node that leads already.
    Leader(Peer),
}

/// Returns the raft address that `text` gives, with its port.
///
/// # Errors
/// [`Error::BadParameter`] when it is none.
pub(crate) fn address(text: &str, default_port: u16) -> Result<String, Error> {
    let key = InstanceKey::parse(text, default_port).map_err(|error| Error::BadParameter(error.to_string()))?;
    Ok(key.to_string())
}

/// Returns the member that is called `name`: by its address, with or without its port, or by its host name.
///
/// # Errors
/// [`Error::BadParameter`], which names the members, when there is none or it cannot lead.
pub(crate) fn named(status: &Status, name: &str) -> Result<Target, Error> {
    target(status, name, |member| is_called(member, name))
}

/// Returns the member that `hint` is about: the one that is called so, else any that has it in its host name or address.
/// The present leader if it is among them, else the healthiest.
///
/// # Errors
/// As [`named`].
pub(crate) fn hinted(status: &Status, hint: &str) -> Result<Target, Error> {
    if status.members.iter().any(|member| is_called(member, hint)) {
        return named(status, hint);
    }
    let lower = hint.to_lowercase();
    target(status, hint, |member| {
        member.peer.address.to_lowercase().contains(&lower) || hostname(member).to_lowercase().contains(&lower)
    })
}

fn target(status: &Status, text: &str, fits: impl Fn(&Member) -> bool) -> Result<Target, Error> {
    let fitting: Vec<&Member> = status.members.iter().filter(|member| fits(member)).collect();
    if fitting.is_empty() {
        return Err(Error::BadParameter(format!("no raft member fits {text:?}: there are {}", listed(status))));
    }
    if let Some(leader) = fitting.iter().find(|member| leads(status, member)) {
        return Ok(Target::Leader(leader.peer.clone()));
    }
    let voters = fitting.iter().filter(|member| member.role == Role::Voter);
    // Of several the one that needs least time to catch up; the first by address where that is equal.
    let best =
        voters.max_by_key(|member| (member.is_healthy(), member.applied, std::cmp::Reverse(&member.peer.address)));
    best.map(|member| Target::Other(member.peer.clone())).ok_or_else(|| {
        Error::BadParameter(format!("{} only listens and cannot lead: voters do", fitting[0].peer.address))
    })
}

/// True when `member` is the leader. Its address may have changed since the leader was heard of; its number does not.
fn leads(status: &Status, member: &Member) -> bool {
    status.leader.as_ref().is_some_and(|leader| leader.id == member.peer.id)
}

fn is_called(member: &Member, name: &str) -> bool {
    let address = &member.peer.address;
    let host = InstanceKey::parse(address, 0).map(|key| key.host).unwrap_or_default();
    [address.as_str(), &host, hostname(member)].iter().any(|own| !own.is_empty() && own.eq_ignore_ascii_case(name))
}

fn hostname(member: &Member) -> &str {
    member.card.as_ref().map_or("", |card| card.hostname.as_str())
}

/// Returns the members in words: `10.0.0.1:10008 (orch1), 10.0.0.2:10008`.
fn listed(status: &Status) -> String {
    let in_words = |member: &Member| match hostname(member) {
        "" => member.peer.address.clone(),
        host => format!("{} ({host})", member.peer.address),
    };
    let members: Vec<String> = status.members.iter().map(in_words).collect();
    if members.is_empty() { "none".to_owned() } else { members.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::nodes;

    #[test]
    fn a_node_is_named_by_address_host_or_a_part_of_them() {
        // The first leads; the third has applied more than the second.
        let mut status = nodes::seen_by_leader();
        status.members[0].applied = Some(90);
        status.members[1].applied = Some(90);
        status.members[2].applied = Some(100);
        let other = |number: usize| Target::Other(status.members[number].peer.clone());
        let leader = Target::Leader(status.members[0].peer.clone());
        for name in ["127.0.0.12:10108", "127.0.0.12", "orch2.example.com", "ORCH2.example.com"] {
            assert_eq!(named(&status, name).expect(name), other(1), "{name}");
            assert_eq!(hinted(&status, name).expect(name), other(1), "{name}");
        }
        for (hint, target) in [("orch2", other(1)), ("0.0.13", other(2)), ("Orch3", other(2)), ("example", leader)] {
            assert_eq!(hinted(&status, hint).expect(hint), target, "{hint}");
            assert!(named(&status, hint).is_err(), "{hint}");
        }
        status.leader = None;
        assert_eq!(hinted(&status, "example").expect("the one that is ahead"), other(2));
        status.members[2].heard = None;
        assert_eq!(hinted(&status, "orch").expect("the first of the healthy"), other_of(&status, 0));
    }

    fn other_of(status: &Status, number: usize) -> Target {
        Target::Other(status.members[number].peer.clone())
    }

    #[test]
    fn whom_nobody_knows_or_who_only_listens_is_refused_with_names() {
        let mut status = nodes::seen_by_leader();
        let unknown = hinted(&status, "nothing").expect_err("no such member");
        assert_eq!(
            unknown.to_string(),
            "no raft member fits \"nothing\": there are 127.0.0.11:10108 (orch1.example.com), \
             127.0.0.12:10108 (orch2.example.com), 127.0.0.13:10108 (orch3.example.com)"
        );
        status.members[1].role = Role::Learner;
        let listener = named(&status, "orch2.example.com").expect_err("a learner");
        assert_eq!(listener.to_string(), "127.0.0.12:10108 only listens and cannot lead: voters do");
    }

    #[test]
    fn an_address_without_a_port_gets_the_usual_one() {
        for (text, whole) in [("10.0.0.1", "10.0.0.1:10008"), ("orch1:99", "orch1:99"), ("[::1]", "[::1]:10008")] {
            assert_eq!(address(text, 10008).expect(text), whole);
        }
        assert!(address("orch1:port", 10008).is_err());
    }
}
