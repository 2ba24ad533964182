//! RDB files of every version, without their checksum: reading ends, without a panic and in bounded memory, and gives the
//! same keys whether they are decoded at once or later.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redkeep::interchange::rdb::Input;
use redkeep::interchange::rdb::file::{Reader, Record};

// A version and the records behind the head.
fuzz_target!(|file: (u8, &[u8])| {
    let (version, records) = file;
    let mut bytes = format!("REDIS{:04}", version % 17).into_bytes();
    bytes.extend_from_slice(records);
    let len = bytes.len() as u64;
    let (mut source, mut again) = (bytes.as_slice(), bytes.as_slice());
    let Ok(mut reader) = Reader::begin(Input::new(&mut source, len), false) else {
        return;
    };
    let mut later = Reader::begin(Input::new(&mut again, len), false).expect("the same head");
    let mut before = reader.at();
    loop {
        let mut copy = Vec::new();
        match (reader.next_record(), later.next_undecoded(&mut copy)) {
            (Ok(Some(Record::Key(key))), Ok(Some(Record::Key(undecoded)))) => {
                let decoded = undecoded.value.decode(&copy).expect("it was decoded");
                assert_eq!(decoded, (key.name, key.value));
            }
            (Err(_), Ok(Some(Record::Key(undecoded)))) => {
                assert!(undecoded.value.decode(&copy).is_err(), "it was damaged");
                return;
            }
            (Ok(Some(_)), Ok(Some(_))) => {}
            (Ok(None), Ok(None)) | (Err(_), Err(_)) => return,
            (record, _) => panic!("only one of the readers goes on: {record:?}"),
        }
        assert!(
            before < reader.at() && reader.at() <= len,
            "it goes forward"
        );
        assert_eq!(reader.at(), later.at());
        before = reader.at();
    }
});
