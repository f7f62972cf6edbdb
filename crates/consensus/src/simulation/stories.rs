//! Single faults, and what must come of them.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::cluster::Cluster;
use super::simulate;
use crate::{Error, Standing};

const SOON: Duration = Duration::from_secs(5);

async fn settled(seed: u64, count: usize) -> (Cluster, String) {
    let mut cluster = Cluster::new(seed, count);
    cluster.start_all().await;
    let leader = cluster.await_leader(SOON).await;
    // Until everybody is a voter.
    let deadline = Instant::now() + SOON;
    while cluster.nodes.values().any(|node| node.voters() != count) {
        assert!(Instant::now() < deadline, "not all vote: {:?}", cluster.standings());
        sleep(Duration::from_millis(20)).await;
    }
    (cluster, leader)
}

fn others<'a>(addresses: &'a [String], leader: &str) -> Vec<&'a str> {
    addresses.iter().map(String::as_str).filter(|address| *address != leader).collect()
}

#[test]
fn three_nodes_that_start_together_elect_one_and_agree() {
    simulate(async {
        let (cluster, leader) = settled(1, 3).await;
        cluster.put(&leader, "a").await.unwrap();
        for address in cluster.addresses() {
            cluster.put(&address, &format!("through {address}")).await.unwrap();
        }
        cluster.assert_equal(SOON).await;
        cluster.end().await;
    });
}

#[test]
fn the_rows_of_the_founder_are_those_of_all_however_many_and_whenever_it_crashes() {
    simulate(async {
        // At the last pause all is done.
        let mut known = 0;
        for pause in [300, 330, 360, 400, 450, 500, 600, 800, 20_000] {
            let mut cluster = Cluster::new(pause, 3);
            cluster.wire.weather(20, 0, 0);
            cluster.fill("n1:10008", 12_000);
            cluster.fill("n2:10008", 10);
            let filled = {
                let mut alone = Cluster::new(0, 3);
                alone.fill("n1:10008", 12_000);
                alone.start_with("n1:10008", Vec::new()).await;
                let dump = alone.dump("n1:10008");
                alone.end().await;
                dump
            };
            cluster.start_all().await;
            sleep(Duration::from_millis(pause)).await;
            // Without anybody who knows of it, the other two begin a cluster of their own.
            let is_known =
                ["n2:10008", "n3:10008"].iter().any(|other| cluster.standings()[*other] != Standing::Joining);
            known += u32::from(is_known);
            cluster.crash("n1:10008").await;
            sleep(Duration::from_secs(5)).await;
            cluster.start("n1:10008").await;
            cluster.await_leader(Duration::from_secs(30)).await;
            cluster.assert_equal(Duration::from_secs(30)).await;
            assert!(!is_known || cluster.dump("n3:10008") == filled, "after {pause} ms");
            cluster.end().await;
        }
        assert!(known >= 4, "most crashes are after founding: {known}");
    });
}

#[test]
fn two_of_three_begin_and_the_third_comes_much_later() {
    simulate(async {
        for late in ["n1:10008", "n2:10008", "n3:10008"] {
            let mut cluster = Cluster::new(2, 3);
            for address in cluster.addresses().iter().filter(|address| *address != late) {
                cluster.start(address).await;
                sleep(Duration::from_millis(700)).await;
            }
            let leader = cluster.await_leader(SOON).await;
            cluster.put(&leader, "before").await.unwrap();
            sleep(Duration::from_secs(3600)).await;
            cluster.start(late).await;
            let deadline = Instant::now() + SOON;
            while cluster.nodes[late].voters() != 3 {
                assert!(Instant::now() < deadline, "{:?}", cluster.standings());
                sleep(Duration::from_millis(20)).await;
            }
            cluster.assert_equal(SOON).await;
            cluster.end().await;
        }
    });
}

#[test]
fn one_of_three_alone_founds_nothing() {
    simulate(async {
        let mut cluster = Cluster::new(3, 3);
        cluster.start("n1:10008").await;
        sleep(Duration::from_secs(60)).await;
        assert_eq!(cluster.standings()["n1:10008"], Standing::Joining);
        let refused = cluster.put("n1:10008", "a").await;
        assert!(matches!(refused, Err(Error::NotLeader { leader: None })), "{refused:?}");
        cluster.end().await;
    });
}

#[test]
fn the_death_of_the_leader_is_followed_by_another_in_two_seconds() {
    simulate(async {
        for seed in 0..20 {
            let (mut cluster, leader) = settled(seed, 3).await;
            cluster.put(&leader, "before").await.unwrap();
            cluster.crash(&leader).await;
            let next = cluster.await_leader(Duration::from_secs(2)).await;
            cluster.put(&next, "after").await.unwrap();
            cluster.start(&leader).await;
            cluster.assert_equal(SOON).await;
            cluster.end().await;
        }
    });
}

#[test]
fn a_leader_that_is_cut_off_stops_before_another_begins_and_its_return_costs_nobody_the_lead() {
    simulate(async {
        for seed in 0..20 {
            let (cluster, leader) = settled(seed, 3).await;
            let addresses = cluster.addresses();
            cluster.wire.part(&[&leader], &others(&addresses, &leader));
            let mut stopped = None;
            let cut = Instant::now();
            let next = loop {
                let holders = cluster.holders();
                assert!(holders.len() <= 1, "two lead: {holders:?}");
                if holders.is_empty() {
                    stopped.get_or_insert_with(Instant::now);
                }
                if let Some((holder, _)) = holders.into_iter().find(|(holder, _)| *holder != leader) {
                    break holder;
                }
                assert!(cut.elapsed() < Duration::from_secs(2), "nobody took over");
                sleep(Duration::from_millis(3)).await;
            };
            assert!(stopped.is_some(), "the old one stopped first");
            let term = cluster.nodes[&next].status().term;
            sleep(Duration::from_secs(30)).await;
            cluster.wire.heal();
            for _ in 0..500 {
                assert_eq!(cluster.leader().as_deref(), Some(next.as_str()), "keeps the lead");
                sleep(Duration::from_millis(10)).await;
            }
            assert_eq!(cluster.nodes[&next].status().term, term);
            cluster.assert_equal(SOON).await;
            cluster.end().await;
        }
    });
}

#[test]
fn a_follower_that_was_cut_off_does_not_depose_the_leader() {
    simulate(async {
        for seed in 0..20 {
            let (cluster, leader) = settled(seed, 3).await;
            let addresses = cluster.addresses();
            let follower = others(&addresses, &leader)[0];
            // In one direction only, then in the other, then in both.
            for (hears, is_heard) in [(true, false), (false, true), (false, false)] {
                for other in addresses.iter().filter(|other| *other != follower) {
                    if !hears {
                        cluster.wire.cut(other, follower);
                    }
                    if !is_heard {
                        cluster.wire.cut(follower, other);
                    }
                }
                let term = cluster.nodes[&leader].status().term;
                sleep(Duration::from_secs(20)).await;
                cluster.wire.heal();
                sleep(Duration::from_secs(5)).await;
                assert_eq!(cluster.leader().as_deref(), Some(leader.as_str()));
                assert_eq!(cluster.nodes[&leader].status().term, term);
            }
            cluster.end().await;
        }
    });
}

#[test]
fn leadership_is_handed_over_within_a_second_and_nobody_else_has_it_meanwhile() {
    simulate(async {
        for seed in 0..20 {
            let (cluster, leader) = settled(seed, 3).await;
            let addresses = cluster.addresses();
            let target = others(&addresses, &leader)[usize::try_from(seed % 2).unwrap()];
            let peer = cluster.nodes[target].status().node;
            let began = Instant::now();
            let handing = cluster.nodes[&leader].transfer(Some(&peer));
            let watching = async {
                loop {
                    let holders = cluster.holders();
                    assert!(holders.len() <= 1, "two lead: {holders:?}");
                    sleep(Duration::from_millis(1)).await;
                }
            };
            tokio::select! {
                biased;
                handed = handing => assert_eq!(handed.unwrap(), peer),
                () = watching => {}
            }
            assert_eq!(cluster.await_leader(SOON).await, target);
            assert!(began.elapsed() < Duration::from_secs(1), "took {:?}", began.elapsed());
            cluster.put(target, "after").await.unwrap();
            cluster.assert_equal(SOON).await;
            cluster.end().await;
        }
    });
}

#[test]
fn a_hand_over_to_a_node_that_is_cut_off_is_refused_and_the_leader_goes_on() {
    simulate(async {
        let (cluster, leader) = settled(7, 3).await;
        let addresses = cluster.addresses();
        let target = others(&addresses, &leader)[0];
        cluster.wire.part(&[target], &[&leader, others(&addresses, &leader)[1]]);
        let peer = cluster.nodes[target].status().node;
        let refused = cluster.nodes[&leader].transfer(Some(&peer)).await;
        assert!(matches!(refused, Err(Error::Impossible(_))), "{refused:?}");
        assert_eq!(cluster.await_leader(SOON).await, leader);
        cluster.put(&leader, "after").await.unwrap();
        cluster.end().await;
    });
}

#[test]
fn a_leader_whose_database_takes_nothing_hands_over_though_nobody_asks_it_for_anything() {
    simulate(async {
        let (mut cluster, leader) = settled(12, 3).await;
        cluster.nodes[&leader].store().close();
        sleep(Duration::from_secs(6)).await;
        let next = cluster.await_leader(SOON).await;
        assert_ne!(next, leader);
        cluster.put(&next, "after").await.unwrap();
        cluster.crash(&leader).await;
        cluster.start(&leader).await;
        cluster.assert_equal(SOON).await;
        cluster.end().await;
    });
}

#[test]
fn a_node_whose_file_is_lost_does_not_vote_and_comes_back_as_another_when_it_is_let_in() {
    simulate(async {
        let (mut cluster, leader) = settled(8, 3).await;
        let addresses = cluster.addresses();
        let lost = others(&addresses, &leader)[0].to_owned();
        cluster.put(&leader, "before").await.unwrap();
        let old = cluster.nodes[&lost].status().node.id;
        cluster.wipe(&lost).await;
        cluster.start(&lost).await;
        sleep(Duration::from_secs(30)).await;
        assert_eq!(cluster.standings()[&lost], Standing::Joining, "waits to be let in");
        // With one of the two others gone there is no majority: the lost one does not help out.
        let third = others(&addresses, &leader).into_iter().find(|address| *address != lost).unwrap().to_owned();
        cluster.crash(&third).await;
        sleep(Duration::from_secs(10)).await;
        assert_eq!(cluster.leader(), None);
        cluster.start(&third).await;
        let leader = cluster.await_leader(SOON).await;
        let peer = cluster.nodes[&leader].add_peer(&lost).await.unwrap();
        assert_ne!(peer.id, old);
        assert_eq!(cluster.nodes[&leader].voters(), 3);
        cluster.assert_equal(SOON).await;
        cluster.end().await;
    });
}

#[test]
fn a_removed_node_stays_away_until_it_is_added_again() {
    simulate(async {
        let (mut cluster, leader) = settled(9, 3).await;
        let addresses = cluster.addresses();
        let removed = others(&addresses, &leader)[0].to_owned();
        cluster.nodes[&leader].remove_peer(&removed).await.unwrap();
        assert_eq!(cluster.nodes[&leader].voters(), 2);
        sleep(Duration::from_secs(10)).await;
        assert_eq!(cluster.leader().as_deref(), Some(leader.as_str()));
        assert!(matches!(cluster.standings()[&removed], Standing::Down { .. }), "{:?}", cluster.standings());
        cluster.nodes[&leader].add_peer(&removed).await.unwrap();
        assert_eq!(cluster.nodes[&leader].voters(), 3);
        // The same with a file that begins anew.
        cluster.nodes[&leader].remove_peer(&removed).await.unwrap();
        cluster.wipe(&removed).await;
        cluster.start(&removed).await;
        sleep(Duration::from_secs(10)).await;
        assert_eq!(cluster.nodes[&leader].voters(), 2, "nobody takes it in unasked");
        cluster.nodes[&leader].add_peer(&removed).await.unwrap();
        assert_eq!(cluster.nodes[&leader].voters(), 3);
        cluster.assert_equal(SOON).await;
        cluster.end().await;
    });
}

#[test]
fn a_fourth_and_a_fifth_node_are_added_while_the_others_go_on() {
    simulate(async {
        let mut cluster = Cluster::new(10, 5);
        let addresses = cluster.addresses();
        let first_three = addresses[..3].to_vec();
        for address in &first_three {
            cluster.start_with(address, first_three.clone()).await;
        }
        let leader = cluster.await_leader(SOON).await;
        for address in &addresses[3..] {
            cluster.start(address).await;
            sleep(Duration::from_secs(3)).await;
            assert_eq!(cluster.standings()[address], Standing::Joining);
            cluster.nodes[&leader].add_peer(address).await.unwrap();
        }
        assert_eq!(cluster.nodes[&leader].voters(), 5);
        assert_eq!(cluster.nodes[&leader].status().members_only, addresses[3..].to_vec());
        cluster.assert_equal(SOON).await;
        cluster.end().await;
    });
}

#[test]
fn a_node_that_was_down_for_long_catches_up_by_a_snapshot() {
    simulate(async {
        let mut cluster = Cluster::new(11, 3);
        cluster.set_snapshots(200);
        cluster.start_all().await;
        let leader = cluster.await_leader(SOON).await;
        let addresses = cluster.addresses();
        let down = others(&addresses, &leader)[0].to_owned();
        sleep(Duration::from_secs(3)).await;
        cluster.crash(&down).await;
        for number in 0..2000 {
            cluster.put(&leader, &format!("k{}", number % 50)).await.unwrap();
        }
        let (entries, _) = cluster.nodes[&leader].store().log_size().unwrap();
        assert!(entries < 800, "the log is let go of: {entries}");
        cluster.start(&down).await;
        cluster.assert_equal(SOON).await;
        cluster.end().await;
    });
}
