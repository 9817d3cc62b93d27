//! The spellings of a path.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// One spelling of a path: its segments, none of them empty.
#[derive(Debug, PartialEq)]
pub(super) struct Spelling<'a>(Vec<Cow<'a, str>>);

/// What one spelling names: itself, and the same with or without the mount prefix.
pub(super) type Place<'a> = Vec<Spelling<'a>>;

/// A path as a pattern sees it.
pub(super) trait Segments {
    /// Its segments, none of them empty.
    fn segments(&self) -> impl Iterator<Item = &str>;

    /// Whether a slash follows the last of them.
    fn ends_with_slash(&self) -> bool {
        false
    }
}

/// A spelling as a router reads it that folds nothing.
pub(super) struct Unfolded<'a> {
    spelling: Spelling<'a>,
    ends_with_slash: bool,
}

impl Segments for Unfolded<'_> {
    fn segments(&self) -> impl Iterator<Item = &str> {
        self.spelling.segments()
    }

    fn ends_with_slash(&self) -> bool {
        self.ends_with_slash
    }
}

impl Segments for Spelling<'_> {
    fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }
}

/// A path that has no other spelling, as nearly all are: it takes no memory to look at.
pub(super) struct Plain<'a>(&'a str);

impl<'a> Plain<'a> {
    /// Takes a path that every router reads the same: no mount, no letter that has another case,
    /// nothing to decode, no segment that is empty or begins with a dot.
    pub(super) fn of(path: &'a str, raw_path: Option<&str>, mount: Option<&str>) -> Option<Self> {
        let alone = raw_path.is_none_or(|raw| raw == path) && mount.is_none_or(str::is_empty);
        let rest = path.strip_prefix('/').filter(|_| alone)?;
        let plain = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.~/".contains(&byte)
        };
        let mut before = b'/';
        let one_spelling = rest.bytes().all(|byte| {
            let first = before == b'/';
            before = byte;
            plain(byte) && !(first && matches!(byte, b'/' | b'.'))
        }) && before != b'/';
        (rest.is_empty() || one_spelling).then_some(Self(rest))
    }
}

impl Segments for Plain<'_> {
    fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|segment| !segment.is_empty())
    }
}

/// Every place that a path may name; `None` if it can't be decoded.
pub(super) fn places<'a>(
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

/// What a path names to a router that folds nothing; `None` where it has an empty segment, as a
/// doubled slash makes.
pub(super) fn as_routed<'a>(path: &'a str, mount: Option<&'a str>) -> Option<Vec<Unfolded<'a>>> {
    let (segments, ends_with_slash) = unfolded(path)?;
    let mount = mount.and_then(unfolded).map(|(segments, _)| segments);
    let place = with_mount(Spelling(segments), &mount).into_iter();
    Some(
        place
            .map(|spelling| Unfolded {
                spelling,
                ends_with_slash,
            })
            .collect(),
    )
}

/// The segments of a path, and whether a slash follows the last.
fn unfolded(path: &str) -> Option<(Vec<Cow<'_, str>>, bool)> {
    let rest = path.strip_prefix('/')?;
    if rest.is_empty() {
        return Some((Vec::new(), false));
    }
    let whole = rest.strip_suffix('/');
    let segments: Vec<_> = whole
        .unwrap_or(rest)
        .split('/')
        .map(Cow::Borrowed)
        .collect();
    let no_empty_one = segments.iter().all(|segment| !segment.is_empty());
    no_empty_one.then_some((segments, whole.is_some()))
}

/// Folds the case of letters by themselves, wherever they stand: two that any router takes for the
/// same (`ſ` and `s` under Unicode's simple folding, as Python's `re.IGNORECASE` has it) fold to one.
pub(super) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Down, up and down again: some letters meet only there. `İ` alone would keep its dot.
    text.chars()
        .map(|letter| if letter == '\u{130}' { 'i' } else { letter })
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect()
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
    Cow::Owned(fold(&decoded))
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
            .map(|segment| Cow::Owned(fold(segment)))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_plain_has_one_place_with_one_spelling_p4(path in "/?([a-z.~/%\\\\A-Z\u{e9}?]{0,3}/?){0,4}") {
            if let Some(plain) = Plain::of(&path, None, None) {
                let segments: Vec<&str> = plain.segments().collect();
                let places = places(&path, Some(&path), Some("")).unwrap();
                prop_assert_eq!(places.len(), 1);
                prop_assert_eq!(places[0].len(), 1);
                prop_assert_eq!(places[0][0].segments().collect::<Vec<_>>(), segments.clone());
                let routed = as_routed(&path, None).unwrap();
                prop_assert_eq!(routed.len(), 1);
                prop_assert_eq!(routed[0].segments().collect::<Vec<_>>(), segments);
            }
        }
    }

    #[test]
    fn letters_that_a_router_may_take_for_the_same_fold_to_one_p4() {
        for (one, other) in [
            ("reports", "report\u{17f}"),
            ("billing", "b\u{131}ll\u{130}ng"),
            ("kilo", "\u{212a}ILO"),
            ("stra\u{df}e", "STRA\u{1e9e}E"),
            ("\u{3c3}\u{3bf}\u{3c2}", "\u{3a3}\u{39f}\u{3a3}"),
            ("\u{b5}", "\u{3bc}"),
            ("\u{b5}", "\u{39c}"),
            ("\u{3c9}", "\u{2126}"),
            ("\u{e5}", "\u{212b}"),
            ("\u{1c6}", "\u{1c5}"),
            ("\u{fb05}", "\u{fb06}"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
    }

    #[test]
    fn ordinary_paths_are_plain() {
        for path in ["/", "/reports", "/api/v1/reports/17", "/a-b_c~d/e.json"] {
            assert!(Plain::of(path, Some(path), Some("")).is_some(), "{path}");
        }
        let others = [
            "",
            "reports",
            "/Reports",
            "/reports/",
            "//reports",
            "/.",
            "/a/../b",
            "/%61",
            "/a?b",
            "/a;b",
            "/\u{e9}",
            "/a\\b",
            "/a\n",
        ];
        for path in others {
            assert!(Plain::of(path, None, None).is_none(), "{path}");
        }
        assert!(Plain::of("/reports", Some("/other"), None).is_none());
        assert!(Plain::of("/reports", None, Some("/api")).is_none());
    }
}
