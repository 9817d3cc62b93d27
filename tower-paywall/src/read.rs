//! One read of the mirror, bounded in time, that turns every failure into an answer (P2).

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use billing_core::id::CustomerId;
use billing_core::mirror::{MalformedRow, MirrorError, MirrorReader, MirrorRow};
use tokio::time::timeout;

use crate::admission::catch_panic;

/// What the mirror says of a customer.
pub(crate) type Answer = Result<Option<MirrorRow>, MirrorError>;

/// A read that is under way. Dropping it ends it: nothing is spawned.
///
/// It is boxed, because the future of an `async fn` in a trait has no name to write into
/// `Service::Future`. The box costs some 10 ns and only where a mirror is read, which takes
/// microseconds at best; the handler's own future is not boxed.
pub(crate) struct MirrorRead(Pin<Box<dyn Future<Output = Answer> + Send>>);

impl MirrorRead {
    pub(crate) fn new<R: MirrorReader>(
        reader: Arc<R>,
        customer: CustomerId,
        read_timeout: Duration,
    ) -> Self {
        // The reader is called in the first poll, so that one guard is around both.
        Self(Box::pin(async move {
            let mut read = pin!(reader.read(&customer));
            let at_once = poll_fn(|context| Poll::Ready(read.as_mut().poll(context))).await;
            let row = match at_once {
                // What is in memory already needs no timer.
                Poll::Ready(answer) => answer?,
                Poll::Pending => timeout(read_timeout, read)
                    .await
                    .unwrap_or(Err(MirrorError::TimedOut))?,
            };
            own_row(row, &customer)
        }))
    }
}

/// A reader that answers with somebody else's row must not lend their plan.
fn own_row(row: Option<MirrorRow>, customer: &CustomerId) -> Answer {
    match row {
        Some(row) if row.queue_customer_id != *customer => {
            Err(MirrorError::Malformed(MalformedRow {
                column: "queue_customer_id",
            }))
        }
        row => Ok(row),
    }
}

impl Future for MirrorRead {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        catch_panic(|| self.0.as_mut().poll(context))
            .unwrap_or(Poll::Ready(Err(MirrorError::Panicked)))
    }
}
