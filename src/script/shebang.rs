//! What scripts and functions declare of themselves, and the first line where they do.

/// What a script or function promises or asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u8);

/// One of the flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// It calls no command that writes.
    NoWrites,
    /// It may run when there is no memory left.
    AllowOom,
    /// It may run on a replica that has lost its master.
    AllowStale,
    /// It does not run in a cluster.
    NoCluster,
    /// It may name keys of several slots.
    AllowCrossSlotKeys,
}

/// The flags with their names, in the order in which they are listed.
pub const FLAGS: [(Flag, &str); 5] = [
    (Flag::NoWrites, "no-writes"),
    (Flag::AllowOom, "allow-oom"),
    (Flag::AllowStale, "allow-stale"),
    (Flag::NoCluster, "no-cluster"),
    (Flag::AllowCrossSlotKeys, "allow-cross-slot-keys"),
];

impl Flags {
    pub fn has(self, flag: Flag) -> bool {
        self.0 & (1 << flag as u8) != 0
    }

    pub fn add(&mut self, flag: Flag) {
        self.0 |= 1 << flag as u8;
    }

    /// The names of those that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        FLAGS
            .into_iter()
            .filter(move |(flag, _)| self.has(*flag))
            .map(|(_, name)| name)
    }
}

/// A script without its first line, where that declares something; the line's end stays, so that lines keep their
/// numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Script<'a> {
    pub code: &'a [u8],
    /// None: it declares nothing, and is treated as scripts were before they could.
    pub flags: Option<Flags>,
}

/// The first line without its end, and the rest with it; None where the code does not begin with `#!`.
fn first_line(code: &[u8]) -> Option<Option<(&[u8], &[u8])>> {
    code.starts_with(b"#!").then(|| {
        let end = memchr::memchr2(b'\n', 0, code).filter(|&end| code[end] == b'\n')?;
        Some(code.split_at(end))
    })
}

/// Reads the first line of a script. The error is a text without a code.
pub fn parse_script(code: &[u8]) -> Result<Script<'_>, Vec<u8>> {
    let Some(line) = first_line(code) else {
        return Ok(Script { code, flags: None });
    };
    let (line, code) = line.ok_or("Invalid script shebang")?;
    let parts = words(line).filter(|parts| !parts.is_empty());
    let parts = parts.ok_or("Invalid engine in script shebang")?;
    let shown = |text: &str, part: &[u8]| [text.as_bytes(), part].concat();
    if parts[0] != b"#!lua" {
        return Err(shown("Unexpected engine in script shebang: ", &parts[0]));
    }
    let mut flags = Flags::default();
    for part in &parts[1..] {
        let Some(list) = part.strip_prefix(b"flags=") else {
            return Err(shown("Unknown lua shebang option: ", part));
        };
        if list.is_empty() {
            continue;
        }
        for name in list.split(|&b| b == b',') {
            let known = FLAGS.iter().find(|(_, known)| known.as_bytes() == name);
            let Some((flag, _)) = known else {
                return Err(shown("Unexpected flag in script shebang: ", name));
            };
            flags.add(*flag);
        }
    }
    Ok(Script {
        code,
        flags: Some(flags),
    })
}

/// A library without its first line, and what that says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library<'a> {
    pub engine: Vec<u8>,
    pub name: Vec<u8>,
    pub code: &'a [u8],
}

/// Reads the first line of a library. The error is a text without a code.
pub fn parse_library(code: &[u8]) -> Result<Library<'_>, Vec<u8>> {
    let line = first_line(code).ok_or("Missing library metadata")?;
    let (line, code) = line.ok_or("Invalid library metadata")?;
    let parts = words(line).filter(|parts| !parts.is_empty());
    let parts = parts.ok_or("Invalid library metadata")?;
    let mut name = None;
    for part in &parts[1..] {
        match part.split_at_checked(5) {
            Some((key, value)) if key.eq_ignore_ascii_case(b"name=") => {
                if name.replace(value.to_vec()).is_some() {
                    return Err(
                        b"Invalid metadata value, name argument was given multiple times".to_vec(),
                    );
                }
            }
            _ => return Err([b"Invalid metadata value given: ".as_slice(), part].concat()),
        }
    }
    Ok(Library {
        engine: parts[0][2..].to_vec(),
        name: name.ok_or("Library name was not given")?,
        code,
    })
}

/// Whether a library or function can be called so.
pub fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The words of a line, which may stand in quotes; None where a quote is not closed or something follows it.
fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        let blank = rest.iter().take_while(|&&b| is_space(b)).count();
        rest = &rest[blank..];
        if rest.is_empty() {
            return Some(words);
        }
        let (word, behind) = word(rest)?;
        words.push(word);
        rest = behind;
    }
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// The word that a line begins with, and what is behind it.
fn word(line: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    let mut rest = line;
    loop {
        match rest {
            [] => return Some((word, rest)),
            [byte, ..] if is_space(*byte) => return Some((word, rest)),
            [quote @ (b'"' | b'\''), behind @ ..] => {
                rest = quoted(*quote, behind, &mut word)?;
                return match rest.first() {
                    Some(byte) if !is_space(*byte) => None,
                    _ => Some((word, rest)),
                };
            }
            [byte, behind @ ..] => {
                word.push(*byte);
                rest = behind;
            }
        }
    }
}

/// Reads up to the closing quote; what is behind it.
fn quoted<'a>(quote: u8, text: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return None,
            [byte, behind @ ..] if *byte == quote => return Some(behind),
            [b'\\', b'x', high, low, behind @ ..]
                if quote == b'"' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                let digit = |b: u8| (b as char).to_digit(16).unwrap_or(0) as u8;
                word.push(digit(*high) << 4 | digit(*low));
                behind
            }
            [b'\\', escaped, behind @ ..] if quote == b'"' => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                behind
            }
            [b'\\', b'\'', behind @ ..] if quote == b'\'' => {
                word.push(b'\'');
                behind
            }
            [byte, behind @ ..] => {
                word.push(*byte);
                behind
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(code: &str) -> Result<Vec<&'static str>, String> {
        match parse_script(code.as_bytes()) {
            Ok(script) => Ok(script
                .flags
                .map_or(vec!["compatible"], |f| f.names().collect())),
            Err(text) => Err(String::from_utf8(text).expect("text")),
        }
    }

    #[test]
    fn scripts_declare_flags() {
        assert_eq!(flags("return 1"), Ok(vec!["compatible"]));
        assert_eq!(flags("#!lua\nreturn 1"), Ok(vec![]));
        assert_eq!(
            flags("#!lua flags=allow-oom,no-writes\n"),
            Ok(vec!["no-writes", "allow-oom"])
        );
        for (code, error) in [
            ("#!lua", "Invalid script shebang"),
            ("#!lua \"x\n", "Invalid engine in script shebang"),
            ("#!js\n", "Unexpected engine in script shebang: #!js"),
            ("#!lua flags=a\n", "Unexpected flag in script shebang: a"),
            (
                "#!lua flags=no-writes,\n",
                "Unexpected flag in script shebang: ",
            ),
            ("#!lua name=x\n", "Unknown lua shebang option: name=x"),
        ] {
            assert_eq!(flags(code), Err(error.to_owned()), "{code:?}");
        }
        let script = parse_script(b"#!lua flags=no-writes\nreturn 1").expect("a script");
        assert_eq!(script.code, b"\nreturn 1");
    }

    #[test]
    fn libraries_have_names() {
        let library = parse_library(b"#!LUA NAME=\"a\\x62\"\nx").expect("a library");
        assert_eq!(library.engine, b"LUA");
        assert_eq!(library.name, b"ab");
        assert_eq!(library.code, b"\nx");
        for (code, error) in [
            ("x", "Missing library metadata"),
            ("#!lua", "Invalid library metadata"),
            ("#!lua\n", "Library name was not given"),
            ("#!lua foo=1\n", "Invalid metadata value given: foo=1"),
            (
                "#!lua name=a name=b\n",
                "Invalid metadata value, name argument was given multiple times",
            ),
        ] {
            let failed = parse_library(code.as_bytes())
                .map_err(|text| String::from_utf8_lossy(&text).into_owned());
            assert_eq!(failed, Err(error.to_owned()));
        }
    }
}
