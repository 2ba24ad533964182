//! SORT and SORT_RO.

mod elements;
mod options;
mod pattern;

use std::cmp::Ordering;
use std::ops::Range;

use super::collation::Locale;
use super::{Call, Failure, Outcome, errors, hash_value, list_value, table};
use crate::keyspace::change::Class;
use crate::keyspace::double;
use crate::keyspace::hash::due::Telling;
use crate::keyspace::list::List;
use crate::keyspace::partial_sort;
use crate::resp::text::until_nul;
use crate::storage::Plan;
use elements::Collection;
use options::Options;
use pattern::{Lookups, Pattern};

/// SORT key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA] [STORE destination]
pub fn sort(call: &mut Call) -> Outcome {
    run(call, true)
}

/// SORT_RO key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA]
pub fn sort_ro(call: &mut Call) -> Outcome {
    run(call, false)
}

/// What an element is sorted by.
#[derive(Debug)]
enum Weight {
    Number(f64),
    Text(Option<Vec<u8>>),
    /// The element itself.
    Own,
}

#[derive(Debug)]
struct Item {
    element: Vec<u8>,
    weight: Weight,
}

fn run(call: &mut Call, stores: bool) -> Outcome {
    let account = &call.client.account;
    let reads_every_key = account.is_almighty()
        || table::lookup(if stores { b"sort" } else { b"sort_ro" })
            .is_some_and(|command| account.user().reads_every_key(command, call.args));
    let mut options = Options::parse(&call.args[2..], stores, reads_every_key)?;
    let key = call.args[1];
    let sorted = Collection::lookup(call, key)?;
    let has_order = sorted.as_ref().is_some_and(Collection::has_order);
    if options.keeps_order()
        && !has_order
        && (options.destination.is_some() || call.client.in_script)
    {
        // A set has an order that nothing fixes: what is stored or seen by a script is to be the same everywhere.
        options.by = None;
        options.alpha = true;
    }
    let len = sorted.as_ref().map_or(0, |sorted| sorted.len(call));
    let range = options.range(len);
    let mut lookups = Lookups::default();
    let chosen = match &sorted {
        None => Chosen::Elements(Vec::new()),
        Some(sorted) if options.keeps_order() && has_order => {
            Chosen::Elements(sorted.part(call, range, options.downwards)?)
        }
        Some(sorted) => {
            let all = sorted.part(call, 0..len, false)?;
            choose(call, all, range, &options, &mut lookups)?
        }
    };
    let found = match chosen {
        Chosen::Elements(chosen) => Some(told(call, chosen, &options, &mut lookups)?),
        Chosen::NotNumbers => None,
    };
    for (key, field) in &lookups.due {
        hash_value::reap(call, key, &[field], Telling::Events)?;
    }
    if let Some(sorted) = sorted {
        sorted.note(call, key)?;
    }
    let found = found.ok_or(errors::SORT_NOT_NUMBERS)?;
    match options.destination {
        Some(destination) => store(call, destination, found),
        None => {
            call.out.array(found.len());
            for value in &found {
                match value {
                    Some(value) => call.out.bulk(value),
                    None => call.out.null(),
                }
            }
            Ok(())
        }
    }
}

/// Elements in order.
enum Chosen {
    Elements(Vec<Vec<u8>>),
    /// What they are to be sorted by are not all numbers.
    NotNumbers,
}

/// The elements that are wanted, sorted.
fn choose(
    call: &mut Call,
    all: Vec<Vec<u8>>,
    range: Range<usize>,
    options: &Options<'_>,
    lookups: &mut Lookups,
) -> Result<Chosen, Failure> {
    let mut items = Vec::with_capacity(all.len());
    let mut are_numbers = true;
    for element in all {
        let weight = if options.keeps_order() {
            Weight::Own
        } else {
            let found = match options.by {
                None if options.alpha => Weight::Own,
                None => number(&element),
                Some(pattern) => {
                    let found = lookups.find(call, pattern, &element)?;
                    match found {
                        found if options.alpha => Weight::Text(found),
                        Some(text) => number(&text),
                        None => Weight::Number(0.0),
                    }
                }
            };
            are_numbers &= !matches!(found, Weight::Number(number) if number.is_nan());
            found
        };
        items.push(Item { element, weight });
    }
    if !are_numbers {
        return Ok(Chosen::NotNumbers);
    }
    let is_text = options.alpha && !options.keeps_order();
    if is_text
        && options.destination.is_none()
        && let Some(locale) = call.server.collation.locale()
    {
        collate(&mut items, &*locale);
    }
    if !options.keeps_order() && !items.is_empty() {
        let is_stored = options.destination.is_some();
        let mut compare = |one: &Item, other: &Item| {
            let order = compare(one, other, is_stored);
            if options.downwards {
                order.reverse()
            } else {
                order
            }
        };
        if options.by.is_some() && range != (0..items.len()) {
            if !range.is_empty() {
                partial_sort::sort(&mut items, range.start..=range.end - 1, &mut compare);
            }
        } else {
            items.sort_by(compare);
        }
    }
    let chosen = items.drain(range).map(|item| item.element);
    Ok(Chosen::Elements(chosen.collect()))
}

/// Lets texts be compared as `locale` does.
fn collate(items: &mut [Item], locale: &dyn Locale) {
    for item in items {
        let key = match &item.weight {
            Weight::Number(_) => continue,
            Weight::Text(text) => text.as_deref().map(|text| locale.key(text)),
            Weight::Own => Some(locale.key(&item.element)),
        };
        item.weight = Weight::Text(key);
    }
}

/// A text as a number, which is not a number if it is none.
fn number(text: &[u8]) -> Weight {
    Weight::Number(double::parse_weight(text).unwrap_or(f64::NAN))
}

/// `is_stored`: texts are compared as bytes, not as C compares them, up to a zero byte.
fn compare(one: &Item, other: &Item, is_stored: bool) -> Ordering {
    let texts = |one: &[u8], other: &[u8]| {
        if is_stored {
            one.cmp(other)
        } else {
            until_nul(one).cmp(until_nul(other))
        }
    };
    match (&one.weight, &other.weight) {
        (Weight::Number(a), Weight::Number(b)) => {
            let order = a.partial_cmp(b).unwrap_or(Ordering::Equal);
            order.then_with(|| one.element.cmp(&other.element))
        }
        (Weight::Text(Some(a)), Weight::Text(Some(b))) => texts(a, b),
        (Weight::Text(a), Weight::Text(b)) => a.is_some().cmp(&b.is_some()),
        _ => texts(&one.element, &other.element),
    }
}

/// What is told of the elements: themselves, or what GET asks for.
fn told(
    call: &mut Call,
    chosen: Vec<Vec<u8>>,
    options: &Options<'_>,
    lookups: &mut Lookups,
) -> Result<Vec<Option<Vec<u8>>>, Failure> {
    if options.get.is_empty() {
        return Ok(chosen.into_iter().map(Some).collect());
    }
    let mut told = Vec::with_capacity(chosen.len() * options.get.len());
    for element in &chosen {
        for pattern in &options.get {
            told.push(lookups.find(call, *pattern, element)?);
        }
    }
    Ok(told)
}

/// Puts a list at `key` instead of what is there and replies with its length; no elements leave no key.
fn store(call: &mut Call, key: &[u8], values: Vec<Option<Vec<u8>>>) -> Outcome {
    let (db, now_ms) = (call.client.db, call.now_ms);
    let limits = list_value::limits(call);
    let values: Vec<&[u8]> = values
        .iter()
        .map(|value| value.as_deref().unwrap_or_default())
        .collect();
    call.keyspace.write(Plan::Savepoint, |txn| {
        if values.is_empty() {
            txn.put_nothing(db, key, now_ms)?;
            return Ok(());
        }
        let slot = txn.slot(db, key, now_ms)?;
        let mut list = List::instead(slot, key, limits);
        list.load(txn, &values, &[])?;
        txn.touched(
            db,
            key,
            values.len() as u64,
            Some((Class::List, "sortstore")),
        );
        list.close(txn);
        Ok::<_, Failure>(())
    })?;
    call.out.int(values.len() as i64);
    Ok(())
}
