//! EXEC: all or nothing, whatever storage does, and nothing twice.

use super::*;
use crate::storage::OnMiss;

/// Misses as long as pages may be missing.
fn misses(call: &mut Call<'_>) -> Outcome {
    let pager = call.keyspace.engine.pager_mut();
    let on_miss = pager.set_on_miss(OnMiss::Read);
    pager.set_on_miss(on_miss);
    if on_miss == OnMiss::Note {
        return Err(Failure::Storage(storage::Error::Miss));
    }
    call.out.simple("READ");
    Ok(())
}

/// Does something that cannot be taken back.
fn publishes(call: &mut Call<'_>) -> Outcome {
    call.client.set_name(
        &[
            &b"published"[..],
            call.client.name.as_deref().unwrap_or_default(),
        ]
        .concat(),
    );
    call.out.ok();
    Ok(())
}

/// No page can be written any more.
fn breaks_disk(call: &mut Call<'_>) -> Outcome {
    let disk = BROKEN.lock();
    let disk = disk.as_ref().expect("the test lends its disk");
    disk.fail_writes(Path::new(FILE), true);
    call.out.ok();
    Ok(())
}

static BROKEN: Mutex<Option<MemVfs>> = Mutex::new(None);

static BREAKING: LazyLock<Bindings> = LazyLock::new(|| BOUND.clone().with("time", breaks_disk));

static TRANSACTIONS: LazyLock<Bindings> = LazyLock::new(|| {
    BOUND
        .clone()
        .with("strlen", misses)
        .with("time", publishes)
        .with("getset", disk_full)
});

impl World {
    /// Executes under an engine that notes misses.
    fn step_noting(&mut self, session: &mut Session, bytes: &str) -> Step {
        session.input.room().extend_from_slice(bytes.as_bytes());
        self.keyspace.engine.begin_command(OnMiss::Note);
        self.step(session)
    }
}

#[test]
fn a_miss_takes_everything_back_and_exec_checks_its_watches_again() {
    let mut world = World::new();
    let mut session = world.session(&TRANSACTIONS);
    let mut monitor = world.session(&BOUND);
    world.ask(&mut monitor, "MONITOR\r\n");
    world.ask(
        &mut session,
        "SELECT 1\r\nWATCH w\r\nMULTI\r\nSET x 1\r\nSTRLEN x\r\nSET y 1\r\n",
    );
    monitor.client.entry.take_posted(&mut Vec::new());
    let before = (world.keyspace.stats, world.keyspace.last_lsn());
    assert!(matches!(
        world.step_noting(&mut session, "EXEC\r\n"),
        Step::Park(_)
    ));
    assert_eq!(reply(&mut session), "");
    assert_eq!((world.keyspace.stats, world.keyspace.last_lsn()), before);
    assert_eq!(calls(&world, "set"), 0);
    assert_eq!(monitor.client.entry.waiting_bytes(), 0);
    let mut other = world.session(&BOUND);
    assert_eq!(
        world.ask(&mut other, "SELECT 1\r\nEXISTS x y\r\nSET w 1\r\n"),
        "+OK\r\n:0\r\n+OK\r\n"
    );
    assert!(matches!(world.step_noting(&mut session, ""), Step::Read));
    assert_eq!(reply(&mut session), "*-1\r\n");
    assert_eq!(
        world.ask(&mut session, "EXISTS x y\r\nEXEC\r\n"),
        ":0\r\n-ERR EXEC without MULTI\r\n"
    );
}

#[test]
fn after_two_parks_exec_ends() {
    let mut world = World::new();
    let mut session = world.session(&TRANSACTIONS);
    world.ask(&mut session, "MULTI\r\nSET x 1\r\nSTRLEN x\r\n");
    reply(&mut session);
    for bytes in ["EXEC\r\n", ""] {
        let step = world.step_noting(&mut session, bytes);
        assert!(matches!(step, Step::Park(_)));
    }
    world.keyspace.engine.begin_command(OnMiss::Read);
    assert!(matches!(world.step(&mut session), Step::Read));
    assert_eq!(reply(&mut session), "*2\r\n+OK\r\n+READ\r\n");
}

#[test]
fn a_failure_of_storage_takes_everything_back_and_ends_the_transaction() {
    let mut world = World::new();
    let mut session = world.session(&TRANSACTIONS);
    world.ask(
        &mut session,
        "MULTI\r\nSET x 1\r\nSELECT 3\r\nGETSET x 2\r\n",
    );
    let reply = world.ask(&mut session, "EXEC\r\nEXEC\r\nEXISTS x\r\n");
    let lines: Vec<_> = reply.lines().collect();
    assert!(lines[0].starts_with("-MISCONF The disk is full"), "{reply}");
    assert_eq!(lines[1..], ["-ERR EXEC without MULTI", ":0"]);
    assert_eq!(session.client.db, 0);
}

#[test]
fn nothing_is_missed_after_what_cannot_be_taken_back() {
    let mut world = World::new();
    let mut session = world.session(&TRANSACTIONS);
    world.ask(&mut session, "MULTI\r\nTIME\r\nSTRLEN x\r\n");
    assert!(matches!(
        world.step_noting(&mut session, "EXEC\r\n"),
        Step::Read
    ));
    assert_eq!(reply(&mut session), "*2\r\n+OK\r\n+READ\r\n");
    assert_eq!(session.client.name.as_deref(), Some(&b"published"[..]));
}

#[test]
fn what_exec_refuses_is_counted_once() {
    let mut world = World::new();
    let mut session = world.session(&TRANSACTIONS);
    let mut admin = world.session(&BOUND);
    world.ask(&mut admin, "ACL SETUSER bob on nopass +@all ~*\r\n");
    world.ask(&mut session, "AUTH bob x\r\nMULTI\r\nGET x\r\nSTRLEN x\r\n");
    world.ask(&mut admin, "ACL SETUSER bob -get\r\n");
    let mut step = world.step_noting(&mut session, "EXEC\r\n");
    while let Step::Park(_) = step {
        world.keyspace.engine.begin_command(OnMiss::Read);
        step = world.step(&mut session);
    }
    let replies = reply(&mut session);
    assert!(replies.starts_with("*2\r\n-NOPERM "), "{replies}");
    let denied = &world.server.stats.acl_denied_command;
    assert_eq!(denied.load(Ordering::Relaxed), 1);
}

#[test]
fn exec_is_one_commit() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    let commits = |world: &World| world.keyspace.engine.last_lsn().0;
    let before = commits(&world);
    world.ask(&mut session, "SET a 1\r\n");
    let one = commits(&world) - before;
    world.ask(
        &mut session,
        "MULTI\r\nSET a 2\r\nSET b 2\r\nINCR a\r\nEXEC\r\n",
    );
    assert_eq!(commits(&world) - before, 2 * one);
    world.ask(
        &mut session,
        "MULTI\r\nGET a\r\nPING\r\nEXEC\r\nMULTI\r\nDEL none\r\nEXEC\r\n",
    );
    assert_eq!(commits(&world) - before, 2 * one);
    assert_eq!(calls(&world, "set"), 3);
    assert_eq!(calls(&world, "exec"), 3);
}

#[test]
fn clients_blocked_on_keys_are_served_after_the_whole_exec() {
    let mut world = World::new();
    let mut waiter = world.session(&BOUND);
    let mut writer = world.session(&BOUND);
    let words: [&[u8]; 3] = [b"getdel", b"x", b"0"];
    waiter.client.wait = None;
    let mut call = Call {
        args: &words,
        keyspace: &mut world.keyspace,
        client: &mut waiter.client,
        server: &world.server,
        out: &mut waiter.reply,
        now_ms: 0,
    };
    let awaits = crate::command::blocking::Awaits::StreamGroup;
    assert!(call.block_on_keys(&[b"x"], awaits, None));
    world
        .keyspace
        .changes
        .listen(crate::keyspace::change::Listener::Block, true);
    let blocked = crate::command::blocking::Blocked {
        command: crate::command::table::lookup(b"getdel").expect("a command"),
        handler: crate::command::string::getdel,
        words: &words,
        proto: Proto::Resp2,
        took_us: 0,
    };
    world.server.blocked.add(&mut waiter.client, blocked);
    world.ask(&mut writer, "MULTI\r\nSET x 1\r\nAPPEND x 2\r\nEXEC\r\n");
    let mut posted = Vec::new();
    waiter.client.entry.take_posted(&mut posted);
    assert_eq!(posted, b"$2\r\n12\r\n");
    // Inside EXEC nothing blocks.
    assert_eq!(
        world.ask(&mut writer, "EXISTS x\r\nMULTI\r\nWAIT 1 0\r\nEXEC\r\n"),
        ":0\r\n+OK\r\n+QUEUED\r\n*1\r\n:0\r\n"
    );
}

#[test]
fn a_transaction_and_its_watches_show_in_client_list_and_info() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    let mut other = world.session(&BOUND);
    world.ask(&mut session, "WATCH a b\r\nMULTI\r\nSET a 1\r\n");
    let list = world.ask(&mut other, "CLIENT LIST\r\nINFO clients\r\n");
    assert!(
        list.contains(" flags=x db=0 sub=0 psub=0 ssub=0 multi=1 watch=2 "),
        "{list}"
    );
    assert!(
        list.contains("watching_clients:1\r\n") && list.contains("total_watched_keys:2\r\n"),
        "{list}"
    );
    let list = world.ask(&mut other, "SET a 2\r\nCLIENT LIST\r\nINFO clients\r\n");
    assert!(
        list.contains(" flags=xd db=0 sub=0 psub=0 ssub=0 multi=1 watch=0 "),
        "{list}"
    );
    assert!(
        list.contains("watching_clients:0\r\n") && list.contains("total_watched_keys:0\r\n"),
        "{list}"
    );
    let list = world.ask(
        &mut session,
        "DISCARD\r\nWATCH a\r\nMULTI\r\nCLIENT INFO\r\nINFO clients\r\nEXEC\r\n",
    );
    assert!(
        list.contains(" multi=2 watch=0 ") && list.contains("watching_clients:0\r\n"),
        "{list}"
    );
    world.ask(&mut session, "WATCH a\r\n");
    world.server.disconnect(&session.client.entry);
    assert_eq!(
        (world.server.watched.watchers(), world.server.watched.keys()),
        (0, 0)
    );
}

#[test]
fn who_watches_a_key_that_is_flushed_fails_and_is_said_to_watch_until_then() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    let mut other = world.session(&BOUND);
    world.ask(&mut session, "SET a 1\r\nWATCH a b\r\n");
    let list = world.ask(&mut other, "FLUSHALL\r\nCLIENT LIST\r\n");
    assert!(
        list.contains(" flags=d db=0 sub=0 psub=0 ssub=0 multi=-1 watch=2 "),
        "{list}"
    );
    assert_eq!(
        world.ask(&mut session, "MULTI\r\nPING\r\nEXEC\r\n"),
        "+OK\r\n+QUEUED\r\n*-1\r\n"
    );
    assert_eq!(world.server.watched.watchers(), 0);
}

#[test]
fn what_is_queued_counts_against_the_query_buffer_limit() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    let tuning = &world.server.tuning;
    tuning.query_buffer_bytes_max.store(1000, Ordering::Relaxed);
    let set = format!("SET a {}\r\n", "x".repeat(400));
    world.ask(&mut session, &format!("MULTI\r\n{set}"));
    assert!(!session.is_over_input_limit(&world.server));
    world.ask(&mut session, &format!("{set}{set}"));
    assert!(session.is_over_input_limit(&world.server));
}

/// The new group once stood beside the other one as that had been before the transaction.
#[test]
fn a_group_is_made_in_the_transaction_that_acknowledges_for_another() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    world.ask(
        &mut session,
        "XADD s 1-1 f v\r\nXADD s 2-1 f v\r\nXGROUP CREATE s g 0\r\nXREADGROUP GROUP g c STREAMS s >\r\n",
    );
    let done = world.ask(
        &mut session,
        "MULTI\r\nXACK s g 1-1\r\nXGROUP CREATE s other 0\r\nEXEC\r\n",
    );
    assert!(done.ends_with("*2\r\n:1\r\n+OK\r\n"), "{done}");
    let pending = world.ask(&mut session, "XPENDING s g\r\n");
    assert!(pending.starts_with("*4\r\n:1\r\n"), "{pending}");
}

/// The cell of a key once said how many elements there were before the transaction: what had just become large was empty.
#[test]
fn a_transaction_counts_what_it_has_added_to_a_large_collection() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    let members: Vec<String> = (0..2000).map(|n| format!("member{n:04}")).collect();
    let fields: Vec<String> = members.iter().map(|member| format!("{member} v")).collect();
    let (members, fields) = (members.join(" "), fields.join(" "));
    let done = world.ask(
        &mut session,
        &format!(
            "MULTI\r\nSADD s {members}\r\nSCARD s\r\nHSET h {fields}\r\nHLEN h\r\nSADD s one more\r\nSCARD s\r\n\
             SINTERCARD 2 s s\r\nEXEC\r\n"
        ),
    );
    let counts = "*7\r\n:2000\r\n:2000\r\n:2000\r\n:2000\r\n:2\r\n:2002\r\n:2002\r\n";
    assert!(done.ends_with(counts), "{done}");
    let done = world.ask(
        &mut session,
        &format!("DEL s\r\nMULTI\r\nSADD s {members}\r\nSPOP s 5000\r\nEXISTS s\r\nEXEC\r\n"),
    );
    assert!(done.contains("*2000\r\n"), "{done}");
    assert!(done.ends_with(":0\r\n"), "{done}");
}

/// The descriptor of a changed collection is put into its key's cell when everything else is done, and that may need a page to
/// be written. What could not be written was once acknowledged.
#[test]
fn what_cannot_be_completed_is_refused_and_undone() {
    let vfs = MemVfs::default();
    let (mut world, mut session, _snapshot) = World::with_full_pool(&vfs, &BREAKING);
    *BROKEN.lock() = Some(vfs.clone());
    let reply = world.ask_reading(&mut session, "MULTI\r\nSADD set new\r\nTIME\r\nEXEC\r\n");
    vfs.fail_writes(Path::new(FILE), false);
    let last = reply.lines().last().expect("a reply");
    assert!(last.starts_with('-'), "{reply}");
    world.assert_set_is_as_before(&mut session);
}
