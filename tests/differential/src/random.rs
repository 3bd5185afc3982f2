//! Reproducible randomness for generators (SplitMix64).

/// Is a source of choices; the same seed gives the same choices.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    /// Starts at a seed. Neighbouring seeds start far from each other, or their choices would be the same ones, shifted.
    pub fn new(seed: u64) -> Random {
        Random(Random(seed).next())
    }

    /// Returns 64 random bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Returns a number below `end`, which is not zero.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Says yes once in so many times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// Picks one.
    pub fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len())]
    }

    /// Makes up to `most` of something and puts them together.
    pub fn several(&mut self, most: usize, mut make: impl FnMut(&mut Random) -> String) -> String {
        (0..self.below(most + 1)).map(|_| make(self)).collect()
    }
}
