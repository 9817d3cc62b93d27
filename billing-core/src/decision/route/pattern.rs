//! Patterns of paths.

use super::InvalidPattern;
use super::spelling::{Segments, fold};

#[derive(Debug, Clone)]
pub(super) struct Pattern {
    segments: Vec<Segment>,
    /// Whether it ends with `**`.
    open_ended: bool,
    /// Whether it ends with a slash, which counts where nothing is folded.
    ends_with_slash: bool,
}

#[derive(Debug, Clone)]
enum Segment {
    Literal { kept: String, folded: String },
    Any,
}

/// Whether letters of either case are the same.
#[derive(Clone, Copy)]
pub(super) enum Case {
    Kept,
    Folded,
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let invalid = || InvalidPattern(text.to_owned());
        let rest = text.strip_prefix('/').ok_or_else(invalid)?;
        if rest.contains(['%', '?', '#', '\\']) {
            return Err(invalid());
        }
        let mut segments: Vec<&str> = rest
            .split('/')
            .filter(|segment| !segment.is_empty())
            .collect();
        let open_ended = segments.last() == Some(&"**");
        if open_ended {
            segments.pop();
        }
        let segments = segments
            .into_iter()
            .map(|segment| match segment {
                "*" => Ok(Segment::Any),
                "." | ".." => Err(invalid()),
                literal if literal.contains('*') => Err(invalid()),
                literal => Ok(Segment::Literal {
                    kept: literal.to_owned(),
                    folded: fold(literal),
                }),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            segments,
            open_ended,
            ends_with_slash: rest.ends_with('/'),
        })
    }

    pub(super) fn matches(&self, spelling: &impl Segments, case: Case) -> bool {
        let mut given = spelling.segments();
        let begins = self
            .segments
            .iter()
            .all(|segment| given.next().is_some_and(|given| segment.is(given, case)));
        let slash = || self.ends_with_slash == spelling.ends_with_slash();
        let mut ends = || given.next().is_none() && (matches!(case, Case::Folded) || slash());
        begins && (self.open_ended || ends())
    }
}

impl Segment {
    fn is(&self, given: &str, case: Case) -> bool {
        match (self, case) {
            (Self::Any, _) => true,
            (Self::Literal { kept, .. }, Case::Kept) => kept == given,
            (Self::Literal { folded, .. }, Case::Folded) => folded == given,
        }
    }
}
