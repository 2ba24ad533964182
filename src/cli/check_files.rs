//! Verifying RDB files and append-only files: every byte is read as an import reads it, and nothing is kept.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::append_only::{AppendOnly, AppendOnlyError};
use super::file_report::FileReport;
use super::moment::Moment;
use super::repair;
use super::seed::compile;
use crate::command::server::Server;
use crate::command::table::{self, Resolved};
use crate::config::Config;
use crate::interchange::aof::ownership::{Rest, ownership};
use crate::interchange::aof::survey::{Survey, survey};
use crate::interchange::aof::{AofError, Commands};
use crate::interchange::rdb::decode::{Decoded, Skipped};
use crate::interchange::rdb::file::{Key, Reader, Record};
use crate::interchange::rdb::{Input, RdbError, Value};
use crate::storage::check::Severity;
use crate::vfs::OsClock;

/// Bytes read together.
const BUFFER_BYTES: usize = 1 << 20;
/// Bytes of the checksum at the end of an RDB file.
const CHECKSUM_BYTES: u64 = 8;

/// What is to be verified.
pub(super) enum Subject {
    Rdb(PathBuf),
    AppendOnly(AppendOnly),
}

impl Subject {
    /// What stands at `path`, by its bytes; None: a database, or nothing that is known.
    pub fn find(path: &Path) -> Result<Option<Self>, AppendOnlyError> {
        let mut begin = Vec::new();
        if path.is_file() {
            let open = |source| AppendOnlyError::Open {
                path: path.display().to_string(),
                source,
            };
            let file = File::open(path).map_err(open)?;
            file.take(8).read_to_end(&mut begin).map_err(open)?;
        }
        if begin == *b"REDKEEP\0" || !path.exists() {
            return Ok(None);
        }
        if let Some(file) = AppendOnly::find(path)? {
            return Ok(Some(Self::AppendOnly(file)));
        }
        let is_rdb = begin.starts_with(b"REDIS") || begin.starts_with(b"VALKEY");
        Ok(is_rdb.then(|| Self::Rdb(path.to_path_buf())))
    }

    pub fn check(&self) -> io::Result<FileReport> {
        let mut report = FileReport::default();
        match self {
            Self::Rdb(path) => check_rdb(&mut report, path)?,
            Self::AppendOnly(file) => {
                for (at, path) in file.parts.iter().enumerate() {
                    let is_last = at + 1 == file.parts.len();
                    report.count("parts", 1);
                    check_part(&mut report, path, is_last)?;
                }
                repair::find_leftovers(&mut report, file)?;
            }
        }
        Ok(report)
    }
}

fn check_rdb(report: &mut FileReport, path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut source = BufReader::with_capacity(BUFFER_BYTES, file);
    if let Some(end) = rdb(report, path, &mut source, len)?
        && end < len
    {
        let text = format!("{} bytes stand behind its end", len - end);
        report.add(Severity::Warning, path, Some(end), text);
    }
    report.count("bytes", len);
    Ok(())
}

fn check_part(report: &mut FileReport, path: &Path, is_last: bool) -> io::Result<()> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) => {
            let text = format!("it cannot be read: {error}");
            report.add(Severity::Error, path, None, text);
            return Ok(());
        }
    };
    let len = file.metadata()?.len();
    let mut source = BufReader::with_capacity(BUFFER_BYTES, &file);
    let mut at = 0;
    if source.fill_buf()?.starts_with(b"REDIS") {
        let Some(end) = rdb(report, path, &mut source, len)? else {
            report.count("bytes", len);
            return Ok(());
        };
        at = end;
        file.seek(SeekFrom::Start(at))?;
        source = BufReader::with_capacity(BUFFER_BYTES, &file);
    }
    let mut see = |at, words: &[Vec<u8>]| {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        if !matches!(table::resolve(&words), Resolved::Command(_)) {
            let name = words[0].escape_ascii();
            let text = format!("the command {name} is not known here");
            report.add(Severity::Warning, path, Some(at), text);
        }
    };
    let survey = survey(&mut Commands::new(&mut source, at), &mut see)?;
    tell_survey(report, path, &survey);
    let left_at = tell_owner(report, path)?;
    if let (Some(at), true) = (left_at, is_last) {
        let text =
            "from here on it is not whole as its database announced it, as a crash leaves it";
        report.add(Severity::Warning, path, Some(at), text.to_owned());
        report.tear(path, at, len);
    } else if let Some(fault) = &survey.fault {
        tell_fault(report, path, fault, len, is_last);
    }
    report.count("bytes", len);
    Ok(())
}

fn tell_survey(report: &mut FileReport, path: &Path, survey: &Survey) {
    report.count("commands", survey.commands);
    report.count("transactions", survey.transactions);
    report.count("notes", survey.notes);
    if let Some((first, last)) = survey.times_ms {
        let text = format!("time stamps from {} to {}", Moment(first), Moment(last));
        report.add(Severity::Note, path, None, text);
    }
    if let Some(at) = survey.goes_back_at {
        let text = "a time stamp is earlier than the one before it".to_owned();
        report.add(Severity::Note, path, Some(at), text);
    }
    if let Some(at) = survey.stray_at {
        let text = "a MULTI stands inside a transaction, or an EXEC outside of one".to_owned();
        report.add(Severity::Warning, path, Some(at), text);
    }
}

/// Says which database wrote a part, and where that of another server begins; answers where what a crash has left begins.
fn tell_owner(report: &mut FileReport, path: &Path) -> io::Result<Option<u64>> {
    let mut source = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
    let (own, rest) = ownership(&mut source, None)?;
    let Some(identity) = &own.identity else {
        return Ok(None);
    };
    let text = format!(
        "written by database {identity}, up to its transaction {}",
        own.lsn
    );
    report.add(Severity::Note, path, None, text);
    if let Rest::Foreign { at, .. } = rest {
        let text =
            "what follows that database did not write: another server has gone on".to_owned();
        report.add(Severity::Warning, path, Some(at), text);
    }
    Ok((rest == Rest::Left).then_some(own.end))
}

fn tell_fault(report: &mut FileReport, path: &Path, fault: &AofError, len: u64, is_last: bool) {
    let is_torn = matches!(fault, AofError::Torn { .. });
    let severity = if is_torn && is_last {
        Severity::Warning
    } else {
        Severity::Error
    };
    let offset = fault.offset();
    report.add(severity, path, offset, fault.to_string());
    if let (Some(at), true) = (offset, is_last)
        && (is_torn || matches!(fault, AofError::Garbage { .. }))
    {
        report.tear(path, at, len);
    }
}

/// Reads an RDB file to its end, which is answered; None: something is wrong before.
fn rdb(
    report: &mut FileReport,
    path: &Path,
    source: &mut dyn Read,
    len: u64,
) -> io::Result<Option<u64>> {
    let mut reader = match Reader::begin(Input::new(source, len), true) {
        Ok(reader) => reader,
        Err(error) => return tell_damage(report, path, 0, error),
    };
    report.count("rdb_version", u64::from(reader.version()));
    report.count("keys", 0);
    let mut libraries = Vec::new();
    loop {
        let at = reader.at();
        match reader.next_record() {
            Ok(Some(Record::Key(key))) => tell_key(report, path, at, &key),
            Ok(Some(Record::Function(code))) => libraries.push(code),
            Ok(Some(Record::ModuleAux(name))) => {
                let text = format!("a field of the module {name}, which is not known here");
                report.add(Severity::Warning, path, Some(at), text);
            }
            Ok(Some(Record::Aux { .. } | Record::Sizes { .. })) => {}
            Ok(None) => break,
            Err(error) => {
                let at = reader.at().saturating_sub(CHECKSUM_BYTES);
                return tell_damage(report, path, at, error);
            }
        }
    }
    report.count("libraries", libraries.len() as u64);
    let server = Server::new(Arc::new(Config::default()), Arc::new(OsClock::default()));
    if let Err(text) = compile(&libraries, &server) {
        let text = format!("its libraries of functions cannot be loaded: {text}");
        report.add(Severity::Error, path, None, text);
    }
    Ok(Some(reader.at()))
}

fn tell_key(report: &mut FileReport, path: &Path, at: u64, key: &Key) {
    report.count("keys", 1);
    if key.expires_ms.is_some() {
        report.count("expiring_keys", 1);
    }
    let kind = match &key.value {
        Decoded::Value(Value::String(_)) => "strings",
        Decoded::Value(Value::List(_)) => "lists",
        Decoded::Value(Value::Set(_)) => "sets",
        Decoded::Value(Value::SortedSet(_)) => "sorted_sets",
        Decoded::Value(Value::Hash(_)) => "hashes",
        Decoded::Value(Value::Stream(_)) => "streams",
        Decoded::Skipped(skipped) => {
            let what = match skipped {
                Skipped::Module(name) => format!("the module type {name}"),
                Skipped::Array => "the type array".to_owned(),
            };
            let name = key.name.escape_ascii();
            let text = format!("key {name} has a value of {what}, which is not kept here");
            report.add(Severity::Warning, path, Some(at), text);
            "others"
        }
    };
    report.count(kind, 1);
}

/// `checksum_at`: where the checksum stands, if that is what is wrong.
fn tell_damage(
    report: &mut FileReport,
    path: &Path,
    checksum_at: u64,
    error: RdbError,
) -> io::Result<Option<u64>> {
    if let RdbError::Io { source, .. } = error {
        return Err(source);
    }
    let offset = error.offset().unwrap_or(checksum_at);
    report.add(Severity::Error, path, Some(offset), error.to_string());
    Ok(None)
}
