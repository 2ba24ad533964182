//! What a file needs to be opened, and who may.

use super::*;

#[test]
fn a_clean_close_needs_no_log() {
    let mut rig = Rig::new(4096, 1 << 20);
    rig.change(Plan::Simple, |engine| {
        let tree = engine.root(RootId(0))?;
        engine.put(tree, b"k", b"", b"v")
    });
    rig.checkpoint();
    let clock = rig.clock.clone();
    assert!(
        rig.with(|engine| engine.clear_log_required(&*clock))
            .expect("the meta is written")
    );
    rig.engine = None;
    std::fs::remove_file(crate::storage::open::log_path(&rig.path())).expect("the log is there");
    rig.open();
    let held = rig.with(|engine| contents(engine, &[0]));
    assert_eq!(held.len(), 1);
    rig.change(Plan::Simple, |engine| {
        let tree = engine.root(RootId(0))?;
        engine.put(tree, b"k2", b"", b"v")
    });
    rig.engine = None;
    std::fs::remove_file(crate::storage::open::log_path(&rig.path())).expect("the log is there");
    let again = open(
        &OsVfs,
        rig.clock.clone(),
        &rig.path(),
        &rig.options,
        &mut |_, _| {},
    );
    assert!(
        again.is_err(),
        "after a commit the file is not whole without its log"
    );
}

#[test]
fn a_second_opener_is_refused() {
    let rig = Rig::new(4096, 1 << 20);
    let second = open(
        &OsVfs,
        rig.clock.clone(),
        &rig.path(),
        &rig.options,
        &mut |_, _| {},
    );
    assert!(matches!(second, Err(crate::storage::OpenError::InUse(_))));
}
