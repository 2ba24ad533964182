//! What a command may know and change of the connection that sent it, and what other connections may see of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::task::Waker;

use parking_lot::Mutex;

use super::acl::{Account, Users};
use super::blocking::Wait;
use super::monitor::Lines;
use super::outgoing::{Outgoing, OutgoingMark};
use super::output_limit::OutputLimit;
use super::replica_link::Announced;
use super::script_debug::Debugging;
use super::server::Server;
use super::subscriptions::Counts;
use super::tally::Tally;
use super::tracking::Mode;
use super::transaction::Multi;
use super::watch::WatchMark;
use crate::resp::Proto;
use crate::vfs::Clock;

/// Which replies a connection wants; CLIENT REPLY changes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMode {
    #[default]
    On,
    Off,
    /// The next command's reply is left out; the command that sets this has none either.
    SkipNext,
    /// This command's reply is left out.
    Skip,
}

impl ReplyMode {
    /// The reply of the command that is carried out is not sent.
    pub fn is_mute(self) -> bool {
        matches!(self, Self::Off | Self::Skip)
    }
}

/// What a reply that is an error means to the figures of errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorInReply {
    /// An error, and its command has failed.
    #[default]
    Counts,
    /// The same, but the error is counted already.
    IsCounted,
    /// Only bytes that somebody asked for.
    IsNone,
}

/// What a blocked connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// A blocking command: one of its keys.
    Keys,
    /// WAIT: replicas.
    Replicas {
        /// What they are to have got of the stream.
        offset: u64,
    },
    /// WAITAOF: the log up to `lsn` synced here (`local` is 1), and replicas.
    Log { lsn: u64, local: u8, replicas: u64 },
    /// SHUTDOWN: the end of the server.
    Shutdown,
    /// CHECKPOINT: the end of a checkpoint.
    Checkpoint { ticket: u64 },
    /// SAVE: the end of the save.
    Save,
    /// A copy of the file, or the checkpoint that is on when checkpoints are held.
    Backup,
}

impl BlockKind {
    /// Whether CLIENT UNBLOCK ends the wait, as in Redis the waits that may have a timeout. The others answer that
    /// something is done: they have no other end.
    pub fn may_unblock(self) -> bool {
        match self {
            Self::Keys | Self::Replicas { .. } | Self::Log { .. } => true,
            Self::Shutdown | Self::Checkpoint { .. } | Self::Save | Self::Backup => false,
        }
    }
}

/// A connection that has asked for something that is not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    pub kind: BlockKind,
    /// Wall time in milliseconds at which it gives up; None: never.
    pub until_ms: Option<u64>,
}

/// The state of one connection, owned by its session.
#[derive(Debug)]
pub struct Client {
    /// The number that CLIENT ID answers.
    pub id: u64,
    /// The selected database.
    pub db: u32,
    /// What other connections see of this one and how they reach it.
    pub entry: Arc<Entry>,
    /// As whom it is logged in.
    pub account: Arc<Account>,
    /// Whether it logged in, or did not need to when it came.
    pub authenticated: bool,
    pub reply_mode: ReplyMode,
    pub monitor: bool,
    pub no_evict: bool,
    pub no_touch: bool,
    /// How many subscriptions it has.
    pub subscriptions: Counts,
    pub tracking: Mode,
    /// What the running command has to say beside its reply.
    pub outgoing: Outgoing,
    /// Close once the replies so far are sent.
    pub close: bool,
    pub block: Option<Block>,
    pub debugging: Debugging,
    /// What a command that has just blocked on keys waits for.
    pub wait: Option<Box<Wait>>,
    /// Nothing may block: an EXEC or a script is on.
    pub deny_blocking: bool,
    /// The commands of the EXEC that is on, and the bytes that they take.
    pub executing: Option<(usize, usize)>,
    /// What the script that the EXEC has just run, or the wait that it has ended, adds to counters and logs.
    pub scripted: Option<Box<Tally>>,
    /// It stands in for a client whose script is running.
    pub in_script: bool,
    /// What TIME has answered in the EXEC or script that is on, in microseconds.
    pub moment_us: Option<u64>,
    /// Its commands may take long: they keep no other connection from its thread.
    pub patient: bool,
    /// What is to be made of an error in the reply of its command.
    pub error_in_reply: ErrorInReply,
    /// A script that is late has the data: what commands see in its place has no keys.
    pub sees_nothing: bool,
    /// There was no room for more data before its command.
    pub out_of_memory: bool,
    /// The transaction that is being queued.
    pub multi: Option<Box<Multi>>,
    /// Lines for monitors that the current hold of the lock produced.
    pub feed: Lines,
    /// A pause holds the next command back: its place among all that are held.
    pub held: Option<u64>,
    /// The full name of the latest command that exists: `get`, `client|list`.
    pub last_command: &'static str,
    /// What it said of itself as a replica.
    pub announced: Announced,
    /// The LSN of the latest write of this connection, for WAITAOF.
    pub write_lsn: u64,
    pub name: Option<Arc<[u8]>>,
    pub lib_name: Option<Arc<[u8]>>,
    pub lib_ver: Option<Arc<[u8]>>,
    /// Sizes of the session's buffers, for CLIENT LIST.
    pub buffers: Buffers,
}

/// Bytes that a connection's buffers hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buffers {
    pub input: usize,
    pub input_free: usize,
    /// The words of the command being carried out.
    pub words: usize,
    pub output_capacity: usize,
    pub output: usize,
}

impl Default for Client {
    fn default() -> Self {
        Self::new(Arc::new(Entry::default()), &Users::default())
    }
}

impl Client {
    /// A fresh connection.
    pub fn new(entry: Arc<Entry>, users: &Users) -> Self {
        Self::of(
            entry,
            Arc::clone(users.default_account()),
            !users.must_log_in(),
        )
    }

    fn of(entry: Arc<Entry>, account: Arc<Account>, authenticated: bool) -> Self {
        Self {
            id: entry.id,
            db: 0,
            entry,
            account,
            authenticated,
            reply_mode: ReplyMode::On,
            monitor: false,
            no_evict: false,
            no_touch: false,
            subscriptions: Counts::default(),
            tracking: Mode::default(),
            outgoing: Outgoing::default(),
            close: false,
            block: None,
            debugging: Debugging::default(),
            wait: None,
            deny_blocking: false,
            executing: None,
            scripted: None,
            in_script: false,
            moment_us: None,
            patient: false,
            sees_nothing: false,
            error_in_reply: ErrorInReply::Counts,
            out_of_memory: false,
            multi: None,
            feed: Lines::default(),
            held: None,
            last_command: "NULL",
            announced: Announced::default(),
            write_lsn: 0,
            name: None,
            lib_name: None,
            lib_ver: None,
            buffers: Buffers::default(),
        }
    }

    /// What others need of it to carry out its command while it is blocked.
    pub fn stand_in(&self) -> Self {
        Self {
            db: self.db,
            reply_mode: self.reply_mode,
            no_evict: self.no_evict,
            no_touch: self.no_touch,
            subscriptions: self.subscriptions,
            tracking: self.tracking,
            last_command: self.last_command,
            name: self.name.clone(),
            ..Self::of(
                Arc::clone(&self.entry),
                Arc::clone(&self.account),
                self.authenticated,
            )
        }
    }

    /// Lets CLIENT LIST of any connection see the current state.
    pub fn publish(&self, proto: Proto) {
        let mut view = self.entry.view.lock();
        view.db = self.db;
        if !Arc::ptr_eq(&view.account, &self.account) {
            view.account = Arc::clone(&self.account);
        }
        view.command = self.last_command;
        view.proto = proto;
        view.monitor = self.monitor;
        view.no_evict = self.no_evict;
        view.no_touch = self.no_touch;
        view.subscriptions = self.subscriptions;
        view.tracking = self.tracking;
        view.closing = self.close;
        view.blocked = self.block.is_some();
        view.may_unblock = self.block.is_some_and(|block| block.kind.may_unblock());
        view.has_timeout = self.block.is_some_and(|block| block.until_ms.is_some());
        view.paused = self.held.is_some();
        let queued = self
            .multi
            .as_ref()
            .map(|multi| (multi.len(), multi.memory()));
        let queued = queued.or(self.executing);
        view.multi = queued.map(|(len, _)| len);
        view.multi_bytes = queued.map_or(0, |(_, bytes)| bytes);
        view.buffers = self.buffers;
    }

    /// Whether it may send commands that need a user.
    pub fn may_speak(&self, users: &Users) -> bool {
        self.authenticated || !users.must_log_in()
    }

    /// Which replies it wants from now on. A monitor hears nothing of what others do while it wants none, and between CLIENT
    /// REPLY SKIP and the next command.
    pub fn set_reply_mode(&mut self, mode: ReplyMode) {
        self.reply_mode = mode;
        self.entry.set_deaf(mode != ReplyMode::On);
    }

    /// The connection has so many subscriptions now.
    pub fn set_subscriptions(&mut self, counts: Counts) {
        self.subscriptions = counts;
        // Read under the engine lock, as it is changed, or where a moment more or less does not matter.
        self.entry.set_subscriber(counts.any());
    }

    /// What the running command had to say since `mark`, and what it subscribed to, did not happen.
    pub fn take_back(&mut self, mark: OutgoingMark, server: &Server) {
        for step in self.outgoing.cut(mark) {
            self.subscriptions = server.subscriptions.undo(&self.entry, &step);
        }
        self.set_subscriptions(self.subscriptions);
    }

    /// Sets the name; an empty one takes it away.
    pub fn set_name(&mut self, name: &[u8]) {
        self.name = some_text(name);
        self.entry.view.lock().name.clone_from(&self.name);
    }

    /// Sets what the client library says of itself.
    pub fn set_lib_name(&mut self, name: &[u8]) {
        self.lib_name = some_text(name);
        self.entry.view.lock().lib_name.clone_from(&self.lib_name);
    }

    /// Sets the client library's version.
    pub fn set_lib_ver(&mut self, version: &[u8]) {
        self.lib_ver = some_text(version);
        self.entry.view.lock().lib_ver.clone_from(&self.lib_ver);
    }
}

fn some_text(text: &[u8]) -> Option<Arc<[u8]>> {
    (!text.is_empty()).then(|| Arc::from(text))
}

/// Requests of other connections to one, as bits.
pub mod signal {
    /// Close now; what is queued is not sent.
    pub const KILL: u32 = 1;
    /// The outbox has bytes.
    pub const OUTBOX: u32 = 2;
    /// A pause ended.
    pub const UNPAUSE: u32 = 4;
    /// CLIENT UNBLOCK: behave as at the timeout.
    pub const UNBLOCK_TIMEOUT: u32 = 8;
    /// CLIENT UNBLOCK: answer an error.
    pub const UNBLOCK_ERROR: u32 = 16;
    /// The server ends: close, but send what is ready.
    pub const STOP: u32 = 32;
    /// The server could not end.
    pub const SHUTDOWN_FAILED: u32 = 64;
    /// The save or backup that was waited for has ended.
    pub const DONE: u32 = 128;
    /// As many replicas as were waited for have got the stream.
    pub const ACKNOWLEDGED: u32 = 256;
    /// The wait for keys is over and its reply, if there is one, in the outbox.
    pub const RESUME: u32 = 512;

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn each_has_a_bit_of_its_own() {
            let all = [
                KILL,
                OUTBOX,
                UNPAUSE,
                UNBLOCK_TIMEOUT,
                UNBLOCK_ERROR,
                STOP,
                SHUTDOWN_FAILED,
                DONE,
                ACKNOWLEDGED,
                RESUME,
            ];
            let bits = all.iter().fold(0, |bits, bit| bits | bit);
            assert_eq!(bits.count_ones() as usize, all.len());
        }
    }
}

/// The part of a connection that all others share.
#[derive(Debug, Default)]
pub struct Entry {
    pub id: u64,
    /// See [`Origin`].
    pub addr: String,
    pub laddr: String,
    pub fd: i32,
    pub unix: bool,
    pub local: bool,
    /// Wall time of the connection's start, milliseconds.
    pub created_ms: u64,
    /// Wall time of the latest bytes from it, milliseconds.
    pub active_ms: AtomicU64,
    signals: AtomicU32,
    /// Wakes the task that serves the connection.
    waker: Mutex<Option<Waker>>,
    pub view: Mutex<View>,
    /// What it watches.
    pub watch: WatchMark,
    outbox: Mutex<Outbox>,
    /// It speaks RESP3; changes under the engine lock.
    resp3: AtomicBool,
    /// It has subscriptions; changes under the engine lock.
    subscriber: AtomicBool,
    /// It is a replica; changes under the engine lock.
    replica: AtomicBool,
    /// As a monitor it hears nothing; changes under the engine lock.
    deaf: AtomicBool,
    /// The connection that its invalidations are redirected to was found gone.
    redirect_broken: AtomicBool,
    /// Bytes that the prefixes take which it tracks.
    pub prefix_bytes: AtomicUsize,
    /// Bytes that were taken out to be sent and are not sent.
    unsent: AtomicUsize,
    /// Wall time in milliseconds since when the soft output limit is exceeded; 0: it is not.
    soft_since_ms: AtomicU64,
}

/// What CLIENT LIST shows, as of the connection's latest turn.
#[derive(Clone, Debug)]
pub struct View {
    pub db: u32,
    pub account: Arc<Account>,
    pub command: &'static str,
    pub proto: Proto,
    pub monitor: bool,
    pub no_evict: bool,
    pub no_touch: bool,
    pub subscriptions: Counts,
    pub tracking: Mode,
    pub closing: bool,
    pub blocked: bool,
    /// CLIENT UNBLOCK finds something to end.
    pub may_unblock: bool,
    /// It is blocked up to some time at most.
    pub has_timeout: bool,
    /// Held back by CLIENT PAUSE.
    pub paused: bool,
    /// How many commands an open transaction has queued.
    pub multi: Option<usize>,
    /// Bytes of what is queued.
    pub multi_bytes: usize,
    pub name: Option<Arc<[u8]>>,
    pub lib_name: Option<Arc<[u8]>>,
    pub lib_ver: Option<Arc<[u8]>>,
    pub buffers: Buffers,
}

impl Default for View {
    fn default() -> Self {
        Self {
            db: 0,
            account: Arc::default(),
            command: "NULL",
            proto: Proto::Resp2,
            monitor: false,
            no_evict: false,
            no_touch: false,
            subscriptions: Counts::default(),
            tracking: Mode::default(),
            closing: false,
            blocked: false,
            may_unblock: false,
            has_timeout: false,
            paused: false,
            multi: None,
            multi_bytes: 0,
            name: None,
            lib_name: None,
            lib_ver: None,
            buffers: Buffers::default(),
        }
    }
}

/// Bytes that others have for a connection.
#[derive(Debug, Default)]
struct Outbox {
    bytes: Vec<u8>,
    /// They may leave when the log is written (or synced) up to here.
    lsn: u64,
}

/// Where a connection comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// `ip:port` of the other end, or the path of the unix socket with `:0`.
    pub addr: String,
    pub laddr: String,
    pub fd: i32,
    pub unix: bool,
    /// It comes from this machine.
    pub local: bool,
}

impl Entry {
    /// A connection that begins now.
    pub fn new(id: u64, origin: Origin, now_ms: u64) -> Self {
        let Origin {
            addr,
            laddr,
            fd,
            unix,
            local,
        } = origin;
        Self {
            id,
            addr,
            laddr,
            fd,
            unix,
            local,
            created_ms: now_ms,
            active_ms: AtomicU64::new(now_ms),
            ..Self::default()
        }
    }

    /// Asks something of the connection: bits of [`signal`].
    pub fn signal(&self, bits: u32) {
        // Pairs with the acquire in `take_signals`: what was stored before the bits is seen with them.
        let asked = self.signals.fetch_or(bits, Ordering::Release);
        if asked & bits == bits {
            // Whoever asked first wakes the task, which has not looked yet.
            return;
        }
        let waker = self.waker.lock();
        if let Some(waker) = &*waker {
            waker.wake_by_ref();
        }
    }

    /// The bits that were asked, which are asked no more.
    pub fn take_signals(&self) -> u32 {
        if self.signals.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        self.signals.swap(0, Ordering::Acquire)
    }

    /// Forgets what was asked.
    pub fn forget_signals(&self, bits: u32) {
        self.signals.fetch_and(!bits, Ordering::Relaxed);
    }

    /// Whether this is asked; it stays asked.
    pub fn has_signal(&self, bits: u32) -> bool {
        self.signals.load(Ordering::Acquire) & bits != 0
    }

    /// The waker of the task that serves the connection.
    pub fn set_waker(&self, waker: Waker) {
        *self.waker.lock() = Some(waker);
    }

    /// Queues bytes that may leave once the log is written up to `lsn`; returns how many bytes wait now. Nothing is
    /// queued for a connection that is to be closed.
    pub fn post(&self, parts: &[&[u8]], lsn: u64) -> usize {
        if self.has_signal(signal::KILL) {
            return 0;
        }
        let waiting = {
            let mut outbox = self.outbox.lock();
            for part in parts {
                outbox.bytes.extend_from_slice(part);
            }
            outbox.lsn = outbox.lsn.max(lsn);
            outbox.bytes.len()
        };
        self.signal(signal::OUTBOX);
        waiting
    }

    /// Moves the queued bytes to the end of `out`; returns the LSN they wait for.
    pub fn take_posted(&self, out: &mut Vec<u8>) -> u64 {
        let mut outbox = self.outbox.lock();
        out.append(&mut outbox.bytes);
        outbox.lsn
    }

    /// Bytes that others have for it and that are not sent.
    pub fn waiting_bytes(&self) -> usize {
        self.outbox.lock().bytes.len() + self.unsent.load(Ordering::Relaxed)
    }

    /// The protocol it speaks now.
    pub fn proto(&self) -> Proto {
        if self.resp3.load(Ordering::Relaxed) {
            Proto::Resp3
        } else {
            Proto::Resp2
        }
    }

    /// It speaks this protocol from now on.
    pub fn set_proto(&self, proto: Proto) {
        self.resp3.store(proto == Proto::Resp3, Ordering::Relaxed);
    }

    /// Whether it is a replica, which is fed.
    pub fn is_replica(&self) -> bool {
        self.replica.load(Ordering::Relaxed)
    }

    /// It is a replica from now on.
    pub fn set_replica(&self) {
        self.replica.store(true, Ordering::Relaxed);
    }

    /// Whether it hears what monitors hear, if it is one.
    pub fn hears(&self) -> bool {
        !self.deaf.load(Ordering::Relaxed)
    }

    fn set_deaf(&self, is_deaf: bool) {
        self.deaf.store(is_deaf, Ordering::Relaxed);
    }

    /// Whether it has subscriptions from now on.
    pub fn set_subscriber(&self, is_subscriber: bool) {
        self.subscriber.store(is_subscriber, Ordering::Relaxed);
    }

    pub fn is_subscriber(&self) -> bool {
        self.subscriber.load(Ordering::Relaxed)
    }

    /// Whether its invalidations were found to have nowhere to go.
    pub fn is_redirect_broken(&self) -> bool {
        self.redirect_broken.load(Ordering::Relaxed)
    }

    /// Whether its invalidations have nowhere to go.
    pub fn set_redirect_broken(&self, broken: bool) {
        self.redirect_broken.store(broken, Ordering::Relaxed);
    }

    /// So many bytes were taken out to be sent and are not sent yet.
    pub fn set_unsent(&self, bytes: usize) {
        self.unsent.store(bytes, Ordering::Relaxed);
    }

    /// Whether so many bytes that wait for the client are more than `limit` allows.
    pub fn is_over(&self, limit: &OutputLimit, bytes: usize, clock: &dyn Clock) -> bool {
        limit.is_exceeded(bytes as u64, &self.soft_since_ms, clock)
    }
}
