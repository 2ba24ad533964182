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
        "lpush",
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
}

#[test]
fn names_are_in_lower_case_and_sentences_are_there() {
    for command in &ACTIVE {
        let name = command.name();
        assert_eq!(name, name.to_ascii_lowercase());
        assert!(!command.row.summary.is_empty(), "{name}");
        assert!(command.row.summary.ends_with('.'), "{name}");
        assert!(!command.row.since.is_empty(), "{name}");
    }
}

#[test]
fn write_commands_name_keys_or_change_whole_databases() {
    let without_keys = ["flushall", "flushdb", "swapdb"];
    for command in ACTIVE.iter().filter(|c| c.flags.has(Flag::Write)) {
        let name = command.name();
        assert!(
            command.takes_keys() != without_keys.contains(&name),
            "{name}"
        );
        assert!(!command.flags.has(Flag::ReadOnly), "{name}");
        let writes = |spec: &KeySpec| !spec.flags.has(KeyFlag::Ro);
        assert!(
            without_keys.contains(&name) || command.row.key_specs.iter().any(writes),
            "{name}"
        );
    }
}

#[test]
fn commands_that_only_read_never_change_a_key() {
    // PFCOUNT keeps the count it has computed inside the value.
    let reading = |c: &&Command| c.flags.has(Flag::ReadOnly) && c.name() != "pfcount";
    for command in ACTIVE.iter().filter(reading) {
        for spec in command.row.key_specs {
            assert!(spec.flags.has(KeyFlag::Ro), "{}", command.name());
        }
    }
}

#[test]
fn every_key_spec_says_how_its_keys_are_accessed() {
    use KeyFlag::{NotKey, Ow, Rm, Ro, Rw};
    for command in &ACTIVE {
        for spec in command.row.key_specs {
            let modes = [Ro, Rw, Ow, Rm].into_iter();
            let modes = modes.filter(|mode| spec.flags.has(*mode)).count();
            let expected = usize::from(!spec.flags.has(NotKey));
            assert_eq!(modes, expected, "{}", command.name());
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
    // An empty token is no word.
    if arg.token.is_some_and(|token| !token.is_empty()) {
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

/// DEBUG and QUIT take words that their documentation leaves out; that of CLIENT KILL marks every filter as optional.
const LOOSE: &[&str] = &["debug", "quit", "client|kill"];

#[test]
fn arity_and_arguments_agree() {
    let disagrees = |command: &&Command| {
        let name_words = 1 + usize::from(command.parent.is_some());
        let (least, most) = sum(command.row.args);
        let arity = command.row.arity;
        arity.unsigned_abs() as usize != least + name_words || (arity > 0) != (most == Some(least))
    };
    let leaves = ACTIVE.iter().filter(|c| !c.has_subcommands());
    let found: Vec<_> = leaves.filter(disagrees).map(Command::name).collect();
    assert_eq!(found, LOOSE);
}

#[test]
fn arguments_name_key_specs_that_exist() {
    fn check(args: &[Arg], specs: usize, name: &str) {
        for arg in args {
            assert!(
                arg.key_spec.is_none_or(|i| usize::from(i) < specs),
                "{name}"
            );
            assert_eq!(arg.kind.has_children(), !arg.children.is_empty(), "{name}");
            check(arg.children, specs, name);
        }
    }
    for command in &ACTIVE {
        check(
            command.row.args,
            command.row.key_specs.len(),
            command.name(),
        );
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
