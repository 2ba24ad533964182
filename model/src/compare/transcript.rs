//! What was sent and answered, as lines for redis-cli.

/// Arguments and replies are shown up to this many bytes.
const SHOWN_BYTES_MAX: usize = 400;

/// The lines of one sequence.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    lines: Vec<String>,
    connection: Option<usize>,
}

impl Transcript {
    /// Adds a request; names the connection where it changes.
    pub fn request(&mut self, connection: usize, request: &[Vec<u8>]) {
        if self.connection != Some(connection) {
            self.lines.push(format!("# connection {connection}"));
            self.connection = Some(connection);
        }
        let words: Vec<String> = request.iter().map(|argument| quoted(argument)).collect();
        self.lines.push(words.join(" "));
    }

    /// Adds a line that is not a request.
    pub fn note(&mut self, text: &str) {
        self.lines.push(format!("# {text}"));
    }

    pub fn text(&self) -> String {
        self.lines.join("\n")
    }
}

/// Bytes in the quotes redis-cli reads, cut if they are many.
pub fn quoted(bytes: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:*?+#".contains(byte);
    if !bytes.is_empty() && bytes.len() <= SHOWN_BYTES_MAX && bytes.iter().all(plain) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let shown = &bytes[..bytes.len().min(SHOWN_BYTES_MAX)];
    let mut text = String::from("\"");
    for &byte in shown {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text.push('"');
    if shown.len() < bytes.len() {
        text.push_str(&format!("...({} bytes)", bytes.len()));
    }
    text
}
