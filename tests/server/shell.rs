//! A server without a log, for tests of the shell: its durability and its engine's LSN are set by the test.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redkeep::command::server::Server;
use redkeep::command::shutdown::Request;
use redkeep::config::{Config, Host, Key, Refusal};
use redkeep::keyspace::Keyspace;
use redkeep::server::durability::{Durability, LogFailed, SyncPolicy};
use redkeep::server::housekeeping::Housekeeping;
use redkeep::server::{Lifecycle, ListenOptions, Listening, Options, Shared, TcpListeners};
use redkeep::session::{Fetch, Store};
use redkeep::storage;
use redkeep::vfs::{OsClock, OsVfs};

/// The LSN of the last commit, as far as the test says.
#[derive(Default)]
pub struct FakeStore {
    pub lsn: AtomicU64,
    /// Every command is a commit.
    pub commits: AtomicBool,
}

impl Store for FakeStore {
    fn last_lsn(&self, _: &Keyspace) -> u64 {
        self.lsn.load(Ordering::SeqCst)
    }
    fn begin_command(&self, _: &mut Keyspace, _: bool) {
        let commits = u64::from(self.commits.load(Ordering::SeqCst));
        self.lsn.fetch_add(commits, Ordering::SeqCst);
    }
    fn take_misses(&self, _: &mut Keyspace) -> Option<Box<dyn Fetch>> {
        None
    }
}

/// A log that is written when asked and synced when the test says so.
pub struct FakeLog {
    pub policy: Mutex<SyncPolicy>,
    pub written: AtomicU64,
    pub synced: AtomicU64,
    pub asked: AtomicU64,
    /// How long a sync takes: at first so long that no worker makes one by itself.
    pub sync_us: AtomicU64,
    /// Up to where workers have synced, each time.
    pub syncs: Mutex<Vec<u64>>,
    pub failed: AtomicBool,
    wakers: Mutex<Vec<Box<dyn Fn() + Send + Sync>>>,
}

impl FakeLog {
    pub fn progress(&self) {
        for wake in self.wakers.lock().iter() {
            wake();
        }
    }
}

impl Durability for FakeLog {
    fn policy(&self) -> SyncPolicy {
        *self.policy.lock()
    }
    fn written_lsn(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }
    fn write_to(&self, lsn: u64) -> Result<(), LogFailed> {
        if self.is_failed() {
            return Err(LogFailed);
        }
        self.written.fetch_max(lsn, Ordering::SeqCst);
        Ok(())
    }
    fn synced_lsn(&self) -> u64 {
        self.synced.load(Ordering::SeqCst)
    }
    fn sync_us(&self) -> u64 {
        self.sync_us.load(Ordering::SeqCst)
    }
    fn sync_to(&self, lsn: u64) -> Result<(), LogFailed> {
        if self.is_failed() {
            return Err(LogFailed);
        }
        assert!(lsn <= self.written_lsn(), "only what is written is synced");
        self.syncs.lock().push(lsn);
        self.synced.fetch_max(lsn, Ordering::SeqCst);
        Ok(())
    }
    fn request_sync(&self, lsn: u64) {
        self.asked.fetch_max(lsn, Ordering::SeqCst);
    }
    fn served_checkpoint(&self) -> u64 {
        0
    }

    fn is_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }
    fn on_progress(&self, wake: Box<dyn Fn() + Send + Sync>) {
        self.wakers.lock().push(wake);
    }
}

/// Ends with the answer the test chose.
struct Answer(Arc<AtomicBool>);

impl Lifecycle for Answer {
    fn prepare_shutdown(&mut self, _: Request) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Clone, Debug, Default)]
pub struct ShellOptions {
    pub unixsocket: Option<std::path::PathBuf>,
    /// Threads that serve connections; 2 where nothing is said.
    pub workers: Option<usize>,
}

/// Makes CONFIG SET act on what a shell has.
struct ShellHost {
    server: Arc<Server>,
    listeners: Arc<TcpListeners>,
}

impl Host for ShellHost {
    fn apply(&self, config: &Config, changed: &[Key]) -> Result<(), Refusal> {
        self.listeners.apply(config, changed)?;
        self.server.apply(config, changed)
    }

    fn reset_statistics(&self) {
        self.server.reset_statistics();
    }

    fn user_lines(&self) -> Vec<Vec<u8>> {
        self.server.user_lines()
    }
}

/// A running server.
pub struct Shell {
    pub shared: Arc<Shared>,
    pub store: Arc<FakeStore>,
    pub log: Arc<FakeLog>,
    pub address: SocketAddr,
    /// Whether the data can be made safe when the server is to end.
    pub can_end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _dir: tempfile::TempDir,
}

impl Shell {
    pub fn start(options: ShellOptions) -> Self {
        let store = Arc::new(FakeStore::default());
        let log = Arc::new(FakeLog {
            policy: Mutex::new(SyncPolicy::EverySecond),
            written: AtomicU64::new(0),
            synced: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            sync_us: AtomicU64::new(u64::MAX),
            syncs: Mutex::default(),
            failed: AtomicBool::new(false),
            wakers: Mutex::default(),
        });
        let dir = tempfile::tempdir().expect("a place for the file");
        let (engine, _) = storage::open(
            &OsVfs,
            Arc::new(OsClock::default()),
            &dir.path().join("data.keep"),
            &storage::OpenOptions::new([1; 16]),
            &mut |_, _| {},
        )
        .expect("a new file");
        let config = Arc::new(Config::default());
        let server = Arc::new(Server::new(
            Arc::clone(&config),
            Arc::new(OsClock::default()),
        ));
        let shared = Arc::new(Shared {
            server: Arc::clone(&server),
            engine: Mutex::new(Keyspace::new(engine, 16, 1, 0).expect("an empty file")),
            nothing: Mutex::new(
                Keyspace::new(
                    storage::Engine::absent(Arc::new(OsClock::default())),
                    16,
                    1,
                    0,
                )
                .expect("no file"),
            ),
            store: Arc::clone(&store) as Arc<dyn Store>,
            durability: Arc::clone(&log) as Arc<dyn Durability>,
        });
        let listening = Listening::open(
            Arc::clone(&shared),
            Options {
                listen: ListenOptions {
                    bind: vec!["127.0.0.1".to_owned()],
                    port: 0,
                    any_port: true,
                    unixsocket: options.unixsocket,
                    unixsocketperm: Some(0o700),
                    ..ListenOptions::default()
                },
                workers: options.workers.unwrap_or(2),
                signals: false,
            },
        )
        .expect("a free port");
        let listeners = listening.listeners();
        let housekeeping = Housekeeping::new(Arc::clone(&server), 0);
        config.attach(Arc::new(ShellHost { server, listeners }));
        let address = listening.addresses()[0];
        let can_end = Arc::new(AtomicBool::new(true));
        let mut answer = Answer(Arc::clone(&can_end));
        let thread = std::thread::spawn(move || {
            listening
                .serve(housekeeping, &mut answer)
                .expect("the server runs");
        });
        Self {
            shared,
            store,
            log,
            address,
            can_end,
            thread: Some(thread),
            _dir: dir,
        }
    }

    pub fn connect(&self) -> Socket<TcpStream> {
        let stream = TcpStream::connect(self.address).expect("the server listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        Socket(stream)
    }

    /// Waits until the server has ended by itself.
    pub fn join(mut self) {
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.shared.server.shutdown.request(Request {
                now: true,
                force: true,
            });
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.unwrap();
            }
        }
    }
}

/// A client that knows bytes only.
pub struct Socket<S>(pub S);

impl<S: Read + Write> Socket<S> {
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0
            .write_all(bytes.as_ref())
            .expect("the server takes bytes");
    }

    /// Sends `request` and expects exactly `reply`.
    pub fn check(&mut self, request: impl AsRef<[u8]>, reply: &str) {
        self.send(request);
        self.expect(reply);
    }

    pub fn expect(&mut self, reply: &str) {
        let mut got = vec![0; reply.len()];
        let mut at = 0;
        while at < got.len() {
            match self.0.read(&mut got[at..]) {
                Ok(0) => break,
                Ok(n) => at += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => panic!("{e} after {:?}", String::from_utf8_lossy(&got[..at])),
            }
        }
        assert_eq!(String::from_utf8_lossy(&got[..at]), reply);
    }

    /// One reply line without its end.
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\r\n") {
            match self.0.read(&mut byte).expect("a line") {
                0 => break,
                _ => line.push(byte[0]),
            }
        }
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }

    /// The text of a bulk string.
    pub fn bulk(&mut self) -> String {
        let header = self.line();
        let len: usize = header
            .trim_start_matches(['$', '='])
            .parse()
            .unwrap_or_else(|_| panic!("a bulk string, not {header}"));
        let mut bytes = vec![0; len + 2];
        self.0.read_exact(&mut bytes).expect("a bulk string");
        bytes.truncate(len);
        String::from_utf8(bytes).expect("text")
    }

    /// The server closed the connection; whatever it sent before is returned.
    pub fn end(&mut self) -> String {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::ConnectionReset => {}
            Err(e) => panic!("{e}"),
        }
        String::from_utf8_lossy(&rest).into_owned()
    }
}

/// The number of a connection.
pub fn id<S: Read + Write>(socket: &mut Socket<S>) -> String {
    socket.send("CLIENT ID\r\n");
    socket.line().trim_start_matches(':').to_owned()
}

/// Waits for something that another thread is about to bring about.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until the connection with this number is held, by keys or a pause.
pub fn wait_until_held<S: Read + Write>(id: &str, observer: &mut Socket<S>) {
    eventually("it waits", || {
        observer.send(format!("CLIENT LIST ID {id}\r\n"));
        observer.bulk().contains(" flags=b ")
    });
}
