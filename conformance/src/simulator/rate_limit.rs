//! How many requests are answered within a second.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::error::ApiError;

const WINDOW: Duration = Duration::from_secs(1);

/// Counts the requests of the last second.
#[derive(Debug, Default)]
pub(super) struct RateLimit {
    per_second: Option<u32>,
    admitted: VecDeque<Instant>,
}

impl RateLimit {
    pub(super) fn new(per_second: Option<u32>) -> Self {
        Self {
            per_second,
            admitted: VecDeque::new(),
        }
    }

    /// Takes a request, unless the last second is full.
    pub(super) fn admit(&mut self, now: Instant) -> Result<(), ApiError> {
        let Some(most) = self.per_second else {
            return Ok(());
        };
        while self
            .admitted
            .front()
            .is_some_and(|at| now.duration_since(*at) >= WINDOW)
        {
            self.admitted.pop_front();
        }
        if self.admitted.len() >= most as usize {
            return Err(ApiError::rate_limited());
        }
        self.admitted.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_later_there_is_room_again() {
        let start = Instant::now();
        let mut limit = RateLimit::new(Some(2));
        assert!(limit.admit(start).is_ok());
        assert!(limit.admit(start).is_ok());
        assert!(limit.admit(start + WINDOW / 2).is_err());
        assert!(limit.admit(start + WINDOW).is_ok());
    }
}
