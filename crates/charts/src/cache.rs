//! Downloads by digest, so that a second run needs no second download.
//!
//! The folder is private, files appear under their name only when they are whole, and nothing is believed without hashing it again. A
//! cache that does not work costs time and nothing else: its errors are not reported.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use crate::reference::Digest;

pub(crate) struct Cache {
    folder: Option<PathBuf>,
}

impl Cache {
    pub(crate) fn new(root: Option<PathBuf>) -> Cache {
        Cache { folder: root.map(|root| root.join("charts")) }
    }

    /// Returns what has this digest, if it is here, is not larger and still has it.
    pub(crate) async fn get(&self, digest: &Digest, limit: u64) -> Option<Vec<u8>> {
        let path = self.path(digest)?;
        let wanted = digest.clone();
        let read = move || {
            let mut bytes = Vec::new();
            fs::File::open(&path).ok()?.take(limit + 1).read_to_end(&mut bytes).ok()?;
            (bytes.len() as u64 <= limit && Digest::of(&bytes) == wanted).then_some(bytes)
        };
        tokio::task::spawn_blocking(read).await.ok()?
    }

    /// Keeps bytes whose digest was checked.
    pub(crate) async fn put(&self, digest: &Digest, bytes: &[u8]) {
        let (Some(folder), Some(path)) = (self.folder.clone(), self.path(digest)) else { return };
        let bytes = bytes.to_owned();
        let write = move || -> std::io::Result<()> {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
            let mut file = tempfile::NamedTempFile::new_in(&folder)?;
            file.write_all(&bytes)?;
            file.persist(&path).map_err(|error| error.error)?;
            Ok(())
        };
        let _ = tokio::task::spawn_blocking(write).await;
    }

    fn path(&self, digest: &Digest) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(format!("sha256-{}", digest.hex())))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn believes_nothing() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(root.path().join("cache")));
        let digest = Digest::of(b"chart");
        assert_eq!(cache.get(&digest, 100).await, None);
        cache.put(&digest, b"chart").await;
        assert_eq!(cache.get(&digest, 100).await.unwrap(), b"chart");
        assert_eq!(cache.get(&digest, 4).await, None, "too large");
        let folder = root.path().join("cache/charts");
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(cache.path(&digest).unwrap(), "other").unwrap();
        assert_eq!(cache.get(&digest, 100).await, None, "changed");
        cache.put(&digest, b"chart").await;
        assert_eq!(cache.get(&digest, 100).await.unwrap(), b"chart", "repaired");
    }
}
