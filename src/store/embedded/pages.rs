//! Rows of a redb file that redb itself refuses: the pages that are whole, found from the header
//! downwards.
//!
//! A page is believed when its bytes have the checksum that its parent holds, so a row that comes
//! from here is a row that was written. The layout is that of file format 3, told in redb's
//! `docs/design.md`; redb 3 and 4 write it.

use twox_hash::XxHash3_128;

/// What every file of this store has in its header: these are redb's defaults, and the header is
/// not believed where it says otherwise.
const PAGE: u64 = 4_096;
const REGION: u64 = 1_048_576 * PAGE;

/// The header's byte of flags, and the flag that tells which commit slot is the newest.
const FLAGS: usize = 9;
const SECOND_IS_NEWEST: u8 = 1;
const SLOTS: [usize; 2] = [64, 192];
const SLOT: usize = 128;

/// Deeper than any tree that fits a disk: pages that point at each other end here.
const DEEPEST: usize = 24;

/// The beginning of a tree: where its first page is, and what that page's checksum must be.
#[derive(Clone, Copy)]
struct Root {
    page: u64,
    checksum: u128,
}

/// A table as its own row in the file describes it.
struct Table {
    rows: u64,
    root: Option<Root>,
    key: Option<usize>,
    value: Option<usize>,
}

/// The tables of one commit, as far as they can be read.
pub(super) struct Tables<'a> {
    file: &'a [u8],
    named: Vec<(&'a [u8], Table)>,
    /// Whether the list of tables was whole.
    pub(super) complete: bool,
    /// Whether the newest commit could not be found, so that these are those of the one before.
    pub(super) older: bool,
}

impl<'a> Tables<'a> {
    /// Finds the newest commit of which anything can be read; `None` when there is none.
    pub(super) fn find(file: &'a [u8]) -> Option<Self> {
        let newest = usize::from(file.get(FLAGS)? & SECOND_IS_NEWEST);
        [newest, 1 - newest].into_iter().enumerate().find_map(|(older, slot)| {
            let slot = file.get(SLOTS[slot]..)?.get(..SLOT)?;
            let mut found = Self::of(file, slot)?;
            found.older = older == 1;
            Some(found)
        })
    }

    fn of(file: &'a [u8], slot: &[u8]) -> Option<Self> {
        let (content, checksum) = slot.split_at_checked(SLOT - 16)?;
        if XxHash3_128::oneshot(content).to_le_bytes() != *checksum || content.get(1) == Some(&0) {
            return None;
        }
        let mut named = Vec::new();
        let complete = walk(file, root(content.get(8..)?)?, [None, None], 0, &mut |name, value| {
            named.extend(table(value).map(|table| (name, table)));
        });
        (complete || !named.is_empty()).then_some(Self { file, named, complete, older: false })
    }

    /// Gives each row of a table to `take` whose page is whole; how many rows the table has, where
    /// that can be read.
    pub(super) fn rows(&self, name: &str, take: &mut dyn FnMut(&'a [u8], &'a [u8])) -> Option<u64> {
        let (_, table) = self.named.iter().find(|(found, _)| *found == name.as_bytes())?;
        if let Some(root) = table.root {
            walk(self.file, root, [table.key, table.value], 0, take);
        }
        Some(table.rows)
    }
}

/// Visits the rows below `root`; whether every page was whole.
fn walk<'a>(
    file: &'a [u8],
    root: Root,
    widths: [Option<usize>; 2],
    depth: usize,
    take: &mut dyn FnMut(&'a [u8], &'a [u8]),
) -> bool {
    let Some(page) = page(file, root.page) else { return false };
    match page.first() {
        _ if depth > DEEPEST => false,
        Some(1) => leaf(page, root.checksum, widths, take).is_some(),
        Some(2) => {
            let Some(children) = children(page, root.checksum, widths[0]) else { return false };
            // All of them, also behind one that is damaged.
            let mut whole = true;
            for child in children {
                whole &= walk(file, child, widths, depth + 1, take);
            }
            whole
        }
        _ => false,
    }
}

/// The bytes of a page by its number: an index, a region, and the power of two of its size.
fn page(file: &[u8], number: u64) -> Option<&[u8]> {
    let order = number >> 59;
    let index = number & (0x000F_FFFF >> order);
    let region = (number >> 20) & 0x000F_FFFF;
    let length = PAGE << order;
    let start = PAGE.checked_add(region.checked_mul(REGION)?)?.checked_add(index.checked_mul(length)?)?;
    let start = usize::try_from(start).ok()?;
    file.get(start..start.checked_add(usize::try_from(length).ok()?)?)
}

/// Gives the rows of a leaf to `take`; `None`, and no row, when it is damaged.
fn leaf<'a>(
    page: &'a [u8],
    checksum: u128,
    [key, value]: [Option<usize>; 2],
    take: &mut dyn FnMut(&'a [u8], &'a [u8]),
) -> Option<()> {
    let count = usize::from(u16::from_le_bytes(page.get(2..4)?.try_into().ok()?));
    let (keys, start) = ends(page, 4, count, key)?;
    let (values, start) = ends(page, start, count, value)?;
    let (keys, start) = spans(&keys, start, key, count)?;
    let (values, end) = spans(&values, start, value, count)?;
    if count == 0 || XxHash3_128::oneshot(page.get(..end)?) != checksum {
        return None;
    }
    for (key, value) in keys.into_iter().zip(values) {
        take(page.get(key)?, page.get(value)?);
    }
    Some(())
}

/// The children of a branch; `None` when it is damaged.
fn children(page: &[u8], checksum: u128, key: Option<usize>) -> Option<Vec<Root>> {
    let count = usize::from(u16::from_le_bytes(page.get(2..4)?.try_into().ok()?));
    let numbers = 8 + 16 * (count + 1);
    let (keys, start) = ends(page, numbers + 8 * (count + 1), count, key)?;
    let (_, end) = spans(&keys, start, key, count)?;
    if count == 0 || XxHash3_128::oneshot(page.get(..end)?) != checksum {
        return None;
    }
    (0..=count)
        .map(|n| {
            Some(Root {
                checksum: u128::from_le_bytes(page.get(8 + 16 * n..)?.first_chunk().copied()?),
                page: number(page.get(numbers + 8 * n..)?)?,
            })
        })
        .collect()
}

/// Reads where texts of changing length end; those of a fixed length have no such list.
fn ends(page: &[u8], start: usize, count: usize, width: Option<usize>) -> Option<(Vec<usize>, usize)> {
    if width.is_some() {
        return Some((Vec::new(), start));
    }
    let list = page.get(start..start + 4 * count)?;
    let ends = list.chunks_exact(4).map(|end| Some(u32::from_le_bytes(end.try_into().ok()?) as usize));
    Some((ends.collect::<Option<_>>()?, start + 4 * count))
}

type Spans = Vec<std::ops::Range<usize>>;

/// Where each text stands, and where the last one ends.
fn spans(ends: &[usize], start: usize, width: Option<usize>, count: usize) -> Option<(Spans, usize)> {
    let mut from = start;
    let mut spans = Vec::with_capacity(count);
    for n in 0..count {
        let to = match width {
            Some(width) => from.checked_add(width)?,
            None => *ends.get(n)?,
        };
        if to < from {
            return None;
        }
        spans.push(from..to);
        from = to;
    }
    Some((spans, from))
}

fn number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.first_chunk()?))
}

fn root(bytes: &[u8]) -> Option<Root> {
    Some(Root { page: number(bytes)?, checksum: u128::from_le_bytes(*bytes.get(8..)?.first_chunk()?) })
}

/// Reads a table's own row.
fn table(bytes: &[u8]) -> Option<Table> {
    let width = |at: usize| {
        let width = u32::from_le_bytes(*bytes.get(at + 1..)?.first_chunk()?) as usize;
        Some((*bytes.get(at)? != 0).then_some(width))
    };
    let root = if *bytes.get(9)? == 0 { None } else { Some(root(bytes.get(10..)?)?) };
    Some(Table { rows: number(bytes.get(1..)?)?, root, key: width(42)?, value: width(47)? })
}
