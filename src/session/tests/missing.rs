//! Pages that are not in memory.

use super::*;
use crate::command::dispatch::BOUND;
use crate::session::OwnEngine;
use crate::storage::OnMiss;
use crate::storage::TOGETHER_MAX;

static ALL: LazyLock<Bindings> = LazyLock::new(|| BOUND.clone());

fn key(number: usize) -> String {
    format!("key:{number:05}")
}

/// The requests of a pipeline wait for their pages together, and not one after the other.
#[test]
fn a_pipeline_misses_its_pages_together() {
    let mut world = World::new();
    let mut session = world.session(&ALL);
    let value = "v".repeat(1000);
    for number in 0..TOGETHER_MAX * 8 {
        let set = format!("SET {} {value}\r\n", key(number));
        assert_eq!(world.ask(&mut session, &set), "+OK\r\n");
    }
    let log = world.keyspace.engine.log().expect("a log").clone();
    log.write_to(log.last_lsn()).expect("written");
    world.keyspace.engine.forget_cache();
    // No two of them are in one leaf.
    for number in 0..TOGETHER_MAX {
        let get = format!("*2\r\n$3\r\nGET\r\n$9\r\n{}\r\n", key(number * 8));
        session.input.room().extend_from_slice(get.as_bytes());
    }
    let mut parks = 0;
    loop {
        let now_us = world.clock.wall_us();
        world.keyspace.engine.begin_command(OnMiss::Note);
        session.prepare(&world.server);
        match session.execute(&mut world.keyspace, &world.server, &OwnEngine, now_us) {
            Step::Park(fetch) => {
                parks += 1;
                let mut fetch = fetch.expect("pages are missing");
                fetch.fetch();
                fetch.land(&mut world.keyspace);
            }
            Step::Read => break,
            Step::Again => {}
            _ => panic!("a GET is carried out"),
        }
    }
    let replies = reply(&mut session);
    assert_eq!(replies.matches(&value).count(), TOGETHER_MAX);
    assert_eq!(parks, 2, "one for the root, one for all leaves");
}
