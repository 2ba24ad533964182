//! Replies as values, and their bytes in either protocol version.

/// The protocol version a connection has chosen with HELLO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Resp2,
    Resp3,
}

/// A reply before it is encoded. The same value has different bytes in RESP2 and RESP3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Status(Vec<u8>),
    Error(Vec<u8>),
    Integer(i64),
    Bulk(Vec<u8>),
    /// A text with a three-letter format; a plain bulk string in RESP2.
    Verbatim(Vec<u8>),
    Null,
    /// No array; the same as no value in RESP3.
    NullArray,
    /// A number, printed; a bulk string in RESP2.
    Double(String),
    Array(Vec<Reply>),
    /// An array in RESP2.
    Set(Vec<Reply>),
    /// A message that answers nothing; an array in RESP2.
    Push(Vec<Reply>),
    /// One after the other.
    Several(Vec<Reply>),
    /// Pairs; a flat array in RESP2.
    Map(Vec<(Reply, Reply)>),
    /// Bytes that are encoded already.
    Encoded(Vec<u8>),
    /// Nothing is sent: CLIENT REPLY OFF and SKIP.
    Silence,
}

impl Reply {
    pub fn ok() -> Reply {
        Reply::Status(b"OK".to_vec())
    }

    pub fn bulk(bytes: &[u8]) -> Reply {
        Reply::Bulk(bytes.to_vec())
    }

    pub fn count(number: usize) -> Reply {
        Reply::Integer(i64::try_from(number).expect("counts fit in 63 bits"))
    }

    pub fn flag(value: bool) -> Reply {
        Reply::Integer(i64::from(value))
    }

    /// The bytes that go to the client.
    pub fn encode(&self, protocol: Protocol) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(protocol, &mut out);
        out
    }

    fn write(&self, protocol: Protocol, out: &mut Vec<u8>) {
        match self {
            Reply::Status(text) => line(out, b'+', text),
            Reply::Error(text) => line(out, b'-', text),
            Reply::Integer(number) => line(out, b':', number.to_string().as_bytes()),
            Reply::Bulk(bytes) => blob(out, b'$', bytes),
            Reply::Verbatim(bytes) => match protocol {
                Protocol::Resp2 => blob(out, b'$', bytes),
                Protocol::Resp3 => blob(out, b'=', &[b"txt:", bytes.as_slice()].concat()),
            },
            Reply::Null => match protocol {
                Protocol::Resp2 => line(out, b'$', b"-1"),
                Protocol::Resp3 => line(out, b'_', b""),
            },
            Reply::NullArray => match protocol {
                Protocol::Resp2 => line(out, b'*', b"-1"),
                Protocol::Resp3 => line(out, b'_', b""),
            },
            Reply::Double(text) => match protocol {
                Protocol::Resp2 => blob(out, b'$', text.as_bytes()),
                Protocol::Resp3 => line(out, b',', text.as_bytes()),
            },
            Reply::Encoded(bytes) => out.extend_from_slice(bytes),
            Reply::Array(items) => {
                line(out, b'*', items.len().to_string().as_bytes());
                items.iter().for_each(|item| item.write(protocol, out));
            }
            Reply::Set(items) => aggregate(out, b'~', items, protocol),
            Reply::Push(items) => aggregate(out, b'>', items, protocol),
            Reply::Several(replies) => replies.iter().for_each(|reply| reply.write(protocol, out)),
            Reply::Map(pairs) => {
                match protocol {
                    Protocol::Resp2 => line(out, b'*', (pairs.len() * 2).to_string().as_bytes()),
                    Protocol::Resp3 => line(out, b'%', pairs.len().to_string().as_bytes()),
                }
                for (key, value) in pairs {
                    key.write(protocol, out);
                    value.write(protocol, out);
                }
            }
            Reply::Silence => {}
        }
    }
}

/// An aggregate that RESP2 has no kind for.
fn aggregate(out: &mut Vec<u8>, kind: u8, items: &[Reply], protocol: Protocol) {
    let kind = match protocol {
        Protocol::Resp2 => b'*',
        Protocol::Resp3 => kind,
    };
    line(out, kind, items.len().to_string().as_bytes());
    items.iter().for_each(|item| item.write(protocol, out));
}

fn line(out: &mut Vec<u8>, kind: u8, text: &[u8]) {
    out.push(kind);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

fn blob(out: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    line(out, kind, bytes.len().to_string().as_bytes());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}
