//! Generated requests: one row a command, with every option and every documented error of it.

mod administration;
mod arguments;
mod bitmaps;
mod blocking;
mod cluster;
mod connection;
mod geo;
mod hashes;
mod keys;
mod lists;
mod notifications;
mod one_key;
mod pubsub;
mod scripting;
mod server;
mod sets;
mod sizes;
mod sort;
mod sorted_sets;
mod streams;
mod strings;
mod tracking;
mod transactions;
mod users;

use std::sync::LazyLock;

use proptest::collection;
use proptest::prelude::*;

/// One argument of a request. Moments are resolved when the request is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    Bytes(Vec<u8>),
    /// The Unix time in seconds, this many from now.
    SecondsFromNow(i64),
    /// The Unix time in milliseconds, this many from now.
    MillisecondsFromNow(i64),
    /// One of the dumps that the server made, or none of it.
    Dump(usize),
    /// The number that the server gave to a connection.
    Number(usize),
}

impl Argument {
    pub fn text(text: &str) -> Argument {
        Argument::Bytes(text.as_bytes().to_vec())
    }

    /// The bytes to send when the clock shows `now_ms`, in milliseconds since 1970, and the server has made these dumps.
    pub fn resolve<'a>(&self, now_ms: i64, dumps: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
        match self {
            Argument::Bytes(bytes) => bytes.clone(),
            Argument::Number(connection) => connection.to_string().into_bytes(),
            Argument::SecondsFromNow(delta) => (now_ms / 1000 + delta).to_string().into_bytes(),
            Argument::MillisecondsFromNow(delta) => (now_ms + delta).to_string().into_bytes(),
            Argument::Dump(number) => {
                let dumps: Vec<&[u8]> = dumps.collect();
                let chosen = number.checked_rem(dumps.len()).map(|at| dumps[at].to_vec());
                chosen.unwrap_or_else(|| b"no dump".to_vec())
            }
        }
    }
}

/// The words of a request, the command first.
pub type Request = Vec<Argument>;

/// One step of a generated sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Requests one after the other on one connection.
    Requests {
        connection: usize,
        requests: Vec<Request>,
    },
    /// A script that runs the requests one after the other.
    Script {
        connection: usize,
        requests: Vec<Request>,
    },
    /// A whole SCAN from cursor 0 to cursor 0, with other requests of the same connection between its
    /// pages.
    Scan {
        connection: usize,
        options: Request,
        between: Vec<Request>,
    },
    /// A whole HSCAN or its kin of a key that is filled first, from cursor 0 to cursor 0, with other requests of the
    /// same connection between its pages.
    ScanElements {
        connection: usize,
        /// The requests that fill the key.
        fill: Vec<Request>,
        /// HSCAN ..
        command: &'static str,
        key: &'static str,
        options: Request,
        between: Vec<Request>,
    },
    /// Asks the server how many levels the trees of a collection have.
    Measure {
        connection: usize,
        key: &'static str,
    },
    /// Sleeps until the next key expires, if that is soon.
    AwaitExpiry,
}

/// How many connections a sequence uses. Those with odd numbers speak RESP3.
pub const CONNECTIONS: usize = 4;

/// What the server under test has beyond the commands of this model's first rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Features {
    /// It knows CHECKPOINT.
    pub checkpoint: bool,
}

/// Arguments behind the name of a command.
type Arguments = BoxedStrategy<Vec<Argument>>;

/// A command, how often it is chosen, and its arguments.
struct Row {
    /// The full name; a subcommand stands behind a bar.
    command: &'static str,
    weight: u32,
    arguments: fn() -> Arguments,
    needs: Needs,
}

#[derive(Clone, Copy, PartialEq)]
enum Needs {
    Nothing,
    Checkpoint,
}

const fn row(command: &'static str, weight: u32, arguments: fn() -> Arguments) -> Row {
    Row {
        command,
        weight,
        arguments,
        needs: Needs::Nothing,
    }
}

fn rows() -> impl Iterator<Item = &'static Row> {
    [
        strings::ROWS,
        bitmaps::ROWS,
        streams::ROWS,
        sorted_sets::ROWS,
        geo::ROWS,
        sort::ROWS,
        scripting::ROWS,
        keys::ROWS,
        hashes::ROWS,
        sets::ROWS,
        lists::ROWS,
        connection::ROWS,
        pubsub::ROWS,
        tracking::ROWS,
        server::ROWS,
        administration::ROWS,
        cluster::ROWS,
        users::ROWS,
        transactions::ROWS,
    ]
    .into_iter()
    .flatten()
}

static COVERED: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut names: Vec<&str> = rows().map(|row| row.command).collect();
    names.extend(
        rows()
            .filter_map(|row| row.command.split_once('|'))
            .map(|(container, _)| container),
    );
    names.sort_unstable();
    names.dedup();
    names
});

/// The commands that have a generator, in lower case: `set`, `client`, `client|setname`.
pub fn covered() -> &'static [&'static str] {
    &COVERED
}

/// Rows that a sequence may mostly keep to, so that its requests meet: what was read from a group is acknowledged, and
/// what was acknowledged is asked for.
const THEMES: &[&[Row]] = &[streams::ROWS, geo::ROWS];

/// Sequences of up to `length` steps, of all commands, on a theme, with keyspace events, or of collections that grow and
/// shrink: in the others many of those come to nothing, for a connection that has subscribed or queues refuses them.
pub fn steps(length: usize, features: Features) -> BoxedStrategy<Vec<Step>> {
    let mixed = groups(length, features, request(features));
    let themed = THEMES.iter().map(|rows| {
        let requests = prop_oneof![
            6 => of_rows(rows.iter()),
            1 => request(features),
        ];
        groups(length, features, requests.boxed())
    });
    let choices = themed
        .map(|steps| (1, steps))
        .chain([(1, sizes::every_shape()), (3, mixed)])
        .chain([(3, notifications::steps(length, features))]);
    proptest::strategy::Union::new_weighted(choices.collect()).boxed()
}

/// Single steps, and now and then a transaction.
fn groups(
    length: usize,
    features: Features,
    request: BoxedStrategy<Request>,
) -> BoxedStrategy<Vec<Step>> {
    let one = prop_oneof![
        12 => step(features, request).prop_map(|step| vec![step]),
        1 => transactions::steps(features),
        2 => one_key::steps(),
        1 => tracking::steps(features),
        1 => users::steps(features),
        1 => blocking::steps(features),
        1 => prop_oneof![4 => sizes::steps(), 1 => sizes::restored_stream()],
    ];
    collection::vec(one, 1..=length)
        .prop_map(|groups| groups.concat())
        .boxed()
}

fn step(features: Features, request: BoxedStrategy<Request>) -> BoxedStrategy<Step> {
    let connection = 0..CONNECTIONS;
    prop_oneof![
        60 => (connection.clone(), request).prop_map(|(connection, request)| Step::Requests {
            connection,
            requests: vec![request],
        }),
        1 => (connection.clone(), silent_group(features))
            .prop_map(|(connection, requests)| Step::Requests { connection, requests }),
        1 => (connection, keys::scan_options(), collection::vec(request_of(keys::changes), 0..4)).prop_map(
            |(connection, options, between)| Step::Scan { connection, options, between }
        ),
        1 => (0..CONNECTIONS, scan_of_elements()).prop_map(|(number, mut step)| {
            if let Step::ScanElements { connection, .. } = &mut step {
                *connection = number;
            }
            step
        }),
        1 => Just(Step::AwaitExpiry),
    ]
    .boxed()
}

/// A walk over the elements of a collection.
fn scan_of_elements() -> BoxedStrategy<Step> {
    prop_oneof![
        hashes::whole_scan(),
        sets::whole_scan(),
        sorted_sets::whole_scan()
    ]
    .boxed()
}

/// Requests without a reply, up to one that is answered.
fn silent_group(features: Features) -> BoxedStrategy<Vec<Request>> {
    let (off, on) = (words("CLIENT REPLY OFF"), words("CLIENT REPLY ON"));
    let (skip, ping) = (words("client reply skip"), words("PING"));
    let quiet = request_of(keys::changes);
    prop_oneof![
        quiet
            .clone()
            .prop_map(move |request| vec![off.clone(), request, on.clone()]),
        quiet.prop_map(move |request| vec![skip.clone(), request, ping.clone()]),
        request(features).prop_map(|request| vec![request]),
    ]
    .boxed()
}

/// The words of a request, between spaces.
fn words(text: &str) -> Request {
    text.split(' ').map(Argument::text).collect()
}

/// A request made of a fixed set of forms.
fn request_of(forms: fn() -> BoxedStrategy<Request>) -> BoxedStrategy<Request> {
    forms()
}

fn request(features: Features) -> BoxedStrategy<Request> {
    let available = |row: &&Row| match row.needs {
        Needs::Nothing => true,
        Needs::Checkpoint => features.checkpoint,
    };
    of_rows(rows().filter(available))
}

/// Requests about values, as scripts make them: none that runs another.
fn plain() -> BoxedStrategy<Request> {
    of_rows(VALUES.iter().copied().flatten().chain(connection::ROWS))
}

/// Rows about keys and their values, but for streams.
const VALUES: [&[Row]; 6] = [
    strings::ROWS,
    keys::ROWS,
    hashes::ROWS,
    sets::ROWS,
    lists::ROWS,
    sorted_sets::ROWS,
];

fn of_rows(rows: impl Iterator<Item = &'static Row>) -> BoxedStrategy<Request> {
    let choices = rows.map(|row| (row.weight, whole_request(row))).collect();
    proptest::strategy::Union::new_weighted(choices).boxed()
}

/// The name in some case, the arguments, and now and then too few or too many of them.
fn whole_request(row: &'static Row) -> BoxedStrategy<Request> {
    let misuse = prop_oneof![
        30 => Just(Misuse::None),
        1 => Just(Misuse::Missing),
        1 => arguments::key().prop_map(Misuse::Extra),
    ];
    (0..3_usize, (row.arguments)(), misuse)
        .prop_map(|(case, arguments, misuse)| {
            let name = row
                .command
                .split('|')
                .map(|word| Argument::text(&in_case(word, case)));
            let mut request: Request = name.chain(arguments).collect();
            match misuse {
                Misuse::None => {}
                // The name itself stays.
                Misuse::Missing if request.len() > 1 => {
                    request.pop();
                }
                Misuse::Missing => {}
                Misuse::Extra(argument) => request.push(argument),
            }
            request
        })
        .boxed()
}

#[derive(Clone, Debug)]
enum Misuse {
    None,
    Missing,
    Extra(Argument),
}

fn in_case(word: &str, case: usize) -> String {
    match case {
        0 => word.to_ascii_uppercase(),
        1 => word.to_ascii_lowercase(),
        _ => word
            .chars()
            .enumerate()
            .map(|(index, letter)| {
                if index % 2 == 0 {
                    letter.to_ascii_uppercase()
                } else {
                    letter
                }
            })
            .collect(),
    }
}
