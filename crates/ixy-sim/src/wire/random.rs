/// The SplitMix64 generator (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014): good
/// enough for faults, and with the same numbers on every machine.
#[derive(Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The generator for `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Whether an event of this probability happens: never at 0, always at 1.
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        // A double holds 53 bits exactly, so the quotient lies in 0..1.
        ((self.bits() >> 11) as f64 / (1u64 << 53) as f64) < probability
    }

    /// A number below `limit`, and 0 when that is 0. (The bias is below 2^-32 for the limits in use.)
    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        (((self.bits() >> 32) * u64::from(limit)) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn the_sequence_is_the_published_one() {
        // First outputs of the reference implementation for seed 1234567.
        let mut random = Random::new(1_234_567);
        let wanted = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!([(); 5].map(|()| random.bits()), wanted);
    }

    #[test]
    fn probabilities_are_kept() {
        let mut random = Random::new(1);
        let mut count = |probability| (0..100_000).filter(|_| random.happens(probability)).count();
        assert_eq!((count(0.0), count(1.0)), (0, 100_000));
        assert!((29_000..31_000).contains(&count(0.3)));
        let mut random = Random::new(2);
        let mut seen = [0; 7];
        (0..70_000).for_each(|_| seen[random.below(7) as usize] += 1);
        assert!(seen.iter().all(|count| (9_500..10_500).contains(count)), "{seen:?}");
    }
}
