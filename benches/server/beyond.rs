//! How fast data is that is much larger than the cache, while the kernel has the file in its memory.

use crate::server::Server;
use crate::{Options, median, say};

const CACHE: &str = "64mb";
/// Clients and length of pipelines.
const LOADS: [(&str, &str); 3] = [("50", "1"), ("1", "16"), ("50", "16")];
const ROUNDS: usize = 3;

pub fn measure(options: &Options) {
    let folders = [options.folder(), options.folder()];
    let redkeep = Server::redkeep(folders[0].path(), &["--cache-size", CACHE]);
    let redis = Server::redis(folders[1].path());
    for server in [&redkeep, &redis] {
        eprintln!("beyond: filling {} keys", options.keys());
        server.fill(options.keys());
    }
    redkeep.connect().ask(&["CHECKPOINT"]);
    for command in ["get", "set"] {
        for (clients, pipeline) in LOADS {
            let mut rates = [Vec::new(), Vec::new()];
            for round in 1..=ROUNDS {
                eprintln!(
                    "beyond: {command}, {clients} clients, pipeline {pipeline}, round {round}"
                );
                for (server, rates) in [&redkeep, &redis].into_iter().zip(&mut rates) {
                    rates.push(per_s(server, options.keys(), command, clients, pipeline));
                }
            }
            let [own, redis] = rates.map(median);
            let name = format!("beyond_{command}_{clients}x{pipeline}");
            say(&format!("{name}_per_s"), format!("{own:.0}"));
            say(&format!("{name}_to_redis"), format!("{:.2}", own / redis));
        }
    }
}

fn per_s(server: &Server, keys: u64, command: &str, clients: &str, pipeline: &str) -> f64 {
    let report = server.bench(&[
        "--keyspace",
        &keys.to_string(),
        "--command",
        command,
        "--clients",
        clients,
        "--pipeline",
        pipeline,
    ]);
    report["per_second"]["median"]
        .as_f64()
        .expect("the report has a rate")
}
