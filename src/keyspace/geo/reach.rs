//! How far from its centre a circle reaches, to leave positions out without their distance.

use std::f64::consts::PI;

use super::{Angle, EARTH_RADIUS, Form, Position, Shape};

/// The distance is more exact than this share of it.
const MARGIN: f64 = 1e-9;
/// Positions that are farther apart in longitude may be opposite each other, where distances are not exact.
const OPPOSITE: f64 = 0.75 * PI;

/// How far from the centre positions in a shape may be.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    centre: Position,
    /// Radians of longitude.
    across: f64,
    /// Radians of latitude.
    up: f64,
}

impl Reach {
    pub fn of(shape: &Shape) -> Self {
        let (mut across, mut up) = (f64::INFINITY, f64::INFINITY);
        if let Form::Circle { radius } = shape.form {
            let angle = radius * shape.unit / EARTH_RADIUS;
            up = angle * (1.0 + MARGIN);
            // The meridians that touch the circle, if it is away from the pole.
            let touched = angle.sin() / shape.centre.latitude.radians().cos();
            if angle < 1.0 && touched < 0.9 {
                across = touched.asin() * (1.0 + MARGIN);
            }
        }
        Self {
            centre: shape.centre,
            across,
            up,
        }
    }

    /// Whether a position may be in the shape: false if it is too far in longitude or in latitude.
    pub fn may_have(&self, position: Position) -> bool {
        let across = (position.longitude.radians() - self.centre.longitude.radians()).abs();
        let up = (position.latitude.radians() - self.centre.latitude.radians()).abs();
        across > OPPOSITE || (across <= self.across && up <= self.up)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{LATITUDE_MAX, LONGITUDE_MAX};
    use super::*;

    fn position() -> impl Strategy<Value = Position> {
        let degrees = |max: f64| prop_oneof![-max..max, Just(max), Just(-max), Just(0.0)];
        (degrees(LONGITUDE_MAX), degrees(LATITUDE_MAX)).prop_map(|(longitude, latitude)| Position {
            longitude,
            latitude,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn nothing_in_a_circle_is_out_of_its_reach(
            centre in position(),
            direction in position(),
            share in 0.0..1.01f64,
            log_radius in -3.0..8.0f64,
        ) {
            let radius = 10f64.powf(log_radius);
            let shape = Shape { centre, form: Form::Circle { radius }, unit: 1.0 };
            let reach = Reach::of(&shape);
            // Somewhere, and near where the circle ends.
            let degrees = (radius / EARTH_RADIUS).degrees() * share;
            let near = Position {
                longitude: centre.longitude
                    + degrees * (direction.longitude / LONGITUDE_MAX) / centre.latitude.radians().cos(),
                latitude: centre.latitude + degrees * (direction.latitude / LATITUDE_MAX),
            };
            for position in [direction, near] {
                if position.is_valid() && !reach.may_have(position) {
                    prop_assert_eq!(shape.distance(position), None, "{:?}", position);
                }
            }
        }
    }

    #[test]
    fn a_reach_leaves_out_most_of_what_is_outside() {
        let centre = Position {
            longitude: 10.0,
            latitude: 60.0,
        };
        let shape = Shape {
            centre,
            form: Form::Circle { radius: 200.0 },
            unit: 1000.0,
        };
        let reach = Reach::of(&shape);
        let at = |longitude, latitude| Position {
            longitude,
            latitude,
        };
        assert!(reach.may_have(at(13.5, 60.0)) && reach.may_have(at(10.0, 61.7)));
        assert!(!reach.may_have(at(13.7, 60.0)) && !reach.may_have(at(10.0, 61.9)));
        assert!(!reach.may_have(at(6.3, 60.0)) && !reach.may_have(at(10.0, 58.1)));
    }
}
