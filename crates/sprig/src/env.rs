//! What functions may not take from the machine: the time, and randomness.
//!
//! The embedder gives an [`Environment`] to each render as state. Without one, `now` is the epoch and the entropy has a fixed seed,
//! so that a forgotten environment shows.

use go_template::Call;
use sha2::{Digest, Sha256};

/// Is a stream of bytes that only its seed decides: equal seeds give equal bytes.
#[derive(Clone)]
pub struct Entropy {
    seed: [u8; 32],
    counter: u64,
    block: Vec<u8>,
}

impl Entropy {
    /// Creates the stream of a seed; take the seed from the system where secrets are made.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Entropy { seed, counter: 0, block: Vec::new() }
    }

    /// Fills the buffer with the next bytes.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        for byte in buffer {
            if self.block.is_empty() {
                let digest = Sha256::new().chain_update(self.seed).chain_update(self.counter.to_le_bytes()).finalize();
                self.counter += 1;
                self.block = digest.to_vec();
            }
            *byte = self.block.pop().unwrap_or_default();
        }
    }

    /// Returns a number below the bound, each equally likely; zero for a bound of zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        // Numbers beyond the last full multiple would favour the small ones.
        let limit = u64::MAX - u64::MAX % bound;
        loop {
            let mut buffer = [0; 8];
            self.fill(&mut buffer);
            let number = u64::from_le_bytes(buffer);
            if number < limit {
                return number % bound;
            }
        }
    }
}

/// Is the clock and the entropy of one render.
#[derive(Clone)]
pub struct Environment {
    /// Seconds since 1970-01-01 UTC.
    pub seconds: i64,
    /// Nanoseconds of the current second.
    pub nanoseconds: u32,
    /// The source of everything random.
    pub entropy: Entropy,
}

impl Default for Environment {
    fn default() -> Self {
        Environment { seconds: 0, nanoseconds: 0, entropy: Entropy::from_seed([0; 32]) }
    }
}

/// Returns the time that the render has, which does not pass.
pub(crate) fn now(call: &mut Call<'_>) -> (i64, u32) {
    call.state::<Environment>().map_or((0, 0), |env| (env.seconds, env.nanoseconds))
}

/// Uses the entropy of the render.
pub(crate) fn with_entropy<R>(call: &mut Call<'_>, run: impl FnOnce(&mut Entropy) -> R) -> R {
    match call.state::<Environment>() {
        Some(env) => {
            go_template::order::matters();
            run(&mut env.entropy)
        }
        None => run(&mut Environment::default().entropy),
    }
}
