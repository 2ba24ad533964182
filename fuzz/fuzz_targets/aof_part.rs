//! Parts of append-only files: reading ends, without a panic and in bounded memory; what is whole is read again, with the
//! same outcome, when the rest is cut off.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use redkeep::interchange::aof::Commands;
use redkeep::interchange::aof::survey::{Survey, survey};

fn read(bytes: &[u8]) -> Survey {
    let len = bytes.len() as u64;
    let mut source = Cursor::new(bytes);
    let mut before = 0;
    let mut see = |at, words: &[Vec<u8>]| {
        assert!(
            !words.is_empty() && before <= at && at < len,
            "it goes forward"
        );
        before = at + 1;
    };
    survey(&mut Commands::new(&mut source, 0), &mut see).expect("memory is read")
}

fuzz_target!(|bytes: &[u8]| {
    let len = bytes.len() as u64;
    let found = read(bytes);
    assert!(found.end <= len, "it does not go past the end");
    let Some(fault) = &found.fault else {
        assert_eq!(found.end, len, "all of it is whole");
        return;
    };
    let at = fault.offset().expect("it is in the file");
    assert!(at <= len && !fault.to_string().is_empty());
    let whole = read(&bytes[..found.end as usize]);
    assert!(whole.fault.is_none(), "it is whole");
    assert_eq!(whole.end, found.end);
    assert!(whole.commands <= found.commands);
});
