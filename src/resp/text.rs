//! Texts that repeat what clients sent, which need not be UTF-8.
//!
//! A byte that is none of UTF-8 stands in a text as a character of its own, among the last of the last private plane, and
//! is that byte again where the text is written. Such characters in what was sent stand as their bytes.

/// The character that stands for byte 0.
const BASE: u32 = 0x10_FF00;

/// The byte that a character stands for.
fn byte_of(c: char) -> Option<u8> {
    u32::from(c).checked_sub(BASE).map(|byte| byte as u8)
}

fn stands_for(byte: u8) -> char {
    char::from_u32(BASE + u32::from(byte)).expect("the last plane ends behind it")
}

/// The text of bytes.
pub fn of_bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if byte_of(c).is_none() {
                text.push(c);
            } else {
                let mut buffer = [0; 4];
                let bytes = c.encode_utf8(&mut buffer).bytes();
                text.extend(bytes.map(stands_for));
            }
        }
        text.extend(chunk.invalid().iter().copied().map(stands_for));
    }
    text
}

/// The bytes of a text.
pub fn to_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match byte_of(c) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// The part of `text` that a C string would hold.
pub fn until_nul(text: &[u8]) -> &[u8] {
    match memchr::memchr(0, text) {
        Some(end) => &text[..end],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_were() {
        let last = "\u{10ffff}\u{10fe80}".as_bytes();
        for bytes in [
            &b"plain"[..],
            b"",
            b"\xff\x00a\x80\xc3",
            "gr\u{fc}n".as_bytes(),
            last,
            &last[..7],
        ] {
            assert_eq!(to_bytes(&of_bytes(bytes)), bytes);
        }
        assert_eq!(of_bytes("gr\u{fc}n".as_bytes()), "gr\u{fc}n");
    }
}
