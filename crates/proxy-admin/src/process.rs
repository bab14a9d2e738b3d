//! What the system says of this process: memory and open files. Elsewhere than on Linux it says nothing.

use std::fs;

/// Memory that is really in use, in bytes.
pub(crate) fn resident_bytes() -> Option<u64> {
    // Not `statm`: its unit is the page, whose size would have to be asked for.
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Open file descriptors, sockets among them.
pub(crate) fn open_files() -> Option<u64> {
    let entries = fs::read_dir("/proc/self/fd").ok()?.count();
    // Reading the list takes one.
    Some((entries as u64).saturating_sub(1))
}

/// How many may be open before the system refuses more.
pub(crate) fn open_files_limit() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    // `unlimited` is no number.
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_figures_move_with_what_the_process_holds() {
        assert!(resident_bytes().unwrap() > 100 * 1024);
        assert!(open_files_limit().unwrap() >= open_files().unwrap());
        let before = open_files().unwrap();
        let held: Vec<_> = (0..50).map(|_| fs::File::open("/proc/self/status").unwrap()).collect();
        // Other tests of this process open files too.
        assert!(open_files().unwrap() >= before + 40);
        drop(held);
        assert!(open_files_limit().is_none_or(|limit| limit >= before));
    }
}
