//! Just enough of lists for a key to hold the wrong type.

use crate::errors;
use crate::reply::Reply;
use crate::state::{Call, Entry, Outcome, Value};

pub fn rpush(call: &mut Call) -> Outcome {
    let key = call.key();
    let more = call.args[2..].to_vec();
    let length = match call.entry(key).map(|entry| &mut entry.value) {
        None => {
            let length = more.len();
            let entry = Entry {
                value: Value::List(more),
                expires_at_ms: None,
                relative: false,
            };
            call.database().insert(key, entry);
            length
        }
        Some(Value::List(list)) => {
            list.extend(more);
            list.len()
        }
        Some(_) => return Err(errors::wrong_type()),
    };
    Ok(Reply::count(length))
}
