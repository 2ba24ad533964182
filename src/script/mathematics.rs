//! math.random and math.randomseed, which draw the same on every machine.

use super::raise::Raise;
use super::random::Random;
use super::stack::Stack;
use super::state::{Native, Next};

/// What replaces functions of `math`.
pub const FUNCTIONS: &[(&str, Native)] = &[("random", random), ("randomseed", randomseed)];

/// An argument as an `int` of C: the low bits of a longer integer.
fn small(stack: &Stack<'_>, number: i32) -> Result<i32, Raise> {
    Ok(stack.check_integer(number)? as i32)
}

/// math.random([[lower,] upper])
fn random(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    let context = stack.context();
    let mut generator = context.random.get();
    let fraction = generator.fraction();
    context.random.set(generator);
    let drawn = match stack.top() {
        0 => fraction,
        1 => {
            let upper = small(stack, 1)?;
            if upper < 1 {
                return Err(Raise::argument(1, "interval is empty"));
            }
            (fraction * f64::from(upper)).floor() + 1.0
        }
        2 => {
            let (lower, upper) = (small(stack, 1)?, small(stack, 2)?);
            if lower > upper {
                return Err(Raise::argument(2, "interval is empty"));
            }
            let width = upper.wrapping_sub(lower).wrapping_add(1);
            (fraction * f64::from(width)).floor() + f64::from(lower)
        }
        _ => return Err(Raise::text("wrong number of arguments")),
    };
    stack.push_number(drawn);
    Ok(Next::Return(1))
}

/// math.randomseed(seed)
fn randomseed(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    let seed = small(stack, 1)?;
    stack.context().random.set(Random::with_seed(seed));
    Ok(Next::Return(0))
}
