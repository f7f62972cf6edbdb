//! The client, told the addresses of several nodes.

use tokio::net::TcpListener;

use super::forward::{following, nowhere, serve};
use super::raft::{AMONG_OTHERS, node};
use crate::fixture::nodes;
use crate::forward::Limits;

async fn address_of(status: consensus::Status) -> String {
    let (served, _) = node(AMONG_OTHERS, status, Limits::default()).await;
    serve(served.router).await
}

async fn choose(urls: &[&String], need: cli::Need) -> Result<cli::Chosen, cli::TransportError> {
    let urls: Vec<String> = urls.iter().map(|url| (*url).clone()).collect();
    cli::Http::choose(&urls, &cli::Credentials::default(), need).await
}

#[tokio::test]
async fn the_leader_is_found_however_many_are_silent() {
    // Its queue takes connections, and nobody ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent = format!("http://{}", silent.local_addr().expect("an address"));
    let (gone, leader) = (nowhere().await, address_of(nodes::seen_by_leader()).await);
    let follower = address_of(following(&leader)).await;
    let chosen = choose(&[&silent, &gone, &follower, &leader], cli::Need::Leader).await.expect("the leader");
    assert_eq!((chosen.service.url(), chosen.warning), (format!("{leader}/api").as_str(), None));
    let way = choose(&[&gone, &follower], cli::Need::Leader).await.expect("who knows the way");
    assert_eq!(way.service.url(), format!("{follower}/api"));
    let options = cli::Options { hostname: "orch1".to_owned(), ..cli::Options::default() };
    let stays = cli::run(cli::Program::Client, "raft-elect-leader", &options, &way.service).await.expect("an answer");
    assert_eq!(stays.stdout, "orch1\n");
}

#[tokio::test]
async fn while_nobody_leads_any_node_shows_what_it_knows_and_none_changes_anything() {
    let (gone, lost) = (nowhere().await, address_of(nodes::seen_without_leader()).await);
    let failed = choose(&[&gone, &lost], cli::Need::Leader).await.expect_err("nobody leads").to_string();
    assert!(failed.starts_with(&format!("cannot determine leader: {gone}/api: ")), "{failed}");
    assert!(failed.ends_with(&format!("{lost}/api does not lead (status 404)")), "{failed}");
    let chosen = choose(&[&gone, &lost], cli::Need::LeaderOrAny).await.expect("a node");
    let warning = chosen.warning.expect("a warning");
    assert!(warning.starts_with(&format!("{lost}/api shows what it knows")), "{warning}");
    assert!(warning.contains(&gone), "{warning}");
    let listed = cli::run(cli::Program::Client, "clusters", &cli::Options::default(), &chosen.service).await;
    assert_eq!(listed.expect("a list").stdout, "127.0.1.1:21101\n127.0.2.1:21201\n");
    let refused =
        cli::run(cli::Program::Client, "disable-global-recoveries", &cli::Options::default(), &chosen.service).await;
    assert!(refused.expect_err("nobody leads").to_string().starts_with("no node leads now"));
}
