//! DUMP payloads behind their footer: no panic, bounded memory, and a value that was understood is written and read again
//! as the same value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redkeep::interchange::rdb::decode::Decoded;
use redkeep::interchange::rdb::payload;

const VERSION: u16 = 12;

fuzz_target!(|body: &[u8]| {
    let Ok(Decoded::Value(value)) = payload::read(body) else {
        return;
    };
    let written = payload::write(&value, VERSION, true);
    let opened = payload::open(&written).expect("the footer is right");
    let Ok(Decoded::Value(again)) = payload::read(opened) else {
        panic!("what is written is understood");
    };
    assert_eq!(written, payload::write(&again, VERSION, true));
});
