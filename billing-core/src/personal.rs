//! Personal data in a type that no log line, error or debug print can leak (K2).

use std::fmt;

use serde::{Deserialize, Serialize};

/// A personal datum: prints as `***`, is serialised only into its own table.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Personal<T>(T);

impl<T> Personal<T> {
    /// Marks a value as personal.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

impl<T> fmt::Display for Personal<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// What Stripe's customer object says of a person.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PersonalData {
    /// `email`.
    pub email: Option<Personal<String>>,
    /// `name`.
    pub name: Option<Personal<String>>,
    /// `address.line1`.
    pub address_line1: Option<Personal<String>>,
    /// `address.line2`.
    pub address_line2: Option<Personal<String>>,
    /// `address.city`.
    pub address_city: Option<Personal<String>>,
    /// `address.state`.
    pub address_state: Option<Personal<String>>,
    /// `address.postal_code`.
    pub address_postal_code: Option<Personal<String>>,
    /// `address.country`: ISO 3166-1 alpha-2.
    pub address_country: Option<Personal<String>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personal_data_prints_as_stars() {
        let email = Personal::new("jenny@example.com".to_owned());
        assert_eq!(
            format!("{email} {email:?} {:?}", Some(&email)),
            "*** *** Some(***)"
        );
        let data = PersonalData {
            email: Some(email),
            ..PersonalData::default()
        };
        assert!(!format!("{data:?}").contains("jenny"));
    }
}
