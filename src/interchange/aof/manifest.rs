//! The manifest: the file that names the parts, one a line.

/// Longest manifest that is believed, in bytes.
pub const MANIFEST_BYTES_MAX: u64 = 16 << 20;

/// A part of an append-only file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    pub seq: u64,
}

/// The parts, in the order in which they are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    pub base: Option<Part>,
    pub increments: Vec<Part>,
    /// Parts that are not needed any more and may be there.
    pub history: Vec<Part>,
}

/// A line of a manifest that is not understood; lines count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the manifest: {what}")]
pub struct BadLine {
    pub line: usize,
    pub what: &'static str,
}

impl Manifest {
    pub fn parse(text: &str) -> Result<Self, BadLine> {
        let mut manifest = Self::default();
        let mut is_empty = true;
        for (at, line) in text.lines().enumerate() {
            is_empty = false;
            if line.starts_with('#') {
                continue;
            }
            let part = part_of(line).and_then(|(part, kind)| manifest.add(part, kind));
            part.map_err(|what| BadLine { line: at + 1, what })?;
        }
        if is_empty {
            let what = "it is empty";
            return Err(BadLine { line: 1, what });
        }
        Ok(manifest)
    }

    fn add(&mut self, part: Part, kind: &str) -> Result<(), &'static str> {
        let parts = self.base.iter().chain(&self.increments);
        if parts.chain(&self.history).any(|one| one.name == part.name) {
            return Err("the file is named twice");
        }
        let last = self.increments.last().map_or(0, |last| last.seq);
        match kind {
            "b" if self.base.is_none() => self.base = Some(part),
            "b" => return Err("there is a base already"),
            "i" if part.seq > last => self.increments.push(part),
            "i" => return Err("the increments are not in the order of their numbers"),
            "h" => self.history.push(part),
            _ => return Err("the type of the file is none of b, i and h"),
        }
        Ok(())
    }

    /// The parts that are read, in order.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.base.iter().chain(&self.increments)
    }

    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let kinds = [
            (self.base.as_slice(), 'b'),
            (&self.increments, 'i'),
            (&self.history, 'h'),
        ];
        for (parts, kind) in kinds {
            for Part { name, seq } in parts {
                let name = if name.contains([' ', '"', '\'', '\\']) {
                    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
                } else {
                    name.clone()
                };
                text.push_str(&format!("file {name} seq {seq} type {kind}\n"));
            }
        }
        text
    }
}

/// The file of a line, and of what type it is. A line has pairs of words, of which newer servers may add some.
fn part_of(line: &str) -> Result<(Part, &'static str), &'static str> {
    const NOT_PAIRS: &str = "it is not made of pairs of words";
    let words = words_of(line).ok_or("a quoted word does not end")?;
    if words.len() < 6 || !words.len().is_multiple_of(2) {
        return Err(NOT_PAIRS);
    }
    let (mut name, mut seq, mut kind) = (None, None, None);
    for pair in words.chunks_exact(2) {
        let [what, value] = pair else {
            return Err(NOT_PAIRS);
        };
        match what.to_ascii_lowercase().as_str() {
            "file" => name = Some(value),
            "seq" => seq = value.parse().ok().filter(|seq| *seq > 0),
            "type" => kind = ["b", "i", "h"].into_iter().find(|kind| kind == value),
            _ => {}
        }
    }
    let name = name.ok_or("it names no file")?;
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\', '\0']) {
        return Err("the name of the file leads elsewhere");
    }
    let part = Part {
        name: name.clone(),
        seq: seq.ok_or("it has no number")?,
    };
    Ok((
        part,
        kind.ok_or("the type of the file is none of b, i and h")?,
    ))
}

/// The words of a line, of which some stand in quotes; None: a quote is not closed.
fn words_of(line: &str) -> Option<Vec<String>> {
    let (mut words, mut rest) = (Vec::new(), line.trim());
    while !rest.is_empty() {
        let (word, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_word(quoted)?,
            None => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        words.push(word);
        if !behind.is_empty() && !behind.starts_with(char::is_whitespace) {
            return None;
        }
        rest = behind.trim_start();
    }
    Some(words)
}

/// A word up to its closing quote, and what follows.
fn quoted_word(quoted: &str) -> Option<(String, &str)> {
    let (mut word, mut escaped) = (String::new(), false);
    for (at, letter) in quoted.char_indices() {
        match letter {
            '"' if !escaped => return Some((word, &quoted[at + 1..])),
            '\\' if !escaped => escaped = true,
            letter => {
                escaped = false;
                word.push(letter);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_comes_back() {
        let text = "file a.1.base.rdb seq 1 type b\nfile \"a b.2.incr.aof\" seq 2 type i\n";
        let manifest = Manifest::parse(text).unwrap();
        assert_eq!(manifest.increments[0].name, "a b.2.incr.aof");
        assert_eq!(manifest.to_text(), text);
        let newer = "seq 7 file a.aof type i startoffset 12\n# said\n";
        let manifest = Manifest::parse(newer).unwrap();
        assert_eq!(manifest.increments[0].seq, 7);
    }

    #[test]
    fn what_no_server_writes_is_refused() {
        let bad = |text: &str| Manifest::parse(text).expect_err(text);
        assert_eq!(bad("file a seq x type b").line, 1);
        assert_eq!(bad("file a seq 1 type b\nfile ../a seq 1 type i").line, 2);
        for text in [
            "file a seq 1 type z",
            "file a seq 1",
            "file a seq 1 type i extra",
            "",
            "\n",
            "file a seq 0 type i",
            "file \"a\"b seq 1 type i",
            "name a seq 1 type b",
            "file \"a seq 1 type b",
            "file .. seq 1 type i",
            "file a seq -1 type i",
            "file a seq 1 type b\nfile b seq 2 type b",
            "file a seq 2 type i\nfile b seq 1 type i",
            "file a seq 1 type i\nfile b seq 1 type i",
            "file a seq 1 type b\nfile a seq 1 type i",
        ] {
            bad(text);
        }
    }
}
