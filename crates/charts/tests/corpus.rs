//! Real archives in a directory, each found by its chart's name and version, by a range, and nothing else found in its place.

use charts::{Options, Reference, Source};

#[tokio::test]
#[cfg_attr(not(has_shared), ignore = "skipped: ../shared is not here")]
async fn every_archive_is_found() {
    let directory = shared_data::folder("charts");
    let source = Source::new(Options { directories: vec![directory.clone()], ..Options::default() });
    let mut count = 0;
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "tgz") {
            continue;
        }
        let read = source.fetch(&Reference::Path(path.clone())).await.unwrap();
        let (name, version) = (read.chart.name().to_owned(), read.version);
        let oci = format!("oci://registry.example/charts/{name}");
        for wanted in [version.clone(), format!(">={version} <={version}")] {
            let found = source.fetch(&Reference::parse(&oci, Some(&wanted)).unwrap()).await.unwrap();
            assert_eq!((found.chart.name(), &found.version, &found.digest), (name.as_str(), &version, &read.digest));
        }
        let http = Reference::Repository { url: "https://charts.example".to_owned(), name: name.clone(), version: version.clone() };
        assert_eq!(source.fetch(&http).await.unwrap().digest, read.digest, "{}", path.display());
        count += 1;
    }
    assert!(count > 0, "{} holds no archives", directory.display());
}
