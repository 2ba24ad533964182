//! Values made of several figures: save points, output limits, out-of-memory scores, percentiles, a primary.

use super::number::{bytes, lenient_integer, print_bytes};
use super::value::Invalid;
use crate::resp::strtod;

/// A pair of the `save` directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    pub seconds: i64,
    pub changes: i64,
}

impl SavePoint {
    /// Pairs of words; none, or one empty word, is no save point.
    pub fn parse(words: &[Vec<u8>]) -> Result<Vec<Self>, Invalid> {
        if let [only] = words
            && only.is_empty()
        {
            return Ok(Vec::new());
        }
        let (pairs, rest) = words.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(Invalid::Save);
        }
        let figure = |word: &[u8], min: i64| {
            lenient_integer(word)
                .filter(|figure| *figure >= min)
                .ok_or(Invalid::Save)
        };
        pairs
            .iter()
            .map(|[seconds, changes]| {
                Ok(Self {
                    seconds: figure(seconds, 1)?,
                    changes: figure(changes, 0)?,
                })
            })
            .collect()
    }

    pub fn print(points: &[Self]) -> String {
        let pairs: Vec<String> = points
            .iter()
            .map(|point| format!("{} {}", point.seconds, point.changes))
            .collect();
        pairs.join(" ")
    }
}

/// How much a connection may leave unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimit {
    /// Bytes at which it is closed at once; 0 for never.
    pub hard_bytes: u64,
    /// Bytes at which it is closed when it stays above for `soft_seconds`; 0 for never.
    pub soft_bytes: u64,
    pub soft_seconds: i64,
}

/// Limits by class of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimits {
    pub normal: OutputLimit,
    pub replica: OutputLimit,
    pub pubsub: OutputLimit,
}

const MIB: u64 = 1 << 20;

impl OutputLimits {
    pub const DEFAULT: Self = Self {
        normal: OutputLimit {
            hard_bytes: 0,
            soft_bytes: 0,
            soft_seconds: 0,
        },
        replica: OutputLimit {
            hard_bytes: 256 * MIB,
            soft_bytes: 64 * MIB,
            soft_seconds: 60,
        },
        pubsub: OutputLimit {
            hard_bytes: 32 * MIB,
            soft_bytes: 8 * MIB,
            soft_seconds: 60,
        },
    };

    /// These limits with those replaced that `words` names.
    pub fn parse(&self, words: &[Vec<u8>]) -> Result<Self, Invalid> {
        let (groups, rest) = words.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(Invalid::LimitWords);
        }
        let mut limits = *self;
        for [class, hard, soft, seconds] in groups {
            let class = class.to_ascii_lowercase();
            let limit = match class.as_slice() {
                b"normal" => &mut limits.normal,
                b"slave" | b"replica" => &mut limits.replica,
                b"pubsub" => &mut limits.pubsub,
                _ => return Err(Invalid::LimitClass),
            };
            // Redis keeps 32 bits of the seconds, and looks at their sign.
            let seconds = lenient_integer(seconds)
                .map(|seconds| i64::from(seconds as i32))
                .filter(|seconds| *seconds >= 0);
            let (Some(hard_bytes), Some(soft_bytes), Some(soft_seconds)) =
                (bytes(hard), bytes(soft), seconds)
            else {
                return Err(Invalid::LimitFigure);
            };
            *limit = OutputLimit {
                hard_bytes,
                soft_bytes,
                soft_seconds,
            };
        }
        Ok(limits)
    }

    fn classes(&self) -> [(&'static str, &'static str, &OutputLimit); 3] {
        [
            ("normal", "normal", &self.normal),
            ("slave", "replica", &self.replica),
            ("pubsub", "pubsub", &self.pubsub),
        ]
    }

    pub fn print(&self) -> String {
        self.classes()
            .map(|(name, _, limit)| {
                let OutputLimit {
                    hard_bytes,
                    soft_bytes,
                    soft_seconds,
                } = limit;
                format!("{name} {hard_bytes} {soft_bytes} {soft_seconds}")
            })
            .join(" ")
    }

    /// One line a class, and whether it differs from the default.
    pub fn lines(&self) -> Vec<(Vec<u8>, bool)> {
        self.classes()
            .iter()
            .zip(Self::DEFAULT.classes())
            .map(|((_, name, limit), (_, _, default))| {
                let (hard, soft) = (print_bytes(limit.hard_bytes), print_bytes(limit.soft_bytes));
                let line = format!("{name} {hard} {soft} {}", limit.soft_seconds);
                (line.into_bytes(), *limit != default)
            })
            .collect()
    }
}

/// `oom-score-adj-values`: for a primary, a replica, a background child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OomScores(pub [i64; 3]);

impl OomScores {
    pub const DEFAULT: Self = Self([0, 200, 800]);

    pub fn parse(words: &[Vec<u8>]) -> Result<Self, Invalid> {
        let [primary, replica, child] = words else {
            return Err(Invalid::WrongNumberOfArguments);
        };
        let score = |word: &[u8]| {
            lenient_integer(word)
                .filter(|score| (-2000..=2000).contains(score))
                .ok_or(Invalid::OomScore)
        };
        Ok(Self([score(primary)?, score(replica)?, score(child)?]))
    }

    pub fn print(&self) -> String {
        self.0.map(|score| score.to_string()).join(" ")
    }
}

/// Whom a replica follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaOf {
    pub host: Vec<u8>,
    pub port: u16,
}

impl ReplicaOf {
    /// Host and port; `no one` is none.
    pub fn parse(words: &[Vec<u8>]) -> Result<Option<Self>, Invalid> {
        let [host, port] = words else {
            return Err(Invalid::WrongNumberOfArguments);
        };
        if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
            return Ok(None);
        }
        let port = lenient_integer(port)
            .and_then(|port| u16::try_from(port).ok())
            .ok_or(Invalid::MasterPort)?;
        Ok(Some(Self {
            host: host.clone(),
            port,
        }))
    }

    pub fn print(&self) -> Vec<u8> {
        let mut printed = self.host.clone();
        printed.extend(format!(" {}", self.port).into_bytes());
        printed
    }
}

/// Percentiles of latency that INFO shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Percentiles(pub Vec<f64>);

impl Percentiles {
    pub fn default_points() -> Self {
        Self(vec![50.0, 99.0, 99.9])
    }

    pub fn parse(words: &[Vec<u8>]) -> Result<Self, Invalid> {
        if let [only] = words
            && only.is_empty()
        {
            return Ok(Self(Vec::new()));
        }
        let point = |word: &Vec<u8>| {
            let point = strtod::parse(word).ok_or(Invalid::Percentile)?;
            if !(0.0..=100.0).contains(&point) {
                return Err(Invalid::PercentileRange);
            }
            Ok(point)
        };
        Ok(Self(words.iter().map(point).collect::<Result<_, _>>()?))
    }

    /// Six digits behind the point, without the zeros at the end.
    pub fn print(&self) -> String {
        let points: Vec<String> = self
            .0
            .iter()
            .map(|point| {
                let printed = format!("{point:.6}");
                printed
                    .trim_end_matches('0')
                    .trim_end_matches('.')
                    .to_string()
            })
            .collect();
        points.join(" ")
    }
}
