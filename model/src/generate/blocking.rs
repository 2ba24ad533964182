//! Connections that wait for keys while they listen, track and lose rights, and others that give the keys values.

use proptest::collection;
use proptest::prelude::*;
use proptest::sample::select;

use super::{
    Argument, CONNECTIONS, Features, Request, Step, VALUES, connection, keys, of_rows, pubsub,
    request, streams, tracking, transactions, users,
};

fn words(text: &str) -> Request {
    text.split(' ').map(Argument::text).collect()
}

fn of(connection: usize, requests: Vec<Request>) -> Step {
    Step::Requests {
        connection,
        requests,
    }
}

/// One of the keys that are waited for, and what it may be moved to.
fn awaited() -> BoxedStrategy<&'static str> {
    select(vec!["a", "a", "b", "c", "s"]).boxed()
}

/// A command that waits for ever, or long.
fn wait() -> BoxedStrategy<Request> {
    let of_one = select(vec![
        "BLPOP K 0",
        "BLPOP K L 0",
        "BRPOP K 0",
        "BRPOP K 1000",
        "BLMOVE K L LEFT RIGHT 0",
        "BLMOVE K L RIGHT LEFT 0",
        "BLMOVE K K LEFT LEFT 0",
        "BRPOPLPUSH K L 0",
        "BLMPOP 0 1 K LEFT",
        "BLMPOP 0 2 K L RIGHT COUNT 2",
        "BLPOP K 0.1",
        "BZPOPMIN K 0",
        "BZPOPMAX K L 0",
        "BZMPOP 0 1 K MIN",
        "BZMPOP 0 2 K L MAX COUNT 3",
        "BZPOPMIN K 0.1",
        "XREAD BLOCK 0 STREAMS K $",
        "XREAD BLOCK 0 STREAMS K 0",
        "XREAD COUNT 1 BLOCK 0 STREAMS K L $ $",
        "XREAD BLOCK 0 STREAMS K 5-0",
        "XREAD BLOCK 100 STREAMS K +",
        "XREADGROUP GROUP g x BLOCK 0 STREAMS K >",
        "XREADGROUP GROUP g y BLOCK 0 STREAMS K >",
        "XREADGROUP GROUP g y NOACK BLOCK 0 STREAMS K L > >",
        "XREADGROUP GROUP h x COUNT 1 BLOCK 0 STREAMS K >",
    ]);
    with_keys(of_one.boxed())
}

/// The forms with keys in the place of K and L.
pub fn with_keys(forms: BoxedStrategy<&'static str>) -> BoxedStrategy<Request> {
    (forms, awaited(), awaited())
        .prop_map(|(form, key, other)| {
            let words = form.split(' ').map(|word| match word {
                "K" => key,
                "L" => other,
                word => word,
            });
            words.map(Argument::text).collect()
        })
        .boxed()
}

/// What a connection is before it waits.
fn guise() -> BoxedStrategy<Vec<Request>> {
    let guises = vec![
        "",
        "",
        "HELLO 3",
        "HELLO 2",
        "HELLO 3,SUBSCRIBE a b",
        "HELLO 3,PSUBSCRIBE __key*__:*",
        "HELLO 3,PSUBSCRIBE news.* a*,SSUBSCRIBE a",
        "HELLO 3,CLIENT TRACKING ON,EXISTS a b c s",
        "HELLO 3,CLIENT TRACKING ON NOLOOP,EXISTS a b c s",
        "HELLO 3,CLIENT TRACKING ON OPTIN,CLIENT CACHING YES",
        "HELLO 3,CLIENT TRACKING ON OPTOUT,EXISTS a b c s",
        "HELLO 3,CLIENT TRACKING ON BCAST,SUBSCRIBE a",
        "HELLO 3,CLIENT TRACKING ON BCAST NOLOOP PREFIX a PREFIX s",
        "AUTH alice pw",
        "HELLO 3,AUTH bob pw",
        "HELLO 3 AUTH alice pw,SUBSCRIBE a,CLIENT TRACKING ON BCAST",
        "WATCH a b",
        "CLIENT REPLY SKIP",
        "SELECT 1",
    ];
    select(guises)
        .prop_map(|text| {
            let parts = text.split(',').filter(|part| !part.is_empty());
            parts.map(words).collect()
        })
        .boxed()
}

/// What gives a key a value, or takes it away.
fn gift() -> BoxedStrategy<Request> {
    let gifts = vec![
        "RPUSH K 1",
        "RPUSH K 1 2 3",
        "LPUSH K x",
        "LMOVE K L LEFT RIGHT",
        "RPOPLPUSH L K",
        "RENAME K L",
        "RENAMENX K L",
        "COPY K L",
        "COPY K L REPLACE",
        "MOVE K 1",
        "SWAPDB 0 1",
        "SORT K BY nosort STORE L",
        "LSET K 0 x",
        "SET K x",
        "SET K x PX 80",
        "DEL K",
        "DEL K L",
        "UNLINK K",
        "PEXPIRE K 60",
        "GETDEL K",
        "ZADD K 1 m",
        "ZADD K 1 m 2 n 3 o",
        "ZUNIONSTORE K 1 L",
        "ZRANGESTORE K L 0 -1",
        "SADD K m",
        "XADD K 1-1 f v",
        "XADD K 5-1 f v",
        "XADD K 7-1 f v",
        "XADD K 7-* f v",
        "XADD K * f v",
        "XADD K MAXLEN 0 9-1 f v",
        "XADD K NOMKSTREAM 9-2 f v",
        "XDEL K 1-1 5-1",
        "XTRIM K MAXLEN 0",
        "XSETID K 9-9",
        "XGROUP CREATE K g $ MKSTREAM",
        "XGROUP CREATE K h 0 MKSTREAM",
        "XGROUP CREATE K g 0",
        "XGROUP DESTROY K g",
        "XGROUP DELCONSUMER K g x",
        "XGROUP SETID K g 0",
        "XINFO CONSUMERS K g",
        "XINFO STREAM K FULL",
        "FLUSHDB",
        "FLUSHALL",
        "PUBLISH a hello",
        "PUBLISH news.1 hello",
        "SPUBLISH a hello",
        "MULTI",
        "EXEC",
        "EXEC",
        "DISCARD",
    ];
    with_keys(select(gifts).boxed())
}

/// What ends waits otherwise, and looks at them.
fn interference() -> BoxedStrategy<Request> {
    let rules = select(vec![
        "ACL SETUSER alice -@write",
        "ACL SETUSER alice -@blocking",
        "ACL SETUSER alice resetkeys",
        "ACL SETUSER alice resetkeys ~a",
        "ACL SETUSER alice +@all allkeys",
        "ACL SETUSER alice off",
        "ACL SETUSER alice nocommands",
        "ACL SETUSER bob -xread -blpop",
        "ACL SETUSER bob %R~*",
        "ACL SETUSER bob +@all allkeys",
        "ACL DELUSER bob",
        "ACL DELUSER alice",
        "CLIENT KILL USER alice",
        "CLIENT KILL TYPE PUBSUB",
        "CLIENT LIST",
        "ACL LOG",
        "INFO stats",
        "CLIENT NO-TOUCH ON",
        "RESET",
        "HELLO 2",
        "HELLO 3",
    ]);
    let unblock = (0..CONNECTIONS, select(vec!["", "ERROR", "TIMEOUT"]));
    let unblock = unblock.prop_map(|(number, how)| {
        let how = words(how).into_iter().filter(|_| !how.is_empty());
        let target = [words("CLIENT UNBLOCK"), vec![Argument::Number(number)]].concat();
        target.into_iter().chain(how).collect()
    });
    let kill = (0..CONNECTIONS)
        .prop_map(|number| [words("CLIENT KILL ID"), vec![Argument::Number(number)]].concat());
    prop_oneof![4 => rules.prop_map(words), 2 => unblock, 1 => kill].boxed()
}

fn anything(features: Features) -> BoxedStrategy<Request> {
    let rows = [
        pubsub::ROWS,
        tracking::ROWS,
        transactions::ROWS,
        users::ROWS,
        connection::ROWS,
    ];
    prop_oneof![
        3 => of_rows(VALUES.iter().copied().flatten().chain(streams::ROWS)),
        3 => of_rows(rows.into_iter().flatten()),
        1 => keys::changes(),
        1 => request(features),
    ]
    .boxed()
}

/// Several connections wait, each in its guise, and the others go on.
pub fn steps(features: Features) -> BoxedStrategy<Vec<Step>> {
    let first = vec![
        words("FLUSHALL"),
        words("ACL SETUSER alice on >pw ~* &* +@all"),
        words("ACL SETUSER bob on >pw ~* &* +@all"),
    ];
    let groups = select(vec![
        "",
        "XGROUP CREATE a g $ MKSTREAM,XGROUP CREATE s g $ MKSTREAM",
    ]);
    let waits = (0..CONNECTIONS, guise(), wait()).prop_map(|(connection, guise, wait)| {
        let requests = [vec![words("RESET")], guise, vec![wait]].concat();
        of(connection, requests)
    });
    let others = prop_oneof![
        10 => gift(),
        4 => interference(),
        2 => wait(),
        4 => anything(features),
    ];
    let traffic = prop_oneof![
        12 => (0..CONNECTIONS, others).prop_map(|(connection, request)| of(connection, vec![request])),
        1 => waits.clone(),
        1 => Just(Step::AwaitExpiry),
    ];
    (
        0..CONNECTIONS,
        groups,
        collection::vec(waits, 1..4),
        collection::vec(traffic, 4..24),
    )
        .prop_map(move |(maker, groups, waits, traffic)| {
            let groups = groups.split(',').filter(|part| !part.is_empty());
            let begin = [
                vec![words("RESET")],
                first.clone(),
                groups.map(words).collect(),
            ]
            .concat();
            let begin = std::iter::once(of(maker, begin));
            begin.chain(waits).chain(traffic).collect()
        })
        .boxed()
}
