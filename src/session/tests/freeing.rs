//! What INFO says of objects that are freed in the background.

use super::*;

impl World {
    /// Objects that wait to be freed, and that were.
    fn objects(&mut self, session: &mut Session) -> (u64, u64) {
        let info = self.ask(session, "INFO memory\r\n");
        let field = |name: &str| {
            let found = info.lines().find_map(|line| line.strip_prefix(name));
            found.unwrap().parse().unwrap()
        };
        (
            field("lazyfree_pending_objects:"),
            field("lazyfreed_objects:"),
        )
    }

    fn free(&mut self) {
        while self.keyspace.engine.has_dropped() {
            self.keyspace.engine.free_dropped(1).unwrap();
        }
    }
}

#[test]
fn unlinked_collections_count_once_their_pages_are_free() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    let large = |key: &str| -> String {
        let members = (0..3000).map(|n| format!(" {n}-long-member"));
        format!("SADD {key}{}\r\n", members.collect::<String>())
    };
    world.ask(&mut session, &(large("a") + &large("b") + &large("c")));
    world.ask(&mut session, "SADD small 1 2 3\r\nSET text abc\r\n");
    let all = "UNLINK a small text none\r\nDEL b\r\nMULTI\r\nUNLINK c\r\nEXEC\r\n";
    world.ask(&mut session, all);
    assert_eq!(world.objects(&mut session), (2, 0));
    // What was dropped last is freed first.
    while world.objects(&mut session).0 == 2 {
        assert!(world.keyspace.engine.has_dropped());
        world.keyspace.engine.free_dropped(1).unwrap();
    }
    assert!(world.keyspace.engine.has_dropped());
    assert_eq!(world.objects(&mut session), (1, 1));
    world.free();
    assert_eq!(world.objects(&mut session), (0, 2));
    world.ask(&mut session, "CONFIG RESETSTAT\r\n");
    assert_eq!(world.objects(&mut session), (0, 0));
}

#[test]
fn what_a_failed_transaction_dropped_does_not_count() {
    static FULL: LazyLock<Bindings> = LazyLock::new(|| BOUND.clone().with("time", disk_full));
    let mut world = World::new();
    let mut session = world.session(&FULL);
    let members: String = (0..3000).map(|n| format!(" {n}-long-member")).collect();
    world.ask(&mut session, &format!("SADD a{members}\r\n"));
    world.ask(&mut session, "MULTI\r\nUNLINK a\r\nTIME\r\nEXEC\r\n");
    assert_eq!(world.objects(&mut session), (0, 0));
    assert_eq!(world.ask(&mut session, "SCARD a\r\n"), ":3000\r\n");
}

#[test]
fn a_flush_counts_its_keys_unless_it_is_part_of_something() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    let keys: String = (0..1000)
        .map(|n| format!("SET {n} value:{n}\r\n"))
        .collect();
    // One that is waited for has freed a small database when it answers.
    world.ask(&mut session, &keys);
    world.ask(&mut session, "SELECT 1\r\nSET x y\r\nFLUSHALL\r\n");
    assert_eq!(world.objects(&mut session), (0, 1001));
    world.ask(&mut session, "SET x y\r\nSET y z\r\nFLUSHDB ASYNC\r\n");
    assert_eq!(world.objects(&mut session), (2, 1001));
    world.free();
    assert_eq!(world.objects(&mut session), (0, 1003));
    world.ask(&mut session, "SET x y\r\nMULTI\r\nFLUSHALL\r\nEXEC\r\n");
    world.free();
    assert_eq!(world.objects(&mut session), (0, 1003));
    world.ask(
        &mut session,
        "SET x y\r\nMULTI\r\nFLUSHALL ASYNC\r\nEXEC\r\n",
    );
    world.free();
    assert_eq!(world.objects(&mut session), (0, 1004));
}
