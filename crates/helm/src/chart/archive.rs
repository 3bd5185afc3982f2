//! Chart archives: gzip, tar, and the paths that Helm refuses (`pkg/chart/loader/archive/archive.go`).

use std::cell::RefCell;
use std::io::{Read, Seek, SeekFrom};

use bytes::{Bytes, BytesMut};
use flate2::bufread::MultiGzDecoder;

use super::{ChartError, File};

/// How large a whole chart may be when unpacked.
const MAX_CHART: u64 = 100 * 1024 * 1024;

/// How large one file may be.
pub(super) const MAX_FILE: u64 = 5 * 1024 * 1024;

/// Looks at the first bytes, because reading YAML as gzip gives no useful message.
pub(super) fn check_type(name: &str, bytes: &[u8]) -> Result<(), ChartError> {
    if bytes.starts_with(&[0x1f, 0x8b, 0x08]) {
        return Ok(());
    }
    if name.ends_with(".yml") || name.ends_with(".yaml") {
        return Err(ChartError(format!("file '{name}' seems to be a YAML file, but expected a gzipped archive")));
    }
    let head = &bytes[..bytes.len().min(512)];
    // Helm looks at 512 bytes, and at zeros where the file has fewer.
    let binary = head.len() < 512 || head.iter().any(|byte| matches!(byte, 0..=8 | 0xb | 0xe..=0x1a | 0x1c..=0x1f));
    let kind = if binary { "application/octet-stream" } else { "text/plain; charset=utf-8" };
    Err(ChartError(format!("file '{name}' does not appear to be a gzipped archive; got '{kind}'")))
}

/// What is handed out as soon as it is unpacked, since there is much to be done with it.
pub(super) enum Early {
    /// The `values.yaml` of the chart or of a subchart: it is large, and mostly one of the first.
    Values(Bytes),
    /// A template of one of them, with its path in the archive.
    Template(String, Bytes),
}

/// Unpacks the regular files of an archive, the first path component dropped, in archive order.
pub(super) fn unpack(bytes: &[u8], early: &mut dyn FnMut(Early)) -> Result<Vec<File>, ChartError> {
    if bytes.is_empty() {
        return Err(ChartError::new("EOF"));
    }
    let unpacked = RefCell::new(Unpacked::new(MultiGzDecoder::new(bytes).take(MAX_CHART * 2), unpacked_size(bytes)));
    let mut archive = tar::Archive::new(Shared(&unpacked));
    let mut files = Vec::new();
    let mut remaining = MAX_CHART;
    for entry in archive.entries_with_seek().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let kind = entry.header().entry_type();
        if kind.is_dir() || kind.is_pax_global_extensions() || kind.is_pax_local_extensions() {
            continue;
        }
        let original = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        // Only where no kind is written does the name say that it is a folder.
        if entry.header().as_bytes()[156] == 0 && original.ends_with('/') {
            continue;
        }
        let name = inner_path(&original)?;
        let size = entry.size();
        if size > remaining {
            return Err(too_large());
        }
        if size > MAX_FILE {
            return Err(ChartError(format!("decompressed chart file {original:?} is larger than the maximum file size {MAX_FILE}")));
        }
        remaining -= size;
        if remaining == 0 {
            return Err(too_large());
        }
        let data = if kind.is_gnu_sparse() {
            let mut data = Vec::new();
            entry.by_ref().take(MAX_FILE).read_to_end(&mut data).map_err(broken)?;
            Bytes::from(data)
        } else {
            // At most `MAX_CHART` is unpacked, so that it fits.
            unpacked.borrow_mut().take(entry.raw_file_position() as usize, size as usize).map_err(broken)?
        };
        let data = without_mark(data);
        if is_values(&name) {
            early(Early::Values(data.clone()));
        } else if is_template(&name) {
            early(Early::Template(original, data.clone()));
        }
        files.push(File { name, data, modified: modified(&mut entry) });
    }
    if files.is_empty() {
        return Err(ChartError::new("no files in chart archive"));
    }
    Ok(files)
}

/// Tells whether a file has the values of the chart or of a subchart, as far as its path tells.
fn is_values(name: &str) -> bool {
    below_chart(name) == "values.yaml"
}

/// Tells whether a file is a template of the chart or of a subchart, as far as its path tells.
fn is_template(name: &str) -> bool {
    below_chart(name).starts_with("templates/")
}

/// Returns the path below the innermost chart that a file is in.
fn below_chart(mut name: &str) -> &str {
    while let Some((_, inner)) = name.strip_prefix("charts/").and_then(|rest| rest.split_once('/')) {
        name = inner;
    }
    name
}

/// Returns how much the archive says it unpacks to, as far as that can be.
fn unpacked_size(bytes: &[u8]) -> usize {
    /// Deflate makes no more of a byte.
    const MOST: usize = 1032;
    let said = bytes.last_chunk().map_or(0, |size| u32::from_le_bytes(*size) as usize);
    said.min(bytes.len().saturating_mul(MOST)).min(MAX_CHART as usize)
}

/// What was unpacked and is not handed out yet. Files are parts of it that nobody copies: a chart has hundreds, most of them small.
struct Unpacked<R> {
    inner: R,
    held: BytesMut,
    /// Where in the archive what is held starts, and how far it was read.
    start: usize,
    position: usize,
}

impl<R: Read> Unpacked<R> {
    fn new(inner: R, size: usize) -> Self {
        Unpacked { inner, held: BytesMut::with_capacity(size), start: 0, position: 0 }
    }

    fn end(&self) -> usize {
        self.start + self.held.len()
    }

    /// Unpacks some more; nothing is the end.
    fn more(&mut self) -> std::io::Result<usize> {
        const AHEAD: usize = 128 * 1024;
        const AFTER_ALL: usize = 32;
        let length = self.held.len();
        let room = self.held.capacity() - length;
        let count = if room == 0 {
            // Mostly there is nothing any more, and no need for more room.
            let mut after = [0; AFTER_ALL];
            let count = self.inner.read(&mut after)?;
            self.held.extend_from_slice(&after[..count]);
            count
        } else {
            self.held.resize(length + room.min(AHEAD), 0);
            let read = self.inner.read(&mut self.held[length..]);
            self.held.truncate(length + *read.as_ref().unwrap_or(&0));
            read?
        };
        Ok(count)
    }

    /// Returns how much there is that was not read yet; none is the end.
    fn ahead(&mut self) -> std::io::Result<usize> {
        if self.position >= self.end() {
            self.more()?;
        }
        Ok(self.end().saturating_sub(self.position))
    }

    /// Hands out a part, and forgets what comes before it.
    fn take(&mut self, from: usize, size: usize) -> std::io::Result<Bytes> {
        while self.end() < from + size {
            if self.more()? == 0 {
                return Err(ends_early());
            }
        }
        let before = from.checked_sub(self.start).ok_or(std::io::ErrorKind::Unsupported)?;
        drop(self.held.split_to(before));
        self.start = from + size;
        Ok(self.held.split_to(size).freeze())
    }
}

fn ends_early() -> std::io::Error {
    std::io::Error::other("unexpected EOF during skip")
}

/// What tar reads headers from.
struct Shared<'a, R>(&'a RefCell<Unpacked<R>>);

impl<R: Read> Read for Shared<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let mut unpacked = self.0.borrow_mut();
        unpacked.ahead()?;
        let held = unpacked.position.checked_sub(unpacked.start).ok_or(std::io::ErrorKind::Unsupported)?;
        let count = (&unpacked.held[held..]).read(out)?;
        unpacked.position += count;
        Ok(count)
    }
}

/// The contents of files are left where they are; tar only goes ahead.
impl<R: Read> Seek for Shared<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let SeekFrom::Current(count) = to else { return Err(std::io::ErrorKind::Unsupported.into()) };
        let mut unpacked = self.0.borrow_mut();
        let mut left = usize::try_from(count).map_err(std::io::Error::other)?;
        while left > 0 {
            let count = unpacked.ahead()?.min(left);
            if count == 0 {
                return Err(ends_early());
            }
            unpacked.position += count;
            left -= count;
        }
        Ok(unpacked.position as u64)
    }
}

fn modified<R: Read>(entry: &mut tar::Entry<R>) -> Option<(i64, u32)> {
    let from_header = entry.header().mtime().ok().and_then(|seconds| i64::try_from(seconds).ok()).map(|seconds| (seconds, 0));
    let Ok(Some(extensions)) = entry.pax_extensions() else {
        return from_header;
    };
    for extension in extensions.flatten() {
        if extension.key() == Ok("mtime")
            && let Ok(text) = extension.value()
        {
            let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
            let nanos = format!("{fraction:0<9}").get(..9).and_then(|digits| digits.parse().ok()).unwrap_or(0);
            return seconds.parse().ok().map(|seconds| (seconds, nanos)).or(from_header);
        }
    }
    from_header
}

/// What Go says of a gzip header that is none.
pub(super) const BAD_HEADER: &str = "gzip: invalid header";

fn too_large() -> ChartError {
    ChartError(format!("decompressed chart is larger than the maximum size {MAX_CHART}"))
}

fn broken(error: std::io::Error) -> ChartError {
    ChartError(match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "unexpected EOF".to_owned(),
        std::io::ErrorKind::InvalidInput if error.to_string().contains("gzip header") => BAD_HEADER.to_owned(),
        _ => format!("chart archive cannot be unpacked: {error}"),
    })
}

/// Returns the path below the chart's folder, cleaned, or why Helm refuses it.
fn inner_path(original: &str) -> Result<String, ChartError> {
    let delimiter = if original.contains('\\') { '\\' } else { '/' };
    let rest = original.split_once(delimiter).map_or("", |(_, rest)| rest).replace(delimiter, "/");
    if rest.starts_with('/') {
        return Err(ChartError::new("chart illegally contains absolute paths"));
    }
    let name = clean(&rest);
    let first = original.split(delimiter).next().unwrap_or_default();
    if name == "." {
        return Err(ChartError(format!("chart illegally contains content outside the base directory: {original:?}")));
    }
    if name.starts_with("..") {
        return Err(ChartError::new("chart illegally references parent directory"));
    }
    let bytes = name.as_bytes();
    if bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':' && bytes[2] == b'/' {
        return Err(ChartError::new("chart contains illegally named files"));
    }
    if first == "Chart.yaml" {
        return Err(ChartError::new("chart yaml not in base directory"));
    }
    Ok(name)
}

/// Go's `path.Clean` for relative paths.
pub(super) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

pub(super) fn without_mark(data: Bytes) -> Bytes {
    if data.starts_with(b"\xef\xbb\xbf") { data.slice(3..) } else { data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_the_first_component() {
        assert_eq!(inner_path("c/Chart.yaml"), Ok("Chart.yaml".to_owned()));
        assert_eq!(inner_path("c\\templates\\a.yaml"), Ok("templates/a.yaml".to_owned()));
        assert_eq!(inner_path("c/./a//b"), Ok("a/b".to_owned()));
    }

    #[test]
    fn knows_the_values_of_charts() {
        let found = ["values.yaml", "charts/a/values.yaml", "charts/a/charts/b/values.yaml"];
        assert!(found.into_iter().all(is_values));
        let other = ["ci/values.yaml", "my-values.yaml", "charts/values.yaml", "charts/a/my-values.yaml", "charts/a/ci/values.yaml"];
        assert!(!other.into_iter().any(is_values));
    }

    #[test]
    fn knows_templates_of_charts() {
        let found = ["templates/a.yaml", "charts/a/templates/_b.tpl", "charts/a/charts/b/templates/c/d.yaml"];
        assert!(found.into_iter().all(is_template));
        let other = ["templates", "a/templates/b.yaml", "charts/templates/b.yaml", "charts/a/b/templates/c.yaml"];
        assert!(!other.into_iter().any(is_template));
    }

    #[test]
    fn refuses_odd_paths() {
        let check = |path: &str, expect: &str| assert_eq!(inner_path(path).map_err(|error| error.to_string()), Err(expect.to_owned()));
        check("c//etc/passwd", "chart illegally contains absolute paths");
        check("c/../../x", "chart illegally references parent directory");
        check("c/a/..", "chart illegally contains content outside the base directory: \"c/a/..\"");
        check("Chart.yaml", "chart illegally contains content outside the base directory: \"Chart.yaml\"");
        check("Chart.yaml/x", "chart yaml not in base directory");
        check("c/c:/x", "chart contains illegally named files");
    }

    #[test]
    fn names_what_is_no_archive() {
        assert!(check_type("x.yaml", b"a: 1").is_err_and(|error| error.0.contains("seems to be a YAML file")));
        assert!(check_type("x", b"a: 1").is_err_and(|error| error.0.ends_with("got 'application/octet-stream'")));
        assert!(check_type("x", &[b'a'; 512]).is_err_and(|error| error.0.ends_with("got 'text/plain; charset=utf-8'")));
        assert_eq!(Chart::from_archive("x.tgz", &[0x1f, 0x8b, 0x08]).map_err(|error| error.0), Err("unexpected EOF".to_owned()));
    }

    use super::super::Chart;
}
