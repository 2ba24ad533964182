//! The log: lines as Redis writes them, to standard output or to a file.
//!
//! Levels: tracing's TRACE is Redis's debug (`.`), DEBUG verbose (`-`), INFO notice (`*`), WARN and ERROR warning
//! (`#`).

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Config, LogLevel};

/// Sends what is logged from now on where the configuration says. A second call changes nothing.
pub fn start(config: Arc<Config>) {
    // The first logger stays: a process has one.
    Registry::default()
        .with(Log { config })
        .try_init()
        .unwrap_or_default();
}

/// Reads level and file from the configuration at every line, so that CONFIG SET loglevel acts at once, and a log
/// file that was moved away is made anew.
struct Log {
    config: Arc<Config>,
}

fn level_of(level: &Level) -> LogLevel {
    match *level {
        Level::TRACE => LogLevel::Debug,
        Level::DEBUG => LogLevel::Verbose,
        Level::INFO => LogLevel::Notice,
        _ => LogLevel::Warning,
    }
}

impl<S: Subscriber> Layer<S> for Log {
    /// The level may change, so that no answer may be remembered.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        level_of(metadata.level()) >= self.config.loglevel()
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message::default();
        event.record(&mut message);
        let mark = match level_of(event.metadata().level()) {
            LogLevel::Debug => '.',
            LogLevel::Verbose => '-',
            LogLevel::Notice => '*',
            LogLevel::Warning | LogLevel::Nothing => '#',
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let time = format_time(now);
        let pid = std::process::id();
        let line = format!("{pid}:M {time} {mark} {}{}\n", message.text, message.fields);
        // A log that cannot be written has nobody to tell.
        self.write(line.as_bytes()).unwrap_or_default();
    }
}

impl Log {
    fn write(&self, line: &[u8]) -> io::Result<()> {
        match self.config.logfile() {
            Some(path) => File::options()
                .append(true)
                .create(true)
                .open(path)?
                .write_all(line),
            None => {
                let mut out = io::stdout().lock();
                out.write_all(line)?;
                out.flush()
            }
        }
    }
}

/// The text of an event and its fields. Line ends become spaces, so that nobody can forge a line.
#[derive(Default)]
struct Message {
    text: String,
    fields: String,
}

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let printed = format!("{value:?}").replace(['\n', '\r'], " ");
        if field.name() == "message" {
            self.text = printed;
        } else {
            write!(self.fields, " {}={printed}", field.name()).expect("a string takes it");
        }
    }
}

/// `DD Mon YYYY HH:MM:SS.mmm` in local time.
fn format_time(since_1970: Duration) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let seconds = since_1970.as_secs() as libc::time_t;
    // SAFETY: `tm` is plain numbers and a pointer, for which zero is a value.
    let mut tm: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values of this frame; `localtime_r` keeps neither.
    let filled = unsafe { libc::localtime_r(&seconds, &mut tm) };
    assert!(!filled.is_null(), "the year fits");
    format!(
        "{:02} {} {} {:02}:{:02}:{:02}.{:03}",
        tm.tm_mday,
        MONTHS[tm.tm_mon as usize % 12],
        tm.tm_year + 1900,
        tm.tm_hour,
        tm.tm_min,
        tm.tm_sec,
        since_1970.subsec_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Caller;

    #[test]
    fn lines_have_the_form_of_redis_and_obey_the_level_of_now() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("log");
        let text = format!("logfile {}\n", path.display());
        let mut files = super::super::config_files::ConfigFiles;
        let config = crate::config::file::load(text.as_bytes(), None, &mut files).expect("loads");
        let config = Arc::new(config);
        let log = Registry::default().with(Log {
            config: Arc::clone(&config),
        });
        tracing::subscriber::with_default(log, || {
            tracing::debug!("not shown");
            tracing::info!(port = 7, "one\ntwo");
            let set = config.set(&[(b"loglevel", b"verbose")], Caller::default());
            set.expect("a level");
            tracing::debug!("shown");
            std::fs::remove_file(&path).expect("moved away");
            tracing::warn!("in a new file");
            tracing::error!("the same mark");
        });
        let text = std::fs::read_to_string(&path).expect("a log");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].ends_with(" # in a new file"));
        assert!(lines[1].ends_with(" # the same mark"));
        let words: Vec<&str> = lines[0].split(' ').collect();
        assert_eq!(words[0], format!("{}:M", std::process::id()));
        assert_eq!([words[1].len(), words[2].len(), words[3].len()], [2, 3, 4]);
        assert_eq!(words[4].len(), "00:00:00.000".len());
    }

    #[test]
    fn a_message_stays_on_one_line() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("log");
        let text = format!("logfile {}\n", path.display());
        let mut files = super::super::config_files::ConfigFiles;
        let config = crate::config::file::load(text.as_bytes(), None, &mut files).expect("loads");
        let log = Registry::default().with(Log {
            config: Arc::new(config),
        });
        tracing::subscriber::with_default(log, || {
            tracing::info!(port = 7, "one\ntwo");
        });
        let text = std::fs::read_to_string(&path).expect("a log");
        assert!(text.ends_with(" * one two port=7\n"), "{text}");
    }
}
