//! Bytes that look random and are the same every time: the output of BLAKE3 in extendable mode.

use blake3::{Hasher, OutputReader};

/// Keeps these bytes apart from every other use of the hash.
const CONTEXT: &str = "tidewall origin synthetic object v1";

/// An endless run of pseudo-random bytes that can be read from any offset.
#[derive(Clone, Debug)]
pub struct Noise {
    output: OutputReader,
}

impl Noise {
    /// The bytes for this sequence of parts. Parts are framed: `ab, c` and `a, bc` have nothing in common.
    pub fn new<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = Hasher::new_derive_key(CONTEXT);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        Self { output: hasher.finalize_xof() }
    }

    /// Writes the bytes from an offset on.
    pub fn fill(&self, offset_bytes: u64, out: &mut [u8]) {
        let mut output = self.output.clone();
        output.set_position(offset_bytes);
        output.fill(out);
    }

    /// A short name for the run: equal for equal parts only.
    pub fn name(&self) -> [u8; 16] {
        let mut name = [0; 16];
        // Past the end of every object, so that it isn't the beginning of one.
        self.fill(u64::MAX / 2, &mut name);
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_offset_reads_the_same_run() {
        let noise = Noise::new([b"hero.jpg".as_slice()]);
        let mut whole = vec![0; 10_000];
        noise.fill(0, &mut whole);
        for offset in [0, 1, 63, 64, 65, 4096, 9_999] {
            let mut rest = vec![0; whole.len() - offset];
            noise.fill(offset as u64, &mut rest);
            assert_eq!(rest, whole[offset..], "{offset}");
        }
    }

    #[test]
    fn parts_are_framed() {
        let name = |parts: &[&[u8]]| Noise::new(parts.iter().copied()).name();
        assert_eq!(name(&[b"a", b"b"]), name(&[b"a", b"b"]));
        assert_ne!(name(&[b"ab", b"c"]), name(&[b"a", b"bc"]));
        assert_ne!(name(&[b"a"]), name(&[b"a", b""]));
    }
}
