//! The lock that every writer takes, held by somebody else.

use sqlx::Any;
use sqlx::pool::PoolConnection;

use crate::support::Installation;

/// Held until it is released.
pub(crate) struct Lock(PoolConnection<Any>);

impl Lock {
    pub(crate) async fn take(installation: &Installation) -> Self {
        let mut holder = installation.database().await.acquire().await.unwrap();
        let lock = installation.engine().pick(
            "begin immediate",
            "begin; lock table billing_chain in exclusive mode",
        );
        sqlx::raw_sql(lock).execute(&mut *holder).await.unwrap();
        Self(holder)
    }

    pub(crate) async fn release(mut self) {
        sqlx::raw_sql("rollback")
            .execute(&mut *self.0)
            .await
            .unwrap();
    }
}
