//! ZSCAN.

use super::lookup;
use crate::command::scan::{self, ElementOptions};
use crate::command::{Call, Outcome};
use crate::keyspace::double;
use crate::keyspace::header::Encoding;
use crate::keyspace::sorted_set::{Members, Span};

/// A set of up to this many members is returned at once if Redis would because it calls it a `listpack`.
const SCANNED_AT_ONCE: u64 = 10_000;

/// ZSCAN key cursor [MATCH pattern] [COUNT count]
pub fn zscan(call: &mut Call) -> Outcome {
    let args = call.args;
    let key = args[1];
    let cursor = scan::cursor(args[2])?;
    let Some((header, members)) = lookup(call, key)? else {
        call.out.raw(b"*2\r\n$1\r\n0\r\n*0\r\n");
        return Ok(());
    };
    let options = ElementOptions::parse(&args[3..], false)?;
    let len = members.len(&call.keyspace.engine);
    let mut found: Vec<(Vec<u8>, f64)> = Vec::new();
    let mut next = 0;
    match members {
        Members::Large { by_member, .. }
            if header.encoding != Encoding::Packed || len > SCANNED_AT_ONCE =>
        {
            let (count, pattern) = (options.count, options.pattern);
            next = call.keyspace.scan_elements(
                by_member,
                cursor,
                count,
                pattern,
                &mut |member, cell| {
                    found.push((member.to_vec(), Members::score_of(cell)));
                    member.len()
                },
            )?;
        }
        members => {
            let engine = &mut call.keyspace.engine;
            members.visit_span(engine, Span::new(0, len), false, &mut |member, score| {
                if options.wants(member) {
                    found.push((member.to_vec(), score));
                }
            })?;
        }
    }
    call.out.array(2);
    call.out.bulk_int(next.cast_signed());
    call.out.array(found.len() * 2);
    for (member, score) in found {
        call.out.bulk(&member);
        // What is called a skiplist tells all digits.
        let printed = if header.encoding == Encoding::Packed {
            double::print(score)
        } else {
            double::print_17_digits(score)
        };
        call.out.bulk(printed.as_bytes());
    }
    Ok(())
}
