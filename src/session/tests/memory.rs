//! What MEMORY USAGE says of collections.

use super::*;

impl World {
    fn usage(&mut self, session: &mut Session) -> u64 {
        let reply = self.ask(session, "MEMORY USAGE k SAMPLES 0\r\n");
        reply.trim_matches([':', '\r', '\n']).parse().unwrap()
    }
}

/// Requests that make collections of every kind at the key `k`, with `n` elements.
fn collections(n: usize) -> Vec<String> {
    let each = |request: &dyn Fn(usize) -> String| (0..n).map(request).collect::<String>();
    let long = "x".repeat(9000);
    vec![
        each(&|i| format!("HSET k f{i} v{i}\r\n")) + "PEXPIRE k 100000\r\n",
        each(&|i| format!("HSET k f{i} v{i}\r\nHPEXPIRE k {i}00000 FIELDS 1 f{i}\r\n")),
        each(&|i| format!("SADD k {i}\r\n")),
        each(&|i| format!("SADD k m{i}\r\n")) + &format!("SADD k {long}\r\n"),
        each(&|i| format!("ZADD k {i} m{i}\r\n")),
        each(&|i| format!("RPUSH k e{i}\r\n")) + &format!("LPUSH k {long}\r\n"),
        each(&|i| format!("XADD k * f {i}\r\n"))
            + "XGROUP CREATE k g 0\r\nXREADGROUP GROUP g c COUNT 9 STREAMS k >\r\n",
    ]
}

#[test]
fn a_collection_takes_what_its_end_gives_back() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    for n in [1, 3, 700] {
        for requests in collections(n) {
            world.ask(&mut session, &requests);
            let (usage, used) = (world.usage(&mut session), world.keyspace.used_bytes());
            world.ask(&mut session, "DEL k\r\n");
            let given_back = used - world.keyspace.used_bytes();
            let first = requests.lines().next().unwrap();
            assert_eq!(usage, given_back, "{n} times {first}");
        }
    }
}

#[test]
fn inside_a_transaction_a_collection_takes_what_it_takes_then() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    for requests in collections(300) {
        let whole = format!("{requests}MULTI\r\n{requests}MEMORY USAGE k\r\nEXEC\r\n");
        let replies = world.ask(&mut session, &whole);
        let usage = world.usage(&mut session);
        let first = requests.lines().next().unwrap();
        assert!(
            replies.ends_with(&format!("\r\n:{usage}\r\n")),
            "{first}: {usage}"
        );
        world.ask(&mut session, "DEL k\r\n");
    }
}
