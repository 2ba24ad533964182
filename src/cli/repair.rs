//! `redkeep check --fix`: what can be changed without losing anything.
//!
//! The end of the last part that is no whole command is cut off, and kept in a file beside. Files that rewrites left and
//! parts that the manifest calls history are removed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::append_only::AppendOnly;
use super::file_report::{FileReport, TornEnd};
use crate::interchange::aof::Manifest;
use crate::storage::check::Severity;
use crate::storage::open::with_suffix;
use crate::storage::replace::replace;
use crate::vfs::{OsVfs, folder_of};

/// Adds the files beside the parts that nothing needs any more.
pub(super) fn find_leftovers(report: &mut FileReport, file: &AppendOnly) -> io::Result<()> {
    let Some((path, manifest)) = &file.manifest else {
        return Ok(());
    };
    let dir = folder_of(path);
    let mut found = Vec::new();
    for part in &manifest.history {
        let path = dir.join(&part.name);
        if path.is_file() {
            found.push((path, "the manifest calls it history"));
        }
    }
    let mut names: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(dir)? {
        names.push(entry?.path());
    }
    names.sort();
    let named = |path: &Path| file.parts.iter().any(|part| part == path);
    for path in names {
        if is_temporary(&path) && !named(&path) && path.is_file() {
            found.push((path, "a rewrite that did not end left it"));
        }
    }
    for (path, why) in found {
        let text = format!("nothing needs it: {why}");
        report.add(Severity::Note, &path, None, text);
        report.leftovers.push(path);
    }
    Ok(())
}

/// Names of files that are being written, here and by Redis.
fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_part = name.ends_with(".aof") || name.ends_with(".rdb") || name.ends_with(".manifest");
    let is_ours = [".base.rdb.tmp", ".base.aof.tmp", ".manifest.tmp"]
        .iter()
        .any(|end| name.ends_with(end));
    is_ours || (name.starts_with("temp-") && is_part)
}

/// Does what is safe; says what that was. `report` is of a check before.
pub(super) fn fix(report: &FileReport, file: &AppendOnly) -> io::Result<Vec<String>> {
    let mut done = Vec::new();
    if report.has_other_errors() {
        eprintln!(
            "redkeep check: nothing is changed: what is damaged is not the end of the last part, and cutting there would \
             lose what is behind"
        );
        return Ok(done);
    }
    if let Some(end) = &report.torn_end {
        let kept = cut(end)?;
        let (TornEnd { file, at, len }, kept) = (end, kept.display());
        let file = file.display();
        done.push(format!(
            "{file}: {len} bytes from offset {at} on are cut off, and kept in {kept}"
        ));
    }
    for path in &report.leftovers {
        fs::remove_file(path)?;
        done.push(format!("{}: removed", path.display()));
    }
    if let Some((path, manifest)) = &file.manifest
        && !manifest.history.is_empty()
    {
        let manifest = Manifest {
            history: Vec::new(),
            ..manifest.clone()
        };
        let text = manifest.to_text();
        replace(&OsVfs, path, &mut |out| out.write_all(text.as_bytes()))?;
        done.push(format!("{}: names no history any more", path.display()));
    }
    Ok(done)
}

/// Cuts off the end of a file after it is durable in another, which is answered.
fn cut(end: &TornEnd) -> io::Result<PathBuf> {
    let mut file = OpenOptions::new().read(true).write(true).open(&end.file)?;
    file.seek(SeekFrom::Start(end.at))?;
    let (kept, mut out) = new_beside(&end.file, end.at)?;
    io::copy(&mut Read::take(&mut file, end.len), &mut out)?;
    out.sync_all()?;
    File::open(folder_of(&end.file))?.sync_all()?;
    file.set_len(end.at)?;
    file.sync_all()?;
    Ok(kept)
}

/// A new file for what is cut off at an offset.
fn new_beside(path: &Path, at: u64) -> io::Result<(PathBuf, File)> {
    let mut count = 1;
    loop {
        let mut suffix = format!(".cut-{at}");
        if count > 1 {
            suffix += &format!("-{count}");
        }
        let name = with_suffix(path, &suffix);
        match OpenOptions::new().write(true).create_new(true).open(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => count += 1,
            opened => return opened.map(|file| (name, file)),
        }
    }
}
