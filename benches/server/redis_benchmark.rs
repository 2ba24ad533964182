//! `redis-benchmark`, which must be on the PATH: the program that users of Redis measure with.

use std::net::SocketAddr;
use std::process::Command;

/// Clients, as its own default.
const CLIENTS: &str = "50";
/// Commands that each client sends at once.
const PIPELINE: &str = "16";

/// Requests a second of [`CLIENTS`] clients in pipelines of [`PIPELINE`]. `what` is `-t` and a name of its own list, or a
/// command, in which `__rand_int__` stands for twelve digits.
pub fn per_s(address: SocketAddr, requests: u64, keyspace: u64, what: &[&str]) -> f64 {
    let out = Command::new("redis-benchmark")
        .args(["-p", &address.port().to_string()])
        .args(["-c", CLIENTS, "-P", PIPELINE, "--csv"])
        .args(["-n", &requests.to_string(), "-r", &keyspace.to_string()])
        .args(what)
        .output()
        .expect("redis-benchmark is on the PATH");
    let text = String::from_utf8_lossy(&out.stdout);
    // Names of columns, then a line of a name and figures in quotes; the name may have spaces, but no quotes.
    let line = text
        .lines()
        .rfind(|line| line.starts_with('"') && !line.contains("\"rps\""));
    let rate = line.and_then(|line| line.split("\",\"").nth(1));
    let rate = rate.and_then(|rate| rate.parse().ok());
    rate.unwrap_or_else(|| panic!("it prints a rate, not {text}"))
}
