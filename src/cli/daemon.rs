//! The process and its surroundings: background, pid file, who supervises it.

use std::fs::{self, File};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};

use crate::config::{Config, Supervised};

/// Goes on as a background process in a session of its own, without standard streams. The process that was started
/// ends here.
///
/// # Panics
/// When there is another thread: it would not exist in the background process.
pub fn daemonize() -> io::Result<()> {
    let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    assert_eq!(threads, 1, "a process forks before it has threads");
    let null = File::options().read(true).write(true).open("/dev/null")?;
    // SAFETY: there is no other thread whose locks could be held in the child for ever.
    match unsafe { libc::fork() } {
        -1 => return Err(io::Error::last_os_error()),
        0 => {}
        _ => std::process::exit(0),
    }
    rustix::process::setsid()?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}

/// The pid file, removed when this is dropped.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// Writes the file that the configuration names, or the usual one of a background process. A file that cannot be
    /// written is logged and no reason not to start.
    pub fn create(config: &Config) -> Option<Self> {
        let usual = || {
            config
                .daemonize()
                .then(|| PathBuf::from("/var/run/redkeep.pid"))
        };
        let path = std::path::absolute(config.pidfile().or_else(usual)?).ok()?;
        match fs::write(&path, format!("{}\n", std::process::id())) {
            Ok(()) => Some(Self { path }),
            Err(error) => {
                tracing::warn!("Failed to write PID file: {error}");
                None
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!("Failed to remove PID file: {error}");
        }
    }
}

/// Who supervises the process and wants to know how it fares.
#[derive(Debug, PartialEq, Eq)]
pub enum Supervisor {
    Nobody,
    /// It stops itself once to say that it is there.
    Upstart,
    /// Messages go to this socket: a path, or a name after `@`.
    Systemd(PathBuf),
}

impl Supervisor {
    /// Whom the configuration names, if the environment shows that they are there.
    pub fn find(supervised: Supervised) -> Self {
        let systemd = std::env::var_os("NOTIFY_SOCKET").map(PathBuf::from);
        let upstart = std::env::var_os("UPSTART_JOB").is_some();
        Self::choose(supervised, systemd, upstart)
    }

    fn choose(supervised: Supervised, systemd: Option<PathBuf>, upstart: bool) -> Self {
        match (supervised, systemd, upstart) {
            (Supervised::Systemd | Supervised::Auto, Some(socket), _) => Self::Systemd(socket),
            (Supervised::Upstart | Supervised::Auto, _, true) => Self::Upstart,
            _ => Self::Nobody,
        }
    }

    pub fn is_there(&self) -> bool {
        *self != Self::Nobody
    }

    /// Connections are accepted.
    pub fn ready(&self) {
        match self {
            Self::Nobody => {}
            Self::Upstart => {
                let stopped = rustix::process::kill_process(
                    rustix::process::getpid(),
                    rustix::process::Signal::STOP,
                );
                if let Err(error) = stopped {
                    tracing::warn!("Can't tell upstart: {error}");
                }
            }
            Self::Systemd(_) => self.tell("READY=1\nSTATUS=Ready to accept connections\n"),
        }
    }

    /// The server begins to stop.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\n");
    }

    fn tell(&self, message: &str) {
        let Self::Systemd(socket) = self else { return };
        if let Err(error) = send(socket, message.as_bytes()) {
            tracing::warn!("Can't tell systemd: {error}");
        }
    }
}

fn send(socket: &Path, message: &[u8]) -> io::Result<()> {
    let address = match socket.as_os_str().as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(message, &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn supervisors_are_found_where_the_environment_shows_them() {
        let socket = || Some(PathBuf::from("@socket"));
        let systemd = Supervisor::Systemd(PathBuf::from("@socket"));
        for (supervised, notify, upstart, expect) in [
            (Supervised::Systemd, socket(), false, &systemd),
            (Supervised::Auto, socket(), true, &systemd),
            (Supervised::Auto, None, true, &Supervisor::Upstart),
            (Supervised::Upstart, socket(), true, &Supervisor::Upstart),
            (Supervised::Systemd, None, true, &Supervisor::Nobody),
            (Supervised::No, socket(), true, &Supervisor::Nobody),
        ] {
            assert_eq!(Supervisor::choose(supervised, notify, upstart), *expect);
        }
    }

    #[test]
    fn systemd_hears_that_the_server_is_ready() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        let supervisor = Supervisor::Systemd(path);
        supervisor.ready();
        supervisor.stopping();
        let mut message = [0; 100];
        let length = socket.recv(&mut message).expect("a message");
        assert!(message[..length].starts_with(b"READY=1\n"));
        let length = socket.recv(&mut message).expect("a message");
        assert_eq!(&message[..length], b"STOPPING=1\n");
    }
}
