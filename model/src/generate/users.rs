//! Rows of users.

use proptest::collection;
use proptest::prelude::*;
use proptest::sample::select;

use super::arguments::*;
use super::{
    Argument, Arguments, CONNECTIONS, Features, Request, Row, Step, geo, of_rows, plain, pubsub,
    request, row, sort, streams,
};

pub const ROWS: &[Row] = &[
    row("acl|setuser", 6, setuser),
    row("acl|getuser", 2, || one(user())),
    row("acl|deluser", 1, || collection::vec(user(), 1..3).boxed()),
    row("acl|list", 2, none),
    row("acl|users", 1, none),
    row("acl|whoami", 1, none),
    row("acl|cat", 2, || {
        some(
            vec![one(word(&["READ", "GEO", "dangerous", "nothing", "all"]))],
            2,
        )
    }),
    row("acl|dryrun", 6, || sequence(vec![one(user()), tried()])),
    row("acl|log", 3, || {
        let choices = vec![one(small(0..5)), one(small(0..5)), one(word(&["RESET"]))];
        some(choices, 2)
    }),
    row("acl|nothing", 1, none),
    row("auth", 4, || {
        let password = select(vec!["pw", "pw", "other"]).prop_map(Argument::text);
        all(vec![user(), password.boxed()])
    }),
];

fn user() -> One {
    prop_oneof![
        12 => select(vec!["alice", "alice", "bob"]),
        1 => select(vec!["default", "nobody"]),
    ]
    .prop_map(Argument::text)
    .boxed()
}

/// Rules that leave a user with much, so that what it sends is not refused at once.
fn rule() -> One {
    let common = vec![
        "on",
        ">pw",
        "+@all",
        "~*",
        "allkeys",
        "&*",
        "allcommands",
        "-@write",
        "-get",
        "+@read",
        "+set",
        "resetkeys",
        "~a*",
        "~[b-d]",
        "~user:*",
        "+client",
        "-client|id",
        "+client|id",
        "-@dangerous",
        "+@connection",
        "-@string",
        "resetchannels",
        "&news.*",
        "&a",
        "+acl|whoami",
        "+@transaction",
        "+exec",
        "+@scripting",
        "%R~*",
        "%R~a",
        "%W~a",
        "%RW~b",
        "%r~[b-d]",
        "%W~user:*",
        "%Rw~*",
        "resetkeys",
        "+select|0",
        "+get|a",
    ];
    let seldom = vec![
        "off",
        "nopass",
        "resetpass",
        ">other",
        "<other",
        "<nothing",
        "nocommands",
        "-@all",
        "reset",
        "allchannels",
        "foo",
        "+nothing",
        "-@nothing",
        "+client|nothing",
        "-ACL",
        "+GET",
        "sanitize",
        "",
        "sanitize-payload",
        "skip-sanitize-payload",
        "clearselectors",
        "CLEARSELECTORS",
        "%~a",
        "%RR~a",
        "%X~a",
        "~a b",
        "&a b",
        "+config|get|x",
        "+get|",
        "+nothing|x",
        "-select|0",
        "+client|",
        "!30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4",
        "#30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4",
        "#30C9",
        "(+nothing",
        "(~a",
        "a)",
        "()",
        "(on)",
        "(+get (~a))",
    ];
    prop_oneof![6 => select(common), 1 => select(seldom)]
        .prop_map(Argument::text)
        .boxed()
}

/// Requests whose keys are found in every way that there is, and those about channels.
fn tried() -> BoxedStrategy<Request> {
    let others = [geo::ROWS, streams::ROWS, pubsub::ROWS, sort::ROWS];
    prop_oneof![
        2 => plain(),
        1 => of_rows(others.into_iter().flatten()),
    ]
    .boxed()
}

/// Somebody becomes a user, and tries things; others look at what was refused.
pub fn steps(features: Features) -> BoxedStrategy<Vec<Step>> {
    let words = |text: &str| text.split(' ').map(Argument::text).collect::<Request>();
    let make = setuser().prop_map(move |arguments| [words("ACL SETUSER"), arguments].concat());
    let become_user = select(vec!["AUTH alice pw", "AUTH bob pw", "AUTH alice nothing"]);
    let own = prop_oneof![
        4 => tried(),
        1 => request(features),
        1 => select(vec!["MULTI", "EXEC"]).prop_map(words),
    ];
    let look = select(vec![
        "ACL LOG",
        "ACL LOG 3",
        "ACL LIST",
        "ACL GETUSER alice",
        "INFO stats",
        "CLIENT LIST",
        "ACL LOG RESET",
    ]);
    let of = |connection, request| Step::Requests {
        connection,
        requests: vec![request],
    };
    let step = (
        0..CONNECTIONS,
        prop_oneof![
            2 => make.clone().boxed(),
            2 => become_user.clone().prop_map(words).boxed(),
            12 => own.boxed(),
            4 => look.prop_map(words).boxed(),
        ],
    );
    let begin = (
        0..CONNECTIONS,
        0..CONNECTIONS,
        make,
        become_user.prop_map(words),
    );
    (begin, collection::vec(step, 4..16))
        .prop_map(move |((maker, user, make, become_user), rest)| {
            let first = [of(maker, make), of(user, become_user)];
            let rest = rest.into_iter();
            let rest = rest.map(|(connection, request)| of(connection, request));
            first.into_iter().chain(rest).collect()
        })
        .boxed()
}

/// The words of a selector, in one argument or in one each.
fn selector() -> Arguments {
    let texts = vec![
        "(+@all ~*)",
        "(+@read %R~*)",
        "(+@write %W~a* %R~b)",
        "(+get +set ~a)",
        "(~user:* +@all -del)",
        "(+@all %RW~[b-d])",
        "(+publish +subscribe &news.* &a)",
        "(+psubscribe allchannels)",
        "(~* -@all +get|a)",
        "(+@all ~c )",
        "(allcommands allkeys &*)",
        "(+sort %R~* ~*)",
        "(+sort ~a)",
        "(%R~*~ +@all)",
    ];
    (select(texts), any::<bool>())
        .prop_map(|(text, apart)| {
            if apart {
                text.split(' ').map(Argument::text).collect()
            } else {
                vec![Argument::text(text)]
            }
        })
        .boxed()
}

/// A few rules and selectors.
fn rules() -> Arguments {
    let some = prop_oneof![3 => one(rule()), 1 => selector()];
    collection::vec(some, 0..4)
        .prop_map(|rules| rules.concat())
        .boxed()
}

/// Never the default user, who is there for the tests.
fn setuser() -> Arguments {
    let name = prop_oneof![
        20 => select(vec!["alice", "alice", "bob"]),
        1 => Just("with space"),
    ];
    let begin = prop_oneof![
        1 => none(),
        2 => Just(["on", ">pw", "~*", "&*", "+@all"].map(Argument::text).to_vec()),
        1 => Just(["reset", "on", ">pw", "&*", "+@all"].map(Argument::text).to_vec()),
    ];
    sequence(vec![
        one(name.prop_map(Argument::text).boxed()),
        begin.boxed(),
        rules(),
    ])
}
