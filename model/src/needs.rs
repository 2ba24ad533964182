//! What tests need beside this repository, such as a Redis: not every machine has it, and the one that judges a change must.

use std::env;

/// A test, or a part of it, looks at nothing because of `why`. It is said; where `REDKEEP_REQUIRE_ALL` is set, the test fails.
#[track_caller]
pub fn skipped(why: &str) {
    assert!(
        env::var_os("REDKEEP_REQUIRE_ALL").is_none(),
        "REDKEEP_REQUIRE_ALL is set, and {why}"
    );
    eprintln!("skipped: {why}");
}
