//! Random runs of commands: one seed decides sizes, commands of all types, faults, and how each of several lives ends.

use redkeep::storage::planted::Planted;

use super::life::{Act, Life, run_script};
use super::machine::configured;
use super::workload::{Limits, Workload};
use crate::engine::lives::Lives;
use crate::engine::random::Knobs;
use crate::explore::{Coverage, Failure};
use crate::seed::{Purpose, Seed, Stream};

/// The directives of a seed: what large and small are called, and how much there may be.
fn directives(stream: &mut Stream) -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    if stream.chance(500_000) {
        found.extend([
            ("hash-max-listpack-entries", "4"),
            ("set-max-intset-entries", "4"),
            ("set-max-listpack-entries", "4"),
            ("zset-max-listpack-entries", "4"),
            ("list-max-listpack-size", "3"),
            ("stream-node-max-entries", "3"),
        ]);
    }
    if stream.chance(200_000) {
        let policy = *stream.pick(&["allkeys-random", "allkeys-lru", "volatile-ttl"]);
        found.extend([
            ("maxmemory", *stream.pick(&["20000", "30000"])),
            ("maxmemory-policy", policy),
            ("notify-keyspace-events", "Ee"),
        ]);
    }
    found
}

/// What a life does.
pub(super) fn acts(work: &mut Workload, most: u64) -> Vec<Act> {
    let mut acts = Vec::new();
    for _ in 0..work.stream_mut().between(1, most) {
        let stream = work.stream_mut();
        match stream.below(32) {
            0..=3 => acts.push(Act::Ack),
            4 | 5 => acts.push(Act::Sync),
            6 => acts.push(Act::CheckpointSteps(stream.between(1, 5) as u32)),
            7 if stream.chance(500_000) => acts.push(Act::Checkpoint),
            8 => acts.push(Act::FreeDropped(stream.between(1, 30) as usize)),
            9 => acts.push(Act::Expire),
            10 => acts.push(Act::Read),
            11 if stream.chance(200_000) => acts.push(Act::Shutdown),
            11 if stream.chance(300_000) => acts.push(Act::Reopen),
            12 => acts.push(Act::Wait(stream.between(1, 200_000))),
            13..=15 => acts.push(work.block()),
            16 => acts.push(Act::Snapshot),
            17 => acts.push(Act::ReadSnapshots),
            18 if stream.chance(500_000) => acts.push(Act::DropSnapshot),
            19 | 20 => acts.extend(work.queue()),
            21 => acts.extend(work.groups()),
            _ => acts.extend(work.calls()),
        }
    }
    acts
}

/// One random run. The same seed gives the same trace.
pub fn run(seed: Seed, planted: Planted) -> Result<Coverage, Box<Failure>> {
    // The trees have other draws of the same seed.
    let seed = seed.fork(u64::from(u32::from_le_bytes(*b"type")));
    let knobs = Knobs::draw(seed, planted);
    let shape = knobs.shape;
    let scenario = format!(
        "commands page={} cache={} atom={}",
        shape.page_bytes, shape.cache_pages, knobs.profile.atom
    );
    let mut lives = Lives::boot(seed, knobs.clone(), scenario);
    let mut stream = seed.fork(1).stream(Purpose::Knobs);
    let limits = Limits::draw(&mut stream);
    let config = configured(&directives(&mut stream));
    let mut work = Workload::new(seed, limits);
    let mut served = 0;
    for _ in 0..knobs.lives {
        let acts = acts(&mut work, knobs.acts * 2);
        lives.live(|ground, history| {
            let over = (&shape, &config);
            let watcher = ground.watcher;
            run_script(
                ground.vfs,
                over,
                watcher,
                &acts,
                ground.low,
                history,
                &mut served,
            )
        })?;
    }
    let coverage = lives.finish(|ground, history| {
        let mut life = Life::open(ground.vfs, &shape, &config, ground.watcher, history)?;
        ground.expect(life.history().issued())?;
        life.goes_on()?;
        if seed.0.is_multiple_of(4) {
            life.empties()?;
        }
        Ok(())
    })?;
    Ok(Coverage { served, ..coverage })
}
