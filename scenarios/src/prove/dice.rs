//! Randomness that stays in place: what a task draws depends on the seed and on the task alone, so that a schedule stays
//! much the same when other tasks are taken out of it.

/// Mixes numbers into one: splitmix64, chained.
pub(super) fn mix(parts: &[u64]) -> u64 {
    parts.iter().fold(0x7469_6465, |state, part| stir(state, *part))
}

/// One more number.
pub(super) const fn stir(state: u64, part: u64) -> u64 {
    let mut z = (state ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
