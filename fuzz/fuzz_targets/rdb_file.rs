//! RDB files of every version, without their checksum: reading ends, without a panic and in bounded memory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redkeep::interchange::rdb::Input;
use redkeep::interchange::rdb::file::Reader;

// A version and the records behind the head.
fuzz_target!(|file: (u8, &[u8])| {
    let (version, records) = file;
    let mut bytes = format!("REDIS{:04}", version % 17).into_bytes();
    bytes.extend_from_slice(records);
    let len = bytes.len() as u64;
    let mut source = bytes.as_slice();
    let Ok(mut reader) = Reader::begin(Input::new(&mut source, len), false) else {
        return;
    };
    let mut before = reader.at();
    while let Ok(Some(_)) = reader.next_record() {
        assert!(before < reader.at() && reader.at() <= len, "it goes forward");
        before = reader.at();
    }
});
