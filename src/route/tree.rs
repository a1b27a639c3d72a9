//! The profile's patterns, compiled into one tree of path segments. The walk costs what the path is
//! long, not what the profile is: 1,000 patterns cost about what 10 cost.

use smallvec::SmallVec;

use super::settle::Candidates;
use super::{Meaning, Reading};
use crate::policy::phrase::{MOST_SEGMENTS, Methods, Pattern, Segment};

pub(super) struct Entry {
    pub(super) methods: Methods,
    pub(super) meaning: Meaning,
    /// How specific the pattern is: three bits a segment, the first segment highest.
    pub(super) rank: u64,
    /// The places and names of its captures.
    pub(super) captures: Vec<(usize, String)>,
}

impl Entry {
    /// Whether its pattern is `/**`, which says nothing of where a request goes.
    pub(super) fn is_anywhere(&self) -> bool {
        self.rank == 1 << (3 * (MOST_SEGMENTS - 1))
    }
}

#[derive(Default)]
struct Branch {
    /// In order: to find one among a few takes less than hashing it.
    literal: Vec<(Box<str>, usize)>,
    glob: Vec<(String, String, usize)>,
    any: Option<usize>,
    /// Entries that end here.
    ends: Vec<usize>,
    /// Entries that take all the rest.
    rest: Vec<usize>,
}

impl Branch {
    /// Where a literal segment is, or belongs.
    fn literal(&self, text: &str) -> Result<usize, usize> {
        self.literal.binary_search_by(|(known, _)| (**known).cmp(text))
    }
}

/// The compiled profile.
pub struct Matcher {
    branches: Vec<Branch>,
    pub(super) entries: Vec<Entry>,
    pub(super) reading: Reading,
}

type Segments<'p> = SmallVec<[&'p str; 12]>;

impl Matcher {
    /// An empty matcher.
    #[must_use]
    pub fn new(reading: Reading) -> Self {
        Self { branches: vec![Branch::default()], entries: Vec::new(), reading }
    }

    /// Adds a pattern.
    pub fn add(&mut self, pattern: &Pattern, meaning: Meaning) {
        let fold = |text: &str| if self.reading.case_insensitive { text.to_ascii_lowercase() } else { text.to_owned() };
        let mut at = 0;
        let mut rank = 0_u64;
        let mut captures = Vec::new();
        let mut takes_rest = false;
        for (index, segment) in pattern.segments.iter().enumerate() {
            let weight = match segment {
                Segment::Literal(_) => 4,
                Segment::Glob(..) => 3,
                Segment::Capture(_) | Segment::Any => 2,
                Segment::Rest => 1,
            };
            // Three bits for each of at most `MOST_SEGMENTS`.
            rank |= weight << (3 * (MOST_SEGMENTS - 1).saturating_sub(index));
            let fresh = self.branches.len();
            let branch = &mut self.branches[at];
            let next = match segment {
                Segment::Literal(text) => {
                    let text = fold(text);
                    match branch.literal(&text) {
                        Ok(known) => branch.literal[known].1,
                        Err(place) => {
                            branch.literal.insert(place, (text.into(), fresh));
                            fresh
                        }
                    }
                }
                Segment::Glob(start, end) => {
                    let (start, end) = (fold(start), fold(end));
                    let known = branch.glob.iter().find(|(s, e, _)| *s == start && *e == end).map(|(_, _, next)| *next);
                    known.unwrap_or_else(|| {
                        branch.glob.push((start, end, fresh));
                        fresh
                    })
                }
                Segment::Capture(name) => {
                    captures.push((index, name.clone()));
                    *branch.any.get_or_insert(fresh)
                }
                Segment::Any => *branch.any.get_or_insert(fresh),
                Segment::Rest => {
                    takes_rest = true;
                    break;
                }
            };
            if next == fresh {
                self.branches.push(Branch::default());
            }
            at = next;
        }
        let entry = self.entries.len();
        if takes_rest {
            self.branches[at].rest.push(entry);
        } else {
            self.branches[at].ends.push(entry);
        }
        self.entries.push(Entry { methods: pattern.methods.clone(), meaning, rank, captures });
    }

    /// Everything that a path could mean, before query and body are looked at.
    #[must_use]
    pub fn find(&self, path: &str) -> Candidates<'_> {
        let folded = self.reading.case_insensitive.then(|| path.to_ascii_lowercase());
        let walked = folded.as_deref().unwrap_or(path);
        let mut found = SmallVec::new();
        self.walk(0, &split(walked), &mut found);
        for suffix in &self.reading.suffixes {
            if let Some(bare) = walked.strip_suffix(suffix.as_str()).filter(|bare| !bare.ends_with('/')) {
                self.walk(0, &split(bare), &mut found);
            }
        }
        if found.len() < 2 {
            return Candidates { matcher: self, found };
        }
        found.sort_by_key(|entry: &usize| (std::cmp::Reverse(self.entries[*entry].rank), *entry));
        found.dedup();
        Candidates { matcher: self, found }
    }

    fn walk(&self, at: usize, segments: &[&str], found: &mut SmallVec<[usize; 8]>) {
        let branch = &self.branches[at];
        found.extend(branch.rest.iter().copied());
        let Some((segment, rest)) = segments.split_first() else {
            found.extend(branch.ends.iter().copied());
            return;
        };
        if let Ok(known) = branch.literal(segment) {
            self.walk(branch.literal[known].1, rest, found);
        }
        for (start, end, next) in &branch.glob {
            if segment.len() >= start.len() + end.len()
                && segment.starts_with(start.as_str())
                && segment.ends_with(end.as_str())
            {
                self.walk(*next, rest, found);
            }
        }
        // A capture names a thing; a path that ends in `/` there names none.
        if let (Some(next), false) = (branch.any, segment.is_empty()) {
            self.walk(next, rest, found);
        }
    }
}

pub(super) fn split(path: &str) -> Segments<'_> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let mut segments = Segments::new();
    let mut start = 0;
    for end in memchr::memchr_iter(b'/', path.as_bytes()) {
        segments.push(&path[start..end]);
        start = end + 1;
    }
    segments.push(&path[start..]);
    segments
}
