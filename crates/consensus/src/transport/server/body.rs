//! Reading what somebody sends, who may send anything.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Body;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// One permit's worth of memory, in bytes; so much of each body is free.
const PIECE: usize = 64 * 1024;
/// What all bodies together may take, in pieces: one snapshot, and some large appends beside it.
const PIECES: usize = 1536 * 1024 * 1024 / PIECE;
/// A body may take this long, and longer by what arrived divided by [`SLOWEST`].
const GRACE: Duration = Duration::from_secs(10);
/// Bytes in a second below which a sender is not waited for.
const SLOWEST: usize = 64 * 1024;

/// The memory that bodies may take together.
#[derive(Clone)]
pub(super) struct Room {
    pieces: Arc<Semaphore>,
}

/// A body, and its part of the memory.
pub(super) struct Read {
    pub(super) body: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    TooLarge,
    TooSlow,
    NoRoom,
    Broken,
}

impl Unread {
    /// Returns how it is told.
    pub(super) fn status(self) -> (StatusCode, &'static str) {
        match self {
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than this kind of call may have"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "the body came too slowly"),
            Self::NoRoom => (StatusCode::SERVICE_UNAVAILABLE, "too many large bodies at once: try again"),
            Self::Broken => (StatusCode::BAD_REQUEST, "the body broke off"),
        }
    }
}

impl Default for Room {
    fn default() -> Self {
        Self { pieces: Arc::new(Semaphore::new(PIECES)) }
    }
}

impl Room {
    /// Reads `body`, of which no more than `largest` bytes are taken. Memory is taken as bytes arrive, whatever was announced.
    pub(super) async fn read<B: Body<Data = Bytes>>(&self, body: B, largest: usize) -> Result<Read, Unread> {
        if body.size_hint().lower() > largest as u64 {
            return Err(Unread::TooLarge);
        }
        let mut body = pin!(body);
        let started = Instant::now();
        let mut reading = Reading { room: self, bytes: BytesMut::new(), taken: None };
        loop {
            let patience = GRACE + Duration::from_secs((reading.bytes.len() / SLOWEST) as u64);
            let frame = tokio::time::timeout_at(started + patience, body.frame()).await.map_err(|_| Unread::TooSlow)?;
            let Some(frame) = frame else { break };
            // What is no data is a trailer, of which we have no use.
            let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
            if reading.bytes.is_empty() && data.len() <= largest.min(PIECE) && body.is_end_stream() {
                return Ok(Read { body: data, _room: None });
            }
            reading.add(&data, largest)?;
        }
        Ok(Read { body: reading.bytes.freeze(), _room: reading.taken })
    }
}

/// A body as far as it has arrived.
struct Reading<'a> {
    room: &'a Room,
    bytes: BytesMut,
    taken: Option<OwnedSemaphorePermit>,
}

impl Reading<'_> {
    fn add(&mut self, data: &Bytes, largest: usize) -> Result<(), Unread> {
        let length = self.bytes.len() + data.len();
        if length > largest {
            return Err(Unread::TooLarge);
        }
        let taken = self.taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let wanted = (length / PIECE).saturating_sub(taken);
        if wanted > 0 {
            let wanted = u32::try_from(wanted).map_err(|_| Unread::NoRoom)?;
            let more = self.room.pieces.clone().try_acquire_many_owned(wanted).map_err(|_| Unread::NoRoom)?;
            match &mut self.taken {
                Some(taken) => taken.merge(more),
                none => *none = Some(more),
            }
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::StreamExt;
    use futures::stream;
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::*;

    /// A body of `count` frames of `size` bytes that announces nothing.
    fn chunks(count: usize, size: usize) -> impl Body<Data = Bytes, Error = Infallible> {
        let chunk = Bytes::from(vec![7; size]);
        StreamBody::new(stream::repeat(chunk).map(|chunk| Ok(Frame::data(chunk))).take(count))
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_bound_and_not_a_byte_further() {
        let room = Room::default();
        let read = room.read(chunks(10, 100), 1000).await.expect("just fits");
        assert_eq!(read.body, vec![7; 1000]);
        assert_eq!(room.read(chunks(11, 100), 1099).await.err(), Some(Unread::TooLarge));
        assert_eq!(room.read(chunks(usize::MAX, 100), 1000).await.err(), Some(Unread::TooLarge), "without an end");
    }

    #[tokio::test]
    async fn large_bodies_share_the_room_and_give_it_back() {
        let room = Room { pieces: Arc::new(Semaphore::new(32)) };
        let twenty = || chunks(20, PIECE);
        let first = room.read(twenty(), usize::MAX).await.expect("room for one");
        assert_eq!(room.read(twenty(), usize::MAX).await.err(), Some(Unread::NoRoom));
        let small = room.read(chunks(1, 100), usize::MAX).await.expect("small ones are free");
        drop(first);
        room.read(twenty(), usize::MAX).await.expect("room again");
        assert_eq!(small.body.len(), 100);
        assert_eq!(room.pieces.available_permits(), 32);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_that_is_slower_than_the_slowest_is_not_waited_for() {
        // A frame a second.
        let dribble = |size: usize| {
            let seconds = tokio::time::interval(Duration::from_secs(1));
            StreamBody::new(stream::unfold(seconds, move |mut seconds| async move {
                seconds.tick().await;
                Some((Ok::<_, Infallible>(Frame::data(Bytes::from(vec![7; size]))), seconds))
            }))
        };
        let started = Instant::now();
        let slow = Room::default().read(dribble(1), 1 << 20).await;
        assert_eq!(slow.err(), Some(Unread::TooSlow));
        assert_eq!(started.elapsed(), GRACE);
        let steady = dribble(2 * SLOWEST).take_frames(60);
        assert_eq!(Room::default().read(steady, 1 << 30).await.expect("fast enough").body.len(), 120 * SLOWEST);
    }

    /// Ends a body after some frames.
    trait TakeFrames: Body<Data = Bytes, Error = Infallible> + Sized {
        fn take_frames(self, count: usize) -> impl Body<Data = Bytes, Error = Infallible> {
            StreamBody::new(http_body_util::BodyStream::new(self).take(count))
        }
    }

    impl<B: Body<Data = Bytes, Error = Infallible>> TakeFrames for B {}
}
