//! Log records: arbitrary bytes give an error or changes, and changes read back as they were written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redkeep::storage::record::Changes;

fuzz_target!(|input: &[u8]| {
    let mut written = Vec::new();
    let mut read = Vec::new();
    let mut changes = Changes::new(input);
    while let Ok(Some(change)) = changes.next_change() {
        read.push(change);
    }
    for change in &read {
        change.encode(&mut written);
    }
    let mut again = Changes::new(&written);
    for change in read {
        assert_eq!(again.next_change(), Ok(Some(change)));
    }
    assert_eq!(again.next_change(), Ok(None));
});
