use super::*;
use crate::disk::Policy;

fn found(failure: &Failure) -> String {
    failure.to_string()
}

#[test]
fn right_stores_survive_every_crash_on_every_profile() {
    for profile in profiles() {
        let plan = Plan::thorough(profile.clone(), Seed(1));
        for outcome in [
            explore(&ReplaceStore::right(), &plan),
            explore(&AppendStore::right(), &plan),
            explore(&OverwriteStore::right(), &plan),
        ] {
            let coverage = outcome.unwrap_or_else(|f| panic!("{profile:?}: {f}\n{}", f.artefact()));
            assert!(coverage.points > 6 && coverage.images > 50, "{coverage:?}");
        }
    }
}

#[test]
fn each_missing_step_is_found_by_the_crash_loop() {
    let mut oracles = std::collections::BTreeMap::new();
    hunt(Seed(1), |name, outcome| {
        let failure = match outcome {
            Err(failure) => failure,
            Ok(coverage) => panic!("{name} passed: {coverage:?}"),
        };
        oracles.insert(name.to_owned(), failure.broken.oracle);
    });
    let steps = ReplaceStep::ALL.len() + AppendStep::ALL.len() + OverwriteStep::ALL.len();
    assert_eq!(oracles.len(), steps);
    for (name, oracle) in oracles {
        let expected = match name.as_str() {
            n if n.ends_with("SyncRecovered") => "O3",
            n if n.ends_with("Checksum") => "O10",
            _ => "O1",
        };
        assert_eq!(oracle, expected, "{name}");
    }
}

#[test]
fn the_same_seed_twice_gives_the_same_trace() {
    let hash = |seed| {
        let plan = Plan::thorough(DiskProfile::default(), Seed(seed));
        explore(&AppendStore::right(), &plan).map(|c| c.hash)
    };
    let (once, twice) = (hash(4).expect("it is right"), hash(4).expect("it is right"));
    assert_eq!(once, twice);
    assert_ne!(
        once,
        hash(5).expect("it is right"),
        "the seed decides nothing"
    );
}

#[test]
fn a_failure_replays_from_its_steps() {
    let plan = crashes_only(Seed(1));
    let store = ReplaceStore::without(ReplaceStep::SyncFile);
    let first = explore(&store, &plan).expect_err("the step is needed");
    let second = explore(&store, &plan).expect_err("the step is needed");
    assert_eq!(found(&first), found(&second));
    assert_eq!(first.artefact(), second.artefact());
    let artefact = first.artefact();
    assert!(
        artefact.contains(" lost write ") || artefact.contains(" tear "),
        "{artefact}"
    );
}

/// What a disk must promise for a wrong store to pass: the tables that say which file systems expose which mistake.
mod promises {
    use super::*;

    fn passes<S: Scenario>(store: &S, profile: DiskProfile) -> bool {
        let plan = Plan::thorough(profile, Seed(1));
        explore(store, &plan).is_ok()
    }

    #[test]
    fn close_records_are_safe_only_with_power_safe_overwrite() {
        for psow in [true, false] {
            let profile = DiskProfile {
                psow,
                ..DiskProfile::default()
            };
            assert_eq!(
                passes(&AppendStore::without(AppendStep::Padding), profile.clone()),
                psow
            );
            assert_eq!(
                passes(&OverwriteStore::without(OverwriteStep::Apart), profile),
                psow
            );
        }
    }

    #[test]
    fn a_rename_that_may_lose_both_names_breaks_even_the_right_store() {
        let profile = DiskProfile {
            rename_loses_both: true,
            ..DiskProfile::default()
        };
        assert!(!passes(&ReplaceStore::right(), profile));
    }

    #[test]
    fn a_directory_sync_at_creation_is_needed_unless_a_file_sync_covers_the_name() {
        for covers in [true, false] {
            let profile = DiskProfile {
                fsync_persists_new_name: covers,
                ..DiskProfile::default()
            };
            assert_eq!(
                passes(&AppendStore::without(AppendStep::SyncDir), profile),
                covers
            );
        }
    }

    #[test]
    fn a_missing_file_sync_before_rename_is_found_without_any_tear() {
        let plan = Plan {
            tears: vec![Tear::Whole],
            ..crashes_only(Seed(1))
        };
        let store = ReplaceStore::without(ReplaceStep::SyncFile);
        let failure = explore(&store, &plan).expect_err("the step is needed");
        let step = failure.steps.first().expect("a crash led there");
        let policy = match step.termination {
            crate::disk::Termination::PowerLoss(r) => r.policy,
            other => panic!("{other} cannot show it"),
        };
        assert_ne!(policy, Policy::KeepAll);
    }
}
