//! Files that a person names, read whole up to a bound: a device or a wrong path must not fill the memory.

use std::fs::File;
use std::io::{self, Error, ErrorKind, Read};
use std::path::Path;

/// A manifest, or keys.
pub const TEXT: u64 = 16 << 20;
/// What fits into a Kubernetes Secret.
pub const SECRET: u64 = 1 << 20;
/// Values of a chart, or the manifests of Flux: what a chart may have unpacked.
pub const CHART: u64 = 100 << 20;
/// A module with an interpreter and its libraries inside.
pub const MODULE: u64 = 256 << 20;
/// The state of a sandbox.
pub const STATE: u64 = 1 << 30;

/// Reads a regular file.
pub fn file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // A pipe that nobody writes to would block, and where a manifest names a file nobody means one.
    let found = std::fs::metadata(path)?;
    if !found.is_file() && !found.is_dir() {
        return Err(Error::new(ErrorKind::InvalidInput, "is no regular file"));
    }
    any(path, most)
}

/// Reads a file, or a pipe such as a shell makes of `<(command)`.
pub fn any(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    stream(File::open(path)?, most)
}

/// Reads a stream to its end.
pub fn stream(stream: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("is larger than {} MiB", most >> 20)));
    }
    Ok(bytes)
}

/// Returns what was read as text.
pub fn text(bytes: io::Result<Vec<u8>>) -> io::Result<String> {
    String::from_utf8(bytes?).map_err(|_| Error::new(ErrorKind::InvalidData, "is not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_bound_is_an_error_that_names_it() {
        let file_of = |length: u64| {
            let path = std::env::temp_dir().join(format!("launchway-bounded-{length}-{}", std::process::id()));
            File::create(&path).and_then(|file| file.set_len(length)).unwrap();
            path
        };
        for (length, expected) in [(SECRET, None), (SECRET + 1, Some("is larger than 1 MiB"))] {
            let path = file_of(length);
            for read in [file, any] {
                assert_eq!(read(&path, SECRET).err().map(|error| error.to_string()).as_deref(), expected);
            }
            std::fs::remove_file(path).unwrap();
        }
        assert_eq!(stream(io::repeat(b'x'), SECRET).unwrap_err().to_string(), "is larger than 1 MiB");
        assert_eq!(text(Ok(vec![0xff])).unwrap_err().to_string(), "is not UTF-8 text");
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_no_file() {
        assert_eq!(file(Path::new("/dev/zero"), TEXT).unwrap_err().to_string(), "is no regular file");
        assert_eq!(any(Path::new("/dev/zero"), SECRET).unwrap_err().to_string(), "is larger than 1 MiB");
    }
}
