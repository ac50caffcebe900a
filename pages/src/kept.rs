//! Pages that were made are kept while their state is the present one: whoever asks for the same gets the same bytes, and of
//! many who ask at once one has them made.

use axum::body::Bytes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// How many pages a generation has: at 100 kB each, two of them take some 50 MB at most.
const PAGES_MAX: usize = 256;

/// A page that is made once.
type Cell = Arc<OnceCell<Bytes>>;

/// Pages by their addresses, each with the tag of what it was made of.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    present: BTreeMap<String, (String, Cell)>,
    /// What was asked for before the present generation was full; what is asked for again moves on.
    before: BTreeMap<String, (String, Cell)>,
}

impl Kept {
    /// The page at an address that is made of what the tag names.
    pub(crate) fn cell(&self, address: &str, tag: &str) -> Cell {
        // Whoever held it has put one in, or moved some.
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, cell)) = pages.present.get(address)
            && of == tag
        {
            return Arc::clone(cell);
        }
        let before = pages.before.remove(address).filter(|(of, _)| of == tag);
        let cell = before.map_or_else(Cell::default, |(_, cell)| cell);
        if pages.present.len() >= PAGES_MAX {
            pages.before = std::mem::take(&mut pages.present);
        }
        pages.present.insert(address.to_owned(), (tag.to_owned(), Arc::clone(&cell)));
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(pages: &Kept, address: &str, tag: &str) -> bool {
        pages.cell(address, tag).initialized()
    }

    #[test]
    fn a_page_is_kept_for_its_tag_alone() {
        let pages = Kept::default();
        pages.cell("/", "a").set(Bytes::from_static(b"page")).expect("it is new");
        assert!(kept(&pages, "/", "a") && !kept(&pages, "/x", "a"));
        assert!(!kept(&pages, "/", "b") && !kept(&pages, "/", "a"), "the new one took its place");
    }

    #[test]
    fn pages_that_are_asked_for_again_outlive_others() {
        let pages = Kept::default();
        pages.cell("/", "a").set(Bytes::from_static(b"page")).expect("it is new");
        pages.cell("/once", "a").set(Bytes::from_static(b"page")).expect("it is new");
        for round in 0..4 {
            for other in 0..PAGES_MAX - 2 {
                pages.cell(&format!("/{round}/{other}"), "a");
            }
            assert!(kept(&pages, "/", "a"), "round {round}");
        }
        assert!(!kept(&pages, "/once", "a"));
    }
}
