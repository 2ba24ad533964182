//! SHA-256, by which passwords are kept.

/// The first bits of the fractional parts of square and cube roots of primes.
fn roots(count: usize, power: u32) -> Vec<u32> {
    let is_prime = |number: &u128| (2..*number).all(|divisor| !number.is_multiple_of(divisor));
    let primes = (2_u128..).filter(is_prime).take(count);
    let fraction = |prime: u128| {
        // The root of the prime times 2^32, by bisection in whole numbers.
        let (mut low, mut high) = (0_u128, 1_u128 << 36);
        let wanted = prime << (32 * power);
        while high - low > 1 {
            let middle = (low + high) / 2;
            if middle.pow(power) <= wanted {
                low = middle;
            } else {
                high = middle;
            }
        }
        low as u32
    };
    primes.map(fraction).collect()
}

/// The digest in hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    let mut padded = bytes.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend((bytes.len() as u64 * 8).to_be_bytes());
    let mut state = roots(8, 2);
    let constants = roots(64, 3);
    for block in padded.chunks(64) {
        let mixed = mix(&state, &constants, block);
        for (word, added) in state.iter_mut().zip(mixed) {
            *word = word.wrapping_add(added);
        }
    }
    state.iter().map(|word| format!("{word:08x}")).collect()
}

fn mix(state: &[u32], constants: &[u32], block: &[u8]) -> [u32; 8] {
    let mut schedule: Vec<u32> = block
        .chunks(4)
        .map(|four| u32::from_be_bytes(four.try_into().expect("four bytes")))
        .collect();
    for at in 16..64 {
        let (old, new) = (schedule[at - 15], schedule[at - 2]);
        let small = old.rotate_right(7) ^ old.rotate_right(18) ^ (old >> 3);
        let large = new.rotate_right(17) ^ new.rotate_right(19) ^ (new >> 10);
        let sum = [schedule[at - 16], small, schedule[at - 7], large];
        schedule.push(sum.into_iter().fold(0, u32::wrapping_add));
    }
    let mut words: [u32; 8] = state.try_into().expect("eight words");
    for (word, constant) in schedule.into_iter().zip(constants) {
        let [a, b, c, d, e, f, g, h] = words;
        let large = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let chosen = e & f ^ !e & g;
        let first = [h, large, chosen, *constant, word];
        let first = first.into_iter().fold(0, u32::wrapping_add);
        let small = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let most = a & b ^ a & c ^ b & c;
        let second = small.wrapping_add(most);
        words = [
            first.wrapping_add(second),
            a,
            b,
            c,
            d.wrapping_add(first),
            e,
            f,
            g,
        ];
    }
    words
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_digest_of_a_known_text_is_known() {
        let digest = super::hexadecimal(b"pw");
        assert_eq!(
            digest,
            "30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4"
        );
    }
}
