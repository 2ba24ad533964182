use std::path::Path;
use std::sync::atomic::Ordering;

use super::*;
use crate::config::Config;
use crate::server::appender::read_manifest;
use crate::server::durability::SyncPolicy;
use crate::server::durability::fake::FakeLog;
use crate::storage::{OpenOptions, open};
use crate::vfs::{Clock, OsClock, OsVfs};

fn place(dir: &Path) -> Place {
    Place {
        dir: dir.join("aof"),
        name: "appendonly.aof".to_owned(),
    }
}

#[test]
fn nothing_is_kept_for_a_file_that_cannot_be_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let clock: Arc<dyn Clock> = Arc::new(OsClock::default());
    let server = Server::new(Arc::new(Config::default()), Arc::clone(&clock));
    let options = OpenOptions::new([7; 16]);
    let path = dir.path().join("data.keep");
    let (engine, _) =
        open(&OsVfs, Arc::clone(&clock), &path, &options, &mut |_, _| {}).expect("a new file");
    let keyspace = Keyspace::new(engine, 16, 1, clock.wall_ms()).expect("an empty one");
    let engine = Mutex::new(keyspace);
    let log = FakeLog::new(SyncPolicy::Kernel, false);
    let mut file = AppendFile::new(&server, &engine, &*log, &OsVfs);
    file.place = place(dir.path());
    server.append_only.want(true);
    file.turn(Work::default());
    assert!(file.file.is_some(), "{:?}", server.append_only.state());
    assert!(server.feed.is_wanted());

    // From now on neither this file nor another one is written.
    let folder = file.place.dir.clone();
    std::fs::remove_dir_all(&folder).expect("it is there");
    std::fs::write(&folder, "").expect("a file in its place");
    log.broken.store(true, Ordering::SeqCst);
    file.write_all(
        Pending {
            bytes: b"x".to_vec(),
            lsn: u64::MAX,
        },
        false,
    );
    assert!(file.file.is_none());
    file.turn(Work::default());
    assert!(file.file.is_none());
    assert!(!server.feed.is_wanted());
}

#[test]
fn a_folder_that_cannot_be_listed_is_not_an_empty_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let place = place(dir.path());
    assert!(read_manifest(&OsVfs, &place).expect("no folder").is_none());
    std::fs::write(&place.dir, "").expect("a file in its place");
    read_manifest(&OsVfs, &place).expect_err("nobody knows what is there");
}
