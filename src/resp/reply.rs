//! Replies: every RESP2 and RESP3 type, written straight into the connection's buffer.

use std::borrow::Cow;
use std::fmt;

use super::{encode, text};

/// The protocol a connection speaks; HELLO changes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proto {
    #[default]
    Resp2,
    Resp3,
}

/// An error reply: code and text without the leading dash or the line end, for example `ERR syntax error`. What is not UTF-8
/// stands in it as [`text`] has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorReply(pub Cow<'static, str>);

impl ErrorReply {
    /// An error whose text is known when the program is built.
    pub const fn new(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// An error whose text is known only now.
    pub const fn formatted(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl fmt::Display for ErrorReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a [`Stream`] could not go on. A connection to which the reply is being sent is closed: half a reply cannot be taken back.
#[derive(Clone, Debug, thiserror::Error)]
#[error("a streamed reply broke off: {0}")]
pub struct StreamError(pub String);

/// A part of a reply that is produced while it is sent, off the engine lock, because it may be larger than memory.
pub trait Stream: Send {
    /// Appends about `bytes_wanted` more bytes to `out`; false when there are no more.
    fn fill(&mut self, out: &mut Vec<u8>, bytes_wanted: usize) -> Result<bool, StreamError>;
}

/// Bytes that are asked of a stream at a time where the whole reply is wanted in memory.
const STREAM_BYTES: usize = 1 << 20;

/// A stream and the place among the encoded bytes where it belongs.
pub type PlacedStream = (usize, Box<dyn Stream>);

/// The replies of one connection, encoded and not yet sent.
#[derive(Default)]
pub struct Reply {
    bytes: Vec<u8>,
    /// Streams and where in `bytes` each belongs, in order.
    streams: Vec<PlacedStream>,
    proto: Proto,
}

/// A place in a [`Reply`] to which it can be cut back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyMark {
    bytes: usize,
    streams: usize,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("bytes", &self.bytes.len())
            .field("streams", &self.streams.len())
            .finish()
    }
}

impl Reply {
    pub fn new(proto: Proto) -> Self {
        Self {
            bytes: Vec::new(),
            streams: Vec::new(),
            proto,
        }
    }

    pub fn proto(&self) -> Proto {
        self.proto
    }

    pub fn set_proto(&mut self, proto: Proto) {
        self.proto = proto;
    }

    pub fn is_resp3(&self) -> bool {
        self.proto == Proto::Resp3
    }

    /// Where the reply ends now.
    pub fn mark(&self) -> ReplyMark {
        ReplyMark {
            bytes: self.bytes.len(),
            streams: self.streams.len(),
        }
    }

    /// Takes back everything written since `mark`.
    pub fn cut(&mut self, mark: ReplyMark) {
        assert!(
            mark.bytes <= self.bytes.len() && mark.streams <= self.streams.len(),
            "a mark of this reply"
        );
        self.bytes.truncate(mark.bytes);
        self.streams.truncate(mark.streams);
    }

    /// Moves what was written since `later` before what was written between `earlier` and `later`.
    pub fn move_before(&mut self, earlier: ReplyMark, later: ReplyMark) {
        assert!(
            earlier.streams == self.streams.len(),
            "no streams between the marks"
        );
        let middle = later.bytes - earlier.bytes;
        self.bytes[earlier.bytes..].rotate_left(middle);
    }

    /// Encoded bytes, without what streams will add.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Encoded bytes written since `mark`.
    pub fn bytes_since(&self, mark: ReplyMark) -> &[u8] {
        &self.bytes[mark.bytes..]
    }

    /// Bytes that fit without new memory, the encoded ones included.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The buffer to append bytes to that are already in wire form.
    pub fn buffer_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Encodes into this buffer from now on. The reply is empty and so is the buffer.
    pub fn give_buffer(&mut self, buffer: Vec<u8>) {
        assert!(self.is_empty() && buffer.is_empty(), "nothing is lost");
        self.bytes = buffer;
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.streams.is_empty()
    }

    pub fn has_streams(&self) -> bool {
        !self.streams.is_empty()
    }

    /// Gives the encoded bytes and the streams with their places, leaving the reply empty.
    pub fn take(&mut self) -> (Vec<u8>, Vec<PlacedStream>) {
        (
            std::mem::take(&mut self.bytes),
            std::mem::take(&mut self.streams),
        )
    }

    /// Takes all encoded bytes, with what the streams add to them.
    pub fn take_whole(&mut self) -> Result<Vec<u8>, StreamError> {
        let (bytes, streams) = self.take();
        if streams.is_empty() {
            return Ok(bytes);
        }
        let (mut whole, mut from) = (Vec::with_capacity(bytes.len()), 0);
        for (at, mut stream) in streams {
            whole.extend_from_slice(&bytes[from..at]);
            from = at;
            while stream.fill(&mut whole, STREAM_BYTES)? {}
        }
        whole.extend_from_slice(&bytes[from..]);
        Ok(whole)
    }

    /// Empties the reply and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.streams.clear();
    }

    /// Bytes that are already in wire form.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// What `stream` produces goes here. The caller has written the header it completes.
    pub fn stream(&mut self, stream: Box<dyn Stream>) {
        self.streams.push((self.bytes.len(), stream));
    }

    pub fn ok(&mut self) {
        self.raw(b"+OK\r\n");
    }

    /// A status line. Line ends inside become spaces.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text);
    }

    /// An error line. Line ends inside become spaces.
    pub fn error(&mut self, error: &ErrorReply) {
        self.error_bytes(&text::to_bytes(&error.0));
    }

    /// An error line whose text need not be UTF-8: it repeats what a client sent. Line ends behind the text are no part
    /// of it, as in Redis.
    pub fn error_bytes(&mut self, text: &[u8]) {
        let is_end = |&&byte: &&u8| byte == b'\r' || byte == b'\n';
        let ends = text.iter().rev().take_while(is_end).count();
        self.line_bytes(b'-', &text[..text.len() - ends]);
    }

    fn line(&mut self, kind: u8, text: &str) {
        self.line_bytes(kind, text.as_bytes());
    }

    fn line_bytes(&mut self, kind: u8, text: &[u8]) {
        self.bytes.push(kind);
        self.bytes.extend(
            text.iter()
                .copied()
                .map(|b| if b == b'\r' || b == b'\n' { b' ' } else { b }),
        );
        self.bytes.extend_from_slice(b"\r\n");
    }

    pub fn int(&mut self, value: i64) {
        self.number(b':', value);
    }

    pub fn bulk(&mut self, bytes: &[u8]) {
        encode::bulk(&mut self.bytes, bytes);
    }

    /// A bulk string of `len` bytes that `fill` appends.
    pub fn bulk_from<E>(
        &mut self,
        len: u64,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.bulk_header(len);
        let before = self.bytes.len();
        fill(&mut self.bytes)?;
        let filled = (self.bytes.len() - before) as u64;
        assert_eq!(filled, len, "the bytes that the header promises");
        self.raw(b"\r\n");
        Ok(())
    }

    /// The header of a bulk string of `len` bytes; the bytes and a line end must follow.
    pub fn bulk_header(&mut self, len: u64) {
        encode::bulk_header(&mut self.bytes, len);
    }

    /// A bulk string that holds a number.
    pub fn bulk_int(&mut self, value: i64) {
        let mut digits = itoa::Buffer::new();
        self.bulk(digits.format(value).as_bytes());
    }

    /// No value: a null bulk string in RESP2, null in RESP3.
    pub fn null(&mut self) {
        self.raw(if self.is_resp3() {
            b"_\r\n"
        } else {
            b"$-1\r\n"
        });
    }

    /// No array: a null array in RESP2, null in RESP3.
    pub fn null_array(&mut self) {
        self.raw(if self.is_resp3() {
            b"_\r\n"
        } else {
            b"*-1\r\n"
        });
    }

    pub fn array(&mut self, len: usize) {
        self.number(b'*', len as i64);
    }

    /// A map of `pairs` keys and values; in RESP2 an array of twice as many.
    pub fn map(&mut self, pairs: usize) {
        if self.is_resp3() {
            self.number(b'%', pairs as i64);
        } else {
            self.array(pairs * 2);
        }
    }

    /// A map of `pairs` keys and values; in RESP2 an array of as many arrays of two, whose headers the caller writes.
    pub fn map_of_pairs(&mut self, pairs: usize) {
        self.number(if self.is_resp3() { b'%' } else { b'*' }, pairs as i64);
    }

    /// A set; in RESP2 an array.
    pub fn set(&mut self, len: usize) {
        self.number(if self.is_resp3() { b'~' } else { b'*' }, len as i64);
    }

    /// Attributes of the reply that follows. RESP3 only: the caller writes none to RESP2.
    pub fn attribute(&mut self, pairs: usize) {
        assert!(self.is_resp3(), "attributes exist in RESP3 only");
        self.number(b'|', pairs as i64);
    }

    /// A push message; in RESP2 an array.
    pub fn push(&mut self, len: usize) {
        self.number(if self.is_resp3() { b'>' } else { b'*' }, len as i64);
    }

    pub fn boolean(&mut self, value: bool) {
        if self.is_resp3() {
            self.raw(if value { b"#t\r\n" } else { b"#f\r\n" });
        } else {
            self.int(i64::from(value));
        }
    }

    /// A double, already printed as Redis prints it; in RESP2 a bulk string.
    pub fn double(&mut self, printed: &str) {
        if self.is_resp3() {
            self.line(b',', printed);
        } else {
            self.bulk(printed.as_bytes());
        }
    }

    /// A number too large for 64 bits; in RESP2 a bulk string.
    pub fn big_number(&mut self, digits: &str) {
        if self.is_resp3() {
            self.line(b'(', digits);
        } else {
            self.bulk(digits.as_bytes());
        }
    }

    /// Text with a three-letter format such as `txt`; in RESP2 a bulk string.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        assert_eq!(format.len(), 3, "the format has three letters");
        if self.is_resp3() {
            self.number(b'=', text.len() as i64 + 4);
            self.raw(format.as_bytes());
            self.raw(b":");
            self.raw(text);
            self.raw(b"\r\n");
        } else {
            self.bulk(text);
        }
    }

    fn number(&mut self, kind: u8, value: i64) {
        encode::number(&mut self.bytes, kind, value);
    }
}
