//! What a server without replicas, users, modules or cluster answers about itself.

use crate::errors;
use crate::numbers;
use crate::reply::Reply;
use crate::state::{Call, Outcome};

pub fn ok(_: &mut Call) -> Outcome {
    Ok(Reply::ok())
}

pub fn zero(_: &mut Call) -> Outcome {
    Ok(Reply::Integer(0))
}

pub fn empty_array(_: &mut Call) -> Outcome {
    Ok(Reply::Array(Vec::new()))
}

pub fn cluster(_: &mut Call) -> Outcome {
    Err(errors::err("This instance has cluster support disabled"))
}

/// Whether a command loads modules or takes them away, which is refused before anything else is looked at.
pub fn is_of_modules(name: &str) -> bool {
    name.starts_with("module|load") || name == "module|unload"
}

pub fn module(_: &mut Call) -> Outcome {
    Err(no_modules())
}

/// `enable-module-command` is off.
pub fn no_modules() -> errors::Failure {
    errors::err(
        "MODULE command not allowed. If the enable-module-command option is set to \"local\", you can run it from a \
         local connection, otherwise you need to set this option in the configuration file, and then restart the \
         server.",
    )
}

/// The picture is the server's own.
pub fn lolwut(_: &mut Call) -> Outcome {
    Ok(Reply::Verbatim(Vec::new()))
}

pub fn role(_: &mut Call) -> Outcome {
    Ok(Reply::Array(vec![
        Reply::bulk(b"master"),
        Reply::Integer(0),
        Reply::Array(Vec::new()),
    ]))
}

pub fn time(call: &mut Call) -> Outcome {
    let text = |number: i64| Reply::Bulk(number.to_string().into_bytes());
    Ok(Reply::Array(vec![
        text(call.now_ms / 1000),
        text(call.now_ms % 1000 * 1000),
    ]))
}

/// MEMORY USAGE: whether there is a size; the size is the server's own.
pub fn memory_usage(call: &mut Call) -> Outcome {
    let mut index = 3;
    while index < call.args.len() {
        if !call.says(index, "SAMPLES") || index + 1 == call.args.len() {
            return Err(errors::syntax());
        }
        if numbers::integer(call.arg(index + 1))? < 0 {
            return Err(errors::syntax());
        }
        index += 2;
    }
    let key = call.arg(2);
    Ok(if call.exists(key) {
        Reply::Integer(1)
    } else {
        Reply::Null
    })
}

pub fn slowlog_get(call: &mut Call) -> Outcome {
    if call.args.len() > 3 {
        return Err(crate::commands::misused_subcommand(call));
    }
    if call.args.len() == 3 {
        let complaint = "count should be greater than or equal to -1";
        if numbers::integer_or(call.arg(2), complaint)? < -1 {
            return Err(errors::err(complaint));
        }
    }
    Ok(Reply::Array(Vec::new()))
}

/// Without replicas nobody acknowledges anything.
pub fn wait(call: &mut Call) -> Outcome {
    numbers::integer(call.arg(1))?;
    timeout(call.arg(2), call.now_ms)?;
    Ok(Reply::Integer(0))
}

pub fn waitaof(call: &mut Call) -> Outcome {
    let local = numbers::integer(call.arg(1))?;
    if !(0..=1).contains(&local) {
        return Err(errors::err(
            "value is out of range, value must between 0 and 1",
        ));
    }
    let complaint = "value is out of range, must be positive";
    if numbers::integer_or(call.arg(2), complaint)? < 0 {
        return Err(errors::err(complaint));
    }
    timeout(call.arg(3), call.now_ms)?;
    if local > 0 {
        return Err(errors::err(
            "WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    Ok(Reply::Array(vec![Reply::Integer(0), Reply::Integer(0)]))
}

fn timeout(text: &[u8], now_ms: i64) -> Result<(), errors::Failure> {
    let timeout = numbers::integer_or(text, "timeout is not an integer or out of range")?;
    if timeout < 0 {
        return Err(errors::err("timeout is negative"));
    }
    if timeout.checked_add(now_ms).is_none() {
        return Err(errors::err("timeout is out of range"));
    }
    Ok(())
}
