//! Days and dates of the Gregorian calendar, in UTC and without leap seconds, as POSIX counts time.

const DAY: i64 = 86_400;
/// Days of an era: 400 years.
const ERA: i64 = 146_097;
/// Days from March 1st of the year 0, where the first era begins, to 1970.
const TO_1970: i64 = 719_468;

/// A second, as a calendar and a clock show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the number of that name; months and days begin with 1")]
pub struct Utc {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
}

impl Utc {
    /// So many seconds after 1970 began.
    #[must_use]
    pub fn of_unix(seconds: i64) -> Self {
        let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        let (year, month, day) = date(days);
        Self { year, month, day, hour: second / 3600, minute: second / 60 % 60, second: second % 60 }
    }

    /// `2006-01-02T15:04:05`: RFC 3339 without fraction and zone.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        let Self { year, month, day, hour, minute, second } = self;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
    }
}

/// The year, month and day that is so many days after 1970-01-01. Years begin in March here, so that a leap day is the last
/// of its year (Howard Hinnant, "chrono-compatible low-level date algorithms").
#[must_use]
pub fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + TO_1970;
    let (era, of_era) = (shifted.div_euclid(ERA), shifted.rem_euclid(ERA));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (400 * era + year_of_era + i64::from(month <= 2), month, of_year - (153 * from_march + 2) / 5 + 1)
}

/// The day that is a date, counted from 1970-01-01.
#[must_use]
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let from_march = (month + 9) % 12;
    era * ERA + of_era * 365 + of_era / 4 - of_era / 100 + (153 * from_march + 2) / 5 + day - 1 - TO_1970
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_seconds() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00"),
            (-1, "1969-12-31T23:59:59"),
            (951_827_696, "2000-02-29T12:34:56"),
            (1_700_000_001, "2023-11-14T22:13:21"),
            (4_107_542_400, "2100-03-01T00:00:00"),
            (-62_167_219_200, "0000-01-01T00:00:00"),
        ] {
            assert_eq!(Utc::of_unix(seconds).to_rfc3339(), text);
        }
    }

    #[test]
    fn days_are_dates_and_dates_days() {
        for day in (-800_000..800_000).step_by(13) {
            let (year, month, of_month) = date(day);
            assert_eq!(days(year, month, of_month), day);
        }
    }
}
