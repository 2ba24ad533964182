//! What FUNCTION DUMP answers and FUNCTION RESTORE takes: the code of libraries, each behind an opcode, and the footer of
//! other payloads.

use super::encode::Output;
use super::file::opcode;
use super::{Input, VERSIONS_WRITTEN, payload};

/// The opcode of an early form, whose libraries had other fields.
const FUNCTION_PRE_GA: u8 = 246;

/// The payload of these libraries, given by their code.
pub fn write<'a>(codes: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let version = 12;
    assert!(VERSIONS_WRITTEN.contains(&version), "it is written");
    let mut bytes = Vec::new();
    let mut out = Output::new(&mut bytes, true);
    for code in codes {
        out.byte(opcode::FUNCTION)
            .and_then(|()| out.string(code))
            .expect("memory takes every write");
    }
    payload::close(&mut bytes, version);
    bytes
}

/// The code of each library in a payload whose footer is right, read as it is asked for. An error is the text of an error
/// reply, and the last that is to be asked for.
pub fn codes(payload: &[u8]) -> Option<impl Iterator<Item = Result<Vec<u8>, &'static str>>> {
    let body_len = payload::open(payload).ok()?.len();
    let mut rest = payload;
    Some(std::iter::from_fn(move || {
        let at = payload.len() - rest.len();
        (at < body_len).then(|| code(&mut rest))
    }))
}

/// Takes the code of a library off. As in Redis it may reach into the footer, which then is a part of it.
fn code(rest: &mut &[u8]) -> Result<Vec<u8>, &'static str> {
    let len = rest.len() as u64;
    let mut input = Input::new(rest, len);
    match input.byte().map_err(|_| "can not read data type")? {
        opcode::FUNCTION => input.string().map_err(|_| "Failed loading library payload"),
        FUNCTION_PRE_GA => Err("Pre-GA function format not supported"),
        _ => Err("given type is not a function"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(payload: &[u8]) -> Option<Result<Vec<Vec<u8>>, &'static str>> {
        codes(payload).map(Iterator::collect)
    }

    fn closed(body: &[u8]) -> Vec<u8> {
        let mut payload = body.to_vec();
        payload::close(&mut payload, 12);
        payload
    }

    #[test]
    fn libraries_come_back_and_other_things_are_refused() {
        let codes: [&[u8]; 2] = [b"#!lua name=a\nreturn 1", &[b'x'; 500]];
        let payload = write(codes.into_iter());
        assert_eq!(read(&payload), Some(Ok(codes.map(<[u8]>::to_vec).to_vec())));
        assert_eq!(read(&closed(b"")), Some(Ok(Vec::new())));
        let mut damaged = payload.clone();
        damaged[3] ^= 1;
        assert_eq!(read(&damaged), None);
        let refused = |body: &[u8]| read(&closed(body)).and_then(Result::err);
        assert_eq!(
            refused(&[246]),
            Some("Pre-GA function format not supported")
        );
        assert_eq!(refused(&[0]), Some("given type is not a function"));
        assert_eq!(
            refused(&payload[..5]),
            Some("Failed loading library payload")
        );
    }

    #[test]
    fn what_comes_before_the_damage_is_there_and_the_footer_is_taken_for_code() {
        let mut body = b"\xf5\x03one\xf5\x05two".to_vec();
        let payload = closed(&body);
        let mut read = codes(&payload).expect("a footer");
        assert_eq!(read.next(), Some(Ok(b"one".to_vec())));
        assert_eq!(read.next(), Some(Ok(b"two\x0c\x00".to_vec())));
        assert_eq!(read.next(), None);
        body[6] = 14;
        let payload = closed(&body);
        let mut read = codes(&payload).expect("a footer");
        assert_eq!(read.next(), Some(Ok(b"one".to_vec())));
        assert_eq!(read.next(), Some(Err("Failed loading library payload")));
    }
}
