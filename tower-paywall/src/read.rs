//! One read of the mirror, bounded in time, that turns every failure into an answer (P2).

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use billing_core::id::CustomerId;
use billing_core::mirror::{MalformedRow, MirrorError, MirrorReader, MirrorRow};
use tokio::time::timeout;

use crate::admission::{Admission, catch_panic};
use crate::identity::Identify;
use crate::response::DenialResponse;

/// What the mirror says of a customer.
pub(crate) type Answer = Result<Option<MirrorRow>, MirrorError>;

/// A read that is under way, of a request that waits for it. Dropping it ends it: nothing is spawned.
///
/// It is boxed, because the future of an `async fn` in a trait has no name to write into
/// `Service::Future`. The box costs some 10 ns and only where a mirror is read, which takes
/// microseconds at best; the handler's own future is not boxed.
pub(crate) struct MirrorRead<R, I, D>(Pin<Box<dyn Future<Output = Read<R, I, D>> + Send>>);

/// A request's way on, and what the mirror said.
type Read<R, I, D> = (Admission<R, I, D>, Answer);

impl<R, I, D> MirrorRead<R, I, D>
where
    R: MirrorReader,
    I: Identify,
    D: DenialResponse,
{
    pub(crate) fn new(admission: Admission<R, I, D>, customer: CustomerId) -> Self {
        Self(Box::pin(async move {
            let answer = {
                let layer = &admission.layer;
                // The reader is called in the first poll, so that one guard is around both.
                let mut read = pin!(row_of(&*layer.reader, &customer, layer.read_timeout));
                poll_fn(|context| {
                    catch_panic(|| read.as_mut().poll(context))
                        .unwrap_or(Poll::Ready(Err(MirrorError::Panicked)))
                })
                .await
            };
            (admission.of(customer), answer)
        }))
    }
}

async fn row_of<R: MirrorReader>(
    reader: &R,
    customer: &CustomerId,
    read_timeout: Duration,
) -> Answer {
    let mut read = pin!(reader.read(customer));
    let at_once = poll_fn(|context| Poll::Ready(read.as_mut().poll(context))).await;
    let row = match at_once {
        // What is in memory already needs no timer.
        Poll::Ready(answer) => answer?,
        Poll::Pending => timeout(read_timeout, read)
            .await
            .unwrap_or(Err(MirrorError::TimedOut))?,
    };
    own_row(row, customer)
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

impl<R, I, D> Future for MirrorRead<R, I, D> {
    type Output = Read<R, I, D>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Read<R, I, D>> {
        self.0.as_mut().poll(context)
    }
}
