//! Properties of readers and their writer in one process: two handles are to the kernel what two processes are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::view::{Base, Scratch, View};
use super::{Beside, BesideError, BesideOptions};
use crate::storage::checkpoint::{Checkpoint, EngineLock};
use crate::storage::log::SEGMENT_BYTES_MIN;
use crate::storage::{
    Engine, Error, OnMiss, OpenOptions, Plan, Read, Reader, RootId, Seek, generated, open,
};
use crate::sync::Mutex;
use crate::vfs::{MemFile, OpenMode, OsClock, OsVfs, Vfs, VfsFile, read_up_to, write_all_at};

fn scratch(dir: &tempfile::TempDir) -> Scratch {
    Scratch::new(Arc::new(OsVfs), dir.path().join("scratch"))
}

fn view_of(dir: &tempfile::TempDir, base: Base) -> Arc<dyn VfsFile> {
    let path = PathBuf::from("data");
    let view = View::new(vec![(path.clone(), base)], scratch(dir));
    view.open(&path, OpenMode::ReadWrite).expect("it is there")
}

fn bytes_of(file: &dyn VfsFile) -> Vec<u8> {
    let mut bytes = vec![0; file.len().unwrap() as usize + 100];
    let len = read_up_to(file, &mut bytes, 0).unwrap();
    bytes.truncate(len);
    bytes
}

proptest! {
    #![proptest_config(generated(64))]

    /// A view behaves as a copy of the file would, and the file stays as it is.
    #[test]
    fn what_is_written_to_a_view_is_its_own(
        len in 0_usize..30_000,
        steps in prop::collection::vec((0_u8..3, 0_usize..40_000, 1_usize..9_000, any::<u8>()), 1..30),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut model: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
        let file: Arc<dyn VfsFile> = Arc::new(MemFile::default());
        write_all_at(&*file, &model, 0).unwrap();
        let before = model.clone();
        let base = Base { file: Arc::clone(&file), len: len as u64, head: Vec::new(), parts: None };
        let view = view_of(&dir, base);
        for (what, at, size, byte) in steps {
            match what {
                0 => {
                    write_all_at(&*view, &vec![byte; size], at as u64).unwrap();
                    model.resize(model.len().max(at + size), 0);
                    model[at..at + size].fill(byte);
                }
                1 => {
                    view.set_len(at as u64).unwrap();
                    model.resize(at, 0);
                }
                _ => {
                    view.allocate(at as u64, size as u64).unwrap();
                    model.resize(model.len().max(at + size), 0);
                }
            }
            prop_assert!(bytes_of(&*view) == model);
            let mut piece = vec![0; size];
            let read = read_up_to(&*view, &mut piece, at as u64).unwrap();
            let expected = &model[at.min(model.len())..(at + size).min(model.len())];
            prop_assert!(&piece[..read] == expected);
        }
        prop_assert!(bytes_of(&*file) == before);
    }
}

#[test]
fn a_view_shows_the_parts_that_count_and_the_beginning_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let file: Arc<dyn VfsFile> = Arc::new(MemFile::default());
    write_all_at(&*file, &[1; 100], 0).unwrap();
    let base = |parts, head: &[u8], len| Base {
        file: Arc::clone(&file),
        len,
        head: head.to_vec(),
        parts,
    };
    let view = view_of(&dir, base(Some(vec![10..20, 40..45]), &[7; 3], 50));
    let mut expected = vec![0; 50];
    expected[..3].fill(7);
    expected[10..20].fill(1);
    expected[40..45].fill(1);
    assert_eq!(bytes_of(&*view), expected);
    // A file that has become shorter is not read as zeroes.
    let view = view_of(&dir, base(None, &[], 120));
    assert!(read_up_to(&*view, &mut [0; 120], 0).is_err());
}

/// A writer of numbers: key `n` of every round has the round as its value.
struct Writer {
    dir: tempfile::TempDir,
    clock: Arc<OsClock>,
    engine: Option<Mutex<Engine>>,
    round: u64,
}

const KEYS: u64 = 40;

impl Writer {
    fn new() -> Self {
        let mut writer = Self {
            dir: tempfile::tempdir().expect("a directory"),
            clock: Arc::new(OsClock::default()),
            engine: None,
            round: 0,
        };
        writer.open();
        writer
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("data.keep")
    }

    fn open(&mut self) {
        self.engine = None;
        let options = OpenOptions {
            segment_bytes: SEGMENT_BYTES_MIN,
            ..OpenOptions::new([7; 16])
        };
        let opened = open(
            &OsVfs,
            self.clock.clone(),
            &self.path(),
            &options,
            &mut |_, _| {},
        );
        self.engine = Some(Mutex::new(opened.expect("the file opens").0));
    }

    fn locked(&self) -> &Mutex<Engine> {
        self.engine.as_ref().expect("it is open")
    }

    /// One transaction: every key gets the next number.
    fn write_round(&mut self) {
        self.round += 1;
        let value = [&self.round.to_le_bytes()[..], &[b'x'; 1000]].concat();
        self.locked().with(|engine| {
            engine.begin_command(OnMiss::Read);
            engine.begin(Plan::Savepoint).expect("writes are allowed");
            let tree = engine.root(RootId(0)).expect("a root");
            for n in 0..KEYS {
                engine
                    .put(tree, &n.to_be_bytes(), b"", &value)
                    .expect("it fits");
            }
            let lsn = engine.commit();
            let log = engine.log().expect("it has one");
            log.write_to(lsn).expect("the log takes writes");
        });
    }

    fn checkpoint(&self) {
        let clock = self.clock.clone();
        let begun = self
            .locked()
            .with(|engine| Checkpoint::begin(engine, clock));
        if let Some(checkpoint) = begun.expect("a checkpoint begins") {
            checkpoint.run(self.locked(), || {}).expect("it ends");
        }
    }

    /// Rounds with checkpoints between them: pages and segments are used again as soon as they may be.
    fn churn(&mut self) {
        for _ in 0..6 {
            self.write_round();
            self.write_round();
            self.checkpoint();
        }
    }

    fn end_cleanly(&mut self) {
        self.checkpoint();
        let clock = self.clock.clone();
        let cleared = self
            .locked()
            .with(|engine| engine.clear_log_required(&*clock));
        assert!(cleared.expect("the meta is written"));
        self.engine = None;
    }

    fn take(&self) -> Result<Beside, BesideError> {
        let vfs: Arc<dyn Vfs> = Arc::new(OsVfs);
        let options = BesideOptions {
            cache_bytes: 16 << 12,
            scratch: self.dir.path().join("scratch"),
        };
        Beside::take(&vfs, &self.path(), options)
    }

    fn readers(&self) -> u64 {
        self.locked()
            .with(|engine| engine.checkpoint_state().readers().count)
    }
}

/// Every key has the same number: it. None: there are no keys.
fn round_in(reader: &mut Reader) -> Result<Option<u64>, Error> {
    let tree = reader.root(RootId(0))?;
    let mut found = Vec::new();
    reader.scan(tree, Seek::First, &mut |_, cell| {
        let crate::storage::Body::Inline(body) = cell.body() else {
            panic!("a short value is inline");
        };
        found.push(u64::from_le_bytes(*body.first_chunk().expect("a number")));
        std::ops::ControlFlow::Continue(())
    })?;
    assert!(found.is_empty() || found.len() as u64 == KEYS);
    assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "{found:?}");
    Ok(found.first().copied())
}

#[track_caller]
fn shows(beside: &Beside, round: u64) {
    let (mut engine, _) = beside
        .open(Arc::new(OsClock::default()))
        .expect("the view opens");
    let snapshot = engine.snapshot();
    assert_eq!(
        round_in(&mut snapshot.reader()).expect("its pages"),
        Some(round)
    );
}

#[test]
fn a_reader_sees_what_was_there_when_it_came_whatever_happens_then() {
    let mut writer = Writer::new();
    writer.write_round();
    writer.checkpoint();
    writer.write_round();
    let early = writer.take().expect("a place");
    assert!(early.live_lsn().is_some());
    // The log is read, and the pages are not.
    let opened = early.open(Arc::new(OsClock::default())).expect("it opens");
    writer.churn();
    let late = writer.take().expect("a place");
    writer.churn();
    assert_eq!(writer.readers(), 2);
    // Neither pages nor log were read before.
    shows(&late, 14);
    drop(late);
    writer.churn();
    let (mut engine, _) = opened;
    let snapshot = engine.snapshot();
    assert_eq!(round_in(&mut snapshot.reader()).unwrap(), Some(2));
    drop((engine, snapshot, early));
    assert_eq!(writer.readers(), 0);
}

#[test]
fn a_writer_that_was_killed_and_begins_again_keeps_pages_and_log_of_those_who_read() {
    let mut writer = Writer::new();
    writer.churn();
    writer.write_round();
    let first = writer.take().expect("a place");
    writer.churn();
    writer.write_round();
    let second = writer.take().expect("a place");
    for _ in 0..3 {
        // Dropped without a checkpoint, as a kill does it.
        writer.open();
        assert_eq!(writer.readers(), 2);
        writer.churn();
    }
    shows(&first, 13);
    shows(&second, 26);
    drop((first, second));
    let in_use = |writer: &Writer| {
        writer.locked().with(|engine| {
            let space = engine.pager().space();
            space.pages() - space.free_pages()
        })
    };
    let held = in_use(&writer);
    writer.churn();
    assert!(in_use(&writer) < held, "{held} pages are in use still");
    let log_bytes = writer
        .locked()
        .with(|engine| engine.log().unwrap().live_bytes());
    assert!(log_bytes < 40 * SEGMENT_BYTES_MIN, "{log_bytes}");
}

#[test]
fn a_reader_of_a_closed_file_is_seen_by_the_writer_that_opens_it() {
    let mut writer = Writer::new();
    writer.churn();
    writer.end_cleanly();
    let whole = writer.take().expect("a place");
    assert_eq!(whole.live_lsn(), None);
    writer.open();
    assert_eq!(writer.readers(), 1);
    writer.churn();
    // One that needs the log, which a clean end and the next opening make anew.
    writer.write_round();
    let live = writer.take().expect("a place");
    writer.end_cleanly();
    writer.open();
    writer.churn();
    shows(&whole, 12);
    shows(&live, 25);
}

#[test]
fn a_board_of_nonsense_is_taken_over() {
    let mut writer = Writer::new();
    writer.write_round();
    writer.engine = None;
    let shm = crate::storage::open::shm_path(&writer.path());
    let len = std::fs::metadata(&shm).expect("it is there").len();
    std::fs::write(&shm, vec![0xa5; len as usize]).expect("it is written");
    let closed = writer.take().expect("a place");
    writer.open();
    writer.churn();
    shows(&closed, 1);
    shows(&writer.take().expect("a place"), 13);
}

#[test]
fn nothing_is_left_beside_a_file_that_is_no_database() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("letter.txt");
    std::fs::write(&path, vec![b'a'; 50_000]).unwrap();
    let vfs: Arc<dyn Vfs> = Arc::new(OsVfs);
    let options = BesideOptions {
        cache_bytes: 1 << 20,
        scratch: dir.path().join("scratch"),
    };
    let beside = Beside::take(&vfs, &path, options).expect("it is held");
    assert!(beside.open(Arc::new(OsClock::default())).is_err());
    drop(beside);
    let left: Vec<PathBuf> = OsVfs.list(dir.path()).unwrap();
    assert_eq!(left, [Path::new(&path)]);
}
