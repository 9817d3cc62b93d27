//! Which paths are gated, and for which tier (P4).
//!
//! A framework may route on another spelling of a path than the one that a gate looked at, and
//! every difference is a way past the gate. So a path is looked at in every spelling that a
//! framework could route on: as given and percent-decoded once, with dot segments kept and
//! resolved, with a backslash as a character and as a slash, with and without the mount prefix;
//! slashes collapsed and letters in lower case in all of them. Each spelling asks for the tier that
//! gates it, or else for the default; the highest counts. A path is exempt only if all spellings
//! are, and the path as routed is *exactly*: most routers take `/HEALTH`, `/health/` or `//health`
//! for another route than `/health`. A path that can't be decoded asks for the most that any does.
//!
//! A pattern is a path in which `*` stands for one segment and a final `**` for any number of
//! them, none included: `/reports/**` covers `/reports`, `/reports/` and all below.
//!
//! ```
//! use billing_core::catalogue::Tier;
//! use billing_core::decision::{Requirement, Routes};
//!
//! let pro = Tier::parse("pro")?;
//! let routes = Routes::gated_by_default(pro.clone()).exempt("/health")?;
//! assert_eq!(routes.requirement("/health", None, None), Requirement::Exempt);
//! assert_eq!(routes.requirement("/health/../reports", None, None), Requirement::Tier(&pro));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::catalogue::{Tier, TierOrder};

/// A pattern that can't match what its author means.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the pattern {0:?} is not a path: it begins with /, has ** only at its end, and no %, ?, # or dot segment"
)]
pub struct InvalidPattern(pub String);

/// What a path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement<'a> {
    /// Nothing: everyone may pass.
    Exempt,
    /// At least this tier.
    Tier(&'a Tier),
}

/// Which paths are gated.
#[derive(Debug, Clone)]
pub struct Routes {
    tiers: TierOrder,
    /// What paths ask for that no pattern gates; none: nothing.
    default_tier: Option<Tier>,
    gated: Vec<(Pattern, Tier)>,
    exempt: Vec<Pattern>,
}

impl Routes {
    /// Everything is gated for this tier, but for what is exempt or gated for another.
    #[must_use]
    pub fn gated_by_default(tier: Tier) -> Self {
        Self {
            tiers: TierOrder::default(),
            default_tier: Some(tier),
            gated: Vec::new(),
            exempt: Vec::new(),
        }
    }

    /// Nothing is gated but for what a pattern gates.
    #[must_use]
    pub fn open_by_default() -> Self {
        Self {
            tiers: TierOrder::default(),
            default_tier: None,
            gated: Vec::new(),
            exempt: Vec::new(),
        }
    }

    /// The same routes under another order of tiers.
    #[must_use]
    pub fn within(self, tiers: TierOrder) -> Self {
        Self { tiers, ..self }
    }

    /// The same routes with paths gated for a tier. Of several patterns that a path matches, the
    /// highest tier counts, and gating wins over exempting.
    ///
    /// # Errors
    /// [`InvalidPattern`] when the pattern is none.
    pub fn gate(mut self, pattern: &str, tier: Tier) -> Result<Self, InvalidPattern> {
        self.gated.push((Pattern::parse(pattern)?, tier));
        Ok(self)
    }

    /// The same routes with paths that everyone may pass, unless a pattern gates them. The path
    /// must be spelled as the pattern is: in other letters, with a trailing slash or with anything
    /// percent-encoded (what is not ASCII always is, in most requests) it stays gated.
    ///
    /// # Errors
    /// [`InvalidPattern`] when the pattern is none.
    pub fn exempt(mut self, pattern: &str) -> Result<Self, InvalidPattern> {
        self.exempt.push(Pattern::parse(pattern)?);
        Ok(self)
    }

    /// The tiers that any path asks for.
    pub fn required_tiers(&self) -> impl Iterator<Item = &Tier> {
        self.default_tier
            .iter()
            .chain(self.gated.iter().map(|(_, tier)| tier))
    }

    /// What a path asks for.
    ///
    /// `path` is the path as routed, without a query; `raw_path` the path of the request line where it differs,
    /// `mount` the prefix under which the application is mounted, where it is.
    #[must_use]
    pub fn requirement(
        &self,
        path: &str,
        raw_path: Option<&str>,
        mount: Option<&str>,
    ) -> Requirement<'_> {
        let Some(places) = places(path, raw_path, mount) else {
            return self.undecodable();
        };
        let exempt = self.exempts_as_routed(path, mount);
        let asked = places
            .iter()
            .filter_map(|place| self.asked_at(place, exempt));
        let highest = asked.max_by_key(|tier| self.tiers.rank(tier));
        highest.map_or(Requirement::Exempt, Requirement::Tier)
    }

    /// What one place asks for: the highest tier that gates it by any of its names; else the
    /// default, unless it is exempt by all of them.
    fn asked_at(&self, place: &Place<'_>, exempt_as_routed: bool) -> Option<&Tier> {
        let gates = self.gated.iter().filter(|(pattern, _)| {
            place
                .iter()
                .any(|spelling| pattern.matches(spelling, Case::Folded))
        });
        let gated = gates
            .map(|(_, tier)| tier)
            .max_by_key(|tier| self.tiers.rank(tier));
        let exempt = exempt_as_routed
            && place
                .iter()
                .all(|spelling| self.exempts(spelling, Case::Folded));
        gated.or(self.default_tier.as_ref().filter(|_| !exempt))
    }

    /// Whether the path is exempt to a router that folds nothing: to most of them `/HEALTH`,
    /// `/health/` and `//health` are other routes than `/health`, and may be anything.
    fn exempts_as_routed(&self, path: &str, mount: Option<&str>) -> bool {
        let Some(segments) = as_routed(path) else {
            return false;
        };
        let place = with_mount(Spelling(segments), &mount.and_then(as_routed));
        place
            .iter()
            .all(|spelling| self.exempts(spelling, Case::Kept))
    }

    fn exempts(&self, spelling: &Spelling<'_>, case: Case) -> bool {
        self.exempt
            .iter()
            .any(|pattern| pattern.matches(spelling, case))
    }

    /// A path that can't be decoded could be any of ours: it asks for the most that any does.
    fn undecodable(&self) -> Requirement<'_> {
        let highest = self
            .required_tiers()
            .max_by_key(|tier| self.tiers.rank(tier));
        highest.map_or(Requirement::Exempt, Requirement::Tier)
    }
}

#[derive(Debug, Clone)]
struct Pattern {
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
enum Case {
    Kept,
    Folded,
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, InvalidPattern> {
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

    fn matches(&self, spelling: &Spelling<'_>, case: Case) -> bool {
        let long_enough = if self.open_ended {
            spelling.0.len() >= self.segments.len()
        } else {
            spelling.0.len() == self.segments.len()
        };
        long_enough
            && self
                .segments
                .iter()
                .zip(&spelling.0)
                .all(|(segment, given)| match (segment, case) {
                    (Segment::Any, _) => true,
                    (Segment::Literal { kept, .. }, Case::Kept) => kept == given,
                    (Segment::Literal { folded, .. }, Case::Folded) => folded == given,
                })
    }
}

/// One spelling of a path: its segments, none of them empty.
#[derive(Debug, PartialEq)]
struct Spelling<'a>(Vec<Cow<'a, str>>);

/// What one spelling names: itself, and the same with or without the mount prefix.
type Place<'a> = Vec<Spelling<'a>>;

/// Every place that a path may name; `None` if it can't be decoded.
fn places<'a>(
    path: &'a str,
    raw_path: Option<&'a str>,
    mount: Option<&'a str>,
) -> Option<Vec<Place<'a>>> {
    let mut spellings = Vec::with_capacity(4);
    for given in [Some(path), raw_path.filter(|raw| *raw != path)]
        .into_iter()
        .flatten()
    {
        spell(given, &mut spellings)?;
        // A decoded path may hold these, and a request line's raw one ends at them: both readings.
        if let Some((before, _)) = given.split_once(['?', '#']) {
            spell(before, &mut spellings)?;
        }
        // A request line may hold a whole URL, and a server may route on its path.
        if let Some(path) = path_of_url(given) {
            spell(path, &mut spellings)?;
        }
    }
    let mount = mount.map(|mount| split(Cow::Borrowed(mount), &['/']));
    let places = spellings
        .into_iter()
        .map(|spelling| with_mount(spelling, &mount));
    Some(places.collect())
}

/// The path of an absolute URL, without its query.
fn path_of_url(given: &str) -> Option<&str> {
    let (_, after_scheme) = given
        .split_once("://")
        .filter(|_| !given.starts_with('/'))?;
    let path = &after_scheme[after_scheme.find('/')?..];
    path.split(['?', '#']).next()
}

/// Adds the spellings of a path as it is given and as it is decoded.
fn spell<'a>(given: &'a str, spellings: &mut Vec<Spelling<'a>>) -> Option<()> {
    let decoded = decode_once(given)?;
    if decoded != given {
        // A router that splits before it decodes keeps an encoded slash in its segment.
        for segments in splits(Cow::Borrowed(given)) {
            let decoded = segments.into_iter().map(decode_segment);
            spellings.extend(with_dots(decoded.collect()));
        }
        spellings.extend(splits(Cow::Owned(decoded.into_owned())).flat_map(with_dots));
    }
    spellings.extend(splits(Cow::Borrowed(given)).flat_map(with_dots));
    Some(())
}

/// A spelling, and the same without the mount prefix if it has it, with it if not.
fn with_mount<'a>(spelling: Spelling<'a>, mount: &Option<Vec<Cow<'a, str>>>) -> Place<'a> {
    let Some(mount) = mount.as_ref().filter(|mount| !mount.is_empty()) else {
        return vec![spelling];
    };
    let other = match spelling.0.strip_prefix(mount.as_slice()) {
        Some(unmounted) => unmounted.to_vec(),
        None => mount.iter().chain(&spelling.0).cloned().collect(),
    };
    vec![spelling, Spelling(other)]
}

/// The segments of a path as a router that folds nothing sees them; `None` where it has an empty
/// one, as a trailing or a doubled slash makes.
fn as_routed(path: &str) -> Option<Vec<Cow<'_, str>>> {
    let rest = path.strip_prefix('/')?;
    let segments: Vec<_> = rest.split('/').map(Cow::Borrowed).collect();
    match segments.as_slice() {
        [only] if only.is_empty() => Some(Vec::new()),
        all if all.iter().any(|segment| segment.is_empty()) => None,
        _ => Some(segments),
    }
}

/// Decodes percent escapes once. `None` where an escape is broken, or where what comes out is not
/// UTF-8 or has control characters: no route is meant by these, but a router whose expressions end
/// with `$` takes `/reports` and a line break for `/reports`.
fn decode_once(path: &str) -> Option<Cow<'_, str>> {
    let broken = path.match_indices('%').any(|(at, _)| {
        !path
            .as_bytes()
            .get(at + 1..at + 3)
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if broken {
        None
    } else {
        let decoded = percent_decode_str(path).decode_utf8().ok();
        decoded.filter(|decoded| !decoded.contains(char::is_control))
    }
}

/// Decodes a segment of a path that can be decoded.
fn decode_segment(segment: Cow<'_, str>) -> Cow<'_, str> {
    if !segment.contains('%') {
        return segment;
    }
    let decoded = percent_decode_str(&segment).decode_utf8_lossy();
    Cow::Owned(decoded.to_lowercase())
}

/// The segments of a path. A backslash is a character of its segment to most routers, and a slash
/// to some servers: where there is one, both readings.
fn splits(path: Cow<'_, str>) -> impl Iterator<Item = Vec<Cow<'_, str>>> {
    let with_backslash = path
        .contains('\\')
        .then(|| split(path.clone(), &['/', '\\']));
    std::iter::once(split(path, &['/'])).chain(with_backslash)
}

/// The segments between separators, in lower case, without the empty ones.
fn split<'a>(path: Cow<'a, str>, separators: &[char]) -> Vec<Cow<'a, str>> {
    match path {
        // Beyond ASCII, more than upper case has a lower case: letters in title case, say.
        Cow::Borrowed(path) if path.bytes().all(has_no_lower_case) => path
            .split(separators)
            .filter(|segment| !segment.is_empty())
            .map(Cow::Borrowed)
            .collect(),
        path => path
            .split(separators)
            .filter(|segment| !segment.is_empty())
            .map(|segment| Cow::Owned(segment.to_lowercase()))
            .collect(),
    }
}

/// Whether a byte is all of a character that has no lower case.
fn has_no_lower_case(byte: u8) -> bool {
    byte.is_ascii() && !byte.is_ascii_uppercase()
}

/// The segments as they stand, and with dot segments resolved where there are any. A router that
/// does not resolve them matches `/pro/../x` by its first segment.
fn with_dots(segments: Vec<Cow<'_, str>>) -> impl Iterator<Item = Spelling<'_>> {
    let resolved = segments
        .iter()
        .any(|segment| segment == "." || segment == "..")
        .then(|| {
            let mut resolved = Vec::new();
            for segment in &segments {
                match segment.as_ref() {
                    "." => {}
                    ".." => {
                        resolved.pop();
                    }
                    _ => resolved.push(segment.clone()),
                }
            }
            Spelling(resolved)
        });
    std::iter::once(Spelling(segments)).chain(resolved)
}
