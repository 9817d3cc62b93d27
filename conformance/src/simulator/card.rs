//! Stripe's test cards: the magic payment method ids, tokens and numbers, and how each behaves.

use serde_json::{Value, json};

/// Why a charge was declined.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Decline {
    pub(super) code: &'static str,
    /// What the bank said; none when it was not asked.
    pub(super) decline_code: Option<&'static str>,
    pub(super) message: &'static str,
}

impl Decline {
    /// As `last_payment_error` shows it.
    pub(super) fn render(&self) -> Value {
        let kind = match self.decline_code {
            Some(_) => "card_error",
            None => "invalid_request_error",
        };
        json!({
            "code": self.code,
            "decline_code": self.decline_code,
            "message": self.message,
            "type": kind,
        })
    }
}

/// What charging a card comes to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Charge {
    Paid,
    Declined(Decline),
    /// The customer has to authenticate the payment first (3-D Secure).
    Challenged,
}

const GENERIC: Decline = Decline {
    code: "card_declined",
    decline_code: Some("generic_decline"),
    message: "Your card was declined.",
};
const INSUFFICIENT_FUNDS: Decline = Decline {
    code: "card_declined",
    decline_code: Some("insufficient_funds"),
    message: "Your card has insufficient funds.",
};

/// What a test card does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Behaviour {
    Pays,
    /// Attaches to a customer, and is declined when charged.
    FailsOnCharge,
    /// Asks for 3-D Secure once; authenticated, it pays from then on.
    Challenges,
    /// Is declined already when it is attached.
    Declined(&'static Decline),
}

/// A test card of Stripe's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TestCard {
    payment_method: &'static str,
    token: &'static str,
    number: &'static str,
    pub(super) brand: &'static str,
    behaviour: Behaviour,
}

const CARDS: &[TestCard] = &[
    TestCard::new(
        "pm_card_visa",
        "tok_visa",
        "4242424242424242",
        "visa",
        Behaviour::Pays,
    ),
    TestCard::new(
        "pm_card_mastercard",
        "tok_mastercard",
        "5555555555554444",
        "mastercard",
        Behaviour::Pays,
    ),
    TestCard::new(
        "pm_card_chargeCustomerFail",
        "tok_chargeCustomerFail",
        "4000000000000341",
        "visa",
        Behaviour::FailsOnCharge,
    ),
    TestCard::new(
        "pm_card_visa_chargeDeclined",
        "tok_visa_chargeDeclined",
        "4000000000000002",
        "visa",
        Behaviour::Declined(&GENERIC),
    ),
    TestCard::new(
        "pm_card_chargeDeclined",
        "tok_chargeDeclined",
        "4000000000000002",
        "visa",
        Behaviour::Declined(&GENERIC),
    ),
    TestCard::new(
        "pm_card_visa_chargeDeclinedInsufficientFunds",
        "tok_visa_chargeDeclinedInsufficientFunds",
        "4000000000009995",
        "visa",
        Behaviour::Declined(&INSUFFICIENT_FUNDS),
    ),
    TestCard::new(
        "pm_card_threeDSecure2Required",
        "tok_threeDSecure2Required",
        "4000000000003220",
        "visa",
        Behaviour::Challenges,
    ),
];

impl TestCard {
    const fn new(
        payment_method: &'static str,
        token: &'static str,
        number: &'static str,
        brand: &'static str,
        behaviour: Behaviour,
    ) -> Self {
        Self {
            payment_method,
            token,
            number,
            brand,
            behaviour,
        }
    }

    /// The card behind a magic id such as `pm_card_visa`.
    pub(super) fn by_payment_method(id: &str) -> Option<Self> {
        CARDS.iter().find(|card| card.payment_method == id).copied()
    }

    pub(super) fn by_token(token: &str) -> Option<Self> {
        CARDS.iter().find(|card| card.token == token).copied()
    }

    pub(super) fn by_number(number: &str) -> Option<Self> {
        let digits: String = number.chars().filter(char::is_ascii_digit).collect();
        CARDS.iter().find(|card| card.number == digits).copied()
    }

    pub(super) fn all() -> &'static [Self] {
        CARDS
    }

    /// The magic id.
    pub(super) fn id(&self) -> &'static str {
        self.payment_method
    }

    /// What it does, for people.
    pub(super) fn describe(&self) -> &'static str {
        match self.behaviour {
            Behaviour::Pays => "pays",
            Behaviour::FailsOnCharge => "is declined when charged",
            Behaviour::Challenges => "asks for 3-D Secure",
            Behaviour::Declined(decline) => decline.message,
        }
    }

    pub(super) fn last4(&self) -> &'static str {
        &self.number[self.number.len() - 4..]
    }

    /// What attaching this card to a customer comes to.
    pub(super) fn attach(&self) -> Result<(), Decline> {
        match self.behaviour {
            Behaviour::Declined(decline) => Err(decline.clone()),
            Behaviour::Pays | Behaviour::FailsOnCharge | Behaviour::Challenges => Ok(()),
        }
    }

    /// What charging this card comes to.
    pub(super) fn charge(&self) -> Charge {
        match self.behaviour {
            Behaviour::Pays => Charge::Paid,
            Behaviour::FailsOnCharge => Charge::Declined(GENERIC),
            Behaviour::Challenges => Charge::Challenged,
            Behaviour::Declined(decline) => Charge::Declined(decline.clone()),
        }
    }
}
