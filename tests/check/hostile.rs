//! Hand-made hostile files: each is refused with its own error, at its place.

use std::io::Cursor;

use redkeep::interchange::aof::survey::survey;
use redkeep::interchange::aof::{Commands, Manifest};
use redkeep::interchange::rdb::file::Reader;
use redkeep::interchange::rdb::{Input, RdbError, payload};

use crate::files::dump;
use crate::program::{Folder, command, report};

/// Offset of the value in [`rdb`].
const AT: u64 = 12;

/// A file of one key, whose value is of this kind.
fn rdb(kind: u8, value: &[u8]) -> Vec<u8> {
    [b"REDIS0011", &[kind, 1, b'k'][..], value].concat()
}

/// A string of less than 64 bytes.
fn string(bytes: &[u8]) -> Vec<u8> {
    assert!(bytes.len() < 64);
    [&[bytes.len() as u8], bytes].concat()
}

fn read(bytes: &[u8]) -> Result<u32, RdbError> {
    let mut source = bytes;
    let mut reader = Reader::begin(Input::new(&mut source, bytes.len() as u64), true)?;
    let mut records = 0;
    while reader.next_record()?.is_some() {
        records += 1;
    }
    Ok(records)
}

#[track_caller]
fn is_damaged(bytes: &[u8], at: u64, what: &str) {
    let error = read(bytes).expect_err(what);
    assert_eq!(error.to_string(), format!("damaged at offset {at}: {what}"));
    assert_eq!(error.offset(), Some(at));
}

#[test]
fn lengths_that_lie_are_refused_where_they_stand() {
    const TOO_MANY: &str = "more elements are promised than there are bytes";
    for (kind, value, behind, what) in [
        (
            0,
            &b"\x81\xff\xff\xff\xff\xff\xff\xff\xff"[..],
            9,
            "a string is longer than any may be",
        ),
        (
            0,
            b"\x80\xff\xff\xff\xff",
            5,
            "a string is longer than any may be",
        ),
        (0, b"\x82", 1, "no length begins with this byte"),
        (0, b"\xbf", 1, "no length begins with this byte"),
        (0, b"\xc4", 1, "no string is encoded in this way"),
        (0, b"\xff", 1, "no string is encoded in this way"),
        (1, b"\x00", 1, "a collection has no elements"),
        (
            1,
            b"\xc0\x01",
            1,
            "a length is wanted, not an encoded string",
        ),
        (1, b"\x80\xff\xff\xff\xff", 5, TOO_MANY),
        (2, b"\x81\xff\xff\xff\xff\xff\xff\xff\xff", 9, TOO_MANY),
        (4, b"\x02\x01f\x01", 1, TOO_MANY),
        (14, b"\x80\x7f\xff\xff\xff", 5, TOO_MANY),
        (18, b"\x01\x03", 2, TOO_MANY),
        (
            18,
            b"\x01\x03\x01a",
            2,
            "a list's node is neither plain nor packed",
        ),
        (28, b"\x80\xff\xff\xff\xff\x00", 5, TOO_MANY),
        (
            5,
            b"\x01\x01m\x00\x00\x00\x00\x00\x00\xf8\x7f",
            0,
            "a score is not a number",
        ),
        (3, b"\x01\x01m\x03abc", 7, "a score is no number"),
        (2, b"\x02\x01a\x01a", 0, "an element stands twice"),
        (
            7,
            b"\x00\x09",
            2,
            "a module's value has a part of no known kind",
        ),
        (21, b"\x01\x03abc\x00", 5, "a stream's node has no id"),
        (
            32,
            b"\x07\x01a",
            0,
            "a hash names a template that is not there",
        ),
        // The name's letter begins the number of fields.
        (242, b"\x80\xff", 1, TOO_MANY),
    ] {
        // Nested lists of nodes are counted by two bytes a node, others by less.
        let at = if kind == 18 && value.len() == 2 {
            AT + 1
        } else {
            AT + behind
        };
        is_damaged(&rdb(kind, value), at, what);
    }
    for (value, at) in [
        (&b"\x05ab"[..], 15),
        (b"\x7f\xff", 14),
        (b"\x80\x1f\xff\xff\xff", 17),
    ] {
        let error = read(&rdb(0, value)).expect_err("it ends");
        assert!(
            matches!(error, RdbError::Truncated { at: found } if found == at),
            "{error}"
        );
    }
    for kind in [6, 8, 34, 99, 200] {
        let error = read(&rdb(kind, b"\x01a")).expect_err("it is not known");
        assert_eq!(
            error.to_string(),
            format!("at offset 12 stands a value of type {kind}, which is not known")
        );
    }
}

#[test]
fn compressed_strings_that_lie_are_refused() {
    for (packed, behind, what) in [
        (
            &b"\xc3\x02\x7f\xff\x00\x00"[..],
            4,
            "so few compressed bytes do not make such a long string",
        ),
        (
            b"\xc3\x00\x01",
            3,
            "so few compressed bytes do not make such a long string",
        ),
        // From before the first byte.
        (b"\xc3\x02\x03\x20\x00", 5, "a compressed string is damaged"),
        // More and fewer bytes than promised, a run that is cut.
        (b"\xc3\x03\x01\x01ab", 6, "a compressed string is damaged"),
        (b"\xc3\x03\x05\x01ab", 6, "a compressed string is damaged"),
        (b"\xc3\x02\x05\x04a", 5, "a compressed string is damaged"),
    ] {
        is_damaged(&rdb(0, packed), AT + behind, what);
    }
}

#[test]
fn packings_whose_sizes_lie_are_refused() {
    const LISTPACK: &str = "a listpack's length is not its own";
    const ZIPLIST: &str = "a ziplist's length is not its own";
    const INTEGERS: &str = "an integer set's length is not its own";
    for (kind, packed, what) in [
        (20, &b"\xc8\x00\x00\x00\x00\x00\xff"[..], LISTPACK),
        (20, b"\x07\x00\x00\x00\x00\x00\x00", LISTPACK),
        (20, b"", LISTPACK),
        (
            20,
            b"\x07\x00\x00\x00\x00\x00\xff",
            "a collection has no elements",
        ),
        (
            20,
            b"\x09\x00\x00\x00\x05\x00\x01\x01\xff",
            "a listpack has another number of elements than it says",
        ),
        (
            20,
            b"\x09\x00\x00\x00\x01\x00\xbf\x01\xff",
            "an element of a listpack is cut",
        ),
        (
            20,
            b"\x0c\x00\x00\x00\x01\x00\xf0\xff\xff\xff\xff\xff",
            "an element of a listpack is cut",
        ),
        (
            16,
            b"\x09\x00\x00\x00\x01\x00\x01\x01\xff",
            "a field has no value",
        ),
        (
            17,
            b"\x09\x00\x00\x00\x01\x00\x01\x01\xff",
            "a member has no score",
        ),
        (10, b"\x0b\x00\x00\x00\x0a\x00\x00\x00\x00\x00\x00", ZIPLIST),
        (10, b"\xff\xff\xff\xff\x0a\x00\x00\x00\x00\x00\xff", ZIPLIST),
        (
            10,
            b"\x0d\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\x3f\xff",
            "an entry of a ziplist is cut",
        ),
        (
            10,
            b"\x0d\x00\x00\x00\x0a\x00\x00\x00\x07\x00\x00\xf1\xff",
            "a ziplist has another number of entries than it says",
        ),
        (11, b"\x02\x00\x00\x00\xff\xff\xff\xff\x01\x00", INTEGERS),
        (
            11,
            b"\x03\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00",
            INTEGERS,
        ),
        (11, b"\x02\x00\x00\x00", "an integer set is cut"),
        (
            11,
            b"\x02\x00\x00\x00\x02\x00\x00\x00\x01\x00\x01\x00",
            "an element stands twice",
        ),
        (9, b"\x01\x05a\xff", "a zipmap is cut"),
        (9, b"\x01\xfe\xff\xff\xff\xff\xff", "a zipmap is cut"),
    ] {
        let value = string(packed);
        is_damaged(&rdb(kind, &value), AT, what);
    }
}

#[test]
fn heads_that_are_none_are_refused() {
    for (bytes, offset, text) in [
        (
            &b"REDIS0099\xff"[..],
            5,
            "of version 99, newer than 15, the newest that is understood",
        ),
        (
            b"REDIS0000\xff",
            0,
            "it is no RDB file: it does not begin with REDIS and a version",
        ),
        (
            b"REDIS+001\xff",
            0,
            "it is no RDB file: it does not begin with REDIS and a version",
        ),
        (
            b"REDIS",
            0,
            "it is no RDB file: it does not begin with REDIS and a version",
        ),
        (
            b"VALKEY080\xff",
            6,
            "it was written by Valkey 9 or newer (format 80), whose types have other meanings",
        ),
    ] {
        let error = read(bytes).expect_err(text);
        assert_eq!(
            (error.offset(), error.to_string().as_str()),
            (Some(offset), text)
        );
    }
    let folder = Folder::new();
    let wrong = [&b"REDIS0011\xff"[..], &[1; 8]].concat();
    let found = report(&[], &folder.put("wrong.rdb", &wrong), 2);
    assert_eq!(found["findings"][0]["offset"], 10, "{found}");
}

#[test]
fn every_cut_and_every_flip_is_noticed() {
    let whole = dump("repl-id");
    assert_eq!(read(&whole).expect("it is whole"), 8);
    for len in 0..whole.len() {
        let error = read(&whole[..len]).expect_err("it is cut");
        let offset = error.offset().expect("it is in the file");
        assert!(offset <= len as u64, "{len}: {error}");
    }
    for at in 9..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            let error = read(&flipped).expect_err("a byte is another one");
            let offset = error.offset().unwrap_or(whole.len() as u64);
            assert!(offset <= whole.len() as u64, "{at}: {error}");
        }
    }
}

#[test]
fn payloads_are_refused_by_footer_and_by_value() {
    for (bytes, text) in [
        (&b""[..], "cut off: it ends at offset 0"),
        (b"\x00\x01a\x0b\x00", "cut off: it ends at offset 5"),
        (
            &[0xff; 11],
            "of version 65535, newer than 15, the newest that is understood",
        ),
        (
            b"\x00\x01a\x0b\x00\x01\x00\x00\x00\x00\x00\x00\x00",
            "the checksum does not fit: ",
        ),
    ] {
        let error = payload::open(bytes).expect_err(text).to_string();
        assert!(error.starts_with(text), "{error}");
    }
    for (body, text) in [
        (&b""[..], "cut off: it ends at offset 0"),
        (b"\x00\x05a", "cut off: it ends at offset 3"),
        (
            b"\x14\x07\x00\x00\x00\x00\x00\x00\xff",
            "damaged at offset 1: a listpack's length is not its own",
        ),
        (
            b"\x63",
            "at offset 1 stands a value of type 99, which is not known",
        ),
    ] {
        assert_eq!(payload::read(body).expect_err(text).to_string(), text);
    }
}

#[test]
fn parts_are_refused_where_no_command_follows() {
    let ping = command(&["PING"]);
    let at = ping.len();
    for (bytes, text) in [
        (
            &b"*0\r\n"[..],
            format!("from offset {at} to its end are 4 bytes without a command"),
        ),
        (
            b"*-1\r\n",
            format!("from offset {at} to its end are 5 bytes without a command"),
        ),
        (
            b"*99999999999999999999\r\n",
            format!("from offset {at} to its end are 23 bytes without a command"),
        ),
        (
            b"*1\r\n$99999999999\r\n",
            format!("from offset {at} to its end are 18 bytes without a command"),
        ),
        (
            b"*1\r\n:1\r\n",
            format!("from offset {at} to its end are 8 bytes without a command"),
        ),
        (
            b"*1\r\n$1\r\nabc",
            format!("from offset {at} to its end are 11 bytes without a command"),
        ),
        (
            b"*1\n$1\na",
            format!("from offset {at} to its end are 7 bytes without a command"),
        ),
        (
            b"*1073741824\r\n",
            format!("at offset {at} it ends in the middle of a command or transaction"),
        ),
        (
            b"*1\r\n$1073741824\r\n",
            format!("at offset {at} it ends in the middle of a command or transaction"),
        ),
        (
            b"*1\r\n$3\r\nab\0\0\0",
            format!("at offset {at} it ends in zeroes"),
        ),
        (
            b"#note",
            format!("at offset {at} it ends in the middle of a command or transaction"),
        ),
    ] {
        for is_last in [true, false] {
            let (begin, behind) = if is_last {
                (&ping[..], &b""[..])
            } else {
                (&b""[..], &b"\n*1\r\n$4\r\nPING\r\n"[..])
            };
            let whole = [begin, bytes, behind].concat();
            let mut source = Cursor::new(&whole);
            let found = survey(&mut Commands::new(&mut source, 0), &mut |_, _| {}).expect("memory");
            let shown = whole.escape_ascii();
            let Some(fault) = found.fault else {
                assert!(
                    bytes == b"#note" && !is_last,
                    "{shown}: a note that goes on is whole"
                );
                continue;
            };
            if is_last {
                assert_eq!(fault.to_string(), text, "{shown}");
            } else {
                let resumes = format!("commands go on at offset {}", bytes.len() + 1);
                assert!(fault.to_string().contains(&resumes), "{shown}: {fault}");
                assert_eq!(fault.offset(), Some(0));
            }
        }
    }
}

#[test]
fn manifests_are_refused_by_line() {
    let folder = Folder::new();
    for (text, line, what) in [
        ("", 1, "it is empty"),
        ("\n", 1, "it is not made of pairs of words"),
        ("file a seq 1\n", 1, "it is not made of pairs of words"),
        (
            "file a seq 1 type b x\n",
            1,
            "it is not made of pairs of words",
        ),
        (
            "# note\nfile ../x seq 1 type b\n",
            2,
            "the name of the file leads elsewhere",
        ),
        (
            "file /etc/passwd seq 1 type b\n",
            1,
            "the name of the file leads elsewhere",
        ),
        (
            "file .. seq 1 type b\n",
            1,
            "the name of the file leads elsewhere",
        ),
        (
            "file \"\" seq 1 type b\n",
            1,
            "the name of the file leads elsewhere",
        ),
        ("file x seq -1 type b\n", 1, "it has no number"),
        (
            "file x seq 99999999999999999999 type b\n",
            1,
            "it has no number",
        ),
        (
            "file x seq 1 type z\n",
            1,
            "the type of the file is none of b, i and h",
        ),
        ("file \"x seq 1 type b\n", 1, "a quoted word does not end"),
        ("name x seq 1 type b\n", 1, "it names no file"),
        (
            "file a seq 1 type b\nfile b seq 2 type b\n",
            2,
            "there is a base already",
        ),
        (
            "file a seq 1 type b\nfile a seq 1 type i\n",
            2,
            "the file is named twice",
        ),
        (
            "file a seq 2 type i\nfile b seq 1 type i\n",
            2,
            "the increments are not in the order of their numbers",
        ),
    ] {
        let bad = Manifest::parse(text).expect_err(what);
        assert_eq!((bad.line, bad.what), (line, what), "{text}");
        let found = report(&[], &folder.put("x.manifest", text.as_bytes()), 3);
        let error = found["error"].as_str().expect("a text");
        assert!(
            error.ends_with(&format!("line {line} of the manifest: {what}")),
            "{error}"
        );
    }
}
