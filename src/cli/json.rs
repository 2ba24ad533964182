//! JSON, as far as reports need it.

use std::fmt::Write;

/// A string of JSON.
pub(super) fn text(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => write!(out, "\\u{:04x}", u32::from(c)).expect("written"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn texts_are_escaped() {
        let text = "a\"b\\c\n\u{1}é";
        let read: String = serde_json::from_str(&super::text(text)).expect("JSON");
        assert_eq!(read, text);
    }
}
