//! Reading variables and gathering what is wrong with them.

use std::collections::HashMap;
use std::fmt;

/// A variable that is missing or bad, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadValue {
    /// The variable.
    pub variable: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// Whether it is not set at all.
    pub missing: bool,
}

/// Everything that is wrong with a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<BadValue>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for BadValue {
            variable,
            remedy,
            missing,
        } in &self.0
        {
            let state = if *missing {
                "is not set"
            } else {
                "has a value that can't be used"
            };
            writeln!(formatter, "queue-server: {variable} {state}: {remedy}")?;
        }
        Ok(())
    }
}

/// Variables by name.
pub struct Environment {
    variables: HashMap<String, String>,
    bad: Vec<BadValue>,
}

impl Environment {
    /// The environment of the process. What is not UTF-8 in it parses as nothing that is wanted.
    #[must_use]
    pub fn of_process() -> Self {
        Self::new(std::env::vars_os().filter_map(|(name, value)| {
            Some((
                name.into_string().ok()?,
                value.to_string_lossy().into_owned(),
            ))
        }))
    }

    /// These variables and no others.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            variables: variables.into_iter().collect(),
            bad: Vec::new(),
        }
    }

    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// A variable that must be set to something that parses.
    pub(super) fn required<T>(
        &mut self,
        variable: &'static str,
        remedy: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let missing = self.raw(variable).is_none_or(|text| text.trim().is_empty());
        let value = self
            .raw(variable)
            .filter(|_| !missing)
            .and_then(|text| parse(text.trim()));
        if value.is_none() {
            self.bad.push(BadValue {
                variable,
                remedy,
                missing,
            });
        }
        value
    }

    /// A variable that may be unset or empty, and else must parse.
    pub(super) fn optional<T>(
        &mut self,
        variable: &'static str,
        remedy: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        if self.raw(variable).is_none_or(|text| text.trim().is_empty()) {
            return None;
        }
        self.required(variable, remedy, parse)
    }

    /// A variable with a default.
    pub(super) fn defaulted<T>(
        &mut self,
        variable: &'static str,
        default: &str,
        remedy: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        if self.raw(variable).is_none_or(|text| text.trim().is_empty()) {
            return parse(default);
        }
        self.required(variable, remedy, parse)
    }

    pub(super) fn refuse(&mut self, variable: &'static str, remedy: &'static str) {
        self.bad.push(BadValue {
            variable,
            remedy,
            missing: false,
        });
    }

    pub(super) fn finish(self) -> Result<(), ConfigErrors> {
        if self.bad.is_empty() {
            Ok(())
        } else {
            Err(ConfigErrors(self.bad))
        }
    }
}
