//! Ten thousand connections at a time: waiting costs nothing, service is in the order of arrival, nobody is starved.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::process::Server;

/// Far more than anything takes among so many, on a machine with other work.
const PATIENCE: Duration = Duration::from_secs(300);

/// Files that are not the crowd's connections: the server's own, those of the tests beside this one.
const OTHER_FILES: u64 = 400;

/// How many there are to be.
const CROWD: u64 = 10_000;

/// Fewer show nothing.
const CROWD_MIN: u64 = 500;

/// The limit of open files is that of the whole process: crowds come one after the other.
static ALONE: Mutex<()> = Mutex::new(());

/// Raises the limit of open files, which the server inherits, and says how many connections it has room for.
fn crowd_size() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    let files = most.min(CROWD + OTHER_FILES);
    if limit.current.is_some_and(|current| current < files) {
        let raised = Rlimit {
            current: Some(files),
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, raised).expect("up to the hard limit");
    }
    let size = CROWD.min(files.saturating_sub(OTHER_FILES));
    assert!(size >= CROWD_MIN, "{most} open files are too few");
    if size < CROWD {
        eprintln!("{size} connections and not {CROWD}: the hard limit of open files is {most}");
    }
    size as usize
}

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn crowded_server() -> Server {
    Server::redkeep(&["--maxclients", "11000", "--tcp-backlog", "4096"])
}

/// One connection, which is one open file.
struct Member(TcpStream);

impl Member {
    fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.port)).expect("the server is there");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        stream.set_nodelay(true).expect("it is open");
        Self(stream)
    }

    fn send(&mut self, words: &[&str]) {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request += &bulk(word);
        }
        self.0.write_all(request.as_bytes()).expect("it is sent");
    }

    /// The next bytes must be these.
    fn expect(&mut self, reply: &str) {
        let mut read = vec![0; reply.len()];
        self.0.read_exact(&mut read).expect("a reply");
        assert_eq!(String::from_utf8_lossy(&read), reply);
    }

    fn ask(&mut self, words: &[&str], reply: &str) {
        self.send(words);
        self.expect(reply);
    }

    /// Nothing more has arrived.
    fn is_silent(&mut self) -> bool {
        self.0.set_nonblocking(true).expect("it is open");
        let read = self.0.read(&mut [0]);
        self.0.set_nonblocking(false).expect("it is open");
        read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// The server has closed it.
    fn is_closed(&mut self) -> bool {
        match self.0.read(&mut [0]) {
            Ok(bytes) => bytes == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }

    /// A number of INFO's section of clients.
    fn clients(&mut self, field: &str) -> usize {
        self.send(&["INFO", "clients"]);
        let mut length = String::new();
        while !length.ends_with("\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).expect("a reply");
            length.push(char::from(byte[0]));
        }
        let length: usize = length[1..].trim_end().parse().expect("a length");
        let mut text = vec![0; length + 2];
        self.0.read_exact(&mut text).expect("a reply");
        let text = String::from_utf8(text).expect("text");
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.expect("the field").parse().expect("a number")
    }

    fn await_clients(&mut self, field: &str, count: usize) {
        let begun = Instant::now();
        loop {
            let found = self.clients(field);
            if found == count {
                return;
            }
            let waited = begun.elapsed();
            assert!(waited < PATIENCE, "{field} is {found} and not {count}");
            if waited > Duration::from_millis(20) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// What one member waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    OwnList,
    OwnSet,
    OwnStream,
    List,
    Set,
    Stream,
}

impl Kind {
    fn of(member: usize) -> Self {
        match member % 6 {
            0 => Self::OwnList,
            1 => Self::OwnSet,
            2 => Self::OwnStream,
            3 => Self::List,
            4 => Self::Set,
            _ => Self::Stream,
        }
    }

    fn key(self, member: usize) -> String {
        match self {
            Self::OwnList => format!("list:{member}"),
            Self::OwnSet => format!("set:{member}"),
            Self::OwnStream => format!("stream:{member}"),
            Self::List => "list".to_owned(),
            Self::Set => "set".to_owned(),
            Self::Stream => "stream".to_owned(),
        }
    }

    /// Whether one of several gets what comes, so that their order matters.
    fn is_queue(self) -> bool {
        matches!(self, Self::List | Self::Set)
    }
}

/// What is pushed for a member: no two are alike. Their order is that of the numbers.
fn value(member: usize) -> String {
    format!("value:{member:05}")
}

/// Blocks a member in its command.
fn block(member: &mut Member, n: usize, timeout_ms: u64) {
    let kind = Kind::of(n);
    let key = kind.key(n);
    let seconds = format!("{}", timeout_ms as f64 / 1000.0);
    match kind {
        Kind::OwnList | Kind::List => member.send(&["BLPOP", &key, &seconds]),
        Kind::OwnSet | Kind::Set => member.send(&["BZPOPMIN", &key, &seconds]),
        Kind::OwnStream | Kind::Stream => {
            let ms = timeout_ms.to_string();
            member.send(&["XREAD", "BLOCK", &ms, "STREAMS", &key, "$"]);
        }
    }
}

/// What a served member is told.
fn served(n: usize) -> String {
    let kind = Kind::of(n);
    let key = bulk(&kind.key(n));
    match kind {
        Kind::OwnList | Kind::List => format!("*2\r\n{key}{}", bulk(&value(n))),
        Kind::OwnSet | Kind::Set => {
            format!("*3\r\n{key}{}{}", bulk(&value(n)), bulk(&n.to_string()))
        }
        Kind::OwnStream | Kind::Stream => {
            let said = if kind == Kind::Stream {
                "all".to_owned()
            } else {
                value(n)
            };
            let fields = format!("*2\r\n{}{}", bulk("field"), bulk(&said));
            format!("*1\r\n*2\r\n{key}*1\r\n*2\r\n{}{fields}", bulk("1-1"))
        }
    }
}

/// Serves everyone: own keys from the last to the first, queues many elements at a time, one entry to all of a stream.
fn serve(pusher: &mut Member, size: usize) {
    for n in (0..size).rev() {
        let kind = Kind::of(n);
        let key = kind.key(n);
        match kind {
            Kind::OwnList => pusher.ask(&["RPUSH", &key, &value(n)], ":1\r\n"),
            Kind::OwnSet => pusher.ask(&["ZADD", &key, &n.to_string(), &value(n)], ":1\r\n"),
            Kind::OwnStream => {
                let words = ["XADD", &key, "1-1", "field", &value(n)];
                pusher.ask(&words, "$3\r\n1-1\r\n");
            }
            Kind::List | Kind::Set | Kind::Stream => {}
        }
    }
    let queue = |kind: Kind| (0..size).filter(move |n| Kind::of(*n) == kind);
    let lists: Vec<usize> = queue(Kind::List).collect();
    let sets: Vec<usize> = queue(Kind::Set).collect();
    for some in lists.chunks(70) {
        let values: Vec<String> = some.iter().map(|n| value(*n)).collect();
        let mut words = vec!["RPUSH", "list"];
        words.extend(values.iter().map(String::as_str));
        pusher.ask(&words, &format!(":{}\r\n", some.len()));
    }
    for some in sets.chunks(70) {
        let pairs: Vec<String> = some
            .iter()
            .flat_map(|n| [n.to_string(), value(*n)])
            .collect();
        let mut words = vec!["ZADD", "set"];
        words.extend(pairs.iter().map(String::as_str));
        pusher.ask(&words, &format!(":{}\r\n", some.len()));
    }
    let words = ["XADD", "stream", "1-1", "field", "all"];
    pusher.ask(&words, "$3\r\n1-1\r\n");
}

/// A server, who watches it, and as many as there is room for who are to block.
fn gathered() -> (Server, Member, Vec<Member>) {
    let size = crowd_size();
    let server = crowded_server();
    let watcher = Member::connect(&server);
    let crowd = (0..size).map(|_| Member::connect(&server)).collect();
    (server, watcher, crowd)
}

/// Processor time that the process has used.
fn processor_time(server: &Server) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.pid())).expect("it runs");
    // Behind the name, which stands in brackets: field 3 and on.
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks: u64 = [11, 12]
        .iter()
        .map(|at| fields[*at].parse::<u64>().expect("ticks"))
        .sum();
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

#[test]
fn thousands_of_blocked_connections_wait_for_nothing_and_are_served_once_in_order() {
    let _alone = alone();
    let (server, mut watcher, mut crowd) = gathered();
    let size = crowd.len();

    // A queue has an order only if one has arrived before the next comes.
    for (n, member) in crowd.iter_mut().enumerate() {
        block(member, n, 0);
        if Kind::of(n).is_queue() {
            watcher.await_clients("blocked_clients", n + 1);
        }
    }
    watcher.await_clients("blocked_clients", size);

    // The server says when the time is over. To look at each of them once a second would take more.
    let (before, begun) = (processor_time(&server), Instant::now());
    watcher.ask(&["BLPOP", "nobody", "5"], "*-1\r\n");
    let (used, waited) = (processor_time(&server) - before, begun.elapsed());
    println!("{size} blocked connections for {waited:?}: {used:?} of the processor");
    assert!(used < waited / 10, "{used:?} in {waited:?}");

    serve(&mut watcher, size);
    for (n, member) in crowd.iter_mut().enumerate() {
        member.expect(&served(n));
    }
    watcher.await_clients("blocked_clients", 0);
    watcher.ask(&["LLEN", "list"], ":0\r\n");
    watcher.ask(&["ZCARD", "set"], ":0\r\n");
    watcher.ask(&["XLEN", "stream"], ":1\r\n");
    assert!(crowd.iter_mut().all(Member::is_silent), "served once");

    for (n, member) in crowd.iter_mut().enumerate() {
        block(member, n, 500 + n as u64 % 10 * 100);
    }
    for member in &mut crowd {
        member.expect("*-1\r\n");
    }
    watcher.await_clients("blocked_clients", 0);
    assert!(crowd.iter_mut().all(Member::is_silent), "told once");
}

#[test]
fn thousands_of_blocked_connections_that_end_leave_nothing_behind() {
    let _alone = alone();
    let (_server, mut watcher, mut crowd) = gathered();
    let size = crowd.len();
    for (n, member) in crowd.iter_mut().enumerate() {
        block(member, n, 0);
    }
    watcher.await_clients("blocked_clients", size);

    let mut killed = crowd.split_off(size / 2);
    drop(crowd);
    watcher.await_clients("blocked_clients", killed.len());
    let told = format!(":{}\r\n", killed.len());
    watcher.ask(&["CLIENT", "KILL", "TYPE", "normal"], &told);
    assert!(killed.iter_mut().all(Member::is_closed));
    watcher.await_clients("blocked_clients", 0);
    watcher.await_clients("connected_clients", 1);

    // Nobody is there to take anything.
    watcher.ask(&["RPUSH", "list", "a", "b"], ":2\r\n");
    watcher.ask(&["LLEN", "list"], ":2\r\n");
    watcher.ask(&["ZADD", "set", "1", "a"], ":1\r\n");
    watcher.ask(&["ZCARD", "set"], ":1\r\n");
}

/// A pipeline of one connection that never stops, and how many bytes are answered.
fn pipeline(n: usize) -> (Vec<u8>, usize) {
    let set = format!("SET noise:{n} x\r\n");
    let get = format!("GET noise:{n}\r\n");
    let round = format!("{set}{get}PING\r\nECHO hello\r\n");
    let replies = "+OK\r\n$1\r\nx\r\n+PONG\r\n$5\r\nhello\r\n";
    (round.repeat(4).into_bytes(), replies.len() * 4)
}

/// Sends the next pipeline before the one before is answered, for ever.
async fn make_noise(mut stream: tokio::net::TcpStream, n: usize, answered: Arc<Vec<AtomicU64>>) {
    let (requests, bytes) = pipeline(n);
    let mut replies = vec![0; bytes];
    stream.write_all(&requests).await.expect("it is sent");
    loop {
        stream.write_all(&requests).await.expect("it is sent");
        stream.read_exact(&mut replies).await.expect("replies");
        answered[n].fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_quiet_connection_is_answered_among_thousands_that_never_stop() {
    /// How often every noisy connection must be answered.
    const ROUNDS: u64 = 3;
    /// Turns of every other, on average, that a quiet one may have to wait for.
    const TURNS_MAX: u64 = 50;
    let _alone = alone();
    let half = crowd_size() / 2;
    let server = crowded_server();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let connect = || tokio::net::TcpStream::connect(("127.0.0.1", server.port));
    let answered: Arc<Vec<AtomicU64>> = Arc::new((0..half).map(|_| AtomicU64::new(0)).collect());
    let counts = || answered.iter().map(|count| count.load(Ordering::Relaxed));
    let test = async {
        let mut quiet = Vec::with_capacity(half);
        for _ in 0..half {
            quiet.push(connect().await.expect("the server is there"));
        }
        for n in 0..half {
            let stream = connect().await.expect("the server is there");
            tokio::spawn(make_noise(stream, n, Arc::clone(&answered)));
        }
        let mut pong = [0; 7];
        let (mut asked, mut turns_max) = (0, 0);
        while asked < 20 || counts().any(|count| count < ROUNDS) {
            let stream = &mut quiet[asked % half];
            let before: u64 = counts().sum();
            stream.write_all(b"PING\r\n").await.expect("it is sent");
            stream.read_exact(&mut pong).await.expect("a reply");
            assert_eq!(&pong, b"+PONG\r\n");
            turns_max = turns_max.max((counts().sum::<u64>() - before) / half as u64);
            asked += 1;
        }
        println!("{asked} quiet requests, {turns_max} turns of the others for one at most");
        assert!(turns_max < TURNS_MAX, "{turns_max} turns of all others");
        // All of them at once.
        for stream in &mut quiet {
            stream.write_all(b"PING\r\n").await.expect("it is sent");
        }
        for stream in &mut quiet {
            stream.read_exact(&mut pong).await.expect("a reply");
            assert_eq!(&pong, b"+PONG\r\n");
        }
    };
    let ended = runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await });
    let slowest = counts().min();
    assert!(
        ended.is_ok(),
        "not answered; the slowest noisy connection: {slowest:?}"
    );
}

#[test]
fn a_low_limit_of_open_files_is_raised_for_connections() {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -Sn 200; exec \"$0\" server \"$@\""]);
    command.arg(env!("CARGO_BIN_EXE_redkeep"));
    let server = Server::start(command);
    let mut members: Vec<Member> = (0..300).map(|_| Member::connect(&server)).collect();
    for member in &mut members {
        member.ask(&["PING"], "+PONG\r\n");
    }
}
