//! How many files the process may have open at a time: every connection is one of them.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{Caller, Config, Key, Refusal, SetError};

/// Files that are not connections: the database's, sockets that listen, what every worker waits with, files being
/// written beside the database, and a few to spare.
const OWN_FILES: u64 = 128;

/// How many connections the process may have, `clients` at most. Raises its limit to that if the system lets it.
fn allow(clients: u64) -> u64 {
    let wanted = clients.saturating_add(OWN_FILES);
    let limit = getrlimit(Resource::Nofile);
    let granted = |limit: Rlimit| limit.current.unwrap_or(u64::MAX);
    if granted(limit) >= wanted {
        return clients;
    }
    let most = limit.maximum.unwrap_or(u64::MAX);
    // Beyond the hard limit for who may go there; otherwise up to it.
    for files in [wanted, wanted.min(most)] {
        let raised = Rlimit {
            current: Some(files),
            maximum: limit.maximum.map(|most| most.max(files)),
        };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            break;
        }
    }
    let files = granted(getrlimit(Resource::Nofile));
    clients.min(files.saturating_sub(OWN_FILES).max(1))
}

/// Makes room for `maxclients` connections before the first one; `maxclients` becomes less where there is none.
pub(super) fn make_room(config: &Config) -> Result<(), SetError> {
    let wanted = config.maxclients();
    let allowed = allow(wanted);
    if allowed == wanted {
        return Ok(());
    }
    tracing::warn!(
        "maxclients is {allowed} and not {wanted}, because the system lets this process open no more files: \
         `ulimit -n` says how many"
    );
    let itself = Caller {
        is_local: true,
        is_loading: false,
    };
    config.set(&[(b"maxclients", allowed.to_string().as_bytes())], itself)
}

/// CONFIG SET of `maxclients`.
pub(super) fn apply(config: &Config, changed: &[Key]) -> Result<(), Refusal> {
    if !changed.contains(&Key::Maxclients) {
        return Ok(());
    }
    let wanted = config.maxclients();
    match allow(wanted) {
        allowed if allowed == wanted => Ok(()),
        allowed => Err(Refusal {
            key: Key::Maxclients,
            text: format!(
                "The operating system is not able to handle the specified number of clients, try with {allowed}"
            ),
        }),
    }
}
