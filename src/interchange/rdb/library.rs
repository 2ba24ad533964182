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

/// The payload without its footer, if that is right.
pub fn open(payload: &[u8]) -> Option<&[u8]> {
    payload::open(payload).ok()
}

/// The code of each library in a payload without its footer. The error is the text of an error reply.
pub fn read(body: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    let (mut source, len) = (body, body.len() as u64);
    let mut input = Input::new(&mut source, len);
    let mut codes = Vec::new();
    while input.left() > 0 {
        match input.byte().map_err(|_| "can not read data type")? {
            opcode::FUNCTION => {
                let code = input.string();
                codes.push(code.map_err(|_| "failed loading the given functions payload")?);
            }
            FUNCTION_PRE_GA => return Err("Pre-GA function format not supported"),
            _ => return Err("given type is not a function"),
        }
    }
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_come_back_and_other_things_are_refused() {
        let codes: [&[u8]; 2] = [b"#!lua name=a\nreturn 1", &[b'x'; 500]];
        let payload = write(codes.into_iter());
        let body = open(&payload).expect("a footer");
        assert_eq!(read(body), Ok(codes.map(<[u8]>::to_vec).to_vec()));
        let mut damaged = payload.clone();
        damaged[3] ^= 1;
        assert_eq!(open(&damaged), None);
        assert_eq!(read(&[246]), Err("Pre-GA function format not supported"));
        assert_eq!(read(&[0]), Err("given type is not a function"));
        let cut = read(&body[..5]);
        assert_eq!(cut, Err("failed loading the given functions payload"));
    }
}
