//! COMMAND: what the server says of its commands.

use crate::errors;
use crate::glob;
use crate::named_keys::{self, NoKeys};
use crate::reply::Reply;
use crate::state::{Call, Outcome};
use crate::table::{self, Declared};

/// COMMAND, and COMMAND INFO without names. Key specifications and tips are left out.
pub fn command(_: &mut Call) -> Outcome {
    let commands = table::all().iter().filter(|it| !it.name.contains('|'));
    Ok(Reply::Array(commands.map(information).collect()))
}

fn information(declared: &Declared) -> Reply {
    let statuses = |words: &[&str], sign: &str| {
        let statuses = words
            .iter()
            .map(|word| Reply::Status(format!("{sign}{word}").into_bytes()));
        Reply::Set(statuses.collect())
    };
    let mut fields = vec![
        Reply::bulk(declared.name.as_bytes()),
        Reply::Integer(declared.arity),
        statuses(&declared.flags, ""),
    ];
    fields.extend(declared.positions.map(Reply::Integer));
    fields.push(statuses(&declared.categories, "@"));
    Reply::Array(fields)
}

fn named(name: &[u8]) -> Option<&'static Declared> {
    table::find(&String::from_utf8_lossy(name).to_ascii_lowercase())
}

pub fn info(call: &mut Call) -> Outcome {
    if call.args.len() == 2 {
        return command(call);
    }
    let found = call.args[2..].iter().map(|name| match named(name) {
        Some(declared) => information(declared),
        None => Reply::NullArray,
    });
    Ok(Reply::Array(found.collect()))
}

pub fn count(_: &mut Call) -> Outcome {
    Ok(Reply::Integer(1))
}

/// COMMAND DOCS: the names of the commands that are described; what is said of them is the server's own.
pub fn docs(call: &mut Call) -> Outcome {
    let everything = table::all().iter().filter(|it| !it.name.contains('|'));
    let found: Vec<&Declared> = match &call.args[2..] {
        [] => everything.collect(),
        names => names.iter().filter_map(|name| named(name)).collect(),
    };
    let pair = |declared: &Declared| {
        let nothing = Reply::Map(Vec::new());
        (Reply::bulk(declared.name.as_bytes()), nothing)
    };
    Ok(Reply::Map(found.into_iter().map(pair).collect()))
}

pub fn list(call: &mut Call) -> Outcome {
    let names = |fits: &dyn Fn(&Declared) -> bool| {
        let fitting = table::all().iter().filter(|it| fits(it));
        Ok(Reply::Array(
            fitting.map(|it| Reply::bulk(it.name.as_bytes())).collect(),
        ))
    };
    if call.args.len() == 2 {
        return names(&|_| true);
    }
    if call.args.len() != 5 || !call.says(2, "FILTERBY") {
        return Err(errors::syntax());
    }
    let wanted = call.arg(4);
    if call.says(3, "MODULE") {
        names(&|_| false)
    } else if call.says(3, "ACLCAT") {
        let category = String::from_utf8_lossy(wanted).to_ascii_lowercase();
        names(&|it| it.categories.contains(&category.as_str()))
    } else if call.says(3, "PATTERN") {
        let pattern = wanted.to_ascii_lowercase();
        names(&|it| glob::matches(&pattern, it.name.as_bytes()))
    } else {
        Err(errors::syntax())
    }
}

/// COMMAND GETKEYS. That of GETKEYSANDFLAGS has a list of flags behind each key.
pub fn getkeys(call: &mut Call) -> Outcome {
    let request = &call.args[2..];
    let Some(declared) = table::of_request(request) else {
        return Err(errors::err("Invalid command specified"));
    };
    if !named_keys::has_keys(declared) {
        return Err(errors::err("The command has no key arguments"));
    }
    let words = request.len() as i64;
    if declared.arity > 0 && declared.arity != words || words < -declared.arity {
        return Err(errors::err(
            "Invalid number of arguments specified for command",
        ));
    }
    match named_keys::places(declared, request) {
        Ok(places) => {
            let keys = places.into_iter().map(|at| Reply::bulk(&request[at]));
            Ok(Reply::Array(keys.collect()))
        }
        Err(NoKeys::Optional) => Ok(Reply::Array(Vec::new())),
        Err(NoKeys::Invalid) => Err(errors::err("Invalid arguments specified for command")),
    }
}
