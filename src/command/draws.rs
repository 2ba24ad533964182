//! Replies of elements drawn at random: at once, or drawn while they are sent where they are many.

use super::{Call, Outcome};
use crate::keyspace::draw::{Drawing, DrawingStream, SmallDraws, different};
use crate::resp::{Reply, Stream};

/// More draws are made off the engine lock.
const DRAWS_AT_ONCE: u64 = 1024;
/// Draws from a small collection are put together so many bytes at a time.
const BYTES_AT_ONCE: usize = 64 << 10;

/// Replies with `count` elements of a small collection, of which `told` has each as it is told, or with all if they are
/// fewer; a negative count: so many that may repeat. `header` begins a reply of so many.
pub fn reply_small(
    call: &mut Call<'_>,
    told: Vec<Vec<u8>>,
    count: i64,
    header: impl FnOnce(&mut Reply, u64),
) {
    if let Ok(count) = u64::try_from(count) {
        let len = told.len() as u64;
        let count = len.min(count);
        header(call.out, count);
        for number in different(call.keyspace.rng(), len, count) {
            call.out.raw(&told[number as usize]);
        }
        return;
    }
    let draws = count.unsigned_abs();
    header(call.out, draws);
    let mut stream = SmallDraws::new(told, draws, call.keyspace.rng().fork());
    if draws > DRAWS_AT_ONCE && !call.keyspace.in_transaction() {
        call.out.stream(Box::new(stream));
        return;
    }
    while stream
        .fill(call.out.buffer_mut(), BYTES_AT_ONCE)
        .unwrap_or(false)
    {}
}

/// Replies with the `count` elements of a drawing, behind their header.
pub fn reply_large(call: &mut Call<'_>, mut drawing: Drawing, count: u64) -> Outcome {
    let engine = &mut call.keyspace.engine;
    if count <= DRAWS_AT_ONCE || engine.in_transaction() {
        drawing.fill(engine, call.out.buffer_mut(), usize::MAX)?;
    } else {
        let snapshot = engine.snapshot();
        call.out
            .stream(Box::new(DrawingStream { snapshot, drawing }));
    }
    Ok(())
}
