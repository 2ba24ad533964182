//! LATENCY DOCTOR, GRAPH and HISTOGRAM: latency for people.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use super::latency::Series;
use super::stats::CommandStat;
use super::table::{ACTIVE, Command};
use super::{Call, Outcome, errors};
use crate::resp::ErrorReply;

/// Columns of a graph, and of the line above it.
const COLUMNS: usize = 80;
/// Lines of a graph.
const ROWS: usize = 4;
/// What fills a cell of a graph, from low to high.
const FILLS: [u8; 3] = *b"_o#";
/// Lines between a graph and its labels.
const LABEL_MARGIN: usize = 1;

/// LATENCY HISTOGRAM [command ...]
pub fn histogram(call: &mut Call<'_>) -> Outcome {
    let wanted: Vec<&Command> = match &call.args[2..] {
        [] => ACTIVE.iter().collect(),
        names => names
            .iter()
            .filter_map(|name| call.server.renames.by_full_name(name))
            .flat_map(|command| std::iter::once(command).chain(command.subcommands()))
            .collect(),
    };
    let stats = &call.server.stats;
    let stat = |command: &Command| stats.command(command.id);
    let with_calls: Vec<(&Command, &CommandStat, u64)> = wanted
        .into_iter()
        .filter_map(|command| Some((command, stat(command), stat(command).durations.calls()?)))
        .collect();
    let out = &mut *call.out;
    out.map(with_calls.len());
    for (command, stat, calls) in with_calls {
        out.bulk(command.name().as_bytes());
        out.map(2);
        out.bulk(b"calls");
        out.int(calls as i64);
        out.bulk(b"histogram_usec");
        let counts = stat.durations.cumulative();
        out.map(counts.len());
        for (micros, calls) in counts {
            out.int(micros as i64);
            out.int(calls as i64);
        }
    }
    Ok(())
}

/// LATENCY GRAPH event
pub fn graph(call: &mut Call<'_>) -> Outcome {
    let event = call.args[2];
    let now_s = call.now_ms / 1000;
    let graph = call
        .server
        .latency
        .with(event, |name, series| draw(name, series, now_s));
    let Some(graph) = graph else {
        let event = errors::shown(event, usize::MAX);
        return Err(
            ErrorReply::formatted(format!("ERR No samples available for event '{event}'")).into(),
        );
    };
    call.out.verbatim("txt", graph.as_bytes());
    Ok(())
}

/// How long ago something was, in its largest unit.
fn ago(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn draw(name: &str, series: &Series, now_s: u64) -> String {
    let bars: Vec<(u64, String)> = series
        .samples()
        .map(|(time_s, ms)| (ms, ago(now_s.saturating_sub(time_s))))
        .collect();
    let low = bars.iter().map(|bar| bar.0).min().unwrap_or(0);
    let high = bars.iter().map(|bar| bar.0).max().unwrap_or(0);
    let mut graph = format!(
        "{name} - high {high} ms, low {low} ms (all time high {} ms)\n{}\n",
        series.max_ms(),
        "-".repeat(COLUMNS)
    );
    for (at, part) in bars.chunks(COLUMNS).enumerate() {
        if at > 0 {
            graph.push('\n');
        }
        draw_part(&mut graph, part, low, high);
    }
    graph
}

/// Draws bars beside each other, and below each its label from top to bottom.
fn draw_part(graph: &mut String, bars: &[(u64, String)], low: u64, high: u64) {
    let steps = FILLS.len() * ROWS;
    let range = (high - low).max(1);
    let heights: Vec<usize> = bars
        .iter()
        .map(|(ms, _)| (((ms - low) * steps as u64 / range) as usize).min(steps - 1))
        .collect();
    for row in 0..ROWS {
        let below = (ROWS - row - 1) * FILLS.len();
        graph.extend(
            heights
                .iter()
                .map(|height| match height.checked_sub(below) {
                    None => ' ',
                    Some(fill) => FILLS.get(fill).map_or('|', |&fill| char::from(fill)),
                }),
        );
        graph.push('\n');
    }
    for _ in 0..LABEL_MARGIN {
        graph.push_str(&" ".repeat(bars.len()));
        graph.push('\n');
    }
    let longest = bars.iter().map(|(_, label)| label.len()).max().unwrap_or(0);
    for place in 0..longest {
        let letters = bars.iter().map(|(_, label)| label.chars().nth(place));
        graph.extend(letters.map(|letter| letter.unwrap_or(' ')));
        graph.push('\n');
    }
}

/// LATENCY DOCTOR
pub fn doctor(call: &mut Call<'_>) -> Outcome {
    let server = call.server;
    let now_s = call.now_ms / 1000;
    let mut report = String::new();
    server.latency.each(|name, series| {
        write_event(&mut report, name, series, now_s);
    });
    let threshold_ms = server.tuning.latency_ms_min.load(Ordering::Relaxed);
    if report.is_empty() {
        report.push_str(if threshold_ms == 0 {
            "Latency is not monitored: CONFIG SET latency-monitor-threshold <milliseconds> starts it.\n"
        } else {
            "No event has taken as long as latency-monitor-threshold says.\n"
        });
    } else {
        report.push_str("\nSLOWLOG GET shows which commands took long, and INFO storage how cache and log do.\n");
        let slower_us = server.tuning.slowlog_us_min.load(Ordering::Relaxed);
        let threshold_us = i64::try_from(threshold_ms.saturating_mul(1000)).unwrap_or(i64::MAX);
        if slower_us < 0 || slower_us > threshold_us {
            report.push_str(
                "The slow log leaves out commands that are slow enough to be listed here.\n",
            );
        }
    }
    call.out.verbatim("txt", report.as_bytes());
    Ok(())
}

fn write_event(report: &mut String, name: &str, series: &Series, now_s: u64) {
    let samples: Vec<(u64, u64)> = series.samples().collect();
    let count = samples.len() as u64;
    let Some((first_s, _)) = samples.first().filter(|_| count > 0) else {
        return;
    };
    let mean_ms = samples.iter().map(|(_, ms)| ms).sum::<u64>() / count;
    let deviation_ms = samples
        .iter()
        .map(|(_, ms)| ms.abs_diff(mean_ms))
        .sum::<u64>()
        / count;
    let period_s = now_s.saturating_sub(*first_s).max(1) as f64 / count as f64;
    writeln!(
        report,
        "{name}: {count} spikes of {mean_ms} ms in the mean (deviation {deviation_ms} ms), one every \
         {period_s:.2} seconds, the longest ever {} ms.",
        series.max_ms()
    )
    .expect("memory takes all");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::latency::Latency;

    #[test]
    fn a_graph_has_a_bar_for_each_sample_and_its_age_below() {
        let latency = Latency::default();
        for (time_s, ms) in [(100, 300), (3_000, 400), (4_000, 500)] {
            latency.add("command", ms, time_s);
        }
        let graph = latency.with(b"command", |name, series| draw(name, series, 4_010));
        let line = "-".repeat(COLUMNS);
        assert_eq!(
            graph.as_deref(),
            Some(
                format!(
                    "command - high 500 ms, low 300 ms (all time high 500 ms)\n{line}\n  #\n _|\n ||\n_||\n   \n111\nh60\n ms\n"
                )
                .as_str()
            )
        );
        assert_eq!(latency.with(b"other", |_, _| ()), None);
    }
}
