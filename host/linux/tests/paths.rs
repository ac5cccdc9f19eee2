//! What becomes of a watched path, on a real file system.

#![allow(
    clippy::unwrap_used,
    reason = "this is a test, helpers included: what goes wrong is to fail it"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::timeout;
use vrrp_linux::path::PathWatcher;

/// What takes microseconds on an idle host may take seconds on a loaded one; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder, and a watcher of paths in it.
struct Bench {
    folder: TempDir,
    watcher: PathWatcher,
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            watcher: PathWatcher::new().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn watch(&mut self, name: &str) {
        let path = self.path(name);
        self.watcher.watch(&path).unwrap();
        // For the watch itself, whatever happens afterwards.
        assert_eq!(self.watcher.next().await.unwrap(), path);
    }

    /// Waits for a change of `name`, and for the silence after it: one act may be several events.
    async fn expect(&mut self, name: &str, act: impl FnOnce()) {
        act();
        let path = timeout(PATIENCE, self.watcher.next())
            .await
            .expect("it was not seen");
        assert_eq!(path.unwrap(), self.path(name));
        self.drain().await;
    }

    /// Takes what has been seen until now. A file beside the watched ones marks the place in the order of events.
    async fn drain(&mut self) {
        let marker = self.path("marker");
        self.watcher.watch(&marker).unwrap();
        assert_eq!(self.next_but(&marker).await, marker);
        fs::write(&marker, "").unwrap();
        assert_eq!(self.next_but(&marker).await, marker);
        fs::remove_file(&marker).unwrap();
        assert_eq!(self.next_but(&marker).await, marker);
    }

    async fn next_but(&mut self, marker: &Path) -> PathBuf {
        loop {
            let path = timeout(PATIENCE, self.watcher.next()).await;
            let path = path.expect("the marker was not seen").unwrap();
            if path == marker {
                return path;
            }
        }
    }
}

#[tokio::test]
async fn a_file_that_is_written_replaced_deleted_and_made_is_seen() {
    let mut bench = Bench::new();
    let (file, other) = (bench.path("file"), bench.path("other"));
    fs::write(&file, "1").unwrap();
    bench.watch("file").await;
    bench
        .expect("file", || fs::write(&file, "2").unwrap())
        .await;
    for content in ["3", "4"] {
        fs::write(&other, content).unwrap();
        bench
            .expect("file", || fs::rename(&other, &file).unwrap())
            .await;
    }
    // The new file is as good as the old one.
    bench
        .expect("file", || fs::write(&file, "5").unwrap())
        .await;
    bench
        .expect("file", || fs::remove_file(&file).unwrap())
        .await;
    bench
        .expect("file", || fs::write(&file, "6").unwrap())
        .await;
}

#[tokio::test]
async fn what_happens_beside_it_is_not_seen() {
    let mut bench = Bench::new();
    bench.watch("file").await;
    bench.watch("last").await;
    fs::write(bench.path("file-2"), "").unwrap();
    fs::create_dir(bench.path("folder")).unwrap();
    fs::write(bench.path("folder/file"), "").unwrap();
    fs::remove_file(bench.path("file-2")).unwrap();
    // Events come in order: had one of those before been one, it would be the next.
    fs::write(bench.path("last"), "").unwrap();
    let next = timeout(PATIENCE, bench.watcher.next()).await.unwrap();
    assert_eq!(next.unwrap(), bench.path("last"));
}

#[tokio::test]
async fn folders_that_come_and_go_are_followed() {
    let mut bench = Bench::new();
    let file = bench.path("a/b/file");
    bench.watch("a/b/file").await;
    for _ in 0..2 {
        bench
            .expect("a/b/file", || fs::create_dir(bench_path(&file, 2)).unwrap())
            .await;
        bench
            .expect("a/b/file", || fs::create_dir(bench_path(&file, 1)).unwrap())
            .await;
        bench
            .expect("a/b/file", || fs::write(&file, "1").unwrap())
            .await;
        let away = bench.path("away");
        bench
            .expect("a/b/file", || {
                fs::rename(bench_path(&file, 2), &away).unwrap();
            })
            .await;
        fs::remove_dir_all(&away).unwrap();
        bench.drain().await;
    }
}

/// The folder so many levels above.
fn bench_path(path: &Path, levels: usize) -> &Path {
    path.ancestors().nth(levels).unwrap()
}

#[tokio::test]
async fn a_file_behind_symbolic_links_is_seen_and_so_are_the_links() {
    let mut bench = Bench::new();
    for version in ["v1", "v2"] {
        fs::create_dir(bench.path(version)).unwrap();
        fs::write(bench.path(version).join("file"), version).unwrap();
    }
    // As Kubernetes lays out a ConfigMap, one absolute and one relative link.
    symlink("v1", bench.path("..data")).unwrap();
    symlink(bench.path("..data/file"), bench.path("file")).unwrap();
    bench.watch("file").await;
    let (first, second) = (bench.path("v1/file"), bench.path("v2/file"));
    bench
        .expect("file", || fs::write(&first, "new").unwrap())
        .await;

    let (link, data) = (bench.path("link"), bench.path("..data"));
    symlink("v2", &link).unwrap();
    bench
        .expect("file", || fs::rename(&link, &data).unwrap())
        .await;
    bench
        .expect("file", || fs::write(&second, "new").unwrap())
        .await;
    let gone = bench.path("v2");
    bench
        .expect("file", || fs::remove_dir_all(&gone).unwrap())
        .await;
}

#[tokio::test]
async fn of_a_folder_what_is_in_it_is_seen() {
    let mut bench = Bench::new();
    fs::create_dir(bench.path("folder")).unwrap();
    bench.watch("folder").await;
    let file = bench.path("folder/file");
    bench
        .expect("folder", || fs::write(&file, "1").unwrap())
        .await;
    bench
        .expect("folder", || fs::remove_file(&file).unwrap())
        .await;
    let folder = bench.path("folder");
    bench
        .expect("folder", || fs::remove_dir(&folder).unwrap())
        .await;
    bench
        .expect("folder", || fs::create_dir(&folder).unwrap())
        .await;
    bench
        .expect("folder", || fs::write(&file, "2").unwrap())
        .await;
}

#[tokio::test]
async fn what_the_kernel_dropped_counts_as_a_change_of_everything() {
    let mut bench = Bench::new();
    bench.watch("file").await;
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    // Two names in turn, because the kernel merges events that are equal.
    let (one, two) = (bench.path("one"), bench.path("two"));
    let path = bench.path("file");
    for _ in 0..limit / 2 + 1 {
        fs::write(&one, "").unwrap();
        fs::write(&two, "").unwrap();
    }
    // It is not told, because there is no room.
    fs::write(&path, "").unwrap();
    let seen = timeout(PATIENCE, bench.watcher.next()).await.unwrap();
    assert_eq!(seen.unwrap(), path);
}

#[tokio::test]
async fn a_loop_of_symbolic_links_ends() {
    let mut bench = Bench::new();
    symlink("two", bench.path("one")).unwrap();
    symlink("one", bench.path("two")).unwrap();
    bench.watch("one").await;
    let two = bench.path("two");
    bench.expect("one", || fs::remove_file(&two).unwrap()).await;
    bench.expect("one", || fs::write(&two, "1").unwrap()).await;
}

#[tokio::test]
async fn a_relative_path_is_refused() {
    let mut watcher = PathWatcher::new().unwrap();
    let error = watcher.watch(Path::new("file")).unwrap_err();
    assert_eq!(error.to_string(), "only an absolute path can be watched");
}
