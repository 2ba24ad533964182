//! RDB files as sequences of records.
//!
//! ```text
//! REDIS, version (four digits), record*, ff, checksum (8 bytes, little endian; from version 5 on; 0: none)
//! ```

use std::io;

use super::decode::{self, Decoded, Templates, Undecoded};
use super::encode::Output;
use super::{Input, RdbError, VERSION_READ_MAX, module};

const MAGIC: &[u8; 5] = b"REDIS";
const MAGIC_VALKEY: &[u8; 6] = b"VALKEY";
/// From this version on a checksum stands at the end.
const VERSION_WITH_CHECKSUM: u16 = 5;

/// Bytes that begin a record that is no key.
pub(super) mod opcode {
    pub const TEMPLATE: u8 = 242;
    pub const METADATA: u8 = 243;
    pub const SLOT_INFO: u8 = 244;
    pub const FUNCTION: u8 = 245;
    pub const MODULE_AUX: u8 = 247;
    pub const IDLE: u8 = 248;
    pub const FREQUENCY: u8 = 249;
    pub const AUX: u8 = 250;
    pub const SIZES: u8 = 251;
    pub const EXPIRES_MS: u8 = 252;
    pub const EXPIRES_S: u8 = 253;
    pub const SELECT: u8 = 254;
    pub const END: u8 = 255;
}

/// What is said of keys by modules, of which only the end is known.
pub const METADATA: &str = "META (metadata of keys)";

/// One record, with a value as far as it was decoded.
#[derive(Clone, Debug, PartialEq)]
pub enum Record<V = Decoded> {
    /// A fact about the file: its name and value.
    Aux {
        name: Vec<u8>,
        value: Vec<u8>,
    },
    /// A library of functions, as its source.
    Function(Vec<u8>),
    /// How many keys the database has, and how many of them expire. A hint.
    Sizes {
        keys: u64,
        expiring: u64,
    },
    /// What a module added to the file, or to the key that comes next, skipped: the name of its type, or [`METADATA`].
    ModuleAux(String),
    Key(Key<V>),
}

/// A key of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Key<V = Decoded> {
    pub db: u64,
    pub name: Vec<u8>,
    pub value: V,
    /// Wall time in milliseconds since 1970 after which it is gone.
    pub expires_ms: Option<u64>,
    /// Seconds since it was used.
    pub idle_s: Option<u64>,
    /// How often it is used, on Redis's logarithmic scale.
    pub frequency: Option<u8>,
}

/// Reads a name and a value of a kind.
type ReadKey<'v, V> =
    dyn FnMut(&mut Input<'_>, u8, &Templates) -> Result<(Vec<u8>, V), RdbError> + 'v;

/// What is said of a key in front of it.
#[derive(Default)]
struct Attributes {
    expires_ms: Option<u64>,
    idle_s: Option<u64>,
    frequency: Option<u8>,
}

/// A file being read.
pub struct Reader<'a> {
    input: Input<'a>,
    version: u16,
    db: u64,
    templates: Templates,
    /// Of the key that comes next.
    ahead: Attributes,
    checks: bool,
}

impl<'a> Reader<'a> {
    /// Reads the head of the file. `checks`: its checksum is verified at the end.
    pub fn begin(mut input: Input<'a>, checks: bool) -> Result<Self, RdbError> {
        let mut head = [0; 9];
        if input.left() < head.len() as u64 {
            return Err(RdbError::NotRdb);
        }
        input.fill(&mut head)?;
        let number = |digits: &[u8]| -> Option<u16> {
            let text = std::str::from_utf8(digits).ok()?;
            text.bytes()
                .all(|digit| digit.is_ascii_digit())
                .then(|| text.parse().ok())?
        };
        if let (Some(digits), true) = (head.get(6..), head.starts_with(MAGIC_VALKEY)) {
            let version = number(digits).ok_or(RdbError::NotRdb)?;
            return Err(RdbError::Valkey { version });
        }
        let version = head
            .strip_prefix(MAGIC)
            .and_then(number)
            .filter(|version| *version > 0)
            .ok_or(RdbError::NotRdb)?;
        if version > VERSION_READ_MAX {
            return Err(RdbError::TooNew { version });
        }
        Ok(Self {
            input,
            version,
            db: 0,
            templates: Templates::new(),
            ahead: Attributes::default(),
            checks,
        })
    }

    /// The version of the file.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// Offset of the next byte.
    pub fn at(&self) -> u64 {
        self.input.at()
    }

    /// The next record; None at the end, whose checksum is right then.
    pub fn next_record(&mut self) -> Result<Option<Record>, RdbError> {
        self.next_with(&mut |input, kind, templates| {
            Ok((input.string()?, decode::value(input, kind, templates)?))
        })
    }

    /// The same; a key has no name and its value is not decoded, and the bytes of both are appended to `copy`.
    pub fn next_undecoded(
        &mut self,
        copy: &mut Vec<u8>,
    ) -> Result<Option<Record<Undecoded>>, RdbError> {
        self.next_with(&mut |input, kind, templates| {
            Ok((Vec::new(), decode::pass(input, kind, templates, copy)?))
        })
    }

    fn next_with<V>(&mut self, key: &mut ReadKey<'_, V>) -> Result<Option<Record<V>>, RdbError> {
        let (input, ahead) = (&mut self.input, &mut self.ahead);
        loop {
            let code = input.byte()?;
            return Ok(Some(match code {
                opcode::EXPIRES_MS => {
                    ahead.expires_ms = Some(input.u64_le()?);
                    continue;
                }
                opcode::EXPIRES_S => {
                    let seconds = u32::from_le_bytes(input.array()?);
                    ahead.expires_ms = Some(u64::from(seconds) * 1000);
                    continue;
                }
                opcode::IDLE => {
                    ahead.idle_s = Some(input.length()?);
                    continue;
                }
                opcode::FREQUENCY => {
                    ahead.frequency = Some(input.byte()?);
                    continue;
                }
                opcode::SELECT => {
                    self.db = input.length()?;
                    continue;
                }
                opcode::TEMPLATE => {
                    decode::read_template(input, &mut self.templates)?;
                    continue;
                }
                opcode::METADATA => {
                    module::skip_metadata(input)?;
                    Record::ModuleAux(METADATA.to_owned())
                }
                opcode::SLOT_INFO => {
                    for _ in 0..3 {
                        input.length()?;
                    }
                    continue;
                }
                opcode::AUX => Record::Aux {
                    name: input.string()?,
                    value: input.string()?,
                },
                opcode::SIZES => Record::Sizes {
                    keys: input.length()?,
                    expiring: input.length()?,
                },
                opcode::FUNCTION => Record::Function(input.string()?),
                opcode::MODULE_AUX => Record::ModuleAux(module::skip_auxiliary(input)?),
                opcode::END => return self.end().map(|()| None),
                kind => {
                    let (name, value) = key(input, kind, &self.templates)?;
                    let said = std::mem::take(ahead);
                    Record::Key(Key {
                        db: self.db,
                        name,
                        value,
                        expires_ms: said.expires_ms,
                        idle_s: said.idle_s,
                        frequency: said.frequency,
                    })
                }
            }));
        }
    }

    fn end(&mut self) -> Result<(), RdbError> {
        if self.version < VERSION_WITH_CHECKSUM {
            return Ok(());
        }
        let found = self.input.crc();
        let expected = self.input.u64_le()?;
        if self.checks && expected != 0 && expected != found {
            return Err(RdbError::Checksum { expected, found });
        }
        Ok(())
    }
}

/// A file being written: [`Writer::begin`], facts, functions, databases with their keys, [`Writer::end`].
pub struct Writer<'a> {
    pub out: Output<'a>,
    checksums: bool,
}

impl<'a> Writer<'a> {
    /// Writes the head of a file of this version.
    pub fn begin(mut out: Output<'a>, version: u16, checksums: bool) -> io::Result<Self> {
        out.bytes(MAGIC)?;
        out.bytes(format!("{version:04}").as_bytes())?;
        Ok(Self { out, checksums })
    }

    /// A fact about the file.
    pub fn aux(&mut self, name: &str, value: &[u8]) -> io::Result<()> {
        self.out.byte(opcode::AUX)?;
        self.out.string(name.as_bytes())?;
        self.out.string(value)
    }

    /// A library of functions.
    pub fn function(&mut self, source: &[u8]) -> io::Result<()> {
        self.out.byte(opcode::FUNCTION)?;
        self.out.string(source)
    }

    /// The keys that follow belong to this database.
    pub fn database(&mut self, db: u32, keys: u64, expiring: u64) -> io::Result<()> {
        self.out.byte(opcode::SELECT)?;
        self.out.length(u64::from(db))?;
        self.out.byte(opcode::SIZES)?;
        self.out.length(keys)?;
        self.out.length(expiring)
    }

    /// A key up to its value, which follows.
    pub fn key(&mut self, name: &[u8], kind: u8, expires_ms: Option<u64>) -> io::Result<()> {
        if let Some(expires_ms) = expires_ms {
            self.out.byte(opcode::EXPIRES_MS)?;
            self.out.bytes(&expires_ms.to_le_bytes())?;
        }
        self.out.byte(kind)?;
        self.out.string(name)
    }

    /// Ends the file. It is not flushed.
    pub fn end(mut self) -> io::Result<()> {
        self.out.byte(opcode::END)?;
        let crc = if self.checksums { self.out.crc() } else { 0 };
        self.out.bytes(&crc.to_le_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{List, Value, encode};
    use super::*;

    fn file() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::begin(Output::new(&mut bytes, true), 11, true).unwrap();
        writer.aux("redis-ver", b"7.4.0").unwrap();
        writer.function(b"#!lua name=x").unwrap();
        writer.database(3, 2, 1).unwrap();
        let value = Value::List(List::of(vec![b"a".to_vec(), b"b".to_vec()]));
        writer
            .key(b"list", encode::kind_of(&value, 11), None)
            .unwrap();
        encode::value(&mut writer.out, &value, 11).unwrap();
        writer.key(b"n", 0, Some(5000)).unwrap();
        encode::value(&mut writer.out, &Value::String(b"12".to_vec()), 11).unwrap();
        writer.end().unwrap();
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Vec<Record>, RdbError> {
        let (mut source, len) = (bytes, bytes.len() as u64);
        let mut reader = Reader::begin(Input::new(&mut source, len), true)?;
        let mut records = Vec::new();
        while let Some(record) = reader.next_record()? {
            records.push(record);
        }
        Ok(records)
    }

    #[test]
    fn a_file_comes_back() {
        let records = read(&file()).unwrap();
        assert_eq!(records.len(), 5);
        let Record::Key(key) = &records[4] else {
            panic!("the last record is a key");
        };
        assert_eq!((key.db, key.expires_ms), (3, Some(5000)));
        assert_eq!(key.value, Decoded::Value(Value::String(b"12".to_vec())));
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_noticed() {
        let whole = file();
        for len in 0..whole.len() {
            assert!(read(&whole[..len]).is_err(), "{len} bytes");
        }
        for at in 9..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            assert!(read(&damaged).is_err(), "byte {at}");
        }
    }

    /// A file of version 15 with these records.
    fn newest(records: &[u8]) -> Vec<u8> {
        // No checksum.
        [b"REDIS0015\xfe\0", records, b"\xff\0\0\0\0\0\0\0\0"].concat()
    }

    #[test]
    fn hashes_share_the_fields_of_a_template() {
        // Number 7, fields `a` and `bc`; two hashes, one a listpack of 7, 1 and x, one an array of y and z.
        let listpack = b"\x0e\0\0\0\x03\0\x07\x01\x01\x01\x81x\x02\xff";
        let listpack = [&[listpack.len() as u8][..], listpack].concat();
        let records = [
            b"\xf2\x07\x02\x01a\x02bc".as_slice(),
            b"\x1e\x01k",
            &listpack,
            b"\x20\x01l\x07\x01y\x01z",
        ];
        let bytes = newest(&records.concat());
        let mut hashes = Vec::new();
        for record in read(&bytes).unwrap() {
            let Record::Key(key) = record else {
                panic!("there are keys alone");
            };
            let Decoded::Value(Value::Hash(fields)) = key.value else {
                panic!("they are hashes");
            };
            let pairs = fields.into_iter().map(|field| (field.name, field.value));
            hashes.push(pairs.collect::<Vec<_>>());
        }
        let pairs =
            |a: &[u8], b: &[u8]| vec![(b"a".to_vec(), a.to_vec()), (b"bc".to_vec(), b.to_vec())];
        assert_eq!(hashes, [pairs(b"1", b"x"), pairs(b"y", b"z")]);
        // Undecoded they are the same.
        let (mut source, len) = (&bytes[..], bytes.len() as u64);
        let mut reader = Reader::begin(Input::new(&mut source, len), true).unwrap();
        let mut copy = Vec::new();
        while let Some(Record::Key(key)) = reader.next_undecoded(&mut copy).unwrap() {
            assert_eq!(key.value.decoded_bytes(), 5);
            let (_, value) = key.value.decode(&copy).unwrap();
            assert!(matches!(value, Decoded::Value(Value::Hash(fields)) if fields.len() == 2));
        }
        for wrong in [
            &b"\x20\x01l\x07\x01y\x01z"[..],
            b"\xf2\x07\x01\x01a\xf2\x07\x01\x01b",
            b"\xf2\x07\0",
        ] {
            let refused = read(&newest(wrong));
            assert!(
                matches!(refused, Err(RdbError::Damaged { .. })),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn what_modules_say_of_keys_is_skipped_and_told() {
        // An expiry, one class with an unsigned number and a string, and the key.
        let records = b"\xfc\x88\x13\0\0\0\0\0\0\xf3\x01abcd\x02\x09\x05\x01x\0\0\x01k\x01v";
        let records = read(&newest(records)).unwrap();
        let [Record::ModuleAux(name), Record::Key(key)] = &records[..] else {
            panic!("{records:?}");
        };
        assert_eq!(name, METADATA);
        assert_eq!((&key.name[..], key.expires_ms), (&b"k"[..], Some(5000)));
        assert_eq!(key.value, Decoded::Value(Value::String(b"v".to_vec())));
    }

    #[test]
    fn other_files_are_named() {
        assert!(matches!(read(b"PLAINTEXT FILE"), Err(RdbError::NotRdb)));
        assert!(matches!(
            read(b"REDIS0099xxxx"),
            Err(RdbError::TooNew { version: 99 })
        ));
        assert!(matches!(
            read(b"VALKEY080xxx"),
            Err(RdbError::Valkey { version: 80 })
        ));
    }
}
