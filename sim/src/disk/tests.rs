//! The faults of the model, each seen through the calls that an engine makes.

use std::collections::BTreeSet;

use redkeep::vfs::write_all_at;

use super::*;

const DIR: &str = "/db";
const FILE: &str = "/db/data";

fn vfs_with(profile: DiskProfile) -> SimVfs {
    SimVfs::new(profile, &[DIR], &Setup::new(Seed(1)))
}

fn vfs() -> SimVfs {
    vfs_with(DiskProfile::default())
}

fn open(vfs: &SimVfs, path: &str) -> Arc<dyn VfsFile> {
    vfs.open(Path::new(path), OpenMode::Create)
        .expect("nothing is injected yet")
}

/// A file with durable content and a durable name.
fn durable(vfs: &SimVfs, path: &str, bytes: &[u8]) -> Arc<dyn VfsFile> {
    let file = open(vfs, path);
    write_all_at(&*file, bytes, 0).expect("nothing is injected yet");
    file.sync_data().expect("nothing is injected yet");
    vfs.sync_dir(Path::new(DIR))
        .expect("nothing is injected yet");
    file
}

fn read(file: &dyn VfsFile, offset: u64, len: usize) -> Vec<u8> {
    let mut buf = vec![0; len];
    let n = file.read_at(&mut buf, offset).expect("the read succeeds");
    buf.truncate(n);
    buf
}

fn kind<T: fmt::Debug>(result: VfsResult<T>) -> VfsErrorKind {
    result.expect_err("the call was to fail").kind
}

const LOSE_ALL: Termination = Termination::PowerLoss(Resolution {
    policy: Policy::DropAll,
    tear: Tear::Whole,
    seed: 0,
});

const KEEP_ALL: Termination = Termination::PowerLoss(Resolution {
    policy: Policy::KeepAll,
    tear: Tear::Whole,
    seed: 0,
});

const KILL: Termination = Termination::ProcessKill(Progress::Nothing);

/// Every content that a file can have after a power loss now; None where its name is gone.
fn outcomes(vfs: &SimVfs, path: &str, tears: &[Tear]) -> BTreeSet<Option<Vec<u8>>> {
    let state = vfs.crash_state();
    let resolutions = state.resolutions(tears, 50, 7);
    let images = resolutions
        .iter()
        .map(|r| state.image(Termination::PowerLoss(*r)));
    images.map(|i| i.contents(Path::new(path))).collect()
}

mod power_loss {
    use super::*;

    #[test]
    fn takes_what_no_sync_covered_and_nothing_else() {
        let vfs = vfs();
        let file = durable(&vfs, FILE, b"old");
        file.write_at(b"new", 0).expect("it is open for writing");
        vfs.restart(LOSE_ALL);
        assert_eq!(read(&*open(&vfs, FILE), 0, 9), b"old");
    }

    #[test]
    fn may_keep_everything_or_a_process_kill_must() {
        for termination in [KEEP_ALL, KILL] {
            let vfs = vfs();
            let file = durable(&vfs, FILE, b"old");
            file.write_at(b"new!", 0).expect("it is open for writing");
            vfs.restart(termination);
            assert_eq!(read(&*open(&vfs, FILE), 0, 9), b"new!");
        }
    }

    #[test]
    fn what_a_killed_process_left_in_the_cache_is_lost_with_the_power_later() {
        let vfs = vfs();
        let file = durable(&vfs, FILE, b"old");
        file.write_at(b"new", 0).expect("it is open for writing");
        vfs.restart(KILL);
        assert_eq!(read(&*open(&vfs, FILE), 0, 9), b"new");
        vfs.restart(LOSE_ALL);
        assert_eq!(read(&*open(&vfs, FILE), 0, 9), b"old");
    }

    #[test]
    fn keeps_a_newer_write_of_the_same_bytes_and_loses_the_older() {
        let vfs = vfs();
        let file = durable(&vfs, FILE, b"....");
        file.write_at(b"aa", 0).expect("it is open for writing");
        file.write_at(b"bb", 1).expect("it is open for writing");
        let states = outcomes(&vfs, FILE, &[Tear::Whole]);
        let expected = [b"....", b"aa..", b".bb.", b"abb."];
        assert_eq!(states, expected.map(|s| Some(s.to_vec())).into());
    }

    #[test]
    fn of_two_files_either_may_survive_alone() {
        let vfs = vfs();
        let (a, b) = (durable(&vfs, "/db/a", b"0"), durable(&vfs, "/db/b", b"0"));
        a.write_at(b"1", 0).expect("it is open for writing");
        b.write_at(b"1", 0).expect("it is open for writing");
        let state = vfs.crash_state();
        let pairs: BTreeSet<_> = state
            .resolutions(&[Tear::Whole], 0, 0)
            .iter()
            .map(|r| {
                let image = state.image(Termination::PowerLoss(*r));
                let content = |p| image.contents(Path::new(p)).expect("its name is durable");
                (content("/db/a"), content("/db/b"))
            })
            .collect();
        assert_eq!(pairs.len(), 4);
    }

    #[test]
    fn of_an_append_length_and_data_survive_apart() {
        let vfs = vfs();
        let file = durable(&vfs, FILE, b"ab");
        file.write_at(b"cd", 2).expect("it is open for writing");
        let whole = outcomes(&vfs, FILE, &[Tear::Whole]);
        let expected: [&[u8]; 3] = [b"ab", b"ab\0\0", b"abcd"];
        assert_eq!(whole, expected.map(|s| Some(s.to_vec())).into());
        let torn = outcomes(&vfs, FILE, &Tear::ALL);
        let garbage = |s: &Option<Vec<u8>>| {
            s.as_ref()
                .is_some_and(|s| s.len() == 4 && !whole.contains(&Some(s.clone())))
        };
        assert!(torn.iter().any(garbage), "{torn:?}");
    }

    #[test]
    fn a_lost_truncation_shows_the_old_tail_behind_the_new_head() {
        let vfs = vfs();
        let file = durable(&vfs, FILE, b"old content");
        file.set_len(0).expect("it is open for writing");
        file.write_at(b"new", 0).expect("it is open for writing");
        let states = outcomes(&vfs, FILE, &[Tear::Whole]);
        assert!(
            states.contains(&Some(b"new content".to_vec())),
            "{states:?}"
        );
        assert!(states.contains(&Some(b"\0\0\0".to_vec())));
        assert!(states.contains(&Some(b"".to_vec())));
    }

    #[test]
    fn a_file_cut_and_grown_again_shows_zeroes_or_old_bytes() {
        let vfs = vfs();
        let file = durable(&vfs, FILE, b"abcd");
        file.set_len(1).expect("it is open for writing");
        file.set_len(4).expect("it is open for writing");
        assert_eq!(read(&*file, 0, 9), b"a\0\0\0");
        let states = outcomes(&vfs, FILE, &[Tear::Whole]);
        let expected: [&[u8]; 3] = [b"abcd", b"a\0\0\0", b"a"];
        assert_eq!(states, expected.map(|s| Some(s.to_vec())).into());
    }

    #[test]
    fn a_new_name_is_lost_although_its_file_was_synced() {
        let vfs = vfs();
        let file = open(&vfs, FILE);
        file.write_at(b"x", 0).expect("it is open for writing");
        file.sync_all().expect("nothing is injected");
        let states = outcomes(&vfs, FILE, &[Tear::Whole]);
        assert_eq!(states, [None, Some(b"x".to_vec())].into());
    }

    #[test]
    fn an_unlinked_file_comes_back_until_the_directory_is_synced() {
        let vfs = vfs();
        drop(durable(&vfs, FILE, b"x"));
        vfs.unlink(Path::new(FILE)).expect("it is there");
        assert_eq!(outcomes(&vfs, FILE, &[Tear::Whole]).len(), 2);
        vfs.sync_dir(Path::new(DIR)).expect("nothing is injected");
        assert_eq!(outcomes(&vfs, FILE, &[Tear::Whole]), [None].into());
    }

    /// What the source and the destination hold; None where the name is gone.
    type Pair = (Option<Vec<u8>>, Option<Vec<u8>>);

    fn rename_states(loses_both: bool) -> BTreeSet<Pair> {
        let vfs = vfs_with(DiskProfile {
            rename_loses_both: loses_both,
            ..DiskProfile::default()
        });
        durable(&vfs, "/db/from", b"new");
        durable(&vfs, "/db/to", b"old");
        vfs.rename(Path::new("/db/from"), Path::new("/db/to"))
            .expect("both are there");
        let state = vfs.crash_state();
        let resolutions = state.resolutions(&[Tear::Whole], 0, 0);
        let images = resolutions
            .iter()
            .map(|r| state.image(Termination::PowerLoss(*r)));
        let content = |i: &Disk, p: &str| i.contents(Path::new(p));
        images
            .map(|i| (content(&i, "/db/from"), content(&i, "/db/to")))
            .collect()
    }

    #[test]
    fn of_a_rename_the_old_the_new_or_both_names_survive() {
        let (old, new) = (Some(b"old".to_vec()), Some(b"new".to_vec()));
        let sound: BTreeSet<_> = [
            (new.clone(), old.clone()),
            (new.clone(), new.clone()),
            (None, new.clone()),
        ]
        .into();
        assert_eq!(rename_states(false), sound);
        let strict = rename_states(true);
        assert!(strict.is_superset(&sound));
        assert!(strict.contains(&(None, None)) && strict.contains(&(None, old)));
    }

    #[test]
    fn a_lying_sync_loses_what_it_covered_or_only_its_durability() {
        let run = |kind| {
            let vfs = vfs_with(DiskProfile {
                fsync_persists_new_name: false,
                ..DiskProfile::default()
            });
            let file = durable(&vfs, FILE, b"..");
            vfs.lie(Some(Lie {
                files: Files::ending("data"),
                kind,
            }));
            file.write_at(b"a", 0).expect("it is open for writing");
            file.sync_data().expect("the disk says so");
            file.write_at(b"b", 1).expect("it is open for writing");
            outcomes(&vfs, FILE, &[Tear::Whole])
        };
        let states = |all: &[&[u8]]| all.iter().map(|s| Some(s.to_vec())).collect();
        let any: BTreeSet<_> = states(&[b"..", b"a.", b".b", b"ab"]);
        assert_eq!(run(LieKind::Nothing), any);
        let ordered: BTreeSet<_> = states(&[b"..", b"a.", b"ab"]);
        assert_eq!(run(LieKind::OrdersOnly), ordered);
    }
}

mod crash {
    use super::*;

    fn script(vfs: &SimVfs) -> VfsResult<()> {
        let file = vfs.open(Path::new(FILE), OpenMode::Create)?;
        file.write_at(b"abcdefgh", 0)?;
        file.sync_data()?;
        vfs.sync_dir(Path::new(DIR))
    }

    #[test]
    fn comes_at_every_change_and_the_loop_ends_behind_the_last() {
        let mut points = 0;
        for change in 0.. {
            let vfs = vfs();
            vfs.crash_at(CrashPoint {
                change,
                phase: Phase::Middle,
            });
            let result = script(&vfs);
            assert_eq!(result.is_err(), vfs.crashed());
            if !vfs.crashed() {
                break;
            }
            points += 1;
        }
        assert_eq!(points, 4);
    }

    #[test]
    fn before_in_and_after_a_write_differ_by_how_much_of_it_happened() {
        let contents = |phase| -> BTreeSet<Vec<u8>> {
            let vfs = vfs();
            vfs.crash_at(CrashPoint { change: 1, phase });
            script(&vfs).expect_err("it crashes in the write");
            let state = vfs.crash_state();
            let kills = state.kills().into_iter();
            kills
                .map(|k| {
                    state
                        .image(k)
                        .contents(Path::new(FILE))
                        .expect("it was made")
                })
                .collect()
        };
        assert_eq!(contents(Phase::Before), [vec![]].into());
        assert_eq!(contents(Phase::After), [b"abcdefgh".to_vec()].into());
        let middle = contents(Phase::Middle);
        assert!(middle.contains(&vec![]) && middle.contains(b"a".as_slice()));
        assert!(middle.contains(b"abcd".as_slice()) && middle.contains(b"abcdefgh".as_slice()));
    }

    #[test]
    fn ends_every_call_of_that_life_and_releases_its_locks() {
        let vfs = vfs();
        let old = durable(&vfs, FILE, b"x");
        old.lock_exclusive().expect("nobody else has it");
        let second = open(&vfs, FILE);
        assert_eq!(kind(second.lock_exclusive()), VfsErrorKind::Locked);
        vfs.kill();
        assert!(vfs.open(Path::new(FILE), OpenMode::Read).is_err());
        vfs.restart(KILL);
        assert!(
            old.write_at(b"y", 0).is_err(),
            "a handle outlived its process"
        );
        let next = open(&vfs, FILE);
        next.lock_exclusive().expect("the crash released it");
        drop(old);
        drop(second);
        let late = open(&vfs, FILE);
        assert_eq!(kind(late.lock_exclusive()), VfsErrorKind::Locked);
        drop(next);
        late.lock_exclusive().expect("its holder closed it");
    }
}

mod syncs {
    use super::*;

    /// One pending write, a fault at the sync that is to cover it, and then a second sync.
    fn failing(fault: Fault) -> (SimVfs, Arc<dyn VfsFile>, VfsResult<()>, VfsResult<()>) {
        let vfs = vfs();
        let file = durable(&vfs, FILE, b"old");
        file.write_at(b"new", 0).expect("it is open for writing");
        vfs.inject(Injection::once(fault, 0));
        let first = file.sync_data();
        let second = file.sync_data();
        (vfs, file, first, second)
    }

    fn after_power_loss(vfs: &SimVfs) -> Vec<u8> {
        vfs.restart(KEEP_ALL);
        read(&*open(vfs, FILE), 0, 9)
    }

    #[test]
    fn a_failed_sync_is_followed_by_a_good_one_and_the_pages_are_gone() {
        let (vfs, file, first, second) = failing(Fault::SyncLosesPages);
        assert_eq!(kind(first), VfsErrorKind::Io);
        second.expect("the error is told once");
        assert_eq!(read(&*file, 0, 9), b"new", "the cache goes on showing it");
        assert_eq!(after_power_loss(&vfs), b"old");
    }

    #[test]
    fn a_late_failure_is_told_by_the_next_sync() {
        let (vfs, _, first, second) = failing(Fault::SyncFailsLate);
        first.expect("it says nothing");
        assert_eq!(kind(second), VfsErrorKind::Io);
        assert_eq!(after_power_loss(&vfs), b"old");
    }

    #[test]
    fn a_reverting_failure_shows_the_old_content_at_once() {
        let vfs = vfs();
        let file = durable(&vfs, FILE, b"old");
        file.write_at(b"longer", 0).expect("it is open for writing");
        vfs.inject(Injection::once(Fault::SyncReverts, 0));
        file.sync_data().expect_err("it was injected");
        assert_eq!(read(&*file, 0, 9), b"old");
        assert_eq!(file.len().expect("it is open"), 3);
    }

    #[test]
    fn an_evicted_page_is_read_as_new_once_and_then_as_old() {
        let (_, file, first, _) = failing(Fault::SyncEvicts);
        assert_eq!(kind(first), VfsErrorKind::Io);
        assert_eq!(read(&*file, 0, 9), b"new");
        assert_eq!(read(&*file, 0, 9), b"old");
    }

    #[test]
    fn no_space_at_the_sync_loses_what_the_write_took() {
        let (vfs, _, first, _) = failing(Fault::SyncNoSpace);
        assert_eq!(kind(first), VfsErrorKind::NoSpace);
        assert_eq!(after_power_loss(&vfs), b"old");
    }

    #[test]
    fn an_error_is_told_to_each_description_that_was_open_and_to_no_later_one() {
        let vfs = vfs();
        let (one, two) = (durable(&vfs, FILE, b"old"), open(&vfs, FILE));
        one.write_at(b"new", 0).expect("it is open for writing");
        vfs.inject(Injection::once(Fault::SyncLosesPages, 0));
        assert_eq!(kind(one.sync_data()), VfsErrorKind::Io);
        open(&vfs, FILE).sync_data().expect("somebody was told");
        assert_eq!(kind(two.sync_data()), VfsErrorKind::Io);
        two.sync_data().expect("it was told");
    }

    #[test]
    fn an_error_that_nobody_was_told_of_goes_to_the_next_opener() {
        let vfs = vfs();
        let file = durable(&vfs, FILE, b"old");
        vfs.inject(Injection::once(Fault::WritebackFails, 0));
        file.write_at(b"new", 0).expect("the failure comes later");
        drop(file);
        let next = open(&vfs, FILE);
        assert_eq!(kind(next.sync_data()), VfsErrorKind::Io);
        next.sync_data().expect("it was told");
    }

    #[test]
    fn an_interrupted_sync_did_nothing_and_can_be_repeated() {
        let (vfs, _, first, second) = failing(Fault::Interrupted);
        assert_eq!(kind(first), VfsErrorKind::Interrupted);
        second.expect("nothing was lost");
        vfs.restart(LOSE_ALL);
        assert_eq!(read(&*open(&vfs, FILE), 0, 9), b"new");
    }

    #[test]
    fn a_failed_directory_sync_never_writes_the_names_and_an_unsupported_one_may() {
        let run = |fault| {
            let vfs = vfs();
            open(&vfs, FILE);
            vfs.inject(Injection::once(fault, 0));
            let error = kind(vfs.sync_dir(Path::new(DIR)));
            vfs.restart(KEEP_ALL);
            (error, vfs.list(Path::new(DIR)).expect("it is there").len())
        };
        assert_eq!(run(Fault::DirSyncFails), (VfsErrorKind::Io, 0));
        assert_eq!(
            run(Fault::DirSyncUnsupported),
            (VfsErrorKind::Unsupported, 1)
        );
    }

    #[test]
    fn a_write_that_comes_while_a_sync_runs_is_not_covered_by_it() {
        let vfs = vfs();
        let file = durable(&vfs, FILE, b"..");
        file.write_at(b"a", 0).expect("it is open for writing");
        let other = open(&vfs, FILE);
        vfs.set_window(Some(Box::new(move |kind, _| {
            if kind == IoKind::Sync {
                other.write_at(b"b", 1).expect("it is open for writing");
            }
        })));
        file.sync_data().expect("nothing is injected");
        vfs.restart(LOSE_ALL);
        assert_eq!(read(&*open(&vfs, FILE), 0, 9), b"a.");
    }

    #[test]
    fn a_slow_call_takes_virtual_time() {
        let (vfs, _, first, _) = failing(Fault::Slow(60_000_000));
        first.expect("it is only slow");
        assert_eq!(vfs.clock().waits().last().map(|w| w.us), Some(60_000_000));
    }
}

mod calls {
    use super::*;

    #[test]
    fn a_failed_write_did_nothing_a_part_or_everything() {
        let run = |done| {
            let vfs = vfs();
            let file = durable(&vfs, FILE, b"........");
            vfs.inject(Injection::once(Fault::WriteFails(done), 0));
            let error = file.write_at(b"abcdefgh", 0).expect_err("it was injected");
            assert!(error.effect_unknown);
            read(&*file, 0, 9)
        };
        assert_eq!(run(Done::Nothing), b"........");
        assert_eq!(run(Done::All), b"abcdefgh");
        let part = run(Done::Prefix);
        let new = part.iter().take_while(|b| **b != b'.').count();
        assert!((1..8).contains(&new) && part.ends_with(b"."), "{part:?}");
    }

    #[test]
    fn short_transfers_are_of_every_length_and_only_the_end_reads_zero() {
        let lengths = |shorts: &[Short], write: bool| -> Vec<usize> {
            let each = shorts.iter().map(|short| {
                let vfs = vfs();
                let file = durable(&vfs, FILE, &[0; 1000]);
                vfs.inject(Injection::once(Fault::ShortWrite(*short), 0));
                vfs.inject(Injection::once(Fault::ShortRead(*short), 0));
                match write {
                    true => file.write_at(&[1; 600], 100).expect("it is short"),
                    false => read(&*file, 100, 600).len(),
                }
            });
            each.collect()
        };
        let all = [
            Short::Zero,
            Short::One,
            Short::Half,
            Short::AllButOne,
            Short::AtAtom,
        ];
        assert_eq!(lengths(&all, true), [0, 1, 300, 599, 412]);
        assert_eq!(lengths(&all, false), [1, 1, 300, 599, 412]);
    }

    #[test]
    fn a_transient_read_error_passes_and_a_bad_sector_stays_until_overwritten() {
        let vfs = vfs();
        let file = durable(&vfs, FILE, b"abcd");
        let mut buf = [0; 4];
        vfs.inject(Injection {
            repeat: Repeat::Times(2),
            ..Injection::once(Fault::ReadFails, 0)
        });
        assert_eq!(kind(file.read_at(&mut buf, 0)), VfsErrorKind::Io);
        assert_eq!(kind(file.read_at(&mut buf, 0)), VfsErrorKind::Io);
        assert_eq!(read(&*file, 0, 4), b"abcd");
        let bad = Damage::Unreadable { offset: 1, len: 1 };
        vfs.damage(Path::new(FILE), &bad)
            .expect("it is in the file");
        for _ in 0..3 {
            assert_eq!(kind(file.read_at(&mut buf, 0)), VfsErrorKind::Io);
        }
        assert_eq!(read(&*file, 2, 2), b"cd");
        file.write_at(b"B", 1).expect("it is open for writing");
        assert_eq!(read(&*file, 0, 4), b"aBcd");
    }

    #[test]
    fn a_flipped_bit_heals_on_the_next_read_but_not_after_a_write() {
        let vfs = vfs();
        let file = durable(&vfs, FILE, b"abcd");
        let flipped = |bytes: &[u8]| -> u32 {
            bytes
                .iter()
                .zip(b"abcd")
                .map(|(a, b)| (a ^ b).count_ones())
                .sum()
        };
        vfs.inject(Injection::once(Fault::FlipOnRead, 0));
        assert_eq!(flipped(&read(&*file, 0, 4)), 1);
        assert_eq!(flipped(&read(&*file, 0, 4)), 0);
        vfs.inject(Injection::once(Fault::FlipOnWrite, 0));
        file.write_at(b"abcd", 0).expect("it says nothing");
        assert_eq!(flipped(&read(&*file, 0, 4)), 1);
        assert_eq!(flipped(&read(&*file, 0, 4)), 1);
    }

    fn blocks() -> Vec<u8> {
        (0..4_u8).flat_map(|n| [b'a' + n; 512]).collect()
    }

    #[test]
    fn a_lost_write_is_shown_by_the_cache_or_not_and_never_by_the_disk() {
        for cached in [true, false] {
            let vfs = vfs();
            let file = durable(&vfs, FILE, b"old");
            vfs.inject(Injection::once(Fault::LostWrite { cached }, 0));
            assert_eq!(file.write_at(b"new", 0).expect("it says nothing"), 3);
            file.sync_data().expect("it says nothing");
            let shown: &[u8] = if cached { b"new" } else { b"old" };
            assert_eq!(read(&*file, 0, 9), shown);
            vfs.restart(KEEP_ALL);
            assert_eq!(read(&*open(&vfs, FILE), 0, 9), b"old");
        }
    }

    #[test]
    fn a_misdirected_write_hits_another_atom_and_spares_its_own() {
        for cached in [true, false] {
            let vfs = vfs();
            let file = durable(&vfs, FILE, &blocks());
            vfs.inject(Injection::once(Fault::MisdirectedWrite { cached }, 0));
            file.write_at(&[b'X'; 512], 1024).expect("it says nothing");
            assert_eq!(read(&*file, 1024, 1)[0] == b'X', cached);
            file.sync_data().expect("it says nothing");
            vfs.restart(LOSE_ALL);
            let after = read(&*open(&vfs, FILE), 0, 2048);
            let hit: Vec<_> = (0..4).filter(|n| after[n * 512] == b'X').collect();
            assert_eq!(after[1024], b'c');
            assert_eq!(hit.len(), 1, "{hit:?}");
        }
    }

    #[test]
    fn a_misdirected_or_stale_read_returns_valid_bytes_of_another_place_or_time() {
        let vfs = vfs_with(DiskProfile {
            keep_versions: true,
            ..DiskProfile::default()
        });
        let file = durable(&vfs, FILE, &blocks());
        vfs.inject(Injection::once(Fault::MisdirectedRead, 0));
        let strayed = read(&*file, 512, 512);
        assert!(strayed[0] != b'b' && strayed.iter().all(|b| *b == strayed[0]));
        assert_eq!(read(&*file, 512, 512), [b'b'; 512]);
        file.write_at(&[b'N'; 512], 512)
            .expect("it is open for writing");
        file.sync_data().expect("nothing is injected");
        vfs.inject(Injection::from_then_on(Fault::StaleRead, 0));
        let seen: BTreeSet<_> = (0..20).map(|_| read(&*file, 512, 1)[0]).collect();
        assert!(seen.contains(&b'b'), "{seen:?}");
    }

    #[test]
    fn a_full_disk_takes_what_fits_and_heals_when_space_returns() {
        let vfs = vfs_with(DiskProfile {
            capacity: Some(3 * CHUNK),
            ..DiskProfile::default()
        });
        let file = open(&vfs, FILE);
        file.allocate(0, CHUNK).expect("it fits");
        assert_eq!(kind(file.allocate(0, 4 * CHUNK)), VfsErrorKind::NoSpace);
        assert_eq!(
            file.len().expect("it is open"),
            CHUNK,
            "the failure changed nothing"
        );
        let big = vec![1; 5 * CHUNK as usize];
        assert_eq!(
            file.write_at(&big, 100).expect("a part fits"),
            3 * CHUNK as usize - 100
        );
        assert_eq!(kind(file.write_at(b"x", 3 * CHUNK)), VfsErrorKind::NoSpace);
        file.write_at(b"y", 5).expect("an overwrite needs no space");
        file.set_len(CHUNK).expect("a cut needs no space");
        file.write_at(b"x", CHUNK).expect("the cut gave space back");
        let other = open(&vfs, "/db/other");
        other.write_at(&big[..CHUNK as usize], 0).expect("it fits");
        assert_eq!(kind(file.write_at(b"x", 2 * CHUNK)), VfsErrorKind::NoSpace);
        vfs.unlink(Path::new("/db/other")).expect("it is there");
        assert_eq!(kind(file.write_at(b"x", 2 * CHUNK)), VfsErrorKind::NoSpace);
        drop(other);
        file.write_at(b"x", 2 * CHUNK)
            .expect("the last handle is closed");
    }

    #[test]
    fn calls_that_fail_for_want_of_space_rights_or_descriptors_did_nothing() {
        let vfs = vfs();
        let file = durable(&vfs, FILE, b"abc");
        let other = Path::new("/db/other");
        for (fault, expected) in [
            (Fault::NoSpace(Done::Nothing), VfsErrorKind::NoSpace),
            (Fault::Denied, VfsErrorKind::Denied),
            (Fault::Interrupted, VfsErrorKind::Interrupted),
        ] {
            let struck = vfs.faults_fired();
            vfs.inject(Injection {
                repeat: Repeat::Times(5),
                ..Injection::once(fault, 0)
            });
            assert_eq!(kind(file.set_len(9)), expected);
            assert_eq!(kind(file.allocate(0, 9)), expected);
            assert_eq!(kind(vfs.open(other, OpenMode::CreateNew)), expected);
            assert_eq!(kind(vfs.rename(Path::new(FILE), other)), expected);
            assert_eq!(kind(vfs.unlink(Path::new(FILE))), expected);
            assert_eq!(vfs.faults_fired(), struck + 5);
            assert_eq!(read(&*file, 0, 9), b"abc");
            assert_eq!(vfs.list(Path::new(DIR)).expect("it is there").len(), 1);
        }
        vfs.inject(Injection::once(Fault::TooManyFiles, 0));
        let opened = vfs.open(Path::new(FILE), OpenMode::Read);
        assert_eq!(kind(opened), VfsErrorKind::TooManyFiles);
    }

    #[test]
    fn reads_of_what_nobody_wrote_are_counted_and_may_be_garbage() {
        let run = |garbage_holes| {
            let vfs = vfs_with(DiskProfile {
                garbage_holes,
                ..DiskProfile::default()
            });
            let file = durable(&vfs, FILE, b"abc");
            file.allocate(0, 8192).expect("there is no limit");
            assert_eq!(read(&*file, 0, 3), b"abc");
            assert_eq!(vfs.unwritten_reads(), 0);
            let hole = read(&*file, 4096, 512);
            assert_eq!(vfs.unwritten_reads(), 1);
            assert_eq!(hole, read(&*file, 4096, 512), "garbage stays what it is");
            hole.iter().any(|b| *b != 0)
        };
        assert!(!run(false));
        assert!(run(true));
    }

    #[test]
    fn faults_by_chance_depend_on_the_seed_alone() {
        let run = |seed| {
            let vfs = SimVfs::new(DiskProfile::default(), &[DIR], &Setup::new(Seed(seed)));
            vfs.inject(Injection {
                when: When::Chance(300_000),
                ..Injection::from_then_on(Fault::WriteFails(Done::Prefix), 0)
            });
            let file = open(&vfs, FILE);
            let struck = (0..40).filter(|i| file.write_at(b"abcdef", i * 6).is_err());
            (struck.collect::<Vec<_>>(), vfs.trace_hash())
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1).1, run(2).1);
        let (struck, _) = run(1);
        assert!((4..25).contains(&struck.len()), "{struck:?}");
    }

    #[test]
    fn a_fault_for_some_files_spares_the_others() {
        let vfs = vfs();
        let (data, wal) = (
            durable(&vfs, FILE, b"x"),
            durable(&vfs, "/db/data-wal", b"x"),
        );
        let fault = Injection::from_then_on(Fault::WriteFails(Done::Nothing), 0);
        vfs.inject(fault.on(Files::ending("-wal")));
        data.write_at(b"y", 0).expect("it is not among them");
        wal.write_at(b"y", 0).expect_err("it is");
    }

    #[test]
    fn a_handle_for_reading_writes_nothing() {
        let vfs = vfs();
        durable(&vfs, FILE, b"x");
        let file = vfs
            .open(Path::new(FILE), OpenMode::Read)
            .expect("it is there");
        assert_eq!(kind(file.write_at(b"y", 0)), VfsErrorKind::Denied);
        assert_eq!(kind(file.set_len(0)), VfsErrorKind::Denied);
        assert_eq!(
            kind(vfs.open(Path::new(FILE), OpenMode::CreateNew)),
            VfsErrorKind::AlreadyExists
        );
        assert_eq!(
            kind(vfs.open(Path::new("/db/no"), OpenMode::ReadWrite)),
            VfsErrorKind::NotFound
        );
        assert_eq!(
            kind(vfs.open(Path::new("/no/no"), OpenMode::Create)),
            VfsErrorKind::NotFound
        );
    }
}
