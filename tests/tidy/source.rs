//! Rust source as tokens, without comments and strings, and the paths in it with their groups written out.

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// An identifier, a number, `::`, or one character.
    pub text: String,
    /// From 1.
    pub line: usize,
    /// Whether it is inside an item under `#[cfg(test)]` or `#[test]`.
    pub in_test: bool,
}

/// A path such as `std::fs::read`, one for each leaf of a `use` tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    pub segments: Vec<String>,
    pub line: usize,
    pub in_test: bool,
    /// Names of the inline modules around it.
    pub modules: Vec<String>,
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The tokens of `text`. A string or character literal is the token `""`.
pub fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let (mut out, mut at, mut line) = (Vec::new(), 0, 1);
    while at < chars.len() {
        let start = at;
        let token = match chars[at] {
            c if c.is_whitespace() => {
                at += 1;
                None
            }
            '/' if chars.get(at + 1) == Some(&'/') => {
                at += chars[at..]
                    .iter()
                    .position(|c| *c == '\n')
                    .unwrap_or(chars.len() - at);
                None
            }
            '/' if chars.get(at + 1) == Some(&'*') => {
                at = end_of_block_comment(&chars, at);
                None
            }
            c if is_word(c) => {
                while at < chars.len() && is_word(chars[at]) {
                    at += 1;
                }
                let word: String = chars[start..at].iter().collect();
                match end_of_prefixed_string(&chars, at, &word) {
                    Some(end) => {
                        at = end;
                        Some("\"\"".to_owned())
                    }
                    None => Some(word),
                }
            }
            '"' => {
                at = end_of_quoted(&chars, at + 1, '"');
                Some("\"\"".to_owned())
            }
            '\'' => {
                at = end_of_apostrophe(&chars, at);
                Some("\"\"".to_owned())
            }
            ':' if chars.get(at + 1) == Some(&':') => {
                at += 2;
                Some("::".to_owned())
            }
            c => {
                at += 1;
                Some(c.to_string())
            }
        };
        if let Some(text) = token {
            out.push(Token {
                text,
                line,
                in_test: false,
            });
        }
        line += chars[start..at].iter().filter(|c| **c == '\n').count();
    }
    mark_tests(&mut out);
    out
}

fn end_of_block_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                at += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    break;
                }
            }
            _ => at += 1,
        }
    }
    at.min(chars.len())
}

fn end_of_quoted(chars: &[char], mut at: usize, quote: char) -> usize {
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// The end of `r"..."`, `r#"..."#`, `b"..."`, `c"..."`, `b'.'` and so on, if `word` is such a prefix.
fn end_of_prefixed_string(chars: &[char], at: usize, word: &str) -> Option<usize> {
    match word {
        "b" | "c" if chars.get(at) == Some(&'"') => Some(end_of_quoted(chars, at + 1, '"')),
        "b" if chars.get(at) == Some(&'\'') => Some(end_of_quoted(chars, at + 1, '\'')),
        "r" | "br" | "cr" => {
            let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
            if chars.get(at + hashes) != Some(&'"') {
                return None;
            }
            let mut end = at + hashes + 1;
            while end < chars.len() {
                let closes = chars[end] == '"'
                    && chars[end + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
                end += 1;
                if closes {
                    return Some(end + hashes);
                }
            }
            Some(end)
        }
        _ => None,
    }
}

/// The end of a character literal or of a lifetime.
fn end_of_apostrophe(chars: &[char], at: usize) -> usize {
    let is_literal = chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'');
    if is_literal {
        return end_of_quoted(chars, at + 1, '\'');
    }
    let name = chars[at + 1..].iter().take_while(|c| is_word(**c)).count();
    at + 1 + name
}

/// The index behind the bracket that closes the one at `open`.
pub fn behind_closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// Attributes as the index of `#` and the index behind `]`.
pub fn attributes(tokens: &[Token]) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    for at in 0..tokens.len() {
        if tokens[at].text != "#" {
            continue;
        }
        let open = at + 1 + usize::from(tokens.get(at + 1).is_some_and(|t| t.text == "!"));
        if tokens.get(open).is_some_and(|t| t.text == "[") {
            out.push((at, behind_closing(tokens, open)));
        }
    }
    out
}

fn mark_tests(tokens: &mut [Token]) {
    for (start, end) in attributes(tokens) {
        let words: Vec<&str> = tokens[start..end].iter().map(|t| t.text.as_str()).collect();
        let is_cfg_test =
            words.get(2) == Some(&"cfg") && words.contains(&"test") && !words.contains(&"not");
        if words.get(2) != Some(&"test") && !is_cfg_test {
            continue;
        }
        // The item ends with its first block or with a semicolon.
        let mut at = end;
        while at < tokens.len() && tokens[at].text != ";" && tokens[at].text != "{" {
            at = match tokens[at].text.as_str() {
                "(" | "[" => behind_closing(tokens, at),
                _ => at + 1,
            };
        }
        let behind = if at < tokens.len() && tokens[at].text == "{" {
            behind_closing(tokens, at)
        } else {
            at
        };
        for token in &mut tokens[start..behind] {
            token.in_test = true;
        }
    }
}

/// Every path of at least one segment, and every leaf of a group.
pub fn paths(tokens: &[Token]) -> Vec<Path> {
    let mut out = Vec::new();
    let mut modules: Vec<(String, usize)> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        while modules.last().is_some_and(|(_, end)| at >= *end) {
            modules.pop();
        }
        let text = |i: usize| tokens.get(i).map_or("", |t| t.text.as_str());
        if text(at) == "mod" && text(at + 2) == "{" {
            modules.push((text(at + 1).to_owned(), behind_closing(tokens, at + 2)));
            at += 3;
        } else if text(at).starts_with(is_word) {
            let names: Vec<String> = modules.iter().map(|(name, _)| name.clone()).collect();
            at = leaves(tokens, at, &[], &names, &mut out);
        } else {
            at += 1;
        }
    }
    out
}

/// Adds the paths that begin at `at` behind `prefix`; returns the index behind them.
fn leaves(
    tokens: &[Token],
    mut at: usize,
    prefix: &[String],
    modules: &[String],
    out: &mut Vec<Path>,
) -> usize {
    let first = at;
    let mut segments = prefix.to_vec();
    let text = |i: usize| tokens.get(i).map_or("", |t| t.text.as_str());
    loop {
        match text(at) {
            "{" => {
                let end = behind_closing(tokens, at);
                at += 1;
                while at < end - 1 {
                    at = match text(at) {
                        "," => at + 1,
                        "as" => at + 2,
                        _ => leaves(tokens, at, &segments, modules, out),
                    };
                }
                return end;
            }
            word if word == "*" || word.starts_with(is_word) => {
                segments.push(word.to_owned());
                at += 1;
            }
            _ => {
                at += usize::from(at == first);
                break;
            }
        }
        if text(at) != "::" {
            break;
        }
        at += 1;
    }
    out.push(Path {
        segments,
        line: tokens[first].line,
        in_test: tokens[first].in_test,
        modules: modules.to_vec(),
    });
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Vec<String> {
        paths(&tokens(text))
            .iter()
            .map(|p| p.segments.join("::"))
            .filter(|p| p.contains("::"))
            .collect()
    }

    #[test]
    fn groups_are_written_out() {
        assert_eq!(
            written("use crate::{a, b::{c, self}, d::*}; let x = std::fs::read(y);"),
            [
                "crate::a",
                "crate::b::c",
                "crate::b::self",
                "crate::d::*",
                "std::fs::read"
            ]
        );
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        assert!(
            written(
                "// a::b\n/* c::d /* e::f */ g::h */ \"i::j\\\"k::l\" r#\"m::\"n\"# b'\\'' '\"' 'a"
            )
            .is_empty()
        );
        assert_eq!(written("'\"' a::b \"\""), ["a::b"]);
        assert_eq!(written("fn f<'a>(x: &'a str) { c::d }"), ["c::d"]);
    }

    #[test]
    fn test_code_is_marked() {
        let code = "#[cfg(all(test, loom))]\nmod m { x } y #[cfg(not(test))] mod n { z } #[test] fn t() { w }";
        let marked: Vec<String> = tokens(code)
            .into_iter()
            .filter(|t| t.in_test)
            .map(|t| t.text)
            .collect();
        for (word, expected) in [("x", true), ("y", false), ("z", false), ("w", true)] {
            assert_eq!(marked.iter().any(|t| t == word), expected, "{word}");
        }
    }

    #[test]
    fn lines_count_from_one() {
        let lines: Vec<usize> = tokens("a\n/*\n*/ b \"\n\" c")
            .iter()
            .map(|t| t.line)
            .collect();
        assert_eq!(lines, [1, 3, 3, 4]);
    }
}
