//! The error texts of Redis 7.4, in one place.

use crate::reply::Reply;

/// An error reply, without the leading `-` and the line end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub Vec<u8>);

impl From<Failure> for Reply {
    fn from(failure: Failure) -> Reply {
        Reply::Error(failure.0)
    }
}

/// `-ERR` followed by the text.
pub fn err(text: &str) -> Failure {
    Failure(format!("ERR {text}").into_bytes())
}

/// `-ERR` followed by bytes from the client; line ends in them become spaces, those behind them are left out.
pub fn err_bytes(parts: &[&[u8]]) -> Failure {
    let mut text = b"ERR ".to_vec();
    let mut bytes = parts.concat();
    while bytes.ends_with(b"\r") || bytes.ends_with(b"\n") {
        bytes.pop();
    }
    for byte in bytes {
        text.push(if byte == b'\r' || byte == b'\n' {
            b' '
        } else {
            byte
        });
    }
    Failure(text)
}

pub fn syntax() -> Failure {
    err("syntax error")
}

pub fn not_an_integer() -> Failure {
    err("value is not an integer or out of range")
}

pub fn not_a_float() -> Failure {
    err("value is not a valid float")
}

pub fn wrong_type() -> Failure {
    Failure(b"WRONGTYPE Operation against a key holding the wrong kind of value".to_vec())
}

pub fn wrong_arity(full_name: &str) -> Failure {
    err(&format!(
        "wrong number of arguments for '{full_name}' command"
    ))
}

pub fn invalid_expire(full_name: &str) -> Failure {
    err(&format!("invalid expire time in '{full_name}' command"))
}

pub fn out_of_range_database() -> Failure {
    err("DB index is out of range")
}

pub fn no_such_key() -> Failure {
    err("no such key")
}

pub fn same_object() -> Failure {
    err("source and destination objects are the same")
}

pub fn too_long() -> Failure {
    err("string exceeds maximum allowed size (proto-max-bulk-len)")
}
