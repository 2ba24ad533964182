//! SORT and SORT_RO.

use std::cmp::Ordering;

use crate::doubles;
use crate::errors;
use crate::numbers;
use crate::quicklist::List;
use crate::reply::Reply;
use crate::state::{Call, Entry, Outcome, Value};
use crate::table;

#[derive(Default)]
struct Wish {
    descending: bool,
    alpha: bool,
    /// First and count; a negative count is no limit.
    limit: Option<(i64, i64)>,
    by: Option<Vec<u8>>,
    get: Vec<Vec<u8>>,
    store: Option<Vec<u8>>,
}

/// Text up to its first zero byte: C's strings end there.
fn cut(text: &[u8]) -> &[u8] {
    crate::commands::up_to_nul(text, usize::MAX)
}

impl Wish {
    /// A pattern without an asterisk leaves the elements in their order.
    fn keeps_order(&self) -> bool {
        self.by.as_ref().is_some_and(|by| !cut(by).contains(&b'*'))
    }
}

fn wish(call: &mut Call) -> Result<Wish, errors::Failure> {
    let user = call.connection().user.clone();
    let declared = table::find(call.name).expect("SORT is in the table");
    let sees_all = call.model.users[&user].may_read_all(declared, call.args);
    let denied = |option: &str| {
        errors::err(&format!(
            "{option} option of SORT denied due to insufficient ACL permissions."
        ))
    };
    let mut wish = Wish::default();
    let mut at = 2;
    while at < call.args.len() {
        let more = call.args.len() - at - 1;
        if call.says(at, "ASC") {
            wish.descending = false;
        } else if call.says(at, "DESC") {
            wish.descending = true;
        } else if call.says(at, "ALPHA") {
            wish.alpha = true;
        } else if call.says(at, "LIMIT") && more >= 2 {
            let [first, count] = [at + 1, at + 2].map(|at| numbers::integer(call.arg(at)));
            wish.limit = Some((first?, count?));
            at += 2;
        } else if call.says(at, "STORE") && more >= 1 && call.name == "sort" {
            wish.store = Some(call.arg(at + 1).to_vec());
            at += 1;
        } else if call.says(at, "BY") && more >= 1 {
            let pattern = call.arg(at + 1);
            if !sees_all && cut(pattern).contains(&b'*') {
                return Err(denied("BY"));
            }
            wish.by = Some(pattern.to_vec());
            at += 1;
        } else if call.says(at, "GET") && more >= 1 {
            if !sees_all {
                return Err(denied("GET"));
            }
            wish.get.push(call.arg(at + 1).to_vec());
            at += 1;
        } else {
            return Err(errors::syntax());
        }
        at += 1;
    }
    Ok(wish)
}

/// What a pattern names for an element: the element itself, a string, or a field of a hash.
fn look_up(call: &mut Call, pattern: &[u8], element: &[u8]) -> Option<Vec<u8>> {
    if pattern == b"#" {
        return Some(element.to_vec());
    }
    let star = cut(pattern).iter().position(|&byte| byte == b'*')?;
    let rest = &pattern[star + 1..];
    let arrow = cut(rest).windows(2).position(|two| two == b"->");
    let arrow = arrow.filter(|&at| rest.get(at + 2).is_some_and(|&byte| byte != 0));
    let (behind, field) = match arrow {
        Some(at) => (&rest[..at], Some(&rest[at + 2..])),
        None => (rest, None),
    };
    let key = [&pattern[..star], element, behind].concat();
    call.look_for(&key);
    match (&call.entry(&key)?.value, field) {
        (Value::Hash(hash), Some(field)) => hash.find(field).map(|it| it.value.clone()),
        (Value::Text(text), None) => Some(text.bytes.clone()),
        _ => None,
    }
}

/// The elements in their own order. That of a set is not known if it is large.
fn elements(call: &mut Call) -> Result<Vec<Vec<u8>>, errors::Failure> {
    let key = call.key();
    call.look_for(key);
    Ok(match call.entry(key).map(|entry| &entry.value) {
        None => Vec::new(),
        Some(Value::List(list)) => list.elements().into_iter().map(<[u8]>::to_vec).collect(),
        Some(Value::Set(set)) => set.members.clone(),
        Some(Value::SortedSet(set)) => {
            let members = set.members.iter();
            members.map(|(member, _)| member.clone()).collect()
        }
        Some(_) => return Err(errors::wrong_type()),
    })
}

/// An element and what it is sorted by.
struct Weighed {
    element: Vec<u8>,
    number: f64,
    text: Option<Vec<u8>>,
}

fn weigh(
    call: &mut Call,
    wish: &Wish,
    elements: Vec<Vec<u8>>,
) -> Result<Vec<Weighed>, errors::Failure> {
    let (mut weighed, mut is_number) = (Vec::new(), true);
    for element in elements {
        let text = match &wish.by {
            Some(pattern) => look_up(call, pattern, &element),
            None => Some(element.clone()),
        };
        let mut number = 0.0;
        if let (Some(text), false) = (&text, wish.alpha) {
            match doubles::lenient(text) {
                Some(value) => number = value,
                None => is_number = false,
            }
        }
        weighed.push(Weighed {
            element,
            number,
            text,
        });
    }
    if !is_number {
        return Err(errors::err(
            "One or more scores can't be converted into double",
        ));
    }
    Ok(weighed)
}

fn compare(wish: &Wish, a: &Weighed, b: &Weighed) -> Ordering {
    if !wish.alpha {
        let numbers = a.number.partial_cmp(&b.number).expect("numbers");
        return numbers.then_with(|| a.element.cmp(&b.element));
    }
    match wish.store {
        Some(_) => a.text.cmp(&b.text),
        // Collated in the C locale: up to a zero byte.
        None => a.text.as_deref().map(cut).cmp(&b.text.as_deref().map(cut)),
    }
}

pub fn sort(call: &mut Call) -> Outcome {
    let mut wish = wish(call)?;
    let elements = elements(call)?;
    let key = call.key();
    let is_set = matches!(
        call.entry(key).map(|entry| &entry.value),
        Some(Value::Set(_))
    );
    // Redis makes a skiplist of a small sorted set first.
    if let Ok(Some(set)) = call.sorted_set(key) {
        set.small = false;
    }
    let mut keeps_order = wish.keeps_order();
    if keeps_order && is_set && wish.store.is_some() {
        keeps_order = false;
        wish.alpha = true;
        wish.by = None;
    }
    let mut sorted = elements.clone();
    if keeps_order {
        if wish.descending && !is_set {
            sorted.reverse();
        }
    } else {
        let mut weighed = weigh(call, &wish, elements)?;
        weighed.sort_by(|a, b| {
            let order = compare(&wish, a, b);
            if wish.descending {
                order.reverse()
            } else {
                order
            }
        });
        sorted = weighed.into_iter().map(|it| it.element).collect();
    }
    let (first, count) = wish.limit.unwrap_or((0, -1));
    let first = usize::try_from(first.max(0)).unwrap_or(usize::MAX);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let chosen: Vec<Vec<u8>> = sorted.into_iter().skip(first).take(count).collect();
    answer(call, &wish, chosen)
}

fn answer(call: &mut Call, wish: &Wish, chosen: Vec<Vec<u8>>) -> Outcome {
    let mut shown: Vec<Option<Vec<u8>>> = Vec::new();
    for element in chosen {
        if wish.get.is_empty() {
            shown.push(Some(element));
        } else {
            for pattern in &wish.get {
                shown.push(look_up(call, pattern, &element));
            }
        }
    }
    let Some(target) = &wish.store else {
        let replies = shown
            .into_iter()
            .map(|it| it.map_or(Reply::Null, Reply::Bulk));
        return Ok(Reply::Array(replies.collect()));
    };
    let count = shown.len();
    if count == 0 {
        call.delete(target);
    } else {
        let elements: Vec<Vec<u8>> = shown.into_iter().map(Option::unwrap_or_default).collect();
        let entry = Entry {
            value: Value::List(List::stored(&elements)),
            expires_at_ms: None,
            relative: false,
        };
        call.touch(target);
        call.insert(target, entry);
        call.note('l', "sortstore", target);
    }
    Ok(Reply::count(count))
}

/// Whether Redis may return the elements in more than one order: it does not say how it sorts what is sorted by the
/// same text, and a set has no order of its own.
pub fn leaves_order_open(request: &[Vec<u8>]) -> bool {
    let says = |word: &str| {
        request[2..]
            .iter()
            .any(|it| it.eq_ignore_ascii_case(word.as_bytes()))
    };
    says("BY") || says("ALPHA")
}

/// Whether what SORT answers or stores may depend on an order that is not known.
pub fn depends_on_order(request: &[Vec<u8>]) -> bool {
    let says = |word: &str| {
        request[2..]
            .iter()
            .any(|it| it.eq_ignore_ascii_case(word.as_bytes()))
    };
    says("BY") && (says("LIMIT") || says("STORE"))
}
