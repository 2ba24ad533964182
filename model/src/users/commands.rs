//! ACL: users are made, shown and tried.

use super::User;
use super::selector::Selector;
use crate::commands::{misused_subcommand, up_to_nul};
use crate::errors::{self, Failure};
use crate::reply::Reply;
use crate::state::{Call, ConnectionId, Outcome};
use crate::table;

pub fn setuser(call: &mut Call) -> Outcome {
    let name = call.arg(2);
    if name
        .iter()
        .any(|byte| byte.is_ascii_whitespace() || *byte == 0)
    {
        return Err(errors::err(
            "Usernames can't contain spaces or null characters",
        ));
    }
    let mut user = call.model.users.get(name).cloned().unwrap_or_default();
    for word in &merged(&call.args[3..])? {
        if let Err(complaint) = user.apply(word) {
            return Err(errors::err_bytes(&[
                b"Error in ACL SETUSER modifier '",
                up_to_nul(word, usize::MAX),
                b"': ",
                complaint.as_bytes(),
            ]));
        }
    }
    call.model.users.insert(name.to_vec(), user);
    Ok(Reply::ok())
}

/// The words from one that begins with a parenthesis to one that ends with one are one rule.
fn merged(words: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Failure> {
    let mut rules: Vec<Vec<u8>> = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let mut rule = word.clone();
        if word.starts_with(b"(") && !word.ends_with(b")") {
            loop {
                let Some(next) = rest.next() else {
                    return Err(quoted(
                        "Unmatched parenthesis in acl selector starting at '",
                        word,
                        "'.",
                    ));
                };
                rule = [rule.as_slice(), next].join(&b' ');
                if next.ends_with(b")") {
                    break;
                }
            }
        }
        rules.push(rule);
    }
    Ok(rules)
}

pub fn deluser(call: &mut Call) -> Outcome {
    let mut removed = 0;
    if call.args[2..].iter().any(|name| name == b"default") {
        return Err(errors::err("The 'default' user cannot be removed"));
    }
    for name in &call.args[2..] {
        if call.model.users.remove(name).is_some() {
            removed += 1;
            call.close_all_of(name);
        }
    }
    Ok(Reply::count(removed))
}

impl Call<'_> {
    fn close_all_of(&mut self, user: &[u8]) {
        let connections = self.model.connections.iter();
        let of_user = connections.filter(|(_, it)| it.user == user);
        let of_user: Vec<ConnectionId> = of_user.map(|(id, _)| *id).collect();
        for connection in of_user {
            self.close(connection);
        }
    }
}

pub fn users(call: &mut Call) -> Outcome {
    let names = call.model.users.keys().map(|name| Reply::bulk(name));
    Ok(Reply::Array(names.collect()))
}

pub fn list(call: &mut Call) -> Outcome {
    let lines = call.model.users.iter().map(|(name, user)| {
        let mut parts = vec![
            b"user".to_vec(),
            name.clone(),
            user.flags().join(" ").into_bytes(),
        ];
        let passwords = user.passwords.iter();
        parts.extend(passwords.map(|digest| format!("#{digest}").into_bytes()));
        parts.push(user.root.shown());
        let others = user.others.iter();
        parts.extend(others.map(|it| [b"(", it.shown().as_slice(), b")"].concat()));
        Reply::Bulk(parts.join(&b' '))
    });
    Ok(Reply::Array(lines.collect()))
}

pub fn getuser(call: &mut Call) -> Outcome {
    let Some(user) = call.model.users.get(call.arg(2)) else {
        return Ok(Reply::Null);
    };
    let pair = |name: &str, value: Reply| (Reply::bulk(name.as_bytes()), value);
    let texts = |texts: Vec<&str>| -> Vec<Reply> {
        texts
            .iter()
            .map(|text| Reply::bulk(text.as_bytes()))
            .collect()
    };
    let passwords = user.passwords.iter().map(String::as_str).collect();
    let others = user.others.iter().map(|it| Reply::Map(described(it)));
    let mut fields = vec![
        pair("flags", Reply::Set(texts(user.flags()))),
        pair("passwords", Reply::Array(texts(passwords))),
    ];
    fields.extend(described(&user.root));
    fields.push(pair("selectors", Reply::Array(others.collect())));
    Ok(Reply::Map(fields))
}

fn described(selector: &Selector) -> Vec<(Reply, Reply)> {
    let pair = |name: &str, value: Vec<u8>| (Reply::bulk(name.as_bytes()), Reply::Bulk(value));
    vec![
        pair("commands", selector.shown_rules()),
        pair("keys", selector.shown_keys()),
        pair("channels", selector.shown_channels()),
    ]
}

pub fn whoami(call: &mut Call) -> Outcome {
    Ok(Reply::Bulk(call.connection().user.clone()))
}

pub fn cat(call: &mut Call) -> Outcome {
    let categories = table::CATEGORIES.iter().filter(|it| **it != "all");
    match call.args.len() {
        2 => Ok(Reply::Array(
            categories.map(|it| Reply::bulk(it.as_bytes())).collect(),
        )),
        3 => {
            let wanted = String::from_utf8_lossy(call.arg(2)).to_ascii_lowercase();
            if !categories.clone().any(|it| *it == wanted) {
                return Err(errors::err_bytes(&[
                    b"Unknown category '",
                    up_to_nul(call.arg(2), 128),
                    b"'",
                ]));
            }
            let commands = table::all().iter().filter(|it| it.is_in(&wanted));
            Ok(Reply::Array(
                commands.map(|it| Reply::bulk(it.name.as_bytes())).collect(),
            ))
        }
        _ => Err(misused_subcommand(call)),
    }
}

pub fn dryrun(call: &mut Call) -> Outcome {
    let name = call.arg(2);
    let user: User = match call.model.users.get(name) {
        Some(user) => user.clone(),
        None => return Err(quoted("User '", name, "' not found")),
    };
    let request = &call.args[3..];
    let Some(declared) = table::of_request(request) else {
        return Err(quoted("Command '", &request[0], "' not found"));
    };
    let words = request.len() as i64;
    if declared.arity > 0 && declared.arity != words || words < -declared.arity {
        return Err(errors::wrong_arity(declared.name));
    }
    Ok(match user.check(declared, request) {
        Ok(()) => Reply::ok(),
        Err(denied) => Reply::Bulk(denied.detail(name)),
    })
}

fn quoted(before: &str, text: &[u8], behind: &str) -> Failure {
    errors::err_bytes(&[
        before.as_bytes(),
        up_to_nul(text, usize::MAX),
        behind.as_bytes(),
    ])
}
