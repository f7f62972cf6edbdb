//! The nodes that decide together: who leads, who belongs to them, and what a person may change about that.

use consensus::{Peer, Standing, Status};
use serde_json::json;

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::compat::raft as shape;
use crate::error::Error;
use crate::members::{self, Target};
use crate::route::{Route, read, write};

pub(super) fn routes() -> Vec<Route> {
    vec![
        read("raft-leader", leader),
        read("raft-state", state),
        read("raft-status", status),
        read("raft-health", healthy),
        read("raft-peers", peers),
        read("raft-follower-health-report/{token}/{bind}/{advertise}", health_report),
        write("raft-snapshot", snapshot).here(),
        write("raft-add-peer/{address}", add_peer),
        write("raft-remove-peer/{address}", remove_peer),
        write("raft-yield/{node}", yield_to),
        write("raft-yield-hint/{hint}", yield_by_hint),
        write("grab-election", grab).here(),
        write("reelect", reelect),
    ]
}

/// Returns how this node stands among the others. `what` begins the message where there are none, as it always did.
///
/// # Errors
/// [`Error::BadParameter`] on a manager that stands alone.
fn among_others(api: &Api, what: &str) -> Result<Status, Error> {
    let status = api.outlook.status();
    match status.standing {
        Standing::Alone => Err(Error::BadParameter(format!("{what}: not running with raft setup"))),
        _ => Ok(status),
    }
}

async fn leader(api: Api, _call: Call) -> Answer {
    Reply::bare(&shape::leader(&among_others(&api, "raft-leader")?))
}

async fn state(api: Api, _call: Call) -> Answer {
    Reply::bare(&shape::state(&among_others(&api, "raft-state")?))
}

async fn status(api: Api, _call: Call) -> Answer {
    Reply::bare(&shape::status(&among_others(&api, "raft-state")?))
}

async fn healthy(api: Api, _call: Call) -> Answer {
    match shape::trouble(&among_others(&api, "raft-state")?) {
        None => Reply::bare("healthy"),
        Some(trouble) => Err(Error::BadParameter(trouble)),
    }
}

async fn peers(api: Api, _call: Call) -> Answer {
    Reply::bare(&shape::addresses(&among_others(&api, "raft-nodes")?.members))
}

/// Nodes tell each other how they are on the raft port, so that nobody ever got a token for this.
async fn health_report(api: Api, call: Call) -> Answer {
    among_others(&api, "raft-state")?;
    let token: String = call.param("token")?.chars().take(64).collect();
    Err(Error::BadParameter(format!("Raft health report: unknown token {token}")))
}

async fn snapshot(api: Api, _call: Call) -> Answer {
    among_others(&api, "raft-leader")?;
    api.manager.consensus().snapshot().await?;
    Reply::bare("snapshot created")
}

async fn add_peer(api: Api, call: Call) -> Answer {
    among_others(&api, "raft-add-peer")?;
    let address = members::address(call.param("address")?, api.config().raft.default_port)?;
    Reply::bare(&api.manager.consensus().add_peer(&address).await?.address)
}

async fn remove_peer(api: Api, call: Call) -> Answer {
    among_others(&api, "raft-remove-peer")?;
    let address = members::address(call.param("address")?, api.config().raft.default_port)?;
    Reply::bare(&api.manager.consensus().remove_peer(&address).await?.address)
}

async fn yield_to(api: Api, call: Call) -> Answer {
    let status = among_others(&api, "raft-yield")?;
    let (message, leader) = yielded(&api, members::named(&status, call.param("node")?)?).await?;
    Reply::ok(message, leader.address)
}

async fn yield_by_hint(api: Api, call: Call) -> Answer {
    let status = among_others(&api, "raft-yield-hint")?;
    let hint = call.param("hint")?;
    let (message, _) = yielded(&api, members::hinted(&status, hint)?).await?;
    Reply::ok(message, hint)
}

/// Hands leadership to `target`, and returns what happened and who leads then.
async fn yielded(api: &Api, target: Target) -> Result<(String, Peer), Error> {
    let peer = match target {
        Target::Leader(peer) => return Ok((format!("{} leads already", peer.address), peer)),
        Target::Other(peer) => peer,
    };
    let leader = api.manager.consensus().transfer(Some(&peer)).await?;
    if leader.id != peer.id {
        let message = format!("Leadership went to {}, not to {}", leader.address, peer.address);
        return Err(Error::NotDone { message, details: json!(leader.address) });
    }
    Ok((format!("Yielded to {}", leader.address), leader))
}

/// A manager that stands alone leads anyway; among several nobody can take leadership, it is given.
async fn grab(api: Api, _call: Call) -> Answer {
    match api.outlook.status().standing {
        Standing::Alone => Reply::ok("Node elected as leader", ()),
        _ => Err(Error::BadParameter(
            "Cannot grab election on raft setup: raft-yield-hint names who should lead".to_owned(),
        )),
    }
}

/// Lets another node lead.
async fn reelect(api: Api, _call: Call) -> Answer {
    if api.outlook.status().standing != Standing::Alone {
        api.manager.consensus().transfer(None).await?;
    }
    Reply::ok("Set re-elections", ())
}
