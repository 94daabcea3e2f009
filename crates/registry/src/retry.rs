//! When to try again, and who waits.

use std::fmt;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;

/// How often and how patiently a failed request is repeated.
///
/// The schedule is deterministic: `first`, then twice as long each time, up to `longest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a request is made in all, at least once.
    pub attempts: u32,
    /// The first delay.
    pub first: Duration,
    /// The longest delay of our own; a registry's `Retry-After` may ask for up to `longest_asked`.
    pub longest: Duration,
    /// The longest `Retry-After` that is honoured; a registry that asks for more has failed.
    pub longest_asked: Duration,
}

/// How long a host that nobody has heard of has to come up.
const STRANGER: Duration = Duration::from_millis(100);

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 6,
            first: Duration::from_millis(250),
            longest: Duration::from_secs(8),
            longest_asked: Duration::from_secs(120),
        }
    }
}

impl RetryPolicy {
    /// The delay before attempt number `done + 1`, or `None` when it is time to give up.
    pub(crate) fn delay(&self, done: u32, asked: Option<Duration>) -> Option<Duration> {
        if done >= self.attempts || asked.is_some_and(|asked| asked > self.longest_asked) {
            return None;
        }
        let doublings = done.saturating_sub(1).min(20);
        let own = self.first.saturating_mul(1 << doublings).min(self.longest);
        Some(asked.unwrap_or(own))
    }

    /// The same where nobody listens and nobody ever answered: a mistyped address is told at once, while a registry that
    /// is being started has one more chance.
    pub(crate) fn delay_of_stranger(&self, done: u32) -> Option<Duration> {
        (done < self.attempts.min(2)).then_some(STRANGER)
    }
}

/// The time, and waiting: an input, so that tests need neither.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present.
    fn now(&self) -> SystemTime;
    /// Completes after `duration`.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Reads `Retry-After` (RFC 9110, section 10.2.3): seconds or a date.
pub(crate) fn parse_retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    match text.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_end() {
        let policy = RetryPolicy::default();
        let delays: Vec<_> = (1..=6).map(|done| policy.delay(done, None).map(|d| d.as_millis())).collect();
        assert_eq!(delays, [Some(250), Some(500), Some(1000), Some(2000), Some(4000), None]);
    }

    #[test]
    fn the_registry_may_ask_for_its_own_delay_within_reason() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.delay(1, Some(Duration::from_secs(60))), Some(Duration::from_secs(60)));
        assert_eq!(policy.delay(1, Some(Duration::from_secs(100_000))), None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 - 30);
        assert_eq!(parse_retry_after(" 7 ", now), Some(Duration::from_secs(7)));
        assert_eq!(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(parse_retry_after("soon", now), None);
    }
}
