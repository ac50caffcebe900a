//! Unsigned numbers of a fixed width in bits, packed from the lowest bit of the first byte on.

/// How many bits the largest of `values` takes.
pub(crate) fn width_of(values: impl IntoIterator<Item = u64>) -> u32 {
    let all = values.into_iter().fold(0, |all, value| all | value);
    u64::BITS - all.leading_zeros()
}

/// How many bytes `count` numbers of `width` bits take, or `None` above what memory can hold.
pub(crate) fn packed_len(count: usize, width: u32) -> Option<usize> {
    count.checked_mul(usize::try_from(width).ok()?)?.checked_add(7).map(|bits| bits / 8)
}

/// Packs `values`, each of which must fit in `width` bits.
pub(crate) fn pack(values: impl IntoIterator<Item = u64>, width: u32, out: &mut Vec<u8>) {
    let mut held: u128 = 0;
    let mut held_bits: u32 = 0;
    for value in values {
        debug_assert!(u64::BITS - value.leading_zeros() <= width, "{value} takes more than {width} bits");
        held |= u128::from(value) << held_bits;
        held_bits += width;
        while held_bits >= 8 {
            out.push(held.to_le_bytes()[0]);
            held >>= 8;
            held_bits -= 8;
        }
    }
    if held_bits > 0 {
        out.push(held.to_le_bytes()[0]);
    }
}

/// The numbers packed in `bytes`; it ends with the bytes.
pub(crate) fn unpack(bytes: &[u8], width: u32) -> impl Iterator<Item = u64> {
    let mut held: u128 = 0;
    let mut held_bits: u32 = 0;
    let mut rest = bytes.iter();
    let mask = (1_u128 << width) - 1;
    core::iter::from_fn(move || {
        while held_bits < width {
            held |= u128::from(*rest.next()?) << held_bits;
            held_bits += 8;
        }
        let value = held & mask;
        held >>= width;
        held_bits -= width;
        u64::try_from(value).ok()
    })
}

/// How many numbers a group has. Eight numbers of `width` bits are `width` bytes.
pub(crate) const GROUP: usize = 8;

/// Adds groups of eight packed numbers up, as long as `go_on` says so of each sum. For widths up to 16; wider
/// numbers have to be taken one by one. A last group that is not whole is left out.
pub(crate) fn add_groups(bytes: &[u8], width: u32, go_on: impl FnMut(u64) -> bool) {
    match width {
        1 => add_groups_of::<1>(bytes, go_on),
        2 => add_groups_of::<2>(bytes, go_on),
        3 => add_groups_of::<3>(bytes, go_on),
        4 => add_groups_of::<4>(bytes, go_on),
        5 => add_groups_of::<5>(bytes, go_on),
        6 => add_groups_of::<6>(bytes, go_on),
        7 => add_groups_of::<7>(bytes, go_on),
        8 => add_groups_of::<8>(bytes, go_on),
        9 => add_groups_of::<9>(bytes, go_on),
        10 => add_groups_of::<10>(bytes, go_on),
        11 => add_groups_of::<11>(bytes, go_on),
        12 => add_groups_of::<12>(bytes, go_on),
        13 => add_groups_of::<13>(bytes, go_on),
        14 => add_groups_of::<14>(bytes, go_on),
        15 => add_groups_of::<15>(bytes, go_on),
        16 => add_groups_of::<16>(bytes, go_on),
        _ => {}
    }
}

/// The width is a constant here, so that shifts and masks are.
fn add_groups_of<const WIDTH: usize>(bytes: &[u8], mut go_on: impl FnMut(u64) -> bool) {
    for group in bytes.as_chunks::<WIDTH>().0 {
        let mut held = [0; 16];
        held[..WIDTH].copy_from_slice(group);
        let held = u128::from_le_bytes(held);
        let mut sum = 0;
        for number in 0..GROUP {
            sum += (held >> (number * WIDTH)) & ((1 << WIDTH) - 1);
        }
        // Eight numbers of 16 bits.
        if !go_on(u64::try_from(sum).expect("it has 19 bits at most")) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(values in prop::collection::vec(any::<u64>(), 0..50), shift in 0_u32..=63) {
            let values: Vec<u64> = values.into_iter().map(|value| value >> shift).collect();
            let width = width_of(values.iter().copied());
            let mut bytes = Vec::new();
            pack(values.iter().copied(), width, &mut bytes);
            prop_assert_eq!(Some(bytes.len()), packed_len(values.len(), width));
            let unpacked: Vec<u64> = unpack(&bytes, width).take(values.len()).collect();
            prop_assert_eq!(unpacked, values.clone());
            if (1..=16).contains(&width) {
                let mut sums = Vec::new();
                add_groups(&bytes, width, |sum| {
                    sums.push(sum);
                    sums.len() < 3
                });
                let expected = values.chunks_exact(GROUP).map(|numbers| numbers.iter().sum::<u64>());
                let expected: Vec<u64> = expected.take(3).collect();
                // The bytes of a last group that is not whole may be as many as those of one that is.
                prop_assert!(sums.starts_with(&expected));
            }
        }
    }
}
