//! Which sequencer each producer of some counts stands for.

use crate::grid::Counts;
use crate::timeline::Roster;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use alloy_primitives::Address;

/// The slots of the sequencers that the producers stand for, each looked up when it is needed.
pub(crate) struct SignerSlots<'a> {
    counts: &'a Counts,
    /// The slots, by the producer's code.
    slots: Vec<Lookup>,
    /// The codes by address, made when an address first comes to mean another sequencer.
    codes: Option<BTreeMap<Address, Vec<usize>>>,
}

#[derive(Clone, Copy)]
enum Lookup {
    NotYet,
    Done(Option<usize>),
}

impl<'a> SignerSlots<'a> {
    pub(crate) fn new(counts: &'a Counts) -> Self {
        Self { counts, slots: alloc::vec![Lookup::NotYet; counts.producers().len()], codes: None }
    }

    /// The slot of the sequencer that `signer`, the producer with this code, stands for.
    #[inline]
    pub(crate) fn slot(&mut self, code: usize, signer: &Address, roster: &Roster) -> Option<usize> {
        match self.slots.get_mut(code) {
            Some(Lookup::Done(slot)) => *slot,
            Some(lookup) => {
                let slot = roster.slot_of_signer(signer);
                *lookup = Lookup::Done(slot);
                slot
            }
            None => roster.slot_of_signer(signer),
        }
    }

    /// Looks `signer` up again when it is next needed.
    #[inline]
    pub(crate) fn forget(&mut self, signer: &Address) {
        let codes = self.codes.get_or_insert_with(|| {
            let mut codes: BTreeMap<Address, Vec<usize>> = BTreeMap::new();
            for (code, producer) in self.counts.producers().iter().enumerate() {
                if let Some(address) = producer {
                    codes.entry(*address).or_default().push(code);
                }
            }
            codes
        });
        for code in codes.get(signer).into_iter().flatten() {
            if let Some(lookup) = self.slots.get_mut(*code) {
                *lookup = Lookup::NotYet;
            }
        }
    }
}
