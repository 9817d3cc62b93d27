//! What each clock still has to do, in order of time.

use std::collections::BTreeMap;

/// Something that falls due. A task is a reminder: whoever performs it looks first whether it still applies.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Task {
    /// `customer.subscription.trial_will_end`, three days before.
    AnnounceTrialEnd(String),
    /// The end of a subscription's period, trial included.
    EndPeriod(String),
    /// `cancel_at` of a subscription.
    CancelSubscription(String),
    /// 23 hours after a first payment failed.
    ExpireIncomplete(String),
    /// 23 hours after an update could not be paid for.
    ExpirePendingUpdate(String),
    /// `pause_collection[resumes_at]`.
    ResumeCollection(String),
    /// 24 hours after a checkout session was made.
    ExpireSession(String),
    /// An automatic draft invoice is finalized and charged.
    FinalizeInvoice(String),
    /// An automatic retry of a failed payment.
    RetryPayment(String),
}

/// The clock's id (`None` is real time), the time, and a number that keeps what was planned first first.
type Slot = (Option<String>, i64, u64);

#[derive(Debug, Default)]
pub(super) struct Agenda {
    tasks: BTreeMap<Slot, Task>,
    planned: u64,
}

impl Agenda {
    pub(super) fn plan(&mut self, clock: Option<&str>, at: i64, task: Task) {
        self.planned += 1;
        self.tasks
            .insert((clock.map(str::to_owned), at, self.planned), task);
    }

    /// Takes out the earliest task of a clock that is due at `now`.
    pub(super) fn take_due(&mut self, clock: Option<&str>, now: i64) -> Option<(i64, Task)> {
        let clock = clock.map(str::to_owned);
        let due = (clock.clone(), i64::MIN, 0)..=(clock, now, u64::MAX);
        let slot = self.tasks.range(due).next()?.0.clone();
        let task = self.tasks.remove(&slot)?;
        Some((slot.1, task))
    }
}
