//! What survives a termination: every policy of the fault model, enumerated or drawn.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::state::{Call, Disk, InodeId, Op, Pending, RenameStep, apply, apply_name};
use super::tear::{Tear, apply_torn};
use crate::seed::{Stream, mix};

/// The disk at a crash, and the call that was under way.
#[derive(Clone, Debug)]
pub struct CrashState {
    /// Disk and cache without the call that was under way.
    pub disk: Disk,
    /// The call that was under way, if any.
    pub call: Option<Call>,
}

/// Which operations survive a power loss. Numbers are places among the pending operations, in the order of issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {
    /// P1: all.
    KeepAll,
    /// P2: none.
    DropAll,
    /// P3: the first so many.
    Prefix(usize),
    /// P4: all of the files in the mask (by their order of first use; directories count), none of the others.
    Files(u64),
    /// P5: all but one.
    AllBut(usize),
    /// P6: only one.
    Only(usize),
    /// P7: everything up to `kept` but `lost`.
    Pair { lost: usize, kept: usize },
    /// P8: each with this chance in a hundred.
    Coin(u32),
    /// P9: the last so many.
    Suffix(usize),
    /// P10: lengths and names, no data.
    Metadata,
    /// P11: data, no lengths and names.
    Data,
    /// P12: one file whole, one not at all, the others by an even coin. Files by their order of first use.
    Split { whole: usize, gone: usize },
}

impl Policy {
    /// The number of the policy in the fault model.
    pub fn number(self) -> u8 {
        match self {
            Policy::KeepAll => 1,
            Policy::DropAll => 2,
            Policy::Prefix(_) => 3,
            Policy::Files(_) => 4,
            Policy::AllBut(_) => 5,
            Policy::Only(_) => 6,
            Policy::Pair { .. } => 7,
            Policy::Coin(_) => 8,
            Policy::Suffix(_) => 9,
            Policy::Metadata => 10,
            Policy::Data => 11,
            Policy::Split { .. } => 12,
        }
    }
}

/// The chances of P8, in a hundred.
pub const COINS: [u32; 5] = [2, 10, 50, 90, 98];

/// One way a power loss may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resolution {
    pub policy: Policy,
    pub tear: Tear,
    /// Decides coins and tears.
    pub seed: u64,
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "P{} {:?} tear {:?} seed {:#x}",
            self.policy.number(),
            self.policy,
            self.tear,
            self.seed
        )
    }
}

/// How much of the call under way a process kill lets happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    Nothing,
    /// A part of the bytes of a write, by this fraction of 65536; for other calls nothing.
    Part(u16),
    Whole,
}

/// How a life ends and the next image comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Termination {
    /// K0: the cache survives whole.
    ProcessKill(Progress),
    /// K1, and K2 where the disk lies: what was not durable is resolved.
    PowerLoss(Resolution),
}

impl fmt::Display for Termination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Termination::ProcessKill(progress) => write!(f, "K0 {progress:?}"),
            Termination::PowerLoss(resolution) => write!(f, "K1 {resolution}"),
        }
    }
}

/// What a group of pending operations is about: a file or a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    File(InodeId),
    Dir(std::path::PathBuf),
}

fn target(op: &Op) -> Target {
    match (op.inode(), op.dir()) {
        (Some(inode), _) => Target::File(inode),
        (None, Some(dir)) => Target::Dir(dir.to_path_buf()),
        (None, None) => unreachable!("an operation is on a file or on a directory"),
    }
}

/// How many files P4 combines at most; behind that the masks wrap over the first ones.
const FILES_MAX: usize = 6;

impl CrashState {
    /// The state with the call under way done, so that its operations are pending too: whatever a part of it
    /// could have left is among the resolutions of the whole.
    fn with_call(&self) -> Disk {
        let mut disk = self.disk.clone();
        if let Some(call) = &self.call {
            disk.perform(call);
        }
        disk
    }

    /// How many operations a power loss would decide about.
    pub fn undecided(&self) -> usize {
        self.with_call().pending.len()
    }

    /// Every resolution of P1 to P7 that gives another set of survivors, each with every tear of `tears`, then P10
    /// and P11, then `samples` draws of P8, P9 and P12.
    pub fn resolutions(&self, tears: &[Tear], samples: usize, seed: u64) -> Vec<Resolution> {
        let disk = self.with_call();
        let ops = &disk.pending;
        let mut seen = BTreeSet::new();
        let mut out = Vec::new();
        for policy in exhaustive(ops) {
            let fates = fates(&disk, policy, 0);
            if !seen.insert(fates.clone()) {
                continue;
            }
            let any_kept = fates.contains(&true);
            for tear in tears {
                // With nothing kept there is nothing to tear.
                if any_kept || *tear == Tear::Whole {
                    let seed = mix(seed ^ out.len() as u64);
                    out.push(Resolution {
                        policy,
                        tear: *tear,
                        seed,
                    });
                }
            }
        }
        let mut stream = Stream::from_state(seed);
        for _ in 0..samples {
            let policy = sampled(ops, &mut stream);
            let tear = *stream.pick(tears);
            let seed = stream.next_u64();
            out.push(Resolution { policy, tear, seed });
        }
        out
    }

    /// Every process kill that differs: none, a few parts and all of the call under way.
    pub fn kills(&self) -> Vec<Termination> {
        let mut progress = vec![Progress::Nothing];
        match &self.call {
            Some(Call::Write { .. }) => progress.extend([
                Progress::Part(1),
                Progress::Part(0x8000),
                Progress::Part(0xffff),
                Progress::Whole,
            ]),
            Some(_) => progress.push(Progress::Whole),
            None => {}
        }
        progress.into_iter().map(Termination::ProcessKill).collect()
    }

    /// The disk that the next life finds.
    pub fn image(&self, termination: Termination) -> Disk {
        let mut disk = match termination {
            Termination::ProcessKill(progress) => self.process_kill(progress),
            Termination::PowerLoss(resolution) => self.power_loss(resolution),
        };
        disk.forget_unnamed();
        disk
    }

    fn process_kill(&self, progress: Progress) -> Disk {
        let mut disk = self.disk.clone();
        match (&self.call, progress) {
            (None, _) | (_, Progress::Nothing) => {}
            (Some(call), Progress::Whole) => disk.perform(call),
            (
                Some(Call::Write {
                    inode,
                    offset,
                    bytes,
                }),
                Progress::Part(part),
            ) => {
                let done = (bytes.len() * usize::from(part)) >> 16;
                // At least one byte, so that a small part of a small write is a part.
                let done = done.max(1).min(bytes.len());
                disk.write(*inode, *offset, bytes[..done].into());
            }
            (Some(_), Progress::Part(_)) => {}
        }
        disk
    }

    fn power_loss(&self, resolution: Resolution) -> Disk {
        let mut disk = self.with_call();
        let fates = fates(&disk, resolution.policy, resolution.seed);
        let profile = disk.profile.clone();
        for (pending, kept) in std::mem::take(&mut disk.pending).iter().zip(fates) {
            if !kept {
                continue;
            }
            match target(&pending.op) {
                Target::File(id) => {
                    let Some(inode) = disk.inodes.get_mut(&id) else {
                        continue;
                    };
                    // Each operation tears by draws of its own, so that losing another one leaves its tear as it was.
                    let mut stream = Stream::from_state(mix(resolution.seed ^ pending.seq));
                    match resolution.tear {
                        Tear::Whole => apply(&mut inode.durable, &pending.op),
                        tear => apply_torn(
                            &mut inode.durable,
                            &pending.op,
                            tear,
                            pending.seq,
                            &profile,
                            &mut stream,
                        ),
                    }
                }
                Target::Dir(path) => {
                    let dir = disk.dirs.get_mut(&path).expect("the directory exists");
                    apply_name(&mut dir.durable, &pending.op);
                }
            }
        }
        disk.power_up();
        disk
    }

    /// The survivors as a person reads them: each pending operation, kept or lost.
    pub fn describe(&self, resolution: Resolution) -> String {
        let disk = self.with_call();
        let fates = fates(&disk, resolution.policy, resolution.seed);
        let mut out = String::new();
        for (number, (pending, kept)) in disk.pending.iter().zip(fates).enumerate() {
            let fate = if kept { "kept" } else { "lost" };
            out += &format!("  {number} {fate} {}\n", describe_op(&disk, &pending.op));
        }
        out
    }
}

fn describe_op(disk: &Disk, op: &Op) -> String {
    let file = |id: InodeId| match disk.names_of(id).first() {
        Some(path) => path.display().to_string(),
        None => format!("inode {id}"),
    };
    match op {
        Op::Write {
            inode,
            offset,
            bytes,
        } => {
            format!("write {} @{offset}+{}", file(*inode), bytes.len())
        }
        Op::SetLen { inode, old, new } => format!("length {} {old} to {new}", file(*inode)),
        Op::AddName {
            dir, name, inode, ..
        } => {
            format!("name {} to inode {inode}", dir.join(name).display())
        }
        Op::DropName { dir, name, .. } => format!("no name {}", dir.join(name).display()),
    }
}

impl Disk {
    /// After a power loss: the cache is what is durable.
    fn power_up(&mut self) {
        for inode in self.inodes.values_mut() {
            inode.durable.clip();
            inode.cache = inode.durable.clone();
            inode.fading.clear();
            inode.writeback = Default::default();
            let end = super::state::chunk_ceil(inode.durable.len());
            inode.space.remove(end, u64::MAX);
        }
        for dir in self.dirs.values_mut() {
            dir.cache = dir.durable.clone();
        }
    }
}

fn exhaustive(ops: &[Pending]) -> Vec<Policy> {
    let n = ops.len();
    let files = targets(ops).len().min(FILES_MAX);
    let mut out = vec![Policy::KeepAll, Policy::DropAll];
    out.extend((1..n).map(Policy::Prefix));
    out.extend((1..(1_u64 << files)).map(Policy::Files));
    out.extend((0..n).map(Policy::AllBut));
    out.extend((0..n).map(Policy::Only));
    for kept in 1..n {
        out.extend((0..kept).map(|lost| Policy::Pair { lost, kept }));
    }
    out.extend([Policy::Metadata, Policy::Data]);
    out
}

fn sampled(ops: &[Pending], stream: &mut Stream) -> Policy {
    let files = targets(ops).len() as u64;
    match stream.below(3) {
        0 => Policy::Suffix(stream.below(ops.len() as u64 + 1) as usize),
        1 if files >= 2 => {
            let whole = stream.below(files);
            let gone = (whole + 1 + stream.below(files - 1)) % files;
            Policy::Split {
                whole: whole as usize,
                gone: gone as usize,
            }
        }
        _ => Policy::Coin(*stream.pick(&COINS)),
    }
}

/// The files and directories of pending operations, numbered by first use.
fn targets(ops: &[Pending]) -> BTreeMap<Target, usize> {
    let mut out = BTreeMap::new();
    for pending in ops {
        let next = out.len();
        out.entry(target(&pending.op)).or_insert(next);
    }
    out
}

/// For each pending operation whether it survives.
fn fates(disk: &Disk, policy: Policy, seed: u64) -> Vec<bool> {
    let ops = &disk.pending;
    let files = targets(ops);
    let coin = |i: usize, percent: u32| {
        Stream::from_state(mix(seed ^ 0xc01) ^ ops[i].seq).below(100) < u64::from(percent)
    };
    let survives = |i: usize| {
        let op = &ops[i].op;
        match policy {
            Policy::KeepAll => true,
            Policy::DropAll => false,
            Policy::Prefix(n) => i < n,
            Policy::Files(mask) => mask & (1 << (files[&target(op)] % FILES_MAX)) != 0,
            Policy::AllBut(lost) => i != lost,
            Policy::Only(kept) => i == kept,
            Policy::Pair { lost, kept } => i <= kept && i != lost,
            Policy::Coin(percent) => coin(i, percent),
            Policy::Suffix(n) => i + n >= ops.len(),
            Policy::Metadata => !matches!(op, Op::Write { .. }),
            Policy::Data => matches!(op, Op::Write { .. }),
            Policy::Split { whole, gone } => match files[&target(op)] {
                file if file == whole => true,
                file if file == gone => false,
                _ => coin(i, 50),
            },
        }
    };
    let mut fates: Vec<bool> = (0..ops.len()).map(survives).collect();
    if !disk.profile.rename_loses_both {
        keep_renames_sound(ops, &mut fates);
    }
    keep_lied_order(ops, &mut fates);
    fates
}

/// A file system that never loses both names: a name goes only if the new one is there.
fn keep_renames_sound(ops: &[Pending], fates: &mut [bool]) {
    let added = |number: u64, fates: &[bool]| {
        ops.iter()
            .zip(fates)
            .any(|(p, kept)| *kept && p.op.rename() == Some((number, RenameStep::AddDestination)))
    };
    for i in 0..ops.len() {
        if let Some((number, step)) = ops[i].op.rename()
            && step != RenameStep::AddDestination
            && !added(number, fates)
        {
            fates[i] = false;
        }
    }
}

/// Barriers that only order: what one covered survives if anything issued after the barrier does.
fn keep_lied_order(ops: &[Pending], fates: &mut [bool]) {
    let kept = ops.iter().zip(&*fates).filter(|(_, kept)| **kept);
    let Some(last) = kept.map(|(p, _)| p.seq).max() else {
        return;
    };
    for (pending, kept) in ops.iter().zip(fates) {
        *kept |= pending.fenced.is_some_and(|barrier| barrier < last);
    }
}
