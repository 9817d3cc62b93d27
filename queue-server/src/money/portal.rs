//! `portal`: Stripe's page for what a customer has: cards, invoices, the plan, its end (B2).

use billing_core::ledger::{Act, Command};

use super::Desk;
use crate::clock;
use crate::http::Problem;

impl Desk {
    /// Opens a session of the customer portal, and answers its URL.
    pub(crate) async fn portal(self, return_url: String) -> Result<String, Problem> {
        let money = self.money()?;
        if !money.config.return_origins.allow(&return_url) {
            return Err(Problem::ReturnUrlRefused);
        }
        let records = self.records().await?;
        let account = records
            .account(self.policy())
            .ok_or(Problem::StripeCustomerMissing)?;
        let configuration = money.config.portal_configuration.as_deref();
        let session = money
            .stripe
            .create_portal_session(account, &return_url, configuration)
            .await?;
        // Whoever gets the URL stands in the audit chain: it is given out only then.
        let act = Act::PortalOpened {
            customer: self.customer.clone(),
            account: account.clone(),
        };
        self.app.commit(Command::Record(act), clock::now()).await?;
        Ok(session.object.url)
    }
}
