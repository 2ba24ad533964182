//! Values: reading them from words, and printing them as CONFIG GET and as a configuration file do.

use super::choices::{SHUTDOWN_NOSAVE, SHUTDOWN_SAVE, Words};
use super::composite::{OomScores, OutputLimits, Percentiles, ReplicaOf, SavePoint};
use super::events;
use super::kind::{Kind, TextRule, Unit};
use super::number;
use super::words;
use crate::resp::text::until_nul;

/// The value of a directive.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of the kinds for which [`Kind::is_number`]. A number above `i64::MAX` is kept as its bits.
    Number(i64),
    Text(Vec<u8>),
    Save(Vec<SavePoint>),
    OutputLimits(OutputLimits),
    OomScores(OomScores),
    Bind(Vec<Vec<u8>>),
    ReplicaOf(Option<ReplicaOf>),
    Percentiles(Percentiles),
}

/// Why a value is refused. The texts are those of Redis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error("wrong number of arguments")]
    WrongNumberOfArguments,
    #[error("argument must be 'yes' or 'no'")]
    NotYesNo,
    #[error("argument couldn't be parsed into an integer")]
    NotInteger,
    #[error("argument must be a memory value")]
    NotMemory,
    #[error("argument must be a memory or percent value")]
    NotMemoryOrPercent,
    #[error("argument couldn't be parsed as an octal number")]
    NotOctal,
    #[error("argument must be between {min} and {max} inclusive")]
    OutOfRange { min: String, max: String },
    #[error("percentage argument must be less or equal to {max}")]
    PercentTooLarge { max: i128 },
    #[error("argument must be a power of two")]
    NotPowerOfTwo,
    #[error("argument(s) must be one of the following: {words}")]
    NotOneOf { words: String },
    #[error("shutdown options SAVE and NOSAVE can't be used simultaneously")]
    SaveAndNosave,
    #[error("{0}")]
    Text(&'static str),
    #[error("Invalid save parameters")]
    Save,
    #[error("Wrong number of arguments in buffer limit configuration.")]
    LimitWords,
    #[error("Invalid client class specified in buffer limit configuration.")]
    LimitClass,
    #[error("Error in hard, soft or soft_seconds setting in buffer limit configuration.")]
    LimitFigure,
    #[error("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")]
    OomScore,
    #[error("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")]
    EventClass,
    #[error("Too many bind addresses specified.")]
    TooManyAddresses,
    #[error("Invalid master port")]
    MasterPort,
    #[error("Invalid latency-tracking-info-percentiles parameters")]
    Percentile,
    #[error("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")]
    PercentileRange,
}

/// As many addresses as Redis takes.
const ADDRESSES_MAX: usize = 16;

impl Kind {
    pub fn default_value(&self) -> Value {
        match *self {
            Self::YesNo { default } => Value::Number(i64::from(default)),
            Self::Number { default, .. } | Self::Choice { default, .. } => Value::Number(default),
            Self::Choices { .. } | Self::Events => Value::Number(0),
            Self::Text { default, .. } => Value::Text(default.as_bytes().to_vec()),
            Self::Directory => Value::Text(Vec::new()),
            // The data is in its file without being saved.
            Self::Save => Value::Save(Vec::new()),
            Self::OutputLimits => Value::OutputLimits(OutputLimits::DEFAULT),
            Self::OomScores => Value::OomScores(OomScores::DEFAULT),
            Self::Bind => Value::Bind(vec![b"127.0.0.1".to_vec(), b"-::1".to_vec()]),
            Self::ReplicaOf => Value::ReplicaOf(None),
            Self::Percentiles => Value::Percentiles(Percentiles::default_points()),
        }
    }

    /// Whether a zero byte is a byte like others; elsewhere a word ends there, as a text of C does.
    fn reads_whole_words(&self) -> bool {
        match self {
            Self::Text { rule, .. } => matches!(rule, TextRule::Bytes | TextRule::NodeName),
            Self::Percentiles => true,
            Self::Number { unit, .. } => matches!(unit, Unit::Plain | Unit::Hertz),
            _ => false,
        }
    }

    /// Reads a value. `current` is the value so far: output limits that are not named keep theirs.
    pub fn parse(&self, words: &[Vec<u8>], current: &Value) -> Result<Value, Invalid> {
        if !self.reads_whole_words() && words.iter().any(|word| word.contains(&0)) {
            let cut: Vec<Vec<u8>> = words.iter().map(|word| until_nul(word).to_vec()).collect();
            return self.parse(&cut, current);
        }
        Ok(match *self {
            Self::YesNo { .. } => Value::Number(parse_yes_no(only(words)?)?),
            Self::Number { min, max, unit, .. } => {
                Value::Number(number::parse(only(words)?, min, max, unit)?)
            }
            Self::Choice { words: choice, .. } => Value::Number(parse_choice(choice, words)?),
            Self::Choices { words: choice } => Value::Number(parse_choices(choice, words)?),
            Self::Text { rule, .. } => {
                let text = only(words)?;
                rule.check(text)?;
                Value::Text(text.to_vec())
            }
            Self::Directory => Value::Text(only(words)?.to_vec()),
            Self::Save => Value::Save(SavePoint::parse(words)?),
            Self::OutputLimits => {
                let Value::OutputLimits(current) = current else {
                    panic!("the current value is of the same kind");
                };
                Value::OutputLimits(current.parse(words)?)
            }
            Self::OomScores => Value::OomScores(OomScores::parse(words)?),
            Self::Events => Value::Number(events::parse(only(words)?)?),
            Self::Bind => Value::Bind(parse_bind(words)?),
            Self::ReplicaOf => Value::ReplicaOf(ReplicaOf::parse(words)?),
            Self::Percentiles => Value::Percentiles(Percentiles::parse(words)?),
        })
    }

    /// Prints a value as CONFIG GET shows it.
    pub fn print(&self, value: &Value) -> Vec<u8> {
        match (self, value) {
            (Self::YesNo { .. }, Value::Number(yes)) => {
                if *yes != 0 { b"yes" as &[u8] } else { b"no" }.to_vec()
            }
            (Self::Number { max, unit, .. }, Value::Number(number)) => {
                number::print(*number, *max, *unit).into_bytes()
            }
            (Self::Choice { words, .. }, Value::Number(number)) => {
                word_of(words, *number).as_bytes().to_vec()
            }
            (Self::Choices { words }, Value::Number(bits)) => print_choices(words, *bits),
            (Self::Events, Value::Number(bits)) => events::print(*bits).into_bytes(),
            (_, Value::Text(text)) => text.clone(),
            (_, Value::Save(points)) => SavePoint::print(points).into_bytes(),
            (_, Value::OutputLimits(limits)) => limits.print().into_bytes(),
            (_, Value::OomScores(scores)) => scores.print().into_bytes(),
            (_, Value::Bind(addresses)) => addresses.join(&b' '),
            (_, Value::ReplicaOf(primary)) => {
                primary.as_ref().map(ReplicaOf::print).unwrap_or_default()
            }
            (_, Value::Percentiles(points)) => points.print().into_bytes(),
            (_, Value::Number(_)) => panic!("this kind is not kept as a number"),
        }
    }

    /// The words after the name on each line of a configuration file that says this value, and whether the line must
    /// be written even if it was not there. No line when the file must not name the directive at all.
    pub fn lines(&self, value: &Value) -> Vec<(Vec<u8>, bool)> {
        let differs = *value != self.default_value();
        match (self, value) {
            (Self::Number { max, unit, .. }, Value::Number(number)) => {
                vec![(
                    number::print_short(*number, *max, *unit).into_bytes(),
                    differs,
                )]
            }
            (Self::Text { optional: true, .. }, Value::Text(text)) if text.is_empty() => Vec::new(),
            (Self::Text { .. }, Value::Text(text)) => vec![(words::quote(text), differs)],
            (Self::Directory, Value::Text(text)) if text.is_empty() => Vec::new(),
            (Self::Directory, Value::Text(text)) => vec![(words::quote(text), true)],
            (Self::Save, Value::Save(points)) if !points.is_empty() => points
                .iter()
                .map(|point| (SavePoint::print(&[*point]).into_bytes(), differs))
                .collect(),
            (Self::Save, _) => vec![(b"\"\"".to_vec(), differs)],
            (Self::OutputLimits, Value::OutputLimits(limits)) => limits.lines(),
            (Self::ReplicaOf, Value::ReplicaOf(None)) => Vec::new(),
            (Self::Percentiles, _) => vec![(or_empty(self.print(value)), true)],
            (Self::Events, _) => vec![(words::quote(&self.print(value)), differs)],
            _ => vec![(or_empty(self.print(value)), differs)],
        }
    }
}

/// A line needs a word: an empty value is written as two quotes.
fn or_empty(printed: Vec<u8>) -> Vec<u8> {
    if printed.is_empty() {
        b"\"\"".to_vec()
    } else {
        printed
    }
}

fn only(words: &[Vec<u8>]) -> Result<&[u8], Invalid> {
    match words {
        [word] => Ok(word),
        _ => Err(Invalid::WrongNumberOfArguments),
    }
}

fn parse_yes_no(word: &[u8]) -> Result<i64, Invalid> {
    if word.eq_ignore_ascii_case(b"yes") {
        Ok(1)
    } else if word.eq_ignore_ascii_case(b"no") {
        Ok(0)
    } else {
        Err(Invalid::NotYesNo)
    }
}

fn find_word(choice: Words, word: &[u8]) -> Result<i64, Invalid> {
    choice
        .iter()
        .find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word))
        .map(|(_, number)| *number)
        .ok_or_else(|| not_one_of(choice))
}

fn not_one_of(choice: Words) -> Invalid {
    let names: Vec<&str> = choice.iter().map(|(name, _)| *name).collect();
    Invalid::NotOneOf {
        words: names.join(", "),
    }
}

fn parse_choice(choice: Words, words: &[Vec<u8>]) -> Result<i64, Invalid> {
    match words {
        [word] => find_word(choice, word),
        _ => Err(not_one_of(choice)),
    }
}

fn parse_choices(choice: Words, words: &[Vec<u8>]) -> Result<i64, Invalid> {
    if words.is_empty() {
        return Err(not_one_of(choice));
    }
    let mut bits = 0;
    for word in words {
        bits |= find_word(choice, word)?;
    }
    let both = SHUTDOWN_SAVE | SHUTDOWN_NOSAVE;
    if bits & both == both {
        return Err(Invalid::SaveAndNosave);
    }
    Ok(bits)
}

fn word_of(words: Words, number: i64) -> &'static str {
    words
        .iter()
        .find(|(_, of)| *of == number)
        .map(|(name, _)| *name)
        .expect("only numbers of words are kept")
}

fn print_choices(words: Words, bits: i64) -> Vec<u8> {
    if bits == 0 {
        return word_of(words, 0).as_bytes().to_vec();
    }
    let names: Vec<&str> = words
        .iter()
        .filter(|(_, bit)| *bit != 0 && bits & bit == *bit)
        .map(|(name, _)| *name)
        .collect();
    names.join(" ").into_bytes()
}

fn parse_bind(words: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Invalid> {
    if words.len() > ADDRESSES_MAX {
        return Err(Invalid::TooManyAddresses);
    }
    if let [only] = words
        && only.is_empty()
    {
        return Ok(Vec::new());
    }
    Ok(words.to_vec())
}

impl TextRule {
    fn check(self, text: &[u8]) -> Result<(), Invalid> {
        let is_path = memchr::memchr2(b'/', b'\\', text).is_some();
        let refusal = match self {
            Self::Any | Self::Bytes => None,
            Self::DbFile => is_path.then_some("dbfilename can't be a path, just a filename"),
            Self::AppendFile if text.is_empty() => Some("appendfilename can't be empty"),
            Self::AppendFile => {
                is_path.then_some("appendfilename can't be a path, just a filename")
            }
            Self::AppendDir if text.is_empty() => Some("appenddirname can't be empty"),
            Self::AppendDir => is_path.then_some("appenddirname can't be a path, just a dirname"),
            Self::Hostname if text.len() >= 256 => {
                Some("Hostnames must be less than 256 characters")
            }
            Self::Hostname => (!text
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || *b == b'-' || *b == b'.'))
            .then_some("Hostnames may only contain alphanumeric characters, hyphens or dots"),
            Self::NodeName => text
                .iter()
                .any(|b| b"\0!#$%&()*+:;<>?@[]^{|}~".contains(b))
                .then_some("Announced human node name contained invalid character"),
            Self::ProcTitle => (!is_title_template(text))
                .then_some("template format is invalid or contains unknown variables"),
        };
        refusal.map_or(Ok(()), |text| Err(Invalid::Text(text)))
    }
}

/// Variables that a process title may name.
const TITLE_VARIABLES: &[&[u8]] = &[
    b"title",
    b"listen-addr",
    b"server-mode",
    b"port",
    b"tls-port",
    b"unixsocket",
    b"config-file",
];

/// Text with `{variable}`; `{{` stands for a brace. It must not come out empty.
fn is_title_template(text: &[u8]) -> bool {
    let mut rest = text;
    let mut visible = false;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'{' {
            visible |= byte != b' ';
        } else if let Some(after) = rest.strip_prefix(b"{") {
            visible = true;
            rest = after;
        } else {
            let Some(end) = memchr::memchr(b'}', rest) else {
                return false;
            };
            if !TITLE_VARIABLES.contains(&&rest[..end]) {
                return false;
            }
            // These two may stand for nothing.
            visible |= !matches!(&rest[..end], b"title" | b"server-mode");
            rest = &rest[end + 1..];
        }
    }
    visible
}
