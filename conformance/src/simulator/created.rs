//! `created` in the parameters of a list: a time, or bounds.

use super::error::ApiError;
use super::form::Params;

/// Which times of creation a list shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct CreatedFilter {
    earliest: i64,
    latest: i64,
}

impl CreatedFilter {
    pub(super) fn parse(params: &Params) -> Result<Self, ApiError> {
        let bounds = params.group("created");
        let exactly = params.text("created").map(|_| params.integer("created"));
        let exactly = exactly.transpose()?.flatten();
        let earliest = [
            bounds.integer("gt")?.map(|bound| bound.saturating_add(1)),
            bounds.integer("gte")?,
            exactly,
        ];
        let latest = [
            bounds.integer("lt")?.map(|bound| bound.saturating_sub(1)),
            bounds.integer("lte")?,
            exactly,
        ];
        Ok(Self {
            earliest: earliest.into_iter().flatten().max().unwrap_or(i64::MIN),
            latest: latest.into_iter().flatten().min().unwrap_or(i64::MAX),
        })
    }

    pub(super) fn takes(self, created: i64) -> bool {
        (self.earliest..=self.latest).contains(&created)
    }
}
