//! From rows to commands: sorts, numbers, and computes what follows from a row. Runs in the compiler.

use super::key_spec::{BeginSearch, FindKeys, KeyFlag};
use super::row::{Categories, Category, Flag, Group, Row};
use super::{COMMANDS, COUNT, Command, CommandId, GROUPS, KeyRange};

/// Merges the groups, each sorted by name, and appends the subcommands.
pub(super) const fn build() -> [Command; COUNT] {
    let mut commands = [describe(&GROUPS[0].rows[0], GROUPS[0].group); COUNT];
    let mut next = [0; GROUPS.len()];
    let mut filled = 0;
    while filled < COMMANDS {
        let group = smallest(&next);
        let row = &GROUPS[group].rows[next[group]];
        next[group] += 1;
        assert!(
            filled == 0 || is_before(commands[filled - 1].row.name, row.name),
            "rows are sorted by name, and no name stands twice"
        );
        commands[filled] = describe(row, GROUPS[group].group);
        commands[filled].id = CommandId(filled as u16);
        filled += 1;
    }
    let mut container = 0;
    while container < COMMANDS {
        filled = add_subcommands(&mut commands, container, filled);
        container += 1;
    }
    assert!(filled == COUNT, "every row has its place");
    commands
}

/// The group whose next row comes first.
const fn smallest(next: &[usize; GROUPS.len()]) -> usize {
    let mut best = GROUPS.len();
    let mut g = 0;
    while g < GROUPS.len() {
        if next[g] < GROUPS[g].rows.len()
            && (best == GROUPS.len()
                || is_before(
                    GROUPS[g].rows[next[g]].name,
                    GROUPS[best].rows[next[best]].name,
                ))
        {
            best = g;
        }
        g += 1;
    }
    best
}

const fn add_subcommands(commands: &mut [Command; COUNT], container: usize, first: usize) -> usize {
    let rows = commands[container].row.subcommands;
    let mut r = 0;
    while r < rows.len() {
        assert!(
            r == 0 || is_before(rows[r - 1].name, rows[r].name),
            "subcommands are sorted by name, and no name stands twice"
        );
        assert!(
            rows[r].subcommands.is_empty(),
            "subcommands have no subcommands"
        );
        assert!(
            begins(rows[r].name, commands[container].row.name),
            "a subcommand's name begins with its container's"
        );
        let mut command = describe(&rows[r], commands[container].group);
        command.id = CommandId((first + r) as u16);
        command.own_name_at = (commands[container].row.name.len() + 1) as u16;
        command.parent = Some(commands[container].id);
        commands[first + r] = command;
        r += 1;
    }
    commands[container].first_child = first as u16;
    commands[container].children = rows.len() as u16;
    first + rows.len()
}

pub(super) const fn describe(row: &'static Row, group: Group) -> Command {
    let (key_range, movable) = key_range(row);
    Command {
        id: CommandId(0),
        parent: None,
        group,
        row,
        flags: if movable {
            row.flags.with(Flag::MovableKeys)
        } else {
            row.flags
        },
        categories: categories(row, group),
        key_range,
        own_name_at: 0,
        first_child: 0,
        children: 0,
    }
}

/// The declared categories, or that of the group (a bare container has none), and those that follow from flags.
const fn categories(row: &Row, group: Group) -> Categories {
    let mut set = match (row.categories, group.category()) {
        (Some(declared), _) => declared,
        (None, Some(category)) if row.subcommands.is_empty() => Categories::of(&[category]),
        (None, _) => Categories::of(&[]),
    };
    let flags = row.flags;
    if flags.has(Flag::Write) {
        set = set.with(Category::Write);
    }
    if flags.has(Flag::ReadOnly) && !set.has(Category::Scripting) {
        set = set.with(Category::Read);
    }
    if flags.has(Flag::Admin) {
        set = set.with(Category::Admin).with(Category::Dangerous);
    }
    if flags.has(Flag::PubSub) {
        set = set.with(Category::PubSub);
    }
    if flags.has(Flag::Blocking) {
        set = set.with(Category::Blocking);
    }
    set.with(if flags.has(Flag::Fast) {
        Category::Fast
    } else {
        Category::Slow
    })
}

/// First, last and step as far as the key specs can be told so, and whether that leaves out keys.
///
/// One spec of a fixed range is that range. Several are joined when each begins where the one before ends, step by one.
const fn key_range(row: &Row) -> (KeyRange, bool) {
    const NONE: KeyRange = KeyRange {
        first: 0,
        last: 0,
        step: 0,
    };
    let specs = row.key_specs;
    let mut range = NONE;
    let mut movable = false;
    let mut i = 0;
    while i < specs.len() {
        let incomplete = specs[i].flags.has(KeyFlag::Incomplete);
        match (specs[i].begin, specs[i].find) {
            (BeginSearch::Index(first), FindKeys::Range { last, step, .. })
                if specs.len() == 1
                    || step == 1 && (range.last == 0 || range.last == first - 1) =>
            {
                let last = if last < 0 { last } else { first + last };
                if range.first == 0 {
                    range = KeyRange { first, last, step };
                } else if last < 0 || last > range.last {
                    range.last = last;
                }
                movable |= incomplete;
            }
            _ => movable = true,
        }
        i += 1;
    }
    (range, movable)
}

/// Whether `a` sorts before `b`, byte by byte.
const fn is_before(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = 0;
    while i < a.len() && i < b.len() {
        if a[i] != b[i] {
            return a[i] < b[i];
        }
        i += 1;
    }
    a.len() < b.len()
}

/// Whether two names are the same.
pub(super) const fn is_same(a: &str, b: &str) -> bool {
    a.len() == b.len() && !is_before(a, b) && !is_before(b, a)
}

/// Whether `name` is `container`, a bar and something more.
const fn begins(name: &str, container: &str) -> bool {
    let (name, container) = (name.as_bytes(), container.as_bytes());
    if name.len() < container.len() + 2 || name[container.len()] != b'|' {
        return false;
    }
    let mut i = 0;
    while i < container.len() {
        if name[i] != container[i] {
            return false;
        }
        i += 1;
    }
    true
}
