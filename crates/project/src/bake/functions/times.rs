//! Functions over times. The clock itself is an input.

use std::collections::BTreeMap;

use super::{Arguments, Function, function};
use crate::bake::Error;
use crate::bake::clock::{self, Moment};
use crate::bake::value::{Number, Value};

pub(super) const TABLE: &[Function] = &[
    function("formatdate", 2, 2, |a| Ok(clock::format(&a.text(0)?, &Moment::parse(&a.text(1)?)?)?.into())),
    function("formattimestamp", 2, 2, |a| {
        let (spec, moment) = (a.text(0)?, moment(a.value(1)?)?);
        match spec.as_str() {
            "X" => Ok(moment.unix().to_string().into()),
            _ => Ok(clock::format(&spec, &moment)?.into()),
        }
    }),
    function("timeadd", 2, 2, |a| {
        let moment = Moment::parse(&a.text(0)?)?;
        Ok(moment.later(clock::duration(&a.text(1)?)?)?.to_string().into())
    }),
    function("timestamp", 0, 0, |a| Ok(Moment::of_unix(a.options.unix_time())?.to_string().into())),
    function("unixtimestampparse", 1, 1, parts),
];

/// A time as text, or as seconds since 1970.
fn moment(value: &Value) -> Result<Moment, Error> {
    match value {
        Value::Number(number) => {
            let seconds = number.signed().ok_or_else(|| Error::new("seconds are a whole number"))?;
            Moment::of_unix(seconds)
        }
        other => Moment::parse(&other.text()?),
    }
}

fn parts(arguments: &Arguments<'_>) -> Result<Value, Error> {
    let moment = Moment::of_unix(arguments.whole(0)?)?;
    let (iso_year, iso_week) = moment.iso_week();
    let numbers = [
        ("year", moment.year()),
        ("year_day", moment.day_of_year()),
        ("day", moment.day()),
        ("month", moment.month()),
        ("weekday", moment.weekday()),
        ("hour", moment.hour()),
        ("minute", moment.minute()),
        ("second", moment.second()),
        ("iso_year", iso_year),
        ("iso_week", iso_week),
    ];
    let texts = [
        ("month_name", moment.month_name().to_owned()),
        ("weekday_name", moment.weekday_name().to_owned()),
        ("rfc3339", moment.to_string()),
    ];
    let numbers = numbers.map(|(key, number)| (key.to_owned(), Value::Number(Number::from(number))));
    let texts = texts.map(|(key, text)| (key.to_owned(), Value::String(text)));
    Ok(Value::Object(numbers.into_iter().chain(texts).collect::<BTreeMap<_, _>>()))
}
