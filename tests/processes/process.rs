//! Servers as processes of their own, and what is said to them.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

/// Far more than any start or stop takes.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A server on a folder of its own, or on one that is there.
pub struct Server {
    dir: PathBuf,
    /// Vanishes with the server.
    _folder: Option<tempfile::TempDir>,
    pub port: u16,
    process: Child,
}

impl Server {
    /// Redkeep, with these arguments more.
    pub fn redkeep(more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_redkeep"));
        command.arg("server").args(more);
        Self::start(command)
    }

    /// What starts Redis, without a dump file; None, and it is said: it is not installed.
    pub fn redis() -> Option<Command> {
        let mut command = Command::new("redis-server");
        if command.arg("--version").output().is_err() {
            redkeep_model::skipped("no redis-server is on the PATH");
            return None;
        }
        let mut command = Command::new("redis-server");
        command.args(["--save", ""]);
        Some(command)
    }

    /// A program that takes Redis's flags.
    pub fn start(command: Command) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut server = Self::start_in(folder.path(), command);
        server._folder = Some(folder);
        server
    }

    /// The same in a folder that stays.
    pub fn start_in(dir: &Path, mut command: Command) -> Self {
        let port = free_port();
        let process = command
            .args(["--port", &port.to_string(), "--dir"])
            .arg(dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let server = Self {
            dir: dir.to_path_buf(),
            _folder: None,
            port,
            process,
        };
        server.await_start();
        server
    }

    fn await_start(&self) {
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "the server does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        // One that wants a password says so as soon as the file is open.
        while !["+PONG", "-NOAUTH Authentication required."].contains(&&*self.connect().ask("PING"))
        {
            assert!(begun.elapsed() < PATIENCE, "the file does not open");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills the process.
    pub fn kill(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }

    /// Waits until the process has ended by itself.
    pub fn await_end(&mut self) {
        let status = self.process.wait().expect("it ends");
        assert!(status.success(), "it ends well");
    }

    /// Waits until the process has ended by a signal: its number.
    pub fn await_signal(&mut self) -> i32 {
        let status = self.process.wait().expect("it ends");
        status.signal().expect("it does not end by itself")
    }

    /// Starts Redkeep again on the files of one that has ended.
    pub fn start_again(&mut self, more: &[&str]) {
        let program = env!("CARGO_BIN_EXE_redkeep");
        self.process = Command::new(program)
            .arg("server")
            .args(more)
            .args(["--port", &self.port.to_string(), "--dir"])
            .arg(&self.dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        self.await_start();
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Lets it end by itself.
    pub fn stop(mut self) {
        // The connection ends with the server, whatever it says.
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it is there");
        stream.write_all(b"SHUTDOWN\r\n").expect("it is sent");
        assert!(self.process.wait().expect("it ends").success());
    }

    pub fn connect(&self) -> Connection {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the server is there");
        Connection {
            replies: BufReader::new(stream.try_clone().expect("a second handle")),
            stream,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is gone already where a test has failed early.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that nobody listens on. Nor does the socket that finds it: another test may be starting a program, which has a
/// copy of every socket for a moment, and whoever asks for the port would be connected to that.
pub fn free_port() -> u16 {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    // Its copy does not keep the server from the port.
    socket.set_reuse_address(true).expect("an option");
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&any.into()).expect("a free port");
    let address = socket.local_addr().expect("its address");
    address.as_socket().expect("a port").port()
}

pub struct Connection {
    stream: TcpStream,
    replies: BufReader<TcpStream>,
}

impl Connection {
    /// An inline request, and its reply: a line, the content of a bulk string without line ends, or the first line of more.
    pub fn ask(&mut self, request: &str) -> String {
        self.send(request);
        let line = self.line();
        if line.starts_with('$') && line != "$-1" {
            return self.line();
        }
        line
    }

    /// An inline request.
    pub fn send(&mut self, request: &str) {
        self.stream
            .write_all(format!("{request}\r\n").as_bytes())
            .expect("the request is sent");
    }

    /// The next line that arrives.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.replies.read_line(&mut line).expect("a reply");
        line.trim_end().to_owned()
    }
}
