//! The locales of the C library, which its `strcoll` and `strxfrm` know.

use std::ffi::{CStr, CString, c_char};
use std::sync::Arc;

use crate::command::collation::{Locale, UnknownLocale};
use crate::resp::text::until_nul;

unsafe extern "C" {
    /// Writes `room` bytes at most, a zero at the end included, and returns how many there are without it.
    fn strxfrm_l(
        key: *mut c_char,
        text: *const c_char,
        room: usize,
        locale: libc::locale_t,
    ) -> usize;
}

/// Bytes of a key for each byte of a text: enough for Latin letters, and more is found out where it is not.
const KEY_BYTES_A_BYTE: usize = 4;

/// Variables of the environment that name the locale where none is named, the first one that is set.
const VARIABLES: [&str; 3] = ["LC_ALL", "LC_COLLATE", "LANG"];

/// The locale of this name, or of the environment if the name is empty; None: bytes are compared.
pub fn find(name: &[u8]) -> Result<Option<Arc<dyn Locale>>, UnknownLocale> {
    let name = CString::new(name).map_err(|_| UnknownLocale)?;
    if is_plain(&name) {
        return Ok(None);
    }
    // SAFETY: the name ends with a zero byte; no locale is the base of a new one.
    let handle =
        unsafe { libc::newlocale(libc::LC_COLLATE_MASK, name.as_ptr(), std::ptr::null_mut()) };
    if handle.is_null() {
        return Err(UnknownLocale);
    }
    Ok(Some(Arc::new(SystemLocale(handle))))
}

/// Whether this is the locale of C programs that ask for none.
fn is_plain(name: &CStr) -> bool {
    let of_environment = || {
        let mut set = VARIABLES.iter().filter_map(std::env::var_os);
        set.find(|value| !value.is_empty())
            .is_none_or(|value| value == "C" || value == "POSIX")
    };
    match name.to_bytes() {
        b"" => of_environment(),
        name => name == b"C" || name == b"POSIX",
    }
}

/// A locale that the C library has loaded.
#[derive(Debug)]
struct SystemLocale(libc::locale_t);

// SAFETY: a locale is not changed once it is made, and the library's functions only read it.
unsafe impl Send for SystemLocale {}
// SAFETY: as above.
unsafe impl Sync for SystemLocale {}

impl Locale for SystemLocale {
    fn key(&self, text: &[u8]) -> Vec<u8> {
        let text = [until_nul(text), b"\0"].concat();
        let mut key: Vec<u8> = Vec::with_capacity(text.len() * KEY_BYTES_A_BYTE);
        loop {
            let room = key.capacity();
            // SAFETY: the text ends with a zero byte, the key has room for so many bytes, and the locale lives as long as
            // this does.
            let len =
                unsafe { strxfrm_l(key.as_mut_ptr().cast(), text.as_ptr().cast(), room, self.0) };
            if len < room {
                // SAFETY: so many bytes have been written, and a zero behind them.
                unsafe { key.set_len(len) };
                return key;
            }
            key.reserve(len + 1);
        }
    }
}

impl Drop for SystemLocale {
    fn drop(&mut self) {
        // SAFETY: it was made by `newlocale` and is freed once.
        unsafe { libc::freelocale(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_is_there_or_unknown() {
        assert!(matches!(find(b"C"), Ok(None)));
        assert!(matches!(find(b"POSIX"), Ok(None)));
        assert!(find(b"xx_XX").is_err());
        assert!(find(b"../etc").is_err());
    }
}
