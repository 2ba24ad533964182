//! ROLE, WAIT, WAITAOF: what there is to say of replicas.

use std::sync::atomic::Ordering;

use super::client::{Block, BlockKind};
use super::server::Server;
use super::{Call, Outcome, argument, errors};
use crate::resp::ErrorReply;

/// Writing is refused while fewer replicas keep up than it needs.
pub const NO_REPLICAS: ErrorReply =
    ErrorReply::new("NOREPLICAS Not enough good replicas to write.");

/// Whether there are fewer replicas that keep up than writing needs.
pub fn lacks_replicas(server: &Server, now_ms: u64) -> bool {
    if server.tuning.replicas_to_write_min.load(Ordering::Relaxed) == 0 {
        return false;
    }
    let config = &server.config;
    let (wanted, lag_s) = (config.replicas_to_write_min(), config.replicas_lag_s_max());
    lag_s > 0 && (server.feed.good(now_ms, lag_s * 1000) as u64) < wanted
}

/// ROLE
pub fn role(call: &mut Call<'_>) -> Outcome {
    call.out.array(3);
    call.out.bulk(b"master");
    let feed = &call.server.feed;
    call.out.int(feed.offset() as i64);
    let mut replicas = feed.replicas();
    replicas.retain(|replica| replica.is_online.load(Ordering::Relaxed));
    call.out.array(replicas.len());
    for replica in replicas {
        call.out.array(3);
        call.out.bulk(&replica.host());
        call.out.bulk(replica.port.to_string().as_bytes());
        call.out.bulk(replica.acknowledged.to_string().as_bytes());
    }
    Ok(())
}

/// WAIT numreplicas timeout: until so many replicas have got everything that was said so far.
pub fn wait(call: &mut Call<'_>) -> Outcome {
    let replicas = argument::integer(call.args[1])?;
    let until_ms = argument::deadline_of_millis(call.args[2], call.now_ms)?;
    let feed = &call.server.feed;
    let acknowledged = feed.acknowledged(feed.offset()) as i64;
    if replicas <= acknowledged || call.client.deny_blocking {
        call.out.int(acknowledged);
        return Ok(());
    }
    let lsn = call.keyspace.last_lsn();
    let entry = &call.client.entry;
    let offset = feed.offset();
    feed.wait(call.server, entry, replicas as u64, lsn);
    call.client.block = Some(Block {
        kind: BlockKind::Replicas { offset },
        until_ms,
    });
    Ok(())
}

/// WAITAOF numlocal numreplicas timeout: `numlocal` 1 waits until the log is synced with this connection's writes.
pub fn waitaof(call: &mut Call<'_>) -> Outcome {
    let local = argument::integer_within(call.args[1], 0..=1)?;
    let replicas = argument::not_negative(call.args[2], errors::NOT_POSITIVE)?;
    let until_ms = argument::deadline_of_millis(call.args[3], call.now_ms)?;
    if call.client.deny_blocking {
        let synced = call.keyspace.engine.log().map(|log| log.synced_lsn().0);
        let is_synced = synced.is_none_or(|synced| synced >= call.client.write_lsn);
        call.out.array(2);
        call.out.int(i64::from(is_synced));
        call.out.int(0);
        return Ok(());
    }
    call.client.block = Some(Block {
        kind: BlockKind::Log {
            lsn: call.client.write_lsn,
            local: local as u8,
            replicas,
        },
        until_ms,
    });
    Ok(())
}
