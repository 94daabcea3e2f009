//! Signals as STOPSIGNAL names them (moby/sys `signal`, Linux).

const NAMES: &[&str] = &[
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
    "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1",
    "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
];

/// Whether the text is a signal's name, with or without `SIG`, in any case, or a number other than zero.
pub(super) fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<i64>() {
        return number != 0;
    }
    let upper = text.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    NAMES.contains(&name) || is_real_time(name)
}

/// `RTMIN+1` to `RTMIN+15` and `RTMAX-1` to `RTMAX-14`.
fn is_real_time(name: &str) -> bool {
    let within = |prefix, last| {
        let offset = name.strip_prefix(prefix).and_then(|digits: &str| digits.parse::<u8>().ok());
        offset.is_some_and(|offset| (1..=last).contains(&offset) && name == format!("{prefix}{offset}"))
    };
    within("RTMIN+", 15) || within("RTMAX-", 14)
}

#[cfg(test)]
mod tests {
    use super::is_signal;

    #[test]
    fn names_and_numbers() {
        for text in ["SIGTERM", "term", "9", "SIGRTMIN+3", "RTMAX-14", "64", "SIGusr1"] {
            assert!(is_signal(text), "{text}");
        }
        for text in ["", "0", "SIG", "NOPE", "RTMIN+16", "RTMIN+01", "SIGSIGTERM"] {
            assert!(!is_signal(text), "{text}");
        }
    }
}
