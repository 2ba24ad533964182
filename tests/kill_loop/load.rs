//! Numbered commands at full load, and what must be left of them.
//!
//! The n-th command of connection c writes the slot n modulo [`SLOTS`]:
//!
//! ```text
//! n mod 4   command
//! 0, 2      SET a:c:slot n
//! 1         INCR count:c
//! 3         MSET a:c:slot n b:c:slot n
//! ```

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

pub const CONNECTIONS: u64 = 6;

/// Divisible by 4, so that a slot is always written by the same kind of command.
const SLOTS: u64 = 2000;

const PIPELINE_MAX: u64 = 64;

/// A client's end of a connection.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub fn new(stream: TcpStream, patience: Duration) -> Self {
        stream
            .set_read_timeout(Some(patience))
            .and_then(|()| stream.set_nodelay(true))
            .expect("options of a socket");
        Self {
            stream: BufReader::new(stream),
        }
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// One line of a reply, without its end.
    pub fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(text) => Ok(text.to_owned()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// The first line of the answer to a request.
    pub fn ask(&mut self, request: &str) -> String {
        self.send(request.as_bytes()).expect("the server reads");
        self.line().expect("the server answers")
    }

    /// A bulk string that holds a number.
    fn number(&mut self) -> Option<u64> {
        let header = self.line().expect("a reply");
        if header == "$-1" {
            return None;
        }
        let len = header.strip_prefix('$').and_then(|len| len.parse().ok());
        let mut body = vec![0; len.unwrap_or_else(|| panic!("not a bulk string: {header}"))];
        self.stream.read_exact(&mut body).expect("a body");
        self.line().expect("the end of a body");
        let text = String::from_utf8(body).expect("digits");
        Some(text.parse().expect("a number"))
    }

    fn mget(&mut self, keys: &[String]) -> Vec<Option<u64>> {
        let mut words = vec!["MGET".to_owned()];
        words.extend_from_slice(keys);
        let mut request = Vec::new();
        write_command(&mut request, &words);
        self.send(&request).expect("the server reads");
        assert_eq!(self.line().expect("a reply"), format!("*{}", keys.len()));
        keys.iter().map(|_| self.number()).collect()
    }
}

fn write_command(out: &mut Vec<u8>, words: &[String]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
}

/// What one connection has written. Commands count from 1.
pub struct Written {
    connection: u64,
    pub acknowledged: u64,
    sent: u64,
}

impl Written {
    pub fn new(connection: u64) -> Self {
        Self {
            connection,
            acknowledged: 0,
            sent: 0,
        }
    }

    fn key(&self, name: char, slot: u64) -> String {
        format!("{name}:{}:{slot}", self.connection)
    }

    fn write_next(&mut self, out: &mut Vec<u8>) {
        self.sent += 1;
        let n = self.sent;
        let (slot, value) = (n % SLOTS, n.to_string());
        let words = match n % 4 {
            1 => vec!["INCR".to_owned(), format!("count:{}", self.connection)],
            3 => vec![
                "MSET".to_owned(),
                self.key('a', slot),
                value.clone(),
                self.key('b', slot),
                value,
            ],
            _ => vec!["SET".to_owned(), self.key('a', slot), value],
        };
        write_command(out, &words);
    }

    /// Increments among the first `n` commands.
    fn increments(n: u64) -> u64 {
        n.div_ceil(4)
    }

    /// The last of the first `n` commands that wrote `slot` of name `a`.
    fn last_of_slot(n: u64, slot: u64) -> Option<u64> {
        if slot % 4 == 1 {
            return None;
        }
        let back = (n + SLOTS - slot) % SLOTS;
        n.checked_sub(back).filter(|last| *last > 0)
    }

    /// Writes pipelines until the connection breaks.
    fn run(&mut self, connection: &mut Connection, rng: &mut fastrand::Rng) -> io::Result<()> {
        loop {
            let mut batch = Vec::new();
            let first = self.sent + 1;
            for _ in 0..rng.u64(1..=PIPELINE_MAX) {
                self.write_next(&mut batch);
            }
            connection.send(&batch)?;
            for n in first..=self.sent {
                let reply = connection.line()?;
                let expected = match n % 4 {
                    1 => format!(":{}", Self::increments(n)),
                    _ => "+OK".to_owned(),
                };
                assert_eq!(
                    reply, expected,
                    "connection {} command {n}",
                    self.connection
                );
                self.acknowledged = n;
            }
        }
    }

    /// Asserts that the keys are what a prefix of the commands leaves, all acknowledged ones in it; goes on from there.
    pub fn verify(&mut self, connection: &mut Connection, round: u64) {
        let place = format!("round {round}, connection {}", self.connection);
        let keys = |name| {
            (0..SLOTS)
                .map(|slot| self.key(name, slot))
                .collect::<Vec<_>>()
        };
        let a = connection.mget(&keys('a'));
        let b = connection.mget(&keys('b'));
        let count = connection.mget(&[format!("count:{}", self.connection)])[0].unwrap_or(0);
        let mut survived = a.iter().flatten().copied().max().unwrap_or(0);
        // An increment leaves no number of its own: it may be the last that survived.
        if survived % 4 == 0 && count == Self::increments(survived) + 1 {
            survived += 1;
        }
        assert!(
            survived >= self.acknowledged,
            "{place}: {} was acknowledged, and only {survived} survived",
            self.acknowledged
        );
        assert!(
            survived <= self.sent,
            "{place}: {survived} was never sent, the last was {}",
            self.sent
        );
        assert_eq!(
            count,
            Self::increments(survived),
            "{place}: increments up to {survived}"
        );
        for slot in 0..SLOTS {
            let expected = Self::last_of_slot(survived, slot);
            let at = slot as usize;
            assert_eq!(a[at], expected, "{place}: slot {slot} after {survived}");
            let pair = expected.filter(|_| slot % 4 == 3);
            assert_eq!(b[at], pair, "{place}: pair of slot {slot} after {survived}");
        }
        self.acknowledged = survived;
        self.sent = survived;
    }
}

/// Threads that write, one a connection.
pub struct Load {
    is_killed: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Written>>,
}

impl Load {
    pub fn start(port: u16, written: Vec<Written>, mut rng: fastrand::Rng) -> Self {
        let is_killed = Arc::new(AtomicBool::new(false));
        let threads = written
            .into_iter()
            .map(|mut written| {
                let is_killed = Arc::clone(&is_killed);
                let mut rng = rng.fork();
                let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
                let mut connection = Connection::new(stream, Duration::from_secs(60));
                std::thread::spawn(move || {
                    let ended = written.run(&mut connection, &mut rng);
                    assert!(
                        is_killed.load(Ordering::SeqCst),
                        "the server broke a connection before it was killed: {ended:?}"
                    );
                    written
                })
            })
            .collect();
        Self { is_killed, threads }
    }

    /// From now on a broken connection is no failure.
    pub fn announce_kill(&self) {
        self.is_killed.store(true, Ordering::SeqCst);
    }

    /// What was written, once every connection is broken.
    pub fn finish(self) -> Vec<Written> {
        self.threads
            .into_iter()
            .map(|thread| thread.join().expect("the load saw only right replies"))
            .collect()
    }
}

#[test]
fn the_state_after_a_prefix_is_what_its_commands_leave() {
    for n in (0..300)
        .chain(SLOTS - 5..SLOTS + 300)
        .chain(3 * SLOTS - 5..3 * SLOTS + 5)
    {
        let mut slots = vec![None; SLOTS as usize];
        let mut count = 0;
        for i in 1..=n {
            match i % 4 {
                1 => count += 1,
                _ => slots[(i % SLOTS) as usize] = Some(i),
            }
        }
        assert_eq!(Written::increments(n), count);
        for (slot, expected) in slots.iter().enumerate() {
            assert_eq!(
                Written::last_of_slot(n, slot as u64),
                *expected,
                "{n} {slot}"
            );
        }
    }
}
