//! No acknowledged transaction is missing on a new primary, unless the certificate of that promotion said so.
//!
//! Looked at in the moment in which a recovery opens a server. Every transaction that a client was told is committed, by
//! whomever, up to this moment, must have been executed there, but for
//! - what an earlier certificate gave up, or a replaced primary acknowledged after its replacement (`one_writable` says when it
//!   may);
//! - under `MayLose`: what it names, as seen on the old primary or by the number behind which everything may be lost;
//! - under `NothingLost`: what the old primary acknowledged without waiting for replicas while the manager did not reach it.
//!   The proof speaks of the primary as it was last seen; one that is cut off and degrades later is another one.

use std::collections::BTreeSet;

use planner::{Certificate, Kind, Verdict};

use super::{Counts, Moment, latest_plan, number, one_writable::OneWritable};
use crate::clients;
use crate::fleet::Fleet;
use crate::trx::{Trx, TrxSet};

#[derive(Default)]
pub(super) struct Acknowledged {
    /// Openings that were looked at.
    openings: usize,
    /// Recoveries whose opening was looked at.
    known: BTreeSet<String>,
    given_up: BTreeSet<Trx>,
}

impl Acknowledged {
    pub(super) fn check(&mut self, moment: &mut Moment<'_>, strays: &OneWritable, counts: &mut Counts) {
        let Some(node) = moment.node else { return };
        while let Some((opened, at)) = moment.fleet.opened.get(self.openings).copied() {
            self.openings += 1;
            let Some((uid, plan)) = latest_plan(node) else { continue };
            if number(moment.fleet, &plan.successor) != opened || !self.known.insert(uid) {
                continue;
            }
            counts.promotions += 1;
            // A planned switch loses nothing, and has none.
            let certificate = plan.certificate.as_ref();
            assert!(certificate.is_some() || plan.kind == Kind::Takeover, "promoted without a certificate: {plan:?}");
            counts.proven += u64::from(certificate.is_none_or(Certificate::proves_nothing_lost));
            let fleet = &*moment.fleet;
            for missing in self.missing(fleet, opened, strays).into_iter().filter(|missing| missing.at <= at) {
                assert!(
                    certificate.is_some_and(|certificate| is_excused(fleet, certificate, &missing)),
                    "{} was acknowledged at {} ms by s{} and is not on s{opened}, and the certificate says: {}",
                    missing.trx,
                    missing.at,
                    missing.by,
                    certificate.map_or_else(String::new, ToString::to_string),
                );
                counts.lost_as_certified += 1;
                self.given_up.insert(missing.trx);
            }
        }
    }

    /// In the end all must be on the primary.
    pub(super) fn check_end(&mut self, moment: &mut Moment<'_>, strays: &OneWritable) {
        let head = number(moment.fleet, &moment.fleet.published);
        if let Some(missing) = self.missing(moment.fleet, head, strays).first() {
            panic!(
                "{} was acknowledged at {} ms by s{} and is not on the primary s{head} in the end",
                missing.trx, missing.at, missing.by
            );
        }
    }

    fn missing(&self, fleet: &Fleet, on: u8, strays: &OneWritable) -> Vec<clients::Acknowledged> {
        let executed = &fleet.server(on).executed;
        let is_missing =
            |one: &&clients::Acknowledged| !executed.contains(one.trx) && !self.given_up.contains(&one.trx);
        fleet.acknowledged.iter().filter(is_missing).filter(|one| !strays.is_stray(one.trx)).copied().collect()
    }
}

fn is_excused(fleet: &Fleet, certificate: &Certificate, missing: &clients::Acknowledged) -> bool {
    let server = fleet.server(missing.by);
    let mut one = TrxSet::default();
    one.insert(missing.trx);
    match &certificate.verdict {
        Verdict::NothingLost => !missing.is_seen && !missing.is_sync,
        // Without GTID transactions have no names: any of them, it says.
        Verdict::MayLose { known, after } if known.is_empty() && after.is_empty() => true,
        Verdict::MayLose { known, after } => {
            let origin = server.origin_of(missing.trx);
            let begins = |text: &String| {
                let (of, from) = text.rsplit_once(':')?;
                (of == origin).then(|| from.split('-').next()?.parse::<u64>().ok()).flatten()
            };
            known.contains(&server.gtids(&one, Some(missing.trx)))
                || after.iter().filter_map(begins).any(|first| missing.trx.number >= first)
        }
    }
}
