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

/// How many numbers [`sum_of_group`] adds up.
pub(crate) const GROUP: usize = 8;

/// The sum of the eight numbers that begin in `bytes` with number `8 · group`; `None` where they would have to
/// be taken one by one: they are wider than 16 bits, or the bytes end soon after them.
#[inline]
pub(crate) fn sum_of_group(bytes: &[u8], width: u32, group: usize) -> Option<u64> {
    // Eight numbers of so many bits are as many bytes.
    let width_bytes = usize::try_from(width).ok()?;
    let start = group.checked_mul(width_bytes)?;
    let field = |held: u64| held & ((1 << width) - 1);
    let mut sum = 0;
    if width <= 8 {
        let held = u64::from_le_bytes(*bytes.get(start..)?.first_chunk()?);
        for number in 0..8 {
            sum += field(held >> (number * width));
        }
        return Some(sum);
    }
    if width > 16 {
        return None;
    }
    let rest = bytes.get(start..)?;
    let held = u128::from_le_bytes(*rest.first_chunk()?);
    for number in 0..8 {
        sum += field(u64::try_from((held >> (number * width)) & u128::from(u64::MAX)).ok()?);
    }
    Some(sum)
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
            for (group, numbers) in values.chunks_exact(GROUP).enumerate() {
                if let Some(sum) = sum_of_group(&bytes, width, group) {
                    prop_assert_eq!(sum, numbers.iter().sum::<u64>());
                }
            }
        }
    }
}
