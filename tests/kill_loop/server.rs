//! The process under test, and its files.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::load::Connection;

/// Far more than any start, stop or reply takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a database.
pub struct Files {
    dir: tempfile::TempDir,
    appendfsync: String,
}

impl Files {
    pub fn new(appendfsync: &str) -> Self {
        Self {
            dir: tempfile::tempdir().expect("a folder for the test"),
            appendfsync: appendfsync.to_owned(),
        }
    }

    /// Where SAVE puts what it saves.
    pub fn saved(&self) -> PathBuf {
        self.dir.path().join("dump.rdb")
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data.keep")
    }

    /// Length of the write-ahead log.
    pub fn wal_bytes(&self) -> u64 {
        let path = self.dir.path().join("data.keep-wal");
        fs::metadata(path).expect("the log is there").len()
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("server.log")
    }

    fn spawn(&self, port: u16, more: &[&str]) -> Child {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .expect("the log of the server");
        Command::new(env!("CARGO_BIN_EXE_redkeep"))
            .arg("server")
            .args(["--port", &port.to_string()])
            .arg("--dir")
            .arg(self.dir.path())
            .args(["--appendfsync", &self.appendfsync])
            // Small, so that kills meet checkpoints and evictions.
            .args(["--wal-autocheckpoint", "1mb", "--cache-size", "1mb"])
            .args(more)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log of the server"))
            .stderr(log)
            .spawn()
            .expect("the server starts")
    }

    /// A start that does not live long.
    pub fn start_and_kill(&self, after: Duration) {
        let mut child = self.spawn(free_port(), &[]);
        std::thread::sleep(after);
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
    }

    /// `redkeep check` with an exit code of at most `worst`: 0 is healthy, 1 has warnings.
    pub fn check(&self, worst: i32) {
        let output = Command::new(env!("CARGO_BIN_EXE_redkeep"))
            .arg("check")
            .arg(self.data())
            .output()
            .expect("redkeep check runs");
        let code = output.status.code().unwrap_or(i32::MAX);
        assert!(
            (0..=worst).contains(&code),
            "redkeep check ended with {}:\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}

/// A running server that answers.
pub struct Server<'a> {
    files: &'a Files,
    child: Child,
    port: u16,
}

impl<'a> Server<'a> {
    /// Starts it and waits until it has replayed its log.
    pub fn start(files: &'a Files) -> Self {
        Self::start_with(files, &[])
    }

    /// The same, with more arguments.
    pub fn start_with(files: &'a Files, more: &[&str]) -> Self {
        let port = free_port();
        let child = files.spawn(port, more);
        let mut server = Self { files, child, port };
        let deadline = Instant::now() + PATIENCE;
        while !server.answers() {
            if let Some(status) = server.child.try_wait().expect("its status is known") {
                panic!("the server ended with {status}:\n{}", server.log());
            }
            assert!(
                Instant::now() < deadline,
                "the server does not answer:\n{}",
                server.log()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        server
    }

    fn log(&self) -> String {
        fs::read_to_string(self.files.log()).unwrap_or_default()
    }

    fn answers(&self) -> bool {
        let Ok(stream) = TcpStream::connect(("127.0.0.1", self.port)) else {
            return false;
        };
        let mut connection = Connection::new(stream, PATIENCE);
        let sent = connection.send(b"*1\r\n$4\r\nPING\r\n");
        sent.and_then(|()| connection.line())
            .is_ok_and(|reply| reply == "+PONG")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn connect(&self) -> Connection {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the server listens");
        Connection::new(stream, PATIENCE)
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// SIGTERM, and a clean end.
    pub fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it is there");
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("its status is known") {
                break status;
            }
            assert!(Instant::now() < deadline, "SIGTERM does not end the server");
            std::thread::sleep(Duration::from_millis(2));
        };
        assert!(status.success(), "it ended with {status}:\n{}", self.log());
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        // After `kill` and `stop` there is nothing to end; after a failed assertion there is.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
