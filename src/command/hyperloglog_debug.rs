//! PFDEBUG and PFSELFTEST: looking into a HyperLogLog, and trying out the code.

use super::argument::is_word;
use super::hyperloglog::{encoding, read, replace};
use super::{Call, Failure, Outcome, errors, settings, string_value};
use crate::keyspace::hll::{self, Encoding, Observation, REGISTERS};
use crate::keyspace::hll_sparse;
use crate::resp::ErrorReply;
use crate::storage::Plan;

/// Elements that PFSELFTEST adds.
const TEST_ELEMENTS: u64 = 1_000_000;
/// Times that PFSELFTEST fills and reads all registers.
const TEST_CYCLES: usize = 100;

/// What PFDEBUG is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Registers,
    Runs,
    Encoding,
    ToDense,
}

impl Question {
    fn parse(word: &[u8]) -> Result<Self, ErrorReply> {
        [
            ("GETREG", Self::Registers),
            ("DECODE", Self::Runs),
            ("ENCODING", Self::Encoding),
            ("TODENSE", Self::ToDense),
        ]
        .into_iter()
        .find(|(name, _)| is_word(word, name))
        .map(|(_, question)| question)
        .ok_or_else(|| errors::unknown_pfdebug(word))
    }
}

/// PFDEBUG GETREG | DECODE | ENCODING | TODENSE key
pub fn pfdebug(call: &mut Call) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[2], call.now_ms);
    let word = call.args[1];
    let out = &mut *call.out;
    call.keyspace.write(Plan::Simple, |txn| {
        let slot = string_value::slot(txn, db, key, now_ms)?;
        if !slot.exists() {
            return Err(Failure::from(errors::KEY_MISSING));
        }
        let encoding = encoding(txn.keyspace(), db, key, slot.len)?;
        let question = Question::parse(word)?;
        let mut value = read(txn.keyspace(), db, key, slot.len)?;
        let sparse = encoding == Encoding::Sparse;
        match question {
            Question::Encoding => {
                out.simple(if sparse { "sparse" } else { "dense" });
                return Ok(());
            }
            Question::Runs if !sparse => return Err(errors::HLL_NOT_SPARSE.into()),
            Question::Runs => {
                out.bulk(decode(&value).as_bytes());
                return Ok(());
            }
            Question::Registers | Question::ToDense => {}
        }
        if sparse {
            hll_sparse::to_dense(&mut value)?;
            replace(txn, &slot, key, &value)?;
            txn.touched(db, key, 1, None);
        }
        if question == Question::ToDense {
            out.int(i64::from(sparse));
        } else {
            out.array(REGISTERS);
            for register in 0..REGISTERS {
                out.int(i64::from(hll::register(&value, register)));
            }
        }
        Ok(())
    })
}

/// The runs of a sparse value in words.
fn decode(value: &[u8]) -> String {
    let runs: Vec<String> = hll_sparse::runs(value)
        .map(|run| match (run.rank, run.wide) {
            (0, false) => format!("z:{}", run.len),
            (0, true) => format!("Z:{}", run.len),
            (rank, _) => format!("v:{rank},{}", run.len),
        })
        .collect();
    runs.join(" ")
}

/// PFSELFTEST
pub fn pfselftest(call: &mut Call) -> Outcome {
    let mut rng = fastrand::Rng::with_seed(call.now_ms);
    test_registers(&mut rng)?;
    test_estimates(&mut rng, settings::hll_sparse_max_bytes(call))?;
    call.out.ok();
    Ok(())
}

fn test_registers(rng: &mut fastrand::Rng) -> Outcome {
    let mut dense = hll::empty();
    hll_sparse::to_dense(&mut dense)?;
    for _ in 0..TEST_CYCLES {
        let ranks: Vec<u8> = (0..REGISTERS).map(|_| rng.u8(..64)).collect();
        for (register, &rank) in ranks.iter().enumerate() {
            let offset = hll::dense_offset(register);
            hll::dense_put(&mut dense[offset..], register, rank);
        }
        for (at, &rank) in ranks.iter().enumerate() {
            let found = hll::register(&dense, at);
            if found != rank {
                let reason = format!("Register {at} should be {rank} but is {found}");
                return Err(errors::hll_self_test(reason).into());
            }
        }
    }
    Ok(())
}

fn test_estimates(rng: &mut fastrand::Rng, sparse_max: usize) -> Outcome {
    let failed = |reason: String| Err(errors::hll_self_test(reason).into());
    let seed = rng.u64(..);
    let mut dense = hll::empty();
    hll_sparse::to_dense(&mut dense)?;
    let mut value = hll::empty();
    let mut checkpoint = 1;
    for n in 1..=TEST_ELEMENTS {
        let seen: Observation = hll::observe(&(n ^ seed).to_le_bytes());
        hll::raise(&mut dense, seen);
        hll::add(&mut value, seen, sparse_max)?;
        if n != checkpoint {
            continue;
        }
        if n < sparse_max as u64 / 2 && value[4] == 0 {
            return failed("sparse encoding not used".to_owned());
        }
        let count = hll::count(&dense)?;
        if hll::count(&value)? != count {
            return failed("dense/sparse disagree".to_owned());
        }
        let error_max = match n {
            10 => 1,
            _ => (1.04 / (REGISTERS as f64).sqrt() * 6.0 * n as f64).ceil() as u64,
        };
        let error = count.abs_diff(n);
        if error > error_max {
            return failed(format!("Too big error. card:{n} abserr:{error}"));
        }
        checkpoint *= 10;
    }
    Ok(())
}
