//! COMMAND and its subcommands: the command table, told to clients.
//!
//! All of it answers from the table alone. The order of commands is by name, where Redis has none.

use super::table::renames::Renames;
use super::table::{
    ACTIVE, Arg, BeginSearch, CATEGORIES, COMMANDS, Category, Command, FindKeys, KEY_FLAGS,
    KeyFlags, KeySpec, Resolved, SHOWN_FLAGS, category, keys,
};
use super::{Call, Outcome, errors, help};
use crate::resp::glob;
use crate::resp::{ErrorReply, Reply};

const HELP: &[&str] = &[
    "(no subcommand)",
    "    Describe all commands.",
    "COUNT",
    "    Say how many commands there are.",
    "LIST",
    "    List the names of commands and subcommands, all or with FILTERBY those of a MODULE, an ACLCAT or a PATTERN.",
    "INFO [<command-name> ...]",
    "    Describe the named commands, or all.",
    "DOCS [<command-name> ...]",
    "    Document the named commands, or all.",
    "GETKEYS <full-command>",
    "    Tell which words of a request are keys.",
    "GETKEYSANDFLAGS <full-command>",
    "    Tell which words of a request are keys, and how it accesses them.",
];

/// COMMAND
pub fn command(call: &mut Call<'_>) -> Outcome {
    write_info(&call.server.renames, &[], call.out);
    Ok(())
}

/// COMMAND COUNT
pub fn count(call: &mut Call<'_>) -> Outcome {
    let commands = shown_commands(&call.server.renames).count();
    call.out.int(commands as i64);
    Ok(())
}

/// COMMAND INFO [name ...]
pub fn info(call: &mut Call<'_>) -> Outcome {
    write_info(&call.server.renames, &call.args[2..], call.out);
    Ok(())
}

/// COMMAND DOCS [name ...]
pub fn docs(call: &mut Call<'_>) -> Outcome {
    write_docs(&call.server.renames, &call.args[2..], call.out);
    Ok(())
}

/// COMMAND LIST [FILTERBY MODULE|ACLCAT|PATTERN value]
pub fn list(call: &mut Call<'_>) -> Outcome {
    Ok(write_list(&call.server.renames, &call.args[2..], call.out)?)
}

/// COMMAND GETKEYS word ...
pub fn get_keys(call: &mut Call<'_>) -> Outcome {
    tell_keys(call, Shown::Names)
}

/// COMMAND GETKEYSANDFLAGS word ...
pub fn get_keys_and_flags(call: &mut Call<'_>) -> Outcome {
    tell_keys(call, Shown::NamesAndFlags)
}

fn tell_keys(call: &mut Call<'_>, shown: Shown) -> Outcome {
    let request = &call.args[2..];
    let command = call.server.renames.resolve(request);
    Ok(write_keys(command, request, shown, call.out)?)
}

/// COMMAND HELP
pub fn help(call: &mut Call<'_>) -> Outcome {
    help::write(call, HELP)
}

/// The commands that can be asked for, whatever their names are now.
fn shown_commands(renames: &Renames) -> impl Iterator<Item = &'static Command> {
    let commands = ACTIVE[..COMMANDS].iter();
    commands.filter(move |command| renames.reach(command))
}

/// Describes the named commands, with a null for a name that is not known; without names, all.
fn write_info(renames: &Renames, names: &[&[u8]], out: &mut Reply) {
    if names.is_empty() {
        out.array(shown_commands(renames).count());
        for command in shown_commands(renames) {
            describe(command, out);
        }
        return;
    }
    out.array(names.len());
    for name in names {
        match renames.by_full_name(name) {
            Some(command) => describe(command, out),
            None => out.null(),
        }
    }
}

/// Documents the named commands, leaving out names that are not known; without names, all.
fn write_docs(renames: &Renames, names: &[&[u8]], out: &mut Reply) {
    if names.is_empty() {
        let shown = || shown_commands(renames);
        write_documents(shown(), shown().count(), out);
        return;
    }
    let known = || names.iter().filter_map(|name| renames.by_full_name(name));
    write_documents(known(), known().count(), out);
}

fn write_documents<'a>(commands: impl Iterator<Item = &'a Command>, count: usize, out: &mut Reply) {
    out.map(count);
    for command in commands {
        out.bulk(command.name().as_bytes());
        document(command, out);
    }
}

/// Which commands COMMAND LIST shows.
enum Filter<'a> {
    All,
    /// Those of a module. There are no modules.
    Module,
    /// Those of a category; none when there is no such category.
    Category(Option<Category>),
    /// Those whose full name matches, in any case.
    Pattern(&'a [u8]),
}

impl Filter<'_> {
    fn shows(&self, command: &Command) -> bool {
        match self {
            Self::All => true,
            Self::Module => false,
            Self::Category(category) => category.is_some_and(|c| command.categories.has(c)),
            Self::Pattern(pattern) => {
                let name = command.name().as_bytes();
                glob::matches(pattern, name, glob::Case::Insensitive)
            }
        }
    }
}

fn parse_filter<'a>(args: &[&'a [u8]]) -> Result<Filter<'a>, ErrorReply> {
    let (kind, value) = match args {
        [] => return Ok(Filter::All),
        [by, kind, value] if by.eq_ignore_ascii_case(b"filterby") => (kind, value),
        _ => return Err(errors::SYNTAX),
    };
    if kind.eq_ignore_ascii_case(b"module") {
        Ok(Filter::Module)
    } else if kind.eq_ignore_ascii_case(b"aclcat") {
        Ok(Filter::Category(category(value)))
    } else if kind.eq_ignore_ascii_case(b"pattern") {
        Ok(Filter::Pattern(value))
    } else {
        Err(errors::SYNTAX)
    }
}

fn write_list(renames: &Renames, args: &[&[u8]], out: &mut Reply) -> Result<(), ErrorReply> {
    let filter = parse_filter(args)?;
    let shows = |command: &&Command| filter.shows(command) && renames.reach(command);
    let shown = || ACTIVE.iter().filter(shows);
    out.array(shown().count());
    for command in shown() {
        out.bulk(command.name().as_bytes());
    }
    Ok(())
}

/// What is told of each key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Names,
    NamesAndFlags,
}

fn write_keys(
    found: Resolved,
    request: &[&[u8]],
    shown: Shown,
    out: &mut Reply,
) -> Result<(), ErrorReply> {
    let Resolved::Command(command) = found else {
        return Err(ErrorReply::new("ERR Invalid command specified"));
    };
    if !command.takes_keys() {
        return Err(ErrorReply::new("ERR The command has no key arguments"));
    }
    if !command.accepts(request.len()) {
        return Err(ErrorReply::new(
            "ERR Invalid number of arguments specified for command",
        ));
    }
    let keys = keys(command, request)
        .map_err(|_| ErrorReply::new("ERR Invalid arguments specified for command"))?;
    out.array(keys.len());
    for key in keys {
        if shown == Shown::NamesAndFlags {
            out.array(2);
        }
        out.bulk(request[key.position]);
        if shown == Shown::NamesAndFlags {
            write_key_flags(key.flags, out);
        }
    }
    Ok(())
}

/// The array of ten that COMMAND INFO shows of a command.
fn describe(command: &Command, out: &mut Reply) {
    let row = command.row;
    out.array(10);
    out.bulk(command.name().as_bytes());
    out.int(i64::from(row.arity));
    let flags = SHOWN_FLAGS.iter().filter(|(f, _)| command.flags.has(*f));
    write_set(flags.map(|(_, name)| *name), out);
    out.int(i64::from(command.key_range.first));
    out.int(i64::from(command.key_range.last));
    out.int(i64::from(command.key_range.step));
    write_categories(command, out);
    write_tips(row.tips, out);
    out.set(row.key_specs.len());
    for spec in row.key_specs {
        write_key_spec(spec, out);
    }
    if command.has_subcommands() {
        out.array(command.subcommands().len());
        for sub in command.subcommands() {
            describe(sub, out);
        }
    } else {
        out.set(0);
    }
}

/// A set of status lines.
fn write_set<'a>(names: impl Iterator<Item = &'a str> + Clone, out: &mut Reply) {
    out.set(names.clone().count());
    for name in names {
        out.simple(name);
    }
}

fn write_categories(command: &Command, out: &mut Reply) {
    let named = CATEGORIES
        .iter()
        .filter(|(c, _)| command.categories.has(*c));
    out.set(named.clone().count());
    for (_, name) in named {
        out.raw(b"+@");
        out.raw(name.as_bytes());
        out.raw(b"\r\n");
    }
}

fn write_tips(tips: &[&str], out: &mut Reply) {
    out.set(tips.len());
    for tip in tips {
        out.bulk(tip.as_bytes());
    }
}

fn write_key_flags(flags: KeyFlags, out: &mut Reply) {
    let named = KEY_FLAGS.iter().filter(|(flag, _)| flags.has(*flag));
    write_set(named.map(|(_, name)| *name), out);
}

fn write_key_spec(spec: &KeySpec, out: &mut Reply) {
    out.map(3 + usize::from(spec.notes.is_some()));
    if let Some(notes) = spec.notes {
        write_field("notes", notes, out);
    }
    out.bulk(b"flags");
    write_key_flags(spec.flags, out);
    out.bulk(b"begin_search");
    match spec.begin {
        BeginSearch::Index(position) => write_search("index", &[("index", position)], out),
        BeginSearch::Keyword { word, from } => {
            write_search_header("keyword", 2, out);
            write_field("keyword", word, out);
            write_number("startfrom", from, out);
        }
        BeginSearch::Unknown => write_search("unknown", &[], out),
    }
    out.bulk(b"find_keys");
    match spec.find {
        FindKeys::Range { last, step, limit } => {
            let fields = [("lastkey", last), ("keystep", step), ("limit", limit)];
            write_search("range", &fields, out);
        }
        FindKeys::KeyNum { count, first, step } => {
            let fields = [("keynumidx", count), ("firstkey", first), ("keystep", step)];
            write_search("keynum", &fields, out);
        }
        FindKeys::Unknown => write_search("unknown", &[], out),
    }
}

fn write_search(kind: &str, fields: &[(&str, i32)], out: &mut Reply) {
    write_search_header(kind, fields.len(), out);
    for &(name, value) in fields {
        write_number(name, value, out);
    }
}

fn write_search_header(kind: &str, fields: usize, out: &mut Reply) {
    out.map(2);
    write_field("type", kind, out);
    out.bulk(b"spec");
    out.map(fields);
}

fn write_field(name: &str, value: &str, out: &mut Reply) {
    out.bulk(name.as_bytes());
    out.bulk(value.as_bytes());
}

fn write_number(name: &str, value: i32, out: &mut Reply) {
    out.bulk(name.as_bytes());
    out.int(i64::from(value));
}

/// The map that COMMAND DOCS shows of a command. Fields that have nothing to say are left out.
fn document(command: &Command, out: &mut Reply) {
    let row = command.row;
    let fields = [
        true, // summary
        true, // since
        true, // group
        !row.complexity.is_empty(),
        row.syscmd || row.deprecated.is_some(),
        row.deprecated.is_some(), // deprecated_since
        row.deprecated.is_some(), // replaced_by
        !row.history.is_empty(),
        !row.args.is_empty(),
        command.has_subcommands(),
    ];
    out.map(fields.into_iter().filter(|present| *present).count());
    write_field("summary", row.summary, out);
    write_field("since", row.since, out);
    write_field("group", command.group.name(), out);
    if !row.complexity.is_empty() {
        write_field("complexity", row.complexity, out);
    }
    if row.syscmd || row.deprecated.is_some() {
        out.bulk(b"doc_flags");
        let flags = [
            row.deprecated.map(|_| "deprecated"),
            row.syscmd.then_some("syscmd"),
        ];
        write_set(flags.into_iter().flatten(), out);
    }
    if let Some((since, replaced_by)) = row.deprecated {
        write_field("deprecated_since", since, out);
        write_field("replaced_by", replaced_by, out);
    }
    write_history(row.history, out);
    if !row.args.is_empty() {
        out.bulk(b"arguments");
        write_args(row.args, out);
    }
    if command.has_subcommands() {
        out.bulk(b"subcommands");
        let subcommands = command.subcommands();
        write_documents(subcommands.iter(), subcommands.len(), out);
    }
}

fn write_history(history: &[(&str, &str)], out: &mut Reply) {
    if history.is_empty() {
        return;
    }
    out.bulk(b"history");
    out.set(history.len());
    for (since, change) in history {
        out.array(2);
        out.bulk(since.as_bytes());
        out.bulk(change.as_bytes());
    }
}

fn write_args(args: &[Arg], out: &mut Reply) {
    out.array(args.len());
    for arg in args {
        write_arg(arg, out);
    }
}

fn write_arg(arg: &Arg, out: &mut Reply) {
    let flags = [
        arg.optional.then_some("optional"),
        arg.multiple.then_some("multiple"),
        arg.multiple_token.then_some("multiple_token"),
    ];
    let has_flags = flags.iter().any(Option::is_some);
    let fields = [
        arg.key_spec.is_some(),
        arg.token.is_some(),
        arg.since.is_some(),
        arg.deprecated_since.is_some(),
        has_flags,
    ];
    // Beside these: the name, the type, and either the text or the arguments below.
    out.map(3 + fields.into_iter().filter(|present| *present).count());
    write_field("name", arg.name, out);
    write_field("type", arg.kind.name(), out);
    if !arg.kind.has_children() {
        write_field("display_text", arg.display.unwrap_or(arg.name), out);
    }
    if let Some(index) = arg.key_spec {
        write_number("key_spec_index", i32::from(index), out);
    }
    if let Some(token) = arg.token {
        write_field("token", token, out);
    }
    if let Some(since) = arg.since {
        write_field("since", since, out);
    }
    if let Some(since) = arg.deprecated_since {
        write_field("deprecated_since", since, out);
    }
    if has_flags {
        out.bulk(b"flags");
        write_set(flags.into_iter().flatten(), out);
    }
    if arg.kind.has_children() {
        out.bulk(b"arguments");
        write_args(arg.children, out);
    }
}

#[cfg(test)]
mod tests;
