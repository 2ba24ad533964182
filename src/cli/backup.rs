//! `redkeep backup`: a copy of a database that is whole on its own, from a running server or of a closed file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use clap::{ArgGroup, Args};

use super::bench::Target;
use super::progress::Progress;
use super::remote::{Remote, RemoteError};
use crate::db::{Copied, Db, DbError, Options, Sync};
use crate::resp::value::Value;
use crate::storage::OpenError;

/// How often a server is asked how far it is.
const ASK: Duration = Duration::from_millis(500);

/// Copy a database, open or not, to a file that is whole on its own.
///
/// The copy is what the database holds at one moment; writers are not held up, and every page is verified on the way.
/// With --addr the server writes the copy, into its own working directory.
///
/// Exit codes: 0 the copy is there, 1 failed, and there is none, 2 wrong usage
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("database").required(true).args(["file", "addr"]))]
#[group(skip)]
pub struct BackupArgs {
    /// The database file, if no server has it open
    #[arg(long)]
    file: Option<PathBuf>,
    /// The server that has it open: HOST:PORT, or the path of a unix socket
    #[arg(long)]
    addr: Option<Target>,
    /// Password for AUTH
    #[arg(long, requires = "addr")]
    password: Option<String>,
    /// The copy; nothing may be there
    out: PathBuf,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
enum BackupError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(
        "{} is in use by another process: if that is a server, --addr has it make the copy",
        .0.display()
    )]
    InUse(PathBuf),
    #[error("{target}: {error}")]
    Remote { target: Target, error: RemoteError },
    #[error("{} is no name that can be sent", .0.display())]
    Name(PathBuf),
}

/// Runs the subcommand.
pub fn run(args: &BackupArgs) -> ExitCode {
    let made = match (&args.file, &args.addr) {
        (Some(path), _) => of_file(path, &args.out),
        (None, Some(target)) => of_server(args, target),
        (None, None) => unreachable!("one of the two is required"),
    };
    match made {
        Ok(()) => {
            println!("{} is a backup", args.out.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("redkeep backup: {error}");
            ExitCode::FAILURE
        }
    }
}

fn of_file(path: &Path, out: &Path) -> Result<(), BackupError> {
    let options = Options {
        sync: Sync::Manual,
        creates: false,
        ..Options::default()
    };
    let db = Db::open(path, options).map_err(|error| match error {
        DbError::Open(OpenError::InUse(path)) => BackupError::InUse(path),
        error => BackupError::Db(error),
    })?;
    let mut bar = Bar::default();
    let made = db.backup(out, |copied| bar.show(copied));
    bar.clear();
    made?;
    Ok(db.close()?)
}

fn of_server(args: &BackupArgs, target: &Target) -> Result<(), BackupError> {
    let failed = |error| BackupError::Remote {
        target: target.clone(),
        error,
    };
    let name = args.out.to_str();
    let name = name.ok_or_else(|| BackupError::Name(args.out.clone()))?;
    let connect = || Remote::connect(target, args.password.as_deref()).map_err(failed);
    let (mut maker, mut watcher) = (connect()?, connect()?);
    let mut bar = Bar::default();
    let (sender, receiver) = mpsc::channel();
    let name = name.to_owned();
    std::thread::spawn(move || {
        // Where nobody receives it any more, the program is about to end.
        let _ = sender.send(maker.call(&["BACKUP", name.as_str()]));
    });
    let made = loop {
        match receiver.recv_timeout(ASK) {
            Ok(reply) => break reply,
            Err(RecvTimeoutError::Timeout) => {
                if let Some(copied) = ask(&mut watcher).map_err(failed)? {
                    bar.show(copied);
                }
            }
            Err(RecvTimeoutError::Disconnected) => break Err(RemoteError::Closed),
        }
    };
    bar.clear();
    made.map(drop).map_err(failed)
}

/// How far the server is.
fn ask(server: &mut Remote) -> Result<Option<Copied>, RemoteError> {
    let Value::Bulk(text) = server.call(&["INFO", "storage"])? else {
        return Err(RemoteError::Unexpected("INFO"));
    };
    let text = String::from_utf8_lossy(&text);
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|number| number.parse().ok())
    };
    let known = number("backup_pages:").zip(number("backup_pages_total:"));
    Ok(known.map(|(pages, pages_total)| Copied { pages, pages_total }))
}

/// Shows the progress once the number of pages is known.
#[derive(Default)]
struct Bar(Option<Progress<'static>>);

impl Bar {
    fn show(&mut self, copied: Copied) {
        if copied.pages_total > 0 {
            let bar = self
                .0
                .get_or_insert_with(|| Progress::new("copied", copied.pages_total));
            bar.show(copied.pages);
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.0 {
            bar.clear();
        }
    }
}
