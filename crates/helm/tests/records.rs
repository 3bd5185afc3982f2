//! Reads the release records that real helm-controllers wrote and writes them again: every byte must come out the same.

use std::io::Read;

use helm::release::Release;

#[test]
#[cfg_attr(not(has_shared), ignore = "skipped: ../shared is not here")]
fn writes_records_as_helm_does() {
    let folder = shared_data::folder("captured");
    let mut count = 0;
    for generation in std::fs::read_dir(folder).expect("folder").flatten().filter(|entry| entry.path().is_dir()) {
        for release in std::fs::read_dir(generation.path()).expect("folder").flatten() {
            let Ok(packed) = std::fs::read(release.path().join("release.json.gz")) else { continue };
            let mut text = String::new();
            flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).expect("gzip");
            let record = Release::from_json(text.as_bytes()).expect("a record");
            let written = record.to_json();
            if written != text.trim_end_matches('\n') {
                let at = written.bytes().zip(text.bytes()).position(|(left, right)| left != right).unwrap_or(written.len().min(text.len()));
                let around =
                    |text: &str| String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(80)..(at + 80).min(text.len())]).into_owned();
                panic!("{:?} differs at {at}:\n ours {}\n helm {}", release.path(), around(&written), around(&text));
            }
            assert_eq!(Release::decode(&record.encode()).expect("a record"), record);
            count += 1;
        }
    }
    println!("{count} records");
    assert!(count > 10, "only {count} records found");
}
