//! What must hold for every row, and the keys of requests.

use super::*;

#[test]
fn every_name_finds_its_command_in_any_case() {
    for command in &ACTIVE {
        let name = command.name();
        let shouted = name.to_ascii_uppercase();
        for spelled in [name, shouted.as_str()] {
            let found = by_full_name(spelled.as_bytes()).expect(name);
            assert!(std::ptr::eq(found, command), "{name}");
        }
        assert!(std::ptr::eq(command.id.command(), command), "{name}");
    }
}

#[test]
fn what_is_not_in_the_table_is_unknown() {
    for name in [
        "",
        "g",
        "gett",
        "gets",
        "migrates",
        "failover",
        "config|",
        "|get",
        "get|get",
        "config|set|x",
    ] {
        assert!(by_full_name(name.as_bytes()).is_none(), "{name}");
    }
    assert!(lookup(b"config|set").is_none());
    assert!(lookup(&[b'a'; 1000]).is_none());
    assert!(lookup(b"\xff\0").is_none());
}

/// Every row with its group.
fn rows() -> Vec<(&'static Row, Group)> {
    let rows = GROUPS
        .iter()
        .flat_map(|g| g.rows.iter().map(|row| (row, g.group)));
    rows.flat_map(|(row, group)| {
        let subcommands = row.subcommands.iter().map(move |sub| (sub, group));
        std::iter::once((row, group)).chain(subcommands)
    })
    .collect()
}

fn row(name: &str) -> (&'static Row, Group) {
    *rows().iter().find(|(row, _)| row.name == name).expect(name)
}

#[test]
fn names_are_unique_and_sorted() {
    let names: Vec<_> = ACTIVE[..COMMANDS].iter().map(Command::name).collect();
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    for container in ACTIVE.iter().filter(|c| c.has_subcommands()) {
        let names: Vec<_> = container.subcommands().iter().map(Command::name).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
        let parents = container.subcommands().iter().map(|sub| sub.parent);
        assert!(
            parents
                .into_iter()
                .all(|parent| parent == Some(container.id))
        );
    }
    let names: std::collections::BTreeSet<_> = rows().iter().map(|(row, _)| row.name).collect();
    assert_eq!(names.len(), rows().len());
}

#[test]
fn names_are_in_lower_case_and_sentences_are_there() {
    for (row, _) in rows() {
        let name = row.name;
        assert_eq!(name, name.to_ascii_lowercase());
        assert!(row.summary.ends_with('.'), "{name}");
        assert!(!row.since.is_empty(), "{name}");
    }
}

/// They change whole databases or the libraries of functions.
const WRITES_WITHOUT_KEYS: &[&str] = &[
    "flushall",
    "flushdb",
    "function|delete",
    "function|flush",
    "function|load",
    "function|restore",
    "swapdb",
];

#[test]
fn commands_that_write_say_which_keys() {
    for (row, _) in rows() {
        let name = row.name;
        if !row.flags.has(Flag::Write) {
            continue;
        }
        assert!(!row.flags.has(Flag::ReadOnly), "{name}");
        // XREADGROUP only reads the stream, and changes the group inside it.
        let writes = |spec: &KeySpec| !spec.flags.has(KeyFlag::Ro) || name == "xreadgroup";
        assert_eq!(
            row.key_specs.iter().any(writes),
            !WRITES_WITHOUT_KEYS.contains(&name),
            "{name}"
        );
    }
}

#[test]
fn commands_that_only_read_never_change_a_key() {
    for (row, _) in rows() {
        // PFCOUNT keeps the count it has computed inside the value.
        if row.flags.has(Flag::ReadOnly) && row.name != "pfcount" {
            let reads = |spec: &KeySpec| spec.flags.has(KeyFlag::Ro);
            assert!(row.key_specs.iter().all(reads), "{}", row.name);
        }
    }
}

#[test]
fn every_key_spec_says_how_its_keys_are_accessed() {
    use KeyFlag::{NotKey, Ow, Rm, Ro, Rw};
    for (row, _) in rows() {
        for spec in row.key_specs {
            let modes = [Ro, Rw, Ow, Rm].into_iter();
            let modes = modes.filter(|mode| spec.flags.has(*mode)).count();
            let expected = usize::from(!spec.flags.has(NotKey));
            assert_eq!(modes, expected, "{}", row.name);
        }
    }
}

/// How many words an argument takes at least and, unless it repeats, at most.
fn words(arg: &Arg) -> (usize, Option<usize>) {
    let (mut least, mut most) = match arg.kind {
        ArgType::PureToken => (0, Some(0)),
        ArgType::OneOf => {
            let children: Vec<_> = arg.children.iter().map(words).collect();
            let least = children.iter().map(|w| w.0).min().unwrap_or(0);
            let most: Option<Vec<_>> = children.iter().map(|w| w.1).collect();
            (least, most.and_then(|most| most.into_iter().max()))
        }
        ArgType::Block => sum(arg.children),
        _ => (1, Some(1)),
    };
    if arg.token.is_some() {
        least += 1;
        most = most.map(|most| most + 1);
    }
    if arg.multiple {
        most = None;
    }
    if arg.optional {
        least = 0;
    }
    (least, most)
}

fn sum(args: &[Arg]) -> (usize, Option<usize>) {
    args.iter().map(words).fold((0, Some(0)), |a, b| {
        (a.0 + b.0, a.1.zip(b.1).map(|(a, b)| a + b))
    })
}

/// Their documentation leaves words out or, of CLIENT KILL, marks every filter as optional.
const LOOSE: &[&str] = &["client|kill", "debug", "psync", "quit", "replconf"];

#[test]
fn arity_and_arguments_agree() {
    let disagrees = |row: &&Row| {
        let name_words = row.name.split('|').count();
        let (least, most) = sum(row.args);
        let arity = row.arity;
        arity.unsigned_abs() as usize != least + name_words || (arity > 0) != (most == Some(least))
    };
    let leaves = rows().into_iter().map(|(row, _)| row);
    let leaves = leaves.filter(|row| row.subcommands.is_empty());
    let mut found: Vec<_> = leaves.filter(disagrees).map(|row| row.name).collect();
    found.sort_unstable();
    assert_eq!(found, LOOSE);
}

#[test]
fn arguments_name_key_specs_that_exist() {
    fn check(args: &[Arg], row: &Row) {
        for arg in args {
            let exists = |index| usize::from(index) < row.key_specs.len();
            assert!(arg.key_spec.is_none_or(exists), "{}", row.name);
            let has_children = arg.kind.has_children();
            assert_eq!(has_children, !arg.children.is_empty(), "{}", row.name);
            check(arg.children, row);
        }
    }
    for (row, _) in rows() {
        check(row.args, row);
    }
}

/// What follows from the row of `name`: flags that show keys move, first, last, step, categories.
fn derived(name: &str) -> String {
    let (row, group) = row(name);
    let command = build::describe(row, group);
    let range = command.key_range;
    let categories = CATEGORIES.iter();
    let categories = categories.filter(|(c, _)| command.categories.has(*c));
    let names: Vec<_> = categories.map(|(_, name)| *name).collect();
    format!(
        "{} {} {}{} {}",
        range.first,
        range.last,
        range.step,
        if command.flags.has(Flag::MovableKeys) {
            " movable"
        } else {
            ""
        },
        names.join(" ")
    )
}

#[test]
fn categories_and_key_ranges_follow_from_rows() {
    let rows = [
        ("get", "1 1 1 read string fast"),
        ("mset", "1 -1 2 write string slow"),
        ("rename", "1 2 1 keyspace write slow"),
        ("bitop", "2 -1 1 write bitmap slow"),
        ("object", "0 0 0 slow"),
        ("object|freq", "2 2 1 keyspace read slow"),
        ("config|set", "0 0 0 admin slow dangerous"),
        ("command", "0 0 0 slow connection"),
        ("smove", "1 2 1 write set fast"),
        ("sdiffstore", "1 -1 1 write set slow"),
        ("brpoplpush", "1 2 1 write list slow blocking"),
        ("blpop", "1 -2 1 write list slow blocking"),
        (
            "sort",
            "1 1 1 movable write set sortedset list slow dangerous",
        ),
        ("migrate", "3 3 1 movable keyspace write slow dangerous"),
        ("zunionstore", "1 1 1 movable write sortedset slow"),
        ("zunion", "0 0 0 movable read sortedset slow"),
        ("georadius", "1 1 1 movable write geo slow"),
        ("xread", "0 0 0 movable read stream slow blocking"),
        ("eval_ro", "0 0 0 movable slow scripting"),
        ("spublish", "1 1 1 pubsub fast"),
    ];
    for (name, expected) in rows {
        assert_eq!(derived(name), expected, "{name}");
    }
}

#[test]
fn constants_of_the_compiler_agree_with_look_ups() {
    const SET: CommandId = id("set");
    const CONFIG_SET: CommandId = id("config|set");
    assert_eq!(lookup(b"SET").map(|c| c.id), Some(SET));
    assert_eq!(CONFIG_SET.command().own_name(), "set");
    assert_eq!(CONFIG_SET.command().parent, lookup(b"config").map(|c| c.id));
}

/// The words of a request, its keys written as `position:flags`.
fn keys_of(request: &str) -> Result<String, NoKeys> {
    let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
    let Resolved::Command(command) = resolve(&args) else {
        panic!("{request} is no command");
    };
    let shown = keys(command, &args)?.into_iter().map(|key| {
        let flags = KEY_FLAGS.iter().filter(|(flag, _)| key.flags.has(*flag));
        let flags: Vec<_> = flags.map(|(_, name)| *name).collect();
        format!("{}:{}", key.position, flags.join("+"))
    });
    Ok(shown.collect::<Vec<_>>().join(" "))
}

#[test]
fn requests_name_their_keys() {
    let rows = [
        ("GET a", "1:RO+access"),
        ("SET a b", "1:OW+update"),
        ("SET a b get", "1:RW+access+update"),
        ("SET a get", "1:OW+update"),
        ("MSET a 1 b 2", "1:OW+update 3:OW+update"),
        ("DEL a b c", "1:RM+delete 2:RM+delete 3:RM+delete"),
        ("BITOP AND d a b", "2:OW+update 3:RO+access 4:RO+access"),
        ("BITFIELD a GET u8 0 OVERFLOW SAT", "1:RO+access"),
        ("BITFIELD a GET u8 0 SET u8 0 1", "1:RW+access+update"),
        ("BITFIELD a GET u8", "1:RW+access+update"),
        ("OBJECT ENCODING a", "2:RO"),
        ("MEMORY USAGE a", "2:RO"),
        ("RENAME a b", "1:RW+access+delete 2:OW+update"),
        ("PING", ""),
    ];
    for (request, expected) in rows {
        assert_eq!(keys_of(request).as_deref(), Ok(expected), "{request}");
    }
}

#[test]
fn requests_of_the_wrong_length_have_no_keys() {
    for request in ["GET", "GET a b", "SET a", "BITOP AND d", "RENAME a"] {
        assert_eq!(keys_of(request), Err(NoKeys), "{request}");
    }
}

#[test]
fn finders_find_what_specs_cannot() {
    let rows: &[(&str, &str, &[usize])] = &[
        ("sort", "sort k by w get # limit 0 1 store d", &[1, 10]),
        ("sort", "sort k store d store e", &[1, 5]),
        ("sort", "sort k get store", &[1]),
        ("sort_ro", "sort_ro k by w", &[1]),
        ("migrate", "migrate h 1 k 0 9 copy", &[3]),
        ("migrate", "migrate h 1  0 9 auth keys keys a b", &[9, 10]),
        ("migrate", "migrate h 1 k 0 9 keys a", &[]),
        (
            "georadius",
            "georadius k 1 1 1 m store d storedist e",
            &[1, 9],
        ),
        ("georadius", "georadius k 1 1 1 m store", &[1]),
        ("xread", "xread count 1 block 0 streams a b 0 0", &[6, 7]),
        ("xread", "xread streams a b 0", &[]),
        ("xread", "xread stream a 0", &[]),
        ("xreadgroup", "xreadgroup group g c noack streams a 0", &[6]),
        ("zunion", "zunion 2 a b", &[2, 3]),
        ("zunion", "zunion 2x a b", &[2, 3]),
        ("zunion", "zunion 3 a b", &[]),
        ("zunion", "zunion -1 a b", &[]),
        ("zunion", "zunion 99999999999999999999 a b", &[]),
        ("zunionstore", "zunionstore d 2 a b", &[3, 4, 1]),
        ("zunionstore", "zunionstore d 0 a b", &[]),
        ("eval", "eval s 1 k a", &[3]),
        ("blmpop", "blmpop 0 2 a b left", &[3, 4]),
    ];
    for (name, request, expected) in rows {
        let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        let find = row(name).0.key_finder.expect(name);
        let mut found = Keys::new();
        find(&args, &mut found);
        let found: Vec<_> = found.iter().map(|key| key.position).collect();
        assert_eq!(found, *expected, "{request}");
    }
}
