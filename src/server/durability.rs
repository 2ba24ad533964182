//! What the shell needs of the log, so that no byte leaves before it is as safe as the policy promises.

#[cfg(test)]
pub(super) mod fake;

/// `appendfsync`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Replies wait until the log is synced.
    Always,
    /// Replies wait until the kernel has the log; it is synced every second.
    EverySecond,
    /// Replies wait until the kernel has the log; the kernel decides when to sync.
    Kernel,
}

/// The log failed: what was committed since is not in it, and never will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log could not be written")]
pub struct LogFailed;

/// The log, as far as replies wait for it. All calls come without the engine lock, from many threads.
pub trait Durability: Send + Sync {
    /// The policy now; CONFIG SET changes it.
    fn policy(&self) -> SyncPolicy;

    /// Up to where the kernel has the log.
    fn written_lsn(&self) -> u64;

    /// Gives the log up to `lsn` to the kernel, with everything that is ready behind it: one write for all who
    /// wait. Returns when it is done; at once if it was done already.
    fn write_to(&self, lsn: u64) -> Result<(), LogFailed>;

    /// Up to where the log is synced.
    fn synced_lsn(&self) -> u64;

    /// How long a sync takes lately, in microseconds.
    fn sync_us(&self) -> u64;

    /// Syncs up to `lsn`, which is written. Returns when it is done; nobody is called.
    fn sync_to(&self, lsn: u64) -> Result<(), LogFailed>;

    /// Asks the thread that syncs to sync up to `lsn`, which is written, and returns at once.
    fn request_sync(&self, lsn: u64);

    /// The last checkpoint that was asked for and has ended, by its ticket.
    fn served_checkpoint(&self) -> u64;

    /// True once the log failed.
    fn is_failed(&self) -> bool;

    /// `wake` is called after each sync of the thread that syncs that ended, well or not, and when the policy changed.
    fn on_progress(&self, wake: Box<dyn Fn() + Send + Sync>);
}
