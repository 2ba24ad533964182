//! The squares that a search has to look at: the one in its middle and the neighbours of that, as far as they are near.

use super::square::Bounds;
use super::{Angle, EARTH_RADIUS, Form, Shape, Square, Steps};

/// Half of the circumference that the projection gives the Earth, in metres.
const MERCATOR_MAX: f64 = 20_037_726.37;

/// Columns to the east and rows to the north of the squares in the order in which they are looked at.
const ORDER: [(i32, i32); 9] = [
    (0, 0),
    (0, 1),
    (0, -1),
    (1, 0),
    (-1, 0),
    (1, 1),
    (-1, 1),
    (1, -1),
    (-1, -1),
];

/// The squares to look at, in order.
pub fn squares(shape: &Shape) -> Vec<Square> {
    let limits = limits(shape);
    let mut steps = steps(longest(shape), shape.centre.latitude);
    let mut middle = Square::around(shape.centre, steps);
    if steps > Steps::COARSEST && !covers(middle, &limits) {
        steps = steps.coarser();
        middle = Square::around(shape.centre, steps);
    }
    let is_needed = |(columns, rows): (i32, i32)| {
        let own = middle.bounds();
        steps == Steps::COARSEST
            || !((rows < 0 && own.south < limits.south)
                || (rows > 0 && own.north > limits.north)
                || (columns < 0 && own.west < limits.west)
                || (columns > 0 && own.east > limits.east))
    };
    let mut squares: Vec<Square> = Vec::with_capacity(ORDER.len());
    for (columns, rows) in ORDER.into_iter().filter(|place| is_needed(*place)) {
        let square = middle.neighbour(columns, rows);
        // Of a world of few squares several neighbours are the same. The middle is not compared with.
        if squares.len() < 2 || squares.last() != Some(&square) {
            squares.push(square);
        }
    }
    squares
}

/// Metres from the centre to the farthest position.
fn longest(shape: &Shape) -> f64 {
    let length = match shape.form {
        Form::Circle { radius } => radius,
        Form::Box { width, height } => {
            let (width, height) = (width / 2.0, height / 2.0);
            (width * width + height * height).sqrt()
        }
    };
    length * shape.unit
}

/// How fine the squares are for a search so many metres around.
fn steps(metres: f64, latitude: f64) -> Steps {
    if metres == 0.0 {
        return Steps::FINEST;
    }
    let mut steps = -1;
    let mut reach = metres;
    while reach < MERCATOR_MAX {
        reach *= 2.0;
        steps += 1;
    }
    // Towards the poles a square is narrower on Earth than on the map.
    let latitude = latitude.abs();
    steps -= i32::from(latitude > 66.0) + i32::from(latitude > 80.0);
    Steps::nearest(steps)
}

/// The box around the shape, in degrees.
fn limits(shape: &Shape) -> Bounds {
    let (width, height) = match shape.form {
        Form::Circle { radius } => (radius, radius),
        Form::Box { width, height } => (width / 2.0, height / 2.0),
    };
    let (width, height) = (shape.unit * width, shape.unit * height);
    let centre = shape.centre;
    let up = (height / EARTH_RADIUS).degrees();
    // Of the two edges the one that is called nearer to its pole counts.
    let edge = if centre.latitude < 0.0 {
        centre.latitude - up
    } else {
        centre.latitude + up
    };
    let across = (width / EARTH_RADIUS / edge.radians().cos()).degrees();
    Bounds {
        west: centre.longitude - across,
        east: centre.longitude + across,
        south: centre.latitude - up,
        north: centre.latitude + up,
    }
}

/// Whether a square and its neighbours have no limit beyond them.
fn covers(middle: Square, limits: &Bounds) -> bool {
    let beyond = middle.neighbour(0, 1).bounds().north < limits.north
        || middle.neighbour(0, -1).bounds().south > limits.south
        || middle.neighbour(1, 0).bounds().east < limits.east
        || middle.neighbour(-1, 0).bounds().west > limits.west;
    !beyond
}
