//! A new database that begins with what an append-only file beside it holds.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::path::Path;

use super::seed::{self, SeedError};
use crate::command::replay::Player;
use crate::command::server::Server;
use crate::config::Key;
use crate::interchange::aof::{AofError, Commands, Item, Manifest};
use crate::keyspace::Keyspace;
use crate::server::appender::{NOTE, Place};

/// Bytes read together.
const BUFFER_BYTES: usize = 1 << 20;

/// Whose append-only file it is, as its increments say; None: they do not.
pub fn owner(place: &Place, manifest: &Manifest) -> Option<String> {
    let last = manifest.increments.last()?;
    let file = File::open(place.dir.join(&last.name)).ok()?;
    let mut source = BufReader::new(file);
    let mut commands = Commands::new(&mut source, 0);
    let Ok(Some(Item::Note(note))) = commands.next_item() else {
        return None;
    };
    let text = String::from_utf8(note).ok()?;
    let rest = text.strip_prefix(NOTE)?;
    rest.split(' ').next().map(str::to_owned)
}

/// Fills an empty keyspace from all parts.
pub fn seed_parts(
    keyspace: &mut Keyspace,
    server: &Server,
    place: &Place,
    manifest: &Manifest,
) -> Result<(), SeedError> {
    let parts: Vec<_> = manifest.base.iter().chain(&manifest.increments).collect();
    begin(keyspace)?;
    for (at, part) in parts.iter().enumerate() {
        let is_last = at + 1 == parts.len();
        seed_file(keyspace, server, &place.dir.join(&part.name), is_last)?;
    }
    end(keyspace)
}

/// Fills an empty keyspace from a file of the time when it was one.
pub fn seed_single(keyspace: &mut Keyspace, server: &Server, path: &Path) -> Result<(), SeedError> {
    begin(keyspace)?;
    seed_file(keyspace, server, path, true)?;
    end(keyspace)
}

fn begin(keyspace: &mut Keyspace) -> Result<(), SeedError> {
    keyspace.begin_seeding().map_err(SeedError::Storage)
}

fn end(keyspace: &mut Keyspace) -> Result<(), SeedError> {
    keyspace.end_seeding().map_err(SeedError::Storage)
}

fn seed_file(
    keyspace: &mut Keyspace,
    server: &Server,
    path: &Path,
    is_last: bool,
) -> Result<(), SeedError> {
    let shown = path.display().to_string();
    let open = |source| SeedError::Open {
        path: shown.clone(),
        source,
    };
    let mut file = File::open(path).map_err(open)?;
    let len = file.metadata().map_err(open)?.len();
    let mut source = BufReader::with_capacity(BUFFER_BYTES, &file);
    let has_base = source.fill_buf().map_err(open)?.starts_with(b"REDIS");
    let mut at = 0;
    if has_base {
        at = seed::put_all(keyspace, server, &shown, &mut source, len)?;
        let so_far = at;
        file.seek(std::io::SeekFrom::Start(so_far)).map_err(open)?;
        source = BufReader::with_capacity(BUFFER_BYTES, &file);
    }
    let mut commands = Commands::new(&mut source, at);
    play(keyspace, server, &shown, &mut commands, is_last)
}

fn play(
    keyspace: &mut Keyspace,
    server: &Server,
    shown: &str,
    commands: &mut Commands<'_>,
    is_last: bool,
) -> Result<(), SeedError> {
    let mut player = Player::new(server);
    let (mut whole, mut count) = (commands.at(), 0u64);
    let torn = loop {
        let begin = commands.at();
        match commands.next_item() {
            Ok(Some(Item::Note(_))) => {}
            Ok(Some(Item::Command(words))) => {
                let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
                let now_ms = server.clock.wall_ms();
                player
                    .play(keyspace, &words, now_ms)
                    .map_err(|source| SeedError::Replay {
                        path: shown.to_owned(),
                        at: begin,
                        source,
                    })?;
                count += 1;
            }
            Ok(None) if player.is_in_transaction() => break Some(AofError::Torn { at: whole }),
            Ok(None) => break None,
            Err(AofError::Torn { .. }) => break Some(AofError::Torn { at: whole }),
            Err(error) => break Some(error),
        }
        if !player.is_in_transaction() {
            whole = commands.at();
        }
    };
    tracing::info!("Read {shown}: {count} commands");
    if player.refused > 0 {
        let refused = player.refused;
        tracing::warn!("{refused} commands of {shown} were answered with an error");
    }
    match torn {
        None => Ok(()),
        Some(AofError::Torn { at }) if is_last && server.config.is_on(Key::AofLoadTruncated) => {
            tracing::warn!(
                "{shown} ends at offset {at} in the middle of a command or transaction, which is left out"
            );
            Ok(())
        }
        Some(source) => Err(SeedError::Append {
            path: shown.to_owned(),
            source,
        }),
    }
}
