//! Folder operations the standard library lacks: recursive copy and recursive change of owner.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink},
    path::Path,
};

/// Copies a folder with permissions and symbolic links; ownership becomes the caller's.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(entry.path())?, &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    fs::set_permissions(to, fs::metadata(from)?.permissions())
}

/// Gives a folder and all in it to `uid:gid`; does nothing when the top already belongs to it.
pub(crate) fn give_tree(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            give_tree(&entry?.path(), uid, gid)?;
        }
    }
    if metadata.uid() == uid && metadata.gid() == gid {
        return Ok(());
    }
    lchown(path, Some(uid), Some(gid))
}

/// Makes a folder with exactly these permissions, and refuses a symbolic link or somebody else's
/// folder in its place: used below world-writable parents.
pub(crate) fn make_own_folder(path: &Path, mode: u32, owner: u32) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() || metadata.uid() != owner {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "belongs to somebody else"));
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_files_links_and_modes() {
        let root = tempfile::tempdir().unwrap();
        let from = root.path().join("from");
        fs::create_dir_all(from.join("deep")).unwrap();
        fs::write(from.join("deep/file"), "x").unwrap();
        fs::set_permissions(from.join("deep/file"), fs::Permissions::from_mode(0o600)).unwrap();
        symlink("deep/file", from.join("link")).unwrap();
        let to = root.path().join("to");
        copy_tree(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("link")).unwrap(), "x");
        assert_eq!(fs::metadata(to.join("deep/file")).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_link_in_place_of_the_folder_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let link = root.path().join("link");
        symlink(root.path(), &link).unwrap();
        let owner = fs::metadata(root.path()).unwrap().uid();
        assert!(make_own_folder(&link, 0o711, owner).is_err());
        assert!(make_own_folder(&root.path().join("new"), 0o711, owner).is_ok());
    }
}
