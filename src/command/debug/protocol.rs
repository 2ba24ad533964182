//! DEBUG PROTOCOL: one value of each type of reply.

use super::super::argument::is_word;
use super::super::{Call, Outcome};
use crate::resp::ErrorReply;

pub(super) fn reply(call: &mut Call<'_>) -> Outcome {
    const NOT_A_TYPE: ErrorReply = ErrorReply::new(
        "ERR Wrong protocol type name. Please use one of the following: \
         string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
    );
    const NOT_RESP2: ErrorReply = ErrorReply::new("ERR RESP2 is not supported by this command");
    let name = call.args[2];
    let is = |candidate: &&str| is_word(name, candidate);
    let out = &mut *call.out;
    let Some(name) = TYPES.iter().copied().find(|candidate| is(candidate)) else {
        return Err(NOT_A_TYPE.into());
    };
    match name {
        "string" => out.bulk(b"Hello World"),
        "integer" => out.int(12345),
        "double" => out.double("3.141"),
        "bignum" => out.big_number("1234567999999999999999999999999999999"),
        "null" => out.null(),
        "array" => {
            out.array(3);
            (0..3).for_each(|n| out.int(n));
        }
        "set" => {
            out.set(3);
            (0..3).for_each(|n| out.int(n));
        }
        "map" => {
            out.map(3);
            for n in 0..3 {
                out.int(n);
                out.boolean(n == 1);
            }
        }
        "attrib" => {
            if out.is_resp3() {
                out.attribute(1);
                out.bulk(b"key-popularity");
                out.array(2);
                out.bulk(b"key:123");
                out.int(90);
            }
            out.bulk(b"Some real reply following the attribute");
        }
        "push" => {
            if !out.is_resp3() {
                return Err(NOT_RESP2.into());
            }
            // What a command pushes to its own connection comes behind its reply.
            out.bulk(b"Some real reply following the push reply");
            out.push(2);
            out.bulk(b"server-cpu-usage");
            out.int(42);
        }
        "verbatim" => out.verbatim("txt", b"This is a verbatim\nstring"),
        word => out.boolean(word == "true"),
    }
    Ok(())
}

const TYPES: &[&str] = &[
    "string", "integer", "double", "bignum", "null", "array", "set", "map", "attrib", "push",
    "verbatim", "true", "false",
];
