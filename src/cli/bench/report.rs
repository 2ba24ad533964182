//! Results of rounds: medians, ratios, percentiles, as a table, as lines, as JSON.

use std::fmt::Write;

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use super::BenchArgs;
use super::load::{Round, Target, new_histogram};

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Table,
    /// `name=value` pairs, one line a server; names stay as they are.
    Lines,
    Json,
}

const PERCENTILES: [(f64, &str); 5] = [
    (50.0, "p50"),
    (95.0, "p95"),
    (99.0, "p99"),
    (99.9, "p99_9"),
    (99.99, "p99_99"),
];

/// Median, smallest and largest of some figures.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

impl Spread {
    fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.collect();
        assert!(!figures.is_empty(), "a spread of something");
        figures.sort_by(f64::total_cmp);
        let middle = figures.len() / 2;
        let median = if figures.len().is_multiple_of(2) {
            f64::midpoint(figures[middle - 1], figures[middle])
        } else {
            figures[middle]
        };
        Self {
            median,
            min: figures[0],
            max: figures[figures.len() - 1],
        }
    }
}

/// The rounds of one server, or of two in turns.
#[derive(Debug)]
pub struct Report {
    targets: Vec<(Target, Vec<Round>)>,
    setting: Vec<(&'static str, String)>,
}

impl Report {
    pub fn new(targets: &[Target], args: &BenchArgs) -> Self {
        let targets = targets.iter().map(|target| (target.clone(), Vec::new()));
        let setting = vec![
            ("command", args.command.clone()),
            ("clients", args.clients.to_string()),
            ("pipeline", args.pipeline.to_string()),
            (
                "rate",
                args.rate.map_or("any".to_string(), |rate| rate.to_string()),
            ),
            ("threads", args.threads.to_string()),
            ("keyspace", args.keyspace.to_string()),
            ("dist", args.dist.name().to_string()),
            ("value_size", args.value_size.to_string()),
        ];
        Self {
            targets: targets.collect(),
            setting,
        }
    }

    /// Adds a round of the server with that index.
    pub fn add(&mut self, target: usize, round: Round) {
        self.targets[target].1.push(round);
    }

    /// Prints all; every server has had the same number of rounds, at least one.
    pub fn print(&self, format: Format) -> String {
        let servers: Vec<Server<'_>> = self
            .targets
            .iter()
            .map(|(target, rounds)| Server::new(target, rounds))
            .collect();
        match format {
            Format::Table => self.print_table(&servers),
            Format::Lines => self.print_lines(&servers),
            Format::Json => self.print_json(&servers),
        }
    }

    /// First server to second, round by round.
    fn ratio(&self) -> Option<Spread> {
        let [(_, first), (_, second)] = self.targets.as_slice() else {
            return None;
        };
        let pairs = first.iter().zip(second);
        Some(Spread::of(
            pairs.map(|(a, b)| a.per_second() / b.per_second()),
        ))
    }

    fn print_table(&self, servers: &[Server<'_>]) -> String {
        let mut out = String::new();
        let setting: Vec<String> = self
            .setting
            .iter()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        line(&mut out, &setting.join(", "));
        let width = servers
            .iter()
            .map(|s| s.name.len())
            .max()
            .unwrap_or(0)
            .max(6);
        line(
            &mut out,
            &format!(
                "{:width$}  {:>12} {:>12} {:>12}  {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}  {:>7}",
                "server",
                "requests/s",
                "min",
                "max",
                "p50 us",
                "p95",
                "p99",
                "p99.9",
                "p99.99",
                "max",
                "errors"
            ),
        );
        for server in servers {
            let Spread { median, min, max } = server.per_second;
            let name = &server.name;
            let mut row = format!("{name:width$}  {median:>12.0} {min:>12.0} {max:>12.0} ");
            for (_, latency) in server.latencies() {
                row.push_str(&format!(" {latency:>9}"));
            }
            line(&mut out, &format!("{row}  {:>7}", server.errors));
        }
        if let Some(Spread { median, min, max }) = self.ratio() {
            let rounds = servers[0].rounds;
            let text = format!("ratio {median:.3} (min {min:.3}, max {max:.3}, {rounds} rounds)");
            line(&mut out, &text);
        }
        for server in servers {
            if let Some(error) = &server.first_error {
                line(&mut out, &format!("{}: first error: {error}", server.name));
            }
        }
        out
    }

    fn print_lines(&self, servers: &[Server<'_>]) -> String {
        let mut out = String::new();
        for server in servers {
            let Spread { median, min, max } = server.per_second;
            let mut row = format!(
                "server={} rounds={} requests={} errors={} per_second_median={median:.1} \
                 per_second_min={min:.1} per_second_max={max:.1}",
                server.name, server.rounds, server.requests, server.errors
            );
            for (name, latency) in server.latencies() {
                row.push_str(&format!(" {name}_us={latency}"));
            }
            line(&mut out, &row);
        }
        if let Some(Spread { median, min, max }) = self.ratio() {
            let text = format!("ratio median={median:.4} min={min:.4} max={max:.4}");
            line(&mut out, &text);
        }
        out
    }

    fn print_json(&self, servers: &[Server<'_>]) -> String {
        let setting = self.setting.iter();
        let setting: Map<String, Value> = setting
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let servers: Vec<Value> = servers.iter().map(Server::json).collect();
        let ratio = self.ratio().map(json_spread);
        let report = json!({"setting": setting, "servers": servers, "ratio": ratio});
        format!("{report}\n")
    }
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("a string takes it");
}

/// What the rounds of one server come to.
struct Server<'a> {
    name: String,
    rounds: usize,
    all: &'a [Round],
    requests: u64,
    errors: u64,
    first_error: Option<String>,
    per_second: Spread,
    latency_us: Histogram<u64>,
}

impl<'a> Server<'a> {
    fn new(target: &Target, rounds: &'a [Round]) -> Self {
        let mut latency_us = new_histogram();
        for round in rounds {
            latency_us += &round.latency_us;
        }
        Self {
            name: target.to_string(),
            rounds: rounds.len(),
            all: rounds,
            requests: rounds.iter().map(|round| round.requests).sum(),
            errors: rounds.iter().map(|round| round.errors).sum(),
            first_error: rounds.iter().find_map(|round| round.first_error.clone()),
            per_second: Spread::of(rounds.iter().map(Round::per_second)),
            latency_us,
        }
    }

    /// Names and microseconds of the percentiles and of the slowest.
    fn latencies(&self) -> Vec<(&'static str, u64)> {
        let at = |percentile| self.latency_us.value_at_percentile(percentile);
        PERCENTILES
            .iter()
            .map(|(percentile, name)| (*name, at(*percentile)))
            .chain([("max", self.latency_us.max())])
            .collect()
    }

    fn json(&self) -> Value {
        let latencies = self.latencies().into_iter();
        let latencies: Map<String, Value> = latencies
            .map(|(name, latency)| (name.to_owned(), json!(latency)))
            .collect();
        let rounds = self.all.iter();
        let rounds: Vec<f64> = rounds.map(|round| rounded(round.per_second())).collect();
        json!({
            "server": self.name,
            "requests": self.requests,
            "errors": self.errors,
            "first_error": self.first_error,
            "per_second": json_spread(self.per_second),
            "per_second_rounds": rounds,
            "latency_us": latencies,
        })
    }
}

fn json_spread(spread: Spread) -> Value {
    let Spread { median, min, max } = spread;
    json!({"median": rounded(median), "min": rounded(min), "max": rounded(max)})
}

/// With four digits behind the point.
fn rounded(figure: f64) -> f64 {
    (figure * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_have_the_middle_and_the_ends() {
        let spread = |figures: &[f64]| Spread::of(figures.iter().copied());
        let expect = |median, min, max| Spread { median, min, max };
        assert_eq!(spread(&[3.0]), expect(3.0, 3.0, 3.0));
        assert_eq!(spread(&[9.0, 1.0, 2.0]), expect(2.0, 1.0, 9.0));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 9.0]), expect(3.0, 1.0, 9.0));
    }
}
