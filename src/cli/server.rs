//! `redkeep server`: reads the configuration and sets the process up around the server.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Arg;

use super::config_files::{CONFIG_BYTES_MAX, ConfigFiles};
use super::daemon::{self, PidFile, Supervisor};
use super::logging;
use crate::command::table::renames::{RenameError, Renames};
use crate::config::directive::Directive;
use crate::config::file::{self, LoadError};
use crate::config::overrides::{self, Overrides};
use crate::config::table::TABLE;
use crate::config::{Config, Effect, Key, memory};

/// Why a server did not start, or did not stop well. `Display` is what the log says.
pub type ServeError = Box<dyn std::error::Error + Send + Sync>;

/// Runs a server until it is told to stop.
pub type Serve = fn(Launch) -> Result<(), ServeError>;

/// What a server is started with.
#[derive(Debug)]
pub struct Launch {
    pub config: Arc<Config>,
    /// Bytes for the page cache: `cache-size`, or a quarter of the memory there is.
    pub cache_bytes: u64,
    supervisor: Supervisor,
}

impl Launch {
    /// To be called when connections are accepted: tells who supervises the process.
    pub fn ready(&self) {
        self.supervisor.ready();
    }

    /// To be called when the server begins to stop.
    pub fn stopping(&self) {
        self.supervisor.stopping();
    }
}

/// Bytes for the page cache: `cache-size`, or a quarter of the memory there is.
pub(super) fn cache_bytes(config: &Config) -> u64 {
    match config.cache_size() {
        0 => quarter_of_memory(),
        bytes => bytes,
    }
}

fn quarter_of_memory() -> u64 {
    memory::default_cache_bytes(&|path| std::fs::read_to_string(path).ok())
}

/// Bytes that scripts may hold: a quarter of the memory there is.
pub(super) fn script_bytes_max() -> usize {
    usize::try_from(quarter_of_memory()).unwrap_or(usize::MAX)
}

/// What `redkeep server` cannot do before there is a log.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("{0}")]
    Load(#[from] LoadError),
    #[error("Can't read standard input: {0}")]
    Stdin(io::Error),
    #[error("Can't daemonize: {0}")]
    Daemonize(io::Error),
    #[error("rename-command: {0}")]
    Rename(#[from] RenameError),
}

/// Runs the subcommand. `arguments` are those behind `server`.
pub fn run(arguments: Vec<OsString>, serve: Serve) -> ExitCode {
    match arguments.first().and_then(|first| first.to_str()) {
        Some("--help" | "-h") => {
            print!("{}", help());
            return ExitCode::SUCCESS;
        }
        Some("--version" | "-v" | "-V") => {
            println!("redkeep {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let arguments: Vec<Vec<u8>> = arguments.into_iter().map(OsStringExt::into_vec).collect();
    let is_default = arguments.is_empty();
    match prepare(&overrides::read(&arguments)) {
        Ok(launch) => start(launch, serve, is_default),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the configuration and detaches the process if asked to. No thread runs yet.
fn prepare(overrides: &Overrides) -> Result<Launch, StartError> {
    let config = Arc::new(load(overrides)?);
    config.attach_disk(Arc::new(ConfigFiles));
    let supervisor = Supervisor::find(config.supervised());
    if config.daemonize() && !supervisor.is_there() {
        daemon::daemonize().map_err(StartError::Daemonize)?;
    }
    logging::start(Arc::clone(&config));
    let cache_bytes = cache_bytes(&config);
    Ok(Launch {
        config,
        cache_bytes,
        supervisor,
    })
}

/// The text of the file, of standard input, and of the command line, in this order; later lines win.
fn load(overrides: &Overrides) -> Result<Config, StartError> {
    let mut files = ConfigFiles;
    let mut text = Vec::new();
    let mut path = None;
    if let Some(file) = &overrides.file {
        let said = PathBuf::from(OsString::from_vec(file.clone()));
        let absolute = std::path::absolute(&said).unwrap_or(said);
        let read = file::Files::read(&mut files, &absolute);
        text = read.map_err(|error| LoadError::Unreadable {
            path: absolute.clone(),
            error,
        })?;
        path = Some(absolute);
    }
    if overrides.reads_stdin {
        io::stdin()
            .take(CONFIG_BYTES_MAX)
            .read_to_end(&mut text)
            .map_err(StartError::Stdin)?;
    }
    text.push(b'\n');
    text.extend(&overrides.text);
    let config = file::load(&text, path, &mut files)?;
    Renames::new(&config.startup().renames)?;
    Ok(config)
}

fn start(launch: Launch, serve: Serve, is_default: bool) -> ExitCode {
    let config = Arc::clone(&launch.config);
    let version = env!("CARGO_PKG_VERSION");
    let pid = std::process::id();
    tracing::info!("Redkeep is starting");
    tracing::info!(
        "Redkeep version={version}, bits={}, pid={pid}, just started",
        usize::BITS
    );
    if is_default {
        tracing::warn!("No config file specified, using the default config");
    } else {
        tracing::info!("Configuration loaded");
    }
    warn_of_idle(&config);
    let shows_logo = config.is_on(Key::AlwaysShowLogo)
        || (config.logfile().is_none() && !config.daemonize() && io::stdout().is_terminal());
    if shows_logo {
        print!("{}", logo(&config, pid));
    }
    let pid_file = PidFile::create(&config);
    let result = serve(launch);
    drop(pid_file);
    match result {
        Ok(()) => {
            tracing::warn!("Redkeep is now ready to exit, bye bye...");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Says which parts of the configuration have no effect: a rule that nobody enforces must not look like one.
fn warn_of_idle(config: &Config) {
    let startup = config.startup();
    let (mut later, mut absent) = (Vec::new(), Vec::new());
    for key in &startup.named {
        let row = key.directive();
        if *config.value(*key) == row.default_value() {
            continue;
        }
        match row.effect {
            Effect::Acts => {}
            Effect::Later => later.push(row.name),
            Effect::Absent => absent.push(row.name),
        }
    }
    for (names, why) in [
        (later, "have no effect in this version"),
        (absent, "name parts that this server does not have"),
    ] {
        if !names.is_empty() {
            tracing::info!("Directives that {why}: {}", names.join(", "));
        }
    }
    if !startup.modules.is_empty() {
        tracing::warn!("'loadmodule' has no effect in this version");
    }
}

fn logo(config: &Config, pid: u32) -> String {
    let port = config.main_port();
    let file = config.dbfile().display().to_string();
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "\n  .---------.\n  | .-----. |   Redkeep {version}\n  | | === | |   Port: {port}\n  | | === | |   PID: {pid}\n  | '-----' |   File: {file}\n  '---------'\n\n"
    )
}

/// Redkeep's own directives, and what they mean.
const OWN: [(Key, &str); 11] = [
    (Key::Dbfile, "the database, created when it is not there"),
    (
        Key::CacheSize,
        "memory for pages; 0: a quarter of what there is",
    ),
    (
        Key::PageSize,
        "bytes of a page, for a new database: 4096 to 65536, a power of two",
    ),
    (
        Key::WalKeep,
        "folder that gets every part of the log before it is written over",
    ),
    (
        Key::WalAutocheckpoint,
        "size of the log at which a checkpoint starts",
    ),
    (
        Key::CheckpointInterval,
        "seconds between checkpoints; 0: none by time",
    ),
    (
        Key::OnCorruption,
        "damage in the log: abort, or truncate before it",
    ),
    (
        Key::LoadRdb,
        "RDB file whose keys a new database begins with",
    ),
    (
        Key::RdbVersion,
        "version of the RDB files and payloads that are written: 10 to 12",
    ),
    (
        Key::MetricsAddr,
        "HOST:PORT of /metrics for Prometheus and of /healthz",
    ),
    (
        Key::Workers,
        "threads that serve connections; 0: one for every two cores",
    ),
];

/// The directives that act, as options: for completions and the manual. The server itself reads them as Redis does.
pub fn options() -> Vec<Arg> {
    let acting = TABLE.iter().filter(|row| row.effect == Effect::Acts);
    let option = |row: &Directive| {
        let own = OWN.iter().find(|(key, _)| *key == row.key);
        let meaning = own.map_or(
            "as in the redis.conf that comes with Redis 7.4",
            |(_, it)| it,
        );
        let option = Arg::new(row.name).long(row.name);
        option.value_name("VALUE").help(meaning)
    };
    acting.map(option).collect()
}

/// The help: ours one by one, Redis's by name.
fn help() -> String {
    let mut text = String::from(
        "Serve a file to Redis clients\n\n\
         Usage: redkeep server [redis.conf] [-] [--directive value ...]\n\n\
         Directives are those of redis.conf, in the file, on standard input (-), or as options; the last one wins.\n\n\
         Redkeep's own directives:\n",
    );
    for (key, meaning) in OWN {
        let row = key.directive();
        let default = row.kind.lines(&row.default_value());
        let default = default.first().map_or_else(String::new, |(text, _)| {
            format!(" {}", String::from_utf8_lossy(text))
        });
        let option = format!("--{}{default}", row.name);
        text.push_str(&format!("  {option:<32} {meaning}\n"));
    }
    text.push_str("\nDirectives of Redis that act:\n");
    let acting: Vec<&str> = TABLE
        .iter()
        .filter(|row| row.effect == Effect::Acts && !OWN.iter().any(|(key, _)| *key == row.key))
        .map(|row| row.name)
        .collect();
    let mut line = String::from(" ");
    for name in acting {
        if line.len() + name.len() > 98 {
            text.push_str(&line);
            text.push('\n');
            line = String::from(" ");
        }
        line.push(' ');
        line.push_str(name);
    }
    text.push_str(&line);
    text.push_str(
        "\n\nAll other directives of Redis 7.4 are accepted, checked and kept. What each means is documented in the\n\
         redis.conf that comes with Redis: https://redis.io/docs/latest/operate/oss_and_stack/management/config/\n\n\
         Examples:\n  \
         redkeep server\n  \
         redkeep server /etc/redis/redis.conf --dbfile /var/lib/redkeep/data.keep\n  \
         redkeep server --port 7000 --appendfsync always --cache-size 4gb\n",
    );
    text
}
