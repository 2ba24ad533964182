//! What is given back is in the archive, and the archive is one history, whatever happened between its files.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;

use super::Action::{Append, Checkpoint, Sync, Write};
use super::*;
use crate::vfs::OsVfs;

/// The transactions that an archive holds behind `after`, and the last one.
fn history_of(
    dir: &Path,
    log: Option<&Path>,
    after: Lsn,
) -> Result<(Vec<Vec<u8>>, Lsn), HistoryError> {
    let mut history = History::open(&OsVfs, dir, Some(UUID))?;
    if let Some(log) = log {
        history.go_on_with_log(&OsVfs, log, after)?;
    }
    let mut records = Vec::new();
    let replayed = history.replay(&OsVfs, after, |lsn, _, record| {
        assert_eq!(lsn.0, after.0 + 1 + records.len() as u64);
        records.push(record.to_vec());
        Ok::<(), Infallible>(())
    });
    match replayed {
        Ok(end) => Ok((records, end)),
        Err(HistoryStop::History(error)) => Err(error),
        Err(HistoryStop::Apply(never)) => match never {},
    }
}

fn names(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("the folder is there");
    let mut names: Vec<_> = entries.map(|e| e.expect("readable").path()).collect();
    names.sort();
    names
}

/// A log with an archive, over several lives.
struct Kept {
    disk: Disk,
    world: World,
    log: Log,
    dir: tempfile::TempDir,
}

impl Kept {
    fn new() -> Self {
        let disk = Disk::default();
        let log = Log::create(
            &disk,
            Path::new("log"),
            Arc::new(StoppedClock),
            LogParams {
                keeps: true,
                ..params(1)
            },
            CheckpointRef::default(),
        );
        Self {
            disk,
            world: World {
                generation: 1,
                keeps: true,
                ..World::default()
            },
            log: log.expect("nothing fails"),
            dir: tempfile::tempdir().expect("a folder"),
        }
    }

    fn run(&mut self, actions: &[Action]) {
        self.world.run(&self.log, actions).expect("nothing fails");
    }

    fn archive(&self) {
        let archived = self.log.archive(&OsVfs, self.dir.path());
        archived.expect("nothing fails");
        assert!(self.log.is_archived());
        self.log
            .recycle(self.world.checkpoint.lsn)
            .expect("nothing fails");
    }

    fn lose_power(&mut self, loss: Loss) {
        self.disk = self.disk.after_power_cut(loss);
        let synced = self.world.synced;
        let scan = self.world.check(&self.disk, synced);
        self.log = self.world.open(&self.disk, &scan).expect("nothing fails");
    }

    /// The archive is the history, from its first transaction to the checkpoint at least.
    fn check(&self) {
        if names(self.dir.path()).is_empty() {
            assert_eq!(self.world.checkpoint.lsn, Lsn(0));
            return;
        }
        let (records, end) = history_of(self.dir.path(), None, Lsn(0)).expect("one history");
        assert!(records == self.world.history[..records.len()]);
        assert!(end >= self.world.checkpoint.lsn);
    }

    /// The whole history, with what only the log has so far.
    fn check_with_log(&self) {
        let log = self.dir.path().join("the-log");
        fs::write(&log, self.disk.bytes()).expect("a file");
        let written = &self.world.history[..self.world.written as usize];
        let (records, _) = history_of(self.dir.path(), Some(&log), Lsn(0)).expect("one history");
        assert!(records == written);
        fs::remove_file(&log).expect("it was there");
    }
}

fn losses() -> impl Strategy<Value = Loss> {
    prop_oneof![
        Just(Loss::DropAll),
        Just(Loss::KeepAll),
        (0u64..6).prop_map(|n| Loss::Only(n as _)),
        (0u64..6).prop_map(|n| Loss::AllBut(n as _)),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Run(Vec<Action>),
    Archive,
    Power(Loss),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let action = prop_oneof![
        4 => (1usize..9000).prop_map(Append),
        1 => (9000usize..60_000).prop_map(Append),
        2 => Just(Write),
        2 => Just(Sync),
        2 => Just(Checkpoint),
    ];
    let step = prop_oneof![
        4 => prop::collection::vec(action, 1..8).prop_map(Step::Run),
        2 => Just(Step::Archive),
        1 => losses().prop_map(Step::Power),
    ];
    prop::collection::vec(step, 1..20)
}

proptest! {
    #![proptest_config(crate::storage::generated(48))]

    #[test]
    fn every_transaction_of_a_checkpoint_is_in_the_archive_once(steps in steps()) {
        let mut kept = Kept::new();
        for step in steps {
            match step {
                Step::Run(actions) => kept.run(&actions),
                Step::Archive => {
                    kept.archive();
                    kept.check();
                }
                Step::Power(loss) => kept.lose_power(loss),
            }
        }
        kept.run(&[Append(10), Checkpoint]);
        kept.archive();
        kept.check();
        kept.run(&[Append(5000), Write]);
        kept.check_with_log();
    }
}

/// A power cut takes what proved that it was synced, and recovery writes it again.
#[test]
fn what_is_behind_the_checkpoint_stays_out_of_the_archive() {
    let mut kept = Kept::new();
    kept.run(&[Append(100), Sync]);
    kept.world.checkpoint = CheckpointRef {
        seq: 1,
        lsn: Lsn(1),
    };
    kept.log.note_checkpoint(kept.world.checkpoint);
    kept.run(&[Append(50), Sync]);
    kept.archive();
    let all = names(kept.dir.path());
    let ends: Vec<_> = all.iter().filter_map(|p| ArchiveName::parse(p)).collect();
    assert_eq!(ends.iter().map(|name| name.last).max(), Some(Lsn(1)));
    kept.lose_power(Loss::KeepAll);
    kept.run(&[Append(10), Checkpoint]);
    kept.archive();
    kept.check();
    kept.run(&[Append(20), Write]);
    kept.check_with_log();
}

#[test]
fn a_segment_is_not_given_back_before_the_archive_has_it() {
    let mut kept = Kept::new();
    for _ in 0..20 {
        kept.run(&[Append(3000), Append(3000), Checkpoint]);
    }
    let grown = kept.log.file_len();
    assert!(grown > 6 * SEGMENT, "{grown}");
    assert!(
        kept.log.live_bytes() <= 2 * SEGMENT,
        "that is no reason for a checkpoint"
    );
    assert!(kept.log.waiting_bytes() >= 4 * SEGMENT);
    kept.archive();
    kept.check();
    assert_eq!(kept.log.waiting_bytes(), 0);
    for _ in 0..20 {
        kept.run(&[Append(3000), Append(3000), Checkpoint]);
        kept.archive();
    }
    assert!(kept.log.file_len() <= grown);
    kept.log.keep_segments(false);
    assert!(kept.log.is_archived(), "nothing is kept");
}

#[test]
fn a_missing_or_rotten_file_is_named_and_another_history_refused() {
    let mut kept = Kept::new();
    for _ in 0..6 {
        kept.run(&[Append(9000), Append(3000), Checkpoint]);
        kept.archive();
    }
    let all = names(kept.dir.path());
    assert!(all.len() > 4);
    let bytes = fs::read(&all[2]).expect("it is there");
    fs::remove_file(&all[2]).expect("it is there");
    let gap = history_of(kept.dir.path(), None, Lsn(0));
    assert!(matches!(
        gap,
        Err(HistoryError::Gap { .. } | HistoryError::Unconnected { .. })
    ));
    for at in [0, 9000, bytes.len() - 1] {
        let mut rotten = bytes.clone();
        rotten[at] ^= 4;
        fs::write(&all[2], &rotten).expect("it can be written");
        match history_of(kept.dir.path(), None, Lsn(0)) {
            // Either copy of a header will do.
            Ok(_) => assert_eq!(at, 0),
            Err(HistoryError::Damage { path, offset, .. }) => {
                assert_eq!(path, all[2]);
                assert!(offset <= at as u64 && offset >= 8192);
            }
            Err(other) => panic!("{other}"),
        }
    }
    fs::write(&all[2], &bytes[..bytes.len() - 5]).expect("it can be written");
    let cut = history_of(kept.dir.path(), None, Lsn(0));
    assert!(matches!(cut, Err(HistoryError::Damage { .. })));
    fs::write(&all[2], &bytes).expect("it can be written");
    let other = History::open(&OsVfs, kept.dir.path(), Some([7; 16]));
    assert!(matches!(other, Err(HistoryError::Foreign(_))));

    // The same numbers with another content: a copy of the database that went its own way.
    let mut fork = Kept::new();
    fork.run(&[Append(200), Append(700), Checkpoint]);
    let refused = fork.log.archive(&OsVfs, kept.dir.path());
    assert!(
        matches!(refused, Err(ArchiveError::OtherHistory { .. })),
        "{refused:?}"
    );
    kept.check();
}
