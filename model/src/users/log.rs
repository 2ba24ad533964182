//! ACL LOG: what users were refused lately.

use std::collections::BTreeMap;

use crate::commands::misused_subcommand;
use crate::numbers;
use crate::reply::Reply;
use crate::state::{Call, Outcome};

/// An entry may be the same as one of so many before it.
const SCANNED: usize = 10;

/// And is, for so many milliseconds.
const GROUPED_MS: i64 = 60_000;

/// How many entries are shown unless it is said.
const SHOWN: usize = 10;

/// Something that was refused, perhaps several times.
#[derive(Clone, Debug)]
struct Entry {
    number: i64,
    count: i64,
    reason: &'static str,
    context: &'static str,
    object: Vec<u8>,
    user: Vec<u8>,
    created_ms: i64,
    updated_ms: i64,
    /// The line of CLIENT INFO at the last time.
    client: Vec<u8>,
}

/// The log, newest first.
#[derive(Clone, Debug, Default)]
pub struct Log {
    entries: Vec<Entry>,
    /// The number of the next entry.
    next: i64,
    /// How often something was refused for each reason.
    counts: BTreeMap<&'static str, usize>,
}

/// The fields of INFO that count, with the reasons.
const COUNTERS: [(&str, &str); 4] = [
    ("acl_access_denied_auth", "auth"),
    ("acl_access_denied_cmd", "command"),
    ("acl_access_denied_key", "key"),
    ("acl_access_denied_channel", "channel"),
];

impl Log {
    /// The server has counted entries before this model was there.
    pub fn begin_at(&mut self, next: i64) {
        self.next = next;
    }

    /// The counters as INFO shows them, which CONFIG RESETSTAT leaves alone.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let count = |reason| self.counts.get(reason).copied().unwrap_or(0);
        COUNTERS
            .map(|(field, reason)| (field, count(reason)))
            .into_iter()
    }

    /// The server has counted before this model was there: what its INFO says.
    pub fn count_from(&mut self, information: &str) {
        for (field, reason) in COUNTERS {
            let mut lines = information.lines();
            let number = lines.find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
            let number = number.and_then(|number| number.trim().parse().ok());
            self.counts.insert(reason, number.unwrap_or(0));
        }
    }
}

impl Call<'_> {
    /// Writes down what was refused to a user, for what reason and where.
    pub fn log_refusal(
        &mut self,
        reason: &'static str,
        context: &'static str,
        object: &[u8],
        user: &[u8],
    ) {
        let most = self.model.directive("acllog-max-len");
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let (client, now_ms) = (self.model.client_line(self.connection), self.now_ms);
        let log = &mut self.model.refusals;
        *log.counts.entry(reason).or_default() += 1;
        if most == 0 {
            log.entries.clear();
            return;
        }
        let is_same = |entry: &Entry| {
            (entry.reason, entry.context) == (reason, context)
                && entry.object == object
                && entry.user == user
                && now_ms - entry.updated_ms <= GROUPED_MS
        };
        if let Some(at) = log.entries.iter().take(SCANNED).position(is_same) {
            let mut known = log.entries.remove(at);
            known.count += 1;
            known.updated_ms = now_ms;
            known.client = client;
            log.entries.insert(0, known);
            return;
        }
        let entry = Entry {
            number: log.next,
            count: 1,
            reason,
            context,
            object: object.to_vec(),
            user: user.to_vec(),
            created_ms: now_ms,
            updated_ms: now_ms,
            client,
        };
        log.next += 1;
        log.entries.insert(0, entry);
        log.entries.truncate(most);
    }
}

pub fn log(call: &mut Call) -> Outcome {
    let mut shown = SHOWN;
    match call.args.len() {
        2 => {}
        3 if call.says(2, "RESET") => {
            call.model.refusals.entries.clear();
            return Ok(Reply::ok());
        }
        3 => shown = usize::try_from(numbers::integer(call.arg(2))?).unwrap_or(0),
        _ => return Err(misused_subcommand(call)),
    }
    let entries = call.model.refusals.entries.iter().take(shown);
    Ok(Reply::Array(
        entries.map(|entry| described(entry, call.now_ms)).collect(),
    ))
}

fn described(entry: &Entry, now_ms: i64) -> Reply {
    let pair = |name: &str, value: Reply| (Reply::bulk(name.as_bytes()), value);
    let text = |name: &str, text: &[u8]| pair(name, Reply::bulk(text));
    let number = |name: &str, number: i64| pair(name, Reply::Integer(number));
    let age = (now_ms - entry.updated_ms) as f64 / 1000.0;
    Reply::Map(vec![
        number("count", entry.count),
        text("reason", entry.reason.as_bytes()),
        text("context", entry.context.as_bytes()),
        text("object", &entry.object),
        text("username", &entry.user),
        pair("age-seconds", Reply::Double(age.to_string())),
        text("client-info", &entry.client),
        number("entry-id", entry.number),
        number("timestamp-created", entry.created_ms),
        number("timestamp-last-updated", entry.updated_ms),
    ])
}
