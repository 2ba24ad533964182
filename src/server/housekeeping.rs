//! What a server does `hz` times a second under the engine lock: the cache gets the size that it is to have, keys are given up to
//! make room, due keys go, replicas hear that their master is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::command::accounting;
use crate::command::client_eviction;
use crate::command::effects;
use crate::command::eviction;
use crate::command::push::Sender;
use crate::command::server::Server;
use crate::command::settings;
use crate::keyspace::Keyspace;
use crate::storage::OnMiss;

/// Due keys removed in one turn.
const EXPIRED_A_TURN: usize = 200;

/// What the background thread does.
pub struct Housekeeping {
    server: Arc<Server>,
    /// What the cache is to have, in bytes.
    cache_bytes: Arc<AtomicU64>,
    cache_bytes_now: u64,
}

impl Housekeeping {
    /// `cache_bytes` is what the cache begins with.
    pub fn new(server: Arc<Server>, cache_bytes: u64) -> Self {
        Self {
            server,
            cache_bytes: Arc::new(AtomicU64::new(cache_bytes)),
            cache_bytes_now: cache_bytes,
        }
    }

    /// Where the size of the cache is asked for, in bytes; the next turn carries it out.
    pub fn cache_bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.cache_bytes)
    }

    fn resize_cache(&mut self, keyspace: &mut Keyspace) {
        let wanted = self.cache_bytes.load(Ordering::Relaxed);
        if wanted != self.cache_bytes_now {
            keyspace.engine.pager_mut().set_cache_bytes(wanted);
            self.cache_bytes_now = wanted;
        }
    }

    /// Removes keys that are due.
    fn expire(&self, keyspace: &mut Keyspace, now_ms: u64) {
        let begun_us = self.server.clock.mono_us();
        keyspace.engine.begin_command(OnMiss::Read);
        keyspace.engine.set_urgent(true);
        if let Err(e) = keyspace.expire_due(now_ms, EXPIRED_A_TURN) {
            tracing::debug!("due keys were not removed: {e}");
        }
        keyspace.engine.set_urgent(false);
        let took_us = self.server.clock.mono_us().saturating_sub(begun_us);
        accounting::sample_event(&self.server, "expire-cycle", took_us, now_ms * 1000);
    }

    /// Tells replicas and tracking connections.
    fn tell(&self, keyspace: &mut Keyspace, now_ms: u64) {
        effects::distribute(keyspace, &self.server, None, now_ms);
        let last_lsn = keyspace.last_lsn();
        self.server.feed.ping(&self.server, now_ms, last_lsn);
        let mut sender = Sender::new(&self.server, last_lsn, None);
        sender.make_room();
        sender.broadcast();
    }
}

impl Housekeeping {
    /// One turn, a short one; `now_ms` is the wall time in milliseconds.
    pub fn run(&mut self, keyspace: &mut Keyspace, now_ms: u64) {
        if self.server.loading.is_on() {
            return;
        }
        self.resize_cache(keyspace);
        client_eviction::make_room(&self.server);
        keyspace.access.fading = settings::fading(&self.server);
        self.server.eviction.peak(keyspace.used_bytes());
        if self.server.pause.holds(true, now_ms).is_some() {
            return;
        }
        eviction::make_room_in_background(keyspace, &self.server, now_ms);
        effects::listen(keyspace, &self.server, now_ms);
        if self.server.switches.active_expire.load(Ordering::Relaxed) {
            self.expire(keyspace, now_ms);
        }
        self.tell(keyspace, now_ms);
    }
}
