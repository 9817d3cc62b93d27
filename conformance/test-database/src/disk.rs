//! A small disk of a test's own, to be filled.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A disk in memory.
#[derive(Debug)]
pub struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// One of so many MiB; none where disks may not be mounted.
    ///
    /// # Panics
    /// When there is no folder to mount it at.
    #[must_use]
    pub fn mount(mebibytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let size = format!("size={mebibytes}m,mode=0755");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]);
        let mounted = mount.arg(folder.path()).output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then_some(Self { folder })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Fills it to the last byte.
    ///
    /// # Panics
    /// When it can't be written at all.
    pub fn fill(&self) {
        let mut filler = File::options()
            .create(true)
            .append(true)
            .open(self.filler())
            .unwrap();
        for size in [1 << 20, 1 << 12, 1] {
            let piece = vec![0; size];
            while filler.write_all(&piece).is_ok() {}
        }
    }

    /// Gives the space back.
    ///
    /// # Panics
    /// When it was not filled.
    pub fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whoever still has a file open there keeps it for as long.
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}
