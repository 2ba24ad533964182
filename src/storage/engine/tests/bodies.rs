//! Bodies of cells, wherever they are kept.

use super::*;

/// Writing no bytes behind the end of a body once extended it only where the longer body still stood in its page, so
/// that a body was longer or shorter by how it was kept. The offsets reach each way of keeping it: in the page, in a
/// blob that springs into being, in one that is there, and in one that becomes higher.
#[test]
fn writing_nothing_extends_a_body_however_it_is_kept() {
    for held in [0_usize, 10, 3000] {
        let mut rig = Rig::new(512, 64 << 10);
        rig.change(Plan::Simple, |engine| {
            let tree = engine.root(RootId(0))?;
            engine.put(tree, b"k", b"h", &vec![1; held])
        });
        for len in [40_usize, 172, 5000, 200_000, 300] {
            rig.change(Plan::Simple, |engine| {
                let tree = engine.root(RootId(0))?;
                engine.write_body(tree, b"k", len as u64, b"")
            });
            let seen = rig.with(|engine| contents(engine, &[0]));
            let body = &seen[&(0, b"k".to_vec())].body;
            assert!(body.len() >= len && body[..held].iter().all(|b| *b == 1));
            assert!(body[held..].iter().all(|b| *b == 0));
            rig.kill_and_open();
            assert_eq!(rig.with(|engine| contents(engine, &[0])), seen);
        }
        let seen = rig.with(|engine| contents(engine, &[0]));
        assert_eq!(seen[&(0, b"k".to_vec())].body.len(), 200_000);
    }
}
