//! Extended attributes, in which access lists are kept: who may read the old file may read the new one.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{XattrFlags, fsetxattr, getxattr, listxattr};
use rustix::io::Errno;

/// Larger ones are not access lists, nor labels.
const LARGEST: usize = 64 * 1024;

/// Gives a file the attributes of another. Labels that the system's own rules give are left to them where it does not
/// let us set them.
pub(super) fn copy(from: &Path, to: &File) -> io::Result<()> {
    for name in names(from)? {
        let mut value = vec![0; LARGEST];
        let length = match getxattr(from, name.as_str(), value.as_mut_slice()) {
            Ok(length) => length,
            // It went, or is none of ours to see.
            Err(Errno::NODATA | Errno::PERM | Errno::ACCESS | Errno::NOTSUP) => continue,
            Err(error) => return Err(error.into()),
        };
        let value = value.get(..length).unwrap_or_default();
        match fsetxattr(to, name.as_str(), value, XattrFlags::empty()) {
            Err(error) if is_an_access_list(&name) => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

fn names(path: &Path) -> io::Result<Vec<String>> {
    let mut list = vec![0; LARGEST];
    let length = match listxattr(path, list.as_mut_slice()) {
        Ok(length) => length,
        Err(Errno::NOTSUP) => 0,
        Err(error) => return Err(error.into()),
    };
    let list = list.get(..length).unwrap_or_default();
    let names = list.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    Ok(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

fn is_an_access_list(name: &str) -> bool {
    name.starts_with("system.posix_acl") || name.starts_with("system.nfs4_acl")
}
