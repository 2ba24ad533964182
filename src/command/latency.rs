//! LATENCY: the slowest events of each second, by kind.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;

use super::{Call, Outcome, help};

/// Samples kept of one event.
const SAMPLES_MAX: usize = 160;

/// The samples of one event.
#[derive(Debug, Default)]
pub struct Series {
    /// Wall time in seconds and milliseconds taken, oldest first, at most one for a second.
    samples: VecDeque<(u64, u64)>,
    max_ms: u64,
}

impl Series {
    /// Wall time in seconds and milliseconds taken, oldest first.
    pub fn samples(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.samples.iter().copied()
    }

    /// The longest ever.
    pub fn max_ms(&self) -> u64 {
        self.max_ms
    }
}

/// What `latency-monitor-threshold` let through.
#[derive(Debug, Default)]
pub struct Latency {
    events: Mutex<BTreeMap<&'static str, Series>>,
}

impl Latency {
    /// Looks at the samples of an event; None if it has none.
    pub fn with<R>(&self, event: &[u8], see: impl FnOnce(&str, &Series) -> R) -> Option<R> {
        let events = self.events.lock();
        let found = events.iter().find(|(name, _)| name.as_bytes() == event);
        found.map(|(name, series)| see(name, series))
    }

    /// Looks at the samples of every event, in order of name.
    pub fn each(&self, mut see: impl FnMut(&str, &Series)) {
        for (name, series) in self.events.lock().iter() {
            see(name, series);
        }
    }

    /// Records that `event` took `latency_ms`.
    pub fn add(&self, event: &'static str, latency_ms: u64, time_s: u64) {
        let mut events = self.events.lock();
        let series = events.entry(event).or_default();
        series.max_ms = series.max_ms.max(latency_ms);
        if let Some((time, worst)) = series.samples.back_mut()
            && *time == time_s
        {
            *worst = latency_ms.max(*worst);
            return;
        }
        if series.samples.len() == SAMPLES_MAX {
            series.samples.pop_front();
        }
        series.samples.push_back((time_s, latency_ms));
    }
}

/// LATENCY HISTORY event
pub fn history(call: &mut Call<'_>) -> Outcome {
    let events = call.server.latency.events.lock();
    let series = events
        .iter()
        .find(|(name, _)| name.as_bytes() == call.args[2])
        .map(|(_, series)| series);
    let out = &mut *call.out;
    out.array(series.map_or(0, |s| s.samples.len()));
    for (time, latency) in series.iter().flat_map(|s| &s.samples) {
        out.array(2);
        out.int(*time as i64);
        out.int(*latency as i64);
    }
    Ok(())
}

/// LATENCY LATEST
pub fn latest(call: &mut Call<'_>) -> Outcome {
    let events = call.server.latency.events.lock();
    let out = &mut *call.out;
    out.array(events.len());
    for (name, series) in events.iter() {
        let (time, latency) = series.samples.back().copied().unwrap_or_default();
        out.array(4);
        out.bulk(name.as_bytes());
        out.int(time as i64);
        out.int(latency as i64);
        out.int(series.max_ms as i64);
    }
    Ok(())
}

/// LATENCY RESET [event ...]
pub fn reset(call: &mut Call<'_>) -> Outcome {
    let mut events = call.server.latency.events.lock();
    let before = events.len();
    match &call.args[2..] {
        [] => events.clear(),
        names => events.retain(|name, _| !names.contains(&name.as_bytes())),
    }
    call.out.int((before - events.len()) as i64);
    Ok(())
}

/// LATENCY HELP
pub fn help(call: &mut Call<'_>) -> Outcome {
    help::write(call, help::LATENCY)
}
