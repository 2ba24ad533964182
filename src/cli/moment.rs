//! Moments as people write them: RFC 3339.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

/// A wall time in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(pub u64);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let moment: Timestamp = text
            .parse()
            .map_err(|error| format!("{error}; write it as 2026-11-20T10:00:00Z"))?;
        let ms = u64::try_from(moment.as_millisecond());
        ms.map(Self).map_err(|_| "it is before 1970".to_owned())
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = i64::try_from(self.0).unwrap_or(i64::MAX);
        match Timestamp::from_millisecond(ms) {
            Ok(moment) => moment.fmt(f),
            Err(_) => write!(f, "{} milliseconds since 1970", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_and_written() {
        let read = |text: &str| text.parse::<Moment>();
        assert_eq!(read("2026-11-20T10:00:00Z"), Ok(Moment(1_795_168_800_000)));
        assert_eq!(
            read("2026-11-20T12:00:00+02:00"),
            read("2026-11-20T10:00:00Z")
        );
        assert_eq!(read("1970-01-01T00:00:00.25Z"), Ok(Moment(250)));
        assert_eq!(Moment(250).to_string(), "1970-01-01T00:00:00.25Z");
        for bad in [
            "yesterday",
            "2026-11-20",
            "1969-01-01T00:00:00Z",
            "2026-11-20T10:00:00",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
