//! What strangers do is told once a minute, not as often as they do it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long something is not told again.
const QUIET: Duration = Duration::from_secs(60);
/// Addresses that are kept apart; what more of them do is told as that of one.
const MOST: usize = 1024;
/// Stands for all addresses beyond those.
const MANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// What is told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Topic {
    /// Somebody who is no node, or could not prove it.
    Stranger,
    /// A node whose request was refused.
    Refusal,
    /// This host is at its limits.
    Limit,
}

/// When something was last told, and how often it was left out since.
#[derive(Default)]
pub(super) struct Repeats {
    told: Mutex<HashMap<(IpAddr, Topic), Told>>,
}

struct Told {
    at: Instant,
    left_out: u64,
}

impl Repeats {
    /// Returns how often it was left out since it was last told, if it is to be told now.
    pub(super) fn due(&self, host: IpAddr, topic: Topic) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let mut key = (host, topic);
        if !told.contains_key(&key) && told.len() >= MOST {
            told.retain(|_, told| now - told.at < QUIET);
            if told.len() >= MOST {
                key.0 = MANY;
            }
        }
        match told.get_mut(&key) {
            Some(told) if now - told.at < QUIET => {
                told.left_out += 1;
                None
            }
            known => {
                let left_out = known.map_or(0, |told| told.left_out);
                told.insert(key, Told { at: now, left_out: 0 });
                Some(left_out)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    #[tokio::test(start_paused = true)]
    async fn once_a_minute_with_the_number_of_those_left_out() {
        let repeats = Repeats::default();
        assert_eq!(repeats.due(HOST, Topic::Stranger), Some(0));
        assert_eq!(repeats.due(HOST, Topic::Stranger), None);
        assert_eq!(repeats.due(HOST, Topic::Refusal), Some(0), "something else");
        tokio::time::advance(QUIET - Duration::from_millis(1)).await;
        assert_eq!(repeats.due(HOST, Topic::Stranger), None);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(repeats.due(HOST, Topic::Stranger), Some(2));
        assert_eq!(repeats.due(HOST, Topic::Stranger), None);
    }

    #[tokio::test(start_paused = true)]
    async fn many_addresses_are_told_as_one_and_take_no_more_room() {
        let repeats = Repeats::default();
        let told = |count: u32| {
            (0..count).filter(|n| repeats.due(Ipv4Addr::from_bits(0x0a00_0000 + n).into(), Topic::Stranger).is_some())
        };
        assert_eq!(told(10_000).count(), MOST + 1);
        assert_eq!(repeats.told.lock().expect("no panic").len(), MOST + 1);
        tokio::time::advance(QUIET).await;
        assert_eq!(repeats.due(HOST, Topic::Stranger), Some(0));
        assert_eq!(repeats.told.lock().expect("no panic").len(), 1, "what is over a minute old is forgotten");
    }
}
