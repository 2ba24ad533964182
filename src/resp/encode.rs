//! The bytes of replies and requests, appended to a buffer: for [`Reply`](super::Reply), and for what is produced piece by
//! piece without one.

/// What ends every line, and the bytes of a bulk string.
pub const LINE_END: &[u8] = b"\r\n";

/// Appends `kind`, a number and a line end.
pub fn number(out: &mut Vec<u8>, kind: u8, value: i64) {
    // Most lengths are short.
    if let 0..100 = value {
        let (tens, ones) = (b'0' + (value / 10) as u8, b'0' + (value % 10) as u8);
        if value >= 10 {
            out.extend_from_slice(&[kind, tens, ones, b'\r', b'\n']);
        } else {
            out.extend_from_slice(&[kind, ones, b'\r', b'\n']);
        }
        return;
    }
    let mut digits = itoa::Buffer::new();
    out.push(kind);
    out.extend_from_slice(digits.format(value).as_bytes());
    out.extend_from_slice(LINE_END);
}

/// Appends the header of an aggregate of `len` items, or of a string of `len` bytes.
pub fn header(out: &mut Vec<u8>, kind: u8, len: u64) {
    number(out, kind, len as i64);
}

/// Appends an integer.
pub fn int(out: &mut Vec<u8>, value: i64) {
    number(out, b':', value);
}

/// Appends the header of an array of `len` items.
pub fn array(out: &mut Vec<u8>, len: u64) {
    header(out, b'*', len);
}

/// Appends the header of a bulk string of `len` bytes; the bytes and [`LINE_END`] must follow.
pub fn bulk_header(out: &mut Vec<u8>, len: u64) {
    header(out, b'$', len);
}

/// Appends a bulk string.
pub fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + 16);
    bulk_header(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
    out.extend_from_slice(LINE_END);
}

/// Appends an array of bulk strings: a command, or a message.
pub fn bulks<'a>(out: &mut Vec<u8>, items: impl ExactSizeIterator<Item = &'a [u8]>) {
    array(out, items.len() as u64);
    for item in items {
        bulk(out, item);
    }
}
