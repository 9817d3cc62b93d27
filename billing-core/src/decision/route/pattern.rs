//! Patterns of paths.

use super::InvalidPattern;
use super::spelling::Segments;

#[derive(Debug, Clone)]
pub(super) struct Pattern {
    segments: Vec<Segment>,
    /// Whether it ends with `**`.
    open_ended: bool,
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
                    folded: literal.to_lowercase(),
                }),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            segments,
            open_ended,
        })
    }

    pub(super) fn matches(&self, spelling: &impl Segments, case: Case) -> bool {
        let mut given = spelling.segments();
        let begins = self
            .segments
            .iter()
            .all(|segment| given.next().is_some_and(|given| segment.is(given, case)));
        begins && (self.open_ended || given.next().is_none())
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
