//! MEMORY: DOCTOR, MALLOC-STATS, PURGE, STATS, HELP. MEMORY USAGE stands with OBJECT.

use super::info::{ALLOCATOR, clients_bytes};
use super::{Call, Outcome, help};
use crate::resp::ErrorReply;

/// MEMORY HELP
pub fn help(call: &mut Call<'_>) -> Outcome {
    help::write(call, help::MEMORY)
}

/// MEMORY PURGE
pub fn purge(call: &mut Call<'_>) -> Outcome {
    const NOT_POSSIBLE: ErrorReply = ErrorReply::new("ERR Error purging dirty pages");
    if !call.server.machine.give_memory_back() {
        return Err(NOT_POSSIBLE.into());
    }
    call.out.ok();
    Ok(())
}

/// MEMORY MALLOC-STATS
pub fn malloc_stats(call: &mut Call<'_>) -> Outcome {
    call.out
        .bulk(b"Stats not supported for the current allocator");
    Ok(())
}

/// The bound of the cache and what is in it, in bytes.
fn cache_bytes(call: &Call<'_>) -> (u64, u64) {
    let pager = call.keyspace.engine.pager();
    let (frames, frames_max) = pager.frames();
    let page_bytes = pager.page_bytes() as u64;
    (frames as u64 * page_bytes, frames_max as u64 * page_bytes)
}

/// Bytes of the file that hold data.
fn data_bytes(call: &Call<'_>) -> u64 {
    let pager = call.keyspace.engine.pager();
    let space = pager.space();
    (space.pages() - space.free_pages()) * pager.page_bytes() as u64
}

fn keys(call: &mut Call<'_>) -> Result<u64, crate::storage::Error> {
    let mut keys = 0;
    for db in call.keyspace.databases_with_keys() {
        keys += call.keyspace.len(db)?;
    }
    Ok(keys)
}

/// MEMORY STATS: what is measured. The data is in the file, and only the cache of it in memory.
pub fn stats(call: &mut Call<'_>) -> Outcome {
    let keys = keys(call)?;
    let memory = call.server.machine.memory();
    let peak = memory.resident_max.max(memory.resident);
    let data = data_bytes(call);
    let unwritten = call
        .keyspace
        .engine
        .log()
        .map_or(0, |log| log.unwritten_bytes());
    let (cache, cache_max) = cache_bytes(call);
    let fields = [
        ("peak.allocated", peak),
        ("total.allocated", memory.resident),
        ("replication.backlog", 0),
        ("clients.slaves", 0),
        ("clients.normal", clients_bytes(call)),
        ("cluster.links", 0),
        ("aof.buffer", unwritten),
        ("lua.caches", 0),
        ("functions.caches", 0),
        ("cache.bytes", cache),
        ("cache.bytes-max", cache_max),
        ("keys.count", keys),
        ("keys.bytes-per-key", data.checked_div(keys).unwrap_or(0)),
        ("dataset.bytes", data),
    ];
    let out = &mut *call.out;
    out.map(fields.len() + 1);
    for (name, value) in fields {
        out.bulk(name.as_bytes());
        out.int(value as i64);
    }
    out.bulk(b"peak.percentage");
    let percent = 100.0 * memory.resident as f64 / peak.max(1) as f64;
    out.double(&percent.to_string());
    Ok(())
}

/// MEMORY DOCTOR
pub fn doctor(call: &mut Call<'_>) -> Outcome {
    /// A cache that is fuller than this, in percent, is full.
    const FULL_PERCENT: u64 = 95;
    /// One miss in this many hits is no trouble.
    const HITS_A_MISS: u64 = 100;
    let memory = call.server.machine.memory();
    let (cache, cache_max) = cache_bytes(call);
    let counts = call.keyspace.engine.pager().stats();
    let is_full = cache * 100 >= cache_max * FULL_PERCENT;
    let mut report = format!(
        "The process has {} bytes of memory, {cache} of them for the cache, which may take {cache_max} bytes. \
         The data is in the file and takes {} bytes there. The allocator is {ALLOCATOR}.\n",
        memory.resident,
        data_bytes(call)
    );
    report.push_str(if !is_full {
        "The cache is not full: all that is used is in memory.\n"
    } else if counts.misses * HITS_A_MISS <= counts.hits {
        "The cache is full, and nearly all pages that are used are in it.\n"
    } else {
        "The cache is full, and many pages are read from the file: a larger `cache-size` would help.\n"
    });
    call.out.verbatim("txt", report.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;

    #[test]
    fn stats_name_what_is_measured() {
        let mut bench = Bench::new();
        bench.run(&[b"SET", b"a", b"1"]);
        let reply = String::from_utf8(bench.run(&[b"MEMORY", b"STATS"])).expect("text");
        assert!(reply.starts_with("*30\r\n"), "{reply}");
        assert!(reply.contains("$10\r\nkeys.count\r\n:1\r\n"), "{reply}");
        let doctor = String::from_utf8(bench.run(&[b"MEMORY", b"DOCTOR"])).expect("text");
        assert!(doctor.contains("not full"), "{doctor}");
    }
}
