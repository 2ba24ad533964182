//! Scripts: all or nothing, whatever storage does.

use super::*;
use crate::command::running::Kind;
use crate::command::script_run::{ScriptRun, Subject};

/// What a script has changed is complete when it ends, and that may need a page to be written.
#[test]
fn what_cannot_be_completed_is_refused_and_undone() {
    let vfs = MemVfs::default();
    let (mut world, mut session, _snapshot) = World::with_full_pool(&vfs, &BOUND);
    let subject = Subject {
        kind: Kind::Script,
        name: "script",
        flags: None,
        read_only: false,
    };
    let words: [&[u8]; 3] = [b"EVAL", b"", b"0"];
    let before = (calls(&world, "sadd"), world.keyspace.last_lsn());
    world.keyspace.engine.begin_command(OnMiss::Read);
    let mut run = ScriptRun::new(
        subject,
        &words,
        &mut world.keyspace,
        &world.server,
        &mut session.client,
        world.clock.wall_ms(),
    );
    assert_eq!(run.answer(&[b"SADD", b"set", b"new"]), b":1\r\n");
    vfs.fail_writes(Path::new(FILE), true);
    let done = run.finish();
    vfs.fail_writes(Path::new(FILE), false);
    let refused = matches!(done, Err(Failure::Storage(storage::Error::Io(_))));
    assert!(refused, "{done:?}");
    let after = (calls(&world, "sadd"), world.keyspace.last_lsn());
    assert_eq!(after, before, "nothing is counted or logged");
    world.assert_set_is_as_before(&mut session);
}
