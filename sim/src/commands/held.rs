//! Snapshots that are held while commands, checkpoints and reclamation go on: what a dump of one has, however late it is
//! made, is the data of its moment.

use std::sync::Arc;

use redkeep::command::settings;
use redkeep::interchange::export;
use redkeep::interchange::load;
use redkeep::storage::{Plan, Snapshot};
use redkeep::vfs::Clock;

use super::dump::facts;
use super::machine::{Machine, empty_disk};
use super::oracle::{Shown, State};
use crate::clock::SimClock;
use crate::engine::life::{self, Shape};
use crate::explore::Broken;

/// A snapshot, and what it must show.
pub struct HeldSnapshot {
    snapshot: Snapshot,
    state: Arc<State>,
}

fn broken(detail: impl Into<String>) -> Broken {
    Broken::new("O11", format!("a snapshot: {}", detail.into()))
}

impl HeldSnapshot {
    /// The data as `state` has it.
    pub fn new(snapshot: Snapshot, state: Arc<State>) -> Self {
        Self { snapshot, state }
    }

    /// O11: what a dump of it has, read into a database of its own. `None`: the disk gave an error.
    pub fn judge(&self, clock: &SimClock) -> Result<Option<()>, Broken> {
        let Some(dump) = self.dump(clock.wall_ms()) else {
            return Ok(None);
        };
        let found = shown(&dump, clock)?;
        let now_ms = clock.wall_ms();
        if self.state.like(&found, now_ms).is_none() {
            let expected = Shown::by_model(self.state.content(), now_ms);
            return Err(broken(Shown::difference(&expected, &found)));
        }
        Ok(Some(()))
    }

    fn dump(&self, now_ms: u64) -> Option<Vec<u8>> {
        let mut dump = Vec::new();
        let written = export::write_file(&self.snapshot, &facts(now_ms), &mut dump, &mut |_| {});
        written.ok().map(|()| dump)
    }
}

/// What a dump has.
fn shown(dump: &[u8], clock: &SimClock) -> Result<Shown, Broken> {
    let alone = empty_disk(clock, &[life::DIR]);
    let shape = Shape {
        page_bytes: 4096,
        cache_pages: 200,
        segment_bytes: 1 << 20,
        ..Shape::default()
    };
    let mut machine = Machine::alone(&alone, &shape).map_err(broken)?;
    let (held, limits) = (
        machine.keyspace.clone(),
        settings::import_limits(&machine.server),
    );
    let now_ms = clock.wall_ms();
    let mut put = |at, key: &_| {
        let mut keyspace = held.lock();
        load::put(&mut keyspace, at, key, now_ms, &limits, Plan::Simple)
    };
    let len = dump.len() as u64;
    let summary = load::read(&mut &dump[..], len, now_ms, &mut put, &mut |_| {})
        .map_err(|error| broken(format!("its dump is not whole: {error}")))?;
    for code in summary.functions {
        let words = vec![b"FUNCTION".to_vec(), b"LOAD".to_vec(), code];
        machine.call(&words, clock.wall_us());
    }
    Shown::by_machine(&mut machine, clock.wall_us()).map_err(|refused| broken(refused.0))
}
