//! A new database that begins with what an append-only file beside it holds.

use std::fs::File;
use std::io::BufReader;

use super::append_only::{Alone, AppendOnly, Manner};
use super::seed::{self, SeedError};
use crate::command::server::Server;
use crate::config::Key;
use crate::interchange::aof::note::{self, Note};
use crate::interchange::aof::{Commands, Item, Manifest};
use crate::keyspace::Keyspace;
use crate::server::appender::Place;

/// Whose append-only file it is, as its increments say; None: they do not.
pub fn owner(place: &Place, manifest: &Manifest) -> Option<String> {
    let last = manifest.increments.last()?;
    let file = File::open(place.dir.join(&last.name)).ok()?;
    let mut source = BufReader::new(file);
    let mut commands = Commands::new(&mut source, 0);
    let Ok(Some(Item::Note(note))) = commands.next_item() else {
        return None;
    };
    match note::read(&note) {
        Note::Place { identity, .. } => Some(identity.to_owned()),
        _ => None,
    }
}

/// Fills an empty keyspace from an append-only file.
pub fn seed(keyspace: &mut Keyspace, server: &Server, file: &AppendOnly) -> Result<(), SeedError> {
    keyspace.begin_seeding().map_err(SeedError::Storage)?;
    let manner = Manner {
        until_ms: None,
        takes_torn: server.config.is_on(Key::AofLoadTruncated),
    };
    let played = file.play(server, &mut Alone(keyspace), manner, &mut |_, _| {})?;
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
