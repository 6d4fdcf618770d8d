//! Storage: entries with small, stable indices that are used again ([`Slab`]), and numbered entries that stay ([`Table`]).

use std::num::NonZeroU32;

/// Names one stored thing; 4 bytes, also inside an `Option`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ix(NonZeroU32);

impl Ix {
    /// Is the lowest of all, for ranges.
    pub(crate) const FIRST: Self = Self(NonZeroU32::MIN);

    /// Gives the place in the vector.
    fn place(self) -> usize {
        usize::try_from(self.0.get()).map_or(0, |number| number.saturating_sub(1))
    }

    /// Names the place behind `places` others.
    #[expect(
        clippy::expect_used,
        reason = "2^32 entries are more than 100 GB of them; numbering past that would mix up orders"
    )]
    fn after(places: usize) -> Self {
        let number = u32::try_from(places.saturating_add(1)).ok().and_then(NonZeroU32::new);
        Self(number.expect("a store holds less than 2^32 entries"))
    }
}

/// Is a store: what is put in keeps its index until it is taken out. Freed indices are used again.
#[derive(Clone, Debug)]
pub(crate) struct Slab<T> {
    items: Vec<Option<T>>,
    free: Vec<Ix>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { items: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub(crate) fn insert(&mut self, item: T) -> Ix {
        if let Some(ix) = self.free.pop()
            && let Some(place) = self.items.get_mut(ix.place())
        {
            *place = Some(item);
            return ix;
        }
        let ix = Ix::after(self.items.len());
        self.items.push(Some(item));
        ix
    }

    pub(crate) fn remove(&mut self, ix: Ix) -> Option<T> {
        let item = self.items.get_mut(ix.place())?.take()?;
        self.free.push(ix);
        Some(item)
    }

    /// Gives what is stored. An index is held only by whatever is removed together with the entry, so it is there.
    #[expect(
        clippy::expect_used,
        reason = "a dangling index is a broken book: going on could trade wrongly"
    )]
    pub(crate) fn at(&self, ix: Ix) -> &T {
        self.items.get(ix.place()).and_then(Option::as_ref).expect("an index lives with its entry")
    }

    /// Like [`Self::at`], to change it.
    #[expect(
        clippy::expect_used,
        reason = "a dangling index is a broken book: going on could trade wrongly"
    )]
    pub(crate) fn at_mut(&mut self, ix: Ix) -> &mut T {
        self.items
            .get_mut(ix.place())
            .and_then(Option::as_mut)
            .expect("an index lives with its entry")
    }
}

/// Is a list that only grows, read by numbers that were checked where they came in.
#[derive(Clone, Debug)]
pub(crate) struct Table<T>(Vec<T>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Table<T> {
    /// Appends an entry and gives its number.
    #[expect(clippy::expect_used, reason = "2^32 markets or traders do not fit a machine")]
    pub(crate) fn push(&mut self, item: T) -> u32 {
        let number = u32::try_from(self.0.len()).expect("a table holds less than 2^32 entries");
        self.0.push(item);
        number
    }

    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        usize::try_from(number).ok().and_then(|at| self.0.get(at))
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        usize::try_from(number).ok().and_then(|at| self.0.get_mut(at))
    }

    /// Gives the entry of a number that was checked before.
    #[expect(clippy::expect_used, reason = "every number from outside goes through `get` first")]
    pub(crate) fn at(&self, number: u32) -> &T {
        self.get(number).expect("the number was checked")
    }

    /// Like [`Self::at`], to change it.
    #[expect(clippy::expect_used, reason = "every number from outside goes through `get` first")]
    pub(crate) fn at_mut(&mut self, number: u32) -> &mut T {
        self.get_mut(number).expect("the number was checked")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_stays_until_its_entry_is_removed_and_is_used_again_then() {
        let mut slab = Slab::default();
        let (a, b) = (slab.insert('a'), slab.insert('b'));
        assert_eq!((*slab.at(a), *slab.at(b)), ('a', 'b'));
        assert_eq!((slab.remove(a), slab.remove(a)), (Some('a'), None));
        assert_eq!(slab.insert('c'), a);
        *slab.at_mut(b) = 'd';
        assert_eq!((*slab.at(a), *slab.at(b)), ('c', 'd'));
    }

    #[test]
    fn an_optional_index_takes_four_bytes() {
        assert_eq!(std::mem::size_of::<Option<Ix>>(), 4);
    }
}
