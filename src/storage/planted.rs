//! Known bugs that a build with the feature `planted` can switch on, one at a time, to show that the simulator
//! finds them. Without the feature every question answers no and the optimiser removes it.
//!
//! The numbers up to 25 are those of the verification plan.

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Success is reported although the log was not synced.
    M01AckBeforeSync = 1,
    /// A waiter is released by a sync that started before its bytes were written.
    M02AckByEarlierSync = 2,
    /// The meta slot is written before the data pages are synced.
    M03MetaBeforeDataSync = 3,
    /// The newer meta slot is overwritten instead of the older one.
    M04SameMetaSlot = 4,
    /// Log segments are reused before the checkpoint that covers them is durable.
    M05LogCutBeforeMetaSync = 5,
    /// The directory is not synced after the files are made.
    M06NoDirSyncAtCreate = 6,
    /// The directory is not synced after a file takes the place of another.
    M07NoDirSyncAtRename = 7,
    /// The salt stays the same when a segment is used again.
    M08SaltUnchanged = 8,
    /// The chain from frame to frame is not checked.
    M09ChainNotChecked = 9,
    /// A page that only the previous checkpoint uses is reused one step too early.
    M10ReuseTooEarly = 10,
    /// A page is reused while a snapshot still reaches it.
    M11ReuseUnderSnapshot = 11,
    /// A failed sync is tried again and believed.
    M12SyncRetried = 12,
    /// A write that took only a part is taken for a whole one.
    M14ShortWriteTakenAsWhole = 14,
    /// What a short read did not bring counts as zeroes.
    M15ShortReadZeroFilled = 15,
    /// Growth of the file is not synced before a meta slot mentions it.
    M16GrowthNotSynced = 16,
    /// Recovery does not sync what it accepted.
    M17RecoveryDoesNotSync = 17,
    /// Recovery gives a torn meta copy a fresh checksum.
    M18TornSlotLaundered = 18,
    /// After a cut, the next life goes on in the old segment with the old salt.
    M19TailNotErased = 19,
    /// The page number inside a page is not checked. Nothing comes of it: a stamp is of one page (A17 of the simulator).
    M20PageNumberNotChecked = 20,
    /// The stamp that a pointer expects is not checked.
    M21PointerStampNotChecked = 21,
    /// Starting a new segment forgets that the old one has bytes to sync.
    M22DirtyFlagLostAtSegmentSwitch = 22,
    /// A time to live is repeated as it was given, counted from when it is repeated.
    M24TtlRepeatedRelative = 24,
    /// What EXEC does is two transactions.
    M25ExecInTwo = 25,
    /// A file (of the archive, a dump, a backup, a part of the append-only file) is not synced before it gets its name.
    M26NotSyncedBeforeRename = 26,
    /// Segments are reused although the archive does not have them.
    M27ReusedBeforeArchived = 27,
    /// The checkpoint of which a backup is made is not held: what it reaches is given back while it is copied.
    M31BackupHoldsNothing = 31,
    /// The manifest of the append-only file names an increment of which neither the first line nor the name is synced.
    M32PartNotSynced = 32,
    /// Old parts of the append-only file are removed before the manifest names others.
    M33RemovedBeforeManifest = 33,
    /// An increment of the append-only file is not synced before the next one is named behind it.
    M34EndNotSynced = 34,
    /// An increment is named behind parts that do not lead to it.
    M35GapNotSeen = 35,
    /// Of the clients that wait for a key the one that came last is served first.
    M36LastComeFirstServed = 36,
    /// Of the clients that wait for a key only the first one is looked at, however much is given.
    M37OnlyFirstIsWoken = 37,
    /// Pages that a snapshot reaches are changed in place as long as nothing else freezes them.
    M38SnapshotDoesNotFreeze = 38,
    /// An append-only file is taken for the database's by its name and number, whichever life wrote it.
    M39LifeNotAsked = 39,
    /// A cell is put into a nested tree as that was before the changes below its other cells were written into it.
    M40CellPutIntoTreeOfBefore = 40,
    /// The pages of a checkpoint are synced once before a meta slot names them.
    M41PagesSyncedOnce = 41,
    /// What a recovery writes again is synced once before the header that leads to it.
    M42CopiesSyncedOnce = 42,
    /// The opening header of a life is synced once before the slots of the log before it are free.
    M43OpeningSyncedOnce = 43,
    /// A file (of the archive, a dump, a backup, a part of the append-only file) is synced once before it gets its name.
    M44SyncedOnceBeforeRename = 44,
    /// What was changed in place behind a savepoint stays when the transaction is undone.
    M45ImageNotPutBack = 45,
}

/// Which bug, if any, is switched on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Planted {
    #[cfg(feature = "planted")]
    bug: Option<Bug>,
}

impl Planted {
    /// A clean engine.
    pub const fn none() -> Self {
        Self {
            #[cfg(feature = "planted")]
            bug: None,
        }
    }

    /// An engine with one bug.
    #[cfg(feature = "planted")]
    pub const fn with(bug: Bug) -> Self {
        Self { bug: Some(bug) }
    }

    /// Whether `bug` is switched on.
    #[inline(always)]
    pub fn has(self, bug: Bug) -> bool {
        #[cfg(feature = "planted")]
        {
            self.bug == Some(bug)
        }
        #[cfg(not(feature = "planted"))]
        {
            let _ = bug;
            false
        }
    }
}
