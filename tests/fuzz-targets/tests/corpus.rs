//! Runs every target on its corpus: seeds written by hand, and what fuzzing found that reaches something new.

use std::path::Path;

use fuzz_targets::TARGETS;

#[test]
fn survives_the_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for target in TARGETS {
        let folder = std::fs::read_dir(corpus.join(target.name)).expect("every target has a corpus");
        let mut count = 0;
        for entry in folder {
            let path = entry.expect("an entry").path();
            let input = std::fs::read(&path).expect("a file");
            if let Err(panic) = std::panic::catch_unwind(|| (target.run)(&input)) {
                eprintln!("{} panics on {}", target.name, path.display());
                std::panic::resume_unwind(panic);
            }
            count += 1;
        }
        assert!(count > 3, "the corpus of {} has only {count} inputs", target.name);
    }
}
