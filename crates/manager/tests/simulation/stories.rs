//! Single faults, played on a plain fleet; each was found by a schedule once.

use manager::Mode;
use planner::{Request, Wish};
use rand::SeedableRng;
use rand::rngs::StdRng;
use store::Command;
use topology::{InstanceKey, PromotionRule, WritePolicy};

use crate::fleet::{Fleet, Place};
use crate::plot::{Plot, configuration, plain};
use crate::schedule::{Outcome, Schedule, note_panics, restart};
use crate::server::Process;
use crate::simulate;

/// A schedule without a fault of its own.
fn staged(fleet: Fleet, extra: &str) -> Schedule {
    staged_among(1, fleet, extra)
}

/// Likewise, among so many managers.
fn staged_among(voters: u8, fleet: Fleet, extra: &str) -> Schedule {
    note_panics();
    let plot = Plot { fleet, configuration: configuration(extra), voters };
    Schedule::new(plot, StdRng::seed_from_u64(1))
}

impl Schedule {
    fn change(&self, change: impl FnOnce(&mut Fleet)) {
        self.shared.change(change);
    }

    fn leader(&self) -> u8 {
        self.acting().expect("somebody leads").at()
    }

    fn primary(&self) -> String {
        self.shared.lock().published.host.clone()
    }

    fn kill(&self, id: u8) {
        self.change(|fleet| {
            fleet.tell(format!("s{id} is killed"));
            fleet.server_mut(id).die(false);
        });
    }
}

#[test]
fn a_replaced_primary_that_is_back_a_moment_later_is_closed_at_once() {
    simulate(async {
        let mut schedule = staged(plain(2, |_| {}), r#", "InstancePollSeconds": 60"#);
        schedule.settle(10_000).await;
        schedule.kill(0);
        schedule.pass(700).await;
        assert_ne!(schedule.primary(), "s0");
        schedule.change(|fleet| restart(fleet, 0));
        schedule.pass(1000).await;
        assert_eq!(schedule.shared.lock().server(0).writes, WritePolicy::SuperReadOnly);
        schedule.heal().await;
        schedule.end().await;
    });
}

#[test]
fn a_primary_that_is_back_before_anybody_was_promoted_stays_the_primary() {
    simulate(async {
        let mut schedule = staged(plain(2, |_| {}), "");
        schedule.settle(10_000).await;
        // Whoever is chosen has something to apply first.
        schedule.change(|fleet| {
            let until = fleet.now + 12_000;
            fleet.servers.iter_mut().for_each(|server| server.stalled_until = until);
        });
        schedule.pass(500).await;
        schedule.kill(0);
        schedule.pass(1500).await;
        schedule.change(|fleet| restart(fleet, 0));
        schedule.pass(20_000).await;
        assert_eq!(schedule.primary(), "s0");
        schedule.heal().await;
        let Outcome { counts, .. } = schedule.end().await;
        assert_eq!((counts.recoveries, counts.promotions), (1, 0));
        assert_eq!(counts.left_out, 0, "all replicate again");
    });
}

#[test]
fn a_recovery_that_is_cut_off_after_any_step_is_brought_to_its_end() {
    simulate(async {
        const MORE_THAN_ANY_PLAN_HAS: u32 = 20;
        let mut halted = 0;
        for halt_in_step in 1..MORE_THAN_ANY_PLAN_HAS {
            let mut schedule = staged(plain(3, |_| {}), "");
            schedule.settle(10_000).await;
            schedule.kill_manager(0).await;
            schedule.start_manager(0, Mode::Drill { halt_in_step }).await;
            schedule.pass(6000).await;
            schedule.kill(0);
            schedule.pass(4000).await;
            halted += u32::from(!schedule.acting().unwrap().store().declared().recovering.is_empty());
            schedule.kill_manager(0).await;
            schedule.start_manager(0, Mode::Service).await;
            schedule.pass(10_000).await;
            assert_ne!(schedule.primary(), "s0", "halted in step {halt_in_step}");
            schedule.heal().await;
            let Outcome { counts, .. } = schedule.end().await;
            assert_eq!(counts.left_out, 1, "all but the old primary follow, halted in step {halt_in_step}");
        }
        assert!(halted >= 8, "the plan has so many steps: {halted}");
    });
}

#[test]
fn a_candidate_that_was_on_its_way_to_another_source_replicates_again_when_the_primary_is_back() {
    simulate(async {
        for pause in (20..140).step_by(4) {
            let mut schedule = staged(plain(2, |_| {}), "");
            schedule.settle(10_000).await;
            // The one that is preferred lacks what the other has.
            let key = schedule.shared.lock().server(1).key.clone();
            let at = schedule.acting().unwrap().manager.now();
            let prefer = Command::RegisterCandidate { key, rule: PromotionRule::Prefer, at };
            schedule.acting().unwrap().manager.declare(prefer).await.unwrap();
            schedule.change(|fleet| fleet.cut(Place::Server(0), Place::Server(1)));
            schedule.pass(1000).await;
            schedule.kill(0);
            schedule.change(|fleet| fleet.cuts.clear());
            schedule.pass(pause).await;
            schedule.kill_manager(0).await;
            schedule.change(|fleet| restart(fleet, 0));
            schedule.start_manager(0, Mode::Service).await;
            schedule.heal().await;
            schedule.end().await;
        }
    });
}

#[test]
fn a_primary_that_carries_out_the_order_of_a_manager_that_is_gone_is_opened_by_the_next_one() {
    simulate(async {
        let mut schedule = staged(plain(1, |_| {}), "");
        schedule.settle(10_000).await;
        schedule.change(|fleet| {
            let until = fleet.now + 60_000;
            fleet.server_mut(1).stalled_until = until;
        });
        schedule.pass(500).await;
        schedule.change(|fleet| fleet.server_mut(0).process = Process::Hung);
        schedule.pass(15_000).await;
        assert!(!schedule.shared.lock().server(0).orders.is_empty(), "the fence lies in its connection");
        schedule.kill(1);
        schedule.pass(5000).await;
        schedule.kill_manager(0).await;
        schedule.change(|fleet| fleet.resume(0));
        assert_eq!(schedule.shared.lock().server(0).writes, WritePolicy::SuperReadOnly);
        schedule.start_manager(0, Mode::Service).await;
        schedule.pass(3000).await;
        assert_eq!(schedule.shared.lock().server(0).writes, WritePolicy::Writable);
        schedule.heal().await;
        schedule.end().await;
    });
}

#[test]
fn a_candidate_that_cannot_be_opened_by_force_replicates_as_before() {
    simulate(async {
        let mut schedule = staged(plain(2, |setup| setup.semi_replica = true), "");
        schedule.change(|fleet| fleet.server_mut(0).semi_source = true);
        schedule.settle(10_000).await;
        schedule.change(|fleet| fleet.servers.iter_mut().skip(1).for_each(|server| server.cannot_open = true));
        let manager = &schedule.acting().unwrap().manager;
        let request = Request { forced: true, command: "force-master-takeover".to_owned(), ..Request::default() };
        let forced = manager.replace_primary("s0:3306", request).await.unwrap();
        assert_eq!(forced.recovered.successor, None, "{:?}", forced.recovered.errors);
        schedule.pass(2000).await;
        {
            let fleet = schedule.shared.lock();
            assert_eq!(fleet.server(0).writes, WritePolicy::Writable);
            for candidate in fleet.servers.iter().skip(1) {
                let replication = candidate.replication.as_ref().expect("it has its source still");
                assert!(replication.is_running() && replication.source.host == "s0");
                assert!(!candidate.semi_source, "its commits wait for nobody");
            }
        }
        schedule.change(|fleet| fleet.servers.iter_mut().for_each(|server| server.cannot_open = false));
        schedule.heal().await;
        schedule.end().await;
    });
}

#[test]
fn a_takeover_that_is_gone_on_with_holds_the_cluster_under_its_old_and_its_new_name() {
    simulate(async {
        let wish = |id: u8| Wish { designated: Some(InstanceKey::new(format!("s{id}"), 3306)), auto: true };
        let mut schedule = staged(plain(2, |_| {}), "");
        schedule.settle(10_000).await;
        schedule.kill_manager(0).await;
        const PROMOTE: u32 = 7;
        schedule.start_manager(0, Mode::Drill { halt_in_step: PROMOTE }).await;
        schedule.pass(6000).await;
        let (manager, first) = (schedule.manager(), wish(1));
        #[expect(clippy::disallowed_methods, reason = "ends with the simulation")]
        tokio::spawn(async move { manager.take_over(&InstanceKey::new("s0", 3306), first, true).await.is_ok() });
        schedule.pass(4000).await;
        assert_eq!(schedule.shared.lock().server(1).writes, WritePolicy::Writable, "it was halted in the promotion");
        schedule.kill_manager(0).await;
        // The next one goes on, and is halted when the cluster goes by its new name.
        schedule.start_manager(0, Mode::Drill { halt_in_step: PROMOTE + 1 }).await;
        schedule.pass(6000).await;
        let again = schedule.manager().take_over(&InstanceKey::new("s1", 3306), wish(2), true).await;
        assert!(matches!(again, Err(manager::Error::Held(planner::Hold::Running { .. }))), "{again:?}");
        schedule.kill_manager(0).await;
        schedule.start_manager(0, Mode::Service).await;
        schedule.pass(10_000).await;
        assert_eq!(schedule.primary(), "s1");
        schedule.heal().await;
        schedule.end().await;
    });
}

#[test]
fn a_primary_that_a_recovery_left_closed_is_opened_as_soon_as_that_can_be_done() {
    simulate(async {
        let mut schedule = staged(plain(2, |_| {}), "");
        schedule.settle(10_000).await;
        // Nobody can be opened: not the candidate, and then not the primary again.
        schedule.change(|fleet| fleet.servers.iter_mut().for_each(|server| server.cannot_open = true));
        let (s0, request) =
            ("s0:3306", Request { forced: true, command: "force-master-failover".to_owned(), ..Request::default() });
        let forced = schedule.manager().replace_primary(s0, request).await.unwrap();
        assert_eq!(forced.recovered.successor, None);
        schedule.pass(5 * 60_000).await;
        let held = schedule.manager().holds();
        let remedy = held.iter().find_map(|held| held.reason.remedy(&held.instance));
        assert_eq!(remedy.as_deref(), Some("orchestrator-client -c set-writeable -i s0:3306"), "{held:?}");
        schedule.kill_manager(0).await;
        schedule.start_manager(0, Mode::Service).await;
        schedule.pass(10_000).await;
        assert_ne!(schedule.shared.lock().server(0).writes, WritePolicy::Writable);
        schedule.change(|fleet| fleet.servers.iter_mut().for_each(|server| server.cannot_open = false));
        schedule.pass(10_000).await;
        assert_eq!(schedule.shared.lock().server(0).writes, WritePolicy::Writable);
        schedule.heal().await;
        schedule.end().await;
    });
}

#[test]
fn a_candidate_that_was_set_up_anew_since_it_was_drained_is_not_promoted() {
    simulate(async {
        const UP_TO_THE_PROMOTION: std::ops::Range<u32> = 1..8;
        for halt_in_step in UP_TO_THE_PROMOTION {
            let mut schedule = staged(plain(3, |_| {}), "");
            schedule.settle(10_000).await;
            schedule.kill_manager(0).await;
            schedule.start_manager(0, Mode::Drill { halt_in_step }).await;
            schedule.pass(6000).await;
            schedule.kill(0);
            schedule.pass(4000).await;
            schedule.kill_manager(0).await;
            let is_open = schedule.shared.lock().server(1).writes == WritePolicy::Writable;
            if is_open {
                break;
            }
            schedule.change(|fleet| fleet.set_up_anew(1));
            schedule.start_manager(0, Mode::Service).await;
            schedule.pass(30_000).await;
            assert!(
                ["s2", "s3"].contains(&schedule.primary().as_str()),
                "halted in step {halt_in_step}: {}",
                schedule.primary()
            );
            schedule.heal().await;
            schedule.end().await;
        }
    });
}

#[test]
fn a_leader_that_is_cut_off_in_a_recovery_is_followed_by_one_that_goes_on_with_it() {
    simulate(async {
        // From before it is noticed until it is over.
        for pause in (10..250).step_by(20) {
            let mut schedule = staged_among(3, plain(3, |_| {}), "");
            schedule.settle(10_000).await;
            let first = schedule.leader();
            schedule.kill(0);
            schedule.pass(pause).await;
            schedule.change(|fleet| {
                (0..3).filter(|at| *at != first).for_each(|at| fleet.cut(Place::Manager(first), Place::Manager(at)));
            });
            schedule.pass(20_000).await;
            assert_ne!(schedule.leader(), first);
            assert_ne!(schedule.primary(), "s0", "cut off after {pause} ms");
            schedule.heal().await;
            let Outcome { counts, .. } = schedule.end().await;
            assert_eq!(counts.promotions, 1, "nobody decided anew what had been begun, cut off after {pause} ms");
        }
    });
}

#[test]
fn force_against_the_closed_co_primary_does_not_replace_the_other_one() {
    simulate(async {
        let mut fleet = plain(1, |_| {});
        let closed = fleet.server(1).key.clone();
        fleet.server_mut(0).replicate_from(&closed);
        fleet.is_ring = true;
        let mut schedule = staged(fleet, "");
        schedule.settle(10_000).await;
        let request = Request { forced: true, command: "force-master-failover".to_owned(), ..Request::default() };
        let refused = schedule.manager().replace_this_primary("s0:3306", &closed, request).await;
        assert!(matches!(refused, Err(manager::Error::Ambiguous(_))), "{refused:?}");
        schedule.pass(5000).await;
        assert_eq!(schedule.shared.lock().server(0).writes, WritePolicy::Writable);
        schedule.heal().await;
        schedule.end().await;
    });
}
