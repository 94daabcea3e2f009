//! Times as texts, all in UTC: the clock itself is an input.

use super::Error;

struct Moment {
    year: i64,
    month: usize,
    day: i64,
    seconds: i64,
    days: i64,
}

const MONTHS: [&str; 12] = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
];
const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

impl Moment {
    /// The civil date of days since 1970, by Hinnant's algorithm.
    fn of(time: i64) -> Self {
        let (days, seconds) = (time.div_euclid(86_400), time.rem_euclid(86_400));
        let shifted = days + 719_468;
        let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self { year, month: month as usize, day, seconds, days }
    }

    fn part(&self, spec: &str) -> Option<String> {
        let (hour, minute, second) = (self.seconds / 3_600, self.seconds / 60 % 60, self.seconds % 60);
        let month = MONTHS.get(self.month - 1).copied().unwrap_or_default();
        let day = DAYS.get(self.days.rem_euclid(7) as usize).copied().unwrap_or_default();
        let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
        Some(match spec {
            "YYYY" => format!("{:04}", self.year),
            "YY" => format!("{:02}", self.year % 100),
            "MMMM" => month.to_owned(),
            "MMM" => month.get(..3)?.to_owned(),
            "MM" => format!("{:02}", self.month),
            "M" => self.month.to_string(),
            "DD" => format!("{:02}", self.day),
            "D" => self.day.to_string(),
            "EEEE" => day.to_owned(),
            "EEE" => day.get(..3)?.to_owned(),
            "hh" => format!("{hour:02}"),
            "h" => hour.to_string(),
            "HH" => format!("{twelve:02}"),
            "H" => twelve.to_string(),
            "AA" => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            "aa" => if hour < 12 { "am" } else { "pm" }.to_owned(),
            "mm" => format!("{minute:02}"),
            "m" => minute.to_string(),
            "ss" => format!("{second:02}"),
            "s" => second.to_string(),
            "Z" => "Z".to_owned(),
            "ZZZ" | "ZZZZ" if spec.len() == 4 => "+0000".to_owned(),
            "ZZZ" => "UTC".to_owned(),
            "ZZZZZ" => "+00:00".to_owned(),
            _ => return None,
        })
    }
}

/// Seconds since 1970 as RFC 3339 writes them.
pub(super) fn rfc3339(time: i64) -> String {
    let moment = Moment::of(time);
    let (hour, minute, second) = (moment.seconds / 3_600, moment.seconds / 60 % 60, moment.seconds % 60);
    format!("{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", moment.year, moment.month, moment.day)
}

/// `formatdate`: runs of a letter are parts of the time, what is in single quotes is itself.
pub(super) fn format(spec: &str, time: &str) -> Result<String, Error> {
    let moment = Moment::of(parse(time)?);
    let (mut out, mut rest) = (String::new(), spec);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' => {
                let inner = rest.get(1..).unwrap_or_default();
                let end = inner.find('\'').ok_or_else(|| Error::new("a quote in the format is not closed"))?;
                out += inner.get(..end).unwrap_or_default();
                end + 2
            }
            c if c.is_ascii_alphabetic() => {
                let length = rest.len() - rest.trim_start_matches(c).len();
                let part = rest.get(..length).unwrap_or_default();
                out += &moment.part(part).ok_or_else(|| Error::new(format!("{part} is no part of a time")))?;
                length
            }
            c => {
                out.push(c);
                c.len_utf8()
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(out)
}

/// A time of RFC 3339, in UTC.
fn parse(text: &str) -> Result<i64, Error> {
    let bad = || Error::new(format!("{text:?} is no time of RFC 3339 in UTC")).hint_of("such as 2006-01-02T15:04:05Z");
    let number = |range: std::ops::Range<usize>| text.get(range).and_then(|digits| digits.parse::<i64>().ok()).ok_or_else(bad);
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if !text.ends_with('Z') || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return Err(bad());
    }
    let (shifted_year, shifted_month) = (if month <= 2 { year - 1 } else { year }, (month + 9) % 12);
    let (era, of_era) = (shifted_year.div_euclid(400), shifted_year.rem_euclid(400));
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * shifted_month + 2) / 5 + day - 1 - 719_468;
    Ok(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        for (seconds, text) in [(0, "1970-01-01T00:00:00Z"), (1_709_210_096, "2024-02-29T12:34:56Z")] {
            assert_eq!(rfc3339(seconds), text);
            assert_eq!(parse(text), Ok(seconds));
        }
        assert_eq!(format("EEE, DD MMM YYYY 'at' HH:mm aa", "2024-02-29T12:34:56Z").as_deref(), Ok("Thu, 29 Feb 2024 at 12:34 pm"));
        assert!(format("YYYY", "yesterday").is_err());
    }
}
