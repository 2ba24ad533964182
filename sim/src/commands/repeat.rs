//! What commands say for the append-only file, repeated an hour later on an empty database, gives the same data.

use std::sync::Arc;

use redkeep::command::replay::Player;
use redkeep::interchange::aof::{Commands, Item};
use redkeep::storage::planted::Planted;
use redkeep::vfs::Clock;

use super::life::{Act, History, Life};
use super::machine::{Machine, configured};
use super::oracle::Shown;
use super::workload::{Limits, Workload};
use crate::disk::{Disk, DiskProfile, Setup, SimVfs};
use crate::engine::exhaust::{observe, unpanicked, violation};
use crate::engine::life::{self, Shape, Stop};
use crate::explore::{Broken, Coverage, Failure, HARNESS};
use crate::seed::{Purpose, Seed, Stream};

/// Time between the commands and their repetition, in microseconds.
const LATER_US: u64 = 3_600_000_000;

/// Streams are left out: when consumers were seen is not repeated.
const TYPES: u64 = !(1 << 5);

fn boot(seed: Seed) -> SimVfs {
    let disk = Disk::new(DiskProfile::default(), &[life::DIR]);
    let vfs = SimVfs::boot(disk, &Setup::new(seed));
    observe(&vfs);
    vfs
}

/// Commands and pauses of a run.
fn acts(work: &mut Workload, stream: &mut Stream) -> Vec<Act> {
    let mut acts = Vec::new();
    for _ in 0..stream.between(5, 60) {
        match stream.below(10) {
            0 => acts.push(Act::Wait(stream.between(1, 200_000))),
            1 => acts.push(Act::Expire),
            _ => acts.extend(work.calls()),
        }
    }
    acts
}

/// What was said, as an append-only file has it.
fn said(vfs: &SimVfs, shape: &Shape, acts: &[Act]) -> Result<(Vec<u8>, History), Stop> {
    let config = configured(&[]);
    let watcher = life::watcher(shape);
    let mut life = Life::open(vfs, shape, &config, &watcher, History::default())?;
    let feed = &life.server().feed;
    feed.open_file(true);
    for act in acts {
        life.act(act)?;
    }
    let bytes = life.server().feed.take_file().bytes;
    life.act(&Act::Sync)?;
    Ok((bytes, life.history()))
}

/// Repeats it and compares.
fn repeat(vfs: &SimVfs, shape: &Shape, bytes: &[u8], history: &History) -> Result<(), Stop> {
    let watcher = life::watcher(shape);
    let (engine, _) = life::open_engine(vfs, shape, &watcher)?;
    let clock: Arc<dyn Clock> = Arc::new(vfs.clock());
    let mut machine = Machine::new(engine, configured(&[]), vfs)?;
    let server = Arc::clone(&machine.server);
    let mut player = Player::new(&server);
    let broken = |detail: String| Stop::Broken(Broken::new("O6", detail));
    let mut source = std::io::Cursor::new(bytes);
    let mut commands = Commands::new(&mut source, 0);
    loop {
        match commands.next_item() {
            Ok(Some(Item::Command(words))) => {
                let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
                let mut keyspace = machine.keyspace.lock();
                player
                    .play(&mut keyspace, &words, clock.wall_ms())
                    .map_err(|error| broken(format!("the file cannot be repeated: {error}")))?;
            }
            Ok(Some(Item::Note(_))) => {}
            Ok(None) => break,
            Err(error) => return Err(broken(format!("the file cannot be read: {error}"))),
        }
    }
    let found = Shown::by_machine(&mut machine, clock.wall_us())
        .map_err(|refused| Stop::Refused(refused.0))?;
    let expected = Shown::by_model(history.last().content(), clock.wall_ms());
    if found != expected {
        return Err(broken(Shown::difference(&expected, &found)));
    }
    Ok(())
}

/// One run. The same seed gives the same trace.
pub fn run(seed: Seed, planted: Planted) -> Result<Coverage, Box<Failure>> {
    let shape = Shape {
        planted,
        cache_pages: 200,
        ..Shape::default()
    };
    let mut knobs = seed.stream(Purpose::Knobs);
    let mut limits = Limits::draw(&mut knobs);
    limits.types = (limits.types & TYPES) | 1;
    let mut work = Workload::new(seed, limits);
    let acts = acts(&mut work, &mut knobs);
    let (first, second) = (boot(seed), boot(seed));
    second.clock().advance_us(LATER_US);
    let done = unpanicked(|| {
        let (bytes, history) = said(&first, &shape, &acts)?;
        repeat(&second, &shape, &bytes, &history)
    });
    let broken = match done {
        Err(panic) => Some(panic),
        Ok(Err(Stop::Broken(broken))) => Some(broken),
        Ok(Err(stop)) => Some(Broken::new(
            HARNESS,
            format!("failed with no fault: {stop}"),
        )),
        Ok(Ok(())) => violation(&first, &life::watcher(&shape)),
    };
    match broken {
        Some(broken) => Err(Failure::new("repeated commands", broken, &[], &first)),
        None => Ok(Coverage {
            points: 1,
            hash: first.trace_hash() ^ second.trace_hash(),
            ..Coverage::default()
        }),
    }
}
