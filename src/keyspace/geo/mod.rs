//! Positions on Earth as scores of sorted sets, and the searches by them.
//!
//! A score holds a position in 52 bits: longitude and latitude, 26 bits each, interleaved, longitude first ([`Square`]).
//! So the positions in one square have neighbouring scores, and a search reads a few ranges of scores ([`cover`]).

pub mod cover;
mod reach;
mod square;

pub use reach::Reach;
pub use square::{Square, Steps, whole};

/// Longitudes go from minus so many degrees to so many.
pub const LONGITUDE_MAX: f64 = 180.0;
/// Latitudes likewise: what the Mercator projection shows as a square.
pub const LATITUDE_MAX: f64 = 85.05112878;
/// Metres.
const EARTH_RADIUS: f64 = 6_372_797.560856;

/// A place, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    pub longitude: f64,
    pub latitude: f64,
}

impl Position {
    /// Whether the position can be a score.
    pub fn is_valid(self) -> bool {
        self.longitude.abs() <= LONGITUDE_MAX && self.latitude.abs() <= LATITUDE_MAX
    }

    /// The score that stands for it.
    pub fn score(self) -> f64 {
        Square::around(self, Steps::FINEST).first_score()
    }

    /// The position that a score stands for, whatever the score.
    pub fn of_score(score: f64) -> Self {
        Square::of_score(score).middle()
    }

    /// Metres along a great circle.
    pub fn distance(self, other: Self) -> f64 {
        let (from, to) = (self.longitude.radians(), other.longitude.radians());
        let across = ((to - from) / 2.0).sin();
        if across == 0.0 {
            return latitude_distance(self.latitude, other.latitude);
        }
        let (from, to) = (self.latitude.radians(), other.latitude.radians());
        let along = ((to - from) / 2.0).sin();
        let a = along * along + from.cos() * to.cos() * across * across;
        2.0 * EARTH_RADIUS * a.sqrt().asin()
    }

    /// The position as a geohash, eleven letters of which ten tell something.
    pub fn geohash(self) -> [u8; 11] {
        const LETTERS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let bits = square::interleaved(self, 90.0, Steps::FINEST);
        let mut text = [LETTERS[0]; 11];
        for (n, letter) in text[..10].iter_mut().enumerate() {
            *letter = LETTERS[(bits >> (52 - (n + 1) * 5)) as usize & 31];
        }
        text
    }
}

/// Degrees and radians.
trait Angle {
    fn radians(self) -> f64;
    fn degrees(self) -> f64;
}

const DEGREE: f64 = std::f64::consts::PI / 180.0;

impl Angle for f64 {
    fn radians(self) -> f64 {
        self * DEGREE
    }

    fn degrees(self) -> f64 {
        self / DEGREE
    }
}

/// Metres between two latitudes.
fn latitude_distance(latitude: f64, other: f64) -> f64 {
    EARTH_RADIUS * (other.radians() - latitude.radians()).abs()
}

/// What a search looks for: lengths are in units of `unit` metres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    pub centre: Position,
    pub form: Form,
    /// Metres.
    pub unit: f64,
}

/// The form of what a search looks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    Circle { radius: f64 },
    Box { width: f64, height: f64 },
}

impl Shape {
    /// Metres from the centre to a position in the shape; None: it is outside.
    pub fn distance(&self, position: Position) -> Option<f64> {
        // A distance that is not a number, as that of opposite positions may be, counts as inside.
        match self.form {
            Form::Circle { radius } => {
                let distance = self.centre.distance(position);
                let is_outside = distance > radius * self.unit;
                (!is_outside).then_some(distance)
            }
            Form::Box { width, height } => {
                let (width, height) = (width * self.unit, height * self.unit);
                let up = latitude_distance(position.latitude, self.centre.latitude);
                let below = Position {
                    longitude: self.centre.longitude,
                    latitude: position.latitude,
                };
                let is_outside = up > height / 2.0 || position.distance(below) > width / 2.0;
                (!is_outside).then(|| self.centre.distance(position))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_positions_have_known_scores() {
        let palermo = Position {
            longitude: 13.361389,
            latitude: 38.115556,
        };
        let catania = Position {
            longitude: 15.087269,
            latitude: 37.502669,
        };
        assert_eq!(palermo.score(), 3_479_099_956_230_698.0);
        assert_eq!(
            &Position::of_score(palermo.score()).geohash(),
            b"sqc8b49rny0"
        );
        let (palermo, catania) = (
            Position::of_score(palermo.score()),
            Position::of_score(catania.score()),
        );
        assert_eq!(format!("{:.4}", palermo.distance(catania)), "166274.1516");
        assert_eq!(palermo.distance(palermo), 0.0);
    }

    proptest! {
        #[test]
        fn a_score_stands_for_a_position_nearby(
            longitude in -LONGITUDE_MAX..LONGITUDE_MAX,
            latitude in -LATITUDE_MAX..LATITUDE_MAX,
        ) {
            let position = Position { longitude, latitude };
            let shown = Position::of_score(position.score());
            prop_assert!(position.distance(shown) < 0.5, "{shown:?}");
            prop_assert_eq!(shown.score(), position.score());
        }

        #[test]
        fn any_score_stands_for_a_valid_position(score in any::<f64>()) {
            prop_assume!(!score.is_nan());
            prop_assert!(Position::of_score(score).is_valid());
        }
    }
}
