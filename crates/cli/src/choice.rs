//! Which of several nodes to ask.

use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream::FuturesUnordered;

use crate::failure::TransportError;
use crate::transport::{Credentials, Http};

/// Whom a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The node that leads, or one that hands requests on to it.
    Leader,
    /// The same or, while nobody leads, any node that works: it shows what it knows.
    LeaderOrAny,
}

/// The node to ask.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The node.
    pub service: Http,
    /// What a person should know about the choice.
    pub warning: Option<String>,
}

/// What a node answered to the question whether it leads.
type Checked = Result<u16, String>;

impl Http {
    /// Returns the node that leads among `urls`.
    ///
    /// # Errors
    /// As [`Http::choose`].
    pub async fn leader_of(urls: &[String], credentials: &Credentials) -> Result<Self, TransportError> {
        Self::choose(urls, credentials, Need::Leader).await.map(|chosen| chosen.service)
    }

    /// Returns the node to ask among `urls`. The only one is taken as it is. Several are asked side by side whether they lead,
    /// and the first that does is taken, however many are silent.
    ///
    /// # Errors
    /// [`TransportError::BadUrl`]; [`TransportError::Unauthorised`]; [`TransportError::NoLeader`] with what each answered.
    pub async fn choose(urls: &[String], credentials: &Credentials, need: Need) -> Result<Chosen, TransportError> {
        let nodes =
            urls.iter().map(|url| Self::new(url, credentials.clone())).collect::<Result<Vec<_>, TransportError>>()?;
        if let [node] = nodes.as_slice() {
            return Ok(Chosen { service: node.clone(), warning: None });
        }
        let checked = match leader(&nodes).await {
            Ok(leader) => return Ok(Chosen { service: leader.clone(), warning: None }),
            Err(checked) => checked,
        };
        let answering = || nodes.iter().zip(&checked).filter(|(_, checked)| checked.is_ok()).map(|(node, _)| node);
        // A node that does not lead may still know the way to the one that does, which is not in the list or out of reach.
        if let Some(way) = first_that_says_yes(answering(), "routed-leader-check").await {
            return Ok(Chosen { service: way.clone(), warning: None });
        }
        if let Some((node, _)) = nodes.iter().zip(&checked).find(|(_, checked)| **checked == Ok(401)) {
            return Err(TransportError::Unauthorised { url: node.url().to_owned() });
        }
        let answers = in_words(&nodes, &checked);
        if need == Need::LeaderOrAny
            && let Some(node) = first_that_says_yes(answering(), "health").await
        {
            let warning = format!("{} shows what it knows, which may be old: no node leads: {answers}", node.url());
            return Ok(Chosen { service: node.clone(), warning: Some(warning) });
        }
        Err(TransportError::NoLeader { answers })
    }
}

/// Returns the first of `nodes` to say that it leads, or else what each of them said.
async fn leader(nodes: &[Http]) -> Result<&Http, Vec<Checked>> {
    let mut checks: FuturesUnordered<_> =
        nodes.iter().enumerate().map(|(at, node)| async move { (at, node.status_of("leader-check").await) }).collect();
    let mut checked: Vec<Checked> = vec![Err(String::new()); nodes.len()];
    while let Some((at, said)) = checks.next().await {
        if said == Ok(200) {
            return Ok(&nodes[at]);
        }
        checked[at] = said;
    }
    Err(checked)
}

/// Returns the first of `nodes`, in their order, that answers `path` with success.
async fn first_that_says_yes<'a>(nodes: impl Iterator<Item = &'a Http>, path: &str) -> Option<&'a Http> {
    let asked = join_all(nodes.map(|node| async move { (node, node.status_of(path).await) })).await;
    asked.into_iter().find(|(_, said)| *said == Ok(200)).map(|(node, _)| node)
}

fn in_words(nodes: &[Http], checked: &[Checked]) -> String {
    let in_words = |(node, checked): (&Http, &Checked)| match checked {
        Ok(status) => format!("{} does not lead (status {status})", node.url()),
        Err(why) => format!("{}: {why}", node.url()),
    };
    nodes.iter().zip(checked).map(in_words).collect::<Vec<_>>().join("; ")
}
