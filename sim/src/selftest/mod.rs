//! Small stores, right and wrong: the right ones must pass every crash, each wrong one must be found.
//!
//! A simulator that never fails anything proves nothing. These stores have a few lines each, so that whether they
//! are right is known without a simulator; their steps are those that real programs were caught leaving out.

mod append;
mod overwrite;
mod replace;

use std::path::Path;

use redkeep::vfs::{VfsFile, VfsResult, read_up_to};

pub use append::{AppendStep, AppendStore};
pub use overwrite::{OverwriteStep, OverwriteStore};
pub use replace::{ReplaceStep, ReplaceStore};

use crate::disk::{DiskProfile, SimVfs, Tear};
use crate::explore::{Broken, Coverage, Failure, Fault, HARNESS, Plan, Scenario, explore};
use crate::seed::Seed;
use crate::trace::hash_of;

/// What a store was asked and what it acknowledged: versions are numbered from 1, each replaces or follows the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    pub issued: u64,
    pub acked: u64,
}

impl Versions {
    /// O1: a prefix between the two bounds.
    pub fn judge(&self, shown: u64) -> Result<(), Broken> {
        if (self.acked..=self.issued).contains(&shown) {
            return Ok(());
        }
        let Versions { issued, acked } = self;
        let detail = format!("shows version {shown}; {acked} was acknowledged, {issued} issued");
        Err(Broken::new("O1", detail))
    }
}

/// Versions that a script writes.
const VERSIONS: u64 = 3;

/// The version that is written after recovery.
const NEXT_LIFE: u64 = 99;

/// The bytes of a version: as many as asked for, no two versions alike in any 8 of them.
fn payload(version: u64, len: usize) -> Vec<u8> {
    let words = (0..len as u64).step_by(8);
    let mut out: Vec<u8> = words
        .flat_map(|i| crate::seed::mix(version << 32 | i).to_le_bytes())
        .collect();
    out.truncate(len);
    out
}

/// A version with its number, its length and a checksum in front: 24 bytes, then the payload.
fn sealed(version: u64, len: usize) -> Vec<u8> {
    let payload = payload(version, len);
    let mut out = version.to_le_bytes().to_vec();
    out.extend((len as u64).to_le_bytes());
    let mut summed = out.clone();
    summed.extend(&payload);
    out.extend(hash_of(&summed).to_le_bytes());
    out.extend(payload);
    out
}

/// Bytes of a seal.
const SEAL: usize = 24;

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let word = bytes.get(at..at + 8)?;
    Some(u64::from_le_bytes(word.try_into().ok()?))
}

/// The version and payload at the start of `bytes`, if the seal is whole. `checked`: whether the checksum counts.
fn unseal(bytes: &[u8], checked: bool) -> Option<(u64, &[u8])> {
    let (version, len, sum) = (word(bytes, 0)?, word(bytes, 8)?, word(bytes, 16)?);
    let end = usize::try_from(len).ok()?.checked_add(SEAL)?;
    let payload = bytes.get(SEAL..end)?;
    if checked {
        let mut summed = bytes[..16].to_vec();
        summed.extend(payload);
        if hash_of(&summed) != sum {
            return None;
        }
    }
    Some((version, payload))
}

fn read_whole(file: &dyn VfsFile) -> VfsResult<Vec<u8>> {
    let mut bytes = vec![0; file.len()? as usize];
    let n = read_up_to(file, &mut bytes, 0)?;
    bytes.truncate(n);
    Ok(bytes)
}

/// What a store must do after recovery: take another version, and show it after a power loss that spares nothing.
fn takes_another(
    vfs: &SimVfs,
    put: impl Fn(&SimVfs) -> VfsResult<()>,
    show: impl Fn(&SimVfs) -> Result<u64, Fault>,
) -> Result<(), Fault> {
    put(vfs)?;
    let shown = show(vfs)?;
    if shown != NEXT_LIFE {
        let detail = format!("took version {NEXT_LIFE} after recovery and shows {shown}");
        return Err(Broken::new("O1", detail).into());
    }
    let state = vfs.crash_state();
    let image = state.image(crate::disk::Termination::PowerLoss(
        crate::disk::Resolution {
            policy: crate::disk::Policy::DropAll,
            tear: Tear::Whole,
            seed: 0,
        },
    ));
    let next = SimVfs::boot(image, &crate::disk::Setup::new(Seed(0)));
    let shown = show(&next)?;
    if shown != NEXT_LIFE {
        let detail = format!("acknowledged version {NEXT_LIFE} after recovery, lost it: {shown}");
        return Err(Broken::new("O1", detail).into());
    }
    Ok(())
}

fn db(name: &str) -> std::path::PathBuf {
    Path::new("/db").join(name)
}

/// The profiles that a right store must survive: every atom size, each with atoms that are and are not atomic.
pub fn profiles() -> Vec<DiskProfile> {
    let mut out = Vec::new();
    for atom in [1, 512, 4096] {
        for loose in [false, true] {
            out.push(DiskProfile {
                atom,
                atoms_atomic: !loose,
                garbage_atoms: loose,
                garbage_growth: loose,
                psow: !loose,
                ..DiskProfile::default()
            });
        }
    }
    out
}

/// A wrong store that nobody found, or a right one that failed.
pub type Outcome = Result<Coverage, Box<Failure>>;

/// How wrong stores are run: only what a first crash leaves is judged, so that the crash loop itself must find them.
fn crashes_only(seed: Seed) -> Plan {
    Plan {
        goes_on: false,
        recovery_depth: 0,
        recovered_is_durable: false,
        ..Plan::thorough(DiskProfile::default(), seed)
    }
}

/// The same where the mistake shows only in a second life: `recovered`, what it was shown goes with the next power
/// loss; `goes_on`, what it writes is misplaced.
fn second_life(seed: Seed, recovered: bool, goes_on: bool) -> Plan {
    Plan {
        goes_on,
        recovered_is_durable: recovered,
        ..crashes_only(seed)
    }
}

/// Every wrong store with the plan that must find it.
fn hunt(seed: Seed, mut each: impl FnMut(&str, Outcome)) {
    for step in ReplaceStep::ALL {
        let plan = second_life(seed, step == ReplaceStep::SyncRecovered, false);
        let store = ReplaceStore::without(step);
        each(store.name(), explore(&store, &plan));
    }
    for step in AppendStep::ALL {
        let recovered = step == AppendStep::SyncRecovered;
        let plan = second_life(seed, recovered, step == AppendStep::CutTail);
        let store = AppendStore::without(step);
        each(store.name(), explore(&store, &plan));
    }
    for step in OverwriteStep::ALL {
        let plan = second_life(seed, step == OverwriteStep::SyncRecovered, false);
        let store = OverwriteStore::without(step);
        each(store.name(), explore(&store, &plan));
    }
}

fn missed(name: &str, points: u64) -> Box<Failure> {
    Box::new(Failure {
        scenario: name.to_owned(),
        broken: Broken::new(
            HARNESS,
            format!("a planted bug was not found at {points} crash points"),
        ),
        steps: Vec::new(),
        io: 0,
        tick_us: 0,
        trace: String::new(),
    })
}

/// The whole self-test: right stores on every profile, wrong stores on the default one.
pub fn run(seed: Seed) -> Outcome {
    let mut total = Coverage::default();
    for (number, profile) in profiles().into_iter().enumerate() {
        let plan = Plan::thorough(profile, seed.fork(number as u64));
        total.add(&explore(&ReplaceStore::right(), &plan)?);
        total.add(&explore(&AppendStore::right(), &plan)?);
        total.add(&explore(&OverwriteStore::right(), &plan)?);
    }
    let mut found = Ok(());
    hunt(seed, |name, outcome| match outcome {
        Err(failure) if failure.broken.oracle != HARNESS => {}
        Err(failure) => found = Err(failure),
        Ok(coverage) => found = Err(missed(name, coverage.points)),
    });
    found?;
    Ok(total)
}

/// A store with a planted bug, run as if it were right: shows that a failure reaches whoever runs the simulator.
pub fn planted(seed: Seed) -> Outcome {
    explore(
        &ReplaceStore::without(ReplaceStep::SyncDir),
        &crashes_only(seed),
    )
}

#[cfg(test)]
mod tests;
