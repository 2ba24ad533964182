//! A new database that begins with what an append-only file beside it holds.

use super::append_only::{Alone, AppendOnly, Manner};
use super::seed::{self, SeedError};
use crate::command::server::Server;
use crate::config::Key;
use crate::keyspace::Keyspace;
use crate::vfs::Vfs;

/// Fills an empty keyspace from an append-only file.
pub fn seed(
    vfs: &dyn Vfs,
    keyspace: &mut Keyspace,
    server: &Server,
    file: &AppendOnly,
) -> Result<(), SeedError> {
    keyspace.begin_seeding().map_err(SeedError::Storage)?;
    let manner = Manner {
        until_ms: None,
        takes_torn: server.config.is_on(Key::AofLoadTruncated),
    };
    let played = file.play(vfs, server, &mut Alone(keyspace), manner, &mut |_, _| {})?;
    for part in &file.parts {
        tracing::info!("Read {}", part.display());
    }
    tracing::info!("{} commands were carried out", played.commands);
    seed::report("its base", &played.summary);
    if played.refused > 0 {
        tracing::warn!("{} commands were answered with an error", played.refused);
    }
    if let Some(torn) = &played.torn {
        tracing::warn!(
            "{} ends {} at offset {}: the last {} bytes are left out",
            torn.path.display(),
            torn.tail,
            torn.at,
            torn.len
        );
    }
    keyspace.end_seeding().map_err(SeedError::Storage)
}
