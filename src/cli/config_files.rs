//! Files of the configuration on disk: reading with includes, and replacing in one step.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use crate::config::Disk;
use crate::config::file::Files;
use crate::config::words;
use crate::resp::glob::{self, Case};
use crate::vfs::refuse_to_replace;

/// More than any configuration needs.
pub const CONFIG_BYTES_MAX: u64 = 16 << 20;

/// How many files a pattern may name.
const MATCHES_MAX: usize = 10_000;

/// The file system, for the configuration.
#[derive(Clone, Copy, Debug)]
pub struct ConfigFiles;

impl Files for ConfigFiles {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        read(path)
    }

    fn expand(&mut self, pattern: &Path) -> Vec<PathBuf> {
        expand(pattern)
    }

    fn enter_directory(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        std::env::set_current_dir(path)?;
        Ok(directory())
    }

    fn directory(&mut self) -> Vec<u8> {
        directory()
    }

    fn check_log(&mut self, path: &Path) -> io::Result<()> {
        File::options().append(true).create(true).open(path)?;
        Ok(())
    }
}

impl Disk for ConfigFiles {
    fn enter_directory(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        std::env::set_current_dir(std::ffi::OsStr::from_bytes(path))?;
        Ok(directory())
    }

    fn read_file(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        match read(path) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn replace_file(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        replace(&mut OnDisk, path, content)
    }
}

fn directory() -> Vec<u8> {
    std::env::current_dir()
        .map(|path| path.into_os_string().into_vec())
        .unwrap_or_default()
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let read = File::open(path)?
        .take(CONFIG_BYTES_MAX + 1)
        .read_to_end(&mut content)?;
    if read as u64 > CONFIG_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "larger than a configuration file may be",
        ));
    }
    Ok(content)
}

/// The steps of putting a file in the place of another.
trait Steps {
    /// Writes a new file with the permissions of the one that it will replace.
    fn write(&mut self, path: &Path, content: &[u8], replaced: &Path) -> io::Result<()>;
    /// Syncs a file or a directory.
    fn sync(&mut self, path: &Path) -> io::Result<()>;
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&mut self, path: &Path) -> io::Result<()>;
}

/// The steps on the disk.
struct OnDisk;

impl Steps for OnDisk {
    fn write(&mut self, path: &Path, content: &[u8], replaced: &Path) -> io::Result<()> {
        // What is there may be another name of a file in use: a power loss can leave both names of one that was renamed.
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = File::create_new(path)?;
        let mode = fs::metadata(replaced).map_or(0o644, |old| old.permissions().mode());
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(content)
    }

    fn sync(&mut self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        refuse_to_replace(to)?;
        fs::rename(from, to)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

/// Writes a new file beside the old one, syncs it, puts it in the old one's place, syncs the directory: after a crash
/// there is the old content or the new.
fn replace(disk: &mut dyn Steps, path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(name);
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    let replaced = disk
        .write(&temporary, content, path)
        .and_then(|()| disk.sync(&temporary))
        .and_then(|()| disk.rename(&temporary, path))
        .and_then(|()| disk.sync(parent.unwrap_or(Path::new("."))));
    if replaced.is_err() {
        // The error that matters is the one before; a file that was renamed is not there to remove.
        disk.remove(&temporary).unwrap_or_default();
    }
    replaced
}

/// Paths that match a pattern, sorted. Wildcards do not match a leading point.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let Component::Normal(part) = component else {
            found.iter_mut().for_each(|path| path.push(component));
            continue;
        };
        let part = part.as_bytes();
        found = if words::is_pattern(part) {
            found.iter().flat_map(|path| names(path, part)).collect()
        } else {
            found.into_iter().map(|path| path.join(component)).collect()
        };
        found.truncate(MATCHES_MAX);
    }
    found.retain(|path| path.symlink_metadata().is_ok());
    found.sort();
    found
}

fn names(directory: &Path, pattern: &[u8]) -> Vec<PathBuf> {
    let listed = if directory == Path::new("") {
        Path::new(".")
    } else {
        directory
    };
    let Ok(entries) = fs::read_dir(listed) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .filter(|name| {
            let name = name.as_bytes();
            (name[0] != b'.' || pattern[0] == b'.') && glob::matches(pattern, name, Case::Sensitive)
        })
        .take(MATCHES_MAX)
        .map(|name| directory.join(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_files_in_order_and_not_hidden_ones() {
        let home = tempfile::tempdir().expect("a directory");
        let conf = home.path().join("conf.d");
        fs::create_dir(&conf).expect("a directory");
        for name in ["b.conf", "a.conf", ".c.conf", "a.txt"] {
            fs::write(conf.join(name), "").expect("a file");
        }
        assert_eq!(
            expand(&home.path().join("c*.d/*.conf")),
            [conf.join("a.conf"), conf.join("b.conf")]
        );
        assert!(expand(&home.path().join("x*/*.conf")).is_empty());
        assert!(expand(&home.path().join("*/none.conf")).is_empty());
    }

    #[test]
    fn a_replaced_file_keeps_its_permissions_and_leaves_nothing_beside() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("redis.conf");
        fs::write(&path, "old").expect("a file");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("permissions");
        replace(&mut OnDisk, &path, b"new").expect("replaced");
        assert_eq!(fs::read(&path).expect("content"), b"new");
        let mode = fs::metadata(&path).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(replace(&mut OnDisk, &home.path().join("none/redis.conf"), b"").is_err());
        assert!(
            replace(&mut OnDisk, home.path(), b"").is_err(),
            "a directory cannot be replaced"
        );
        assert_eq!(fs::read_dir(home.path()).expect("a list").count(), 1);
    }

    #[test]
    fn a_file_that_has_the_temporary_name_too_is_not_written() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("users.acl");
        let temporary = format!("users.acl.{}.tmp", std::process::id());
        fs::write(&path, "old").expect("a file");
        fs::hard_link(&path, home.path().join(temporary)).expect("both names");
        let kept = home.path().join("kept.acl");
        fs::hard_link(&path, &kept).expect("a third one");
        replace(&mut OnDisk, &path, b"new").expect("replaced");
        assert_eq!(fs::read(&path).expect("content"), b"new");
        assert_eq!(fs::read(&kept).expect("content"), b"old");
        assert_eq!(fs::read_dir(home.path()).expect("a list").count(), 2);
    }

    /// Notes the steps, and fails at the one with this number.
    #[derive(Default)]
    struct Noted {
        steps: Vec<String>,
        fails_at: Option<usize>,
    }

    impl Noted {
        fn step(&mut self, step: &str, path: &Path) -> io::Result<()> {
            let name = path.to_string_lossy();
            let name = name.replace(&format!(".{}.tmp", std::process::id()), ".tmp");
            self.steps.push(format!("{step} {name}"));
            match self.fails_at {
                Some(at) if at + 1 == self.steps.len() => Err(io::ErrorKind::StorageFull.into()),
                _ => Ok(()),
            }
        }
    }

    impl Steps for Noted {
        fn write(&mut self, path: &Path, _: &[u8], _: &Path) -> io::Result<()> {
            self.step("write", path)
        }
        fn sync(&mut self, path: &Path) -> io::Result<()> {
            self.step("sync", path)
        }
        fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
            assert_eq!(to, Path::new("etc/users.acl"));
            self.step("rename", from)
        }
        fn remove(&mut self, path: &Path) -> io::Result<()> {
            self.step("remove", path)
        }
    }

    #[test]
    fn what_replaces_a_file_is_synced_before_it_has_its_name_and_its_directory_afterwards() {
        let path = Path::new("etc/users.acl");
        let mut whole = Noted::default();
        replace(&mut whole, path, b"user").expect("no step fails");
        let steps = [
            "write etc/users.acl.tmp",
            "sync etc/users.acl.tmp",
            "rename etc/users.acl.tmp",
            "sync etc",
        ];
        assert_eq!(whole.steps, steps);
        for at in 0..steps.len() {
            let mut cut = Noted {
                fails_at: Some(at),
                ..Noted::default()
            };
            let error = replace(&mut cut, path, b"user").expect_err("a step fails");
            assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{at}");
            assert_eq!(cut.steps[..=at], steps[..=at]);
            assert_eq!(cut.steps[at + 1..], ["remove etc/users.acl.tmp"]);
        }
    }
}
