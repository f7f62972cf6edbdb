//! The right to change servers, and its end.
//!
//! A *mandate* is one unbroken span of leadership with a lease. All that a node does to servers belongs to a mandate: it
//! is checked before every statement, and when it ends, all that was begun under it is dropped wherever it waits. The
//! journal knows how far that came, and whoever leads next goes on from there.

use std::sync::Arc;
use std::time::Duration;

use consensus::{Peer, Standing};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::hub::Hub;
use crate::seat::Seat;
use crate::{Error, reopening, resume};

/// One span of leadership. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Mandate {
    term: u64,
    ended: CancellationToken,
    work: TaskTracker,
}

impl Mandate {
    fn new(term: u64, ended: CancellationToken) -> Self {
        Self { term, ended, work: TaskTracker::new() }
    }

    /// Ends it: what runs under it is dropped.
    pub(crate) fn end(&self) {
        self.ended.cancel();
    }

    /// Runs `work` for as long as the mandate lasts; none when it ended first, and `work` was dropped where it waited.
    pub(crate) async fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let work = self.work.track_future(work);
        tokio::select! {
            biased;
            () = self.ended.cancelled() => None,
            done = work => Some(done),
        }
    }
}

/// This node's seat among the others, and the mandate that it gives.
pub(crate) struct Office {
    seat: Arc<dyn Seat>,
    present: watch::Sender<Option<Mandate>>,
}

impl Office {
    pub(crate) fn new(seat: Arc<dyn Seat>) -> Self {
        Self { seat, present: watch::Sender::new(None) }
    }

    pub(crate) fn seat(&self) -> &dyn Seat {
        self.seat.as_ref()
    }

    /// Returns a receiver that learns of each beginning and end of a mandate.
    pub(crate) fn changes(&self) -> watch::Receiver<Option<Mandate>> {
        self.present.subscribe()
    }

    /// Returns the mandate that this node has now.
    pub(crate) fn mandate(&self) -> Result<Mandate, Error> {
        let present = self.present.borrow().clone();
        let mandate = present.ok_or_else(|| self.not_leading())?;
        self.check(&mandate).map(|()| mandate)
    }

    /// Asserts that `mandate` lasts at this moment. One that is found to have run out is over for good: what was begun
    /// under it must not see half of its statements refused and the other half not.
    pub(crate) fn check(&self, mandate: &Mandate) -> Result<(), Error> {
        if !mandate.ended.is_cancelled() && self.rest(mandate.term).is_some() {
            return Ok(());
        }
        mandate.end();
        Err(self.not_leading())
    }

    /// Returns for how long the lease of `term` holds if nothing renews it; none when there is none.
    fn rest(&self, term: u64) -> Option<Duration> {
        self.seat.lease().filter(|lease| lease.term == term && !lease.rest.is_zero()).map(|lease| lease.rest)
    }

    /// Returns who leads, where that is known and is not this node.
    pub(crate) fn leader(&self) -> Option<Peer> {
        match &*self.seat.standing().borrow() {
            Standing::Follower { leader } => leader.clone(),
            _ => None,
        }
    }

    /// Returns the error of whoever wants to act and may not.
    pub(crate) fn not_leading(&self) -> Error {
        Error::Consensus(consensus::Error::NotLeader { leader: self.leader() })
    }
}

/// Returns the term in which a node that stands like this leads; 0 for one that stands alone.
fn term_of(standing: &Standing) -> Option<u64> {
    match standing {
        Standing::Alone => Some(0),
        Standing::Leader { term } => Some(*term),
        _ => None,
    }
}

/// Begins the mandate of a manager that stands alone; none where raft decides who leads.
///
/// # Errors
/// [`Error::Store`] when the journal cannot be read: then it is not known what must be gone on with.
pub(crate) fn begin_alone(hub: &Arc<Hub>, resumes: bool) -> Result<Option<Mandate>, Error> {
    let stands_alone = *hub.office.seat.standing().borrow() == Standing::Alone;
    if !stands_alone {
        return Ok(None);
    }
    begin(hub, 0, resumes).map(Some)
}

/// Begins a mandate: first of all, recoveries that are not over are entered, since they decide what may be done to their
/// servers; then they are gone on with. One that does only what it is asked for does not resume them.
fn begin(hub: &Arc<Hub>, term: u64, resumes: bool) -> Result<Mandate, Error> {
    let left = if resumes { resume::enter(hub)? } else { Vec::new() };
    let mandate = Mandate::new(term, hub.abandoned.child_token());
    hub.office.present.send_replace(Some(mandate.clone()));
    resume::go_on_with(hub, &mandate, left);
    if resumes {
        reopening::look_after(hub, &mandate);
    }
    hub.nudge.notify_one();
    Ok(mandate)
}

/// Takes mandates and gives them up, as this node's standing and lease come and go. `first` is one that was begun before.
pub(crate) async fn follow(hub: Arc<Hub>, first: Option<Mandate>, resumes: bool) {
    let mut standing = hub.office.seat.standing();
    let mut first = first;
    loop {
        let mandate = match first.take() {
            Some(mandate) => mandate,
            None => gain(&hub, &mut standing, resumes).await,
        };
        keep(&hub, &mandate, &mut standing).await;
        mandate.end();
        hub.office.present.send_replace(None);
        // The next one begins when all of this one has ended.
        mandate.work.close();
        mandate.work.wait().await;
        if hub.abandoned.is_cancelled() {
            // This process stops: there will be no other.
            return;
        }
        let leader = hub.office.leader().map(|leader| leader.address);
        tracing::warn!(
            term = mandate.term,
            leader,
            "may not act any more: what was in progress is left to the next leader"
        );
    }
}

/// Waits until this node leads and has a lease, and begins a mandate.
async fn gain(hub: &Arc<Hub>, standing: &mut watch::Receiver<Standing>, resumes: bool) -> Mandate {
    const LOOK: Duration = Duration::from_millis(10);
    const AGAIN: Duration = Duration::from_secs(1);
    loop {
        let Some(term) = term_of(&standing.borrow_and_update()) else {
            if standing.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            continue;
        };
        // The lease begins with the first acknowledgements, a moment after the election.
        tokio::time::sleep(LOOK).await;
        if hub.office.rest(term).is_none() {
            continue;
        }
        match begin(hub, term, resumes) {
            Ok(mandate) => {
                tracing::warn!(term, "leads: this node acts from now on");
                return mandate;
            }
            Err(error) => {
                tracing::error!(%error, "leads, and cannot read which recoveries are not over: does not act");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// Returns when `mandate` is over: another standing, a lease that was not renewed, or somebody found it to be over.
async fn keep(hub: &Arc<Hub>, mandate: &Mandate, standing: &mut watch::Receiver<Standing>) {
    const AT_MOST: Duration = Duration::from_secs(3600);
    while let Some(rest) = hub.office.rest(mandate.term) {
        if term_of(&standing.borrow_and_update()) != Some(mandate.term) {
            return;
        }
        tokio::select! {
            biased;
            // Looked at again in the very moment in which it runs out, unless it is renewed.
            () = tokio::time::sleep(rest.min(AT_MOST)) => {}
            () = mandate.ended.cancelled() => return,
            changed = standing.changed() => if changed.is_err() { return std::future::pending().await },
        }
    }
}
