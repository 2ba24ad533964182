//! FUNCTION DUMP payloads and the first lines of libraries: no panic, and what was understood is written and read again as
//! the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redkeep::interchange::rdb::library;
use redkeep::script::shebang::{parse_library, parse_script};

fuzz_target!(|body: &[u8]| {
    let _ = parse_script(body);
    let _ = parse_library(body);
    let Ok(codes) = library::read(body) else {
        return;
    };
    let written = library::write(codes.iter().map(Vec::as_slice));
    let opened = library::open(&written).expect("the footer is right");
    assert_eq!(library::read(opened), Ok(codes));
});
