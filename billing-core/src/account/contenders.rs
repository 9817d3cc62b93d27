//! The events that compete for one instant (O2, O3.5).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::EventId;

/// The most events that are kept of one instant.
const MAX_CONTENDERS: usize = 32;

/// Something of each event of one instant: a set, so that arrival order leaves no trace in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contenders<T> {
    by_event: BTreeMap<EventId, T>,
    /// There were more than are kept; what is decided from the rest is in doubt.
    overflow: bool,
}

impl<T> Default for Contenders<T> {
    fn default() -> Self {
        Self {
            by_event: BTreeMap::new(),
            overflow: false,
        }
    }
}

impl<T> Contenders<T> {
    /// Adds an event; of more than 32, those with the greatest ids stay.
    pub(crate) fn add(&mut self, event: EventId, item: T) {
        self.by_event.entry(event).or_insert(item);
        if self.by_event.len() > MAX_CONTENDERS {
            self.by_event.pop_first();
            self.overflow = true;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.by_event.clear();
        self.overflow = false;
    }

    pub(crate) fn overflowed(&self) -> bool {
        self.overflow
    }

    /// The events with the least id first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&EventId, &T)> {
        self.by_event.iter()
    }
}
