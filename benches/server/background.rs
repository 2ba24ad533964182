//! What is felt of the work in the background.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use redkeep::vfs::CUT_BYTES_MAX;

use crate::server::{Client, Server};
use crate::{Options, say};

/// A work in the background: its name, how it is begun, and the fields of INFO that say that it goes on.
struct Job {
    name: &'static str,
    /// Gets the number of the run.
    begin: fn(&mut Client, u64) -> String,
    section: &'static str,
    running: &'static str,
    /// Redis has no like.
    is_own: bool,
}

/// The file of a backup, in the folder of the server.
fn copy(run: u64) -> String {
    format!("copy-{run}.keep")
}

const JOBS: [Job; 3] = [
    Job {
        name: "bgsave",
        begin: |client, _| client.text(&["BGSAVE"]),
        section: "persistence",
        running: "rdb_bgsave_in_progress",
        is_own: false,
    },
    Job {
        name: "bgrewriteaof",
        begin: |client, _| client.text(&["BGREWRITEAOF"]),
        section: "persistence",
        running: "aof_rewrite_in_progress",
        is_own: false,
    },
    Job {
        name: "backup",
        begin: |client, run| client.text(&["BACKUP", &copy(run)]),
        section: "storage",
        running: "backup_in_progress",
        is_own: true,
    },
];

/// How many times as long as a load the most that a server can do is measured.
const LASTING: f64 = 3.0;

pub fn measure(options: &Options) {
    let folders = [options.folder(), options.folder()];
    // As large as the data: so it is full before anything is measured, and what comes on top of it is seen.
    let cache = format!("{}mb", (options.gigabytes * 1024.0).max(64.0) as u64);
    let servers = [
        (
            "redkeep",
            Server::redkeep(folders[0].path(), &["--cache-size", &cache]),
        ),
        ("redis", Server::redis(folders[1].path())),
    ];
    let keys = options.keys().to_string();
    let seconds = options.seconds.to_string();
    let mut rates = Vec::new();
    for (name, server) in &servers {
        eprintln!("background: filling {keys} keys into {name}");
        server.fill(options.keys());
        let mut most = 0.0;
        // What lasts is what goes on behind the checkpoints of what came before.
        let lasting = (options.seconds * LASTING).to_string();
        for warm_up in [&seconds, &lasting] {
            let load = server.bench(&["--keyspace", &keys, "--duration", warm_up]);
            most = load["per_second"]["median"].as_f64().expect("a rate");
        }
        say(
            &format!("background_{name}_set_per_s"),
            format!("{most:.0}"),
        );
        rates.push((most / 2.0).max(1.0).to_string());
    }
    for (_, server) in &servers {
        come_to_rest(server);
    }
    for ((name, server), rate) in servers.iter().zip(&rates) {
        let load = ["--keyspace", &keys, "--duration", &seconds, "--rate", rate];
        let jobs: Vec<&Job> = JOBS
            .iter()
            .filter(|job| !job.is_own || *name == "redkeep")
            .collect();
        let mut quiet = Vec::new();
        let mut felt: Vec<Vec<Felt>> = jobs.iter().map(|_| Vec::new()).collect();
        // In turn, so that what the machine does meanwhile meets all of them.
        for round in 1..=options.rounds {
            eprintln!("background: {name}, round {round} of {}", options.rounds);
            let load_felt = under_load(server, &load, |_| {});
            load_felt.tell("quiet");
            quiet.push(load_felt);
            for (job, felt) in jobs.iter().zip(&mut felt) {
                let load_felt = beside(job, server, &load, folders[0].path());
                load_felt.tell(job.name);
                felt.push(load_felt);
                come_to_rest(server);
            }
        }
        let quiet = Felt::median(&quiet);
        quiet.say(&format!("background_{name}_quiet"));
        for (job, felt) in jobs.iter().zip(&felt) {
            let felt = Felt::median(felt);
            let name = format!("background_{name}_{}", job.name);
            felt.say(&name);
            let ratio = felt.p99_9_us / quiet.p99_9_us;
            say(&format!("{name}_p99_9_ratio"), format!("{ratio:.2}"));
            let more = felt.peak_mib - quiet.peak_mib;
            say(&format!("{name}_more_mib"), format!("{more:.1}"));
        }
    }
}

/// Runs a load while a server does its work over and over. `folder` is where the server has its files.
fn beside(job: &Job, server: &Server, load: &[&str], folder: &Path) -> Felt {
    let runs = AtomicU64::new(0);
    let mut felt = under_load(server, load, |is_over| {
        while !is_over.load(Ordering::Relaxed) {
            let mut client = server.connect();
            let run = runs.fetch_add(1, Ordering::Relaxed);
            let reply = (job.begin)(&mut client, run);
            assert!(reply.starts_with('+'), "{}: {reply}", job.name);
            client.await_info(job.section, job.running, "0");
        }
    });
    felt.runs = runs.into_inner();
    if job.is_own {
        for run in 0..felt.runs {
            take_apart(&folder.join(copy(run)));
        }
    }
    felt
}

/// Removes a file by pieces: a file system that tells the disk of freed space still does so when the next load has begun.
fn take_apart(path: &Path) {
    let file = std::fs::OpenOptions::new().write(true).open(path);
    let file = file.expect("the backup is there");
    let mut len = file.metadata().expect("its length").len();
    while len > 0 {
        len = len.saturating_sub(CUT_BYTES_MAX);
        file.set_len(len).expect("it is cut");
        thread::sleep(Duration::from_millis(20));
    }
    std::fs::remove_file(path).expect("it has its name");
}

/// Waits for what a server does by itself in the background, and until the disk has all that was written: a load that
/// is measured next should not pay for the one before, or for what the other server does with what it was filled with.
fn come_to_rest(server: &Server) {
    for job in JOBS.iter().filter(|job| !job.is_own) {
        server.connect().await_info(job.section, job.running, "0");
    }
    rustix::fs::sync();
}

/// What a load came to.
#[derive(Clone)]
struct Felt {
    p50_us: f64,
    p99_us: f64,
    p99_9_us: f64,
    max_us: f64,
    /// The most memory that was seen, of the server and of its children.
    peak_mib: f64,
    /// Times that the work was begun.
    runs: u64,
    /// Time in which the host of a virtual machine ran others although this one had work, over all processors.
    stolen_ms: u64,
}

impl Felt {
    /// For who waits: what one load of several came to.
    fn tell(&self, what: &str) {
        let (p99_9_ms, stolen_ms) = (self.p99_9_us / 1000.0, self.stolen_ms);
        eprintln!("  {what}: 99.9th percentile {p99_9_ms:.1} ms, {stolen_ms} ms stolen");
    }

    fn say(&self, name: &str) {
        say(&format!("{name}_p50_us"), self.p50_us);
        say(&format!("{name}_p99_us"), self.p99_us);
        say(&format!("{name}_p99_9_us"), self.p99_9_us);
        say(&format!("{name}_max_us"), self.max_us);
        say(&format!("{name}_peak_mib"), format!("{:.1}", self.peak_mib));
        say(&format!("{name}_runs"), self.runs);
        say(&format!("{name}_stolen_ms"), self.stolen_ms);
    }

    /// The load whose 99.9th percentile is the median of all, with the most memory of any.
    fn median(all: &[Felt]) -> Felt {
        let mut all = all.to_vec();
        all.sort_by(|a, b| a.p99_9_us.total_cmp(&b.p99_9_us));
        let peaks = all.iter().map(|felt| felt.peak_mib);
        let peak_mib = peaks.fold(0.0, f64::max);
        Felt {
            peak_mib,
            ..all.swap_remove(all.len() / 2)
        }
    }
}

/// Runs a load, and beside it some work that goes on until it is told that the load is over.
fn under_load(server: &Server, load: &[&str], work: impl Fn(&AtomicBool) + Sync) -> Felt {
    let is_over = AtomicBool::new(false);
    let stolen_before_ms = stolen_ms();
    let mut peak_mib = server.proportional_mib();
    let report = thread::scope(|scope| {
        let load = scope.spawn(|| {
            let report = server.bench(load);
            is_over.store(true, Ordering::Relaxed);
            report
        });
        let work = scope.spawn(|| work(&is_over));
        while !load.is_finished() {
            thread::sleep(Duration::from_millis(500));
            peak_mib = peak_mib.max(server.proportional_mib());
        }
        work.join().expect("the work succeeds");
        load.join().expect("the load succeeds")
    });
    let us = |name: &str| report["latency_us"][name].as_f64().expect("a latency");
    Felt {
        p50_us: us("p50"),
        p99_us: us("p99"),
        p99_9_us: us("p99_9"),
        max_us: us("max"),
        peak_mib,
        runs: 0,
        stolen_ms: stolen_ms() - stolen_before_ms,
    }
}

/// See [`Felt::stolen_ms`], since the system's start; 0 where it does not say.
fn stolen_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let all = stat.lines().next().unwrap_or_default();
    // Behind the name user, nice, system, idle, iowait, irq and softirq come first, in hundredths of a second.
    let stolen = all.split_whitespace().nth(8);
    stolen.and_then(|n| n.parse().ok()).unwrap_or(0u64) * 10
}
