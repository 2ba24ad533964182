//! What INFO says as numbers, as text that Prometheus reads (version 0.0.4 of the format).
//!
//! The figures are read out of INFO's own text, so that the two never say different things.

mod rows;

use std::fmt::{Display, Write};

use super::client::Client;
use super::server::Server;
use super::{Call, info};
use crate::keyspace::Keyspace;
use crate::resp::Reply;
use crate::storage::Error;
use rows::{ROWS, Row, row};

/// What stands before every name.
const PREFIX: &str = "redkeep_";

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Gauge,
    Counter,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
        }
    }
}

/// Fields that stand once for each thing of a kind: `prefix<thing>:part=value,..`.
struct Family {
    prefix: &'static str,
    label: &'static str,
    parts: &'static [Row],
}

#[rustfmt::skip]
const FAMILIES: &[Family] = &[
    Family { prefix: "cmdstat_", label: "command", parts: &[
        row("calls", "command_calls_total", Kind::Counter, 1.0, "Calls of a command."),
        row("usec", "command_duration_seconds_total", Kind::Counter, 1e6, "Time that calls of a command took."),
        row("rejected_calls", "command_rejected_calls_total", Kind::Counter, 1.0, "Calls of a command that were refused before they began."),
        row("failed_calls", "command_failed_calls_total", Kind::Counter, 1.0, "Calls of a command that were answered with an error."),
    ]},
    Family { prefix: "errorstat_", label: "error", parts: &[
        row("count", "errors_total", Kind::Counter, 1.0, "Errors answered, by their first word."),
    ]},
    Family { prefix: "db", label: "db", parts: &[
        row("keys", "db_keys", Kind::Gauge, 1.0, "Keys of a database."),
        row("expires", "db_expiring_keys", Kind::Gauge, 1.0, "Keys of a database that expire."),
        row("avg_ttl", "db_mean_ttl_seconds", Kind::Gauge, 1e3, "Mean time to live of a sample of those that expire."),
        row("subexpiry", "db_expiring_hashes", Kind::Gauge, 1.0, "Hashes of a database whose fields expire."),
    ]},
    Family { prefix: "slave", label: "replica", parts: &[
        row("offset", "replica_offset_bytes", Kind::Gauge, 1.0, "Bytes of the stream that a replica has acknowledged."),
        row("lag", "replica_lag_seconds", Kind::Gauge, 1.0, "Time since a replica acknowledged anything."),
    ]},
    Family { prefix: "grown_", label: "type", parts: &[
        row("", "collections_grown_total", Kind::Counter, 1.0, "Collections that outgrew the cell of their key."),
    ]},
    Family { prefix: "shrunk_", label: "type", parts: &[
        row("", "collections_shrunk_total", Kind::Counter, 1.0, "Collections that fit into the cell of their key again."),
    ]},
];

const LATENCIES: &str = "latency_percentiles_usec_";

/// The metrics, at a wall time in milliseconds. `Error::Miss`: a page must be read first.
pub fn text(keyspace: &mut Keyspace, server: &Server, now_ms: u64) -> Result<String, Error> {
    let mut client = Client::default();
    let mut out = Reply::default();
    let info = info::everything(&mut Call {
        args: &[],
        keyspace,
        client: &mut client,
        server,
        out: &mut out,
        now_ms,
    })?;
    Ok(of_info(&info))
}

/// A text in the format.
#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let text = &mut self.0;
        write!(
            text,
            "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}\n"
        )
        .expect("memory takes all");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        writeln!(self.0, "{PREFIX}{name}{labels} {value}").expect("memory takes all");
    }
}

fn of_info(info: &str) -> String {
    let lines = info.split("\r\n").filter_map(|line| line.split_once(':'));
    let fields: Vec<(&str, &str)> = lines.collect();
    let mut page = Page::default();
    build(&mut page, &fields);
    for row in ROWS {
        let found = fields.iter().find(|(name, _)| *name == row.field);
        if let Some(value) = found.and_then(|(_, value)| number(row, value)) {
            page.head(row.name, row.kind.name(), row.help);
            page.sample(row.name, "", value);
        }
    }
    for family in FAMILIES {
        family.write(&mut page, &fields);
    }
    latencies(&mut page, &fields);
    page.0
}

/// The versions, as labels of a constant.
fn build(page: &mut Page, fields: &[(&str, &str)]) {
    let value = |wanted: &str| {
        let found = fields.iter().find(|(name, _)| *name == wanted);
        found.map_or_else(String::new, |(_, value)| escaped(value))
    };
    let labels = format!(
        "{{version=\"{}\",redis_version=\"{}\",maxmemory_policy=\"{}\",role=\"{}\"}}",
        value("redkeep_version"),
        value("redis_version"),
        value("maxmemory_policy"),
        value("role"),
    );
    page.head("build_info", "gauge", "What is running; always 1.");
    page.sample("build_info", &labels, 1);
}

/// The value of a field in the unit of its metric. None: INFO says that there is none yet.
fn number(row: &Row, value: &str) -> Option<f64> {
    let value = match value {
        "ok" => 1.0,
        "err" => 0.0,
        "-1" => return None,
        digits => digits.trim_end_matches('%').parse::<f64>().ok()?,
    };
    Some(value / row.divisor)
}

fn escaped(label: &str) -> String {
    let label = label.replace('\\', "\\\\").replace('"', "\\\"");
    label.replace('\n', "\\n")
}

impl Family {
    fn write(&self, page: &mut Page, fields: &[(&str, &str)]) {
        let members: Vec<(String, &str)> = fields
            .iter()
            .filter_map(|(name, value)| {
                let thing = name.strip_prefix(self.prefix)?;
                let thing = self.member(thing, value)?;
                Some((
                    format!("{{{}=\"{}\"}}", self.label, escaped(&thing)),
                    *value,
                ))
            })
            .collect();
        for row in self.parts {
            let samples = members.iter().filter_map(|(labels, value)| {
                Some((labels, number(row, part_of(value, row.field)?)?))
            });
            for (at, (labels, value)) in samples.enumerate() {
                if at == 0 {
                    page.head(row.name, row.kind.name(), row.help);
                }
                page.sample(row.name, labels, value);
            }
        }
    }

    /// What the label says of a thing; None: the field is none of the family.
    fn member(&self, thing: &str, value: &str) -> Option<String> {
        match self.label {
            "db" => thing.parse::<u32>().ok().map(|db| db.to_string()),
            "replica" => {
                let (ip, port) = (part_of(value, "ip")?, part_of(value, "port")?);
                Some(format!("{ip}:{port}"))
            }
            _ => Some(thing.to_owned()),
        }
    }
}

/// A part of `name=value,..`; without a name the whole.
fn part_of<'v>(value: &'v str, name: &str) -> Option<&'v str> {
    if name.is_empty() {
        return Some(value);
    }
    let mut parts = value.split(',').filter_map(|part| part.split_once('='));
    parts.find(|(own, _)| *own == name).map(|(_, value)| value)
}

fn latencies(page: &mut Page, fields: &[(&str, &str)]) {
    const NAME: &str = "command_latency_seconds";
    let mut is_first = true;
    for (name, value) in fields {
        let Some(command) = name.strip_prefix(LATENCIES) else {
            continue;
        };
        for (percentile, micros) in value.split(',').filter_map(|part| part.split_once('=')) {
            let Ok(micros) = micros.parse::<f64>() else {
                continue;
            };
            if std::mem::take(&mut is_first) {
                page.head(
                    NAME,
                    "gauge",
                    "Percentiles of the time of a command's calls.",
                );
            }
            let percentile = escaped(percentile.trim_start_matches('p'));
            let command = escaped(command);
            let labels = format!("{{command=\"{command}\",percentile=\"{percentile}\"}}");
            page.sample(NAME, &labels, micros / 1e6);
        }
    }
}

#[cfg(test)]
mod tests;
