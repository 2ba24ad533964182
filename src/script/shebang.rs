//! What scripts and functions declare of themselves, and the first line where they do.

use crate::config::words;

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
    let parts = words::split(line).filter(|parts| !parts.is_empty());
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
    let parts = words::split(line).filter(|parts| !parts.is_empty());
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
        // Feeds stand between words, and not at their end.
        let library = parse_library(b"#!\x0cua\x0b \x0cname=x\n").expect("a library");
        assert_eq!(
            (&*library.engine, &*library.name),
            (&b"\x0cua\x0b"[..], &b"x"[..])
        );
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
