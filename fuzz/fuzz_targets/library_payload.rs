//! FUNCTION DUMP payloads and the first lines of libraries: no panic, and what was understood is written and read again as
//! the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redkeep::interchange::rdb::{library, payload};
use redkeep::script::shebang::{parse_library, parse_script};

/// A version of RDB that every reader knows.
const RDB_VERSION: u16 = 11;

/// The libraries of a payload with a right footer; None: one of them cannot be read.
fn codes(payload: &[u8]) -> Option<Vec<Vec<u8>>> {
    let codes = library::codes(payload).expect("the footer is right");
    codes.collect::<Result<_, _>>().ok()
}

fuzz_target!(|body: &[u8]| {
    let _ = parse_script(body);
    let _ = parse_library(body);
    let _ = library::codes(body).map(|codes| codes.take_while(Result::is_ok).count());
    let mut closed = body.to_vec();
    payload::close(&mut closed, RDB_VERSION);
    let Some(read) = codes(&closed) else {
        return;
    };
    let written = library::write(read.iter().map(Vec::as_slice));
    assert_eq!(codes(&written), Some(read));
});
