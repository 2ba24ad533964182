//! The request parser: no panic, and the same requests however the bytes are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redkeep::resp::parser::{Limits, parse_pieces};

fuzz_target!(|input: (bool, Vec<u8>, Vec<u8>)| {
    let (authenticated, pieces, bytes) = input;
    let limits = Limits {
        bulk_bytes_max: 1 << 20,
        authenticated,
    };
    let whole = parse_pieces(&bytes, &[], &limits);
    let cut = parse_pieces(&bytes, &pieces, &limits);
    assert_eq!(whole, cut);
});
