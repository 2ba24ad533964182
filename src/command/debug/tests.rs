use super::super::testing::Bench;
use crate::command::Failure;
use crate::resp::Proto;

/// The digests that a Redis server gives for the same keys.
#[test]
fn digests_are_those_of_redis() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.run(&[b"DEBUG", b"DIGEST"]),
        b"+0000000000000000000000000000000000000000\r\n"
    );
    bench.run(&[b"SET", b"a", b"b"]);
    bench.run(&[b"SET", b"c", b"12", b"EX", b"100"]);
    assert_eq!(
        bench.run(&[b"DEBUG", b"DIGEST-VALUE", b"a", b"c", b"zz"]),
        b"*3\r\n+b78559cd22bce6e6df712eb99ce7f3b08e8f8f1f\r\n+83df3a94c43338a2db2a05ddb5dbb794b842c619\r\n\
          +0000000000000000000000000000000000000000\r\n"
    );
}

#[test]
fn a_digest_sees_every_key_value_expiry_and_database_and_not_their_order() {
    let mut bench = Bench::new();
    let digest = |bench: &mut Bench| bench.run(&[b"DEBUG", b"DIGEST"]);
    let long = vec![b'x'; 300_000];
    for n in 0..150 {
        bench.run(&[b"SET", format!("long:{n}").as_bytes(), &long[n * 100..]]);
        bench.run(&[b"SET", format!("short:{n}").as_bytes(), b"v"]);
    }
    let first = digest(&mut bench);
    bench.run(&[b"SETRANGE", b"long:149", b"200000", b"y"]);
    let second = digest(&mut bench);
    assert_ne!(first, second);
    bench.run(&[b"SETRANGE", b"long:149", b"200000", b"x"]);
    assert_eq!(digest(&mut bench), first);
    bench.run(&[b"EXPIRE", b"short:7", b"100"]);
    assert_ne!(digest(&mut bench), first);
    bench.run(&[b"PERSIST", b"short:7"]);
    bench.run(&[b"SWAPDB", b"0", b"1"]);
    assert_ne!(digest(&mut bench), first);
}

#[test]
fn populate_makes_what_is_not_there() {
    let mut bench = Bench::new();
    bench.run(&[b"SET", b"k:3", b"mine"]);
    assert_eq!(
        bench.run(&[b"DEBUG", b"POPULATE", b"1000", b"k", b"10"]),
        b"+OK\r\n"
    );
    assert_eq!(bench.run(&[b"DBSIZE"]), b":1000\r\n");
    assert_eq!(bench.run(&[b"GET", b"k:3"]), b"$4\r\nmine\r\n");
    assert_eq!(bench.run(&[b"GET", b"k:999"]), b"$10\r\nvalue:999\0\r\n");
    bench.run(&[b"DEBUG", b"POPULATE", b"1"]);
    assert_eq!(bench.run(&[b"GET", b"key:0"]), b"$7\r\nvalue:0\r\n");
    let refused = bench.run(&[b"DEBUG", b"POPULATE", b"-1"]);
    assert_eq!(refused, b"-ERR value is out of range, must be positive\r\n");
}

#[test]
fn objects_are_shown_as_redis_shows_them() {
    let mut bench = Bench::new();
    bench.run(&[b"SET", b"n", b"12345678"]);
    let lru = (bench.now_ms / 1000) & 0xff_ffff;
    bench.now_ms += 3000;
    assert_eq!(
        String::from_utf8_lossy(&bench.run(&[b"DEBUG", b"OBJECT", b"n"])),
        format!(
            "+Value at:0x0 refcount:1 encoding:int serializedlength:5 lru:{lru} lru_seconds_idle:3\r\n"
        )
    );
    assert_eq!(
        bench.run(&[b"DEBUG", b"OBJECT", b"x"]),
        b"-ERR no such key\r\n"
    );
}

#[test]
fn every_type_of_reply_is_there_in_both_protocols() {
    let mut bench = Bench::new();
    let mut reply = |proto, name: &[u8]| {
        bench.proto = proto;
        let reply = bench.run(&[b"DEBUG", b"PROTOCOL", name]);
        reply.escape_ascii().to_string()
    };
    for (name, two, three) in [
        (&b"double"[..], r"$5\r\n3.141\r\n", r",3.141\r\n"),
        (b"null", r"$-1\r\n", r"_\r\n"),
        (
            b"map",
            r"*6\r\n:0\r\n:0\r\n:1\r\n:1\r\n:2\r\n:0\r\n",
            r"%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n",
        ),
        (b"true", r":1\r\n", r"#t\r\n"),
        (b"False", r":0\r\n", r"#f\r\n"),
        (
            b"verbatim",
            r"$25\r\nThis is a verbatim\nstring\r\n",
            r"=29\r\ntxt:This is a verbatim\nstring\r\n",
        ),
    ] {
        assert_eq!(reply(Proto::Resp2, name), two);
        assert_eq!(reply(Proto::Resp3, name), three);
    }
    assert!(reply(Proto::Resp3, b"attrib").starts_with("|1"));
    assert!(reply(Proto::Resp2, b"push").starts_with("-ERR RESP2"));
    assert!(reply(Proto::Resp2, b"other").starts_with("-ERR Wrong protocol type name"));
}

#[test]
fn what_is_unknown_is_refused() {
    let mut bench = Bench::new();
    for words in [
        &[&b"DEBUG"[..], b"jmap"][..],
        &[b"DEBUG", b"sleep"],
        &[b"DEBUG", b"replybuffer", b"x", b"1"],
    ] {
        let reply = bench
            .try_run(words)
            .unwrap_or_else(|failure| match failure {
                Failure::Reply(error) => error.0.into_owned().into_bytes(),
                failure => panic!("{failure:?}"),
            });
        assert!(reply.starts_with(b"-ERR unknown subcommand or wrong number of arguments for '"));
    }
}
