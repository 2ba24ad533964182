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
fn each_missing_step_of_replace_is_found() {
    let plan = crashes_only(Seed(1));
    for step in ReplaceStep::ALL {
        let failure = explore(&ReplaceStore::without(step), &plan)
            .expect_err(&format!("{step:?} is needed and was not missed"));
        let oracle = if step == ReplaceStep::SyncRecovered {
            "O3"
        } else {
            "O1"
        };
        assert_eq!(
            failure.broken.oracle,
            oracle,
            "{step:?}: {}",
            found(&failure)
        );
    }
}

#[test]
fn each_missing_step_of_append_is_found() {
    let plan = crashes_only(Seed(1));
    for step in AppendStep::ALL {
        let goes_on = step == AppendStep::CutTail;
        let plan = Plan {
            goes_on,
            ..plan.clone()
        };
        let failure = explore(&AppendStore::without(step), &plan)
            .expect_err(&format!("{step:?} is needed and was not missed"));
        assert_ne!(failure.broken.oracle, HARNESS, "{}", found(&failure));
    }
}

#[test]
fn each_missing_step_of_overwrite_is_found() {
    let plan = crashes_only(Seed(1));
    for step in OverwriteStep::ALL {
        let failure = explore(&OverwriteStore::without(step), &plan)
            .expect_err(&format!("{step:?} is needed and was not missed"));
        assert_ne!(failure.broken.oracle, HARNESS, "{}", found(&failure));
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
    assert!(
        first.artefact().contains("lost write"),
        "{}",
        first.artefact()
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
    fn a_missing_file_sync_before_rename_shows_as_an_empty_or_torn_file() {
        let plan = crashes_only(Seed(1));
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
