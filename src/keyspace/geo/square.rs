//! Squares of the map: the world halved so many times in both directions.

use super::{LATITUDE_MAX, LONGITUDE_MAX, Position};

/// Even bits: those of latitudes.
const LATITUDES: u64 = 0x5555_5555_5555_5555;
/// Odd bits: those of longitudes.
const LONGITUDES: u64 = !LATITUDES;
/// Bits of a score.
const SCORE_BITS: u32 = 52;

/// How many times the world is halved in each direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Steps(u32);

impl Steps {
    pub const COARSEST: Self = Self(1);
    /// Those of a score.
    pub const FINEST: Self = Self(SCORE_BITS / 2);

    /// The nearest to so many that there can be.
    pub fn nearest(steps: i32) -> Self {
        Self(steps.clamp(1, 26).cast_unsigned())
    }

    /// One less, which the coarsest has not.
    pub fn coarser(self) -> Self {
        assert!(self > Self::COARSEST, "one step is the least");
        Self(self.0 - 1)
    }

    fn squares(self) -> f64 {
        (1u64 << self.0) as f64
    }
}

/// A square.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Square {
    bits: u64,
    steps: Steps,
}

/// The lowest and the highest longitude and latitude of a square.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    pub west: f64,
    pub east: f64,
    pub south: f64,
    pub north: f64,
}

impl Square {
    /// The square that a valid position is in.
    pub fn around(position: Position, steps: Steps) -> Self {
        Self {
            bits: interleaved(position, LATITUDE_MAX, steps),
            steps,
        }
    }

    /// The finest square, whose score this is.
    pub fn of_score(score: f64) -> Self {
        Self {
            bits: truncated(score),
            steps: Steps::FINEST,
        }
    }

    /// The lowest score of a position in it.
    pub fn first_score(self) -> f64 {
        self.scores(0)
    }

    /// The lowest score behind those of the positions in it.
    pub fn end_score(self) -> f64 {
        self.scores(1)
    }

    fn scores(self, squares_on: u64) -> f64 {
        (self.bits.wrapping_add(squares_on) << (SCORE_BITS - 2 * self.steps.0)) as f64
    }

    /// Its edges.
    pub fn bounds(self) -> Bounds {
        let column = gathered(self.bits >> 1);
        let row = gathered(self.bits);
        let edge = |n: u32, max: f64| -max + f64::from(n) / self.steps.squares() * (max - -max);
        Bounds {
            west: edge(column, LONGITUDE_MAX),
            east: edge(column.wrapping_add(1), LONGITUDE_MAX),
            south: edge(row, LATITUDE_MAX),
            north: edge(row.wrapping_add(1), LATITUDE_MAX),
        }
    }

    /// The position in its middle.
    pub fn middle(self) -> Position {
        let Bounds {
            west,
            east,
            south,
            north,
        } = self.bounds();
        Position {
            longitude: ((west + east) / 2.0).clamp(-LONGITUDE_MAX, LONGITUDE_MAX),
            latitude: ((south + north) / 2.0).clamp(-LATITUDE_MAX, LATITUDE_MAX),
        }
    }

    /// The square so many columns to the east and rows to the north, -1 to 1; the world is round in both directions.
    pub fn neighbour(self, columns: i32, rows: i32) -> Self {
        let all = u64::MAX >> (64 - 2 * self.steps.0);
        Self {
            bits: moved(self.bits, LONGITUDES, all, columns)
                | moved(self.bits, LATITUDES, all, rows),
            steps: self.steps,
        }
    }
}

/// The bits of one direction, of those in `all`, after a move.
fn moved(bits: u64, direction: u64, all: u64, by: i32) -> u64 {
    let own = bits & direction;
    // Bits of the other direction carry from one own bit to the next.
    let other = !direction & all;
    match by {
        0 => own,
        1.. => own.wrapping_add(other + 1) & direction & all,
        _ => (own | other).wrapping_sub(other + 1) & direction & all,
    }
}

/// A valid position in so many steps, latitudes from minus `latitude_max` on.
pub(super) fn interleaved(position: Position, latitude_max: f64, steps: Steps) -> u64 {
    let place = |value: f64, max: f64| {
        let share = (value - -max) / (max - -max);
        (share * steps.squares()) as u32
    };
    scattered(place(position.latitude, latitude_max))
        | scattered(place(position.longitude, LONGITUDE_MAX)) << 1
}

/// Puts each bit at twice its place.
fn scattered(value: u32) -> u64 {
    let mut bits = u64::from(value);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, LATITUDES),
    ] {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// Takes each second bit, the lowest one first.
fn gathered(bits: u64) -> u32 {
    let mut bits = bits & LATITUDES;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        bits = (bits | bits >> shift) & mask;
    }
    bits as u32
}

/// A score as 64 bits, as an x86 processor converts it: any number of another set may be asked where it is.
fn truncated(score: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    if score < HALF {
        whole(score).cast_unsigned()
    } else {
        whole(score - HALF).cast_unsigned() ^ 1 << 63
    }
}

/// The whole part of a score; the lowest number for what does not fit.
pub fn whole(score: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&score) {
        score as i64
    } else {
        i64::MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_scattered_and_gathered() {
        for value in [0, 1, 5, 0x8000_0001, u32::MAX] {
            let bits = scattered(value);
            assert_eq!(bits & LONGITUDES, 0);
            assert_eq!(gathered(bits), value);
        }
    }

    #[test]
    fn neighbours_share_an_edge_and_the_world_is_round() {
        let steps = Steps::nearest(7);
        let square = Square::around(
            Position {
                longitude: 13.0,
                latitude: -38.0,
            },
            steps,
        );
        let own = square.bounds();
        assert_eq!(square.neighbour(1, 0).bounds().west, own.east);
        assert_eq!(square.neighbour(-1, 0).bounds().east, own.west);
        assert_eq!(square.neighbour(0, 1).bounds().south, own.north);
        assert_eq!(square.neighbour(0, -1).bounds().north, own.south);
        let mut round = square;
        for _ in 0..1 << 7 {
            round = round.neighbour(1, -1);
        }
        assert_eq!(round, square);
    }

    #[test]
    fn scores_that_are_no_positions_are_converted_as_the_processor_does() {
        assert_eq!(truncated(-1.5), u64::MAX);
        assert_eq!(truncated(-1e300), 1 << 63);
        assert_eq!(truncated(1e300), 0);
        assert_eq!(truncated(9_223_372_036_854_775_808.0), 1 << 63);
    }
}
