//! A server process on a free port, in a folder of its own.

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::socket::Socket;

/// How long a server may take to answer its first PING.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// The arguments of a server that is to listen on a port and keep its files in a folder.
pub type ArgumentsOf = Box<dyn Fn(u16, &Path) -> Vec<OsString>>;

/// A running server; killed when dropped.
pub struct Process {
    program: PathBuf,
    arguments: ArgumentsOf,
    folder: TempDir,
    port: u16,
    child: Child,
}

impl Process {
    /// Starts the program and waits until it answers.
    ///
    /// # Errors
    /// If it cannot be started, ends, or does not answer in time.
    pub fn start(program: &Path, arguments: ArgumentsOf) -> io::Result<Process> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let child = spawn(program, &arguments(port, folder.path()), folder.path())?;
        let mut process = Process {
            program: program.to_owned(),
            arguments,
            folder,
            port,
            child,
        };
        process.await_answer()?;
        Ok(process)
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends the process with SIGKILL, as a crash of the program does.
    ///
    /// # Errors
    /// What the operating system reports.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts the program again on the same port and folder, and waits until it answers.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub fn start_again(&mut self) -> io::Result<()> {
        let arguments = (self.arguments)(self.port, self.folder.path());
        self.child = spawn(&self.program, &arguments, self.folder.path())?;
        self.await_answer()
    }

    fn await_answer(&mut self) -> io::Result<()> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!(
                    "the server ended at once: {status}"
                )));
            }
            let answer =
                Socket::connect(self.address()).and_then(|mut socket| socket.ask(&["PING"]));
            match answer {
                Ok(reply) if reply == b"+PONG\r\n" => return Ok(()),
                _ if begin.elapsed() > START_PATIENCE => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "the server does not answer",
                    ));
                }
                _ => thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that has ended already is as good as one that is killed.
        drop(self.kill());
    }
}

fn spawn(program: &Path, arguments: &[OsString], folder: &Path) -> io::Result<Child> {
    Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}
