//! The members that a search finds.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use super::wish::{Order, Wish};
use crate::keyspace::geo::{Position, Reach, Shape, cover};
use crate::keyspace::partial_sort;
use crate::keyspace::sorted_set::Members;
use crate::storage::{Engine, Error};

/// A member in the shape.
#[derive(Debug)]
pub struct Found {
    pub member: Vec<u8>,
    pub score: f64,
    pub position: Position,
    /// Metres from the centre.
    pub distance: f64,
}

/// The members that are wished for, in order.
pub fn find(
    engine: &mut Engine,
    members: &Members,
    shape: &Shape,
    wish: &Wish<'_>,
) -> Result<Vec<Found>, Error> {
    let limit = if wish.any { wish.count } else { 0 };
    let reach = Reach::of(shape);
    let mut found = Vec::new();
    let is_full = |found: &Vec<Found>| limit > 0 && found.len() as u64 >= limit;
    for square in cover::squares(shape) {
        if is_full(&found) {
            break;
        }
        let scores = (square.first_score(), square.end_score());
        members.visit_scores(engine, scores, &mut |member, score| {
            let position = Position::of_score(score);
            if reach.may_have(position)
                && let Some(distance) = shape.distance(position)
            {
                found.push(Found {
                    member: member.to_vec(),
                    score,
                    position,
                    distance,
                });
            }
            if is_full(&found) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
    }
    put_in_order(&mut found, wish);
    Ok(found)
}

/// Sorts as far as is wished, and leaves the rest out.
fn put_in_order(found: &mut Vec<Found>, wish: &Wish<'_>) {
    let wanted = match usize::try_from(wish.count) {
        Ok(count) if count > 0 => count.min(found.len()),
        _ => found.len(),
    };
    // To count without an order makes sense only for the nearest.
    let is_nearest = wish.count > 0 && !wish.any;
    let mut compare = |one: &Found, other: &Found| match wish.order {
        Order::Descending => by_distance(other, one),
        Order::Ascending | Order::Found => by_distance(one, other),
    };
    if wanted > 0 && (wish.order != Order::Found || is_nearest) {
        if wanted == found.len() {
            found.sort_by(compare);
        } else {
            partial_sort::sort(found, 0..=wanted - 1, &mut compare);
        }
    }
    found.truncate(wanted);
}

fn by_distance(one: &Found, other: &Found) -> Ordering {
    one.distance.total_cmp(&other.distance)
}
