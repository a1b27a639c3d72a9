//! Which numbers exist: for every country calling code the lengths of national numbers by their first
//! three digits (`numbering.txt`, made by `numbering.py`). A question is two short searches.

use std::sync::LazyLock;

const TABLE: &str = include_str!("numbering.txt");
/// More digits than any number has behind its country.
const LONGEST: usize = 16;

/// Neighbouring beginnings with the same lengths.
struct Run {
    first: u16,
    last: u16,
    /// Bit n is set: numbers of n digits exist.
    lengths: u32,
}

/// One country calling code.
struct Plan {
    code: u16,
    trunk: &'static str,
    runs: Box<[Run]>,
}

/// All plans, by their code.
static PLANS: LazyLock<Vec<Option<Plan>>> = LazyLock::new(|| {
    let mut plans: Vec<Option<Plan>> = (0..1_000).map(|_| None).collect();
    for plan in lines().filter_map(|(code, regions, runs)| plan(code, regions, runs)) {
        if let Some(place) = plans.get_mut(usize::from(plan.code)) {
            *place = Some(plan);
        }
    }
    plans
});

/// Code, regions and runs of each line.
fn lines() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (code, rest) = line.split_once(' ')?;
        let (regions, runs) = rest.split_once(' ')?;
        Some((code, regions, runs))
    })
}

fn plan(code: &str, regions: &'static str, runs: &str) -> Option<Plan> {
    let trunk = regions.split(',').next()?.split_once('/').map_or("-", |(_, trunk)| trunk);
    Some(Plan { code: code.parse().ok()?, trunk, runs: runs.split(' ').filter_map(run).collect() })
}

fn run(text: &str) -> Option<Run> {
    let (range, lengths) = text.split_once(':')?;
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    Some(Run { first: first.parse().ok()?, last: last.parse().ok()?, lengths: u32::from_str_radix(lengths, 16).ok()? })
}

fn plan_of(code: u16) -> Option<&'static Plan> {
    PLANS.get(usize::from(code))?.as_ref()
}

/// What is dialled first inside the country, or `-`.
pub(super) fn trunk_of(code: u16) -> &'static str {
    plan_of(code).map_or("-", |plan| plan.trunk)
}

fn exists(plan: &Plan, national: &[u8]) -> bool {
    let &[a, b, c, ..] = national else { return false };
    let head = u16::from(a) * 100 + u16::from(b) * 10 + u16::from(c);
    let at = plan.runs.partition_point(|run| run.last < head);
    let lengths = plan.runs.get(at).filter(|run| run.first <= head).map_or(0, |run| run.lengths);
    // In North America an exchange begins with 2 to 9.
    let exchange = plan.code != 1 || national.get(3).is_some_and(|&d| d >= 2);
    national.len() < LONGEST && lengths >> national.len() & 1 == 1 && exchange
}

/// A number as it is kept apart: country and what is dialled inside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// 0 where the area is not known either.
    pub(super) code: u16,
    national: [u8; LONGEST],
    length: usize,
}

impl Reading {
    fn of(plan: &Plan, national: &[u8]) -> Option<Self> {
        exists(plan, national).then(|| Self::keep(plan.code, national))
    }

    fn keep(code: u16, national: &[u8]) -> Self {
        let mut kept = [0; LONGEST];
        for (place, digit) in kept.iter_mut().zip(national) {
            *place = *digit;
        }
        Self { code, national: kept, length: national.len().min(LONGEST) }
    }

    /// The digits that are dialled inside the country, without what is dialled first.
    pub(super) fn national(&self) -> &[u8] {
        self.national.get(..self.length).unwrap_or_default()
    }
}

/// The number behind `+` or `00`.
pub(super) fn international(digits: &[u8]) -> Option<Reading> {
    let mut code = 0;
    for (at, &digit) in digits.iter().enumerate().take(3) {
        code = code * 10 + u16::from(digit);
        if code == 0 {
            return None;
        }
        if let Some(plan) = plan_of(code) {
            let national = digits.get(at + 1..)?;
            // `+49 (0)30`: what is dialled inside only.
            let stripped = national.strip_prefix(&[0]).filter(|_| plan.trunk != "-");
            return Reading::of(plan, national).or_else(|| Reading::of(plan, stripped?));
        }
    }
    None
}

/// A region whose numbers are known without their country.
pub(in crate::detect) struct Region {
    plan: &'static Plan,
    trunk: &'static str,
}

impl Region {
    /// The region of that name (ISO 3166, two capital letters).
    pub(in crate::detect) fn named(name: &str) -> Option<Self> {
        let (code, trunk) = lines().find_map(|(code, regions, _)| {
            let (_, trunk) =
                regions.split(',').filter_map(|r| r.split_once('/')).find(|(region, _)| *region == name)?;
            Some((code, trunk))
        })?;
        Some(Self { plan: plan_of(code.parse().ok()?)?, trunk })
    }

    pub(super) fn trunk(&self) -> &'static str {
        self.trunk
    }

    pub(super) fn is_north_american(&self) -> bool {
        self.plan.code == 1
    }

    /// What is dialled before the code of another country, where it is not `00`.
    pub(super) fn dials_abroad(&self) -> Option<&'static [u8]> {
        match self.plan.code {
            1 => Some(&[0, 1, 1]),
            61 => Some(&[0, 0, 1, 1]),
            81 => Some(&[0, 1, 0]),
            _ => None,
        }
    }

    /// A number behind the digits that are dialled first.
    pub(super) fn with_trunk(&self, digits: &[u8]) -> Option<Reading> {
        let mut rest = digits;
        for dialled in self.trunk.bytes() {
            rest = rest.strip_prefix(&[dialled.wrapping_sub(b'0')])?;
        }
        Reading::of(self.plan, rest)
    }

    /// A number without them.
    pub(super) fn without_trunk(&self, digits: &[u8]) -> Option<Reading> {
        Reading::of(self.plan, digits)
    }

    /// A number without its area, in North America.
    pub(super) fn local(&self, digits: &[u8]) -> Option<Reading> {
        (self.is_north_american() && digits.len() == 7 && digits.first()? >= &2).then(|| Reading::keep(0, digits))
    }

    /// Whether such numbers are always written without what is dialled first: mobiles of China, India, Russia,
    /// all of Brazil, where the area is the `first` group.
    pub(super) fn mobile_without_trunk(&self, digits: &[u8], first: Option<usize>) -> bool {
        matches!(
            (self.plan.code, digits.len(), digits.first(), first),
            (86, 11, Some(1), _) | (91, 10, Some(6..=9), _) | (7, 10, Some(9), _) | (55, 10 | 11, _, Some(2))
        )
    }

    /// Eight digits in two groups, as in Hong Kong and Singapore; two years are no number.
    pub(super) fn in_fours(&self, digits: &[u8], groups: usize) -> bool {
        let year = |four: &[u8]| matches!(four, [1, 9, ..] | [2, 0, ..]);
        matches!(self.plan.code, 65 | 852) && groups == 2 && !digits.chunks(4).all(year)
    }
}
