//! Who is connected: how many may be, and who has to go when more come.
//!
//! Somebody who has proven to be a node keeps the seat. When all seats are taken, a newcomer gets that of whoever has been
//! here longest without asking for anything, or else without proof: so strangers who hold on to connections crowd out each
//! other, not the nodes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// Connections at once.
const MOST: usize = 256;
/// Connections at once from one address, which several nodes may share.
const MOST_PER_HOST: usize = 128;

/// Everybody who is connected, by the order of coming.
#[derive(Default)]
pub(super) struct Crowd {
    present: Mutex<Present>,
}

#[derive(Default)]
struct Present {
    came: u64,
    guests: BTreeMap<u64, Guest>,
}

struct Guest {
    host: IpAddr,
    trust: Trust,
    leave: CancellationToken,
}

/// What a guest has shown so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trust {
    /// Nothing.
    Silent,
    /// A request such as nodes send: in the clear that is no proof.
    Asked,
    /// To be a node, as far as that can be shown.
    Proven,
}

/// A place among the connected; free again when it is dropped.
pub(super) struct Seat {
    crowd: Arc<Crowd>,
    host: IpAddr,
    number: u64,
    leave: CancellationToken,
}

impl Crowd {
    /// Returns a seat for somebody from `host`; none when nodes have all of them.
    pub(super) fn enter(self: &Arc<Self>, host: IpAddr) -> Option<Seat> {
        let mut present = self.present();
        let from_host = present.guests.values().filter(|guest| guest.host == host).count();
        if from_host >= MOST_PER_HOST {
            present.send_away(|guest| guest.host == host)?;
        } else if present.guests.len() >= MOST {
            present.send_away(|_| true)?;
        }
        present.came += 1;
        let (number, leave) = (present.came, CancellationToken::new());
        present.guests.insert(number, Guest { host, trust: Trust::Silent, leave: leave.clone() });
        Some(Seat { crowd: self.clone(), host, number, leave })
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Present {
    /// Frees the seat of the one of them who has shown least, and of those the one who is here longest.
    fn send_away(&mut self, of_them: impl Fn(&Guest) -> bool) -> Option<()> {
        let unproven = self.guests.iter().filter(|(_, guest)| guest.trust < Trust::Proven && of_them(guest));
        let (number, _) = unproven.min_by_key(|(number, guest)| (guest.trust, **number))?;
        let number = *number;
        self.guests.remove(&number).map(|guest| guest.leave.cancel())
    }
}

impl Seat {
    /// Returns where the guest comes from.
    pub(super) fn host(&self) -> IpAddr {
        self.host
    }

    /// Notes what the guest has shown now.
    pub(super) fn show(&self, trust: Trust) {
        if let Some(guest) = self.crowd.present().guests.get_mut(&self.number) {
            guest.trust = guest.trust.max(trust);
        }
    }

    /// Returns what the guest has shown so far.
    pub(super) fn trust(&self) -> Trust {
        self.crowd.present().guests.get(&self.number).map_or(Trust::Silent, |guest| guest.trust)
    }

    /// Waits until somebody else needs the seat.
    pub(super) fn taken(&self) -> WaitForCancellationFuture<'_> {
        self.leave.cancelled()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.crowd.present().guests.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn host(last: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, last).into()
    }

    fn has_to_go(seat: &Seat) -> bool {
        seat.leave.is_cancelled()
    }

    #[test]
    fn a_newcomer_takes_the_seat_of_the_oldest_stranger_of_the_same_host() {
        let crowd = Arc::new(Crowd::default());
        let other_host = crowd.enter(host(2)).expect("room");
        let seats: Vec<Seat> = (0..MOST_PER_HOST).map(|_| crowd.enter(host(1)).expect("room")).collect();
        seats[0].show(Trust::Proven);
        seats[1].show(Trust::Asked);
        let newcomer = crowd.enter(host(1)).expect("a stranger leaves");
        assert!(!has_to_go(&other_host) && !has_to_go(&newcomer));
        let gone = || -> Vec<usize> { (0..MOST_PER_HOST).filter(|index| has_to_go(&seats[*index])).collect() };
        assert_eq!(gone(), [2], "the first is a node, and the second may be one");
        seats[2..].iter().chain([&newcomer]).for_each(|seat| seat.show(Trust::Asked));
        let _newcomer = crowd.enter(host(1)).expect("a stranger leaves");
        assert_eq!(gone(), [1, 2]);
    }

    #[test]
    fn nobody_enters_where_nodes_have_all_seats_until_one_leaves() {
        let crowd = Arc::new(Crowd::default());
        let mut seats: Vec<Seat> =
            (0..MOST).map(|index| crowd.enter(host((index / MOST_PER_HOST) as u8)).expect("room")).collect();
        seats.iter().for_each(|seat| seat.show(Trust::Proven));
        assert!(crowd.enter(host(99)).is_none());
        drop(seats.pop());
        assert!(crowd.enter(host(99)).is_some());
        assert!(seats.iter().all(|seat| seat.trust() == Trust::Proven && !has_to_go(seat)));
    }

    #[test]
    fn a_seat_that_was_taken_proves_nothing() {
        let crowd = Arc::new(Crowd::default());
        let first = crowd.enter(host(1)).expect("room");
        let _others: Vec<Seat> = (0..MOST_PER_HOST).map(|_| crowd.enter(host(1)).expect("room")).collect();
        assert!(has_to_go(&first));
        first.show(Trust::Proven);
        assert_eq!(first.trust(), Trust::Silent);
    }
}
