//! `redkeep restore`: a backup and the archive of the log behind it become a database as it was at a moment.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;

use super::moment::Moment;
use super::progress::Progress;
use crate::storage::OpenOptions;
use crate::storage::log::{History, HistoryError, Lsn, Stretch};
use crate::storage::restore::{Restore, RestoreError, RestoreProgress, Restored, Until};
use crate::vfs::{Clock, OsClock, OsVfs, random_bytes};

/// Numbers below this are transactions: as seconds since 1970 they would lie before September 2001.
const SECONDS_MIN: u64 = 1_000_000_000;

/// Numbers from this on are milliseconds: as seconds they would lie in the year 5138.
const MILLISECONDS_MIN: u64 = 100_000_000_000;

/// Make a database as it was at a moment: from a backup, and what `wal-keep` has kept of the log behind it.
///
/// The new file is a database of its own. A server on it needs another folder for its `wal-keep`
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The backup that the restore begins with: made by `redkeep backup` or BACKUP before that moment
    #[arg(long, value_name = "BACKUP", required_unless_present = "list")]
    from: Option<PathBuf>,
    /// The folder of `wal-keep`
    #[arg(long, value_name = "DIR")]
    wal: PathBuf,
    /// The log of the lost machine, such as data.keep-wal, if it is there: what is not in the folder yet
    #[arg(long, value_name = "FILE")]
    wal_file: Option<PathBuf>,
    /// How far: 2026-11-20T10:00:00Z, seconds or milliseconds since 1970, or the number of a transaction (also
    /// lsn:NUMBER). As far as there is anything if it is not given
    #[arg(long, value_name = "TIME|LSN")]
    until: Option<Goal>,
    /// Show what the folder holds, and verify it
    #[arg(long, conflicts_with_all = ["from", "until", "out", "wal_file"])]
    list: bool,
    /// The new database; nothing may be there
    #[arg(required_unless_present = "list")]
    out: Option<PathBuf>,
}

/// How far, as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    Lsn(u64),
    Moment(Moment),
}

impl FromStr for Goal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| {
            text.parse::<u64>()
                .map_err(|_| format!("{text} is not the number of a transaction"))
        };
        if let Some(lsn) = text.strip_prefix("lsn:") {
            return number(lsn).map(Self::Lsn);
        }
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(Self::Moment);
        }
        Ok(match number(text)? {
            n if n < SECONDS_MIN => Self::Lsn(n),
            n if n < MILLISECONDS_MIN => Self::Moment(Moment(n * 1000)),
            n => Self::Moment(Moment(n)),
        })
    }
}

/// Why there is no new file.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error("no random bytes for its identity: {0}")]
    Random(io::Error),
    #[error(transparent)]
    Vfs(#[from] crate::vfs::VfsError),
}

/// Runs the subcommand.
pub fn run(args: &RestoreArgs) -> ExitCode {
    let done = match (&args.from, &args.out) {
        (Some(from), Some(out)) => restore(args, from, out),
        _ => list(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("redkeep restore: {error}");
            ExitCode::FAILURE
        }
    }
}

fn restore(args: &RestoreArgs, from: &Path, out: &Path) -> Result<(), Failed> {
    let request = Restore {
        backup: from,
        archive: &args.wal,
        log: args.wal_file.as_deref(),
        until: match args.until {
            None => Until::End,
            Some(Goal::Lsn(lsn)) => Until::Lsn(Lsn(lsn)),
            Some(Goal::Moment(Moment(wall_ms))) => Until::WallMs(wall_ms),
        },
        out,
    };
    let identity = random_bytes().map_err(Failed::Random)?;
    let clock: Arc<dyn Clock> = Arc::new(OsClock::default());
    let mut bars = Bars::default();
    let done = request.run(
        &OsVfs,
        &clock,
        &OpenOptions::new(identity),
        &mut |progress| bars.show(progress),
    );
    bars.clear();
    let restored = done?;
    println!("{}", summary(&restored, out));
    Ok(())
}

fn summary(restored: &Restored, out: &Path) -> String {
    let when = restored
        .wall_ms
        .map_or(String::new(), |ms| format!(" of {}", Moment(ms)));
    let later = if restored.has_later {
        "; later ones were left out"
    } else {
        ""
    };
    format!(
        "{}: transaction {}{when}, {} replayed behind the backup's {}{later}",
        out.display(),
        restored.last_lsn,
        restored.replayed,
        restored.backup_lsn
    )
}

fn list(args: &RestoreArgs) -> Result<(), Failed> {
    let history = History::open(&OsVfs, &args.wal, None)?;
    for stretch in history.stretches(&OsVfs)? {
        println!("{}", line(&stretch));
    }
    Ok(())
}

fn line(stretch: &Stretch) -> String {
    let when = stretch.wall_ms.map_or(String::new(), |(first, last)| {
        format!(", {} to {}", Moment(first), Moment(last))
    });
    format!(
        "transactions {} to {}{when}, {} files, {} bytes",
        stretch.first, stretch.last, stretch.files, stretch.bytes
    )
}

/// Progress of one step after the other.
#[derive(Default)]
struct Bars {
    copied: Option<Progress<'static>>,
    replayed: Option<Progress<'static>>,
}

impl Bars {
    fn show(&mut self, progress: RestoreProgress) {
        match progress {
            RestoreProgress::Copied { pages, pages_total } => self
                .copied
                .get_or_insert_with(|| Progress::new("copied", pages_total))
                .show(pages),
            RestoreProgress::Replayed { done, total } => self
                .replayed
                .get_or_insert_with(|| Progress::new("replayed", total))
                .show(done),
        }
    }

    fn clear(&self) {
        for bar in [&self.copied, &self.replayed].into_iter().flatten() {
            bar.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_numbers_and_moments() {
        let read = |text: &str| text.parse::<Goal>();
        assert_eq!(read("57"), Ok(Goal::Lsn(57)));
        assert_eq!(read("lsn:1795168800"), Ok(Goal::Lsn(1_795_168_800)));
        let moment = Ok(Goal::Moment(Moment(1_795_168_800_000)));
        assert_eq!(read("1795168800"), moment);
        assert_eq!(read("1795168800000"), moment);
        assert_eq!(read("2026-11-20T10:00:00Z"), moment);
        for bad in [
            "",
            "lsn:",
            "lsn:-1",
            "-5",
            "soon",
            "99999999999999999999999",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
