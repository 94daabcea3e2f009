//! Times as texts.

use std::fmt;

use oci::calendar;

use super::Error;

/// A second, and the zone it is told in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// Seconds since 1970, as the zone's clocks show them.
    local: i64,
    /// Seconds east of Greenwich.
    offset: i64,
    nanoseconds: i64,
}

const DAY: i64 = 86_400;
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

impl Moment {
    /// Seconds since 1970, of the years from 0 to 9999.
    pub(super) fn of_unix(seconds: i64) -> Result<Self, Error> {
        let moment = Self { local: seconds, offset: 0, nanoseconds: 0 };
        match (-62_167_219_200..=253_402_300_799).contains(&seconds) {
            true => Ok(moment),
            false => Err(Error::new("this time has no year of four digits")),
        }
    }

    /// Reads a time of RFC 3339.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let bad = || Error::new(format!("{text:?} is no time")).with_hint("such as 2006-01-02T15:04:05Z");
        Self::read(text).ok_or_else(bad)
    }

    fn read(text: &str) -> Option<Self> {
        let number = |range: std::ops::Range<usize>| -> Option<i64> {
            let digits = text.get(range)?;
            digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
        };
        let signs: Vec<char> =
            [4, 7, 10, 13, 16].iter().filter_map(|at| text.get(*at..at + 1)?.chars().next()).collect();
        if signs != ['-', '-', 'T', ':', ':'] {
            return None;
        }
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
        let good = (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day);
        if !good || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let rest = text.get(19..)?;
        let (nanoseconds, rest) = fraction(rest)?;
        let local = calendar::days(year, month, day) * DAY + hour * 3_600 + minute * 60 + second;
        Some(Self { local, offset: zone(rest)?, nanoseconds })
    }

    pub(super) fn unix(&self) -> i64 {
        self.local - self.offset
    }

    /// Nanoseconds later.
    pub(super) fn later(&self, by: i64) -> Result<Self, Error> {
        let all = self.nanoseconds + by.rem_euclid(1_000_000_000);
        let seconds = by.div_euclid(1_000_000_000) + all.div_euclid(1_000_000_000);
        let moment = Self::of_unix(self.local.saturating_add(seconds))?;
        Ok(Self { offset: self.offset, nanoseconds: all.rem_euclid(1_000_000_000), ..moment })
    }

    fn days(&self) -> i64 {
        self.local.div_euclid(DAY)
    }

    fn seconds(&self) -> i64 {
        self.local.rem_euclid(DAY)
    }

    /// Year, month and day.
    fn date(&self) -> (i64, i64, i64) {
        calendar::date(self.days())
    }

    pub(super) fn year(&self) -> i64 {
        self.date().0
    }

    pub(super) fn month(&self) -> i64 {
        self.date().1
    }

    pub(super) fn day(&self) -> i64 {
        self.date().2
    }

    pub(super) fn hour(&self) -> i64 {
        self.seconds() / 3_600
    }

    pub(super) fn minute(&self) -> i64 {
        self.seconds() / 60 % 60
    }

    pub(super) fn second(&self) -> i64 {
        self.seconds() % 60
    }

    /// Sunday is 0.
    pub(super) fn weekday(&self) -> i64 {
        (self.days() + 4).rem_euclid(7)
    }

    /// From 1.
    pub(super) fn day_of_year(&self) -> i64 {
        self.days() - calendar::days(self.year(), 1, 1) + 1
    }

    /// The year and week of ISO 8601: that of the week's Thursday.
    pub(super) fn iso_week(&self) -> (i64, i64) {
        let thursday = Self { local: self.local + (3 - (self.weekday() + 6).rem_euclid(7)) * DAY, ..*self };
        (thursday.year(), (thursday.day_of_year() - 1) / 7 + 1)
    }

    pub(super) fn month_name(&self) -> &'static str {
        usize::try_from(self.month() - 1).ok().and_then(|at| MONTHS.get(at).copied()).unwrap_or_default()
    }

    pub(super) fn weekday_name(&self) -> &'static str {
        usize::try_from(self.weekday()).ok().and_then(|at| WEEKDAYS.get(at).copied()).unwrap_or_default()
    }

    fn zone(&self, colon: &str) -> String {
        let (sign, minutes) = if self.offset < 0 { ('-', -self.offset / 60) } else { ('+', self.offset / 60) };
        format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60)
    }

    fn part(&self, spec: &str) -> Option<String> {
        let twelve = if self.hour() % 12 == 0 { 12 } else { self.hour() % 12 };
        let half = if self.hour() < 12 { "AM" } else { "PM" };
        let utc = self.offset == 0;
        Some(match spec {
            "YYYY" => format!("{:04}", self.year()),
            "YY" => format!("{:02}", self.year() % 100),
            "MMMM" => self.month_name().to_owned(),
            "MMM" => self.month_name().get(..3)?.to_owned(),
            "MM" => format!("{:02}", self.month()),
            "M" => self.month().to_string(),
            "DD" => format!("{:02}", self.day()),
            "D" => self.day().to_string(),
            "EEEE" => self.weekday_name().to_owned(),
            "EEE" => self.weekday_name().get(..3)?.to_owned(),
            "hh" => format!("{:02}", self.hour()),
            "h" => self.hour().to_string(),
            "HH" => format!("{twelve:02}"),
            "H" => twelve.to_string(),
            "AA" => half.to_owned(),
            "aa" => half.to_lowercase(),
            "mm" => format!("{:02}", self.minute()),
            "m" => self.minute().to_string(),
            "ss" => format!("{:02}", self.second()),
            "s" => self.second().to_string(),
            "Z" if utc => "Z".to_owned(),
            "ZZZ" if utc => "UTC".to_owned(),
            "Z" | "ZZZZZ" => self.zone(":"),
            "ZZZ" | "ZZZZ" => self.zone(""),
            _ => return None,
        })
    }
}

/// As RFC 3339 writes it.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        let (hour, minute, second) = (self.hour(), self.minute(), self.second());
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        match self.offset {
            0 => f.write_str("Z"),
            _ => f.write_str(&self.zone(":")),
        }
    }
}

/// Runs of a letter are parts of the time, what is in single quotes is itself.
pub(super) fn format(spec: &str, moment: &Moment) -> Result<String, Error> {
    let (mut out, mut rest) = (String::new(), spec);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' => quoted(rest, &mut out)?,
            c if c.is_ascii_alphabetic() => {
                let part = &rest[..rest.len() - rest.trim_start_matches(c).len()];
                let unknown = || Error::new(format!("{part} is no part of a time")).with_hint("letters stand in '...'");
                out += &moment.part(part).ok_or_else(unknown)?;
                part.len()
            }
            c => {
                out.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    Ok(out)
}

/// Up to the closing quote; two quotes are one. How much was taken.
fn quoted(text: &str, out: &mut String) -> Result<usize, Error> {
    let mut at = 1;
    loop {
        let end = text[at..].find('\'').ok_or_else(|| Error::new("a quote of the format is not closed"))?;
        *out += &text[at..at + end];
        at += end + 1;
        if !text[at..].starts_with('\'') {
            return Ok(at);
        }
        out.push('\'');
        at += 1;
    }
}

/// A duration as Go writes it, such as `1h30m` or `-1.5h`, in nanoseconds.
pub(super) fn duration(text: &str) -> Result<i64, Error> {
    let bad = || Error::new(format!("{text:?} is no duration")).with_hint("such as 1h30m, -10m or 1.5s");
    let (negative, mut rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    rest = rest.strip_prefix('+').unwrap_or(rest);
    if rest == "0" {
        return Ok(0);
    }
    let mut all = 0.0_f64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).ok_or_else(bad)?;
        let number: f64 = rest[..end].parse().map_err(|_| bad())?;
        let units = [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("h", 3.6e12), ("m", 6e10), ("s", 1e9)];
        let (unit, factor) = units.into_iter().find(|(unit, _)| rest[end..].starts_with(unit)).ok_or_else(bad)?;
        all += number * factor;
        rest = &rest[end + unit.len()..];
    }
    match text.trim_start_matches(['-', '+']).is_empty() || all >= 9.2e18 {
        true => Err(bad()),
        false => Ok((if negative { -all } else { all }) as i64),
    }
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `.5` in nanoseconds, and what follows.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(digits) = text.strip_prefix('.') else { return Some((0, text)) };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let nine: String = digits.get(..end)?.chars().chain("000000000".chars()).take(9).collect();
    Some((nine.parse().ok().filter(|_| end > 0)?, &digits[end..]))
}

fn zone(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':').filter(|(hours, minutes)| hours.len() == 2 && minutes.len() == 2)?;
    let (hours, minutes): (u8, u8) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then(|| sign * (i64::from(hours) * 3_600 + i64::from(minutes) * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        for text in
            ["1970-01-01T00:00:00Z", "2024-02-29T12:34:56+02:00", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59-09:30"]
        {
            assert_eq!(Moment::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Moment::parse("2024-02-29T12:34:56Z").unwrap().unix(), 1_709_210_096);
        for text in [
            "",
            "yesterday",
            "2023-02-29T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:00",
            "2024-01-01T00:00:00.Z",
        ] {
            assert!(Moment::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_those_of_go() {
        assert_eq!(duration("1h30m"), Ok(5_400_000_000_000));
        assert_eq!(duration("-1.5s"), Ok(-1_500_000_000));
        assert_eq!(duration("0"), Ok(0));
        for text in ["", "1", "h", "1x", "-", "1h30"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn weeks_are_those_of_iso() {
        assert_eq!(Moment::parse("2021-01-03T00:00:00Z").unwrap().iso_week(), (2020, 53));
        assert_eq!(Moment::parse("2024-12-30T00:00:00Z").unwrap().iso_week(), (2025, 1));
    }
}
