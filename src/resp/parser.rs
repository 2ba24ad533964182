//! Requests: arrays of bulk strings and inline commands.
//!
//! The parser is sans-IO and resumable: it looks at the bytes that have arrived of one request, remembers where
//! it stands, and goes on from there when more arrive. Words are spans into those bytes, so an argument is never
//! copied here; only inline requests, whose quoting has to be undone, are spelled out into a scratch buffer.
//!
//! Spans are relative to the first byte of the request: the owner of the bytes may move them between calls as
//! long as the slice it passes still starts with the same request.

use std::ops::Range;

use memchr::memchr2;

use super::integer::parse_i64;
use super::line;

/// The longest inline request, and the longest line that holds a count, in bytes.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// Most words a request may announce.
const WORDS_MAX: i64 = i32::MAX as i64;
/// Most words and bytes a word of a connection that has not authenticated.
const UNAUTHENTICATED_WORDS_MAX: i64 = 10;
const UNAUTHENTICATED_BULK_BYTES_MAX: i64 = 16 * 1024;
/// Spans kept for the next request; a larger list is given back.
const SPANS_KEPT_MAX: usize = 1024;
/// Bytes of scratch kept for the next inline request.
const SCRATCH_BYTES_KEPT_MAX: usize = 4096;

/// What a request must keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `proto-max-bulk-len`: the longest word, in bytes.
    pub bulk_bytes_max: u64,
    /// False while the connection still has to authenticate: few and short words only.
    pub authenticated: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bulk_bytes_max: 512 << 20,
            authenticated: true,
        }
    }
}

/// Why the bytes are not a request. The connection is told and closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    #[error("too big inline request")]
    InlineTooBig,
    #[error("unbalanced quotes in request")]
    UnbalancedQuotes,
    #[error("too big mbulk count string")]
    CountTooBig,
    #[error("invalid multibulk length")]
    Count,
    #[error("unauthenticated multibulk length")]
    CountUnauthenticated,
    #[error("too big bulk count string")]
    BulkCountTooBig,
    /// The byte that stood in place of the dollar sign.
    #[error("expected '$', got '{}'", char::from(*.0))]
    ExpectedDollar(u8),
    #[error("invalid bulk length")]
    BulkLen,
    #[error("unauthenticated bulk length")]
    BulkLenUnauthenticated,
}

impl ProtocolError {
    /// The error line that answers it, without dash and line end. A byte that is not text is sent as it came.
    pub fn reply(self) -> Vec<u8> {
        let mut line = b"ERR Protocol error: ".to_vec();
        match self {
            Self::ExpectedDollar(byte) => {
                line.extend_from_slice(b"expected '$', got '");
                // The text ends at a zero byte, as it would in C.
                if byte != 0 {
                    line.push(byte);
                    line.push(b'\'');
                }
            }
            other => line.extend_from_slice(other.to_string().as_bytes()),
        }
        line
    }
}

/// How far [`Parser::parse`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A request is complete: see [`Parser::words`]; it takes [`Parser::consumed`] bytes.
    Request,
    /// An empty line or an empty array: [`Parser::consumed`] bytes that ask for nothing.
    Nothing,
    /// More bytes are needed: at least this many.
    Incomplete(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the first byte of a request.
    Start,
    /// In the first line of an array.
    Count,
    /// In the line that announces the next word.
    BulkLen,
    /// In a word of this many bytes.
    Bulk(usize),
    Inline,
    /// Complete; the next call starts the next request.
    Done,
}

/// Turns the bytes of a connection into requests, one at a time.
#[derive(Debug)]
pub struct Parser {
    state: State,
    /// The next byte that is not understood yet.
    position: usize,
    /// Bytes of the current line that are known to hold no line end.
    scanned: usize,
    words_left: i64,
    spans: Vec<Range<usize>>,
    /// The words of an inline request, spelled out.
    scratch: Vec<u8>,
    inline: bool,
}

impl Default for Parser {
    fn default() -> Self {
        Self {
            state: State::Start,
            position: 0,
            scanned: 0,
            words_left: 0,
            spans: Vec::new(),
            scratch: Vec::new(),
            inline: false,
        }
    }
}

impl Parser {
    /// Goes on with the request at the start of `input`. After [`Progress::Request`] or [`Progress::Nothing`] the
    /// next call expects the bytes that follow the consumed ones.
    pub fn parse(&mut self, input: &[u8], limits: &Limits) -> Result<Progress, ProtocolError> {
        if self.state == State::Done {
            self.reset();
        }
        assert!(self.position <= input.len(), "bytes never disappear");
        if self.state == State::Start && limits.authenticated && self.whole(input, limits) {
            return Ok(Progress::Request);
        }
        loop {
            let progress = match self.state {
                State::Start => self.start(input),
                State::Count => self.count(input, limits)?,
                State::BulkLen => self.bulk_len(input, limits)?,
                State::Bulk(len) => self.bulk(input, len),
                State::Inline => self.inline(input)?,
                State::Done => unreachable!("a finished request ends the loop"),
            };
            if let Some(progress) = progress {
                return Ok(progress);
            }
        }
    }

    /// How many bytes the finished request takes, or how many of an unfinished one are understood.
    pub fn consumed(&self) -> usize {
        self.position
    }

    /// Whether a request has begun and is not complete.
    pub fn in_request(&self) -> bool {
        !matches!(self.state, State::Start | State::Done)
    }

    /// Appends the words of the finished request to `words`; `input` is the slice it was parsed from.
    pub fn words<'a>(&'a self, input: &'a [u8], words: &mut Vec<&'a [u8]>) {
        let source = if self.inline { &self.scratch } else { input };
        words.extend(self.spans.iter().map(|span| &source[span.clone()]));
    }

    /// Bytes of all words so far.
    pub fn words_bytes(&self) -> usize {
        self.spans.iter().map(Range::len).sum()
    }

    fn reset(&mut self) {
        self.state = State::Start;
        self.position = 0;
        self.scanned = 0;
        self.spans.clear();
        if self.spans.capacity() > SPANS_KEPT_MAX {
            self.spans = Vec::new();
        }
        if self.inline {
            self.inline = false;
            self.scratch.clear();
            if self.scratch.capacity() > SCRATCH_BYTES_KEPT_MAX {
                self.scratch = Vec::new();
            }
        }
    }

    /// Understands a request that has arrived whole and has few and short words, as nearly all are; false, and
    /// nothing changed, for every other one.
    fn whole(&mut self, input: &[u8], limits: &Limits) -> bool {
        match self.whole_end(input, limits) {
            Some(end) => {
                self.position = end;
                self.state = State::Done;
                true
            }
            None => {
                self.spans.clear();
                false
            }
        }
    }

    /// Collects the spans of a whole request; where it ends.
    #[inline]
    fn whole_end(&mut self, input: &[u8], limits: &Limits) -> Option<usize> {
        let (count, mut at) = short_number(input, 0, b'*')?;
        if count == 0 {
            return None;
        }
        for _ in 0..count {
            let (len, start) = short_number(input, at, b'$')?;
            at = start + len + 2;
            if at > input.len() || len as u64 > limits.bulk_bytes_max {
                return None;
            }
            self.spans.push(start..start + len);
        }
        Some(at)
    }

    fn start(&mut self, input: &[u8]) -> Option<Progress> {
        match input.first() {
            None => return Some(Progress::Incomplete(1)),
            Some(b'*') => self.state = State::Count,
            Some(_) => self.state = State::Inline,
        }
        None
    }

    /// The end of the line at `position` (where its carriage return stands) once the line feed is there too.
    /// A zero byte hides what follows it, so such a line only ever gets too long.
    fn line_end(
        &mut self,
        input: &[u8],
        too_big: ProtocolError,
    ) -> Result<Option<usize>, ProtocolError> {
        let line = &input[self.position..];
        match memchr2(b'\r', 0, &line[self.scanned..]).map(|at| at + self.scanned) {
            Some(at) if line[at] == b'\r' && at <= LINE_BYTES_MAX => {
                self.scanned = at;
                if at + 1 < line.len() {
                    self.scanned = 0;
                    return Ok(Some(self.position + at));
                }
            }
            Some(at) => {
                if line.len() > LINE_BYTES_MAX {
                    return Err(too_big);
                }
                self.scanned = at;
            }
            None if line.len() > LINE_BYTES_MAX => return Err(too_big),
            None => self.scanned = line.len(),
        }
        Ok(None)
    }

    fn count(&mut self, input: &[u8], limits: &Limits) -> Result<Option<Progress>, ProtocolError> {
        let Some(end) = self.line_end(input, ProtocolError::CountTooBig)? else {
            return Ok(Some(Progress::Incomplete(1)));
        };
        let count = parse_i64(&input[self.position + 1..end])
            .filter(|&n| n <= WORDS_MAX)
            .ok_or(ProtocolError::Count)?;
        if count > UNAUTHENTICATED_WORDS_MAX && !limits.authenticated {
            return Err(ProtocolError::CountUnauthenticated);
        }
        self.position = end + 2;
        if count <= 0 {
            self.state = State::Done;
            return Ok(Some(Progress::Nothing));
        }
        self.words_left = count;
        self.state = State::BulkLen;
        Ok(None)
    }

    fn bulk_len(
        &mut self,
        input: &[u8],
        limits: &Limits,
    ) -> Result<Option<Progress>, ProtocolError> {
        let Some(end) = self.line_end(input, ProtocolError::BulkCountTooBig)? else {
            return Ok(Some(Progress::Incomplete(1)));
        };
        let first = input[self.position];
        if first != b'$' {
            return Err(ProtocolError::ExpectedDollar(first));
        }
        let len = parse_i64(&input[self.position + 1..end])
            .filter(|&n| n >= 0 && n as u64 <= limits.bulk_bytes_max)
            .ok_or(ProtocolError::BulkLen)?;
        if len > UNAUTHENTICATED_BULK_BYTES_MAX && !limits.authenticated {
            return Err(ProtocolError::BulkLenUnauthenticated);
        }
        self.position = end + 2;
        self.state = State::Bulk(len as usize);
        Ok(None)
    }

    fn bulk(&mut self, input: &[u8], len: usize) -> Option<Progress> {
        let arrived = input.len() - self.position;
        // The two bytes after a word are not looked at, as in Redis.
        if arrived < len + 2 {
            return Some(Progress::Incomplete(len + 2 - arrived));
        }
        self.spans.push(self.position..self.position + len);
        self.position += len + 2;
        self.words_left -= 1;
        if self.words_left > 0 {
            self.state = State::BulkLen;
            return None;
        }
        self.state = State::Done;
        Some(Progress::Request)
    }

    fn inline(&mut self, input: &[u8]) -> Result<Option<Progress>, ProtocolError> {
        assert_eq!(self.position, 0, "an inline request is one line");
        let found = memchr2(b'\n', 0, &input[self.scanned..]).map(|at| at + self.scanned);
        let end = match found {
            Some(at) if input[at] == b'\n' && at <= LINE_BYTES_MAX => at,
            _ if input.len() > LINE_BYTES_MAX => return Err(ProtocolError::InlineTooBig),
            found => {
                self.scanned = found.unwrap_or(input.len());
                return Ok(Some(Progress::Incomplete(1)));
            }
        };
        let line = &input[..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.inline = true;
        line::split(line, &mut self.scratch, &mut self.spans)
            .ok_or(ProtocolError::UnbalancedQuotes)?;
        self.position = end + 1;
        self.state = State::Done;
        Ok(Some(if self.spans.is_empty() {
            Progress::Nothing
        } else {
            Progress::Request
        }))
    }
}

/// What a request probably asks for, as places in the input: a guess, for looking ahead only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guess {
    /// The second word, of most commands the key; empty where there is none.
    pub key: Range<usize>,
    /// An element of the set, hash or sorted set at the key; empty where no such command is plain to see.
    pub element: Range<usize>,
    /// The second key, of commands that change two; empty where there is none.
    pub other_key: Range<usize>,
    /// The last member of the sorted set at the key is popped, or the first; None: neither.
    pub pops_last: Option<bool>,
}

/// Guesses of the requests that begin at `at`, as far as they are plain to see, `max` at most.
pub fn guess(input: &[u8], mut at: usize, max: usize, guesses: &mut Vec<Guess>) {
    guesses.clear();
    while guesses.len() < max {
        let Some((one, end)) = guess_one(input, at) else {
            return;
        };
        guesses.push(one);
        at = end;
    }
}

/// The guess of the request at `at`, and where the request ends.
#[inline]
pub fn guess_one(input: &[u8], at: usize) -> Option<(Guess, usize)> {
    let (count, mut at) = short_number(input, at, b'*')?;
    let nowhere = at..at;
    let (mut name, mut key) = (nowhere.clone(), nowhere.clone());
    let (mut third, mut last) = (nowhere.clone(), nowhere.clone());
    for i in 0..count {
        let (len, start) = short_number(input, at, b'$')?;
        at = start + len + 2;
        match i {
            0 => name = start..start + len,
            1 => key = start..start + len,
            2 => third = start..start + len,
            _ => {}
        }
        if i >= 2 {
            last = start..start + len;
        }
    }
    let name = input.get(name)?;
    // SADD and HSET name it behind the key, ZADD at the end.
    let (element, other_key) = match name.first()? | 0x20 {
        _ if changes_two_keys(name) => (nowhere, third),
        b's' | b'h' => (third, nowhere),
        b'z' => (last, nowhere),
        _ => (nowhere.clone(), nowhere),
    };
    let pops_last = match count {
        2 if name.eq_ignore_ascii_case(b"zpopmin") => Some(false),
        2 if name.eq_ignore_ascii_case(b"zpopmax") => Some(true),
        _ => None,
    };
    let guess = Guess {
        key,
        element,
        other_key,
        pops_last,
    };
    (at <= input.len()).then_some((guess, at))
}

/// Whether a command of this name changes the keys that are its second and third words.
#[inline]
fn changes_two_keys(name: &[u8]) -> bool {
    let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
    match name.len() {
        4 => is(b"COPY"),
        5 => is(b"LMOVE") || is(b"SMOVE"),
        6 => is(b"BLMOVE") || is(b"RENAME"),
        8 => is(b"RENAMENX"),
        9 => is(b"RPOPLPUSH"),
        10 => is(b"BRPOPLPUSH"),
        _ => false,
    }
}

/// A line of `mark` and a number of one to three digits: the number, and where the next line begins. None for
/// everything else, wrong or right.
#[inline]
fn short_number(input: &[u8], at: usize, mark: u8) -> Option<(usize, usize)> {
    let digit = |byte: u8| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then_some(usize::from(digit))
    };
    match input.get(at..)? {
        [first, a, b'\r', b'\n', ..] if *first == mark => Some((digit(*a)?, at + 4)),
        [first, a @ b'1'..=b'9', b, b'\r', b'\n', ..] if *first == mark => {
            Some((10 * digit(*a)? + digit(*b)?, at + 5))
        }
        [first, a @ b'1'..=b'9', b, c, b'\r', b'\n', ..] if *first == mark => {
            Some((100 * digit(*a)? + 10 * digit(*b)? + digit(*c)?, at + 6))
        }
        _ => None,
    }
}

/// The fuzz entry: arbitrary bytes, in pieces of arbitrary sizes, through the parser until they end or are
/// refused. Returns the requests and the refusal, so that different cuts of the same bytes can be compared.
pub fn parse_pieces(
    input: &[u8],
    piece_bytes: &[u8],
    limits: &Limits,
) -> (Vec<Vec<Vec<u8>>>, Option<ProtocolError>) {
    let mut parser = Parser::default();
    let mut requests = Vec::new();
    let mut pieces = piece_bytes.iter().cycle();
    let (mut from, mut arrived) = (0, 0);
    loop {
        match parser.parse(&input[from..arrived], limits) {
            Err(error) => return (requests, Some(error)),
            Ok(Progress::Incomplete(needed)) => {
                assert!(needed > 0, "an incomplete request needs something");
                if arrived == input.len() {
                    return (requests, None);
                }
                let piece = pieces.next().map_or(input.len(), |&n| usize::from(n) + 1);
                arrived = (arrived + piece).min(input.len());
            }
            Ok(progress) => {
                if progress == Progress::Request {
                    let mut words = Vec::new();
                    parser.words(&input[from..arrived], &mut words);
                    requests.push(words.into_iter().map(<[u8]>::to_vec).collect());
                }
                from += parser.consumed();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(input: &[u8]) -> (Vec<Vec<Vec<u8>>>, Option<ProtocolError>) {
        parse_pieces(input, &[], &Limits::default())
    }

    fn words(list: &[&str]) -> Vec<Vec<u8>> {
        list.iter().map(|w| w.as_bytes().to_vec()).collect()
    }

    #[test]
    fn requests_of_both_kinds_follow_each_other() {
        let (requests, error) =
            whole(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n\r\n*0\r\n*-5\r\n  set a \"b c\" \n*1\r\n$0\r\n\r\n");
        assert_eq!(error, None);
        assert_eq!(
            requests,
            [
                words(&["GET", "k"]),
                words(&["PING"]),
                words(&["set", "a", "b c"]),
                words(&[""]),
            ]
        );
    }

    #[test]
    fn what_requests_ask_for_is_guessed_as_far_as_it_is_plain() {
        let requests: [(&[&str], &str, &str); 10] = [
            (&["GET", "k"], "k", ""),
            (&["SADD", "s", "member"], "s", "member"),
            (&["hset", "h", "field", "value"], "h", "field"),
            (&["ZADD", "z", "1", "member"], "z", "member"),
            (&["LPUSH", "l", "element"], "l", ""),
            (&["PING"], "", ""),
            (&["ZPOPMIN", "z"], "z", ""),
            (&["zpopmax", "z"], "z", ""),
            (&["ZPOPMIN", "z", "2"], "z", "2"),
            (&["SMOVE", "s", "t", "member"], "s", ""),
        ];
        let mut input = Vec::new();
        for (words, _, _) in requests {
            input.extend(format!("*{}\r\n", words.len()).bytes());
            for word in words {
                input.extend(format!("${}\r\n{word}\r\n", word.len()).bytes());
            }
        }
        input.extend(b"*2\r\n$3\r\nGET\r\n$5\r\nhal");
        let mut guesses = Vec::new();
        guess(&input, 0, 20, &mut guesses);
        let text = |span: &Range<usize>| String::from_utf8_lossy(&input[span.clone()]).into_owned();
        let guessed: Vec<_> = guesses
            .iter()
            .map(|one| (text(&one.key), text(&one.element)))
            .collect();
        let expected = requests.map(|(_, key, element)| (key.to_owned(), element.to_owned()));
        assert_eq!(guessed, expected, "and not of the half one");
        let popped: Vec<_> = guesses.iter().filter_map(|one| one.pops_last).collect();
        assert_eq!(popped, [false, true]);
        let others: Vec<_> = guesses.iter().map(|one| text(&one.other_key)).collect();
        assert_eq!(others.join(""), "t", "of the last");
    }

    #[test]
    fn quotes_and_escapes_of_inline_requests_are_undone() {
        type Row<'a> = (&'a [u8], Option<&'a [&'a [u8]]>);
        let rows: &[Row<'_>] = &[
            (b"a b\n", Some(&[b"a", b"b"])),
            (br#"a"b"c"#, None),
            (br#"x"y" 'z'"#, Some(&[b"xy", b"z"])),
            (
                br#""\x41\xff\n\r\t\b\a\q\"""#,
                Some(&[b"A\xff\n\r\t\x08\x07q\""]),
            ),
            (br#""\x4g""#, Some(&[b"x4g"])),
            (br#"'it\'s' '\n'"#, Some(&[b"it's", br"\n"])),
            (br#""" ''"#, Some(&[b"", b""])),
            (br#""open"#, None),
            (br#"'open"#, None),
            (br#""a"b"#, None),
            (b"a\x0bb \x0c c", Some(&[b"a\x0bb", b"c"])),
            (br#""ends\"#, None),
        ];
        for (line, expected) in rows {
            let line = [line, &b"\r\n"[..]].concat();
            let (requests, error) = whole(&line);
            match expected {
                Some(expected) => {
                    assert_eq!(error, None, "{:?}", line.escape_ascii().to_string());
                    assert_eq!(&requests[0], expected);
                }
                None => assert_eq!(error, Some(ProtocolError::UnbalancedQuotes)),
            }
        }
    }

    #[test]
    fn what_breaks_the_protocol_is_named() {
        use ProtocolError as E;
        let long = [b"*".to_vec(), vec![b'1'; LINE_BYTES_MAX + 1]].concat();
        let long_bulk = [b"*1\r\n$".to_vec(), vec![b'1'; LINE_BYTES_MAX + 1]].concat();
        let long_inline = vec![b'a'; LINE_BYTES_MAX + 1];
        let zero = [b"PING\0\r\n".to_vec(), vec![b'a'; LINE_BYTES_MAX]].concat();
        let rows: &[(&[u8], E)] = &[
            (b"*x\r\n", E::Count),
            (b"*\r\n", E::Count),
            (b"*01\r\n", E::Count),
            (b"*+1\r\n", E::Count),
            (b"*2147483648\r\n", E::Count),
            (b"*99999999999999999999\r\n", E::Count),
            (b"*1\r\nx\r\n", E::ExpectedDollar(b'x')),
            (b"*1\r\n\r\n", E::ExpectedDollar(b'\r')),
            (b"*1\r\n$-1\r\n", E::BulkLen),
            (b"*1\r\n$536870913\r\n", E::BulkLen),
            (b"*1\r\n$1a\r\n", E::BulkLen),
            (&long, E::CountTooBig),
            (&long_bulk, E::BulkCountTooBig),
            (&long_inline, E::InlineTooBig),
            (&zero, E::InlineTooBig),
        ];
        for (input, expected) in rows {
            assert_eq!(whole(input).1, Some(*expected));
        }
        assert_eq!(
            E::ExpectedDollar(b'x').reply(),
            b"ERR Protocol error: expected '$', got 'x'"
        );
    }

    #[test]
    fn who_has_not_authenticated_sends_little() {
        let limits = Limits {
            authenticated: false,
            ..Limits::default()
        };
        let run = |input: &[u8]| parse_pieces(input, &[], &limits).1;
        assert_eq!(run(b"*10\r\n"), None);
        assert_eq!(run(b"*11\r\n"), Some(ProtocolError::CountUnauthenticated));
        assert_eq!(run(b"*1\r\n$16384\r\n"), None);
        assert_eq!(
            run(b"*1\r\n$16385\r\n"),
            Some(ProtocolError::BulkLenUnauthenticated)
        );
    }

    #[test]
    fn an_incomplete_word_says_how_much_is_missing() {
        let mut parser = Parser::default();
        assert_eq!(
            parser.parse(b"*1\r\n$1000000\r\nab", &Limits::default()),
            Ok(Progress::Incomplete(1_000_000))
        );
        assert!(parser.in_request());
    }

    fn request() -> impl Strategy<Value = Vec<u8>> {
        let multibulk = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6)
            .prop_map(|words| {
                let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
                for word in &words {
                    bytes.extend(format!("${}\r\n", word.len()).into_bytes());
                    bytes.extend(word);
                    bytes.extend(b"\r\n");
                }
                bytes
            });
        let inline = "[a-z\"' \\\\]{0,20}\r?\n".prop_map(String::into_bytes);
        let noise = prop::collection::vec(any::<u8>(), 0..8);
        prop_oneof![6 => multibulk, 3 => inline, 1 => noise]
    }

    proptest! {
        #[test]
        fn any_cut_of_the_bytes_gives_the_same_requests(
            requests in prop::collection::vec(request(), 1..8),
            pieces in prop::collection::vec(0_u8..30, 1..20),
        ) {
            let input = requests.concat();
            let limits = Limits::default();
            prop_assert_eq!(parse_pieces(&input, &pieces, &limits), parse_pieces(&input, &[], &limits));
            prop_assert_eq!(parse_pieces(&input, &[0], &limits), parse_pieces(&input, &[], &limits));
        }

        #[test]
        fn arrays_come_back_word_for_word(
            words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..40),
            pieces in prop::collection::vec(any::<u8>(), 1..20),
        ) {
            let mut input = format!("*{}\r\n", words.len()).into_bytes();
            for word in &words {
                input.extend(format!("${}\r\n", word.len()).into_bytes());
                input.extend(word);
                input.extend(b"\r\n");
            }
            prop_assert_eq!(parse_pieces(&input, &pieces, &Limits::default()), (vec![words], None));
        }

        #[test]
        fn arbitrary_bytes_never_panic(
            input in prop::collection::vec(any::<u8>(), 0..400),
            pieces in prop::collection::vec(any::<u8>(), 1..20),
        ) {
            parse_pieces(&input, &pieces, &Limits { bulk_bytes_max: 100, authenticated: false });
        }
    }
}
