//! Servers as processes of their own, what is asked of them, and the load that the program itself makes.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use redkeep_model::compare::{Socket, information};

/// How long a reply may take: BACKUP answers when the copy is made.
const PATIENCE: Duration = Duration::from_secs(900);

/// Bytes of a value.
pub const VALUE_BYTES: usize = 1024;

/// A running server; its end is a SIGKILL unless it is stopped.
pub struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    /// Redkeep on the files of a folder.
    pub fn redkeep(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_redkeep"));
        command.arg("server");
        Self::start(command, folder, arguments)
    }

    /// Redis, as durable as Redkeep is by default.
    pub fn redis(folder: &Path) -> Self {
        let command = Command::new("redis-server");
        let durable = [
            "--appendonly",
            "yes",
            "--appendfsync",
            "everysec",
            "--save",
            "",
        ];
        Self::start(command, folder, &durable)
    }

    fn start(mut command: Command, folder: &Path, arguments: &[&str]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("its number");
        drop(listener);
        let process = command
            .args(["--port", &address.port().to_string(), "--dir"])
            .arg(folder)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let server = Self { process, address };
        while TcpStream::connect(address).is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused) {
            thread::sleep(Duration::from_micros(200));
        }
        while server.connect().text(&["PING"]) != "+PONG" {
            thread::sleep(Duration::from_micros(200));
        }
        server
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn connect(&self) -> Client {
        let mut socket = Socket::connect(self.address).expect("the server listens");
        socket.be_patient(PATIENCE).expect("it is open");
        Client {
            address: self.address,
            socket,
        }
    }

    /// Ends it as an operator does, so that its file is clean.
    pub fn stop(mut self) {
        let mut client = self.connect();
        // The connection may end before a reply.
        let _ = client.socket.ask(&["SHUTDOWN"]);
        self.process.wait().expect("it ends");
    }

    /// MiB of memory that the process has now.
    pub fn resident_mib(&self) -> f64 {
        self.status_mib("VmRSS:")
    }

    /// The most MiB that it had since [`Self::forget_peak`].
    pub fn peak_mib(&self) -> f64 {
        self.status_mib("VmHWM:")
    }

    pub fn forget_peak(&self) {
        let path = format!("/proc/{}/clear_refs", self.process.id());
        std::fs::write(path, "5").expect("the peak of an own child can be reset");
    }

    fn status_mib(&self, field: &str) -> f64 {
        let path = format!("/proc/{}/status", self.process.id());
        field_kib(&path, field).expect("a process has a size") / 1024.0
    }

    /// MiB that this process and its children have, shared pages by their share.
    pub fn proportional_mib(&self) -> f64 {
        let own = self.process.id();
        let children = format!("/proc/{own}/task/{own}/children");
        let children = std::fs::read_to_string(children).unwrap_or_default();
        let processes = children.split_whitespace().map(str::to_owned);
        let sizes = processes.chain([own.to_string()]).filter_map(|process| {
            // A child may have ended meanwhile.
            field_kib(&format!("/proc/{process}/smaps_rollup"), "Pss:")
        });
        sizes.sum::<f64>() / 1024.0
    }

    /// Runs `redkeep bench` on it; the result is its JSON of this server.
    pub fn bench(&self, arguments: &[&str]) -> serde_json::Value {
        let out = Command::new(env!("CARGO_BIN_EXE_redkeep"))
            .args(["bench", "--json", "--addr", &self.address.to_string()])
            .args(["--value-size", &VALUE_BYTES.to_string()])
            .args(arguments)
            .stderr(Stdio::inherit())
            .output()
            .expect("the benchmark runs");
        assert!(out.status.success(), "the benchmark succeeds");
        let mut report: serde_json::Value =
            serde_json::from_slice(&out.stdout).expect("it prints JSON");
        report["servers"][0].take()
    }

    /// SETs keys `key:000000000000` and on, once each.
    pub fn fill(&self, keys: u64) {
        let keys = keys.to_string();
        self.bench(&["--fill", "--keyspace", &keys, "--requests", "1"]);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been stopped.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A line `field  123 kB` of a file of /proc.
fn field_kib(path: &str, field: &str) -> Option<f64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// One connection.
pub struct Client {
    address: SocketAddr,
    socket: Socket,
}

impl Client {
    /// The raw reply.
    pub fn ask(&mut self, words: &[&str]) -> Vec<u8> {
        self.socket.ask(words).expect("a reply")
    }

    /// The first line of the reply.
    pub fn text(&mut self, words: &[&str]) -> String {
        let reply = self.ask(words);
        let line = reply.split(|byte| *byte == b'\r').next();
        String::from_utf8_lossy(line.unwrap_or_default()).into_owned()
    }

    /// Sends requests and reads all their replies, none of which may be an error.
    pub fn ask_all(&mut self, requests: &[Vec<Vec<u8>>]) {
        for request in requests {
            self.socket.send(request).expect("it is sent");
        }
        for _ in requests {
            let reply = self.socket.receive().expect("a reply");
            assert!(reply[0] != b'-', "{}", String::from_utf8_lossy(&reply));
        }
    }

    /// Milliseconds until the reply, which may be no error.
    pub fn time_ms(&mut self, words: &[&str]) -> f64 {
        let begun = Instant::now();
        let reply = self.ask(words);
        assert!(reply[0] != b'-', "{}", String::from_utf8_lossy(&reply));
        begun.elapsed().as_secs_f64() * 1000.0
    }

    /// A field of INFO.
    pub fn info(&self, section: &str, field: &str) -> String {
        let mut fields = information(self.address, section).expect("a reply");
        let value = fields.remove(field);
        value.unwrap_or_else(|| panic!("INFO has {field}"))
    }

    pub fn number(&self, section: &str, field: &str) -> u64 {
        self.info(section, field).parse().expect("a number")
    }

    /// Waits until a field of INFO has a value.
    pub fn await_info(&self, section: &str, field: &str, value: &str) {
        while self.info(section, field) != value {
            thread::sleep(Duration::from_millis(20));
        }
    }
}
