//! The server under test.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::ExtendedKeyUsagePurpose;

use crate::authority::{Authority, Pair};
use crate::client::{Client, TlsStream, dial};

pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}

/// A folder with an authority and the certificates that it signed.
pub struct Files {
    dir: tempfile::TempDir,
    pub authority: Authority,
    pub server: Pair,
    pub client: Pair,
}

impl Files {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder for the test");
        let authority = Authority::new(dir.path(), "first");
        let server = authority.sign(dir.path(), "server", ExtendedKeyUsagePurpose::ServerAuth);
        let client = authority.sign(dir.path(), "client", ExtendedKeyUsagePurpose::ClientAuth);
        Self {
            dir,
            authority,
            server,
            client,
        }
    }

    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    fn log(&self) -> PathBuf {
        self.folder().join("server.log")
    }

    fn spawn(&self, port: u16, tls_port: u16, more: &[&str]) -> Child {
        let log = fs::File::create(self.log()).expect("the log of the server");
        Command::new(env!("CARGO_BIN_EXE_redkeep"))
            .arg("server")
            .args(["--port", &port.to_string()])
            .args(["--tls-port", &tls_port.to_string()])
            .args(["--bind", "127.0.0.1", "--appendfsync", "no", "--dir"])
            .arg(self.folder())
            .arg("--tls-cert-file")
            .arg(&self.server.certificate)
            .arg("--tls-key-file")
            .arg(&self.server.key)
            .arg("--tls-ca-cert-file")
            .arg(&self.authority.file)
            .args(more)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log of the server"))
            .stderr(log)
            .spawn()
            .expect("the server starts")
    }

    /// What the log says of a start that fails.
    pub fn fail(&self, more: &[&str]) -> String {
        let mut child = self.spawn(0, free_port(), more);
        let status = child.wait().expect("it ends");
        assert_eq!(status.code(), Some(1));
        fs::read_to_string(self.log()).expect("a log")
    }
}

/// A server that listens; it ends with this.
pub struct Server<'a> {
    files: &'a Files,
    child: Child,
    pub port: u16,
    pub tls_port: u16,
}

impl<'a> Server<'a> {
    /// Listens for TLS, and without it where `has_plain`.
    pub fn start(files: &'a Files, has_plain: bool, more: &[&str]) -> Self {
        let tls_port = free_port();
        let port = if has_plain { free_port() } else { 0 };
        let mut child = files.spawn(port, tls_port, more);
        let end = Instant::now() + Duration::from_secs(30);
        while dial(tls_port).is_err() {
            let log = || fs::read_to_string(files.log()).unwrap_or_default();
            assert!(child.try_wait().expect("known").is_none(), "{}", log());
            assert!(Instant::now() < end, "{}", log());
            std::thread::sleep(Duration::from_millis(5));
        }
        Self {
            files,
            child,
            port,
            tls_port,
        }
    }

    /// A client that trusts the authority and shows what it signed.
    pub fn connect(&self) -> Client<TlsStream> {
        let files = self.files;
        Client::over_tls(self.tls_port, &files.authority.file, Some(&files.client))
            .expect("the server and the client know each other")
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has found out by then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
