//! The threads that a server has once its file is open.

use std::io;
use std::sync::Arc;

use super::Shared;
use super::appender::{Appender, Before};
use super::archiver::Archiver;
use super::backups::Backups;
use super::checkpointer::Checkpointer;
use super::log_keeper::{LogKeeper, SyncThread};
use super::saver::Saver;
use crate::config::Key;
use crate::vfs::Vfs;

/// All of them, running.
pub struct Threads {
    sync: SyncThread,
    checkpoints: Checkpointer,
    archive: Archiver,
    saves: Saver,
    backups: Backups,
    appends: Appender,
}

impl Threads {
    /// Starts those beside `sync`, which runs; `before` is what stands in the place of the append-only file.
    pub fn start(
        shared: &Arc<Shared>,
        keeper: Arc<LogKeeper>,
        sync: SyncThread,
        vfs: &Arc<dyn Vfs>,
        before: Before,
    ) -> io::Result<Self> {
        let server = &shared.server;
        let (share, vfs) = (|| Arc::clone(shared), || Arc::clone(vfs));
        let checkpoints = Checkpointer::start(share(), Arc::clone(&keeper))?;
        let archive = Archiver::start(share(), keeper, vfs())?;
        server.saves.begin(server.clock.wall_ms());
        let saves = Saver::start(share(), vfs())?;
        let backups = Backups::start(share(), vfs())?;
        server
            .append_only
            .want(server.config.is_on(Key::Appendonly));
        let appends = Appender::start(share(), vfs(), before)?;
        Ok(Self {
            sync,
            checkpoints,
            archive,
            saves,
            backups,
            appends,
        })
    }

    /// Ends them, those that write the data elsewhere first and the log's last.
    pub fn stop(self) {
        self.saves.stop();
        self.backups.stop();
        self.appends.stop();
        self.checkpoints.stop();
        self.archive.stop();
        self.sync.stop();
    }
}
